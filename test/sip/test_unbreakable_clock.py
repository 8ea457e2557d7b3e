# SPDX-License-Identifier: BSD-2-Clause
"""The wall clock jumps by hours, forward and back, under traffic: bindings end when they should, a call that
rings goes on ringing, who logs in is at most challenged once more, no challenge lives longer for it, and
accounting says the time that the clock shows."""
import os
import time

import pytest
from settings import PROXY, RELAY, START, head
from soak import SOAK, figure
from sipua import Dialog
from sipua.digest import answer_challenge, parse_challenge
from sipua.load import Load
from sipua.message import name_addr
from sipua.preload import helper
from tables import Sqlite, wait_for

LOGIN = """
	if (is_method("REGISTER") && $fU =~ "^secret") {
		pv_www_authenticate("$fd", "secret", "0");
		$var(rc) = $rc;
		append_to_reply("X-RC: $var(rc)\\r\\n");
		if ($var(rc) < 0) {
			www_challenge("$fd", "0");
			exit;
		}
	}
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("MESSAGE")) acc_db_request("noted", "acc");
"""
NONCE_S = 3
HOUR = 3600
JUMPS = [2 * HOUR, -2 * HOUR, 30 * 24 * HOUR, 1, -400 * 24 * HOUR, 0] if SOAK else [2 * HOUR, -2 * HOUR, 0]
pytestmark = [
    pytest.mark.viaduct_only("the peer uses the wall clock for bindings"),
    pytest.mark.skipif("asan" in os.environ.get("VIADUCT_BUILD", ""), reason="preloads a library")]


class WallClock:
    """Moves the wall clock of servers started now."""

    def __init__(self, path, monkeypatch):
        self.path, self.offset = str(path), 0
        with open(self.path, "wb") as out:
            out.write(bytes(8))
        monkeypatch.setenv("LD_PRELOAD", helper("wall_clock"))
        monkeypatch.setenv("CLOCK_OFFSET", self.path)

    def jump(self, seconds):
        self.offset = seconds
        with open(self.path, "r+b") as out:
            out.write(seconds.to_bytes(8, "little", signed=True))

    def time(self):
        return time.time() + self.offset


@pytest.fixture
def clock(tmp_path, monkeypatch):
    return WallClock(tmp_path / "offset", monkeypatch)


@pytest.fixture
def tables(tmp_path):
    return Sqlite(str(tmp_path), "acc")


@pytest.fixture
def server(clock, tables, start_server, monkeypatch):
    made = start_server(head("jsonrpcs", "ctl", "auth", "acc", tables.driver, registrar__min_expires=1,
                             auth__nonce_expire=NONCE_S, acc__db_url='"%s"' % tables.url)
                        + PROXY.replace(START, START + LOGIN) + RELAY)
    monkeypatch.delenv("LD_PRELOAD")
    return made


def expires_left(agent):
    contact, = agent.register(contact=[]).all("Contact")
    return int(name_addr(contact)[1]["expires"])


def ask(agent, server, challenge=None):
    uri = "sip:" + server.host_port
    headers = [("Authorization", answer_challenge(challenge, "REGISTER", uri, agent.user, "secret"))] \
        if challenge else []
    request = agent.request("REGISTER", uri, to="<%s>" % agent.aor, headers=headers)
    agent.send(request, server.address)
    return agent.expect_reply((200, 401), request)


def log_in(agent, server, challenge=None):
    """How often it was challenged, and the last challenge."""
    for times in range(3):
        reply = ask(agent, server, challenge)
        if reply.status == 200:
            return times, challenge
        challenge = parse_challenge(reply["WWW-Authenticate"])
    raise AssertionError("challenged three times")


def test_jumps_under_traffic(server, clock, tables, agent):
    alice, bob, user = agent("alice", server), agent("bob", server), agent("secret", server)
    bob.register(expires=600)
    registered = time.monotonic()
    invite = alice.invite(bob.aor)
    ringing = bob.expect_request("INVITE")
    bob.reply(ringing, 180)
    alice.expect_reply(180, invite)
    _, challenge = log_in(user, server)
    noted = []
    wall = int(server.rpc("core.uptime")["uptime"])
    for seconds in JUMPS:
        load = Load(server, "options", calls=400, rate=2000)
        clock.jump(seconds)
        if seconds:
            assert abs(int(server.rpc("core.uptime")["uptime"]) - wall - seconds) <= 30  # it did jump
        left, passed = expires_left(bob), time.monotonic() - registered
        assert 600 - passed - 2 <= left <= 600 - passed + 2
        times, challenge = log_in(user, server, challenge)
        assert times <= 1
        request = alice.send(alice.request("MESSAGE", bob.aor))
        bob.reply(bob.expect_request("MESSAGE"), 202)
        alice.expect_reply(202, request)
        noted.append(clock.time())
        wait_for(lambda: len(tables.sql("SELECT 1 FROM acc")) == len(noted), server.log)
        figures = load.result()
        assert figures["lost"] == figures["wrong"] == 0
    # Julian days, as the peer's driver keeps times; each row has the time of its jump.
    times = [(row[0] - 2440587.5) * 86400 if isinstance(row[0], float) else row[0]
             for row in tables.sql("SELECT time FROM acc ORDER BY id")]
    assert all(abs(said - real) < 30 for said, real in zip(times, noted)), (times, noted)
    bob.reply(ringing, 200, body=bob.sdp())             # it still rings
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    assert bob.expect_request("ACK")
    figure("the wall clock jumps %d times, by up to %d days: no binding and no ringing call touched, one more "
           "challenge at most, accounting within the second", len(JUMPS), max(map(abs, JUMPS)) // 86400)


def test_a_binding_ends_neither_early_nor_late(server, clock, agent):
    for seconds in (2 * HOUR, -2 * HOUR):
        carol = agent("carol%d" % abs(seconds), server)
        carol.register(expires=2)
        short = time.monotonic()
        clock.jump(clock.offset + seconds)
        assert expires_left(carol) in (1, 2)
        deadline = time.monotonic() + 10
        while carol.register(contact=[]).all("Contact"):
            assert time.monotonic() < deadline, "carol's end"
            time.sleep(0.02)
        lived = time.monotonic() - short
        figure("the wall clock jumps two hours %s: a binding of 2 s ends after %.1f s",
               "forward" if seconds > 0 else "back", lived)
        assert 1.5 < lived < 5


def test_a_jump_back_gives_no_challenge_a_longer_life(server, clock, agent):
    user = agent("secret", server)
    clock.jump(2 * HOUR)
    _, challenge = log_in(user, server)
    clock.jump(0)
    reply = ask(user, server, challenge)                # from the future
    assert reply.status == 401 and parse_challenge(reply["WWW-Authenticate"])["stale"].lower() == "true"
    times, _ = log_in(user, server)
    assert times == 1
