# SPDX-License-Identifier: BSD-2-Clause
"""Modules group and uri_db: groups of users, and the names that users may have."""
import os

import pytest
from settings import START, head
from sipua.digest import answer_challenge, parse_challenge
from subscribers import ENGINES, Tables

ALLOWED = ["uri_db", "failed to parse (To|From) uri", "no credentials were checked", "group"]
ACTIONS = {
    "in-uri": 'is_user_in("Request-URI", "ld")',
    "in-to": 'is_user_in("To", "ld")',
    "in-from": 'is_user_in("From", "ld")',
    "in-credentials": 'is_user_in("Credentials", "ld")',
    "in-avp": 'is_user_in("$avp(uri)", "ld")',
    "in-other": 'is_user_in("$avp(uri)", "o\'neil; DROP TABLE grp")',
    "of-uri": 'get_user_group("Request-URI", "$avp(group)")',
    "of-to": 'get_user_group("To", "$avp(group)")',
    "of-from": 'get_user_group("From", "$avp(group)")',
    "of-credentials": 'get_user_group("Credentials", "$avp(group)")',
    "of-avp": 'get_user_group("$avp(uri)", "$avp(group)")',
    "to": "check_to()",
    "from": "check_from()",
    "uri": 'check_uri("$hdr(X-URI)")',
    "of-named": 'check_uri("$hdr(X-URI)", "$hdr(X-User)", "$hdr(X-Realm)")',
    "exists": "does_uri_exist()",
}
ROUTE = "request_route {\n" + START + """
	if ($hdr(X-Do) == "challenge") {
		www_challenge("example.org", "0");
		exit;
	}
	if ($au != $null) pv_www_authenticate("example.org", "secret", "0");
	$avp(uri) = $hdr(X-URI);
""" + "".join('\tif ($hdr(X-Do) == "%s") %s;\n' % row for row in ACTIONS.items()) + """
	$var(rc) = $rc;
	$var(next) = 1 + $avp(group);
	append_to_reply("X-RC: $var(rc)\\r\\nX-Next: $var(next)\\r\\n");
	append_to_reply("X-Groups: $(avp(group)[*])\\r\\n");
	sl_send_reply("200", "Done");
}
"""
GROUPS = [("alice", "example.org", "ld"), ("bob", "example.net", "ld"), ("carol", "example.net", "int"),
          ("dave", "example.org", "o'neil; DROP TABLE grp")]
EXPRESSIONS = [("^sip:alice@.*", 10), ("^sip:[a-z]+@example.org$", 20), ("alice", 30), ("^sip:x", 40)]
NAMES = [("alice", "example.org", "al"), ("alice", "example.org", "100"), ("alice", "other", "200"),
         ("bob", "example.net", "bobby")]


def config(tables, **settings):
    values = {"group__db_url": '"%s"' % tables.url, "uri_db__db_url": '"%s"' % tables.url,
              "group__re_table": '"re_grp"', **settings}
    return head(tables.module, "auth", "group", "uri_db", **values) + ROUTE


def fill(tables):
    for user, domain, group in GROUPS:
        tables.add("grp", username=user, domain=domain, grp=group)
    for expression, group in EXPRESSIONS:
        tables.add("re_grp", reg_exp=expression, group_id=group)
    for user, domain, name in NAMES:
        tables.add("uri", username=user, domain=domain, uri_user=name)
    tables.add_subscriber("alice", "example.org", "secret")
    tables.add_subscriber("o'neil", "example.org", "secret")
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
        self.challenge = parse_challenge(self.ask("challenge", status=401)["WWW-Authenticate"])

    def ask(self, do, about="sip:alice@example.org", login=None, status=200, of=()):
        """`about` stands in the place that the action looks at."""
        place = do.split("-")[-1]
        uri = about if place in ("uri", "exists") and do != "uri" else "sip:service@example.org"
        headers = [("X-Do", do), ("X-URI", about), *zip(("X-User", "X-Realm"), of)]
        if login:
            headers.append(("Authorization", answer_challenge(self.challenge, "OPTIONS", uri, login,
                                                              "secret")))
        request = self.alice.request(
            "OPTIONS", uri, headers=headers, to="<%s>" % (about if place == "to" else uri),
            from_="<%s>;tag=1" % (about if place == "from" else "sip:nobody@nowhere"))
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(status, request)

    def result(self, do, about="sip:alice@example.org", login=None, of=()):
        return int(self.ask(do, about, login, of=of)["X-RC"])

    def groups(self, do, about="sip:alice@example.org", login=None):
        reply = self.ask(do, about, login)
        groups = [] if reply["X-Groups"] == "<null>" else reply["X-Groups"].split(", ")
        assert int(reply["X-RC"]) == (len(groups) or -1)
        assert not groups or int(reply["X-Next"]) == int(groups[0]) + 1
        return groups


@pytest.fixture
def client(agent, server):
    return Client(agent, server)


@pytest.fixture
def client_of(agent, start_server):
    return lambda tables, **settings: Client(agent, start_server(config(tables, **settings)))


@pytest.mark.parametrize("place", ["uri", "to", "from", "avp"])
def test_groups_of_users(client, place):
    is_in = "in-" + place
    assert client.result(is_in, "sip:alice@example.org") == 1
    assert client.result(is_in, "sip:alice@anywhere;transport=udp") == 1
    assert client.result(is_in, "sip:carol@example.net") == -6
    assert client.result(is_in, "tel:123") == -6
    assert client.result(is_in, "sip:example.org") == -1


def test_strange_names(client, tables):
    assert client.result("in-other", "sip:dave@example.org") == 1
    assert client.result("in-other", "sip:alice@example.org") == -6
    assert client.result("in-avp", "sip:o'neil@example.org") == -6
    assert client.result("in-avp", "sip:" + "x" * 300 + "@example.org") == -6
    assert client.result("in-avp", "no URI") == -1
    assert int(tables.sql("SELECT COUNT(*) FROM grp")[0][0]) == len(GROUPS)


def test_groups_of_credentials(client):
    assert client.result("in-credentials") == -1
    assert client.result("in-credentials", login="alice") == 1
    assert client.result("in-credentials", login="alice@example.net") == 1
    assert client.result("in-credentials", login="carol") == -6


@pytest.mark.parametrize("place", ["uri", "to", "from", "avp"])
def test_groups_by_expression(client, place):
    of = "of-" + place
    assert client.groups(of, "sip:alice@example.org;x=y") == ["10", "20", "30"]
    assert client.groups(of, "sip:alice@example.net:5090") == ["10", "30"]
    assert client.groups(of, "sip:bob@example.org") == ["20"]
    assert client.groups(of, "sip:bob@example.net") == []
    assert client.groups(of, "sip:ALICE@example.net") == ["10", "30"]
    assert client.groups(of, "sip:example.org") == []
    assert client.groups(of, "tel:123") == []


def test_groups_of_credentials_by_expression(client):
    assert client.groups("of-credentials") == []
    assert client.groups("of-credentials", login="alice") == ["10", "20", "30"]
    assert client.groups("of-credentials", login="xavier") == ["20", "40"]
    assert client.groups("of-credentials", login="xavier@other") == ["40"]


def test_one_group_is_enough(client_of, sqlite):
    client = client_of(sqlite, group__multiple_gid=0)
    assert client.groups("of-uri") == ["30"]
    assert client.groups("of-uri", "sip:bob@example.org") == ["20"]


def test_groups_with_domains(client_of, sqlite):
    client = client_of(sqlite, group__use_domain=1)
    assert client.result("in-uri", "sip:alice@example.org") == 1
    assert client.result("in-uri", "sip:alice@example.net") == -6
    assert client.result("in-uri", "tel:123") == -6
    assert client.result("in-credentials", login="alice") == 1
    assert client.result("in-credentials", login="bob") == -6


@pytest.mark.viaduct_only("the peer dies of it or answers later")
@pytest.mark.parametrize("broken,words", [
    ("INSERT INTO re_grp (reg_exp, group_id) VALUES ('a[', 7)", "group 7"),
    ("DROP TABLE re_grp", "re_grp"), ("DROP TABLE grp", "grp"), ("DROP TABLE subscriber", "subscriber")])
def test_what_is_wrong_is_told_at_start(start_server, sqlite, broken, words):
    sqlite.sql(broken)
    with pytest.raises(AssertionError, match=words):
        start_server(config(sqlite))


@pytest.mark.parametrize("place", ["to", "from", "uri"])
def test_names_of_users(client, place):
    assert client.result(place) == -2
    assert client.result(place, login="alice") == 1
    assert client.result(place, "sip:ALICE@anywhere", login="alice") == 1
    assert client.result(place, "tel:alice", login="alice@example.org") == 1
    assert client.result(place, "sip:bob@example.org", login="alice") == -10
    assert client.result(place, "sip:al@example.org", login="alice") == -10


@pytest.mark.parametrize("login", [None, "alice"])
@pytest.mark.parametrize("place", ["to", "from", "uri", "of-named"])
def test_uris_without_a_user(client, place, login):
    assert client.result(place, "sip:example.org", login=login) == -4
    assert client.result(place, "sip:@example.org", login=login) == -1
    assert client.result(place, "tel:", login=login) == -1


@pytest.mark.parametrize("use_table", [False, True])
def test_names_of_a_user_who_is_named(client_of, sqlite, use_table):
    table = {"uri_db__use_uri_table": 1, "uri_db__db_table": '"uri"'} if use_table else {}
    client = client_of(sqlite, **table)

    def check(name, user, realm, without_table, with_table, login=None):
        result = client.result("of-named", "sip:%s@anywhere" % name, login=login, of=(user, realm))
        assert result == (with_table if use_table else without_table)
    for login in (None, "bob"):
        check("alice", "alice", "example.org", 1, -9, login)
        check("ALICE", "alice", "no.realm", 1, -9, login)
        check("alice", "alice@example.org", "example.org", -10, -9, login)
        check("al", "alice", "example.org", -10, 1, login)
        check("200", "alice", "example.org", -10, -9, login)
        check("200", "alice", "other", -10, 1, login)
    # Half of it is nobody: then the credentials count.
    for half in (("alice", ""), ("", "example.org")):
        check("alice", *half, -2, -2)
        check("alice", *half, 1, -9, login="alice")
        check("al", *half, -10, 1, login="alice")


@pytest.mark.parametrize("uri,result", [
    ("sip:alice@example.org", 1), ("sip:alice@anywhere", 1), ("sip:nobody@example.org", -5),
    ("sip:o'neil@example.org", 1), ("sip:example.org", -5), ("tel:123", -5),
    ("sip:'OR'1'='1@example.org", -5)])
def test_existence(client, uri, result):
    assert client.result("exists", uri) == result


@pytest.mark.parametrize("use_domain", [0, 1])
def test_names_by_table(client_of, sqlite, use_domain):
    client = client_of(sqlite, uri_db__use_uri_table=1, uri_db__use_domain=use_domain,
                       uri_db__db_table='"uri"')
    assert client.result("uri", "sip:al@example.org") == -2
    for place in ("to", "from", "uri"):
        assert client.result(place, "sip:al@example.org", login="alice") == 1
        assert client.result(place, "sip:100@example.org", login="alice@example.org") == 1
        assert client.result(place, "sip:alice@example.org", login="alice") == -9
        assert client.result(place, "sip:bobby@example.net", login="alice") == -9
        # A domain in the user name does not count, that of the URI neither.
        assert client.result(place, "sip:200@other", login="alice") == -9
        assert client.result(place, "sip:al@other", login="alice") == 1
    assert client.result("exists", "sip:al@example.org") == 1
    assert client.result("exists", "sip:al@example.net") == (-5 if use_domain else 1)
    assert client.result("exists", "sip:alice@example.org") == -5


def test_existence_with_domains(client_of, sqlite):
    client = client_of(sqlite, uri_db__use_domain=1)
    assert client.result("exists", "sip:alice@example.org") == 1
    assert client.result("exists", "sip:alice@example.net") == -5
