# SPDX-License-Identifier: BSD-2-Clause
"""Module sqlops: queries of the script's own."""
import os

import pytest
from settings import START, head
from subscribers import ENGINES, Tables

ALLOWED = ["sqlops", "query", "db_.*", "unhandled data type", "rval_", "is used as a number",
           "get_int_fparam"]
ROWS = [("one", 1), ("two", 2), ("three", None)]
VALUES = "rows=$dbr(ra=>rows) cols=$dbr(ra=>cols) first=$dbr(ra=>[0,0]) second=$dbr(ra=>[0,1])"
ROUTE = "request_route {\n" + START + """
	$var(i) = 1;
	$var(a) = "old";
	$var(c) = "old";
	if ($hdr(X-Do) == "query") sql_query("ca", "$hdr(X-Query)", "ra");
	if ($hdr(X-Do) == "any") sql_query("ca", "$hdr(X-Query)");
	if ($hdr(X-Do) == "rows") sql_xquery("ca", "$hdr(X-Query)", "xa");
	if ($hdr(X-Do) == "assign") {
		$avp(b) = "old";
		sql_pvquery("ca", "$hdr(X-Query)", "$var(a), $avp(b);$var(c)");
		$var(rc) = $rc;
	}
	if ($hdr(X-Do) == "insert")
		sql_query("ca", "INSERT INTO facts VALUES ($(hdr(X-A){sql.val}), $(hdr(X-B){s.int}{sql.val.int}))");
	if ($hdr(X-Do) == "find")
		sql_query("ca", "SELECT a, b FROM facts WHERE a = $(hdr(X-A){sql.val.str})", "ra");
	if ($hdr(X-Do) == "twice") {
		sql_query("ca", "SELECT a, b FROM facts", "rb");
		sql_query("ca", "$hdr(X-Query)", "ra");
		sql_query("ca", "SELECT wrong", "ra");
	}
	if ($hdr(X-Do) == "free") {
		sql_query("ca", "$hdr(X-Query)", "ra");
		sql_result_free("ra");
	}
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Result: """ + VALUES + """ other=$dbr(rb=>rows)\\r\\n");
	append_to_reply("X-More: $dbr(ra=>colname[0]) $dbr(ra=>colname[$var(i)]) $dbr(ra=>[$var(i),0])\\r\\n");
	append_to_reply("X-Rows: $xavp(xa[0]=>a),$xavp(xa[0]=>b) $xavp(xa[1]=>a),$xavp(xa[1]=>b) $xavp(xa[2]=>a)\\r\\n");
	append_to_reply("X-Assigned: $var(a) $(avp(b)[*]) $var(c)\\r\\n");
	$var(sum) = 1 + $dbr(ra=>[0,1]);
	append_to_reply("X-Sum: $var(sum)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
QUOTES = "request_route {\n" + START + """
	$avp(number) = 12;
	append_to_reply("X-Text: $(hdr(X-A){sql.val}) $(hdr(X-A){sql.val.int}) $(hdr(X-A){sql.val.str})\\r\\n");
	append_to_reply("X-Number: $(avp(number){sql.val}) $(avp(number){sql.val.int}) $(avp(number){sql.val.str})\\r\\n");
	append_to_reply("X-Null: $(avp(no){sql.val}) $(avp(no){sql.val.int}) $(avp(no){sql.val.str})\\r\\n");
	sl_send_reply("200", "Done");
}
"""


def config(tables, route=ROUTE, **settings):
    values = {"sqlops__sqlcon": '"ca=>%s"' % tables.url, **settings}
    return head(tables.module, "sqlops", **values) + route


def fill(tables):
    tables.sql("CREATE TABLE facts (a VARCHAR(64), b INTEGER)")
    for a, b in ROWS:
        tables.add("facts", a=a, b=b)
    return tables


@pytest.fixture(scope="module", params=ENGINES)
def tables(request, tmp_path_factory):
    return fill(Tables(request.param, request, tmp_path_factory.mktemp("db")))


@pytest.fixture(scope="module")
def server(launch, tables):
    return launch(config(tables))


@pytest.fixture
def sqlite(request, tmp_path):
    os.chmod(tmp_path, 0o777)
    return fill(Tables("sqlite", request, tmp_path))


class Client:
    def __init__(self, agent, server):
        self.alice = agent("alice", server=server)
        self.server = server

    def ask(self, do, query="", **headers):
        headers = [("X-" + name.capitalize(), value) for name, value in headers.items()]
        request = self.alice.request("OPTIONS", "sip:x@example.org", headers=[
            ("X-Do", do), ("X-Query", query)] + headers)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(200, request)

    def result(self, do, query="", **headers):
        return int(self.ask(do, query, **headers)["X-RC"])


@pytest.fixture
def client(agent, server):
    return Client(agent, server)


SELECT = "SELECT a, b FROM facts WHERE b < 3 ORDER BY b"


@pytest.mark.parametrize("query,codes", [
    (SELECT, (1, 3, 1)), ("SELECT a, b FROM facts WHERE b = 9", (2, 2, 2)),
    ("UPDATE facts SET b = b WHERE b = 1", (2, 2, 2)), ("DELETE FROM facts WHERE b = 9", (2, 2, 2)),
    ("SELECT wrong FROM facts", (-1, -1, -1)), ("SELEC a", (-1, -1, -1)), ("", (-1, -1, -1))])
def test_results(client, query, codes):
    assert tuple(client.result(do, query) for do in ("query", "any", "rows")) == codes


def test_rows_and_columns(client):
    reply = client.ask("query", SELECT)
    assert reply["X-Result"] == "rows=2 cols=2 first=one second=1 other=0"
    assert reply["X-More"] == "a b two"
    assert reply["X-Sum"] == "2"        # a number is a number
    empty = client.ask("query", "SELECT a FROM facts WHERE b = 9")
    assert empty["X-Result"] == "rows=0 cols=0 first=<null> second=<null> other=0"
    null = client.ask("query", "SELECT b, NULL FROM facts WHERE b IS NULL")
    assert null["X-Result"] == "rows=1 cols=2 first=<null> second=<null> other=0"


def test_results_by_name(client):
    reply = client.ask("twice", SELECT)
    assert reply["X-RC"] == "-1"
    assert reply["X-Result"] == "rows=0 cols=0 first=<null> second=<null> other=3"
    assert "rows=0 cols=0" in client.ask("free", SELECT)["X-Result"]


def test_rows_as_xavps(client):
    assert client.ask("rows", SELECT)["X-Rows"] == "one,1 two,2 <null>"
    assert client.ask("rows", "SELECT b FROM facts WHERE b = 9")["X-Rows"].startswith("<null>,<null> ")


@pytest.mark.parametrize("query,result,values", [
    (SELECT, 1, "one 1, 2, old"), ("SELECT a FROM facts WHERE b = 2", 1, "two old"),
    ("SELECT a, b FROM facts WHERE b = 9", 2, "old old"),
    ("SELECT a, b FROM facts WHERE b IS NULL", 1, "three old"),
    ("SELECT a, b, 'x', 'y' FROM facts WHERE b = 1", -1, "one 1, old")])
def test_assigned_variables(client, query, result, values):
    reply = client.ask("assign", query)
    assert int(reply["X-RC"]) == result
    assert reply["X-Assigned"].startswith(values)


@pytest.mark.viaduct_only("in the peer $var lives on in the process")
def test_variables_without_a_column_stay(client):
    assert client.ask("assign", SELECT)["X-Assigned"] == "one 1, 2, old old"
    assert client.ask("assign", "SELECT a, b, 7 FROM facts WHERE b = 1")["X-Assigned"] == "one 1, old 7"


@pytest.mark.parametrize("text", [
    "plain", "it's", "''", "'); DELETE FROM facts; --", "back\\slash", "\\", "\\'", "\\\\'", 'a "b" c',
    "100%_", "jürgen", "a;b", "$var(a)"])
@pytest.mark.viaduct_only("the peer quotes as MySQL does for every engine")
def test_texts_stay_what_they_are(client, tables, text):
    assert client.result("insert", a=text, b="77") == 2
    if tables.engine == "sqlite":       # the clients of the others write backslashes in their own way
        assert tables.sql("SELECT a FROM facts WHERE b = 77") == [(text,)]
    reply = client.ask("find", a=text)
    tables.sql("DELETE FROM facts WHERE b = 77")
    assert reply["X-Result"].startswith("rows=1 cols=2 first=" + text)
    assert int(tables.sql("SELECT COUNT(*) FROM facts")[0][0]) == len(ROWS)


@pytest.mark.parametrize("tables", ["sqlite"], indirect=True)
def test_literals(agent, start_server, tables):
    server = start_server(config(tables, QUOTES))
    client = Client(agent, server)
    reply = client.ask("", a="12abc")
    assert reply["X-Text"] == "'12abc' '12abc' '12abc'"
    assert reply["X-Number"] == "12 12 12"
    assert reply["X-Null"] == "NULL 0 ''"


@pytest.mark.viaduct_only("the peer fails or loses digits")
def test_types(client, tables):
    def first(expression):
        reply = client.ask("query", "SELECT %s, 1" % expression)
        return reply["X-Result"].split("first=")[1].split(" second")[0]
    assert first("12345678901") == "12345678901"
    assert first("-5") == "-5"
    assert first("''") == ""
    assert first("CAST(0.5 AS DOUBLE PRECISION)" if tables.engine == "postgres" else "0.5e0") == "0.5"
    if tables.engine != "sqlite":
        assert first("CAST('99999999999999999999.50' AS DECIMAL(30,2))") == "99999999999999999999.50"
        assert first("CAST('2026-01-31' AS DATE)") == "2026-01-31"
    stamp = {"mariadb": "TIMESTAMP '2026-01-31 12:00:00'",
             "postgres": "TIMESTAMP '2026-01-31 12:00:00'"}.get(tables.engine)
    if stamp:
        assert int(first(stamp)) > 1769800000


LATER = """
request_route {
""" + START + """
	if (is_method("OPTIONS")) {
		if ($hdr(X-Do) == "free") sql_result_free("ra");
		append_to_reply("X-Result: $dbr(ra=>rows) $dbr(ra=>[1,0]) $dbr(ra=>colname[1])\\r\\n");
		sl_send_reply("200", "Done");
		exit;
	}
	if (is_method("ACK")) exit;
	sql_query("ca", "SELECT a, b FROM facts WHERE b < 3 ORDER BY b", "ra");
	t_on_reply("ANSWERED");
	t_on_failure("FAILED");
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
onreply_route[ANSWERED] {
	append_hf("X-Reply: $dbr(ra=>rows) $dbr(ra=>[1,0])\\r\\n");
}
failure_route[FAILED] {
	append_to_reply("X-Failure: $dbr(ra=>cols) $dbr(ra=>[0,0])\\r\\n");
	sql_query("ca", "SELECT a, b FROM facts WHERE b = 9", "ra");
	append_to_reply("X-Then: $dbr(ra=>rows)\\r\\n");
	t_reply("404", "Not Found");
}
"""


def test_results_are_there_in_later_routes_of_the_process(agent, start_server, sqlite):
    server = start_server(config(sqlite, LATER).replace("children=2", "children=1"))
    client, bob = Client(agent, server), agent("bob", server=server)
    alice = client.alice
    invite = alice.invite(server.uri("bob"), headers=[("X-Target", bob.host_port)])
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    assert alice.expect_reply(180, invite)["X-Reply"] == "2 two"
    assert client.ask("look")["X-Result"] == "2 two b"
    bob.reply(incoming, 486)
    reply = alice.expect_reply(404, invite)
    assert (reply["X-Failure"], reply["X-Then"]) == ("2 one", "0")
    # An answer without rows replaces one that had some.
    assert client.ask("look")["X-Result"].split()[0] == "0"
    client.ask("free")
    assert client.ask("look")["X-Result"].split()[0] == "0"


@pytest.mark.viaduct_only("the peer knows them for MySQL only")
def test_changed_rows_and_queries_beside(agent, start_server, sqlite):
    server = start_server(config(sqlite, "request_route {\n" + START + """
	sql_query("ca", "UPDATE facts SET a = 'x' WHERE b < 3");
	append_to_reply("X-Changed: $sqlrows(ca)\\r\\n");
	sql_query("ca", "SELECT wrong");
	append_to_reply("X-Failed: $sqlrows(ca)\\r\\n");
	if (sql_query_async("ca", "INSERT INTO facts VALUES ('beside', 5)")) sl_send_reply("200", "Done");
}
"""))
    reply = Client(agent, server).ask("")
    assert (reply["X-Changed"], reply["X-Failed"]) == ("2", "-1")
    server.wait_log("query")
    for _ in range(200):
        if sqlite.sql("SELECT COUNT(*) FROM facts WHERE a = 'beside'")[0][0]:
            break
        Client(agent, server).ask("")
    assert sqlite.sql("SELECT COUNT(*) FROM facts WHERE a = 'beside'")[0][0] >= 1


@pytest.mark.viaduct_only("our words")
@pytest.mark.parametrize("route,words", [
    ('sql_query("nobody", "SELECT 1", "ra");', "nobody"),
    ('sql_pvquery("ca", "SELECT 1", "$ci");', "cannot be assigned"),
    ('sql_pvquery("ca", "SELECT 1", "var(a)");', "list of variables"),
    ('sql_pvquery("ca", "SELECT 1", "");', "list of variables is empty"),
    ('xlog("$dbr(ra=>[0])");', "dbr"), ('xlog("$dbr(ra)");', "dbr")])
def test_mistakes_are_told_at_start(start_server, sqlite, route, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config(sqlite, "request_route { %s }" % route))


@pytest.mark.viaduct_only("our words")
def test_a_missing_database_at_start(agent, start_server, sqlite, tmp_path):
    sqlite.url = "sqlite:///%s/no/such.db" % tmp_path
    with pytest.raises(AssertionError, match="connect_mode=1"):
        start_server(config(sqlite))
    server = start_server(config(sqlite, sqlops__connect_mode=1))
    server.allow("such.db")
    assert Client(agent, server).result("query", "SELECT 1") == -1
