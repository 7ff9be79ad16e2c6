//! The XML of UPnP: what is sent is made of our own words, what comes is searched for a few
//! elements and never built into anything. Pure.

use std::fmt::Write as _;

/// The services that map ports, the newest first.
const KINDS: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];
/// What is repeated of a router's own words.
const SAID: usize = 80;

/// A service of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// One of [`KINDS`].
    pub(super) kind: &'static str,
    /// Where it is spoken to: a path, or a whole URL.
    pub(super) control: String,
}

/// The service of a description that maps ports.
pub(super) fn service(description: &str) -> Option<Service> {
    let services: Vec<&str> = elements(description, "service").collect();
    KINDS.iter().find_map(|kind| {
        let of_kind = |service: &&&str| element(service, "serviceType") == Some(*kind);
        let control = element(services.iter().find(of_kind)?, "controlURL")?;
        Some(Service { kind, control: control.replace("&amp;", "&") })
    })
}

/// The body of a call. Arguments are numbers, addresses and our name: nothing needs an escape.
pub(super) fn call(kind: &str, action: &str, arguments: &[(&str, &str)]) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\"?>\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
         <u:{action} xmlns:u=\"{kind}\">"
    );
    for (name, value) in arguments {
        let _ = write!(text, "<{name}>{value}</{name}>");
    }
    let _ = write!(text, "</u:{action}></s:Body></s:Envelope>\r\n");
    text
}

/// The code and words of an answer that is an error.
pub(super) fn fault(answer: &str) -> Option<(u16, String)> {
    let code = element(answer, "errorCode")?.parse().ok()?;
    let said = element(answer, "errorDescription").unwrap_or_default();
    let plain = said.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(SAID).collect();
    Some((code, plain))
}

/// The text of the first element of that name.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).next().map(str::trim)
}

/// What stands inside each element of that name, whatever its namespace.
fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        while let Some((tag, after)) = next_tag(rest) {
            rest = after;
            if is_named(tag, name) && !tag.ends_with('/') {
                let (inside, after) = until_close(after, name)?;
                rest = after;
                return Some(inside);
            }
        }
        None
    })
}

/// What stands between the next `<` and its `>`, and what follows.
fn next_tag(xml: &str) -> Option<(&str, &str)> {
    let (_, rest) = xml.split_once('<')?;
    rest.split_once('>')
}

fn until_close<'a>(xml: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut rest = xml;
    loop {
        let start = xml.len() - rest.len() + rest.find('<')?;
        let (tag, after) = next_tag(rest)?;
        if tag.strip_prefix('/').is_some_and(|tag| is_named(tag, name)) {
            return Some((xml.get(..start)?, after));
        }
        rest = after;
    }
}

fn is_named(tag: &str, name: &str) -> bool {
    let tag = tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
    tag.rsplit(':').next() == Some(name)
}

#[cfg(test)]
mod tests;
