"""compare.sh's second half: the rounds. Runs in namespaces of its own."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

import procs
import world
from measures import Rig, measures
from report import Table
from servers import Null, Vsftpd
from ways import CERTIFICATE, all_ways

FILES = "/run/files"
BULK, QUICK_BULK = 2 * 10**9, 256 * 10**6


def arguments():
    parser = argparse.ArgumentParser(prog="benches/compare.sh")
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--gateway", help="the ftpgate binary")
    parser.add_argument("--rounds", type=int, help="default 5, 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="small, once: does it all work?")
    parser.add_argument("--ways", help="default: all that are installed")
    parser.add_argument("--measures", help="default: all")
    parser.add_argument("--out", help="a file for one line of JSON for each measurement")
    parser.add_argument("--list", action="store_true", help="names of ways and measures")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    return options


def chosen(what, names, known):
    names = names.split(",") if names else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit("no such %s: %s; there are: %s" % (what, ", ".join(unknown), ", ".join(known)))
    return [known[name] for name in names]


def say(text):
    print(text, file=sys.stderr, flush=True)


def memory_available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) * 1024


def prepare_servers(options, bulk, wanted):
    servers = {"null": Null(options.load)}
    if wanted:
        # The file, an upload of the same size, and some air.
        bulk = min(bulk, memory_available() // 4)
        os.mkdir(FILES)
        servers["vsftpd"] = Vsftpd(options.load, FILES, [1024, bulk, 8 << 20])
        servers["vsftpd"].fill(world.run)
    return servers, bulk


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bulk = QUICK_BULK if options.quick else BULK
    known_ways, known = all_ways(options.gateway), measures(options.quick, bulk)
    if options.list:
        return print("ways: %s\nmeasures: %s" % (", ".join(known_ways), ", ".join(known)))
    ways = chosen("way", options.ways, known_ways)
    wanted = chosen("measure", options.measures, known)
    for way in [way for way in ways if not way.available()]:
        say("%s is not installed: left out" % way.name)
        ways.remove(way)
    if not shutil.which("vsftpd"):
        say("vsftpd is not installed: the null server alone")
        wanted = [measure for measure in wanted if measure.server != "vsftpd"]

    world.prepare()
    needed = {(measure.server, measure.tls) for measure in wanted}
    if any(tls for _, tls in needed):
        world.run(options.gateway, "cert", "self-signed", "--name", "ftp.example",
                  "--out", CERTIFICATE, stdout=subprocess.DEVNULL)
    servers, fits = prepare_servers(options, bulk, ("vsftpd", False) in needed)
    if fits < bulk:
        say("short of memory: files of %d bytes" % fits)
        known = measures(options.quick, fits)
        wanted = [known[measure.name] for measure in wanted]
    rig = Rig(options.load, servers, procs.descriptor_limit())
    for server, tls in sorted(needed):
        for way in ways:
            if way.tls or not tls:
                rig.check(way, server, tls)
    say("every way carries what was sent, in both directions")

    table = Table(ways, wanted, options.rounds)
    out = open(options.out, "a") if options.out else None
    for number in range(options.rounds):
        # Each round begins one way further on.
        first = number % len(ways)
        for measure in wanted:
            for way in filter(measure.through, ways[first:] + ways[:first]):
                result = rig.measure(way, measure)
                table.add(number, measure, way, result)
                line = {"round": number, "way": way.name, "measure": measure.name, **result}
                say(json.dumps(line))
                if out:
                    print(json.dumps(line), file=out, flush=True)
    table.print([way.version() for way in ways])
    failed = any("error" in r for (_, way, _), r in table.results.items() if way == "ftpgate")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit("benches/compare.sh: %s" % error)
