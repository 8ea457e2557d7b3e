# SPDX-License-Identifier: BSD-2-Clause
"""Accounting to a database: the rows are those that the peer writes for the same traffic, no answer
waits for them, and none is lost while the database is away or when the server dies."""
import re

import pytest
from settings import START
from sipua import Dialog
from sipua.databases import MariaDb, Postgres
from sipua.server import Server, find_program
from tables import ENGINES, Served, Sqlite, engine_tables, wait_for
from test_acc import invite, next_message
from test_journal import stop

SCRIPT = """
request_route {
""" + START + """
	$avp(all) = "one";
	$avp(all) = "two";
	if ($rU == "legs") {
		$avp(from) = "A"; $avp(to) = "B";
		$avp(from) = "B"; $avp(to) = "C";
	}
	if ($rU == "comment") {
		if ($hdr(X-Both) == "1") acc_request("$hdr(X-Comment)", "$hdr(X-Table)");
		else acc_db_request("$hdr(X-Comment)", "$hdr(X-Table)");
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("CANCEL")) {
		setflag(5);
		t_relay();
		exit;
	}
	if (is_method("ACK")) {
		setflag(5);
		if (has_totag() && !loose_route()) t_check_trans();
		t_relay();
		exit;
	}
	setflag(5);
	setflag(6);
	if ($rU == "failed" || $rU == "filtered") setflag(3);
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if ($rU == "local") {
		t_newtran();
		t_reply("404", "Not Found");
		exit;
	}
	record_route();
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
"""
EXTRA = ("caller", "ruri", "none", "all_values", "cut")
LEGS = ("leg_from", "leg_to")
FIXED = "method, from_tag, to_tag, callid, sip_code, sip_reason"
MODULES = "tm sl rr pv textops siputils xlog jsonrpcs acc".split()


def config(tables, **settings):
    values = dict(db_url='"%s"' % tables.url, db_flag=5, db_missed_flag=6,
                  failed_transaction_flag=3, failed_filter='"410"',
                  db_extra='"caller=$fU;ruri=$rU;none=$avp(none);all_values=$(avp(all)[*]);'
                           'cut=$(hdr(X-Target){s.select,0,:})"')
    values.update(settings)
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
             "disable_tcp=yes"]
    lines += ['loadmodule "%s.so"' % name for name in [tables.driver] + MODULES]
    lines += ['modparam("acc", "%s", %s)' % pair for pair in values.items()]
    return "\n".join(lines) + SCRIPT


def add_columns(tables, names, kind="VARCHAR(255)", table_names=("acc", "missed_calls")):
    for table in table_names:
        for name in names:
            tables.sql("ALTER TABLE %s ADD COLUMN %s %s DEFAULT NULL" % (table, name, kind))


@pytest.fixture(params=ENGINES)
def tables(request, tmp_path):
    made = engine_tables(request, tmp_path, "acc_test", "acc")
    add_columns(made, EXTRA)
    return made


def rows(tables, table="acc", columns=FIXED):
    return [["NULL" if value is None else str(value) for value in row]
            for row in tables.sql("SELECT %s FROM %s ORDER BY id" % (columns, table))]


def wait_rows(tables, count, table="acc", columns=FIXED, server=None):
    wait_for(lambda: len(rows(tables, table)) >= count,
             lambda: "%s\n%s" % (rows(tables, table), server.log() if server else ""))
    found = rows(tables, table, columns)
    assert len(found) == count, found
    return found


# ---- the same traffic ----
def answered_call(server, alice, bob, user="plain", bye_by="caller"):
    request = invite(server, alice, bob, user)
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    caller, callee = Dialog.from_client(alice, request, ok), Dialog.from_server(bob, incoming, answer)
    caller.ack()
    bob.expect_request("ACK")
    near, far, dialog = (alice, bob, caller) if bye_by == "caller" else (bob, alice, callee)
    bye = dialog.send("BYE")
    far.reply(far.expect_request("BYE"), 200)
    near.expect_reply(200, bye)


def refused_call(server, alice, bob, user, status):
    request = invite(server, alice, bob, user)
    bob.reply(bob.expect_request("INVITE"), status)
    alice.expect_reply(status, request)
    bob.expect_request("ACK")


def cancelled_call(server, alice, bob):
    request = invite(server, alice, bob, "failed")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    cancel = alice.cancel(request)
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, request)
    bob.expect_request("ACK")


def early_call(server, alice, bob):
    request = invite(server, alice, bob, "legs")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    bob.reply(incoming, 183, body=bob.sdp())
    alice.expect_reply(183, request)
    bob.reply(incoming, 486)
    alice.expect_reply(486, request)
    bob.expect_request("ACK")


def local_refusal(server, alice, bob):
    request = invite(server, alice, bob, "local")
    alice.expect_reply(404, request)


def comments(server, alice, bob):
    for text, table in (("404 Not Found", "acc"), ("503 O'Brien; DROP TABLE acc", "missed_calls")):
        request = alice.request("MESSAGE", server.uri("comment"),
                                headers=[("X-Comment", text), ("X-Table", table)])
        alice.send(request, server.address)
        alice.expect_reply(200, request)


TRAFFIC = [answered_call, lambda *all: answered_call(*all, bye_by="callee"),
           lambda *all: answered_call(*all, user="legs"),
           lambda *all: refused_call(*all, user="plain", status=486),
           lambda *all: refused_call(*all, user="failed", status=404),
           lambda *all: refused_call(*all, user="filtered", status=410),
           cancelled_call, early_call, local_refusal, comments]


def drive(agent, name, tables, settings, columns):
    """All of the traffic on one of the two; the rows of both tables with names for what varies."""
    server = Server(config(tables, **settings), name)
    server.allow(".*")
    try:
        alice, bob = agent("alice", server=server), agent("bob", server=server)
        for step in TRAFFIC:
            step(server, alice, bob)
        # The last one comes last in both tables.
        refused_call(server, alice, bob, "failed", 603)
        wait_for(lambda: any("603" in row for row in rows(tables)) and
                 any("603" in row for row in rows(tables, "missed_calls")), server.log)
        return [named(rows(tables, table, columns)) for table in ("acc", "missed_calls")]
    except BaseException:
        print(server.log())
        raise
    finally:
        server.kill()


def named(found):
    """Call-IDs are left out; tags are those of the call, changed about, others, or absent. Without a
    To tag the peer writes that of an earlier record now and then."""
    calls = {row[3]: (row[1], row[2]) for row in found if row[0] == "INVITE"}
    for row in found:
        pair, call = (row[1], row[2]), calls.get(row.pop(3))
        row[1:3] = ["same" if pair == call else "swapped" if pair[::-1] == call else
                    "none"]
    return found


SETTINGS = [
    {},
    {"multi_leg_info": '"leg_from=$avp(from);leg_to=$avp(to)"', "early_media": 1},
    {"report_ack": 1, "detect_direction": 1},
    {"report_cancels": 1, "acc_extra_nullable": 1, "db_insert_mode": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "legs", "acks", "nullable"])
@pytest.mark.parametrize("engine", ["mariadb"])  # the peer's workers lock each other out of SQLite
def test_rows_are_those_that_the_peer_writes(agent, program, request, tmp_path, engine, settings):
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both")
    columns = ", ".join((FIXED,) + EXTRA + (LEGS if "multi_leg_info" in settings else ()))
    seen = []
    for name in ("kamailio", "viaduct"):
        folder = tmp_path / name
        folder.mkdir()
        tables = (Sqlite(str(folder), "acc") if engine == "sqlite" else
                  Served(request.getfixturevalue(engine), "acc_" + name, "acc"))
        add_columns(tables, EXTRA + LEGS)
        seen.append(drive(agent, name, tables, settings, columns))
    for peers, ours in zip(*seen):
        assert sorted(ours) == sorted(peers)


# ---- ours ----
def message(agent, server, comment="200 Fine", table="acc", both="0", status=200, user="alice"):
    alice = agent(user, server=server)
    request = alice.request("MESSAGE", server.uri("comment"), headers=[
        ("X-Comment", comment), ("X-Table", table), ("X-Both", both)])
    alice.send(request, server.address)
    alice.expect_reply(status, request)
    return request


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_a_call_has_its_rows(agent, start_server, tables):
    server = start_server(config(tables))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    answered_call(server, alice, bob)
    refused_call(server, alice, bob, "plain", 486)
    found = wait_rows(tables, 2, columns=FIXED + ", caller, none", server=server)
    assert [row[0] for row in found] == ["INVITE", "BYE"] and found[0][1:4] == found[1][1:4]
    assert found[0][4:] == ["200", "OK", "alice", ""]
    missed = wait_rows(tables, 1, "missed_calls", server=server)
    assert missed[0][4:] == ["486", "Busy Here"]


@pytest.mark.viaduct_only("the peer's acc_request spoils the name of the table")
def test_the_script_writes_to_log_and_table(agent, start_server, tables):
    tables.sql("CREATE TABLE acc_mine AS SELECT * FROM acc WHERE 1 = 0")
    if tables.driver != "db_sqlite":
        tables.sql("ALTER TABLE acc_mine DROP COLUMN id")
    server = start_server(config(tables))
    request = message(agent, server, "480 Not now", "acc_mine", both="1")
    server.wait_log("ACC: request accounted: .*call_id=%s;code=480;reason=Not now"
                    % re.escape(request.call_id))
    wait_for(lambda: tables.sql("SELECT sip_code, sip_reason FROM acc_mine") == [["480", "Not now"]],
             server.log)


@pytest.mark.viaduct_only("the peer's drivers are other ones")
@pytest.mark.parametrize("mode, kind, looks", [
    (1, "INT", r"\d{10} \d{1,6}"), (2, "DOUBLE PRECISION", r"\d{10}\.\d{1,3}( NULL)?"),
    (4, "VARCHAR(128)", r"\d{4}/\d\d( NULL)?"),
])
def test_the_exact_time_has_columns(agent, start_server, tables, mode, kind, looks):
    add_columns(tables, ["exact"], kind, ["acc"])
    add_columns(tables, ["more"], "INT", ["acc"])
    server = start_server(config(tables, time_mode=mode, time_attr='"exact"', time_exten='"more"',
                                 time_format='"%Y/%m"'))
    message(agent, server)
    found = wait_rows(tables, 1, columns="exact, more", server=server)[0]
    assert re.fullmatch(looks, " ".join(found).strip()), found


HOSTILE = ["O'Brien", "'); DROP TABLE acc; --", 'a "quoted" `name` \\', "100% $$ ? $1 :x", "gr\u00fc\u00df \u4f60\u597d",
           "x" * 120]


@pytest.mark.viaduct_only("the peer pastes values")
def test_values_never_become_sql(agent, start_server, tables):
    server = start_server(config(tables))
    for text in HOSTILE:
        message(agent, server, "404 " + text)
    found = [row[5] for row in wait_rows(tables, len(HOSTILE), server=server)]
    if tables.driver == "db_mysql":
        found = [text.replace("\\\\", "\\") for text in found]  # the client prints it doubled
    assert found == HOSTILE


@pytest.mark.viaduct_only("the peer refuses nothing, or everything")
def test_a_row_that_is_refused_is_in_the_log_and_holds_up_nobody(agent, start_server, tables):
    server = start_server(config(tables))
    server.allow("the database refuses a row", "value too long", "Data too long", "no such table",
                 "database")
    message(agent, server)
    request = message(agent, server, "404 Lost", "no_table")
    message(agent, server, "200 Last")
    assert [row[5] for row in wait_rows(tables, 2, server=server)] == ["Fine", "Last"]
    server.wait_log("refuses a row for the table no_table .*callid=%s;.*sip_reason=Lost"
                    % re.escape(request.call_id))


@pytest.mark.viaduct_only("the peer writes no row: such a call is free")
@pytest.mark.parametrize("call_id", ["x" * 300, "\u00fc" * 200, "a\udcff\udcfeb"],
                         ids=["long", "many characters", "no characters"])
def test_nobody_keeps_a_row_out(agent, start_server, tables, call_id):
    if tables.driver == "db_sqlite":
        pytest.skip("SQLite takes texts of any length and any bytes")
    server = start_server(config(tables))
    server.allow("the database refuses a row", "was written with shortened or cleaned texts",
                 "database")
    alice = agent("alice", server=server)
    request = alice.request("MESSAGE", server.uri("comment"), headers=[
        ("X-Comment", "200 Fine"), ("X-Table", "acc"), ("X-Both", "0")])
    wire = request.encode().replace(request.call_id.encode(), call_id.encode(errors="surrogateescape"))
    alice.socket.sendto(wire, server.address)
    found = wait_rows(tables, 1, server=server)[0]
    assert found[0] == "MESSAGE" and found[4:] == ["200", "Fine"]
    assert found[3].startswith(call_id[0]) and len(found[3]) <= 255


@pytest.mark.viaduct_only("the peer loses them")
@pytest.mark.parametrize("kind", [MariaDb, Postgres])
def test_no_row_is_lost_when_the_database_is_away(agent, start_server, kind):
    if not kind.is_there():
        pytest.skip("it is not there")
    database = kind()
    try:
        tables = Served(database, "acc_outage", "acc")
        add_columns(tables, EXTRA)
        server = start_server(config(tables))
        server.allow("database", "mysql", "postgres", "connection")
        message(agent, server, "200 Before")
        wait_rows(tables, 1, server=server)
        database.stop()
        for i in range(30):
            message(agent, server, "200 No %d" % i)
        stop(server, "kill")
        database.start()
        server.start()
        message(agent, server, "200 After")
        found = wait_rows(tables, 32, server=server)
        assert [row[5] for row in found] == ["Before"] + ["No %d" % i for i in range(30)] + ["After"]
    finally:
        database.close()


@pytest.mark.viaduct_only("the peer's answers wait")
def test_answers_do_not_wait_for_a_frozen_database(agent, start_server):
    if not MariaDb.is_there():
        pytest.skip("it is not there")
    database = MariaDb()
    try:
        tables = Served(database, "acc_frozen", "acc")
        add_columns(tables, EXTRA)
        server = start_server(config(tables))
        server.allow("database", "mysql", "connection")
        message(agent, server)
        wait_rows(tables, 1, server=server)
        database.freeze()
        for _ in range(10):
            message(agent, server)  # an answer that waited would come after the time limit
        database.thaw()
        wait_rows(tables, 11, server=server)
    finally:
        database.close()


@pytest.mark.viaduct_only("the words are ours")
def test_cdrs_need_the_module_dialog(start_server, tables):
    with pytest.raises(AssertionError, match="cdr_enable needs module dialog"):
        start_server(config(tables, cdr_enable=1))
