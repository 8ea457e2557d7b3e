# SPDX-License-Identifier: BSD-2-Clause
"""Names that try to be more than names: auth and auth_db against each of the engines. Nobody gets in without
a password, everybody gets in with it whatever the name looks like, and the tables stay as they are."""
import itertools

import pytest
from settings import START, head
from sipua.digest import answer_challenge, hasher, parse_challenge
from subscribers import ATTACKS, ENGINES, Tables
from subscribers import quoted as sql_text

URI = "sip:service@example.org"
REALM = "example.org"
ROUTE = """
request_route {
""" + START + """
	$var(realm) = $hdr(X-Realm);
	if ($hdr(X-Do) == "challenge") {
		www_challenge("$var(realm)", "1");
		exit;
	}
	if ($hdr(X-Do) == "www") www_authenticate("$var(realm)", "subscriber");
	if ($hdr(X-Do) == "check") auth_check("$var(realm)", "subscriber", "1");
	if ($hdr(X-Do) == "from") auth_check("$fd", "subscriber", "1");
	if ($hdr(X-Do) == "is") is_subscriber("$fu", "subscriber", "1");
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Loaded: $avp(password)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
# PostgreSQL refuses bytes that are no characters; that is logged once.
ALLOWED = ["invalid byte sequence", "cannot be", "refused", "bad_uri", "parse_uri", "is malformed", "no URI"]
# People with strange names, who exist.
PEOPLE = ["o'neil", 'say "hello"', "back\\slash", "semi;colon", "per%cent", "under_score", "dash--dash",
          "/* comment */", "$(reboot)", "`id`", "x' OR '1'='1", "jürgen", "日本", "a b c", "{s.len}",
          "$var(realm)", "l" * 64, "ü" * 32]
FIELDS = ["nonce", "uri", "response", "cnonce", "nc", "opaque", "algorithm", "qop"]
# Bytes that are no UTF-8: overlong, cut, surrogates, beyond the last character.
RAW = [b"\xc0\xa7 OR 1=1", b"al\xc3", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80alice"]


def config(tables):
    return head(tables.module, "auth", "auth_db", auth_db__db_url='"%s"' % tables.url, auth_db__use_domain=1,
                auth_db__load_credentials='"$avp(password)=password"') + ROUTE


def secret_of(name):
    return "pass'word \\ \"%d\" ü" % len(name)


@pytest.fixture(scope="module", params=ENGINES)
def tables(request, tmp_path_factory):
    made = Tables(request.param, request, tmp_path_factory.mktemp("hostile"))
    rows = [(name, REALM, secret, hasher("MD5")("%s:%s:%s" % (name, REALM, secret)))
            for name, secret in [("alice", "secret")] + [(name, secret_of(name)) for name in PEOPLE]]
    values = ", ".join("(%s)" % ", ".join(map(sql_text, row)) for row in rows)
    if request.param == "mariadb":  # the only one for which a backslash in a text means something
        values = values.replace("\\", "\\\\")
    made.sql("INSERT INTO subscriber (username, domain, password, ha1) VALUES " + values)
    made.before = made.sql(ALL)
    yield made
    assert made.sql(ALL) == made.before


ALL = "SELECT username, domain, password, ha1 FROM subscriber ORDER BY id"


@pytest.fixture(scope="module")
def server(launch, tables):
    return launch(config(tables))


def quoted(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


class Client:
    def __init__(self, alice):
        self.alice = alice
        self.challenge = parse_challenge(self.ask("challenge", status=401)["WWW-Authenticate"])

    def request(self, do, credentials=None, realm=REALM, **kwargs):
        headers = [("X-Do", do), ("X-Realm", realm)]
        if credentials:
            headers.append(("Authorization", credentials))
        return self.alice.request("OPTIONS", URI, headers=headers, **kwargs)

    def ask(self, do, credentials=None, status=200, **kwargs):
        request = self.alice.send(self.request(do, credentials, **kwargs))
        return self.alice.expect_reply(status, request)

    def credentials(self, user, password, **challenge):
        """What a client sends that quotes as it should: the digest is over the unquoted name."""
        value = answer_challenge(dict(self.challenge, **challenge), "OPTIONS", URI, user, password)
        return value.replace('username="%s"' % user, 'username="%s"' % quoted(user), 1)

    def login(self, user, password, **kwargs):
        return self.ask("www", self.credentials(user, password), **kwargs)

    def still_works(self):
        return self.login("alice", "secret")["X-RC"] == "1"


@pytest.fixture
def client(agent, server):
    return Client(agent("alice"))


def test_strange_names_get_in_with_their_password(client):
    for name in PEOPLE:
        reply = client.login(name, secret_of(name))
        assert (reply["X-RC"], reply["X-Loaded"]) == ("1", secret_of(name)), name
        assert client.login(name, "wrong")["X-RC"] == "-2", name


def test_attacks_as_user_name(client):
    for name in ATTACKS:
        for password in ("secret", ""):
            assert client.login(name, password)["X-RC"] in ("-1", "-3"), name
    assert client.still_works()


def test_attacks_as_domain_and_realm(client):
    for name in ATTACKS:
        assert client.login("alice@" + name, "secret")["X-RC"] in ("-1", "-3"), name
        # A realm that the client made up is not the one that the script asks for.
        made_up = client.credentials("alice", "secret", realm=name).replace(
            'realm="%s"' % name, 'realm="%s"' % quoted(name))
        assert client.ask("www", made_up)["X-RC"] in ("-1", "-5"), name
        # A script that takes the realm from the request: the query has the domain that the client says.
        assert client.ask("www", made_up, realm=name)["X-RC"] in ("-1", "-3", "-5"), name
    assert client.still_works()


def test_attacks_in_other_fields(client):
    right = client.credentials("alice", "secret", opaque="opaque", algorithm="MD5")
    for field, name in itertools.product(FIELDS, ATTACKS):
        start = right.index(" %s=" % field) + len(field) + 2
        end = right.find(",", start)
        damaged = right[:start] + '"%s"' % quoted(name) + (right[end:] if end > 0 else "")
        result = client.ask("www", damaged)["X-RC"]
        assert result.startswith("-") or (field == "opaque" and result == "1"), (field, name)
    assert client.still_works()


def test_attacks_as_uri(client):
    """From is what is_subscriber and auth_check ask the database for."""
    for name in ATTACKS:
        for uri in ("sip:%s@%s" % (name, REALM), "sip:alice@%s" % name):
            from_ = "<%s>;tag=1" % uri
            assert client.ask("is", from_=from_)["X-RC"].startswith("-"), name
            credentials = client.credentials("alice", "secret")
            assert client.ask("from", credentials, from_=from_)["X-RC"].startswith("-"), name
    assert client.ask("is", from_="<sip:alice@%s>;tag=1" % REALM)["X-RC"] == "1"


def test_bytes_that_are_no_characters(client):
    for place, raw in itertools.product(("user", "domain", "from"), RAW):
        from_ = "<sip:%s@%s>;tag=1" % ("NAME" if place == "from" else "alice", REALM)
        user = {"user": "NAME", "domain": "alice@NAME", "from": "alice"}[place]
        request = client.request("is" if place == "from" else "www", client.credentials(user, "secret"), from_=from_)
        client.alice.send(request.encode().replace(b"NAME", raw), client.alice.server)
        assert client.alice.expect_any()["X-RC"] in ("-1", "-2", "-3"), (place, raw)
    assert client.still_works()


def test_nul_is_in_no_name(client):
    for place in ("username", "realm", "nonce", "response", "from"):
        value, from_ = client.credentials("alice", "secret"), "<sip:alice@%s>;tag=1" % REALM
        if place == "from":
            from_ = "<sip:alice\0@%s>;tag=1" % REALM
        else:
            end = value.index('"', value.index(place + '="') + len(place) + 2)
            value = value[:end] + "\0" + value[end:]
        client.alice.send(client.request("check", value, from_=from_))
        assert client.still_works(), place
    assert not [reply for reply in client.alice.inbox if reply["X-RC"] == "1"]


def test_nothing_has_changed(client, tables):
    assert tables.sql(ALL) == tables.before
    assert int(tables.sql("SELECT COUNT(*) FROM version WHERE table_name = 'subscriber'")[0][0]) == 1
