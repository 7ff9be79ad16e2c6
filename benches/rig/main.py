"""compare.sh's second half: the rounds. Runs in namespaces of its own."""
import argparse
import json
import os
import signal
import subprocess
import sys

import chart
import measures
import servers
import world
from gateway import Ftpgate, NoPipe
from options import chosen, parser, program, publish, rounds, say
from proxies import FtpProxy, Modproxy
from relays import Bare, Haproxy, Nginx
from report import Report
from results import Results, header
from rig import CHECK, Rig
from ways import CERTIFICATE, Direct, Knat, VsftpdTls

FILES = "/run/files"
SMOKE_WAYS = "direct,knat,bare,haproxy,ftpgate,ftpgate-nopipe"
SMOKE_MEASURES = "get,put8,small8,sess,noop,idle100"


def arguments():
    taken = rounds(parser("benches/compare.sh"), 5)
    taken.add_argument("--smoke", action="store_true", help="smaller, for every test run")
    taken.add_argument("--ways", help="default: all that are installed")
    taken.add_argument("--build", action="append", default=[], type=build, metavar="NAME=PATH",
                       help="one more build of ftpgate, as a way of that name; may be repeated")
    taken.add_argument("--measures", help="default: all")
    taken.add_argument("--chart", help="an SVG")
    options = taken.parse_args()
    options.quick = options.quick or options.smoke
    options.rounds = options.rounds or (1 if options.quick else 5)
    if options.smoke:
        options.ways = options.ways or SMOKE_WAYS
        options.measures = options.measures or SMOKE_MEASURES
    return options


def build(text):
    """Another build of ftpgate: `NAME=PATH`."""
    name, _, path = text.partition("=")
    if not name or not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError("NAME=PATH, of a program: %s" % text)
    return Ftpgate(path, name)


def all_ways(gateway, load, builds=()):
    ways = [Direct(), VsftpdTls(servers.vsftpd()), Knat(), Bare(load), Haproxy("haproxy"),
            Haproxy("haproxy-1m", 1 << 20), Nginx("nginx"), Nginx("nginx-256k", "256k"),
            Modproxy(), FtpProxy(), Ftpgate(gateway), NoPipe(gateway), *builds]
    return {way.name: way for way in ways}


def memory_available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) * 1024


def prepare_servers(options, scale, ways, wanted):
    """Those that are needed. The scale is made smaller where a real server's files do not fit."""
    found = {"null": servers.Null(options.load)}
    names = {measure.server for measure in wanted} | {way.server for way in ways}
    if "vsftpd" in names or "vsftpd-tls" in names:
        # The file, an upload of the same size, and some air.
        fits = memory_available() // 4
        if fits < scale.dear:
            say("short of memory: %s in all" % measures.size(fits))
            scale.dear = fits
        os.mkdir(FILES)
        found["vsftpd"] = servers.Vsftpd(options.load, FILES)
        found["vsftpd-tls"] = servers.Vsftpd(options.load, FILES, CERTIFICATE)
        found["vsftpd"].fill([1024, scale.dear, CHECK], world.run)
    return found


def present(options, known, scale):
    """The ways and measures asked for, as far as they can be had here."""
    ways = chosen("way", options.ways, known)
    wanted = chosen("measure", options.measures, measures.measures(scale))
    for way in [way for way in ways if not way.available()]:
        say("%s is not here: %s" % (way.name, way.missing()))
        ways.remove(way)
    if not servers.vsftpd() and any(measure.server == "vsftpd" for measure in wanted):
        say("vsftpd is not installed: the null server alone")
        wanted = [measure for measure in wanted if measure.server != "vsftpd"]
    ways = [way for way in ways if any(measure.through(way) for measure in wanted)]
    return ways, wanted


def prepare(options, scale, ways, wanted):
    """Servers, certificate, and every way tried; the rig."""
    world.prepare()
    if any(measure.tls for measure in wanted):
        world.run(options.gateway, "cert", "self-signed", "--name", "ftp.example",
                  "--out", CERTIFICATE, stdout=subprocess.DEVNULL)
    found = prepare_servers(options, scale, ways, wanted)
    rig = Rig(options.load, found, options.congestion, scale)
    needed = dict.fromkeys((way, measure.server, measure.tls) for measure in wanted
                           for way in ways if measure.through(way))
    for way, server, tls in needed:
        rig.check(way, server, tls)
    say("every way carries what was sent, in both directions")
    return rig


def measure_all(rig, options, ways, wanted, results):
    with open(options.out or os.devnull, "a") as out:
        def put(line):
            text = json.dumps(line, ensure_ascii=False)
            print(text, file=out, flush=True)
            results.add(line)
            return text

        put(header(ways, wanted, options, options.command))
        for number in range(options.rounds):
            # Each round begins one way further on.
            first = number % len(ways)
            for measure in (measure for measure in wanted if number < measure.rounds):
                for way in filter(measure.through, ways[first:] + ways[:first]):
                    result = rig.measure(way, measure)
                    say(put({"round": number, "way": way.name, "measure": measure.name, **result}))


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scale = measures.SMOKE if options.smoke else measures.QUICK if options.quick else measures.FULL
    known = all_ways(options.gateway, options.load, options.build)
    if options.list:
        names = measures.measures(scale)
        return print("ways: %s\nmeasures: %s" % (", ".join(known), ", ".join(names)))
    program(options.gateway)
    ways, wanted = present(options, known, scale)
    rig = prepare(options, scale, ways, wanted)
    names = [measure.name for measure in wanted]
    # Once more, in case that the files had to be smaller.
    wanted = chosen("measure", ",".join(names), measures.measures(scale))
    results = Results()
    try:
        measure_all(rig, options, ways, wanted, results)
    except KeyboardInterrupt:
        say("interrupted: what there is until now")
    publish(Report(results).text(), options.table)
    if options.chart:
        chart.write(results, options.chart)
    failed = [key for key in results.troubles() if key[1].startswith("ftpgate")]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit("benches/compare.sh: %s" % error)
