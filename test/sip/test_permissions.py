# SPDX-License-Identifier: BSD-2-Clause
"""Module permissions: addresses, trusted peers, rules for pairs of URIs. The results are the peer's."""
import pytest
from settings import START, head
from subscribers import Tables

ADDRESSES = [
    # group, address, mask, port, tag
    (1, "10.0.0.1", 32, 0, "one"), (1, "10.0.0.2", 32, 5060, "two"), (2, "10.1.0.0", 16, 0, "net"),
    (3, "10.1.2.0", 24, 0, "sub"), (4, "example.org", 0, 0, "dom"), (4, "example.net", 0, 5070, None),
    (5, "::1", 128, 0, "v6"), (6, "2001:db8::", 32, 0, "v6net"), (7, "127.0.0.1", 32, 0, "self"),
    (8, "10.9.9.9", 0, 0, "m0"), (9, "10.7.0.0", 16, 5060, "pnet"),
    (10, "10.8.0.0", 16, 0, None)]
TRUSTED = [
    # source, protocol, From, Request-URI, tag, priority
    ("127.0.0.1", "udp", "^sip:alice@.*", None, "t1", 0), ("127.0.0.1", "any", None, "^sip:x@", "t2", 5),
    ("10.0.0.5", "tcp", None, None, "t3", 0), ("10.0.0.6", "none", None, None, "t4", 0),
    ("10.0.0.7", "ANY", "^sip:bob", None, None, 0)]
ALLOW = """# comment
ALL : "^sip:ok@"
"^sip:alice@" EXCEPT "^sip:alice@evil" : "^sip:[0-9]+@gw", "^sip:help@" EXCEPT "^sip:900", "^sip:911@"
"""
FILES = {"a.allow": ALLOW, "a.deny": "ALL : ALL\n", "plain.deny": 'ALL : "^sip:u@h$"\n',
         "port.deny": 'ALL : ":5070"\n', "secret.deny": 'ALL : "secret"\n'}

ROUTE = """
request_route {
""" + START + """
	$var(group) = $(hdr(X-Group){s.int});
	$var(port) = $(hdr(X-Port){s.int});
	if ($hdr(X-Do) == "address") allow_address("$var(group)", "$hdr(X-Address)", "$var(port)");
	if ($hdr(X-Do) == "source") allow_source_address("$var(group)");
	if ($hdr(X-Do) == "source-1") allow_source_address();
	if ($hdr(X-Do) == "source-group") allow_source_address_group();
	if ($hdr(X-Do) == "address-group") allow_address_group("$hdr(X-Address)", "$var(port)");
	if ($hdr(X-Do) == "trusted") allow_trusted();
	if ($hdr(X-Do) == "trusted-3") allow_trusted("$hdr(X-Address)", "$hdr(X-Protocol)", "$hdr(X-From)");
	if ($hdr(X-Do) == "a") allow_routing("DIRECTORY/a");
	if ($hdr(X-Do) == "files") allow_routing("DIRECTORY/a.allow", "DIRECTORY/a.deny");
	if ($hdr(X-Do) == "none") allow_routing("DIRECTORY/none");
	if ($hdr(X-Do) == "default") allow_routing();
	if ($hdr(X-Do) == "plain") allow_routing("DIRECTORY/plain");
	if ($hdr(X-Do) == "branch") {
		append_branch("sip:secret@h");
		allow_routing("DIRECTORY/secret");
	}
	if ($hdr(X-Do) == "register-a") allow_register("DIRECTORY/a");
	if ($hdr(X-Do) == "register-plain") allow_register("DIRECTORY/plain");
	if ($hdr(X-Do) == "register-port") allow_register("DIRECTORY/port");
	#!ifdef OURS
	if ($hdr(X-Do) == "register-with-port") allow_register_include_port("DIRECTORY/port");
	#!endif
	if ($hdr(X-Do) == "uri-a") allow_uri("DIRECTORY/a", "$hdr(X-URI)");
	if ($hdr(X-Do) == "uri-plain") allow_uri("DIRECTORY/plain", "$hdr(X-URI)");
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Tags: $(avp(tag)[*])\\r\\n");
	sl_send_reply("200", "Done");
}
"""
OURS = {"viaduct": "#!define OURS\n", "kamailio": ""}
ALLOWED = ["non existing right pvar", "assignment failed", "permissions", "PV to int"]


def config(directory, tables=None, **settings):
    values = {"peer_tag_avp": '"$avp(tag)"', "reload_delta": 0, **settings}
    if tables:
        values["db_url"] = '"%s"' % tables.url
    return head("jsonrpcs", "db_sqlite", "permissions", jsonrpcs__transport=4,
                **{"permissions__" + k: v for k, v in values.items()}) + \
        ROUTE.replace("DIRECTORY", str(directory))


def fill(tables):
    for row in ADDRESSES:
        tables.add("address", **dict(zip(("grp", "ip_addr", "mask", "port", "tag"), row)))
    for row in TRUSTED:
        tables.add("trusted", **dict(zip(("src_ip", "proto", "from_pattern", "ruri_pattern", "tag",
                                          "priority"), row)))
    return tables


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("permissions")
    for name, text in FILES.items():
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def server(launch, place, request, program):
    return launch(OURS[program] + config(place, fill(Tables("sqlite", request, place)), db_mode=1))


@pytest.fixture
def sqlite(request, tmp_path):
    return fill(Tables("sqlite", request, tmp_path))


class Client:
    def __init__(self, alice, server):
        self.alice, self.server = alice, server

    def ask(self, do, uri="sip:x@x.org", method="OPTIONS", headers=(), from_="<sip:alice@x>;tag=1",
            **given):
        names = {"group": "X-Group", "address": "X-Address", "port": "X-Port", "uri_": "X-URI",
                 "protocol": "X-Protocol", "from_uri": "X-From"}
        extra = [("X-Do", do)] + [(names[name], str(value)) for name, value in given.items()]
        request = self.alice.request(method, uri, headers=extra + list(headers), from_=from_)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(200, request)

    def result(self, *args, **kwargs):
        return int(self.ask(*args, **kwargs)["X-RC"])

    def found(self, *args, **kwargs):
        reply = self.ask(*args, **kwargs)
        return int(reply["X-RC"]), reply["X-Tags"].replace("<null>", "")


@pytest.fixture
def client(agent, server):
    return Client(agent("alice", server=server), server)


@pytest.fixture
def client_of(agent, start_server, place, program):
    def start(tables=None, **settings):
        server = start_server(OURS[program] + config(place, tables, **settings))
        return Client(agent("alice", server=server), server)
    return start


# ---- addresses -------------------------------------------------------------------------------------

CASES = [
    (1, "10.0.0.1", 5060, 1, "one"), (1, "10.0.0.1", 0, 1, "one"), (1, "10.0.0.2", 5060, 1, "two"),
    (1, "10.0.0.2", 5061, -1, ""), (2, "10.0.0.1", 0, -1, ""), (2, "10.1.2.3", 1, 1, "net"),
    (3, "10.1.2.3", 1, 1, "sub"), (3, "10.1.3.3", 1, -1, ""), (2, "10.2.0.0", 1, -1, ""),
    (4, "example.org", 1, 1, "dom"), (4, "EXAMPLE.ORG", 1, -1, ""), (4, "example.net", 5070, 1, ""),
    (4, "example.net", 5071, -1, ""), (5, "::1", 1, 1, "v6"), (5, "[::1]", 1, 1, "v6"),
    (5, "0:0::1", 1, 1, "v6"), (6, "2001:db8:1::1", 1, 1, "v6net"), (6, "2001:db9::1", 1, -1, ""),
    (8, "10.9.9.9", 1, 1, "m0"), (9, "10.7.1.1", 5060, 1, "pnet"), (9, "10.7.1.1", 5061, -1, ""),
    (1, "rubbish", 1, -1, ""), (0, "10.0.0.1", 1, -1, ""), (-1, "10.0.0.1", 1, -1, "")]


@pytest.mark.parametrize("group,address,port,result,tag", CASES)
def test_addresses(client, group, address, port, result, tag):
    assert client.found("address", group=group, address=address, port=port) == (result, tag)


@pytest.mark.parametrize("address,result", [
    ("10.0.0.1", 1), ("10.1.2.3", 2), ("10.1.3.3", 2), ("example.org", 4), ("9.9.9.9", -1), ("::1", 5)])
def test_the_group_of_an_address(client, address, result):
    assert client.result("address-group", address=address, port=1) == result


def test_the_source(client):
    assert client.found("source", group=7) == (1, "self")
    assert client.result("source", group=1) == client.result("source-1") == -1
    assert client.result("source-group") == 7


@pytest.mark.viaduct_only("the peer ends with a signal while it reads this file")
def test_addresses_from_a_file(client_of, place):
    lines = ["# comment", ""] + [" ".join(str(v) for v in row[:4]) + " " + (row[4] or "")
                                 for row in ADDRESSES]
    (place / "list").write_text("\n".join(lines) + "\n10 192.168.1.1\n")
    client = client_of(address_file='"%s/list"' % place, load_backends=1)
    for group, address, port, result, tag in CASES:
        assert client.found("address", group=group, address=address, port=port) == (result, tag)
    assert client.found("address", group=10, address="192.168.1.1", port=9) == (1, "")


@pytest.mark.viaduct_only("about our messages")
@pytest.mark.parametrize("line,words", [
    ("1 10.0.0.1 33", "mask is too large"), ("x 10.0.0.1", "group"), ("1", "a line is"),
    ("1 10.0.0.1 32 70000", "port"), ("0 10.0.0.1", "positive"), ("1 10.0.0.1 x", "mask")])
def test_a_bad_line_is_explained(client_of, place, line, words):
    (place / "bad").write_text("1 10.0.0.1\n" + line + "\n")
    with pytest.raises(AssertionError, match="bad:2: .*" + words):
        client_of(address_file='"%s/bad"' % place, load_backends=1)


@pytest.mark.viaduct_only("not in this release of the peer")
def test_the_smallest_subnet(client_of, sqlite):
    client = client_of(sqlite, subnet_match_mode=1)
    assert client.result("address-group", address="10.1.2.3", port=1) == 3


def test_a_reload_replaces_all_addresses(client_of, sqlite):
    client = client_of(sqlite)
    question = {"group": 1, "address": "10.0.0.1", "port": 1}
    assert client.result("address", **question) == 1
    for round_ in range(12):
        sqlite.sql("DELETE FROM address")
        assert client.server.rpc("permissions.addressReload") == "Reload OK"
        assert client.result("address", **question) == -1
        fill_row = dict(zip(("grp", "ip_addr", "mask", "port", "tag"), ADDRESSES[0]))
        sqlite.add("address", **fill_row)
        assert client.result("address", **question) == -1
        assert client.server.rpc("permissions.addressReload") == "Reload OK"
        assert client.result("address", **question) == 1


@pytest.mark.viaduct_only("about our commands")
def test_what_cannot_be_loaded_replaces_nothing(client_of, sqlite):
    client = client_of(sqlite)
    client.server.allow("no such table", "address")
    sqlite.sql("DROP TABLE address")
    with pytest.raises(Exception, match="log says why"):
        client.server.rpc("permissions.addressReload")
    assert client.result("address", group=1, address="10.0.0.1", port=1) == 1


@pytest.mark.viaduct_only("about our commands")
def test_reloads_are_not_too_frequent(client_of, sqlite):
    client = client_of(sqlite, reload_delta=100)
    assert client.server.rpc("permissions.addressReload") == "Reload OK"
    with pytest.raises(Exception, match="100 seconds"):
        client.server.rpc("permissions.addressReload")


@pytest.mark.viaduct_only("about our commands")
def test_dumps(client):
    def items(command):
        return [(row["group"], row["item"]) for row in client.server.rpc(command)]
    assert items("permissions.subnetDump")[0] == (
        2, {"ip": "10.1.0.0", "mask": 16, "port": 0, "tag": "net"})
    assert (10, {"ip": "10.8.0.0", "mask": 16, "port": 0, "tag": ""}) in items("permissions.subnetDump")
    assert (1, {"ip": "10.0.0.2", "port": 5060, "tag": "two"}) in items("permissions.addressDump")
    assert items("permissions.domainDump") == [
        (4, {"domain_name": "example.org", "port": 0, "tag": "dom"}),
        (4, {"domain_name": "example.net", "port": 5070, "tag": "NULL"})]
    assert [row["item"]["tag"] for row in client.server.rpc("permissions.trustedDump")] == [
        "t2", "t1", "t3", "NULL"]


# ---- trusted peers -----------------------------------------------------------------------------------

@pytest.mark.parametrize("mode,first", [(0, "t1"), (1, "t2")])
def test_trusted_peers(client_of, sqlite, mode, first):
    client = client_of(sqlite, db_mode=mode)
    assert client.found("trusted") == (1, first)
    assert client.found("trusted", from_="<sip:bob@x>;tag=1") == (1, "t2")
    assert client.result("trusted", "sip:y@x.org", from_="<sip:bob@x>;tag=1") == -1
    for address, protocol, from_uri, result in [
            ("10.0.0.5", "tcp", "sip:any@x", (1, "t3")), ("10.0.0.5", "udp", "sip:any@x", (-1, "")),
            ("10.0.0.6", "udp", "sip:a@x", (-1, "")), ("10.0.0.7", "tls", "sip:bob@x", (1, "")),
            ("10.0.0.7", "tls", "sip:zed@x", (-1, "")), ("10.0.0.7", "zzz", "sip:bob@x", (-1, "")),
            ("127.0.0.1", "UDP", "sip:alice@x", (1, first)), ("rubbish", "udp", "sip:a@x", (-1, "")),
            ("' OR 1=1 --", "udp", "sip:a@x", (-1, ""))]:
        assert client.found("trusted-3", address=address, protocol=protocol,
                            from_uri=from_uri) == result, (address, protocol)


@pytest.mark.parametrize("mode", [0, 1])
def test_all_tags(client_of, sqlite, mode):
    client = client_of(sqlite, db_mode=mode, peer_tag_mode=1)
    result, tags = client.found("trusted")
    assert result == 2 and sorted(tags.replace(" ", "").split(",")) == ["t1", "t2"]


def test_reload_of_trusted_peers(client_of, sqlite):
    client = client_of(sqlite, db_mode=1)
    sqlite.sql("DELETE FROM trusted")
    assert client.result("trusted") == 1
    assert client.server.rpc("permissions.trustedReload") == "Reload OK"
    assert client.result("trusted") == -1


# ---- rules --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("uri,results", [
    ("sip:ok@h", (1, 1, 1)), ("sip:OK@h", (1, 1, 1)), ("sip:123@gw", (1, -1, -1)),
    ("sip:900@gw", (-1, -1, -1)), ("sip:911@gw", (-1, -1, -1)), ("sip:help@x", (1, -1, -1)),
    ("sip:zzz@x", (-1, -1, -1))])
def test_rules_for_calls(client, uri, results):
    users = ("alice@x", "alice@evil", "bob@h")
    for do in ("a", "files"):
        assert tuple(client.result(do, uri, from_="<sip:%s>;tag=1" % user)
                     for user in users) == results


@pytest.mark.parametrize("uri", ["sip:u@h", "sip:u@h:5070", "sip:u@h;x=1"])
def test_uris_are_compared_without_port_and_parameters(client, uri):
    assert client.result("plain", uri) == -1
    assert client.result("none", uri) == client.result("default", uri) == 1


def test_every_branch_is_looked_at(client, client_of):
    assert client.result("branch") == -1
    assert client_of(check_all_branches=0).result("branch") == 1


@pytest.mark.parametrize("contact,a,plain,port", [
    ("<sip:u@h:5070>", -1, -1, 1), ("<sip:u@h;x=1>", -1, -1, 1), ("*", 1, 1, 1), (None, 1, 1, 1),
    ("<sip:ok@b>, <sip:u@h>", -1, -1, 1), ("<sip:ok@b>", 1, 1, 1)])
def test_rules_for_registrations(client, contact, a, plain, port):
    headers = [("Contact", contact)] if contact else []
    for do, result in (("register-a", a), ("register-plain", plain), ("register-port", port)):
        assert client.result(do, method="REGISTER", headers=headers) == result


@pytest.mark.viaduct_only("not in this release of the peer")
def test_registrations_compared_with_the_port(client):
    headers = [("Contact", "<sip:u@h:5070>")]
    assert client.result("register-with-port", method="REGISTER", headers=headers) == -1


def test_rules_for_a_uri(client):
    for do, uri, result in [("uri-a", "sip:ok@h", 1), ("uri-a", "sip:nok@h", -1), ("uri-a", "", -1),
                            ("uri-plain", "sip:u@h", -1), ("uri-plain", "sip:u@h:5070", 1)]:
        assert client.result(do, uri_=uri) == result


@pytest.mark.viaduct_only("about our commands")
def test_a_pair_can_be_tested(client, place):
    for name, contact, answer in [("a", "sip:1@gw", "Allowed"), ("a", "sip:zz@gw", "Denied"),
                                  ("plain", "sip:u@h", "Denied"), ("plain", "sip:v@h", "Allowed"),
                                  ("unknown", "sip:u@h", "Denied")]:
        assert client.server.rpc("permissions.testUri", "%s/%s" % (place, name), "sip:alice@b",
                                 contact) == answer


@pytest.mark.viaduct_only("about our messages")
@pytest.mark.parametrize("line,words", [
    ('"[" : ALL', "1:"), ('ALL', '":" is missing'), ('"x : ALL', "quote"), ("ALL : ", "missing"),
    ("ALL : ALL rubbish", "follows")])
def test_a_bad_rule_is_explained(client_of, place, line, words):
    (place / "bad.allow").write_text(line + "\n")
    with pytest.raises(AssertionError, match="bad.allow:1: .*" + words if words != "1:" else "allow:1:"):
        client_of(default_allow_file='"%s/bad.allow"' % place)
