# SPDX-License-Identifier: BSD-2-Clause
"""Module htable: tables of the script, what commands show of them, the database behind them, and
what happens when items expire, are locked, or a worker dies."""
import os
import re
import sqlite3
import threading
import time

import pytest
from settings import START, head
from sipua.databases import sqlite_create
from sipua.server import RpcError
from test_journal import stop

TABLES = """
modparam("htable", "timer_interval", 1)
modparam("htable", "htable", "a=>size=4;")
modparam("htable", "htable", "short=>size=3;autoexpire=1")
modparam("htable", "htable", "long=>size=1;autoexpire=60;updateexpire=0;initval=5;")
event_route[htable:mod-init] {
	xlog("L_NOTICE", "mod-init has run\\n");
	$sht(a=>from-init) = 1;
}
event_route[htable:expired:short] {
	xlog("L_NOTICE", "expired: $shtrecord(key) is $shtrecord(value)\\n");
	$sht(a=>expired) = $shtrecord(key);
}
"""
MAIN = """
request_route {
""" + START + """
	if ($rU == "set") {
		$sht(a=>$hdr(X-Key)) = $hdr(X-Value);
	} else if ($rU == "count") {
		$var(i) = 0;
		while ($var(i) < 100) {
			sht_lock("a=>counter");
			$var(now) = $sht(a=>counter);
			$sht(a=>counter) = $var(now) + 1;
			sht_unlock("a=>counter");
			$var(n) = $shtinc(a=>sum);
			$var(i) = $var(i) + 1;
		}
	} else if ($rU == "leak") {
		sht_lock("a=>leaked");
	} else if ($rU == "walk") {
		$var(count) = 0;
		sht_iterator_start("i", "a");
		while (sht_iterator_next("i")) {
			if ($shtitkey(i) =~ "^walk-") {
				$var(count) = $var(count) + 1;
				$var(sum) = $var(sum) + $shtitval(i);
			}
		}
		sht_iterator_end("i");
		append_to_reply("X-Result: $var(count) $var(sum)\\r\\n");
	} else if ($rU == "print") {
		sht_print();
	} else if ($rU == "short") {
		$sht(short=>x) = "soon gone";
	}
	append_to_reply("X-Value: $sht(a=>$hdr(X-Key)) $sht(short=>x) $sht(long=>none)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
CONFIG = head("jsonrpcs", "htable") + "max_while_loops=1000\n" + TABLES + MAIN


def ask(agent, user, key="none", value=None, server=None):
    alice = agent("alice", server=server) if server else agent("alice")
    request = alice.request("OPTIONS", "sip:%s@%s" % (user, alice.domain))
    request.headers[-1:-1] = [["X-Key", key]] + ([["X-Value", value]] if value else [])
    alice.send(request)
    return alice.expect_reply(200, request)


def fault(server, *call):
    with pytest.raises(RpcError) as error:
        server.rpc(*call)
    details = error.value.args[0]
    return details["code"], details["message"]


# ---- what commands do: the same on both servers ---------------------------------------------------

def test_tables_are_listed(server):
    tables = server.rpc("htable.listTables")
    assert [t["name"] for t in tables] == ["long", "short", "a"]
    assert tables[0] == {"name": "long", "dbtable": "", "dbmode": 0, "expire": 60,
                         "updateexpire": 0, "size": 8, "dmqreplicate": 0}


def test_items_are_set_shown_and_deleted(server, agent):
    assert server.rpc("htable.sets", "a", "text", "abc") == "Ok. Key set to new value."
    assert server.rpc("htable.seti", "a", "number", 12) == "Ok. Key set to new value."
    assert server.rpc("htable.get", "a", "text") == {
        "item": {"name": "text", "value": "abc", "flags": 2, "expire": "NEVER"}}
    assert server.rpc("htable.get", "a", "number")["item"]["value"] == 12
    assert ask(agent, "get", "text")["X-Value"].split()[0] == "abc"
    assert server.rpc("htable.delete", "a", "text") == "Ok. Key deleted."
    assert fault(server, "htable.delete", "a", "text") == (404, "Key not found in htable.")
    assert fault(server, "htable.get", "a", "text") == (500, "Key name doesn't exist in htable.")
    assert ask(agent, "get", "text")["X-Value"].split()[0] == "<null>"


def test_expiry_is_set_and_shown(server):
    assert server.rpc("htable.setxs", "long", "x", "abc", 30) == "Ok. Key set to new value."
    assert server.rpc("htable.setxi", "long", "y", 5, 20) == "Ok. Key set to new value."
    assert server.rpc("htable.setex", "long", "y", 10) == "Ok"
    left = [time.mktime(time.strptime(server.rpc("htable.get", "long", key)["item"]["expire"],
                                      "%Y-%m-%d %H:%M:%S")) - time.time() for key in "xy"]
    assert 20 < left[0] <= 31 and 0 < left[1] <= 11
    assert server.rpc("htable.setex", "long", "none", 10) == "Ok"


def test_dump_groups_by_bucket(server):
    server.rpc("htable.flush", "long")
    assert server.rpc("htable.dump", "long") == []
    for i in range(20):
        server.rpc("htable.seti", "long", "k%d" % i, i)
    server.rpc("htable.sets", "long", "text", "abc")
    dump = server.rpc("htable.dump", "long")
    assert [e["entry"] for e in dump] == sorted({e["entry"] for e in dump})
    assert all(e["size"] == len(e["slot"]) and 0 <= e["entry"] < 8 for e in dump)
    items = {i["name"]: (i["value"], i["type"]) for e in dump for i in e["slot"]}
    assert items == {**{"k%d" % i: (i, "int") for i in range(20)}, "text": ("abc", "str")}
    stats = {t["name"]: t for t in server.rpc("htable.stats")}["long"]
    sizes = [e["size"] for e in dump]
    assert stats == {"name": "long", "slots": 8, "all": 21, "max": max(sizes),
                     "min": min(sizes) if len(sizes) == 8 else 0}
    assert server.rpc("htable.flush", "long") == "Ok. Htable flushed."
    assert server.rpc("htable.dump", "long") == []


@pytest.mark.parametrize("call, message", [
    (("htable.get", "a"), "Not enough parameters (htable name and key name)"),
    (("htable.sets", "a", "k"), "Not enough parameters (htable name, key name and value)"),
    (("htable.setex", "a", "k"), "Not enough parameters (htable name, item name and expire)"),
    (("htable.setxs", "a", "k", "v"),
     "Not enough parameters (htable name, key name, value and expire)"),
    (("htable.dump",), "No htable name given"),
    (("htable.dump", "none"), "No such htable"),
    (("htable.get", "none", "x"), "No such htable"),
    (("htable.flush", "none"), "No such htable"),
    (("htable.reload", "none"), "No htable db_url"),
    (("htable.store", "a"), "No htable db_url"),
])
def test_faults(server, call, message):
    server.allow("no more fields to scan")
    assert fault(server, *call) == (500, message)


@pytest.mark.viaduct_only("the peer makes 0 of it")
def test_number_must_be_one(server):
    assert fault(server, "htable.seti", "a", "bad", "xx")[0] == 400
    server.rpc("htable.seti", "a", "good", "17")
    assert server.rpc("htable.get", "a", "good")["item"]["value"] == 17


# ---- events, expiry -------------------------------------------------------------------------------------

def test_mod_init_ran_once(server):
    assert server.rpc("htable.get", "a", "from-init")["item"]["value"] == 1
    assert len(re.findall("mod-init has run", server.log())) == 1


def test_expired_items_are_told_and_gone(server, agent):
    assert ask(agent, "short")["X-Value"].split(" ", 1)[1].startswith("soon gone")
    server.wait_log("expired: x is soon gone")
    assert ask(agent, "get")["X-Value"] == "<null> <null> 5"
    assert server.rpc("htable.get", "a", "expired")["item"]["value"] == "x"
    assert server.rpc("htable.dump", "short") == []


# ---- iterators, locks, print ----------------------------------------------------------------------------

def test_iterator_sees_each_item_once(server, agent):
    for i in range(200):
        server.rpc("htable.seti", "a", "walk-%d" % i, i)
    assert ask(agent, "walk")["X-Result"] == "200 %d" % sum(range(200))


def test_locked_changes_are_not_lost(server, agent):
    server.rpc("htable.seti", "a", "counter", 0)
    server.rpc("htable.seti", "a", "sum", 0)
    callers = [agent("caller%d" % i) for i in range(8)]
    requests = []
    for caller in callers:
        request = caller.request("OPTIONS", "sip:count@" + caller.domain)
        caller.send(request)
        requests.append(request)
    for caller, request in zip(callers, requests):
        caller.expect_reply(200, request, timeout=20)
    assert server.rpc("htable.get", "a", "counter")["item"]["value"] == 800
    assert server.rpc("htable.get", "a", "sum")["item"]["value"] == 800


@pytest.mark.viaduct_only("the peer's worker waits for ever")
def test_forgotten_lock_is_free_again(server, agent):
    ask(agent, "leak")
    server.expect_log("locked a=>leaked and did not unlock it")
    assert ask(agent, "set", "leaked", "v")["X-Value"].split()[0] == "v"


@pytest.mark.viaduct_only("the peer's lines look different")
def test_print_writes_to_the_log(server, agent):
    server.rpc("htable.sets", "a", "printed", "abc")
    ask(agent, "print")
    server.expect_log("ERROR: htable .*: table a: .* items", 'printed = "abc"', "ERROR: htable")


@pytest.mark.viaduct_only("the peer ends with its worker")
def test_items_survive_a_worker(start_server, agent):
    server = start_server(CONFIG)
    server.allow("signal 9", "ended", "worker")
    ask(agent, "set", "kept", "v", server=server)
    for row in server.rpc("core.psx"):
        if "worker" in row["DSC"] or "receiver" in row["DSC"]:
            os.kill(row["PID"], 9)
    assert ask(agent, "get", "kept", server=server)["X-Value"].split()[0] == "v"
    assert server.rpc("htable.get", "a", "kept")["item"]["value"] == "v"
    assert len(re.findall("mod-init has run", server.log())) == 1


# ---- definitions ----------------------------------------------------------------------------------------

@pytest.mark.viaduct_only("the peer has other words")
@pytest.mark.parametrize("definition, words", [
    ("x", "expected NAME=>"),
    ("=>size=3", "the table has no name"),
    ("x=>size=a", "size needs a number"),
    ("x=>sise=3", "is none of size, autoexpire"),
    ("x=>cols='k'", "cols needs two columns"),
    ("a=>size=3", "defined before"),
])
def test_bad_definitions_are_refused(start_server, definition, words):
    with pytest.raises(AssertionError) as error:
        start_server(CONFIG + 'modparam("htable", "htable", "%s")\n' % definition)
    assert words in str(error.value) and "test.cfg:" in str(error.value)


@pytest.mark.viaduct_only("our sentence")
def test_a_table_is_told_that_replication_is_off(start_server):
    server = start_server(CONFIG + 'modparam("htable", "htable", "r=>size=3;dmqreplicate=1")\n')
    assert "has dmqreplicate, but enable_dmq is 0" in server.log()
    assert server.rpc("htable.listTables")[0]["dmqreplicate"] == 1


# ---- database -----------------------------------------------------------------------------------------------

class Database:
    def __init__(self, directory):
        self.path = os.path.join(directory, "test.sqlite")
        self.url = sqlite_create(self.path, "htable")

    def sql(self, text, *values):
        with sqlite3.connect(self.path, timeout=10) as connection:
            return connection.execute(text, values).fetchall()

    def add(self, *row):
        self.sql("INSERT INTO htable (key_name, key_type, value_type, key_value, expires)"
                 " VALUES (?, ?, ?, ?, ?)", *row)

    def config(self, *tables, **settings):
        lines = ['modparam("htable", "htable", "%s")' % table for table in tables]
        return head("jsonrpcs", "db_sqlite", "htable", htable__db_url='"%s"' % self.url,
                    **settings) + "\n".join(lines) + TABLES + MAIN


@pytest.fixture
def database(tmp_path):
    return Database(str(tmp_path))


def items(server, table):
    return {i["name"]: i["value"] for e in server.rpc("htable.dump", table) for i in e["slot"]}


def test_items_are_loaded(start_server, database):
    for row in (("key", 1, 0, "value1", 0), ("key", 1, 0, "value2", 0), ("num", 0, 1, "12", 0),
                ("str", 0, 0, "text", 0), ("arri", 1, 1, "5", 0)):
        database.add(*row)
    server = start_server(database.config("d=>size=4;dbtable=htable;"))
    wanted = {"key[0]": "value1", "key[1]": "value2", "key::size": 2, "num": 12, "str": "text",
              "arri[0]": 5, "arri::size": 1}
    assert items(server, "d") == wanted
    assert fault(server, "htable.reload", "a") == (500, "No database htable")
    assert server.rpc("htable.sets", "d", "own", "x") and server.rpc("htable.delete", "d", "num")
    database.sql("UPDATE htable SET key_value = 'new' WHERE key_name = 'str'")
    assert server.rpc("htable.reload", "d") == "Ok. Htable reloaded."
    assert items(server, "d") == {**wanted, "str": "new"}


@pytest.mark.viaduct_only("later releases of the peer have this event")
def test_reload_is_told(start_server, database):
    server = start_server(database.config("d=>size=4;dbtable=htable;") + """
event_route[htable:reloaded:d] {
	xlog("L_NOTICE", "d is new: $sht(d=>fresh)\\n");
}
""")
    database.add("fresh", 0, 0, "value", 0)
    server.rpc("htable.reload", "d")
    server.wait_log("d is new: value")


def test_columns_are_joined(start_server, database):
    database.sql("CREATE TABLE cols (k text, a text, b int, c text)")
    database.sql("INSERT INTO cols VALUES ('one', 'x', 5, NULL), ('two', NULL, NULL, 'z')")
    server = start_server(database.config("c=>size=2;dbtable=cols;cols='k,a,b,c';",
                                          "one=>size=2;dbtable=cols;cols='k,b';"))
    assert items(server, "c") == {"one": "x,5,*", "two": "*,*,z"}
    assert items(server, "one") == {"one": "5", "two": "*"}


@pytest.mark.viaduct_only("the peer empties the table")
def test_table_with_columns_is_not_written(start_server, database):
    database.sql("CREATE TABLE cols (k text, a text, b int)")
    database.sql("INSERT INTO cols VALUES ('one', 'x', 5)")
    server = start_server(database.config("c=>size=2;dbtable=cols;dbmode=1;cols='k,a,b'"))
    assert server.rpc("htable.store", "c") == "Ok. Htable successfully stored to DB."
    stop(server, "term")
    assert database.sql("SELECT * FROM cols") == [("one", "x", 5)]
    server.start()


@pytest.mark.viaduct_only("later releases of the peer have these attributes")
def test_null_and_delimiter_are_chosen(start_server, database):
    database.sql("CREATE TABLE cols (k text, a text, b int, c text)")
    database.sql("INSERT INTO cols VALUES ('one', 'x', 5, NULL)")
    server = start_server(database.config(
        "c=>size=2;dbtable=cols;cols='k,a,b,c';colnull='';coldelim=':'"))
    assert items(server, "c") == {"one": "x:5:"}


def test_stop_stores(start_server, database):
    database.add("old", 0, 0, "x", 0)
    server = start_server(database.config("d=>size=4;dbtable=htable;dbmode=1;"))
    server.rpc("htable.delete", "d", "old")
    server.rpc("htable.sets", "d", "te'xt", 'a "quoted"; -- ü')
    server.rpc("htable.seti", "d", "number", 7)
    stop(server, "term")
    rows = database.sql("SELECT key_name, key_type, value_type, key_value, expires FROM htable")
    assert sorted(rows) == [("number", 0, 1, "7", 0), ("te'xt", 0, 0, 'a "quoted"; -- ü', 0)]
    server.start()
    assert items(server, "d") == {"number": 7, "te'xt": 'a "quoted"; -- ü'}


@pytest.mark.viaduct_only("the peer does not wait for another user of the file")
def test_start_waits_for_another_user(start_server, database):
    """As at a restart, when the server before this one is just closing the file."""
    database.add("old", 0, 0, "x", 0)
    text = database.config("d=>size=4;dbtable=htable;")
    other = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(1.0, lambda: other.execute("COMMIT"))
    release.start()
    server = start_server(text)
    release.join()
    other.close()
    assert items(server, "d") == {"old": "x"}


def test_store_writes_now(start_server, database):
    server = start_server(database.config("d=>size=4;dbtable=htable;"))
    server.rpc("htable.seti", "d", "number", 7)
    assert server.rpc("htable.store", "d") == "Ok. Htable successfully stored to DB."
    assert database.sql("SELECT key_name, key_value FROM htable") == [("number", "7")]


def test_expiry_is_kept(start_server, database):
    now = int(time.time())
    database.add("past", 0, 0, "x", now - 50)
    database.add("later", 0, 0, "x", now + 500)
    server = start_server(database.config("d=>size=4;autoexpire=60;dbtable=htable;dbmode=1",
                                          htable__db_expires=1))
    assert items(server, "d") == {"later": "x"}
    server.rpc("htable.sets", "d", "fresh", "x")
    stop(server, "term")
    ends = dict(database.sql("SELECT key_name, expires FROM htable"))
    assert abs(ends["later"] - now - 500) <= 2 and 0 < ends["fresh"] - now <= 75
    server.start()
    assert set(items(server, "d")) == {"later", "fresh"}


@pytest.mark.viaduct_only("the peer empties the table first")
def test_failed_reload_changes_nothing(start_server, database):
    database.add("kept", 0, 0, "x", 0)
    server = start_server(database.config("d=>size=4;dbtable=htable;"))
    server.allow("ERROR")
    database.sql("ALTER TABLE htable RENAME TO elsewhere")
    assert fault(server, "htable.reload", "d")[0] == 500
    assert items(server, "d") == {"kept": "x"}
    database.sql("ALTER TABLE elsewhere RENAME TO htable")
    database.sql("UPDATE htable SET key_value = 'y'")
    assert server.rpc("htable.reload", "d") == "Ok. Htable reloaded."
    assert items(server, "d") == {"kept": "y"}


@pytest.mark.viaduct_only("the peer starts and complains later")
def test_missing_table_is_refused(start_server, database):
    with pytest.raises(AssertionError) as error:
        start_server(database.config("d=>size=4;dbtable=nosuch;"))
    assert "nosuch" in str(error.value)
