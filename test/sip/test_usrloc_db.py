# SPDX-License-Identifier: BSD-2-Clause
"""usrloc with a database: what each db_mode writes and when, what comes back after a restart, and
what happens while the database is away."""

import pytest
from settings import RELAY, START, head
from sipua.databases import MariaDb, Postgres
from tables import ENGINES, Served, Sqlite, engine_tables, wait_for
from test_journal import stop

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		if ($hdr(X-Colour) != $null) {
			$xavp(ulattrs=>colour) = $hdr(X-Colour);
			$xavp(ulattrs[0]=>size) = 7;
		}
		if ($hdr(X-Memory) != $null) save("location", "0x01");
		else save("location");
		exit;
	}
	if (!lookup("location")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	append_to_reply("X-Colour: $xavp(ulattrs=>colour) $xavp(ulattrs=>size)\\r\\n");
	append_to_reply("X-Contact: $ru\\r\\n");
	sl_send_reply("200", "OK");
}
"""
COLUMNS = ("username, domain, contact, received, path, q, callid, cseq, flags, cflags, user_agent, "
           "socket, methods, instance, reg_id, server_id, connection_id, keepalive")


@pytest.fixture(params=ENGINES)
def tables(request, tmp_path):
    return engine_tables(request, tmp_path, "usrloc_test", "usrloc")


def config(tables, mode, **settings):
    values = dict(usrloc__db_mode=mode, usrloc__db_url='"%s"' % tables.url,
                  usrloc__timer_interval=3600, usrloc__xavp_contact='"ulattrs"',
                  tm__xavp_contact='"ulattrs"', registrar__received_avp='"$avp(seen)"')
    values.update(settings)
    return head("ctl", "jsonrpcs", tables.driver, **values) + SCRIPT


def rows(tables, columns="contact, cseq"):
    """Rows as lists of texts."""
    return sorted([str(value) for value in row]
                  for row in tables.sql("SELECT %s FROM location" % columns))


def insert(tables, *values):
    """Rows of ruid, username, contact, expires."""
    for ruid, username, contact, expires in values:
        tables.sql("INSERT INTO location (ruid, username, contact, expires) VALUES "
                   "('%s', '%s', '%s', %s)" % (ruid, username, contact, tables.time % expires))


def found(phone, server, user=None):
    """The contact that serves the user, or None."""
    request = phone.send(phone.request("MESSAGE", server.uri(user or phone.user), body="x",
                                       content_type="text/plain"))
    reply = phone.expect_reply((200, 404), request)
    return reply.get("X-Contact")


# ---- modes ----
@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_write_through_is_in_the_table_before_the_answer(agent, start_server, tables):
    server = start_server(config(tables, 1))
    phone = agent("phone", server=server)
    call = phone.unique("call")
    phone.register(contact=["<sip:a@192.0.2.1>"], call_id=call, cseq=1)
    assert rows(tables) == [["sip:a@192.0.2.1", "1"]]
    phone.register(contact=["<sip:a@192.0.2.1>"], call_id=call, cseq=2)
    assert rows(tables) == [["sip:a@192.0.2.1", "2"]]
    phone.register(contact=["<sip:b@192.0.2.1>;q=0.5"], call_id=call, cseq=3)
    assert len(rows(tables)) == 2
    phone.register(contact=["<sip:a@192.0.2.1>;expires=0"], call_id=call, cseq=4)
    assert rows(tables) == [["sip:b@192.0.2.1", "3"]]
    phone.register(contact=["*"], expires=0)
    assert rows(tables) == []


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_write_back_writes_when_told_and_at_the_end(agent, start_server, tables):
    server = start_server(config(tables, 2))
    phone = agent("phone", server=server)
    phone.register(contact=["<sip:a@192.0.2.1>"])
    phone.register(contact=["<sip:b@192.0.2.1>"])
    assert rows(tables) == []
    server.rpc("ul.flush")
    assert len(rows(tables)) == 2
    phone.register(contact=["<sip:a@192.0.2.1>;expires=0"])
    phone.register(contact=["<sip:c@192.0.2.1>"])
    server.rpc("ul.flush")
    assert [row[0] for row in rows(tables)] == ["sip:b@192.0.2.1", "sip:c@192.0.2.1"]
    phone.register(contact=["<sip:b@192.0.2.1>;expires=0"])
    phone.register(contact=["<sip:d@192.0.2.1>"])
    stop(server, "stop")
    assert [row[0] for row in rows(tables)] == ["sip:c@192.0.2.1", "sip:d@192.0.2.1"]
    server.start()
    assert sorted(phone.register(contact=[]).contacts) == ["sip:c@192.0.2.1", "sip:d@192.0.2.1"]


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_the_timer_writes_too(agent, start_server, tables):
    server = start_server(config(tables, 2, usrloc__timer_interval=1))
    phone = agent("phone", server=server)
    phone.register(contact=["<sip:a@192.0.2.1>"])
    wait_for(lambda: len(rows(tables)) == 1, server.log)


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_two_servers_share_a_table_in_mode_3(agent, start_server, tables):
    one, two = (start_server(config(tables, 3)) for _ in range(2))
    phone, other = agent("phone", server=one), agent("phone", server=two)
    phone.register(contact=["<sip:a@192.0.2.1>"])
    assert found(other, two) == "sip:a@192.0.2.1"
    other.register(contact=["<sip:b@192.0.2.1>"])
    assert len(phone.register(contact=[]).contacts) == 2
    phone.register(contact=["<sip:a@192.0.2.1>;expires=0"])
    assert list(other.register(contact=[]).contacts) == ["sip:b@192.0.2.1"]
    other.register(contact=["*"], expires=0)
    assert found(phone, one) is None
    assert rows(tables) == []
    # What somebody else wrote counts at once.
    insert(tables, ('x-1', 'phone', 'sip:else@192.0.2.9', '2037-01-01 00:00:00'))
    assert found(phone, one) == "sip:else@192.0.2.9"


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_mode_4_reads_and_never_writes(agent, start_server, tables):
    insert(tables, ('x-1', 'phone', 'sip:a@192.0.2.9', '2037-01-01 00:00:00'), ('x-2', 'phone', 'sip:old@192.0.2.9', '2007-01-01 00:00:00'))
    server = start_server(config(tables, 4))
    phone = agent("phone", server=server)
    assert list(phone.register(contact=[]).contacts) == ["sip:a@192.0.2.9"]
    phone.register(contact=["<sip:b@192.0.2.1>"])
    phone.register(contact=["<sip:a@192.0.2.9>;expires=0"])
    server.rpc("ul.flush")
    stop(server, "stop")
    assert len(rows(tables)) == 2
    server.start()
    assert list(phone.register(contact=[]).contacts) == ["sip:a@192.0.2.9"]


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_memory_only_bindings_have_no_row(agent, start_server, tables):
    server = start_server(config(tables, 1))
    phone = agent("phone", server=server)
    phone.register(contact=["<sip:a@192.0.2.1>"], headers=[("X-Memory", "1")])
    assert rows(tables) == [] and found(phone, server)
    phone.register(contact=["<sip:a@192.0.2.1>"])
    assert len(rows(tables)) == 1


# ---- what a row holds ----
@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_everything_comes_back_from_the_table(agent, start_server, tables):
    server = start_server(config(tables, 1, usrloc__journal=0, usrloc__use_domain=1))
    phone = agent("phone", server=server)
    hostile = "O'Brien \"; DROP TABLE location; -- %s \\ \u00fc"
    phone.register(contact=["<sip:a@192.0.2.1>;q=0.5;+sip.instance=\"<urn:uuid:1>\";reg-id=3"],
                   headers=[("User-Agent", hostile), ("Allow", "INVITE, ACK, BYE"),
                            ("X-Colour", "it's 'red'")])
    before = server.rpc("ul.lookup", "location", "phone@%s" % server.address[0])["Contacts"][0]["Contact"]
    stop(server, "stop")
    server.start()
    after = server.rpc("ul.lookup", "location", "phone@%s" % server.address[0])["Contacts"][0]["Contact"]
    assert before["User-Agent"] == hostile and after["State"] == "CS_SYNC"
    for name in ("Expires", "State", "Last-Keepalive", "Tcpconn-Id"):
        before.pop(name), after.pop(name)
    assert before == after
    request = phone.send(phone.request("MESSAGE", server.uri("phone"), body="x", content_type="text/plain"))
    assert phone.expect_reply(200, request)["X-Colour"] == "it's 'red' 7"


def test_rows_are_those_that_the_peer_writes(agent, start_server, tmp_path, program):
    """The same registration on both servers, in a table each."""
    from sipua.server import Server, find_program
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both")
    seen = []
    for name in ("viaduct", "kamailio"):
        folder = tmp_path / name
        folder.mkdir()
        tables = Sqlite(str(folder), "usrloc")
        server = Server(config(tables, 1, **({"usrloc__journal": 0} if name == "viaduct" else {})).replace(
            'modparam("usrloc", "journal", 0)\n', "") if name == "kamailio" else
            config(tables, 1), name)
        try:
            phone = agent("phone", server=server)
            phone.register(contact=["<sip:a@192.0.2.1>;q=0.5"], call_id="fixed-1", cseq=4,
                           headers=[("Allow", "INVITE, ACK, BYE"), ("User-Agent", "Phone 1")])
            phone.register(contact=["<sip:b@192.0.2.1>"], call_id="fixed-2", cseq=4)
            phone.register(contact=['<sip:c@192.0.2.1>;+sip.instance="<urn:uuid:1>"'], call_id="fixed-3")
            phone.register(contact=["<sip:b@192.0.2.1>"], call_id="fixed-2", cseq=5, headers=[("X-Colour", "red")])
            assert len(rows(tables)) == 3
            seen.append([[value.replace(server.host_port, "HOST") for value in row]
                         for row in rows(tables, COLUMNS)] +
                        tables.sql("SELECT username, domain, aname, atype, avalue FROM location_attrs ORDER BY id"))
        except BaseException:
            print(server.log())
            raise
        finally:
            server.kill()
    assert seen[0] == seen[1]


# ---- ends and outages ----
@pytest.mark.viaduct_only("the peer has no journal")
def test_a_kill_loses_nothing_that_the_table_does_not_have(agent, start_server, tables):
    server = start_server(config(tables, 2))
    phone = agent("phone", server=server)
    call = phone.unique("call")
    phone.register(contact=["<sip:gone@192.0.2.1>, <sip:old@192.0.2.1>, <sip:stays@192.0.2.1>"],
                   call_id=call, cseq=1)
    server.rpc("ul.flush")
    phone.register(contact=["<sip:gone@192.0.2.1>;expires=0"], call_id=call, cseq=2)
    phone.register(contact=["<sip:old@192.0.2.1>"], call_id=call, cseq=3)
    phone.register(contact=["<sip:new@192.0.2.1>"], call_id=call, cseq=4)
    stop(server, "kill")
    assert [row[0] for row in rows(tables)] == ["sip:gone@192.0.2.1", "sip:old@192.0.2.1",
                                                "sip:stays@192.0.2.1"]
    server.start()
    assert sorted(phone.register(contact=[]).contacts) == ["sip:%s@192.0.2.1" % name
                                                          for name in ("new", "old", "stays")]
    server.rpc("ul.flush")
    assert rows(tables) == [["sip:new@192.0.2.1", "4"], ["sip:old@192.0.2.1", "3"],
                            ["sip:stays@192.0.2.1", "1"]]


@pytest.mark.viaduct_only("the peer loses them")
@pytest.mark.parametrize("kind", [MariaDb, Postgres])
@pytest.mark.parametrize("mode", [1, 2])
def test_an_outage_of_the_database_is_made_good(agent, start_server, kind, mode):
    if not kind.is_there():
        pytest.skip("it is not there")
    database = kind()
    try:
        tables = Served(database, "outage", "usrloc")
        server = start_server(config(tables, mode, usrloc__timer_interval=1))
        server.allow("database", "mysql", "postgres", "connection")
        phone = agent("phone", server=server)
        phone.register(contact=["<sip:before@192.0.2.1>"])
        phone.register(contact=["<sip:gone@192.0.2.1>"])
        wait_for(lambda: len(rows(tables)) == 2, server.log)
        database.stop()
        phone.register(contact=["<sip:gone@192.0.2.1>;expires=0"])
        for i in range(20):
            phone.register(contact=["<sip:%d@192.0.2.1>" % i])
        assert len(phone.register(contact=[]).contacts) == 21
        assert found(phone, server)
        database.start()
        wait_for(lambda: len(rows(tables)) == 21, server.log, 30)
        assert "sip:gone@192.0.2.1" not in [row[0] for row in rows(tables)]
    finally:
        database.close()


@pytest.mark.viaduct_only("the peer has no journal")
def test_a_stop_in_the_middle_of_writing_writes_everything(agent, start_server):
    if not MariaDb.is_there():
        pytest.skip("it is not there")
    database = MariaDb()
    try:
        tables = Served(database, "middle", "usrloc")
        server = start_server(config(tables, 2, usrloc__timer_interval=1, usrloc__journal=0))
        server.allow("database", "mysql", "connection")
        phone = agent("phone", server=server)
        phone.register(contact=["<sip:first@192.0.2.1>"])
        wait_for(lambda: rows(tables), server.log)
        database.freeze()
        for i in range(20):
            phone.register(contact=["<sip:%d@192.0.2.1>" % i])
        with pytest.raises(Exception):  # it is being written now, and the database does not answer
            server.rpc("ul.flush", timeout=2)
        server.process.terminate()
        database.thaw()
        assert server.process.wait(20) == 0
        assert len(rows(tables)) == 21
        stop(server, "kill")
        server.start()
    finally:
        database.close()


@pytest.mark.viaduct_only("the peer answers 500")
def test_without_its_database_mode_3_says_so(agent, start_server, tmp_path):
    if not MariaDb.is_there():
        pytest.skip("it is not there")
    database = MariaDb()
    try:
        server = start_server(config(Served(database, "only", "usrloc"), 3))
        server.allow("database", "mysql")
        phone = agent("phone", server=server)
        phone.register()
        database.stop()
        reply = phone.register(status=500)
        assert reply["P-Registrar-Error"] == "Location database not reachable"
        assert found(phone, server) is None
        database.start()
        wait_for(lambda: found(phone, server) is not None, server.log)
    finally:
        database.close()


# ---- administration ----
@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_commands_count_rows(agent, start_server, tables):
    insert(tables, ('x-1', 'ann', 'sip:a@192.0.2.9', '2037-01-01 00:00:00'), ('x-2', 'ann', 'sip:b@192.0.2.9', '2037-01-01 00:00:00'), ('x-3', 'bob', 'sip:old@192.0.2.9', '2007-01-01 00:00:00'))
    server = start_server(config(tables, 3))
    assert [int(server.rpc("ul." + name, "location"))
            for name in ("db_users", "db_contacts", "db_expired_contacts")] == [1, 2, 1]


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_expired_rows_are_deleted_on_demand(agent, start_server, tables):
    insert(tables, ('x-2', 'ann', 'sip:b@192.0.2.9', '2037-01-01 00:00:00'), ('x-3', 'bob', 'sip:old@192.0.2.9', '2007-01-01 00:00:00'))
    server = start_server(config(tables, 2, usrloc__db_timer_clean=1))
    server.rpc("ul.flush")
    assert [row[0] for row in rows(tables)] == ["sip:b@192.0.2.9"]


@pytest.mark.viaduct_only("the peer writes what fits")
def test_a_row_that_the_database_refuses_holds_up_nobody(agent, start_server, mariadb):
    tables = Served(mariadb, "refused", "usrloc")
    server = start_server(config(tables, 2, registrar__contact_max_size=2000))
    server.allow("refuses", "mysql", "Data too long")
    phone = agent("phone", server=server)
    for i in range(40):
        phone.register(contact=["<sip:%s@192.0.2.1>" % ("x" * 600 if i == 7 else "c%d" % i)])
    server.rpc("ul.flush")
    assert len(rows(tables)) == 39
    assert len(phone.register(contact=[]).contacts) == 40
