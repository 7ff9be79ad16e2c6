"""What the programs of this folder take from their command line, and say."""
import argparse
import os
import sys


def parser(program):
    """What all of them take."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--command", default=program, help=argparse.SUPPRESS)
    parser.add_argument("--gateway", help="the ftpgate binary")
    parser.add_argument("--congestion", default="cubic", help="congestion control, by route")
    parser.add_argument("--table", help="what is printed, to a file too")
    parser.add_argument("--list", action="store_true", help="names of what can be chosen")
    return parser


def rounds(parser, default):
    """What those take besides that measure in rounds and keep each result."""
    parser.add_argument("--rounds", type=int, help="default %d, 1 when small" % default)
    parser.add_argument("--quick", action="store_true", help="small, once: does it all work?")
    parser.add_argument("--out", help="lines of JSON are appended to this file")
    return parser


def chosen(what, names, known):
    names = names.split(",") if names else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit("no such %s: %s; there are: %s" % (what, ", ".join(unknown), ", ".join(known)))
    return [known[name] for name in names]


def program(path):
    """It has to be there."""
    if not path or not os.access(path, os.X_OK):
        sys.exit("%s is no program: --gateway" % path)


def say(text):
    print(text, file=sys.stderr, flush=True)


def publish(text, path):
    """On standard output, and in that file, if there is one."""
    print(text)
    if path:
        with open(path, "w") as file:
            file.write(text)
