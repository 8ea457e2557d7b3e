# SPDX-License-Identifier: BSD-2-Clause
"""A process that uses a database as the server does: test/db/probe.c."""
import os
import subprocess
import time

from .databases import PASSWORD
from .server import build_dir


class Probe:
    """probe.c on one URL."""

    def __init__(self, url, directory, *settings):
        self.log_path = os.path.join(directory, "probe.log")
        program = os.path.join(build_dir(), "test/db/probe")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([program, url] + list(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def run(self, sql="SELECT 1"):
        """(status, milliseconds)"""
        status, _, taken = self.ask("run " + sql).split()
        return status, int(taken)

    def wait_until(self, wanted, seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            status, _ = self.run()
            if status == wanted:
                return
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(10) == 0, self.log()
        assert PASSWORD not in self.log()
