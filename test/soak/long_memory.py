# SPDX-License-Identifier: BSD-2-Clause
"""A million transactions, registrations and calls: afterwards shared and private memory are what they
were at the start. SOAK_CALLS=N makes it N."""
import os
import signal
import time

import pytest
from settings import head
from soak import figure
from sipua.load import Load

# Nothing is refused, also when others have the processor. What has ended is kept for 300 ms only, and a
# registration lives for three seconds. An INVITE that the generator repeats after it was forgotten is a new
# one, which nobody answers: it ends after fr_timer.
CONFIG = "overload_delay=0\n" + head("ctl", "jsonrpcs", tm__wt_timer=300, tm__fr_timer=5000,
                                     tm__fr_inv_timer=20000, usrloc__timer_interval=1, registrar__max_expires=3, registrar__min_expires=1) + """
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
SERVER = {"arguments": ("-m", "1024")}
CALLS = int(os.environ.get("SOAK_CALLS", "1000000"))
FIRST = 50000
KINDS = {"forward": "transactions", "register": "registrations", "call": "calls"}
SHARED_SLACK = 64 << 10
PRIVATE_SLACK = 4 << 20     # of the pools
QUIET_S = 2.5               # within that time idle workers give the memory of bursts back
pytestmark = pytest.mark.viaduct_only("measures our memory")


def processes_of(server):
    with open("/proc/%d/task/%d/children" % (server.process.pid, server.process.pid)) as children:
        return [server.process.pid] + [int(child) for child in children.read().split()]


def private_bytes(server):
    """Anonymous memory of all processes; what they share is not anonymous."""
    total = 0
    for pid in processes_of(server):
        with open("/proc/%d/smaps_rollup" % pid) as rollup:
            total += sum(int(line.split()[1]) << 10 for line in rollup if line.startswith("Anonymous:"))
    return total


def unfinished(server):
    """What is still there: transactions, those that have ended but are kept, bindings."""
    transactions = server.rpc("tm.stats")
    contacts, = server.rpc("stats.get_statistics", "usrloc:location_contacts")
    return [int(transactions["current"]), int(transactions["waiting"]), int(contacts.split("=")[1])]


def private_bytes_in_quiet(server):
    """What is left when nobody gives anything back any more."""
    least, since = private_bytes(server), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.1)
        now = private_bytes(server)
        if now < least:
            least, since = now, time.monotonic()
    return least


def when_idle(server):
    """(shared, private) bytes in use once nothing is left to do."""
    deadline = time.monotonic() + 60
    while any(unfinished(server)):
        assert time.monotonic() < deadline, "do not end: %d transactions, %d waiting, %d bindings: %s" % (
            *unfinished(server), server.rpc("tm.list")[:5])
        time.sleep(0.1)
    return int(server.rpc("core.shmmem")["used"]), private_bytes_in_quiet(server)


def drive(server, kind, calls):
    figures = Load(server, kind, calls=calls, window=50, ring=0, patience=4000).result(timeout=3600)
    assert figures["lost"] == 0 and figures["wrong"] == 0 and figures["done"] == calls, figures
    return figures


@pytest.fixture(scope="module")
def warm(server):
    """A server whose caches, stacks of fibers and pools have the size that bursts ask for: its workers
    were away, so that all timers of half a second were due at once."""
    workers = [row["pid"] for row in server.rpc("core.psa") if row["description"].startswith("worker")]
    for kind in KINDS:
        for pause in range(3):
            load = Load(server, kind, calls=FIRST, window=1000, ring=0, patience=4000)
            time.sleep(0.3)                         # in the middle of traffic
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(0.6)                         # twice as long as transactions are kept
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            load.result(timeout=300)
        when_idle(server)
    return server


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_what_it_was_after_a_million(warm, kind):
    drive(warm, kind, CALLS // 4)                   # buffers have the size that this kind asks for
    shared, private = when_idle(warm)
    figures = drive(warm, kind, CALLS)
    shared_after, private_after = when_idle(warm)
    figure("%d %s in %d s: shared memory %d -> %d bytes, private memory of all processes %d -> %d KB",
           CALLS, KINDS[kind], figures["seconds"], shared, shared_after, private >> 10, private_after >> 10)
    assert shared_after <= shared + SHARED_SLACK
    assert private_after <= private + PRIVATE_SLACK
