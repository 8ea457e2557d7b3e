# SPDX-License-Identifier: BSD-2-Clause
"""The journal of bindings: registrations outlive the server without any database, however it ended.
Ours only."""
import glob
import os
import re
import resource
import signal
import socket
import time

import pytest
from settings import PROXY, RELAY, head
from sipua.message import name_addr
from sipua.server import Server

CONFIG = head("ctl", "jsonrpcs", usrloc__journal=1) + PROXY + RELAY
ALLOWED = [r"(worker|process|child|keeper).*(died|signal|killed|ended|exit|crash|replac)"]
pytestmark = pytest.mark.viaduct_only("the peer has no journal")


@pytest.fixture
def kept(start_server):
    return start_server(CONFIG)


def stop(server, how):
    if how == "kill":
        server.kill()  # every process at once
    else:
        server.process.terminate()
        assert server.process.wait(10) == 0
    # The control sockets of a killed server are still there.
    for path in glob.glob(os.path.join(server.rundir, "*.sock")):
        os.unlink(path)


def contacts(reply):
    return sorted(reply.contacts)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_bindings_are_there_after_a_restart(agent, kept, how):
    phones = [agent("phone%d" % i, server=kept) for i in range(20)]
    for phone in phones:
        phone.register(expires=600)
    phones[0].register(expires=0)
    phones[1].register(contact=["<sip:second@192.0.2.1>;q=0.5"], expires=900)
    stop(kept, how)
    kept.start()
    assert "Contact" not in phones[0].register(contact=[])
    assert len(phones[1].register(contact=[]).contacts) == 2
    for phone in phones[2:]:
        assert contacts(phone.register(contact=[])) == [name_addr(phone.contact)[0]]
    kept.wait_log("20 bindings restored")
    alice = agent("alice", server=kept)
    alice.invite(phones[3].aor)
    phones[3].reply(phones[3].expect_request("INVITE"), 486)


REGISTER = """REGISTER sip:%(host)s SIP/2.0\r
Via: SIP/2.0/UDP %(me)s;rport;branch=z9hG4bK%(number)d\r
From: <sip:u%(user)d@%(host)s>;tag=x\r
To: <sip:u%(user)d@%(host)s>\r
Call-ID: load-%(user)d\r
CSeq: %(number)d REGISTER\r
Contact: <sip:u%(user)d@192.0.2.1>\r
Expires: %(expires)d\r
Content-Length: 0\r
\r
"""
USERS, WINDOW, ENOUGH = 500, 32, 4000


def test_what_was_answered_under_load_is_there_after_a_kill(kept):
    """Phones register as fast as they can; everything is killed; every 200 is kept."""
    kept_expires, number, deadline = {}, 0, time.monotonic() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(0.5)
        me = "127.0.0.1:%d" % phone.getsockname()[1]
        while number < ENOUGH + WINDOW:
            assert time.monotonic() < deadline
            if number >= WINDOW:
                answer = phone.recv(4096)
                assert answer.startswith(b"SIP/2.0 200"), answer
                done = int(re.search(rb"CSeq: (\d+)", answer).group(1))
                kept_expires[done % USERS] = 600 + done
            number += 1
            if number == ENOUGH:
                os.killpg(kept.process.pid, signal.SIGKILL)
                break
            phone.sendto((REGISTER % {"host": kept.host_port, "me": me, "number": number,
                                      "user": number % USERS,
                                      "expires": 600 + number}).encode(), kept.address)
        phone.settimeout(0)
        try:
            while True:
                done = int(re.search(rb"CSeq: (\d+)", phone.recv(4096)).group(1))
                kept_expires[done % USERS] = 600 + done
        except BlockingIOError:
            pass
    stop(kept, "kill")
    kept.start()
    table = {}
    for domain in kept.rpc("ul.dump")["Domains"]:
        for info in domain["Domain"]["AoRs"]:
            (one,) = info["Info"]["Contacts"]
            table[info["Info"]["AoR"]] = one["Contact"]["Expires"]
    assert len(kept_expires) == USERS
    for user, expires in kept_expires.items():
        # max_expires is 3600; later than the last answer is right as well.
        assert table["u%d" % user] > min(expires, 3600) - 30


def test_a_killed_keeper_or_worker_loses_nothing(agent, kept):
    phone = agent("phone", server=kept)
    for i in range(10):
        phone.register(contact=["<sip:c%d@192.0.2.1>" % i], expires=600)
        with open("/proc/%d/task/%d/children" % ((kept.process.pid,) * 2)) as children:
            victims = [int(child) for child in children.read().split()]
        os.kill(victims[i % len(victims)], signal.SIGKILL)
    assert len(phone.register(contact=[]).contacts) == 10
    stop(kept, "kill")
    kept.start()
    assert len(phone.register(contact=[]).contacts) == 10


def test_disk_full_is_told_and_made_good(agent, start_server):
    """The file size limit of the server's processes stands in for a disk without room."""
    server = start_server(CONFIG)
    phone = agent("phone", server=server)
    with open("/proc/%d/task/%d/children" % ((server.process.pid,) * 2)) as children:
        processes = [server.process.pid] + [int(child) for child in children.read().split()]
    limit = 256 << 10  # more than the log takes
    server.allow("journal of bindings cannot be written")
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for _ in range(limit // 5000 + 20):
        phone.register(contact=["<sip:full@192.0.2.1>"], expires=600,
                       headers=[("User-Agent", "x" * 5000)])
    server.wait_log("journal of bindings cannot be written")
    assert len(phone.register(contact=[]).contacts) == 1
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    server.wait_log("journal of bindings is written again")
    phone.register(contact=["<sip:later@192.0.2.1>"], expires=600)
    stop(server, "kill")
    server.start()
    assert len(phone.register(contact=[]).contacts) == 2


def test_two_servers_do_not_share_a_folder(start_server):
    first = start_server(CONFIG)
    second = start_server(CONFIG.replace('"journal", 1', '"journal", 1)\nmodparam("usrloc", "journal_dir", "%s"'
                                         % first.rundir))
    second.allow("another server uses the journal")
    second.wait_log("another server uses the journal")
