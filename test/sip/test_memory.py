# SPDX-License-Identifier: BSD-2-Clause
"""Shared memory after many calls: what was taken is given back when the timers have run."""
import os
import time

import pytest
from settings import head
from sipua.load import Load

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


def run_calls(server):
    figures = Load(server, "call", calls=CALLS, window=50).result()
    assert figures["lost"] == 0 and figures["wrong"] == 0, figures


def used_when_idle(server):
    """Shared memory in use once no transaction is left."""
    deadline = time.monotonic() + 20
    while int(server.rpc("tm.stats")["current"]) > 0 or int(server.rpc("tm.stats")["waiting"]) > 0:
        assert time.monotonic() < deadline, server.rpc("tm.stats")
        time.sleep(0.05)
    return int(server.rpc("core.shmmem")["used"])


def test_transactions_give_their_memory_back(server):
    run_calls(server)
    after_first = used_when_idle(server)
    for _ in range(2):
        run_calls(server)
        assert used_when_idle(server) <= after_first + 4096
