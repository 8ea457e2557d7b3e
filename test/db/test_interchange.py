# SPDX-License-Identifier: BSD-2-Clause
"""A database made by Debian's kamdbctl is used by our server as it is, and one made by our kamdbctl is
used by Debian's kamailio: each module of the configuration finds its tables and what is in them."""
import sqlite3

import pytest

from settings import START, head
from sipua.databases import PASSWORD
from sipua.digest import answer_challenge
from sipua.kamdbctl import KAMDBCTL, Tool, run_kamdbctl
from sipua.server import Server, find_program, stop_all
from subscribers import quoted
from tables import wait_for

MODULES = ("auth", "auth_db", "alias_db", "speeddial", "domain", "group", "uri_db", "avpops",
           "sqlops", "permissions", "htable", "acc")
WITH_URL = ("auth_db", "alias_db", "speeddial", "domain", "group", "uri_db", "avpops",
            "permissions", "usrloc", "htable", "acc")
DRIVERS = {"SQLITE": "db_sqlite", "MYSQL": "db_mysql", "PGSQL": "db_postgres"}
ROUTE = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		if (!www_authenticate("example.org", "subscriber")) {
			www_challenge("example.org", "0");
			exit;
		}
		if (!check_to()) {
			sl_send_reply("403", "Not Yours");
			exit;
		}
		save("location");
		exit;
	}
	$var(alias) = 0; $var(trusted) = 0; $var(dial) = 0; $var(local) = 0; $var(group) = 0; $var(exists) = 0;
	$var(address) = 0; $var(loaded) = 0; $var(contact) = 0; $var(asked) = 0;
	if (does_uri_exist()) $var(exists) = 1;
	if (is_uri_host_local()) $var(local) = 1;
	if (is_user_in("Request-URI", "ld")) $var(group) = 1;
	if (avp_db_load("$ru", "$avp(color)")) $var(loaded) = 1;
	if (allow_address("3", "10.1.2.3", "5060")) $var(address) = 1;
	if (allow_trusted("10.9.8.7", "udp", "sip:alice@example.org")) $var(trusted) = 1;
	acc_db_request("200 Accounted", "acc");
	acc_db_request("486 Missed", "missed_calls");
	if (sql_query("own", "SELECT username FROM subscriber", "ra")) $var(asked) = $dbr(ra=>rows);
	$var(uri) = $ru;
	$ru = "sip:100@example.org";
	if (alias_db_lookup("dbaliases")) $var(alias) = $rU;
	$ru = "sip:22@example.org";
	if (sd_lookup("speed_dial")) $var(dial) = $rU;
	$ru = $var(uri);
	if (lookup("location")) $var(contact) = 1;
	append_to_reply("X-Found: $var(exists) $var(local) $var(group) $var(loaded) $avp(color) $var(address)\\r\\n");
	append_to_reply("X-Also: $var(asked) $var(alias) $var(dial) $var(contact) $sht(settings=>greeting) $var(trusted)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
CONTENT = [
    ("subscriber", dict(username="alice", domain="example.org", password="secret", ha1="", ha1b="")),
    ("dbaliases", dict(alias_username="100", alias_domain="example.org", username="alice",
                       domain="example.org")),
    ("speed_dial", dict(username="alice", domain="example.org", sd_username="22",
                        sd_domain="example.org", new_uri="sip:bob@example.org")),
    ("domain", dict(domain="example.org", did="one")),
    ("grp", dict(username="alice", domain="example.org", grp="ld")),
    ("usr_preferences", dict(username="alice", domain="example.org", attribute="color", type=0,
                             value="red")),
    ("address", dict(grp=3, ip_addr="10.1.0.0", mask=16, port=0, tag="net")),
    ("trusted", dict(src_ip="10.9.8.7", proto="any", from_pattern="^sip:alice@.*", tag="peer")),
    ("uri", dict(username="alice", domain="example.org", uri_user="alice")),
    ("htable", dict(key_name="greeting", key_type=0, value_type=0, key_value="hello", expires=0)),
]


def config(engine, url):
    values = {name + "__db_url": '"%s"' % url for name in WITH_URL}
    values.update(sqlops__sqlcon='"own=>%s"' % url, avpops__avp_table='"usr_preferences"',
                  uri_db__db_table='"uri"', uri_db__use_uri_table=1,
                  auth_db__calculate_ha1=1, auth_db__password_column='"password"',
                  usrloc__db_mode=1, htable__htable='"settings=>size=4;dbtable=htable;"')
    return head(DRIVERS[engine], *MODULES, **values) + ROUTE


class Site:
    """A database and how the tests reach it."""

    def __init__(self, request, engine, tmp_path, name):
        self.engine = engine
        if engine == "SQLITE":
            self.path = tmp_path / "data" / "sip.db"
            self.path.parent.mkdir(mode=0o777)
            self.url = "sqlite:///%s" % self.path
        else:
            self.server = request.getfixturevalue("mariadb" if engine == "MYSQL" else "postgres")
            self.name = name
            self.url = self.server.url(name)

    def sql(self, text):
        if self.engine != "SQLITE":
            return self.server.sql(self.name, text)
        with sqlite3.connect(self.path) as connection:
            return connection.execute(text).fetchall()

    def fill(self):
        for table, columns in CONTENT:
            self.sql("INSERT INTO %s (%s) VALUES (%s)" % (
                table, ", ".join(columns), ", ".join(quoted(value) for value in columns.values())))
        if self.engine == "SQLITE":
            self.path.chmod(0o666)
            self.path.parent.chmod(0o777)

    def used_by(self, agent, server):
        """Every module finds what is in its table; the location is written."""
        alice = agent("alice", server=server)
        headers = []
        for status in (401, 200):
            request = alice.request("REGISTER", "sip:example.org", to="<sip:alice@example.org>",
                                    from_="<sip:alice@example.org>;tag=%s" % alice.unique("t"),
                                    headers=headers + [("Contact", alice.contact), ("Expires", "60")])
            alice.send(request)
            reply = alice.expect_reply(status, request)
            if status == 401:
                headers = [("Authorization", answer_challenge(
                    reply["WWW-Authenticate"], "REGISTER", "sip:example.org", "alice", "secret"))]
        # With a To tag: the peer's driver for SQLite makes NULL of an empty text, which acc does not take.
        request = alice.request("MESSAGE", "sip:alice@example.org", to="<sip:alice@example.org>;tag=2",
                                from_="<sip:alice@example.org>;tag=1")
        alice.send(request, server.address)
        reply = alice.expect_reply(200, request)
        assert reply["X-Found"] == "1 1 1 1 red 1"
        assert reply["X-Also"] == "1 alice bob 1 hello 1"
        assert [list(row) for row in self.sql("SELECT username FROM location")] == [["alice"]]
        for table, row in (("acc", ["MESSAGE", "200", "Accounted"]), ("missed_calls", ["MESSAGE", "486", "Missed"])):
            wait_for(lambda: [list(found) for found in self.sql(
                "SELECT method, sip_code, sip_reason FROM %s WHERE callid = '%s' AND to_tag = '2'"
                % (table, request.call_id))] == [row], server.log)


@pytest.fixture
def start():
    running = []

    def start(text, program):
        running.append(Server(text, program))
        running[-1].allow("outbound", "hash_table")
        return running[-1]
    yield start
    stop_all(running)


@pytest.mark.compare
@pytest.mark.skipif(not KAMDBCTL, reason="Debian's kamdbctl is not there")
@pytest.mark.parametrize("engine", [  # that of Debian takes its time with servers
    "SQLITE", pytest.param("MYSQL", marks=pytest.mark.slow), pytest.param("PGSQL", marks=pytest.mark.slow)])
def test_our_server_uses_a_database_of_debians_kamdbctl(request, agent, start, tmp_path, engine):
    site = Site(request, engine, tmp_path, "theirs")
    if engine == "SQLITE":
        run_kamdbctl(tmp_path / "home", engine, path=str(site.path))
    else:
        site.server.forget("theirs")
        host, port = site.server.address
        run_kamdbctl(tmp_path / "home", engine, host, port, user=site.server.root)
    site.fill()
    site.used_by(agent, start(config(engine, site.url), "viaduct"))


@pytest.mark.compare
@pytest.mark.skipif(not find_program("kamailio"), reason="Debian's kamailio is not there")
@pytest.mark.parametrize("engine", list(DRIVERS))
def test_debians_kamailio_uses_a_database_of_our_kamdbctl(request, agent, start, tmp_path, engine):
    site = Site(request, engine, tmp_path, "ours_for_them")
    if engine == "SQLITE":
        tool = Tool(str(tmp_path), engine, DB_PATH=str(site.path))
    else:
        host, port = site.server.address
        tool = Tool(str(tmp_path), engine, DBHOST=host, DBPORT=port, DBNAME=site.name,
                    DBROOTUSER=site.server.root, DBROOTPW=PASSWORD, DBRWUSER="for_them_rw",
                    DBRWPW="a", DBROUSER="for_them_ro", DBROPW="b", DBACCESSHOST="%")
    tool.db("create")
    site.fill()
    site.used_by(agent, start(config(engine, site.url), "kamailio"))
