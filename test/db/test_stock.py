# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kamailio.cfg, unmodified, with its switches one by one and all together, on MariaDB,
PostgreSQL and SQLite."""
import http.client
import json
import os
import time

import pytest
from sipua.databases import MariaDb, Postgres
from sipua.server import find_program
from stock import (DOMAINS, GATEWAY_HOST, HOME, OTHER_GROUP_HOST, STOCK, SWITCHES, USES_DATABASE, Site, answer, call,
                   hang_up, make_tables, ring, switches_of)
from subscribers import ENGINES

pytestmark = pytest.mark.skipif(not os.path.exists(STOCK), reason="kamailio.cfg is not installed")

SITES = [("mariadb", name) for name in SWITCHES + ("all",)] + [
    (engine, name) for engine in ("postgres", "sqlite") for name in USES_DATABASE + ("all",)]
PASSWORD_ASKED = 407
SQLITE_OF_THE_PEER = "the peer's driver gives up when another of its processes has the database locked"


@pytest.fixture(scope="module")
def databases(request, tmp_path_factory):
    """The database of an engine, made when somebody asks."""
    made = {}

    def database(engine):
        if engine not in made:
            made[engine] = make_tables(engine, request, tmp_path_factory.mktemp("stock"))
        return made[engine]
    return database


@pytest.fixture(scope="module")
def site(request, program, databases):
    engine, name = request.param
    if program == "kamailio" and engine == "sqlite":
        pytest.skip(SQLITE_OF_THE_PEER)
    running = Site(program, databases(engine), switches_of(name))
    yield running
    running.server.stop()


@pytest.fixture(autouse=True)
def phones_are_closed(request):
    yield
    if "site" in request.fixturenames:
        request.getfixturevalue("site").close_phones()


def sites(*switches, rows=SITES):
    """Runs a scenario on each site that has all of these switches."""
    rows = [row for row in rows if set(switches) <= set(switches_of(row[1]))]
    return pytest.mark.parametrize("site", rows, indirect=True, ids="-".join, scope="module")


# ---- each site ----
@sites()
def test_register_and_call(site):
    alice, bob = site.phone("alice", signed_in=True), site.phone("bob", signed_in=True)
    incoming = call(alice, bob)
    assert incoming.uri == bob.contact.strip("<>")
    assert not incoming.all("Proxy-Authorization")
    assert bob.sign_in(expires=0).values("Contact") == []
    invite = alice.request("INVITE", bob.aor, body=alice.sdp())
    alice.transact(invite, (404,))


@sites(rows=[("mariadb", "WITH_MYSQL"), ("mariadb", "WITH_AUTH"), ("mariadb", "all")])
def test_strangers_are_not_relayed(site):
    stranger = site.phone("stranger", domain="elsewhere.example", subscribe=False)
    stranger.expect_reply(403, stranger.invite("sip:somebody@further.example"))


# ---- WITH_AUTH ----
@sites("WITH_AUTH")
def test_registration_needs_the_password(site):
    alice = site.phone("alice")
    request = alice.request("REGISTER", "sip:" + HOME, to="<%s>" % alice.aor,
                            headers=[("Contact", alice.contact)])
    challenge = alice.expect_reply(401, alice.send(request))["WWW-Authenticate"]
    assert challenge.startswith("Digest ") and 'realm="%s"' % HOME in challenge
    assert "qop" not in challenge
    alice.password = "wrong"
    assert alice.sign_in((401,)).all("Contact") == []
    alice.password = "pw-" + alice.user
    assert len(alice.sign_in((200,)).all("Contact")) == 1


@sites("WITH_AUTH")
def test_unknown_user_is_refused_like_a_wrong_password(site):
    nobody = site.phone("nobody", subscribe=False)
    nobody.sign_in((401,))
    nobody.transact(nobody.request("INVITE", "sip:any@" + HOME, body=nobody.sdp()), (407,))


@sites("WITH_AUTH")
def test_nobody_uses_the_name_of_another(site):
    alice, mallory = site.phone("alice"), site.phone("mallory")
    mallory.login, mallory.user = mallory.user, alice.user
    mallory.sign_in((401,))
    mallory.transact(mallory.request("INVITE", alice.aor, body=mallory.sdp()), (407,))


@sites("WITH_AUTH")
def test_call_needs_the_password(site):
    alice, bob = site.phone("alice"), site.phone("bob", signed_in=True)
    alice.password = "wrong"
    alice.transact(alice.request("INVITE", bob.aor, body=alice.sdp()), (407,))
    assert not bob.read(0) and not bob.inbox
    alice.password = "pw-" + alice.user
    call(alice, bob)


@sites("WITH_AUTH")
def test_callers_from_elsewhere_need_no_password(site):
    bob = site.phone("bob", signed_in=True)
    stranger = site.phone("stranger", domain="elsewhere.example", subscribe=False)
    invite = stranger.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    hang_up(answer(stranger, bob, invite, incoming)[0], bob)


# ---- WITH_IPAUTH ----
@sites("WITH_AUTH", "WITH_IPAUTH")
def test_listed_address_needs_no_password_for_calls(site):
    bob = site.phone("bob", signed_in=True)
    gateway = site.phone("gateway", subscribe=False, host=GATEWAY_HOST)
    invite = gateway.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    hang_up(answer(gateway, bob, invite, incoming)[0], bob)
    gateway.sign_in((401,))
    other = site.phone("other", subscribe=False, host=OTHER_GROUP_HOST)
    other.expect_reply(PASSWORD_ASKED, other.invite(bob.aor))


@sites("WITH_AUTH", "WITH_IPAUTH")
def test_addresses_are_read_again(site):
    host = "127.66.12.3"
    bob = site.phone("bob", signed_in=True)
    late = site.phone("late", subscribe=False, host=host)
    late.expect_reply(PASSWORD_ASKED, late.invite(bob.aor))
    site.tables.add("address", grp=1, ip_addr=host)
    try:
        # The peer refuses to do it again within five seconds of the start.
        site.server.rpc("permissions.addressReload")
        invite = late.invite(bob.aor)
        bob.reply(bob.expect_request("INVITE"), 486)
        late.expect_reply(486, invite)
    finally:
        site.tables.sql("DELETE FROM address WHERE ip_addr = '%s'" % host)


# ---- WITH_ALIASDB, WITH_SPEEDDIAL, WITH_MULTIDOMAIN ----
@sites("WITH_ALIASDB")
def test_alias_rings_its_owner(site):
    alice, bob = site.phone("alice"), site.phone("bob", signed_in=True)
    site.tables.add("dbaliases", alias_username="other-" + bob.user, alias_domain=HOME, username=bob.user,
                    domain=HOME)
    incoming = call(alice, bob, "sip:other-%s@%s" % (bob.user, HOME))
    assert incoming.uri == bob.contact.strip("<>")


@sites("WITH_SPEEDDIAL")
def test_short_number_is_the_callers_own(site):
    alice, bob, carol = site.phone("alice"), site.phone("bob", signed_in=True), site.phone("carol")
    site.tables.add("speed_dial", username=alice.user, domain=HOME, sd_username="42", sd_domain=HOME,
                    new_uri=bob.aor)
    call(alice, bob, "sip:42@" + HOME)
    carol.transact(carol.request("INVITE", "sip:42@" + HOME, body=carol.sdp()), (404,))
    alice.transact(alice.request("INVITE", "sip:43@" + HOME, body=alice.sdp()), (404,))


@sites("WITH_MULTIDOMAIN")
def test_users_of_two_domains_are_two_users(site):
    one, other = (site.phone("same", domain=name) for name in DOMAINS)
    if site.has("WITH_AUTH"):
        site.tables.add_subscriber(one.user, DOMAINS[1], "of-the-other")
    other.user = other.login = one.user
    other.password = "of-the-other"
    one.sign_in()
    other.sign_in()
    alice = site.phone("alice", domain=DOMAINS[0])
    for target in (one, other):
        incoming = call(alice, target)
        assert incoming.uri == target.contact.strip("<>")
    stranger = site.phone("stranger", domain="third.example", subscribe=False)
    stranger.expect_reply(403, stranger.invite("sip:%s@third.example" % one.user))


@sites("WITH_MULTIDOMAIN", "WITH_AUTH")
def test_password_is_that_of_the_domain(site):
    one = site.phone("one", domain=DOMAINS[0])
    one.domain = DOMAINS[1]
    one.sign_in((401,))
    one.domain = DOMAINS[0]
    one.sign_in((200,))


@sites("WITH_MULTIDOMAIN")
def test_domains_are_read_again(site):
    name = "late-%s.example" % site.tables.engine
    late = site.phone("late", domain=name)
    late.sign_in((200, 403))
    site.tables.add("domain", domain=name)
    try:
        site.server.rpc("domain.reload")
        late.sign_in()
        call(site.phone("alice", domain=DOMAINS[0]), late)
    finally:
        site.tables.sql("DELETE FROM domain WHERE domain = '%s'" % name)


# ---- WITH_JSONRPC ----
@pytest.fixture
def web(site):
    connection = http.client.HTTPConnection(*site.server.address, timeout=8)
    yield connection
    connection.close()


@sites("WITH_JSONRPC")
def test_commands_over_http(site, web):
    question = {"jsonrpc": "2.0", "method": "core.echo", "params": ["one", "two"], "id": 7}
    web.request("POST", "/RPC", json.dumps(question), {"Content-Type": "application/json"})
    reply = web.getresponse()
    assert reply.status == 200
    assert json.loads(reply.read()) == {"jsonrpc": "2.0", "result": ["one", "two"], "id": 7}


@sites("WITH_JSONRPC")
def test_other_pages_are_not_there(site, web):
    web.request("GET", "/somewhere")
    reply = web.getresponse()
    assert reply.status == 200 and b"Wrong URL /somewhere" in reply.read()


@sites("WITH_JSONRPC")
def test_http_from_elsewhere_is_forbidden(site):
    web = http.client.HTTPConnection(*site.server.address, timeout=8, source_address=(GATEWAY_HOST, 0))
    web.request("POST", "/RPC", "{}")
    reply = web.getresponse()
    assert reply.status == 403 and GATEWAY_HOST.encode() in reply.read()
    web.close()


# ---- WITH_VOICEMAIL, WITH_PSTN ----
@sites("WITH_VOICEMAIL")
def test_voice_mail_takes_calls(site):
    alice, bob = site.phone("alice"), site.phone("bob")
    mailbox = site.phone("mailbox", subscribe=False)
    site.set("voicemail", srv_ip=mailbox.address[0], srv_port=str(mailbox.address[1]))
    try:
        offline = call(alice, mailbox, bob.aor)
        assert offline.uri == "sip:%s@%s" % (bob.user, mailbox.host_port)
        bob.sign_in()
        invite, incoming = ring(alice, bob)
        bob.reply(incoming, 486)
        busy = mailbox.expect_request("INVITE")
        assert busy.uri == "sip:%s@%s" % (bob.user, mailbox.host_port)
        hang_up(answer(alice, mailbox, invite, busy)[0], mailbox)
        subscribe = alice.request("SUBSCRIBE", bob.aor, headers=[("Event", "message-summary"), ("Expires", "60")])
        alice.send(subscribe)
        if site.has("WITH_AUTH"):
            subscribe = alice.send(alice.repeat(subscribe, alice.expect_reply(407, subscribe)))
        incoming = mailbox.expect_request("SUBSCRIBE")
        assert incoming.uri == "sip:%s@%s" % (bob.user, mailbox.host_port)
        mailbox.reply(incoming, 202)
        alice.expect_reply(202, subscribe)
    finally:
        site.set("voicemail", srv_ip="", srv_port="5060")


@sites("WITH_PSTN")
def test_numbers_go_to_the_gateway(site):
    alice = site.phone("alice")
    gateway = site.phone("gateway", subscribe=False)
    site.set("pstn", gw_ip=gateway.address[0], gw_port=str(gateway.address[1]))
    try:
        for dialled in ("+49301234567", "0049301234567"):
            incoming = call(alice, gateway, "sip:%s@%s" % (dialled, HOME))
            assert incoming.uri == "sip:+49301234567@" + gateway.host_port
        alice.transact(alice.request("INVITE", "sip:030@" + HOME, body=alice.sdp()), (404,))
        stranger = site.phone("stranger", domain="elsewhere.example", subscribe=False)
        stranger.expect_reply(403, stranger.invite("sip:+49301234567@" + HOME))
    finally:
        site.set("pstn", gw_ip="", gw_port="")


# ---- WITH_BLOCK3XX, WITH_BLOCK401407 ----
def refused(site, status, headers=()):
    """What the caller gets when the callee answers so."""
    alice, bob = site.phone("alice"), site.phone("bob", signed_in=True)
    invite, incoming = ring(alice, bob)
    bob.reply(incoming, status, headers=headers)
    return alice.expect_reply(range(200, 700), invite).status


MOVED = [("Contact", "<sip:further@127.0.0.1:9>")]
CHALLENGE = [("WWW-Authenticate", 'Digest realm="other", nonce="x"'),
             ("Proxy-Authenticate", 'Digest realm="other", nonce="x"')]


@sites("WITH_BLOCK3XX")
def test_redirection_is_hidden(site):
    assert refused(site, 302, MOVED) == 404
    assert refused(site, 305, MOVED) == 404
    assert refused(site, 603) == 603


@sites("WITH_BLOCK401407")
def test_challenge_is_hidden(site):
    assert refused(site, 401, CHALLENGE) == 404
    assert refused(site, 407, CHALLENGE) == 404
    assert refused(site, 403) == 403


@sites(rows=[("mariadb", "WITH_MYSQL"), ("mariadb", "WITH_AUTH")])
def test_redirection_and_challenge_pass_otherwise(site):
    assert refused(site, 302, MOVED) == 302
    assert refused(site, 407, CHALLENGE) == 407


# ---- WITH_USRLOCDB ----
@pytest.mark.parametrize("engine", ENGINES)
def test_registrations_survive_a_restart(program, databases, engine):
    if program == "kamailio" and engine == "sqlite":
        pytest.skip(SQLITE_OF_THE_PEER)
    site = Site(program, databases(engine), switches_of("all"))
    try:
        alice, bob = site.phone("alice"), site.phone("bob", signed_in=True)
        site.server.process.terminate()
        assert site.server.process.wait(30) == 0
        rows = site.tables.sql("SELECT username, contact FROM location WHERE username = '%s'" % bob.user)
        assert [list(row) for row in rows] == [[bob.user, bob.contact.strip("<>")]]
        site.server.start()
        assert call(alice, bob).uri == bob.contact.strip("<>")
        bob.sign_in(expires=0)
    finally:
        site.close_phones()
        site.server.stop()


# ---- the database is away ----
class Alone:
    """Gives a database server that nobody else uses, where a fixture would give the shared one."""

    def __init__(self, server):
        self.server = server

    def getfixturevalue(self, _engine):
        return self.server


@pytest.mark.viaduct_only("the peer writes no rows afterwards")
@pytest.mark.parametrize("engine, kind", [("mariadb", MariaDb), ("postgres", Postgres)])
def test_what_needs_no_database_goes_on_without_it(program, engine, kind, tmp_path):
    """Who needs a password is asked for it again, as auth_check() does when it cannot look; bindings in memory,
    domains and addresses serve calls from elsewhere; what happened is written when the database is back."""
    if not kind.is_there():
        pytest.skip("it is not there")
    database = kind()
    site = Site(program, make_tables(engine, Alone(database), tmp_path), switches_of("all"))
    site.server.allow("database", "mysql", "postgres", "connection", "alias_db", "auth_db", "speeddial")
    try:
        alice, bob = site.phone("alice"), site.phone("bob", signed_in=True)
        stranger = site.phone("stranger", domain="elsewhere.example", subscribe=False)
        call(alice, bob)
        wait_for_rows(site, "acc", 2)
        database.stop()
        for _ in range(3):
            assert stranger.transact(stranger.request("OPTIONS", "sip:" + HOME), (200,))
            invite = stranger.invite(bob.aor)
            hang_up(answer(stranger, bob, invite, bob.expect_request("INVITE"))[0], bob)
            alice.transact(alice.request("INVITE", bob.aor, body=alice.sdp()), (407,))
            bob.sign_in((401,))
            gateway = site.phone("gateway", subscribe=False, host=GATEWAY_HOST)
            gateway.expect_reply(486, refused_by(bob, gateway.invite(bob.aor)))
        assert not bob.inbox
        database.start()
        site.server.wait_log("is back after", 30)
        bob.sign_in()
        call(alice, bob)
        wait_for_rows(site, "acc", 2 + 3 * 2 + 2)
        wait_for_rows(site, "missed_calls", 3)
        assert len(rows(site, "acc")) == 10 and len(rows(site, "missed_calls")) == 3
    finally:
        site.close_phones()
        site.server.stop()
        database.close()


def refused_by(callee, invite):
    callee.reply(callee.expect_request("INVITE"), 486)
    callee.expect_request("ACK")
    return invite


# ---- WITH_ACCDB: the same rows as the peer writes ----
COLUMNS = "method, from_tag, to_tag, callid, sip_code, sip_reason, src_user, src_domain, src_ip, dst_ouser, dst_user, dst_domain"
DRIVERS = {"mariadb": "db_mysql.so", "postgres": "db_postgres.so", "sqlite": "db_sqlite.so"}


def rows(site, table):
    return [list(map(str, row)) for row in site.tables.sql("SELECT %s FROM %s" % (COLUMNS, table))]


def wait_for_rows(site, table, count):
    deadline = time.monotonic() + 20
    while len(rows(site, table)) < count:
        assert time.monotonic() < deadline, (count, rows(site, table), site.server.log())
        time.sleep(0.02)


def refuse(caller, callee, status, uri=None):
    invite, incoming = ring(caller, callee, uri)
    callee.reply(incoming, status)
    callee.expect_request("ACK")
    caller.expect_reply(status, invite)


def cancelled(caller, callee):
    invite, incoming = ring(caller, callee)
    callee.reply(incoming, 180)
    caller.expect_reply(180, invite)
    cancel = caller.cancel(invite)
    caller.expect_reply(200, cancel)
    callee.reply(callee.expect_request("CANCEL"), 200)
    callee.reply(incoming, 487)
    callee.expect_request("ACK")
    caller.expect_reply(487, invite)


def traffic(site):
    """Calls of every kind; the tables of accounting are complete when it returns."""
    def phone(name, **kwargs):
        made = site.phone(name, prefix="accounting-" + name, user=name, **kwargs)
        site.tables.add("dbaliases", alias_username="other-" + name, alias_domain=HOME, username=name,
                        domain=HOME)
        return made
    alice, bob, carol = phone("alice"), phone("o'brien"), phone("carol")
    bob.sign_in()
    carol.sign_in()
    call(alice, bob)                                        # INVITE and BYE
    call(alice, bob, "sip:other-o'brien@" + HOME)           # to a name of his
    wait_for_rows(site, "acc", 4)
    refuse(alice, bob, 486)
    wait_for_rows(site, "missed_calls", 1)
    refuse(alice, bob, 603, "sip:other-o'brien@" + HOME)
    wait_for_rows(site, "missed_calls", 2)
    cancelled(alice, carol)
    wait_for_rows(site, "missed_calls", 3)
    invite, incoming = ring(alice, bob)
    hang_up(answer(alice, bob, invite, incoming)[0], bob, 481)      # a BYE that fails is written too
    wait_for_rows(site, "acc", 6)
    alice.transact(alice.request("INVITE", "sip:nobody@" + HOME, body=alice.sdp()), (404,))
    call(bob, alice_at(site, alice))                        # the callee of before calls
    wait_for_rows(site, "acc", 8)


def alice_at(site, alice):
    alice.sign_in()
    return alice


@pytest.mark.compare
@pytest.mark.parametrize("engine", ["mariadb", "postgres"])
def test_accounting_is_that_of_the_peer(program, engine, request, tmp_path):
    peer = find_program("kamailio")
    if not peer or not os.path.exists(os.path.join(peer[1], DRIVERS[engine])):
        pytest.skip("Debian's kamailio with %s is not installed" % DRIVERS[engine])
    written = {}
    for name in ("viaduct", "kamailio"):
        site = Site(name, make_tables(engine, request, tmp_path), switches_of("all"))
        try:
            traffic(site)
        finally:
            site.close_phones()
            site.server.stop()
        written[name] = {table: sorted(rows(site, table)) for table in ("acc", "missed_calls")}
    assert len(written["kamailio"]["acc"]) == 8 and len(written["kamailio"]["missed_calls"]) == 3
    assert written["viaduct"] == written["kamailio"]
