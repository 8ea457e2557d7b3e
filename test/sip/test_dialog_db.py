# SPDX-License-Identifier: BSD-2-Clause
"""Dialogs in the database: the peer's tables, restored at the start, removed when calls end."""
import pytest
from sipua.databases import MariaDb
from sipua.server import Server, find_program
from tables import ENGINES, Served, engine_tables, wait_for
from test_dialog import answered, inside, shown, statistics
from test_dialog import config as dialog_config
from test_journal import stop

ALLOWED = ["bogus ref"]
COLUMNS = ("hash_entry, hash_id, callid, from_uri, from_tag, to_uri, to_tag, caller_cseq, "
           "callee_cseq, caller_contact, callee_contact, caller_sock, callee_sock, state, sflags, "
           "iflags, req_uri")


def config(tables, mode=1, **settings):
    values = dict(dialog__db_mode=mode, dialog__db_url='"%s"' % tables.url,
                  dialog__db_update_period=1)
    values.update({"dialog__" + name: value for name, value in settings.items()})
    return dialog_config(**values).replace('loadmodule "kex.so"',
                                           'loadmodule "%s.so"\nloadmodule "kex.so"' % tables.driver)


@pytest.fixture(params=ENGINES)
def tables(request, tmp_path):
    return engine_tables(request, tmp_path, "dialog_test", "dialog")


def rows(tables, columns="callid, state"):
    return [[str(value) for value in row]
            for row in tables.sql("SELECT %s FROM dialog ORDER BY id" % columns)]


def variables(tables):
    return sorted(tuple(map(str, row)) for row in
                  tables.sql("SELECT dialog_key, dialog_value FROM dialog_vars"))


def what_lasts(server, call_id):
    found = shown(server, call_id)
    found["variables"] = sorted(map(str, found["variables"]))
    found["profiles"] = sorted(map(str, found["profiles"]))
    assert abs(found["timeout"] - found["start_ts"] - 43200) <= 3
    return {name: found[name] for name in (
        "h_entry", "h_id", "call-id", "from_uri", "to_uri", "state", "start_ts", "sflags", "iflags", "caller", "callee", "profiles", "variables")}


@pytest.mark.viaduct_only("the peer's drivers are other ones")
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_calls_survive_a_restart(start_server, agent, tables, mode):
    server = start_server(config(tables, mode))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    before = what_lasts(server, caller.call_id)
    if mode == 3:
        assert rows(tables) == []
    else:
        wait_for(lambda: rows(tables) == [[caller.call_id, "4"]], server.log)
    stop(server, "stop")
    assert rows(tables) == [[caller.call_id, "4"]]
    assert variables(tables) == [("last", "200"), ("x", "one"), ("y", "two")]
    server.start()
    assert what_lasts(server, caller.call_id) == before
    assert statistics(server)["active_dialogs"] == 1
    assert server.rpc("dlg.profile_get_size", "caller", "alice") == 1
    inside(caller, alice, bob, "BYE")
    server.wait_log("event end of %s x=one last=200 BYE" % caller.call_id)
    if mode == 3:
        stop(server, "stop")
        server.start()
    wait_for(lambda: rows(tables) == [] and variables(tables) == [], server.log)


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_a_killed_server_finds_its_calls_again(start_server, agent, tables):
    server = start_server(config(tables))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    wait_for(lambda: rows(tables) == [[caller.call_id, "4"]], server.log)
    stop(server, "kill")
    server.start()
    inside(caller, alice, bob, "BYE")
    server.wait_log("event end of %s" % caller.call_id)
    wait_for(lambda: rows(tables) == [], server.log)


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_changes_are_written(start_server, agent, tables):
    server = start_server(config(tables))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    wait_for(lambda: rows(tables) == [[caller.call_id, "4"]], server.log)
    inside(caller, alice, bob, "INFO")
    wait_for(lambda: rows(tables, "caller_cseq") == [["2"]], server.log)
    inside(caller, alice, bob, "BYE")
    wait_for(lambda: rows(tables) == [], server.log)


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_db_skip_load(start_server, agent, tables):
    server = start_server(config(tables, db_skip_load=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    wait_for(lambda: len(rows(tables)) == 1, server.log)
    stop(server, "stop")
    server.start()
    assert shown(server, caller.call_id) == {}


@pytest.mark.viaduct_only("the words are ours")
def test_a_missing_table_is_an_error_at_start(start_server, tables):
    with pytest.raises(AssertionError, match="no_such_table"):
        start_server(config(tables, table_name='"no_such_table"'))


def test_calls_of_the_peer_are_restored(agent, program, mariadb):
    """Its rows look like ours, and ours are restored by it."""
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both")
    for writer, reader in (("kamailio", "viaduct"), ("viaduct", "viaduct"), ("viaduct", "kamailio")):
        tables = Served(mariadb, "dialog_%s_%s" % (writer, reader), "dialog")
        first = Server(config(tables), writer)
        try:
            alice, bob = agent("alice", server=first), agent("bob", server=first)
            caller, _callee = answered(first, alice, bob)
            wait_for(lambda: rows(tables) == [[caller.call_id, "4"]], first.log)
            seen = what_lasts(first, caller.call_id)
            stored = rows(tables, COLUMNS)[0]
        finally:
            first.kill()
        assert stored == [str(seen[name]) for name in ("h_entry", "h_id")] + [
            caller.call_id, seen["from_uri"], seen["caller"]["tag"], seen["to_uri"],
            seen["callee"]["tag"], "1", "0", seen["caller"]["contact"], seen["callee"]["contact"],
            seen["caller"]["socket"], seen["callee"]["socket"], "4", "32", "0", seen["to_uri"]]
        second = Server(config(tables), reader)
        try:
            again = what_lasts(second, caller.call_id)
        finally:
            second.kill()
        for found in (seen, again):  # the sockets are other ones
            for leg in ("caller", "callee"):
                del found[leg]["socket"]
        assert again == seen


@pytest.mark.viaduct_only("the peer's calls wait")
def test_calls_go_on_while_the_database_is_away(start_server, agent):
    if not MariaDb.is_there():
        pytest.skip("it is not there")
    database = MariaDb()
    try:
        tables = Served(database, "dialog_outage", "dialog")
        server = start_server(config(tables))
        server.allow("database", "mysql", "connection", "not all dialogs")
        alice, bob = agent("alice", server=server), agent("bob", server=server)
        early, _ = answered(server, alice, bob)
        wait_for(lambda: len(rows(tables)) == 1, server.log)
        database.stop()
        late, _ = answered(server, alice, bob)
        inside(early, alice, bob, "BYE")
        database.start()
        wait_for(lambda: rows(tables) == [[late.call_id, "4"]], server.log)
        inside(late, alice, bob, "BYE")
        wait_for(lambda: rows(tables) == [], server.log)
    finally:
        database.close()
