# SPDX-License-Identifier: BSD-2-Clause
"""Databases that are not there, refuse, or stop answering: what a process sees and what it logs."""
import os
import time

import pytest

from sipua.databases import MariaDb, PASSWORD, Postgres, sqlite_create
from sipua.probe import Probe


@pytest.fixture
def probe(tmp_path):
    made = []

    def start(url):
        made.append(Probe(url, str(tmp_path)))
        return made[-1]
    yield start
    for one in made:
        one.close()


@pytest.fixture(params=[MariaDb, Postgres], scope="module", ids=["mariadb", "postgres"])
def server(request):
    """A server of this module's own, because it is stopped and frozen here."""
    if not request.param.is_there():
        pytest.skip("it is not there")
    server = request.param()
    server.url_of_tables = server.create_tables("outage", "auth_db")
    yield server
    server.close()


def test_tables_are_checked_at_start(server, probe):
    one = probe(server.url_of_tables)
    assert one.ask("need subscriber 7") == "yes"
    assert one.ask("need subscriber 6") == "no"
    assert "version 7, this server needs 6" in one.log()
    assert one.ask("need nosuch 1") == "no"
    assert "table nosuch of %s" % server.scheme in one.log()
    assert "kamdbctl" in one.log()


def test_a_wrong_password_is_said_at_start(server, probe):
    one = probe(server.url("outage", password="mistyped"))
    assert one.ask("need subscriber 7") == "no"
    assert "CRITICAL" in one.log()
    assert "denied" in one.log() or "authentication failed" in one.log()
    assert "mistyped" not in one.log()


def test_a_database_that_is_not_there_is_said_at_start(server, probe):
    one = probe(server.url("nosuchdatabase"))
    assert one.ask("need subscriber 7") == "no"
    assert "nosuchdatabase" in one.log()


def test_a_server_that_is_not_there_is_said_at_start(server, probe):
    host, port = server.free_tcp_address()
    one = probe("%s://u:%s@%s:%d/x" % (server.scheme, PASSWORD, host, port))
    assert one.ask("need subscriber 7") == "no"
    assert "cannot be used" in one.log()


def test_an_outage_is_told_once_and_ends_by_itself(server, probe):
    one = probe(server.url_of_tables)
    assert one.run()[0] == "done"
    server.stop()
    try:
        assert one.run()[0] == "away"
        # Nobody waits for what is known to be away.
        assert min(one.run()[1] for _ in range(5)) < 20
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            assert one.run()[0] == "away"
            time.sleep(0.1)
    finally:
        server.start()
    one.wait_until("done")
    assert one.log().count("is not reachable") == 1, one.log()
    assert one.log().count("is back") == 1, one.log()


def test_a_restart_between_two_calls_is_not_noticed(server, probe):
    one = probe(server.url_of_tables)
    assert one.run()[0] == "done"
    server.stop()
    server.start()
    assert one.run()[0] == "done"
    assert "ERROR" not in one.log()


def test_a_server_that_answers_no_more_costs_the_time_limit(server, probe):
    one = probe(server.url_of_tables)
    assert one.ask("set %s 1" % ("receive_timeout" if server.scheme == "mysql" else "timeout")) == "yes"
    assert one.run()[0] == "done"
    server.freeze()
    try:
        status, taken = one.run()
        assert status == "away" and 900 < taken < 3000, (status, taken)
        assert "no answer in time" in one.log()
    finally:
        server.thaw()
    one.wait_until("done")


def test_a_refused_statement_is_told_once(server, probe):
    one = probe(server.url_of_tables)
    for _ in range(5):
        assert one.run("SELECT nosuch FROM subscriber")[0] == "rejected"
    assert one.log().count("nosuch") == 1, one.log()
    assert one.run()[0] == "done"


def test_sqlite_tables_are_checked_at_start(probe, tmp_path):
    one = probe(sqlite_create(tmp_path / "a.db", "auth_db"))
    assert one.ask("need subscriber 7") == "yes"
    assert one.ask("need subscriber 6") == "no"
    assert one.ask("need nosuch 0") == "no"
    assert "kamdbctl" in one.log()


def test_a_missing_sqlite_file_is_said_at_start_and_found_later(probe, tmp_path):
    one = probe("sqlite:///%s/later.db" % tmp_path)
    assert one.ask("need subscriber 7") == "no"
    assert "later.db" in one.log()
    sqlite_create(tmp_path / "later.db", "auth_db")
    one.wait_until("done")


def test_a_sqlite_file_that_is_made_anew_is_opened_anew(probe, tmp_path):
    path = tmp_path / "anew.db"
    one = probe(sqlite_create(path, "auth_db"))
    assert one.ask("run SELECT * FROM version").split()[1] == "2"
    for name in os.listdir(tmp_path):
        if name.startswith("anew.db"):
            os.unlink(tmp_path / name)
    sqlite_create(path, "auth_db", "usrloc")
    assert one.ask("run SELECT * FROM version").split()[1] == "4"
