# SPDX-License-Identifier: BSD-2-Clause
"""Many bindings end in the same second: they are cleared away at once, in small steps."""
import os
import re
import signal
import time

import pytest
from settings import START, head
from sipua.load import Load

BINDINGS = 40000
CONFIG = "watchdog_timeout=0\n" + head("jsonrpcs", registrar__min_expires=1, registrar__max_expires=2) + """
request_route {
""" + START + """
	if (is_method("REGISTER")) save("location");
	else sl_send_reply("200", "OK");
}
"""


def count(server):
    found, = server.rpc("stats.get_statistics", "usrloc:location_contacts")
    return int(re.search(r"= (\d+)", found).group(1))


@pytest.mark.viaduct_only("the peer has a timer of its own for it")
def test_thousands_end_at_once(server):
    load = Load(server, "register", calls=BINDINGS, window=64).result()
    assert load["done"] == BINDINGS
    workers = [row["pid"] for row in server.rpc("core.psa") if row["description"].startswith("worker")]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.1)                                 # as long as they live
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    while count(server):
        # Once there were 64 a second for each of the last shards: ten seconds.
        assert time.monotonic() - began < 5, "%d are still there" % count(server)
        time.sleep(0.05)
