# SPDX-License-Identifier: BSD-2-Clause
"""Calls and registrations under valgrind's memcheck: no invalid access, nothing lost, and after ten
thousand no more memory in use than after a thousand. (long_memory.py looks closer, at a million.)"""
import glob
import os
import re
import shutil

import pytest
from settings import head
from soak import figure
from sipua.load import Load
from sipua.server import Server

CONFIG = "workers=1\noverload_delay=0\n" + head("ctl", "jsonrpcs") + """
request_route {
	if (has_totag()) {
		if (loose_route()) t_relay();
		exit;
	}
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	if (is_method("INVITE")) record_route();
	else if (uri == myself) {
		sl_send_reply("200", "OK");
		exit;
	}
	t_relay();
}
"""
FEW, MANY = 1000, 10000
POOLS = 8 << 20     # buffers that bursts leave behind for the next one
pytestmark = [
    pytest.mark.viaduct_only("measures our memory"),
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
]


class Checked(Server):
    """A server under memcheck, with a log for each of its processes in `logs`."""

    def __init__(self, logs):
        self.under = ["valgrind", "--leak-check=full", "--show-leak-kinds=definite",
                      "--errors-for-leak-kinds=definite", "--log-file=%s/%%p" % logs]
        super().__init__(CONFIG, arguments=("-m", "64"))
        self.allow(".*watchdog.*")

    def start(self, ping=True):
        self.arguments = self.under + self.arguments
        super().start(ping)


def bytes_at_exit(directory, calls):
    """Runs that many calls and registrations; bytes of the heaps of all processes at their ends."""
    os.mkdir(directory)
    server = Checked(directory)
    try:
        for kind in ("call", "register"):
            result = Load(server, kind, calls=calls, window=8, ring=0, patience=20000).result(300)
            assert result["lost"] == 0 and result["wrong"] == 0 and result["done"] == calls, result
    finally:
        server.stop()
    total = 0
    for path in glob.glob(directory + "/*"):
        with open(path) as log:
            text = log.read()
        summary = re.search(r"ERROR SUMMARY: (\d+) errors", text)
        assert summary and summary.group(1) == "0", text[-6000:]
        in_use = re.search(r"in use at exit: ([\d,]+) bytes", text)
        total += int(in_use.group(1).replace(",", ""))
    return total


def test_memcheck(tmp_path):
    few, many = (bytes_at_exit(str(tmp_path / str(calls)), calls) for calls in (FEW, MANY))
    figure("memcheck, %d calls and %d registrations: 0 errors, nothing lost; in use at exit %d KB, after "
           "%d of each %d KB", MANY, MANY, many >> 10, FEW, few >> 10)
    assert many <= few + POOLS
