# SPDX-License-Identifier: BSD-2-Clause
"""The servers that are measured, and what /proc tells about their processes."""
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "sip"))

from sipua.server import Server, build_dir, find_program  # noqa: E402

CALLGRIND = ("valgrind", "--tool=callgrind", "--quiet")


class Program:
    """One of the servers in a comparison: its name in tables, how it is started."""

    def __init__(self, name, kind, arguments, build=None):
        self.name, self.kind, self.arguments, self.build = name, kind, arguments, build

    def is_there(self):
        with self:
            return find_program(self.kind) is not None

    def __enter__(self):
        self.old = os.environ.get("VIADUCT_BUILD")
        if self.build:
            os.environ["VIADUCT_BUILD"] = os.path.abspath(self.build)

    def __exit__(self, *_):
        if self.build and self.old is None:
            del os.environ["VIADUCT_BUILD"]
        elif self.build:
            os.environ["VIADUCT_BUILD"] = self.old

    def config(self, text, workers):
        """The configuration of a scenario for this program; the path of one stays what it is."""
        if "\n" not in text:
            return text
        head = "#!KAMAILIO\ndebug=0\nlog_stderror=yes\nauto_aliases=no\ndisable_tcp=yes\n"
        head += "children=%d\n" % workers
        if self.kind == "viaduct":
            head += "workers=%d\n" % workers
        return head + text


VIADUCT = Program("viaduct", "viaduct", ("-m", "2048"))
KAMAILIO_FM = Program("kamailio -x fm", "kamailio", ("-x", "fm", "-m", "1024"))
KAMAILIO = Program("kamailio", "kamailio", ("-m", "1024"))
PROGRAMS = {"viaduct": VIADUCT, "kamailio-fm": KAMAILIO_FM, "kamailio": KAMAILIO}


class Running(Server):
    """A started server. `under` is put before its command line."""

    def __init__(self, program, text, workers=2, under=(), arguments=()):
        self.under = under
        with program:
            super().__init__(program.config(text, workers), program.kind,
                             arguments=program.arguments + tuple(arguments))
        self.allow(".*")

    def start(self, ping=True):
        self.arguments = list(self.under) + self.arguments
        super().start(ping)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def processes(self):
        """Directories in /proc of everything that belongs to the server."""
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as stat:
                    if int(stat.read().rpartition(")")[2].split()[3]) == self.process.pid:
                        found.append(os.path.dirname(path))
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def cpu_us(self):
        """CPU time of all threads, user and system."""
        total = 0
        for process in self.processes():
            for thread in glob.glob(process + "/task/*/schedstat"):
                with open(thread) as schedstat:
                    total += int(schedstat.read().split()[0])
        return total / 1000

    def memory(self):
        """Sum of what each process counts as its own or its share (PSS), in bytes."""
        total = 0
        for process in self.processes():
            with open(process + "/smaps_rollup") as rollup:
                total += int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.M).group(1))
        return total * 1024


def build_load():
    """Builds the load generator beside the server, returns its path."""
    target = os.path.join(os.path.relpath(build_dir(), ROOT), "test", "bench", "generator", "load")
    subprocess.run(["make", "-s", "-C", ROOT, "O=" + os.path.relpath(build_dir(), ROOT), target],
                   check=True, stdout=subprocess.DEVNULL)
    return os.path.join(ROOT, target)


class Load:
    """The load generator, stopped before the calls that are measured; go() runs them."""

    def __init__(self, binary, server, scenario, options):
        self.process = subprocess.Popen(
            [binary, scenario, "--server", server.host_port, "--stepwise", *map(str, options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise SystemExit("load did not get ready: " + line)

    def go(self):
        """Results as {name: number}; the calls of `ring` still ring."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("load ended with %s" % self.process.wait())
        return {key: float(value) for key, value in
                (pair.split("=") for pair in line.split())}

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def instructions(program, scenario, run):
    """User instructions of all processes of a server with one worker while `run(server)` goes on,
    start and stop included: only differences mean something."""
    with tempfile.TemporaryDirectory(prefix="vd-") as directory:
        out = "--callgrind-out-file=%s/out.%%p" % directory
        with Running(program, scenario.text, workers=1, under=CALLGRIND + (out,),
                     arguments=scenario.arguments()) as server:
            run(server)
        total = 0
        for path in glob.glob(directory + "/out.*"):
            with open(path) as profile:
                total += sum(map(int, re.findall(r"^totals: (\d+)", profile.read(), re.M)))
        return total
