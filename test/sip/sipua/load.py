# SPDX-License-Identifier: BSD-2-Clause
"""The load generator of test/bench beside a scenario: builds it when needed, runs it bounded."""
import os
import subprocess

from .server import ROOT, build_dir


def generator():
    """Path of the generator, built when a source is newer."""
    folder = os.path.join(ROOT, "test", "bench", "generator")
    binary = os.path.join(build_dir(), "test", "bench", "generator", "load")
    sources = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".c")]
    if not os.path.exists(binary) or any(os.path.getmtime(source) > os.path.getmtime(binary)
                                         for source in sources):
        os.makedirs(os.path.dirname(binary), exist_ok=True)
        fresh = "%s.%d" % (binary, os.getpid())
        plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        subprocess.run(["gcc", "-std=gnu2x", "-O2", "-D_GNU_SOURCE", "-I" + ROOT, "-o", fresh]
                       + sources + ["-lcrypto"], check=True, env=plain)
        os.rename(fresh, binary)
    return binary


class Load:
    """A run of the generator: Load(server, "options", rate=2000, calls=4000). `result()` waits for
    its end and gives the figures of its report."""

    def __init__(self, server, kind, **options):
        command = [generator(), kind, "--server", server.host_port]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)

    def is_running(self):
        return self.process.poll() is None

    def end(self):
        """Before its time, without a report."""
        self.process.terminate()
        self.process.communicate()

    def result(self, timeout=60):
        out, complaints = self.process.communicate(timeout=timeout)
        assert "done=" in out, complaints
        found = dict(pair.split("=") for pair in out.split())
        figures = {name: float(value) for name, value in found.items()}
        figures["complaints"] = complaints
        return figures
