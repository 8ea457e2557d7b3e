# SPDX-License-Identifier: BSD-2-Clause
"""Module auth_db: credentials of subscribers in a database, on each engine."""
import os

import pytest
from settings import START, head
from sipua.digest import answer_challenge, parse_challenge
from subscribers import ENGINES, Tables

URI = "sip:service@example.org"
LONG = "l" * 64
ALLOWED = ["the realm is empty", "non existing right pvar", "assignment failed", "auth"]
ROUTE = """
request_route {
""" + START + """
	$var(flags) = $(hdr(X-Flags){s.int});
	$var(realm) = $hdr(X-Realm);
	if ($hdr(X-Do) == "challenge") {
		www_challenge("$var(realm)", "0");
		exit;
	}
	if ($hdr(X-Do) == "www") www_authenticate("$var(realm)", "subscriber");
	if ($hdr(X-Do) == "method") www_authenticate("$var(realm)", "subscriber", "INVITE");
	if ($hdr(X-Do) == "proxy") proxy_authorize("$var(realm)", "subscriber");
	if ($hdr(X-Do) == "check") auth_check("$var(realm)", "subscriber", "$var(flags)");
	if ($hdr(X-Do) == "is") is_subscriber("$hdr(X-URI)", "subscriber", "$var(flags)");
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	append_to_reply("X-Loaded: $avp(secret) $avp(domain)\\r\\n");
	sl_send_reply("200", "Done");
}
"""


def config(tables, **settings):
    values = {"db_url": '"%s"' % tables.url,
              "load_credentials": '"$avp(secret)=password;domain"', **settings}
    return head(tables.module, "auth", "auth_db",
                **{"auth_db__" + name: value for name, value in values.items()}) + ROUTE


def fill(tables):
    tables.add_subscriber("alice", "example.org", "secret")
    tables.add_subscriber("alice", "example.net", "other")
    tables.add_subscriber("bob", "example.org", "bobs")
    tables.add_subscriber("o'neil", "example.org", "quoted")
    tables.add_subscriber("jürgen", "example.org", "umlaut")
    tables.add_subscriber(LONG, "example.org", "long")
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
    def __init__(self, alice, server):
        self.alice, self.server = alice, server
        self.challenge = parse_challenge(self.ask("challenge", status=401)["WWW-Authenticate"])

    def ask(self, do, credentials=None, method="OPTIONS", realm="example.org", headers=(), status=200,
            header="Authorization", uri=URI, **kwargs):
        extra = [("X-Do", do), ("X-Realm", realm)] + list(headers)
        if credentials:
            extra.append((header, credentials))
        request = self.alice.request(method, uri, headers=extra, **kwargs)
        self.alice.send(request, self.server.address)
        return self.alice.expect_reply(status, request)

    def credentials(self, user, password, realm="example.org", method="OPTIONS"):
        return answer_challenge(dict(self.challenge, realm=realm), method, URI, user, password)

    def result(self, user, password, do="www", realm="example.org", **kwargs):
        return int(self.ask(do, self.credentials(user, password, realm), realm=realm,
                            **kwargs)["X-RC"])


@pytest.fixture
def client(agent, server):
    return Client(agent("alice", server=server), server)


@pytest.fixture
def client_of(agent, start_server):
    def start(tables, **settings):
        server = start_server(config(tables, **settings))
        return Client(agent("alice", server=server), server)
    return start


@pytest.mark.parametrize("user,password,result", [
    ("alice", "secret", 1), ("alice", "wrong", -2), ("alice", "", -2), ("carol", "secret", -3),
    ("alice@example.org", "secret", 1), ("sip:alice", "secret", -2), ("alice:", "secret", -1),
    ("sip:carol@example.org", "secret", -3), ("ALICE@example.org", "x", None),
    ("o'neil", "quoted", 1), ("jürgen", "umlaut", 1), (LONG, "long", 1),
    (LONG + "l", "long", -3), ("x" * 255, "long", -3), ("x" * 3000, "long", -3),
    ("' OR '1'='1", "secret", -3), ("alice'; DROP TABLE subscriber; --", "secret", -3),
    ("alice\\", "secret", -3), ("%", "secret", -3), ("a_ice", "secret", -3),
    ("\xff\xfe", "secret", -3)])
def test_users_and_passwords(client, tables, user, password, result):
    if result is None:      # whether case matters is the engine's business
        result = -2 if tables.engine == "mariadb" else -3
    user = user.replace("\\", "\\\\")
    assert client.result(user, password) == result


def test_bytes_that_are_no_characters_find_nobody(client, tables):
    request = client.alice.request("OPTIONS", URI, headers=[
        ("X-Do", "www"), ("X-Realm", "example.org"),
        ("Authorization", client.credentials("NAME", "secret"))])
    client.alice.send(request.encode().replace(b"NAME", b"\xc3\x28\xff"), client.server.address)
    reply = client.alice.expect_any()
    assert reply["X-RC"] in ("-1", "-3")
    client.server.allow("invalid byte sequence", "refused", "cannot be")
    assert client.result("alice", "secret") == 1


def test_after_all_that_everybody_is_still_there(client, tables):
    assert int(tables.sql("SELECT COUNT(*) FROM subscriber")[0][0]) == 6
    assert client.result("bob", "bobs") == 1


def test_credentials_are_loaded(client):
    right = client.credentials("alice", "secret")
    assert client.ask("www", right)["X-Loaded"] == "secret example.org"
    wrong = client.credentials("alice", "wrong")
    assert client.ask("www", wrong)["X-Loaded"] == "<null> <null>"


def test_functions_look_where_they_say(client):
    right = client.credentials("alice", "secret")
    assert client.ask("www")["X-RC"] == "-5"
    assert client.ask("proxy", right)["X-RC"] == "-5"
    assert client.ask("proxy", right, header="Proxy-Authorization")["X-RC"] == "1"
    assert client.ask("method", right)["X-RC"] == "-2"
    assert client.ask("method", client.credentials("alice", "secret", method="INVITE"))["X-RC"] == "1"
    assert client.ask("www", right, realm="")["X-RC"] == "-1"


@pytest.mark.parametrize("method,from_user,to_user,flags,result", [
    ("OPTIONS", "alice", "bob", 1, 1), ("OPTIONS", "bob", "alice", 1, -8),
    ("OPTIONS", "bob", "alice", 0, 1), ("OPTIONS", "bob", "alice", 3, -8),
    ("INVITE", "bob", "alice", 1, -8), ("INVITE", "bob", "alice", 3, 1),
    ("MESSAGE", "bob", "alice", 3, 1), ("SUBSCRIBE", "bob", "alice", 3, -8),
    ("REGISTER", "alice", "alice", 1, 1), ("REGISTER", "alice", "bob", 1, -8),
    ("REGISTER", "bob", "alice", 1, -8), ("PUBLISH", "alice", "alice", 1, 1),
    ("PUBLISH", "alice", "bob", 1, -8)])
def test_auth_check_compares_the_user(client, method, from_user, to_user, flags, result):
    header = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
    reply = client.ask("check", client.credentials("alice", "secret", method=method), method,
                       header=header, headers=[("X-Flags", str(flags))],
                       uri="sip:alice@example.org",
                       from_="<sip:%s@example.org>;tag=1" % from_user,
                       to="<sip:%s@example.org>" % to_user)
    assert int(reply["X-RC"]) == result


@pytest.mark.parametrize("uri,flags,result,loaded", [
    ("sip:bob@example.org", 0, 1, "bobs example.org"), ("sip:bob@example.org", 1, 1, "bobs example.org"),
    ("sip:bob@example.org;user=phone", 3, 1, "<null> <null>"),
    ("sip:bob@elsewhere.org", 0, 1, "bobs example.org"),
    ("sip:bob@elsewhere.org", 1, -2, "<null> <null>"),
    ("sip:carol@example.org", 0, -2, "<null> <null>"), ("sip:example.org", 0, -2, "<null> <null>"),
    ("rubbish", 0, -1, "<null> <null>"), ("sip:'or'1'='1@example.org", 1, -2, "<null> <null>")])
def test_is_subscriber(client, uri, flags, result, loaded):
    reply = client.ask("is", headers=[("X-URI", uri), ("X-Flags", str(flags))])
    assert (int(reply["X-RC"]), reply["X-Loaded"]) == (result, loaded)


# ---- settings: they mean the same on every engine -----------------------------------------------------

def test_use_domain(client_of, sqlite):
    client = client_of(sqlite, use_domain=1)
    assert client.result("alice", "other", realm="example.net") == 1
    assert client.result("alice@example.net", "other", realm="example.net") == 1
    assert client.result("alice", "secret") == 1
    assert client.result("alice", "secret", realm="example.net") == -2


def test_calculate_ha1(client_of, sqlite):
    client = client_of(sqlite, calculate_ha1=1, password_column='"password"')
    assert client.result("alice", "secret") == client.result("alice@example.org", "secret") == 1
    assert client.result("alice", "wrong") == -2


def test_other_columns(client_of, sqlite):
    sqlite.sql("ALTER TABLE subscriber RENAME COLUMN username TO \"user\"")
    client = client_of(sqlite, user_column='"user"', password_column='"ha1b"')
    assert client.result("alice", "secret") == -2
    sqlite.sql("UPDATE subscriber SET ha1b = ha1")
    assert client.result("alice", "secret") == 1


def test_force_generate_avps(client_of, sqlite):
    client = client_of(sqlite, force_generate_avps=1)
    reply = client.ask("www", client.credentials("alice", "wrong"))
    assert (reply["X-RC"], reply["X-Loaded"]) == ("-2", "secret example.org")


def test_an_empty_password_column_lets_nobody_in(client_of, sqlite):
    sqlite.sql("UPDATE subscriber SET ha1 = ''")
    client = client_of(sqlite)
    assert client.result("alice", "") == -2
    value = answer_challenge(client.challenge | {"realm": "example.org"}, "OPTIONS", URI, "alice", "",
                             ha1="")
    assert client.ask("www", value)["X-RC"] == "-2"


def test_changes_are_seen_at_once(client_of, sqlite):
    client = client_of(sqlite)
    assert client.result("new", "fresh") == -3
    sqlite.add_subscriber("new", "example.org", "fresh")
    assert client.result("new", "fresh") == 1
    sqlite.sql("DELETE FROM subscriber WHERE username = 'new'")
    assert client.result("new", "fresh") == -3


# ---- what the administrator did wrong ------------------------------------------------------------------

@pytest.mark.parametrize("change,words", [
    ("DROP TABLE subscriber", "subscriber"),
    ("UPDATE version SET table_version = 6 WHERE table_name = 'subscriber'", "version")])
def test_a_wrong_table_is_explained_at_start(start_server, sqlite, change, words):
    sqlite.sql(change)
    with pytest.raises(AssertionError, match=words):
        start_server(config(sqlite))


def test_the_version_need_not_be_checked(client_of, sqlite):
    sqlite.sql("UPDATE version SET table_version = 6 WHERE table_name = 'subscriber'")
    assert client_of(sqlite, version_table=0).result("alice", "secret") == 1


@pytest.mark.viaduct_only("about our diagnostics")
@pytest.mark.parametrize("settings,words", [
    ({"load_credentials": '"$avp(x)="'}, "load_credentials"),
    ({"load_credentials": '"$ua=password"'}, "cannot be assigned"),
    ({"db_url": '"nosuch://x"'}, "nosuch")])
def test_wrong_settings_are_explained(start_server, sqlite, settings, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config(sqlite, **settings))


def test_a_table_that_vanishes_is_an_error_and_comes_back(client_of, sqlite):
    client = client_of(sqlite)
    assert client.result("alice", "secret") == 1
    client.server.allow("no such table", "subscriber", "db_sqlite")
    sqlite.sql("ALTER TABLE subscriber RENAME TO gone")
    assert client.result("alice", "secret") == -1
    sqlite.sql("ALTER TABLE gone RENAME TO subscriber")
    assert client.result("alice", "secret") == 1
