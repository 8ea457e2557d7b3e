# SPDX-License-Identifier: BSD-2-Clause
"""Modules alias_db and speeddial: other names of users, in a database."""
import os

import pytest
from settings import START, head
from subscribers import ENGINES, Tables

ALLOWED = ["sd_lookup_owner\\(\\): bad owner"]
# X-Do is a statement's name; the answer tells result, Request-URI and branches.
ACTIONS = {
    "lookup": 'alias_db_lookup("dbaliases")',
    "ignore": 'alias_db_lookup("dbaliases", "d")',
    "reverse": 'alias_db_lookup("dbaliases", "r")',
    "force": 'alias_db_lookup("dbaliases", "u")',
    "find": 'alias_db_find("dbaliases", "$hdr(X-URI)", "$var(out)")',
    "find-reverse": 'alias_db_find("dbaliases", "$hdr(X-URI)", "$var(out)", "r")',
    "find-avp": 'alias_db_find("dbaliases", "$hdr(X-URI)", "$avp(out)", "u")',
    "dial": 'sd_lookup("speed_dial")',
    "dial-owner": 'sd_lookup("speed_dial", "$hdr(X-URI)")',
}
ROUTE = "request_route {\n" + START + """
	$var(out) = "-";
	$avp(n) = 0;
""" + "".join('\tif ($hdr(X-Do) == "%s") %s;\n' % row for row in ACTIONS.items()) + """
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-RU: $ru\\r\\n");
	append_to_reply("X-Out: $var(out) $avp(out)\\r\\n");
	while ($(branch(uri)[$avp(n)]) != $null) {
		append_to_reply("X-Branch: $(branch(uri)[$avp(n)])\\r\\n");
		$avp(n) = $avp(n) + 1;
	}
	sl_send_reply("200", "Done");
}
"""
ALIASES = [  # alias, its domain, user, domain
    ("100", "example.org", "alice", "example.org"),
    ("200", "example.net", "bob", "example.net"),
    ("sales", "example.org", "alice", "example.org"),
    ("sales", "example.org", "bob", "example.org"),
    ("sales", "example.org", "carol", "example.com"),
    ("o'neil", "example.org", "oneil", "example.org"),
    ("jürgen", "example.org", "juergen", "example.org"),
    ("x", "pstn.example.org", "y", "pstn.example.org"),
]
DIALS = [  # owner, domain, number, domain, new URI
    ("alice", "example.org", "22", "example.org", "sip:bob@example.net;transport=udp"),
    ("alice", "example.net", "22", "example.net", "sip:other@example.net"),
    ("alice", "example.org", "33", "example.org", "bob@nowhere"),
    ("bob", "example.org", "22", "example.org", "sip:alice@example.org"),
]


def config(tables, **settings):
    values = {}
    for module in ("alias_db", "speeddial"):
        values[module + "__db_url"] = '"%s"' % tables.url
    values.update(settings)
    return head(tables.module, "alias_db", "speeddial", **values) + ROUTE


def fill(tables):
    for alias, alias_domain, user, domain in ALIASES:
        tables.add("dbaliases", alias_username=alias, alias_domain=alias_domain, username=user,
                   domain=domain)
    for user, domain, number, number_domain, uri in DIALS:
        tables.add("speed_dial", username=user, domain=domain, sd_username=number,
                   sd_domain=number_domain, new_uri=uri)
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

    def ask(self, do, uri="sip:22@example.org", given=None, caller="sip:alice@example.org"):
        headers = [("X-Do", do)] + ([("X-URI", given)] if given else [])
        request = self.alice.request("OPTIONS", uri, headers=headers,
                                     from_="<%s>;tag=1" % caller)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(200, request)

    def target(self, do, uri, **kwargs):
        """The new Request-URI, or None when the function said no (and changed nothing)."""
        reply = self.ask(do, uri, **kwargs)
        if reply["X-RC"] == "1":
            return reply["X-RU"]
        assert reply["X-RC"] == "-1" and reply["X-RU"] == uri
        return None

    def found(self, do, given):
        """What alias_db_find assigned; None when it said no."""
        reply = self.ask(do, given=given)
        assert reply["X-RU"] == "sip:22@example.org"
        values = [value for value in reply["X-Out"].split() if value not in ("-", "<null>")]
        assert (reply["X-RC"] == "1") == bool(values)
        return values[0] if values else None


@pytest.fixture
def client(agent, server):
    return Client(agent, server)


@pytest.fixture
def client_of(agent, start_server):
    return lambda tables, **settings: Client(agent, start_server(config(tables, **settings)))


@pytest.mark.parametrize("do,uri,target", [
    ("lookup", "sip:100@example.org", "sip:alice@example.org"),
    ("lookup", "sip:100@nowhere.net", "sip:alice@example.org"),
    ("lookup", "sips:100:pw@example.org:5080;transport=tcp", "sip:alice@example.org"),
    ("lookup", "tel:100", "sip:alice@example.org"),
    ("lookup", "sip:nobody@example.org", None),
    ("lookup", "sip:example.org", None),
    ("lookup", "sip:o'neil@example.org", "sip:oneil@example.org"),
    ("lookup", "sip:jürgen@example.org", "sip:juergen@example.org"),
    ("lookup", "sip:'OR'1'='1@example.org", None),
    ("lookup", "sip:%@example.org", None),
    ("lookup", "sip:" + "x" * 300 + "@example.org", None),
    ("ignore", "sip:200@example.org", "sip:bob@example.net"),
    ("force", "sip:200@example.net", "sip:bob@example.net"),
    ("force", "sip:200@example.org", None),
    ("reverse", "sip:bob@example.net", "sip:200@example.net"),
    ("reverse", "sip:carol@example.net", "sip:sales@example.org")])
def test_aliases(client, do, uri, target):
    assert client.target(do, uri) == target


@pytest.mark.parametrize("do,given,found", [
    ("find", "sip:100@example.org", "sip:alice@example.org"),
    ("find", "sip:nobody@example.org", None),
    ("find", "100", None),
    ("find-reverse", "sip:juergen@example.org", "sip:jürgen@example.org"),
    ("find-avp", "sip:200@example.net", "sip:bob@example.net"),
    ("find-avp", "sip:200@example.org", None)])
def test_finding(client, do, given, found):
    assert client.found(do, given) == found


def test_the_first_user_counts(client):
    reply = client.ask("lookup", "sip:sales@example.org")
    assert reply["X-RU"] in ("sip:alice@example.org", "sip:bob@example.org", "sip:carol@example.com")
    assert reply.all("X-Branch") == []


def test_further_users_become_branches(client_of, tables):
    client = client_of(tables, alias_db__append_branches=1)
    reply = client.ask("lookup", "sip:sales@example.org")
    assert sorted([reply["X-RU"]] + reply.all("X-Branch")) == [
        "sip:alice@example.org", "sip:bob@example.org", "sip:carol@example.com"]


def test_with_domains(client_of, sqlite):
    client = client_of(sqlite, alias_db__use_domain=1, alias_db__domain_prefix='"sip."')
    assert client.target("lookup", "sip:100@example.org") == "sip:alice@example.org"
    assert client.target("lookup", "sip:100@sip.example.org") == "sip:alice@example.org"
    assert client.target("lookup", "sip:100@example.net") is None
    assert client.target("lookup", "tel:100") is None
    assert client.target("ignore", "sip:100@example.net") == "sip:alice@example.org"
    assert client.found("find", "sip:200@example.org") is None
    assert client.found("find-reverse", "sip:alice@sip.example.org") == "sip:100@example.org"


@pytest.mark.parametrize("uri,caller,target", [
    ("sip:22@example.org", "sip:bob@example.org", "sip:alice@example.org"),
    ("sip:22@anywhere", "sip:bob@elsewhere", "sip:alice@example.org"),
    ("tel:22", "sip:bob@example.org", "sip:alice@example.org"),
    ("sip:33@example.org", "sip:alice@example.org", "sip:bob@nowhere"),
    ("sip:44@example.org", "sip:alice@example.org", None),
    ("sip:example.org", "sip:alice@example.org", None),
    ("sip:22@example.org", "sip:example.org", None),
    ("sip:22@example.org", "sip:o'neil@example.org", None)])
def test_short_numbers(client, uri, caller, target):
    assert client.target("dial", uri, caller=caller) == target


@pytest.mark.parametrize("given,target", [
    ("sip:bob@example.org", "sip:alice@example.org"), ("sip:carol@example.org", None),
    ("bob", None)])
def test_the_owner_can_be_given(client, given, target):
    assert client.target("dial-owner", "sip:22@example.org", given=given) == target


@pytest.mark.parametrize("use_domain,uri,caller,target", [
    (1, "sip:22@example.org", "sip:alice@example.net", "sip:other@example.net"),
    (1, "sip:22@elsewhere", "sip:alice@sip.example.net", "sip:other@example.net"),
    (1, "sip:22@example.org", "sip:alice@elsewhere", None),
    (2, "sip:22@example.org", "sip:alice@example.org", "sip:bob@example.net;transport=udp"),
    (2, "sip:22@sip.example.org", "sip:alice@sip.example.org", "sip:bob@example.net;transport=udp"),
    (2, "sip:22@example.net", "sip:alice@example.org", None)])
def test_short_numbers_with_domains(client_of, sqlite, use_domain, uri, caller, target):
    client = client_of(sqlite, speeddial__use_domain=use_domain,
                       speeddial__domain_prefix='"sip."')
    assert client.target("dial", uri, caller=caller) == target


@pytest.mark.viaduct_only("the peer starts and fails with every request")
@pytest.mark.parametrize("table", ["dbaliases", "speed_dial"])
def test_a_missing_table_is_told_at_start(start_server, sqlite, table):
    sqlite.sql("DROP TABLE " + table)
    with pytest.raises(AssertionError, match=table):
        start_server(config(sqlite))
