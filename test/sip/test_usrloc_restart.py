# SPDX-License-Identifier: BSD-2-Clause
"""Many bindings in write-back mode: none is lost by a stop, by a kill of the whole server, or by a
database that is away under load; the table is the peer's. The long runs:

    USRLOC_BINDINGS=100000 USRLOC_OUTAGE_S=30 USRLOC_ROWS=1000000 pytest -s test/sip/test_usrloc_restart.py

which `make soak` does.
"""
import os
import re
import time

import pytest
from settings import START, head
from soak import figure
from sipua.databases import MariaDb, Postgres
from sipua.load import Load
from sipua.server import Server, find_program
from tables import ENGINES, Served, engine_tables, wait_for
from test_journal import stop
from test_usrloc_db import config, found

BINDINGS = int(os.environ.get("USRLOC_BINDINGS", "3000"))
OUTAGE_S = float(os.environ.get("USRLOC_OUTAGE_S", "2"))
ROWS = int(os.environ.get("USRLOC_ROWS", "5000"))
PATIENCE_S = 30 + BINDINGS / 500

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) save("location");
	else sl_send_reply("200", "OK");
}
"""


# The users are subscribers of the same database.
PASSWORD = "secret"
LOGIN = """
request_route {
""" + START + """
	if (!is_method("REGISTER")) {
		sl_send_reply("200", "OK");
		exit;
	}
	if (!auth_check("$fd", "subscriber", "1")) {
		auth_challenge("$fd", "0");
		exit;
	}
	save("location");
}
"""


def many_subscribers(tables, **settings):
    """Makes BINDINGS subscribers, u0, u1, …; the configuration that asks for their passwords."""
    tables.sql("INSERT INTO subscriber (username, domain, password) SELECT CONCAT('u', seq), 'any', '%s' "
               "FROM seq_0_to_%d" % (PASSWORD, BINDINGS))
    assert int(tables.sql("SELECT COUNT(*) FROM subscriber")[0][0]) > BINDINGS
    text = many(tables, auth_db__db_url='"%s"' % tables.url, auth_db__calculate_ha1=1,
                auth_db__password_column='"password"', auth_db__load_credentials='""', **settings)
    assert SCRIPT in text
    return text.replace(SCRIPT, LOGIN).replace('loadmodule "ctl.so"', 'loadmodule "auth.so"\nloadmodule "auth_db.so"\n'
                                               'loadmodule "ctl.so"')


def many(tables, **settings):
    values = dict(usrloc__db_mode=2, usrloc__db_url='"%s"' % tables.url, usrloc__hash_size=14,
                  usrloc__timer_interval=1)
    values.update(settings)
    return head("ctl", "jsonrpcs", tables.driver, **values) + SCRIPT


def count(server):
    """Bindings in memory."""
    lines = server.rpc("stats.get_statistics", "usrloc:")
    return int(re.search(r"location[-_]contacts = (\d+)", "\n".join(lines)).group(1))


def rows(tables):
    return int(tables.sql("SELECT COUNT(*) FROM location")[0][0])


def register(server, calls=BINDINGS, **options):
    return Load(server, "register", calls=calls, patience=2000, **options)


@pytest.mark.viaduct_only("the peer loses what it has not written")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_loses_no_binding(start_server, mariadb, how):
    tables = Served(mariadb, "restart_" + how, "usrloc", "auth_db")
    # The timer writes a part: the rest is in the journal alone when the server is killed.
    server = start_server(many_subscribers(tables))
    first = register(server, BINDINGS // 2, password=PASSWORD).result(PATIENCE_S)
    wait_for(lambda: rows(tables), server.log)
    second = register(server, BINDINGS, password=PASSWORD).result(PATIENCE_S)
    assert first["wrong"] == second["wrong"] == 0
    before = count(server)
    assert before >= BINDINGS
    if how == "stop":
        server.process.terminate()
        assert server.process.wait(PATIENCE_S) == 0  # everything is written now
        written = rows(tables)
    stop(server, "kill")
    began = time.monotonic()
    server.start()
    assert how == "kill" or written == before
    figure("%s of everything with %d bindings and MariaDB: served again after %.2f s", how, before,
           time.monotonic() - began)
    server.wait_log(r"usrloc: \d+ bindings restored from the table location in [\d.]+ s")
    assert count(server) == before
    wait_for(lambda: rows(tables) == before, server.log, PATIENCE_S)


@pytest.mark.viaduct_only("the peer loses them")
@pytest.mark.parametrize("kind", [MariaDb, Postgres])
def test_an_outage_under_load_delays_nobody_and_loses_nothing(start_server, kind):
    if not kind.is_there():
        pytest.skip("it is not there")
    database = kind()
    try:
        tables = Served(database, "under_load", "usrloc")
        server = start_server(many(tables))
        server.allow("database", "mysql", "postgres", "connection")
        calls = int(300 * (OUTAGE_S + 3))
        load = register(server, calls, rate=300)
        wait_for(lambda: rows(tables), server.log)
        database.stop()
        time.sleep(OUTAGE_S)  # what is tested is the length of the outage
        assert load.is_running()
        database.start()
        figures = load.result(OUTAGE_S + 60)
        assert figures["done"] == calls and figures["wrong"] == 0
        assert count(server) == calls
        wait_for(lambda: rows(tables) == calls, server.log, PATIENCE_S)
        assert re.search("the database takes bindings again", server.log())
        figure("%s is away for %g s at 300 registrations/s: %d of %d answered, all written afterwards; 99 %% "
               "answered within %.1f ms", kind.__name__, OUTAGE_S, figures["done"], calls, figures["p99_us"] / 1000)
    finally:
        database.close()


# Numbers from 1 on, and a text from two of them.
NUMBERS = {
    "db_sqlite": ("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)",
                  "%s || i || %s"),
    "db_mysql": ("(SELECT seq AS i FROM seq_1_to_%d)", "CONCAT(%s, i, %s)"),
    "db_postgres": ("(SELECT generate_series(1, %d) AS i)", "%s || i || %s"),
}


@pytest.fixture(params=ENGINES)
def full_table(request, tmp_path):
    """A location table of ROWS rows."""
    tables = engine_tables(request, tmp_path, "restore_test", "usrloc")
    numbers, text = NUMBERS[tables.driver]
    tables.sql("INSERT INTO location (ruid, username, contact, callid, user_agent, socket, expires) SELECT "
               "%s, %s, %s, %s, 'Phone 1.0', 'udp:127.0.0.1:5060', %s FROM %s AS numbers"
               % (text % ("'uloc-'", "'-1'"), text % ("'user'", "''"),
                  text % ("'sip:user'", "'@192.0.2.1:5060'"), text % ("'call-'", "'@192.0.2.1'"),
                  tables.time % "2037-01-01 00:00:00", numbers % ROWS))
    return tables


@pytest.mark.viaduct_only("the words are ours")
def test_a_table_is_restored_at_start(start_server, full_table, monkeypatch):
    monkeypatch.setattr("sipua.server.START_SECONDS", 30 + ROWS / 5000)
    memory = max(64, ROWS // 2000)
    server = start_server(many(full_table), arguments=["-m", str(memory)])
    said = server.wait_log(r"usrloc: (\d+) bindings restored from the table location in ([\d.]+) s")
    figure("%s: %s bindings restored from the table in %s s", full_table.driver, *said.groups())
    assert int(said.group(1)) == ROWS == count(server)
    progress = re.findall(r"usrloc: (\d+) rows of location read so far", server.log())
    assert [int(n) for n in progress] == list(range(100000, ROWS + 1, 100000))


def test_the_table_is_that_of_the_peer(agent, program, tmp_path, mariadb):
    """Who registered with one is served by the other after a restart, both ways."""
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both")
    for writer, reader in (("kamailio", "viaduct"), ("viaduct", "kamailio")):
        tables = Served(mariadb, "shared", "usrloc")
        settings = {"usrloc__xavp_contact": '""', "tm__xavp_contact": '""'}
        kept = []
        for name in (writer, reader):
            text = "\n".join(line for line in config(tables, 1, **settings).split("\n")
                             if "xavp_contact" not in line)
            server = Server(text, name)
            server.allow(".*")
            try:
                phone, other = agent("phone", server=server), agent("other", server=server)
                if not kept:
                    phone.register(contact=["<sip:a@192.0.2.1;x=1>;q=0.5;+sip.instance=\"<urn:uuid:1>\""],
                                   headers=[("User-Agent", "Phone 1"), ("Path", "<sip:192.0.2.9;lr>"),
                                            ("Allow", "INVITE, ACK")])
                    other.register(contact=["<sip:b@192.0.2.1>", "<sip:c@192.0.2.1>;expires=60"])
                else:                               # the peer answers while it still reads
                    wait_for(lambda: phone.register(contact=[]).contacts, server.log)
                kept.append([sorted(one.register(contact=[]).contacts) for one in (phone, other)] +
                            [found(phone, server)])
            finally:
                server.stop() if name == "viaduct" else server.kill()
        assert kept[0] == kept[1] and kept[0][2] == "sip:a@192.0.2.1;x=1"
