# SPDX-License-Identifier: BSD-2-Clause
"""Module domain: the domains that the server is responsible for, in a database."""
import os

import pytest
from settings import START, head
from sipua.server import RpcError
from subscribers import ENGINES, Tables

ALLOWED = ["domain", "db_sqlite", "db_do_query", "db_.*free_result"]
ROUTE = "request_route {\n" + START + """
	$var(rc) = 0;
	if ($hdr(X-Do) == "from") is_from_local();
	if ($hdr(X-Do) == "host") is_uri_host_local();
	if ($hdr(X-Do) == "domain") is_domain_local("$hdr(X-URI)");
	if ($hdr(X-Do) == "lookup") lookup_domain("$hdr(X-URI)");
	if ($hdr(X-Do) == "prefix") lookup_domain("$hdr(X-URI)", "p_");
	$var(rc) = $rc;
	if ($hdr(X-Do) == "myself") {
		$var(rc) = -1;
		if (uri == myself) $var(rc) = 1;
	}
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Plain: $avp(did) $(avp(color)[*]) $avp(n)\\r\\n");
	append_to_reply("X-Prefixed: $avp(p_did) $(avp(p_color)[*]) $avp(p_n)\\r\\n");
	$var(sum) = 1 + $avp(n);
	append_to_reply("X-Sum: $var(sum)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
DOMAINS = [("example.org", None), ("example.net", "net"), ("EXAMPLE.com", "net"),
           ("10.1.2.3", "net"), ("[2001:db8::1]", "six")]
ATTRIBUTES = [("net", "color", 2, "red"), ("example.org", "color", 2, "green"),
              ("net", "color", 2, "dark blue"), ("net", "n", 0, "41"), ("nobody", "color", 2, "x")]


def config(tables, **settings):
    values = {"domain__db_url": '"%s"' % tables.url, **settings}
    return head(tables.module, "domain", "jsonrpcs", **values) + ROUTE


def fill(tables):
    for domain, did in DOMAINS:
        tables.add("domain", domain=domain, did=did)
    for did, name, kind, value in ATTRIBUTES:
        tables.add("domain_attrs", did=did, name=name, type=kind, value=value)
    return tables


@pytest.fixture(scope="module", params=ENGINES)
def tables(request, tmp_path_factory):
    return fill(Tables(request.param, request, tmp_path_factory.mktemp("db")))


@pytest.fixture(scope="module")
def server(launch, tables):
    return launch(config(tables, domain__register_myself=1))


@pytest.fixture
def sqlite(request, tmp_path):
    os.chmod(tmp_path, 0o777)
    return fill(Tables("sqlite", request, tmp_path))


class Client:
    def __init__(self, agent, server):
        self.alice = agent("alice", server=server)
        self.server = server

    def ask(self, do, given="", uri="sip:x@example.org", caller="sip:alice@example.org"):
        request = self.alice.request("OPTIONS", uri, headers=[("X-Do", do), ("X-URI", given)],
                                     from_="<%s>;tag=1" % caller)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(200, request)

    def says(self, do, given="", **kwargs):
        result = self.ask(do, given, **kwargs)["X-RC"]
        assert result in ("1", "-1")
        return result == "1"


@pytest.fixture
def client(agent, server):
    return Client(agent, server)


@pytest.mark.parametrize("uri,expected", [
    ("sip:alice@example.org", True), ("sip:alice@EXAMPLE.net:5090", True),
    ("sip:alice@example.com", True), ("sip:example.org", True), ("sip:alice@10.1.2.3", True),
    ("sip:alice@[2001:db8::1]:5080", True), ("sip:alice@elsewhere.org", False),
    ("sip:alice@sub.example.org", False), ("sip:alice@example.orgs", False), ("tel:123", False)])
def test_hosts_of_uris(client, uri, expected):
    assert client.says("from", caller=uri) == expected
    assert client.says("host", uri=uri) == expected
    assert client.says("myself", uri=uri) == expected


def test_domains_by_name(client):
    for name in ("example.org", "EXAMPLE.NET", "example.com"):
        assert client.says("domain", name)
    for name in ("nowhere", "sip:example.org", "'", "x" * 300):
        assert not client.says("domain", name)


@pytest.mark.parametrize("name,values,total", [
    ("example.org", "example.org green <null>", "1"),
    ("Example.NET", "net red, dark blue 41", "42"),
    ("nowhere", "<null> <null> <null>", "1")])
def test_attributes(client, name, values, total):
    plain = client.ask("lookup", name)
    assert plain["X-Plain"] == values
    assert plain["X-Sum"] == total
    prefixed = client.ask("prefix", name)
    assert prefixed["X-Prefixed"] == values
    assert prefixed["X-Plain"].startswith("<null>") and prefixed["X-Sum"] == "1"


def dump(server):
    answer = server.rpc("domain.dump")
    return (sorted((one["domain"], one["did"]) for one in answer["domains"]),
            sorted((one["did"], sorted(one["attrs"])) for one in answer["attributes"]))


def test_the_dump(server):
    assert dump(server) == (
        sorted((domain, did or domain) for domain, did in DOMAINS),
        [("example.org", ["color"]), ("net", ["color", "color", "n"]), ("nobody", ["color"])])


def test_without_register_myself(agent, start_server, sqlite):
    client = Client(agent, start_server(config(sqlite)))
    assert client.says("host", uri="sip:example.org")
    assert not client.says("myself", uri="sip:example.org")


@pytest.mark.parametrize("broken", [
    "ALTER TABLE domain RENAME TO away", "ALTER TABLE domain_attrs RENAME TO away",
    "INSERT INTO domain_attrs (did, name, type, value) VALUES ('net', 'x', 1, 'y')"])
def test_reload_takes_all_or_nothing(agent, start_server, sqlite, broken):
    server = start_server(config(sqlite))
    client = Client(agent, server)
    sqlite.add("domain", domain="new.org", did="net")
    sqlite.sql("DELETE FROM domain WHERE domain = 'example.org'")
    assert client.says("domain", "example.org") and not client.says("domain", "new.org")
    server.rpc("domain.reload")
    assert not client.says("domain", "example.org") and client.says("domain", "new.org")
    before = dump(server)
    sqlite.add("domain", domain="more.org", did="net")
    sqlite.sql(broken)
    with pytest.raises(RpcError, match="Reload of domain tables failed"):
        server.rpc("domain.reload")
    assert dump(server) == before
    assert not client.says("domain", "more.org") and client.says("domain", "new.org")


@pytest.mark.viaduct_only("takes the peer long")
def test_reloads_while_messages_come(agent, start_server, sqlite):
    server = start_server(config(sqlite))
    client = Client(agent, server)
    for number in range(60):
        sqlite.add("domain", domain="d%d.org" % number, did="net")
        server.rpc("domain.reload")
        assert client.says("domain", "d%d.org" % number)
        assert client.says("domain", "example.org")
    assert int(server.rpc("core.shmmem")["fragments"]) < 20


@pytest.mark.parametrize("broken,words", [
    ("DROP TABLE domain", "domain"), ("DROP TABLE domain_attrs", "domain_attrs"),
    ("UPDATE version SET table_version = 1 WHERE table_name = 'domain'", "domain")])
def test_what_is_wrong_is_told_at_start(start_server, sqlite, broken, words):
    sqlite.sql(broken)
    with pytest.raises(AssertionError, match=words):
        start_server(config(sqlite))
