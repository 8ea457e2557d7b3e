# SPDX-License-Identifier: BSD-2-Clause
"""Databases behind the whole server: slow ones, lost ones, wrong ones, and those of Debian's kamailio."""
import subprocess
import time

import pytest

from settings import START, head
from sipua.digest import answer_challenge
from sipua.kamdbctl import KAMDBCTL, run_kamdbctl
from sipua.server import Server, find_program, stop_all
from subscribers import ENGINES, Tables

URI = "sip:service@example.org"
ALLOWED = ["database .* is not reachable", "database"]
IS_SUBSCRIBER = """
request_route {
""" + START + """
	$var(known) = 0;
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "Quick");
		exit;
	}
	if (is_subscriber("sip:alice@example.org", "%s", "1")) $var(known) = 1;
	append_to_reply("X-Known: $var(known)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
REGISTRAR = """
request_route {
""" + START + """
	if (!www_authenticate("example.org", "subscriber")) {
		www_challenge("example.org", "0");
		exit;
	}
	save("location");
	exit;
}
"""
SLOW = {
    "mariadb": "CREATE VIEW slow AS SELECT * FROM subscriber WHERE SLEEP(1) = 0",
    "postgres": "CREATE VIEW slow AS SELECT * FROM subscriber WHERE pg_sleep(1) IS NOT NULL",
}


@pytest.fixture
def tables(request, tmp_path):
    return Tables(getattr(request, "param", "sqlite"), request, tmp_path)


def config(tables, route, *modules, children=1, **settings):
    return head(tables.module, "auth", "auth_db", *modules, children=children,
                auth_db__db_url='"%s"' % tables.url, **settings) + route


def ask(agent, method):
    request = agent.request(method, URI)
    agent.send(request)
    return request


@pytest.mark.viaduct_only("a worker of the peer waits for its database")
@pytest.mark.parametrize("tables", list(SLOW), indirect=True)
def test_a_slow_table_delays_nobody_else(start_server, agent, tables):
    """One worker; eight requests that need a second each, all at the same time."""
    tables.add_subscriber("alice", "example.org", "secret")
    tables.sql(SLOW[tables.engine])
    server = start_server(config(tables, IS_SUBSCRIBER % "slow", auth_db__version_table=0))
    slow = [agent("slow%d" % i, server=server) for i in range(8)]
    quick = agent("quick", server=server)
    begin = time.monotonic()
    waiting = [ask(one, "MESSAGE") for one in slow]
    for _ in range(20):
        sent = time.monotonic()
        quick.expect_reply(200, ask(quick, "OPTIONS"))
        assert time.monotonic() - sent < 0.5
    assert time.monotonic() - begin < 1
    for one, request in zip(slow, waiting):
        assert one.expect_reply(200, request)["X-Known"] == "1"
    assert time.monotonic() - begin < 4  # not eight


SLEEP = {"mariadb": "SELECT SLEEP(1), username FROM subscriber",
         "postgres": "SELECT pg_sleep(1), username FROM subscriber"}
QUERY = """
request_route {
""" + START + """
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "Quick");
		exit;
	}
	sql_query("own", "%s", "ra");
	append_to_reply("X-User: $dbr(ra=>[0,1])\\r\\n");
	sl_send_reply("200", "Slow");
}
"""


@pytest.mark.viaduct_only("a worker of the peer waits for its database")
@pytest.mark.parametrize("tables", list(SLEEP), indirect=True)
def test_a_slow_query_of_the_script_delays_nobody_else(start_server, agent, tables):
    """One worker: while four queries take a second each, other messages are answered."""
    tables.add_subscriber("alice", "example.org", "secret")
    server = start_server(head(tables.module, "sqlops", children=1,
                               sqlops__sqlcon='"own=>%s"' % tables.url) + QUERY % SLEEP[tables.engine])
    slow = [agent("slow%d" % i, server=server) for i in range(4)]
    quick = agent("quick", server=server)
    begin = time.monotonic()
    waiting = [ask(one, "MESSAGE") for one in slow]
    answered = 0
    while not slow[0].collect(0.01):
        assert time.monotonic() - begin < 8
        quick.expect_reply(200, ask(quick, "OPTIONS"))
        answered += 1
    # Each of the quick ones came while all of the slow ones waited.
    assert answered >= 10 and time.monotonic() - begin >= 0.9
    for one, request in zip(slow[1:], waiting[1:]):
        assert one.expect_reply(200, request)["X-User"] == "alice"
    assert time.monotonic() - begin < 3.5  # one after the other it would be four


@pytest.mark.viaduct_only("our words in the log")
@pytest.mark.parametrize("tables", ["mariadb", "postgres"], indirect=True)
def test_service_recovers_when_the_database_does(start_server, agent, tables):
    tables.add_subscriber("alice", "example.org", "secret")
    server = start_server(config(tables, IS_SUBSCRIBER % "subscriber", children=2))
    client = agent("client", server=server)

    def known():
        reply = client.expect_reply(200, ask(client, "MESSAGE"))
        return reply["X-Known"]
    assert known() == "1"
    tables.server.stop()
    try:
        sent = time.monotonic()
        for _ in range(20):
            assert known() == "0"
        assert time.monotonic() - sent < 5
        client.expect_reply(200, ask(client, "OPTIONS"))
    finally:
        tables.server.start()
    deadline = time.monotonic() + 20
    while known() != "1":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.wait_log("is back after")
    # Once for the whole server, not once for each process.
    with open(server.log_path) as log:
        assert log.read().count("is not reachable") == 1


def refused(tmp_path, text):
    """What the server says when it does not start."""
    binary, modules = find_program("viaduct")
    path = tmp_path / "refused.cfg"
    path.write_text(text)
    done = subprocess.run([binary, "-f", str(path), "-L", modules, "-DD", "-E", "-l",
                           "udp:127.0.0.1:0", "-Y", str(tmp_path)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("change,words", [
    ("UPDATE version SET table_version = 6 WHERE table_name = 'subscriber'", "version 6, this server needs 7"),
    ("DROP TABLE subscriber", "kamdbctl"),
    ("DELETE FROM version WHERE table_name = 'subscriber'", "no row for table subscriber"),
    ("DROP TABLE version", "kamdbctl"),
])
@pytest.mark.parametrize("tables", ENGINES, indirect=True)
def test_wrong_tables_are_refused_at_start(tables, tmp_path, change, words):
    tables.sql(change)
    assert words in refused(tmp_path, config(tables, IS_SUBSCRIBER % "subscriber"))


@pytest.mark.parametrize("url,words", [
    ("mysql://u:top-secret@localhost/x", 'add loadmodule "db_mysql.so"'),
    ("mysqk://u:top-secret@localhost/x", "did you mean mysql://"),
    ("u:secret@localhost", "no driver"),
    ("sqlite:///", "names no file"),
    ("sqlite:////nowhere/at/all.db", "all.db"),
])
def test_wrong_urls_are_refused_at_start(tmp_path, url, words):
    text = head("db_sqlite", "auth", "auth_db", auth_db__db_url='"%s"' % url) + IS_SUBSCRIBER % "subscriber"
    said = refused(tmp_path, text)
    assert words in said
    assert "top-secret" not in said


# ---- with the peer -------------------------------------------------------------------------------

@pytest.fixture
def start_peer():
    running = []

    def start(text):
        running.append(Server(text, "kamailio"))
        return running[-1]
    yield start
    stop_all(running)


def register(agent, server):
    """A registration with digest authentication."""
    alice = agent("alice", server=server)
    headers = []
    for status in (401, 200):
        request = alice.request("REGISTER", "sip:example.org", to="<sip:alice@example.org>",
                                from_="<sip:alice@example.org>;tag=%s" % alice.unique("t"),
                                headers=headers + [("Contact", alice.contact), ("Expires", "60")])
        alice.send(request)
        reply = alice.expect_reply(status, request)
        if status == 401:
            headers = [("Authorization", answer_challenge(reply["WWW-Authenticate"], "REGISTER",
                                                          "sip:example.org", "alice", "secret"))]


@pytest.mark.compare
@pytest.mark.skipif(not find_program("kamailio"), reason="Debian's kamailio is not there")
@pytest.mark.parametrize("tables", ENGINES, indirect=True)
def test_debians_kamailio_uses_our_tables(start_peer, agent, tables):
    tables.add_subscriber("alice", "example.org", "secret")
    server = start_peer(config(tables, REGISTRAR, usrloc__db_mode=1,
                                 usrloc__db_url='"%s"' % tables.url))
    register(agent, server)
    assert [list(row) for row in tables.sql("SELECT username FROM location")] == [["alice"]]


@pytest.mark.compare
@pytest.mark.skipif(not KAMDBCTL, reason="Debian's kamdbctl is not there")
def test_we_use_the_tables_of_debians_kamdbctl(start_server, agent, tables, tmp_path):
    run_kamdbctl(tmp_path / "home", "SQLITE", path=str(tmp_path / "theirs.db"))
    tables.path, tables.url = str(tmp_path / "theirs.db"), "sqlite:///%s/theirs.db" % tmp_path
    tables.add_subscriber("alice", "example.org", "secret")
    register(agent, start_server(config(tables, REGISTRAR)))
