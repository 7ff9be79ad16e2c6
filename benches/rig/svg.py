"""A small writer of SVG: elements with classes, coloured by a style that knows light and dark."""
from xml.sax.saxutils import escape, quoteattr

# Class -> properties, in the light; then what the dark changes.
LIGHT = {
    "card": "fill:#ffffff;stroke:#d8dee4",
    "title": "fill:#1f2328;font-weight:600",
    "text": "fill:#1f2328",
    "quiet": "fill:#59636e",
    "ours": "fill:#0b7285",
    "ours2": "fill:#66b2bf",
    "kernel": "fill:#8a7fb8",
    "rival": "fill:#a3adb8",
    "halo": "fill:#1f2328;stroke:#ffffff;stroke-width:3;paint-order:stroke",
    "line": "stroke:#59636e;stroke-dasharray:3 3",
    "axis": "stroke:#d8dee4",
    "break": "stroke:#ffffff;stroke-width:2.5",
}
DARK = {
    "card": "fill:#0d1117;stroke:#30363d",
    "title": "fill:#f0f6fc",
    "text": "fill:#f0f6fc",
    "quiet": "fill:#9198a1",
    "ours": "fill:#3bc9db",
    "ours2": "fill:#1c7c8a",
    "kernel": "fill:#a597e0",
    "rival": "fill:#59636e",
    "halo": "fill:#f0f6fc;stroke:#0d1117",
    "line": "stroke:#9198a1",
    "axis": "stroke:#30363d",
    "break": "stroke:#0d1117",
}
FONT = "font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif"


def rules(classes):
    return "".join(".%s{%s}" % pair for pair in classes.items())


class Svg:
    def __init__(self, width):
        self.width, self.parts = width, []

    def put(self, name, css, **attributes):
        words = "".join(" %s=%s" % (key.replace("_", "-"), quoteattr(plain(value)))
                        for key, value in attributes.items())
        self.parts.append('<%s class="%s"%s/>' % (name, css, words))

    def text(self, x, y, what, css="text", size=11, anchor="start"):
        self.parts.append('<text class="%s" x="%s" y="%s" font-size="%s" text-anchor="%s">%s</text>'
                          % (css, plain(x), plain(y), plain(size), anchor, escape(what)))

    def document(self, height, label, dark=None):
        """`dark`: None, as whoever looks prefers; else one or the other."""
        style = rules(LIGHT)
        if dark is None:
            style += "@media(prefers-color-scheme:dark){%s}" % rules(DARK)
        elif dark:
            style += rules(DARK)
        head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"'
                ' role="img" aria-label=%s>' % (self.width, height, self.width, height,
                                                quoteattr(label)))
        card = '<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (
            self.width - 1, height - 1)
        return "\n".join([head, "<style>text{%s}%s</style>" % (FONT, style), card, *self.parts,
                          "</svg>"]) + "\n"


def plain(value):
    """A number without digits that nobody sees."""
    return ("%.1f" % value).rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
