# SPDX-License-Identifier: BSD-2-Clause
"""Processes die under load: who is served, what is kept, what is written down about it."""
import glob
import os
import signal
import socket
import subprocess
import time

import pytest
from settings import PROXY, RELAY, START, head
from soak import figure, limit
from sipua import Dialog
from sipua.load import Load
from sipua.server import build_dir

# The script spins where a test wants a worker to be busy.
SPIN = """
	if (is_present_hf("X-Spin")) {
		$var(i) = 0;
		while ($var(i) < 2000000000) $var(i) = $var(i) + 1;
	}
"""
CONFIG = ("watchdog_timeout=1000\nmax_while_loops=1000000000\n" + head("ctl", "jsonrpcs")
          + PROXY.replace(START, START + SPIN + """
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "OK");
		exit;
	}
""") + RELAY)
ALLOWED = [r"was killed by signal|shard \d+ was repaired|does not come back", "Segmentation"]
pytestmark = pytest.mark.viaduct_only("the peer does not replace its processes")


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        return [int(child) for child in children.read().split()]


def workers_of(server):
    return [row["pid"] for row in server.rpc("core.psa") if row["description"].startswith("worker")]


def wait_until(condition, what, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited %g s for %s" % (timeout, what)
        time.sleep(0.005)


def name_of(pid):
    with open("/proc/%d/comm" % pid) as name:
        return name.read().strip()


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def establish(alice, bob):
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    bob.expect_request("ACK")
    return dialog


def hang_up(dialog, alice, bob):
    bye = dialog.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def kill_in_turn(server, load, number, times, pause):
    """Kills one process after the other, every `pause` seconds, as long as the load runs."""
    died = 0
    while died < times and load.is_running():
        time.sleep(pause)                           # the pace of the deaths is what is tested
        children = children_of(server.process.pid)
        os.kill(children[died % len(children)], number)
        died += 1
    assert died == times, "the load was over after %d deaths" % died


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV],
                         ids=lambda number: number.name)
def test_deaths_at_2000_requests_a_second_are_hardly_noticed(agent, start_server, number):
    """Three tries: the gap is also one of a machine that has other things to do."""
    for attempt in range(3):
        server = start_server(CONFIG)
        server.allow("AddressSanitizer")
        alice, bob = agent("alice", server), agent("bob", server)
        dialog = establish(alice, bob)
        load = Load(server, "options", rate=2000, calls=3000, window=2000)
        kill_in_turn(server, load, number, times=4, pause=0.25)
        figures = load.result()
        assert figures["lost"] == 0 and figures["wrong"] == 0, figures
        assert len(bob.register(contact=[]).contacts) == 1
        hang_up(dialog, alice, bob)
        share = figures["retransmitted"] / figures["done"]
        figure("4 deaths by %s at 2,000 requests/s: %.2f %% sent again, longest gap %.1f ms",
               number.name, 100 * share, figures["gap_us"] / 1000)
        if share < limit(0.01, 0.1) and figures["gap_us"] < limit(50000, 2000000):
            return
    raise AssertionError(figures)


def test_twenty_deaths_in_four_seconds_leave_97_percent_served(start_server):
    server = start_server(CONFIG)
    load = Load(server, "options", rate=2000, calls=9000, window=4000)
    kill_in_turn(server, load, signal.SIGKILL, times=20, pause=0.2)
    figures = load.result()
    assert figures["lost"] == 0 and figures["wrong"] == 0, figures
    share = figures["retransmitted"] / figures["done"]
    figure("20 deaths in 4 s at 2,000 requests/s: %.2f %% sent again, none lost", 100 * share)
    assert share <= limit(0.03, 0.2), figures
    wait_until(lambda: len(workers_of(server)) == 2, "both workers")


def test_nobody_waits_for_a_stopped_worker_and_it_is_replaced(start_server):
    server = start_server(CONFIG)
    victim = workers_of(server)[0]
    load = Load(server, "options", rate=1000, calls=2500, window=2000)
    time.sleep(0.3)                                 # stopped in the middle of traffic
    os.kill(victim, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: not is_alive(victim), "the end of the stopped worker")
    took = time.monotonic() - stopped
    assert 0.8 < took < limit(3, 5)
    figures = load.result()
    assert figures["lost"] == 0 and figures["wrong"] == 0, figures
    # Only what the stopped worker had read already has to be sent again.
    figure("a worker stopped by SIGSTOP: replaced after %.1f s (watchdog_timeout=1000), %d of %d requests "
           "sent again, none lost", took, figures["retransmitted"], figures["done"])
    assert figures["retransmitted"] <= limit(64, 500), figures
    assert victim not in workers_of(server) and len(workers_of(server)) == 2


SECRETS = [
    ("X-Spin", "yes"),
    ("Authorization", 'Digest username="alice", realm="r", nonce="c0ffee", uri="sip:r",\r\n'
                      ' response="0123456789abcdef0123456789abcdef"'),
    ("proxy-authorization", 'Digest username="alice", response="deadbeef"'),
]


def insist(agent, request):
    """Sends again until there is an answer: the stuck worker may have read it with the other."""
    wait_until(lambda: agent.send(request) and agent.read(0.1), "an answer")


def crash_files(server):
    return sorted(glob.glob(os.path.join(server.rundir, "crash-*.txt")))


def test_a_worker_that_never_ends_is_replaced_and_its_message_kept(agent, start_server):
    server = start_server(CONFIG)
    alice, carol = agent("alice", server), agent("carol", server)
    before = set(workers_of(server))
    poison = alice.request("OPTIONS", server.uri("x"), headers=SECRETS, body=b"a=crypto:1 inline:KEY")
    alice.send(poison)
    insist(carol, carol.request("OPTIONS", server.uri("x")))    # the other worker goes on
    wait_until(lambda: crash_files(server), "the crash file")
    server.wait_log("what is known about it")
    assert len(before & set(workers_of(server))) == 1
    alice.send(poison)                              # a retransmission kills nobody
    wait_until(lambda: condemned(server) == 1, "the refusal of the retransmission")
    path, = crash_files(server)
    assert os.stat(path).st_mode & 0o077 == 0
    with open(path) as file:
        text = file.read()
    assert "signal 6" in text and "watchdog" not in text
    assert "backtrace:" in text and "script_run_route" in text
    assert "OPTIONS %s SIP/2.0" % server.uri("x") in text and "X-Spin: yes" in text
    for secret in ("c0ffee", "0123456789abcdef", "deadbeef", "inline:KEY"):
        assert secret not in text
    assert 'xxxxxx xxxxxxxx="xxxxx"' in text.lower()


def condemned(server):
    found, = server.rpc("stats.get_statistics", "core:condemned")
    return int(found.split("=")[1])


def test_the_message_of_a_crash_file_is_sent_again(agent, start_server):
    server = start_server(CONFIG)
    alice = agent("alice", server)
    alice.send(alice.request("OPTIONS", server.uri("again"), headers=SECRETS[:1]))
    server.wait_log("what is known about it")       # the file is complete
    tool = os.path.join(build_dir(), "utils", "viaduct-replay")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(8)
        sender = subprocess.Popen([tool, crash_files(server)[0],
                                   "127.0.0.1:%d" % receiver.getsockname()[1], "8"],
                                  stdout=subprocess.PIPE)
        message, source = receiver.recvfrom(65536)
        receiver.sendto(b"SIP/2.0 200 Seen", source)
        assert message.startswith(b"OPTIONS %s" % server.uri("again").encode())
        assert message.endswith(b"\r\n\r\n")
        assert sender.stdout.readline() == b"SIP/2.0 200 Seen\n"
        sender.kill()
        sender.wait()
        sender.stdout.close()


def test_workers_end_with_the_supervisor_and_a_new_server_starts_at_once(agent, start_server):
    server = start_server(CONFIG)
    workers = workers_of(server)
    wait_until(lambda: all(name_of(worker) == "viaduct-worker" for worker in workers), "start")
    os.kill(workers[0], signal.SIGSTOP)             # also one that cannot listen to anybody
    server.process.kill()
    server.process.wait()
    died = time.monotonic()
    server.start()
    figure("the supervisor killed: a new server answers on the same port %.0f ms later",
           1000 * (time.monotonic() - died))
    assert not any(is_alive(worker) for worker in workers)
    alice = agent("alice", server)
    alice.expect_reply(200, alice.send(alice.request("OPTIONS", server.uri("x"))))
    assert server.rpc("core.uptime")
