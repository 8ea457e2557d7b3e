# SPDX-License-Identifier: BSD-2-Clause
"""Module avpops: operations with AVPs and AVPs in a database, row by row as avpops.txt has it."""
import os
import re

import pytest
from settings import START, head
from subscribers import ENGINES, Tables

ALLOWED = ["avp", "query", "db_.*", "failed to parse the R-URI"]
BEFORE = """
	$avp(a) = "a1"; $avp(a) = "a2"; $avp(n) = 3; $avp(n) = 7; $avp(t) = "12";
	$avp(u) = "sip:carol@example.com:5070"; $avp(u) = "sip:dave@example.com"; $avp(d) = "new.org";
	$avp(e) = ""; $avp(z0) = 0; $avp(m) = "banana"; $avp(pat) = "a"; $avp(r2) = "a1";
	$avp(uuid) = "uuid1"; $avp(i:9) = "nine";
"""
SEEN = {"a": "a2, a1", "n": "7, 3", "t": "12", "r": None, "r2": "a1", "m": "banana",
        "u": "sip:dave@example.com, sip:carol@example.com:5070", "one": None, "two": None,
        "five": None, "nine": "nine", "ru": "sip:bob@example.org", "du": None, "branches": None}
NUMBERS = {"one": "i:1", "two": "i:2", "five": "i:5", "nine": "i:9"}
SHOW = "".join('\tappend_to_reply("X-%s: $(avp(%s)[*])\\r\\n");\n' % (name, NUMBERS.get(name, name))
               for name in SEEN if name not in ("ru", "du", "branches")) + """
	append_to_reply("X-RU: $ru\\r\\nX-DU: $du\\r\\n");
	append_to_reply("X-Branches: $(branch(uri)[0]), $(branch(uri)[1])\\r\\n");
"""
PREFERENCES = [  # uuid, user, domain, attribute, type, value
    ("uuid1", "", "", "r", 0, "viauuid"), ("uuid1", "", "", "r", 0, "viauuid2"),
    ("uuid1", "", "", "5", 1, "five"), ("uuid1", "", "", "r", 2, "42"),
    ("", "bob", "example.org", "r", 0, "bobs"), ("", "bob", "example.org", "q", 2, "17"),
    ("", "bob", "example.org", "5", 3, "55"), ("", "bob", "example.net", "r", 0, "bobnet"),
    ("", "0", "example.org", "r", 0, "dom"), ("", "", "example.org", "r", 0, "dom2"),
    ("", "alice", "example.org", "r", 0, "alices")]
SCHEMES = (
    "sub:table=subscriber;value_col=password;value_type=string;username_col=username;domain_col=domain",
    "subid:table=subscriber;value_col=id;value_type=integer")
COLUMNS = "uuid, username, domain, attribute, type, value"


def read_rows():
    with open(os.path.join(os.path.dirname(__file__), "avpops.txt")) as file:
        memory, table = file.read().split("[table]\n")
    return [[re.match(r"(.*\)) -> (\S+) ?(.*)", line).groups() for line in text.splitlines()
             if line and line[0] != "#"] for text in (memory, table)]


MEMORY, TABLE = read_rows()


def route(rows):
    return "request_route {\n" + START + BEFORE + "".join(
        '\tif ($hdr(X-Do) == "%d") %s;\n' % (number, statement)
        for number, (statement, _, _) in enumerate(rows)) + """
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
""" + SHOW + "\tsl_send_reply(\"200\", \"Done\");\n}\n"


def config(tables, rows, **settings):
    values = {"avpops__db_url": '"%s"' % tables.url, "avpops__avp_table": '"usr_preferences"',
              **settings}
    return head(tables.module, "avpops", **values) + "".join(
        'modparam("avpops", "db_scheme", "%s")\n' % scheme for scheme in SCHEMES) + route(rows)


@pytest.fixture
def tables(request, tmp_path):
    os.chmod(tmp_path, 0o777)
    made = Tables(getattr(request, "param", "sqlite"), request, tmp_path)
    made.add_subscriber("bob", "example.org", "pw")
    made.add_subscriber("alice", "example.net", "pw2")
    return made


class Client:
    def __init__(self, agent, server):
        self.alice = agent("alice", server=server)
        self.server = server

    def run(self, number):
        """Result and what the message has afterwards that it had not before."""
        request = self.alice.request("OPTIONS", "sip:bob@example.org", headers=[("X-Do", str(number))],
                                     from_="<sip:alice@example.org>;tag=1")
        self.alice.send(request, self.server.address)
        reply = self.alice.expect_reply(200, request)
        now = {name: reply.get("X-" + name) for name in SEEN}
        now["branches"] = now["branches"].replace(", <null>", "")
        now = {name: None if value == "<null>" else value for name, value in now.items()}
        return reply["X-RC"], {name: now[name] for name in SEEN if now[name] != SEEN[name]}


def changes_of(text):
    """What a row of avpops.txt says: AVPs by name, rows of the table that came or went."""
    avps = {name: None if value == "<null>" else value for name, value in re.findall(
        r"(?:^| )(%s)=(.*?)(?= (?:%s)=|$)" % ("|".join(SEEN), "|".join(SEEN)), text)}
    rows = {(kind, row) for kind, row in re.findall(r"(NEW|GONE):(\S+)", text)}
    return avps, rows


def test_avps_in_memory(agent, start_server, tables):
    client = Client(agent, start_server(config(tables, MEMORY)))
    wrong = []
    for number, (statement, result, text) in enumerate(MEMORY):
        got = client.run(number)
        if got != (result, changes_of(text)[0]):
            wrong.append("%s -> %s %s, expected %s %s" % (statement, *got, result, text))
    assert len(MEMORY) > 100 and not wrong, "\n".join(wrong)


def refill(tables):
    tables.sql("DELETE FROM usr_preferences")
    tables.sql("INSERT INTO usr_preferences (%s) VALUES %s" % (COLUMNS, ", ".join(
        "('%s', '%s', '%s', '%s', %d, '%s')" % row for row in PREFERENCES)))


def rows_of(tables):
    return {",".join(str(value) for value in row) for row in tables.sql(
        "SELECT %s FROM usr_preferences" % COLUMNS)}


def unordered(avps):
    """Which row comes first is the engine's business."""
    return {name: value and sorted(value.split(", ")) for name, value in avps.items()}


@pytest.mark.parametrize("tables", ENGINES, indirect=True)
def test_avps_in_a_table(agent, start_server, tables):
    client = Client(agent, start_server(config(tables, TABLE, avpops__use_domain=1)))
    wrong, before = [], None
    for number, (statement, result, text) in enumerate(TABLE):
        if before is None:
            refill(tables)
            before = rows_of(tables)
        rc, avps = client.run(number)
        changed = set()
        if "_load" not in statement:
            after = rows_of(tables)
            changed = {("NEW", row) for row in after - before} | {("GONE", row) for row in before - after}
            before = before if before == after else None
        expected, rows = changes_of(text)
        if (rc, unordered(avps), changed) != (result, unordered(expected), rows):
            wrong.append("%s -> %s %s %s, expected %s %s" % (statement, rc, avps, changed, result, text))
    assert len(TABLE) > 30 and not wrong, "\n".join(wrong)


@pytest.mark.viaduct_only("the peer deletes both, the documentation says otherwise")
def test_a_class_of_names_is_deleted(agent, start_server, tables):
    rows = [('avp_db_delete("uuid1", "s")', "1", ""), ('avp_db_delete("uuid1", "i")', "1", "")]
    client = Client(agent, start_server(config(tables, rows)))
    for number, left in ((0, {"2"}), (1, {"0", "1"})):
        refill(tables)
        assert client.run(number)[0] == "1"
        assert {row.split(",")[4] for row in rows_of(tables) if row.startswith("uuid1")} == left


@pytest.mark.viaduct_only("the peer stores NULL, or the domain of an earlier request")
def test_without_use_domain(agent, start_server, tables):
    rows = [('avp_db_store("$ru", "$avp(a)")', "1", ""), ('avp_db_load("$ru", "$avp(r)")', "1", ""),
            ('avp_db_delete("$ru", "$avp(r)")', "1", "")]
    client = Client(agent, start_server(config(tables, rows)))
    refill(tables)
    before = rows_of(tables)
    assert client.run(0)[0] == "1"
    assert rows_of(tables) - before == {",bob,,a,0,a1", ",bob,,a,0,a2"}
    assert sorted(client.run(1)[1]["r"].split(", ")) == ["bobnet", "bobs"]
    client.run(2)
    assert not [row for row in rows_of(tables) if row.startswith(",bob,") and ",r," in row]


@pytest.mark.viaduct_only("the peer takes what is no URI")
def test_a_request_uri_stays_a_uri(agent, start_server, tables):
    client = Client(agent, start_server(config(tables, [('avp_pushto("$ru", "$avp(a)")', "", "")])))
    assert client.run(0) == ("-1", {})


def test_texts_are_values(agent, start_server, tables):
    rows = [('avp_db_store("it\'s; DROP TABLE usr_preferences", "$avp(u)")', "", ""),
            ('avp_db_load("it\'s; DROP TABLE usr_preferences", "$avp(u)")', "", "")]
    client = Client(agent, start_server(config(tables, rows, avpops__use_domain=1)))
    assert client.run(0)[0] == "1"
    assert client.run(1)[0] == "1"
    assert len(rows_of(tables)) == 2


@pytest.mark.viaduct_only("our words")
@pytest.mark.parametrize("statement,words", [
    ('avp_delete("$ru/g")', "what is deleted"), ('avp_delete("$avp(a)/x")', "what is deleted"),
    ('avp_pushto("$avp(a)", "$avp(b)")', "a destination is"),
    ('avp_pushto("$du/username", "$avp(b)")', "a destination is"),
    ('avp_pushto("$ru", "text")', "what is pushed"), ('avp_check("$avp(a)", "equals/x")', "a comparison"),
    ('avp_check("$avp(a)", "eq/x/q")', "a comparison"), ('avp_op("$avp(a)", "add/x")', "is no number"),
    ('avp_op("$avp(a)", "add")', "an operation"), ('avp_copy("$avp(a)", "$ru")', "the copy"),
    ('is_avp_set("$avp(a)/g")', "what is asked"), ('avp_subst("$avp(a)", "/a(/b/")', "a("),
    ('avp_subst("$avp(a)/$ru", "/a/b/")', "what is changed"),
    ('avp_db_query("SELECT 1", "x")', "list of variables"),
    ('avp_db_load("$ru/name", "$avp(a)")', "a source"), ('avp_db_load("$ru", "x")', "what is stored"),
    ('avp_db_load("$ru", "a/$sub")', "needs the name"), ('avp_db_store("$ru", "a/$sub")', "only be loaded"),
    ('avp_db_load("$ru", "a/nowhere")', "nowhere")])
def test_mistakes_are_told_at_start(start_server, tables, statement, words):
    with pytest.raises(AssertionError) as told:
        start_server(config(tables, [(statement, "", "")]))
    assert words in str(told.value)


@pytest.mark.viaduct_only("our words")
@pytest.mark.parametrize("settings,words", [
    ({"avpops__db_url": '""'}, "db_url"), ({"avpops__avp_table": '""'}, "avp_table"),
    ({"avpops__avp_table": '"nowhere"'}, "nowhere"),
    ({"avpops__db_scheme": '"x:table=y"'}, "value_col"), ({"avpops__db_scheme": '"x"'}, "a scheme is")])
def test_wrong_settings_are_told_at_start(start_server, tables, settings, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config(tables, [('avp_db_load("$ru", "a")', "", "")], **settings))
