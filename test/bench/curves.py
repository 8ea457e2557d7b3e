# SPDX-License-Identifier: BSD-2-Clause
"""How the cost of our server grows: with bindings, with calls in flight, with the size of the script."""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from programs import VIADUCT, Load, Running, build_dir
from scenarios import BOTH, CALL, RELAYING, USER_CALL, modules

BINDINGS = (10000, 100000, 1000000)
IN_FLIGHT = (10000, 100000)
# None of them times out while the last are begun.
PATIENT = """
modparam("tm", "fr_inv_timer", 3600000)
modparam("tm", "max_inv_lifetime", 3600000)
"""
ROUTES = (0, 50, 500)
LINES_PER_ROUTE = 10
COMPILE_RUNS = 7


def table(title, *columns):
    print("\n### %s\n\n| %s |\n%s|" % (title, " | ".join(columns), "|---" * len(columns)), flush=True)


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def script_of(routes):
    """A configuration whose requests run one route of many."""
    parts = [modules("sl", "pv", "textops", "siputils", "xlog"), """
request_route {
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "OK");
		exit;
	}
"""]
    parts += ["\troute(R%d);\n" % number for number in range(routes)]
    parts.append("}\n")
    for number in range(routes):
        parts.append("""route[R%d] {
	$var(x) = $var(x) + %d;
	if ($rU =~ "^%d[0-9]+$" && is_method("INVITE|MESSAGE")) {
		append_hf("X-Route: $rU at $fd by rule %d\\r\\n");
		xlog("L_DBG", "$ci matches rule %d\\n");
		return;
	} else if ($var(x) == %d || src_ip == 10.0.0.1) {
		sl_send_reply("403", "Not from there");
	}
}
""" % ((number,) * 6))
    return "".join(parts)


class Curves:
    def __init__(self, load):
        self.load = load

    # ---- bindings ----
    def per_call(self, server, kind, users, calls, window):
        """CPU of the server per call to (or refresh of) one of the users."""
        load = Load(self.load, server, kind, ("--users", users, "--scatter", "--calls", calls,
                                              "--window", window, "--warm-up", 500))
        before = server.cpu_us()
        result = load.go()
        cpu = (server.cpu_us() - before) / calls
        load.end()
        if result["lost"] or result["wrong"]:
            print("not a clean run: %s" % result, file=sys.stderr)
        return cpu

    def bindings(self):
        table("Bindings, ours; refreshed and called in random order", "bindings", "bytes per binding",
              "µs per refresh", "µs per call (S6)")
        for count in BINDINGS:
            with Running(VIADUCT, BOTH + USER_CALL) as server:
                empty = server.memory()
                refresh = self.per_call(server, "refresh", count, 40000, 64)
                size = (server.memory() - empty) / count
                call = self.per_call(server, "call", count, 10000, 128)
                row("{:,}".format(count), "%.0f" % size, "%.1f" % refresh, "%.1f" % call)

    # ---- flight ----
    def fly(self, count):
        """Memory per call, CPU per call, and CPU per second while all of them ring."""
        with Running(VIADUCT, RELAYING + PATIENT + CALL) as server:
            load = Load(self.load, server, "ring", ("--window", count, "--rate", 10000, "--calls", count,
                                                    "--warm-up", 2000))
            memory, cpu = server.memory(), server.cpu_us()
            result = load.go()
            memory, cpu = server.memory() - memory, server.cpu_us() - cpu
            quiet, begin = server.cpu_us(), time.monotonic()
            time.sleep(3)
            quiet = (server.cpu_us() - quiet) / (time.monotonic() - begin)
            load.end()
            return ["%d" % (result["lost"] + result["wrong"]), "%.0f" % (memory / count),
                    "%.1f" % (cpu / count), "%.1f" % (quiet / 1000)]

    def flight(self):
        table("Ringing INVITE transactions in flight, ours", "calls", "lost or wrong", "bytes per call",
              "µs of CPU per call", "ms of CPU per second of ringing")
        for count in IN_FLIGHT:
            row("{:,}".format(count), *self.fly(count))

    # ---- script ----
    @staticmethod
    def check_ms(text):
        """CPU of `viaduct -c` with the configuration, median of some runs."""
        binary, modules_dir = os.path.join(build_dir(), "viaduct"), os.path.join(build_dir(), "modules")
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
            config.write("#!KAMAILIO\n" + text)
            config.flush()
            times = []
            for _ in range(COMPILE_RUNS):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([binary, "-c", "-f", config.name, "-L", modules_dir], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                times.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
        return statistics.median(times)

    def script(self):
        table("Size of the script, ours", "routes", "lines", "ms of CPU to check and compile (`viaduct -c`)",
              "the same without the empty script's", "µs per OPTIONS (S1)")
        empty = None
        for routes in ROUTES:
            text = script_of(routes)
            took = self.check_ms(text)
            empty = took if empty is None else empty
            with Running(VIADUCT, text) as server:
                load = Load(self.load, server, "options", ("--calls", 60000, "--window", 64, "--warm-up", 2000))
                before = server.cpu_us()
                load.go()
                cpu = (server.cpu_us() - before) / 60000
                load.end()
            row("%d" % routes, "{:,}".format(text.count("\n")), "%.0f" % took, "%.0f" % (took - empty),
                "%.1f" % cpu)
