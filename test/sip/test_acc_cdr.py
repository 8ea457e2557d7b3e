# SPDX-License-Identifier: BSD-2-Clause
"""Records of whole calls: the line in the log and the row in acc_cdrs, as the peer writes them."""
import re
import time

import pytest
from settings import START
from sipua import Dialog
from sipua.server import Server, find_program
from tables import ENGINES, Served, engine_tables, wait_for
from test_acc_db import add_columns
from test_dialog import answered, inside, invite

SCRIPT = """
request_route {
""" + START + """
	if (is_method("CANCEL")) {
		t_relay();
		exit;
	}
	if (has_totag()) {
		loose_route();
		if (is_method("BYE")) $dlg_var(late) = "yes";
		if (is_method("MESSAGE")) dlg_bye("all");
		t_relay();
		exit;
	}
	if ($rU == "short" || $rU == "bye") $avp(seconds) = 1;
	if ($rU == "bye") $dlg_ctx(timeout_bye) = 1;
	$dlg_var(caller) = $fU;
	if ($rU == "skip") $dlg_var(nocdr) = "1";
	dlg_manage();
	record_route();
	t_on_reply("REPLY");
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
onreply_route[REPLY] {
	if ($rs == 200) $dlg_var(answer) = $rs;
}
"""
EXTRA = ("caller", "answer", "none", "late", "from_user")
MODULES = "tm sl rr pv textops siputils xlog jsonrpcs dialog acc".split()


def config(tables=None, **settings):
    values = dict(cdr_enable=1, cdr_skip='"nocdr"',
                  cdr_extra='"caller=$dlg_var(caller);answer=$dlg_var(answer);none=$dlg_var(none);'
                            'late=$dlg_var(late);from_user=$fU"')
    if tables:
        values.update(db_url='"%s"' % tables.url, cdrs_table='"acc_cdrs"')
    values.update(settings)
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
             "disable_tcp=yes"]
    lines += ['loadmodule "%s.so"' % name
              for name in ([tables.driver] if tables else []) + MODULES]
    lines += ['modparam("dialog", "timeout_avp", "$avp(seconds)")']
    lines += ['modparam("acc", "%s", %s)' % pair for pair in values.items()]
    return "\n".join(lines) + SCRIPT


CONFIG = config()
ALLOWED = ["dlg timeout", "write_cdr", "failed to write cdr", "message is empty", "bogus ref"]


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def lines(server):
    """The CDR lines so far, each as a dict."""
    found = re.findall(r"(start(?:_time)?=\d[\d.]*; end.*)", server.log())
    return [dict(part.partition("=")[::2] for part in line.split("; ")) for line in found]


def new_line(server, before):
    wait_for(lambda: len(lines(server)) > before, server.log)
    return lines(server)[before]


def call(server, alice, bob, user="plain", by="caller"):
    caller, callee = answered(server, alice, bob, user)
    if by == "caller":
        inside(caller, alice, bob, "BYE")
    else:
        inside(callee, bob, alice, "BYE")
    return caller


def refused(server, alice, bob, user="plain"):
    request = invite(server, alice, bob, user)
    bob.reply(bob.expect_request("INVITE"), 486)
    alice.expect_reply(486, request)
    bob.expect_request("ACK")


# ---- the log ----
@pytest.mark.parametrize("by", ["caller", "callee"])
def test_a_call_has_a_line(pair, server, by):
    before = len(lines(server))
    call(server, *pair, by=by)
    line = new_line(server, before)
    assert list(line) == ["start_time", "end_time", "duration"] + list(EXTRA)
    assert re.fullmatch(r"\d{10}\.\d{3}", line["start_time"])
    assert re.fullmatch(r"\d\.\d{3}", line["duration"])
    gap = float(line["end_time"]) - float(line["start_time"]) - float(line["duration"])
    assert abs(gap) < 0.0015
    assert [line[name] for name in EXTRA] == ["alice", "200", "", "yes",
                                              "alice" if by == "caller" else "plain"]


def test_a_refused_call_has_a_line_without_duration(pair, server):
    before = len(lines(server))
    refused(server, *pair)
    line = new_line(server, before)
    assert line["start_time"] == line["end_time"] and line["duration"] == "0"
    assert [line[name] for name in EXTRA] == ["alice", "", "", "", "alice"]


def test_the_variable_skips_it(pair, server):
    before = len(lines(server))
    call(server, *pair, user="skip")
    call(server, *pair)
    new_line(server, before)
    assert len(lines(server)) == before + 1


def test_a_call_that_timed_out_has_none(pair, server):
    before = len(lines(server))
    answered(server, *pair, "short")
    wait_for(lambda: "timed out" in server.log() or "dlg timeout" in server.log(), server.log)
    call(server, *pair)
    new_line(server, before)
    assert len(lines(server)) == before + 1


def test_a_call_that_timed_out_has_one_when_wanted(start_server, agent):
    server = start_server(config(cdr_expired_dlg_enable=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    answered(server, alice, bob, "short")
    line = new_line(server, 0)
    assert 0.9 < float(line["duration"]) < 8
    assert [line[name] for name in EXTRA] == ["alice", "200", "", "", ""]


@pytest.mark.viaduct_only("the peer writes none: nobody sent a message")
@pytest.mark.parametrize("how", ["script", "operator", "time"])
def test_a_call_that_we_end_has_one(pair, server, how):
    alice, bob = pair
    before = len(lines(server))
    caller, _callee = answered(server, alice, bob, "bye" if how == "time" else "plain")
    if how == "script":
        caller.send("MESSAGE")
        bob.expect_request("BYE|MESSAGE")
    elif how == "operator":
        server.rpc("dlg.terminate_dlg", caller.call_id, caller.from_tag, caller.to_tag)
    line = new_line(server, before)
    assert [line[name] for name in EXTRA] == ["alice", "200", "", "", ""]
    bye = alice.expect_request("BYE")
    alice.reply(bye, 200)


def test_names_and_beginnings_are_settings(start_server, agent):
    server = start_server(config(cdr_start_id='"start"', cdr_end_id='"end"',
                                 cdr_duration_id='"length"', cdr_start_on_confirmed=1,
                                 cdr_on_failed=0, cdr_facility='"LOG_LOCAL3"'))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    refused(server, alice, bob)
    began = time.time()
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    bob.expect_nothing()  # it rings for 0.3 s
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    assert answer.status == 200
    dialog = Dialog.from_client(alice, request, ok)
    dialog.ack()
    bob.expect_request("ACK")
    inside(dialog, alice, bob, "BYE")
    line = new_line(server, 0)
    assert list(line)[:3] == ["start", "end", "length"]
    assert float(line["start"]) - began > 0.29
    assert len(lines(server)) == 1


def test_the_log_can_be_off(start_server, agent):
    server = start_server(config(cdr_log_enable=0))
    call(server, agent("alice", server=server), agent("bob", server=server))
    assert lines(server) == []


@pytest.mark.viaduct_only("a setting of ours")
@pytest.mark.parametrize("mode, looks", [(0, r"\d{10}"), (2, r"\d{10}\.\d{6}")])
def test_the_precision_is_a_setting(start_server, agent, mode, looks):
    server = start_server(config(cdr_duration_mode=mode))
    call(server, agent("alice", server=server), agent("bob", server=server))
    assert re.fullmatch(looks, new_line(server, 0)["start_time"])


# ---- the table ----
@pytest.fixture(params=ENGINES)
def tables(request, tmp_path):
    made = engine_tables(request, tmp_path, "cdr_test", "acc")
    add_columns(made, EXTRA, table_names=("acc_cdrs",))
    return made


COLUMNS = "duration, " + ", ".join(EXTRA)


def rows(tables, columns=COLUMNS):
    return [["NULL" if value is None else str(value) for value in row]
            for row in tables.sql("SELECT %s FROM acc_cdrs ORDER BY id" % columns)]


@pytest.mark.viaduct_only("the peer's drivers are other ones")
def test_a_call_has_a_row(agent, start_server, tables):
    server = start_server(config(tables, cdr_extra_nullable=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    call(server, alice, bob)
    refused(server, alice, bob)
    wait_for(lambda: len(rows(tables)) == 2, server.log)
    found = rows(tables)
    null = "" if tables.driver == "db_postgres" else "NULL"  # as its client prints it
    assert [row[1:] for row in found] == [["alice", "200", null, "yes", "alice"],
                                          ["alice", null, null, null, "alice"]]
    assert 0 <= float(found[0][0]) < 5 and float(found[1][0]) == 0
    times = rows(tables, "start_time, end_time")
    julian = r"24\d{5}\.\d+" if tables.driver == "db_sqlite" else "no"
    assert all(re.match(julian + r"|20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", time) for row in times for time in row)
    line = lines(server)[0]
    assert abs(float(line["duration"]) - float(found[0][0])) < 0.0015


def test_rows_are_those_that_the_peer_writes(agent, program, mariadb):
    if program == "kamailio" or not find_program("kamailio"):
        pytest.skip("needs both")
    seen = []
    for name in ("kamailio", "viaduct"):
        tables = Served(mariadb, "cdr_" + name, "acc")
        add_columns(tables, EXTRA, table_names=("acc_cdrs",))
        server = Server(config(tables, cdr_expired_dlg_enable=1), name)
        server.allow(".*")
        try:
            alice, bob = agent("alice", server=server), agent("bob", server=server)
            call(server, alice, bob)
            refused(server, alice, bob)
            call(server, alice, bob, "skip")
            answered(server, alice, bob, "short")
            wait_for(lambda: len(rows(tables)) == 3, server.log)
            call(server, alice, bob, by="callee")
            wait_for(lambda: len(rows(tables)) == 4, server.log)
        finally:
            server.kill()
        times = rows(tables, "start_time, end_time, UNIX_TIMESTAMP(start_time)")
        assert all(abs(float(row[2]) - float(times[0][2])) < 60 for row in times)
        seen.append(sorted(row[1:] for row in rows(tables)))
    assert seen[0] == seen[1]


@pytest.mark.viaduct_only("the words are ours")
def test_a_missing_table_is_an_error_at_start(start_server, tables):
    with pytest.raises(AssertionError, match="no_such_table"):
        start_server(config(tables, cdrs_table='"no_such_table"'))
