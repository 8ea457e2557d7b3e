# SPDX-License-Identifier: BSD-2-Clause
"""Module uac: accounts that are registered at other servers."""
import pytest
from settings import START, head
from sipua import Agent
from sipua.server import RpcError
from tables import Sqlite, wait_for
from test_uac import check

ROUTE = """
request_route {
""" + START + """
	if ($rU == "lookup") uac_reg_lookup("$hdr(X-U)", "$var(x)");
	if ($rU == "status") uac_reg_status("$hdr(X-U)");
	if ($rU == "to") uac_reg_request_to("$hdr(X-U)", "0");
	if ($rU == "enable") uac_reg_enable("l_uuid", "off");
	$var(rc) = $rc;
	append_to_reply("X-RC: $var(rc)\\r\\nX-X: $var(x)\\r\\nX-To: $ru $du $avp(ar) $avp(au) $avp(ap)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
ALLOWED = ["uac", "jsonrpc_scan"]


class World:
    def __init__(self, path):
        self.registrar = Agent("registrar")
        self.table = Sqlite(str(path), "uac")

    def add(self, uuid, **columns):
        row = {"l_uuid": uuid, "l_username": "local-" + uuid, "l_domain": "mine.org", "r_username": "remote-" + uuid,
               "r_domain": "127.0.0.1", "realm": "r", "auth_username": "au", "auth_password": "secret",
               "auth_proxy": "sip:" + self.registrar.host_port, "expires": 60, **columns}
        self.table.sql("INSERT INTO uacreg (%s) VALUES (%s)" % (",".join(row), ",".join(repr(v) for v in row.values())))

    def config(self, **settings):
        values = {"reg_db_url": '"%s"' % self.table.url, "reg_contact_addr": '"192.0.2.4:5080"', "reg_timer_interval": 1,
                  "reg_gc_interval": 1, "reg_retry_interval": 1, "auth_realm_avp": '"$avp(ar)"',
                  "auth_username_avp": '"$avp(au)"', "auth_password_avp": '"$avp(ap)"', **settings}
        return head("db_sqlite", "uac", "jsonrpcs", "ctl", timers=True, jsonrpcs__transport=4,
                    **{"uac__" + name: value for name, value in values.items()}) + ROUTE

    def take(self):
        return self.registrar.expect_request("REGISTER")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.registrar.close()


def ask(alice, what, uuid):
    request = alice.send(alice.request("OPTIONS", "sip:%s@x.org" % what, headers=[("X-U", uuid)]))
    return alice.expect_reply(200, request)


def info(server, uuid):
    return server.rpc("uac.reg_info", "l_uuid", uuid)


def refused(server, *args):
    with pytest.raises(RpcError) as error:
        server.rpc(*args)
    return error.value.args[0]["code"], error.value.args[0]["message"]


def test_an_account_registers_and_answers_the_challenge(world, start_server, agent):
    world.add("one")
    world.add("off", flags=1)
    server = start_server(world.config())
    alice = agent("alice", server=server)
    first = world.take()
    assert (first.uri, first["To"], first["Contact"], first["Expires"]) == \
        ("sip:127.0.0.1", "<sip:remote-one@127.0.0.1>", "<sip:one@192.0.2.4:5080>", "60")
    assert first["From"].startswith("<sip:remote-one@127.0.0.1>;tag=") and first.cseq == (10, "REGISTER")
    assert ask(alice, "status", "one")["X-RC"] == "-2"
    world.registrar.reply(first, 401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="abc", qop="auth"')])
    second = world.take()
    assert (second["Call-ID"], second["From"], second.cseq) == (first["Call-ID"], first["From"], (11, "REGISTER"))
    check(second["Authorization"], "au", "r", "secret", "REGISTER", "sip:127.0.0.1")
    world.registrar.reply(second, 200, headers=[("Contact", second["Contact"] + ";expires=30")])
    wait_for(lambda: info(server, "one")["flags"] == 20, lambda: str(info(server, "one")))
    row = info(server, "one")
    assert 25 <= row["diff_expires"] <= 30 and row["contact_addr"] == "192.0.2.4:5080" and row["socket"] is None
    assert [ask(alice, "status", uuid)["X-RC"] for uuid in ("one", "off", "nobody")] == ["1", "-3", "-1"]
    found = ask(alice, "lookup", "one")
    assert (found["X-RC"], found["X-X"]) == ("1", "sip:local-one@mine.org")
    assert ask(alice, "lookup", "nobody")["X-RC"] == "-1"
    assert ask(alice, "to", "one")["X-To"] == "sip:remote-one@127.0.0.1 sip:%s r au secret" % world.registrar.host_port
    assert {row["l_uuid"] for row in server.rpc("uac.reg_dump")} == {"one", "off"}
    if server.program == "viaduct":             # the peer counts now and then
        wait_for(lambda: server.rpc("stats.get_statistics", "uac:") ==
                 ["uac:regactive = 1", "uac:regdisabled = 1", "uac:regtotal = 2"], "the counters are wrong")
    assert ask(alice, "enable", "")["X-RC"] == "1"
    third = world.take()
    assert third["Contact"] == "<sip:off@192.0.2.4:5080>" and third["Call-ID"] != first["Call-ID"]
    server.rpc("uac.reg_unregister", "l_uuid", "one")
    last = world.take()
    assert (last["Expires"], last["To"]) == ("0", "<sip:remote-one@127.0.0.1>")


@pytest.mark.viaduct_only("what an administrator reads there has the password in the peer")
def test_passwords_are_not_shown(world, start_server):
    world.add("one", auth_ha1="0123456789abcdef0123456789abcdef")
    server = start_server(world.config())
    row = info(server, "one")
    assert (row["auth_password"], row["auth_ha1"]) == ("***", "***")


def test_a_failure_is_tried_again(world, start_server):
    world.add("one")
    server = start_server(world.config())
    world.registrar.reply(world.take(), 503)
    again = world.take()
    world.registrar.reply(again, 200, headers=[("Contact", again["Contact"] + ";expires=60")])
    wait_for(lambda: info(server, "one")["flags"] & 4, lambda: str(info(server, "one")))


def test_without_retries_a_failure_disables(world, start_server, agent):
    world.add("one")
    server = start_server(world.config(reg_retry_interval=0))
    world.registrar.reply(world.take(), 403)
    wait_for(lambda: info(server, "one")["flags"] & 1, lambda: str(info(server, "one")))
    assert ask(agent("alice", server=server), "status", "one")["X-RC"] == "-3"


@pytest.mark.viaduct_only("the peer disables the account")
def test_a_longer_time_is_granted_when_asked_for(world, start_server):
    world.add("one", expires=10)
    start_server(world.config())
    world.registrar.reply(world.take(), 423, headers=[("Min-Expires", "1800")])
    assert world.take()["Expires"] == "1800"


def test_commands_about_accounts(world, start_server):
    world.add("one", flags=1)
    server = start_server(world.config())
    assert refused(server, "uac.reg_info", "l_uuid", "zz") == (404, "Record not found")
    assert refused(server, "uac.reg_info", "bogus", "zz")[0] in (400, 404)
    assert refused(server, "uac.reg_info")[0] == 400
    assert refused(server, "uac.reg_add", "new")[0] == 400
    server.rpc("uac.reg_add", "new", "lu", "ld", "ru", "rd", "rr", "auser", "apass", ".", "sip:127.0.0.1:9", 60, 1, 0, ".", ".")
    row = info(server, "new")
    assert (row["l_username"], row["r_domain"], row["auth_ha1"], row["expires"]) == ("lu", "rd", "none", 60)
    server.rpc("uac.reg_remove", "new")
    assert refused(server, "uac.reg_remove", "new") == (404, "Record not found")
    assert server.rpc("uac.reg_active", 0) == {"omode": 1, "nmode": 0}
    world.add("two", flags=1)
    server.rpc("uac.reg_refresh", "two")
    assert info(server, "two")["l_username"] == "local-two"
    assert refused(server, "uac.reg_refresh", "zz")[0] == 404
    world.table.sql("DELETE FROM uacreg WHERE l_uuid = 'one'")
    server.rpc("uac.reg_reload")
    wait_for(lambda: [row["l_uuid"] for row in server.rpc("uac.reg_dump")] == ["two"], "the account is still there")
