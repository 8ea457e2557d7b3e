# SPDX-License-Identifier: BSD-2-Clause
"""Module auth_ephemeral: credentials that a web service gave out for a time."""
import base64
import hmac
import time

import pytest
from settings import START, head
from sipua.digest import answer_challenge, parse_challenge
from sipua.server import RpcError, Server

URI = "sip:service@example.org"
REALM = "example.org"
SECRETS = "".join('modparam("auth_ephemeral", "secret", "%s")\n' % secret for secret in ("older", "newer"))
ROUTE = """
request_route {
""" + START + """
	$var(name) = $hdr(X-Name);
	$var(password) = $hdr(X-Password);
	$var(realm) = $hdr(X-Realm);
	if ($hdr(X-Do) == "challenge") {
		www_challenge("$var(realm)", "1");
		exit;
	}
	if ($hdr(X-Do) == "www") autheph_www("$var(realm)");
	if ($hdr(X-Do) == "www-method") autheph_www("$var(realm)", "INVITE");
	if ($hdr(X-Do) == "proxy") autheph_proxy("$var(realm)");
	if ($hdr(X-Do) == "check") autheph_check("$var(realm)");
	if ($hdr(X-Do) == "password") autheph_authenticate("$var(name)", "$var(password)");
	if ($hdr(X-Do) == "time") autheph_check_timestamp("$var(name)");
	if ($hdr(X-Do) == "from") autheph_check_from("$var(name)");
	if ($hdr(X-Do) == "to") autheph_check_to("$var(name)");
	if ($hdr(X-Do) == "own-from") {
		autheph_www("$var(realm)");
		autheph_check_from();
	}
	if ($hdr(X-Do) == "own-to") {
		autheph_www("$var(realm)");
		autheph_check_to();
	}
	if ($hdr(X-Do) == "unchecked") autheph_check_from();
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
# The peer tells the log about each attempt.
ALLOWED = ["unable to convert timestamp", "invalid (timestamp|username|password|realm)", "the realm is empty",
           "authorized credentials", "before calling", "looking for credentials",
           "parsing credentials", "removing secret", "not found"]


def config(**settings):
    values = {"auth_ephemeral__" + name: value for name, value in settings.items()}
    text = head("jsonrpcs", "auth", "auth_ephemeral", **values)
    return text.replace('loadmodule "auth_ephemeral.so"\n', 'loadmodule "auth_ephemeral.so"\n' + SECRETS) + ROUTE


CONFIG = config()


def password_of(name, secret="newer", digest="sha1"):
    return base64.b64encode(hmac.new(secret.encode(), name.encode(), digest).digest()).decode()


def at(seconds):
    """The time that many seconds from now, as user names have it."""
    return str(int(time.time()) + seconds)


class Client:
    def __init__(self, alice):
        self.alice = alice
        self.challenge = parse_challenge(self.ask("challenge", status=401)["WWW-Authenticate"])

    def ask(self, do, credentials=None, name="", password="", realm=REALM, header="Authorization",
            method="OPTIONS", status=200, **kwargs):
        headers = [("X-Do", do), ("X-Realm", realm), ("X-Name", name), ("X-Password", password)]
        if credentials:
            headers.append((header, credentials))
        request = self.alice.request(method, URI, headers=headers, contact="", **kwargs)
        self.alice.send(request)
        return self.alice.expect_reply(status, request)

    def credentials(self, name, secret="newer", digest="sha1", method="OPTIONS", **challenge):
        return answer_challenge(dict(self.challenge, **challenge), method, URI, name,
                                password_of(name, secret, digest))

    def result(self, do, *args, **kwargs):
        return int(self.ask(do, *args, **kwargs)["X-RC"])


@pytest.fixture
def client(agent):
    return Client(agent("alice"))


@pytest.fixture
def client_of(agent, start_server):
    def start(**settings):
        server = start_server(config(**settings))
        made = Client(agent("alice", server=server))
        made.server = server
        return made
    return start


# Names, their time from now instead of N; what digests and passwords yield.
NAMES = [("N:alice@example.org", 1000, 1), ("N:alice", 1000, 1), ("N", 1000, 1), ("N:a:b", 1000, 1),
         ("N:alice", -1, -7), ("N:alice", -1000, -7), ("N", -1000, -7), ("0:alice", 0, -7), (":alice", 0, -7),
         ("N:", 1000, -1), ("alice", 0, -1), ("alice:N", 1000, -1), ("xN:alice", 1000, -1),
         ("Nx:alice", 1000, -1), ("-5:alice", 0, -1), ("99999999999999999999:alice", 0, -1),
         ("4294967296:alice", 0, -1), ("N:o'neil; DROP TABLE x", 1000, 1), ("N:" + "a" * 1000, 1000, 1)]


@pytest.mark.parametrize("name,seconds,result", NAMES)
def test_user_names(client, name, seconds, result):
    name = name.replace("N", at(seconds))
    assert client.result("www", client.credentials(name)) == result
    assert client.result("password", name=name, password=password_of(name)) == result
    assert client.result("time", name=name) == (1 if result == 1 else -1)


@pytest.mark.parametrize("name,seconds,result", [
    ("alice:N", 1000, 1), ("alice@example.org:N", 1000, 1), ("N", 1000, 1), (":N", 1000, 1),
    ("alice:N", -1000, -7), ("N:alice", 1000, -1), ("a:b:N", 1000, -1), ("alice:", 0, -1), ("alice", 0, -1)])
def test_older_form_of_user_names(client_of, name, seconds, result):
    client, name = client_of(username_format=0), name.replace("N", at(seconds))
    assert client.result("www", client.credentials(name)) == result
    assert client.result("password", name=name, password=password_of(name)) == result
    from_ = "<sip:alice@example.org>;tag=1"
    expected = 1 if name.startswith("alice") and ":" in name[:-1] else -2 if name[-1:] == ":" or ":" not in name else -1
    assert client.result("from", name=name, from_=from_) == expected


@pytest.mark.parametrize("number,digest", enumerate(["sha1", "sha256", "sha384", "sha512"]))
def test_digests_of_passwords(client_of, number, digest):
    client, name = client_of(sha_algorithm=number), at(1000) + ":alice"
    for other in ("sha1", "sha256", "sha384", "sha512"):
        is_it = other == digest
        assert client.result("www", client.credentials(name, digest=other)) == (1 if is_it else -2)
        assert client.result("password", name=name, password=password_of(name, digest=other)) == (
            1 if is_it else -1)


def test_each_secret_is_good(client):
    name = at(1000) + ":alice"
    for secret, digest_result, password_result in (("newer", 1, 1), ("older", 1, 1), ("other", -2, -1)):
        assert client.result("www", client.credentials(name, secret)) == digest_result
        assert client.result("password", name=name, password=password_of(name, secret)) == password_result


def test_functions_look_where_they_say(client):
    name = at(1000) + ":alice"
    right = client.credentials(name)
    assert client.result("www") == -5
    assert client.result("proxy", right) == -5
    assert client.result("proxy", right, header="Proxy-Authorization") == 1
    assert client.result("check", right) == -5
    assert client.result("check", right, header="Proxy-Authorization") == 1
    assert client.result("check", client.credentials(name, method="REGISTER"), method="REGISTER") == 1
    assert client.result("www-method", right) == -2
    assert client.result("www-method", client.credentials(name, method="INVITE")) == 1
    assert client.result("www", right, realm="other.example") == -5
    assert client.result("www", right, realm="") == -1
    assert client.result("www", client.credentials(name, nonce="made up")) == -1
    assert client.result("www", "Digest rubbish") == -1


@pytest.mark.parametrize("change", [lambda p: "", lambda p: p[:-1], lambda p: p + "=", lambda p: p.swapcase(),
                                    lambda p: "x" * 5000], ids=["none", "short", "long", "case", "huge"])
def test_damaged_passwords(client, change):
    name = at(1000) + ":alice"
    assert client.result("password", name=name, password=change(password_of(name))) == -1


@pytest.mark.parametrize("do,header", [("from", "from_"), ("to", "to")])
@pytest.mark.parametrize("name,uri,result", [
    ("1:alice@example.org", "sip:alice@example.org", 1), ("1:alice", "sip:alice@example.org", 1),
    ("x:alice", "sip:alice@example.org", 1), ("1:bob", "sip:alice@example.org", -1),
    ("1:alice@other.example", "sip:alice@example.org", -1), ("1:ALICE", "sip:alice@example.org", -1),
    ("1:alice:x", "sip:alice@example.org", -1), ("1:alice", "sips:alice@example.org:5070;x=y", 1),
    ("1:alice@example.org", "sip:alice@example.org:5070", 1), ("1:example.org", "sip:example.org", -1),
    ("1:+49", "tel:+49", 1), ("alice", "sip:alice@example.org", -2), ("1:", "sip:alice@example.org", -2),
    ("1", "sip:alice@example.org", -2), ("", "sip:alice@example.org", -1)])
def test_names_of_requests(client, do, header, name, uri, result):
    assert client.result(do, name=name, **{header: "<%s>;tag=1" % uri}) == result


@pytest.mark.viaduct_only("the peer minds the case of hosts")
def test_hosts_have_no_case(client):
    assert client.result("from", name="1:alice@example.org", from_="<sip:alice@EXAMPLE.org>;tag=1") == 1


@pytest.mark.parametrize("do,header", [("own-from", "from_"), ("own-to", "to")])
def test_name_of_the_credentials(client, do, header):
    own = {header: "<sip:alice@example.org>;tag=1"}
    for user, result in (("alice", 1), ("alice@example.org", 1), ("bob", -1), ("alice@other.example", -1)):
        name = "%s:%s" % (at(1000), user)
        assert client.result(do, client.credentials(name), **own) == result
    assert client.result("unchecked", client.credentials(at(1000) + ":alice"), **own) == -1


@pytest.mark.viaduct_only("for the peer the credentials are those of the user although they are wrong")
def test_wrong_credentials_have_no_name(client):
    wrong = client.credentials(at(1000) + ":alice", "other")
    assert client.result("own-from", wrong, from_="<sip:alice@example.org>;tag=1") == -1


@pytest.mark.viaduct_only("the peer writes over the memory of secrets that are added")
def test_secrets_change_while_the_server_runs(client_of):
    client = client_of()
    rpc, name = client.server.rpc, at(1000) + ":alice"

    def works(secret):
        results = {client.result("www", client.credentials(name, secret)) == 1
                   for _ in range(8)}                      # whichever worker
        assert len(results) == 1
        return results.pop()
    assert rpc("autheph.dump_secrets") == ["ID 0: newer", "ID 1: older"]
    assert not works("added")
    assert rpc("autheph.add_secret", "added") == {}
    assert rpc("autheph.dump_secrets") == ["ID 0: added", "ID 1: newer", "ID 2: older"]
    assert works("added") and works("newer") and works("older")
    rpc("autheph.rm_secret", 1)
    assert rpc("autheph.dump_secrets") == ["ID 0: added", "ID 1: older"]
    assert works("added") and not works("newer") and works("older")
    for method, argument in (("autheph.rm_secret", 2), ("autheph.rm_secret", -1), ("autheph.add_secret", ""),
                             ("autheph.add_secret", "x" * 256)):
        with pytest.raises(RpcError):
            rpc(method, argument)
    for method in ("autheph.rm_secret", "autheph.add_secret"):
        with pytest.raises(RpcError, match="Not enough parameters"):
            rpc(method)
    for i in range(62):
        rpc("autheph.add_secret", "x" * 255)
    with pytest.raises(RpcError):
        rpc("autheph.add_secret", "one too many")
    assert works("older") and len(rpc("autheph.dump_secrets")) == 64


def test_secrets_are_not_in_the_log(client_of):
    client = client_of()
    client.result("www", client.credentials(at(1000) + ":alice", "other"))
    client.server.expect_log("")
    if client.server.program == "viaduct":
        assert "newer" not in client.server.log() and password_of("x") not in client.server.log()


@pytest.mark.viaduct_only("the peer refuses when a call comes")
def test_digest_needs_the_module_auth(program):
    text = CONFIG.replace('loadmodule "auth.so"\n', "").replace('www_challenge("$var(realm)", "1");', "")
    text = text.replace('autheph_www("$var(realm)")', 'autheph_www("example.org")')
    with pytest.raises(AssertionError) as refused:
        Server(text, program).discard()
    assert 'loadmodule "auth.so"' in str(refused.value)


def test_passwords_work_without_the_module_auth(agent, start_server):
    lines = "".join('\tif ($hdr(X-Do) == "%s") %s;\n' % row for row in (
        ("password", 'autheph_authenticate("$var(name)", "$var(password)")'),
        ("time", 'autheph_check_timestamp("$var(name)")'), ("from", 'autheph_check_from("$var(name)")')))
    route = 'request_route {' + START + """
	$var(name) = $hdr(X-Name);
	$var(password) = $hdr(X-Password);
""" + lines + """
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\n");
	if ($hdr(X-Do) == "challenge") append_to_reply("WWW-Authenticate: none\\r\\n");
	if ($hdr(X-Do) == "challenge") sl_send_reply("401", "No");
	else sl_send_reply("200", "Done");
}
"""
    client = Client(agent("alice", server=start_server(CONFIG.replace('loadmodule "auth.so"\n', "").replace(
        ROUTE, route))))
    name = at(1000) + ":alice"
    assert client.result("password", name=name, password=password_of(name)) == 1
    assert client.result("time", name=name) == 1
    assert client.result("from", name=name, from_="<sip:alice@example.org>;tag=1") == 1
