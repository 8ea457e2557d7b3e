# SPDX-License-Identifier: BSD-2-Clause
"""Shared memory after many calls: what was taken is given back when the timers have run."""
import os
import subprocess
import time

import pytest
from settings import head
from sipua.server import ROOT, build_dir

# Ended transactions are kept for 300 ms only.
CONFIG = head("ctl", "jsonrpcs", tm__wt_timer=300, tm__fr_timer=1000) + """
request_route {
	if (has_totag()) {
		if (loose_route()) t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		record_route();
		t_relay();
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
CALLS = os.environ.get("MEMORY_CALLS", "3000")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def load():
    """The load generator, built when needed."""
    source = os.path.join(ROOT, "test", "bench", "load.c")
    binary = os.path.join(build_dir(), "test", "bench", "load")
    if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(binary), exist_ok=True)
        subprocess.run(["gcc", "-std=gnu2x", "-O2", "-D_GNU_SOURCE", "-o", binary, source],
                       check=True)
    return binary


def run_calls(load, server, first):
    result = subprocess.run([load, "call", "--server", server.host_port, "--calls", CALLS,
                             "--window", "50", "--first", str(first)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, result.stdout


def used_when_idle(server):
    """Shared memory in use once no transaction is left."""
    deadline = time.monotonic() + 20
    while int(server.rpc("tm.stats")["current"]) > 0 or int(server.rpc("tm.stats")["waiting"]) > 0:
        assert time.monotonic() < deadline, server.rpc("tm.stats")
        time.sleep(0.05)
    return int(server.rpc("core.shmmem")["used"])


def test_transactions_give_their_memory_back(server, load):
    run_calls(load, server, 0)
    after_first = used_when_idle(server)
    for number in (1, 2):
        run_calls(load, server, number * int(CALLS))
        assert used_when_idle(server) <= after_first + 4096
