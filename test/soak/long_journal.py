# SPDX-License-Identifier: BSD-2-Clause
"""A hundred thousand bindings outlive the death of everything, without any database."""
import glob
import os
import time

import pytest
from settings import PROXY, RELAY, head
from soak import figure
from sipua.load import Load

CONFIG = head("ctl", "jsonrpcs", usrloc__journal=1, usrloc__hash_size=14) + PROXY + RELAY
BINDINGS = 100000
pytestmark = pytest.mark.viaduct_only("the peer has no journal")


def statistic(server, name):
    found, = server.rpc("stats.get_statistics", name)
    return int(found.split("=")[1])


def test_100000_bindings_are_restored_within_a_second(start_server):
    server = start_server(CONFIG, arguments=("-m", "256"))
    figures = Load(server, "register", calls=BINDINGS, window=64).result(timeout=300)
    assert figures["lost"] == 0 and figures["wrong"] == 0, figures
    server.kill()                                   # every process at once
    for path in glob.glob(os.path.join(server.rundir, "*.sock")):
        os.unlink(path)
    started = time.monotonic()
    server.start()
    until_answer = time.monotonic() - started
    found = server.wait_log(r"(\d+) bindings restored from .* in ([\d.]+) s")
    assert int(found.group(1)) == statistic(server, "usrloc:location_contacts") == BINDINGS
    figure("%d bindings: restored in %.0f ms; %.0f ms from exec to the first answer", BINDINGS,
           1000 * float(found.group(2)), 1000 * until_answer)
    assert float(found.group(2)) < 1
