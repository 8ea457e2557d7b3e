# SPDX-License-Identifier: BSD-2-Clause
"""kamdbctl and kamctl on the three engines: the same commands, the same results; no text that is given
ever becomes part of a statement."""
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from xml.etree import ElementTree

import pytest
from sipua.databases import PASSWORD
from sipua.kamdbctl import Tool

NASTY = ["o'brien", 'quo"te', "semi;colon", "$(touch ran)", "back`tick", "a b", "x' OR '1'='1", "--drop", "ünïcode-日本",
         "per%cent", "under_score", "back\\slash"]


@pytest.fixture(scope="module", params=["SQLITE", "MYSQL", "PGSQL"])
def tool(request, tmp_path_factory):
    """A fresh database, made by `kamdbctl create`."""
    directory = str(tmp_path_factory.mktemp("tools"))
    if request.param == "SQLITE":
        made = Tool(directory, "SQLITE", DB_PATH=os.path.join(directory, "made", "sip.db"))
    else:
        server = request.getfixturevalue("mariadb" if request.param == "MYSQL" else "postgres")
        made = Tool(directory, request.param, DBHOST=server.address[0], DBPORT=server.address[1],
                    DBNAME="made by 'tools'" if request.param == "PGSQL" else "made_by_tools",
                    DBROOTUSER=server.root, DBROOTPW=PASSWORD, DBRWUSER="tool_rw", DBRWPW="rw'p@ss/w\\\\:rd",
                    DBROUSER="tool_ro", DBROPW="ro%pass", DBACCESSHOST="%")
    made.db("create")
    yield made
    if request.param != "SQLITE":
        made.db("revoke")
    made.db("drop")
    assert "no database" in made.db("drop", code=1)


def hash_of(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def test_a_second_create_is_refused(tool):
    assert "exists already" in tool.db("create", code=1)


def test_the_file_alone_is_the_database(tool, tmp_path):
    """Nothing is left in a log beside it: a copy of the file is whole."""
    if tool.settings["DBENGINE"] != "SQLITE":
        pytest.skip("servers have no file to copy")
    tool.ctl("add", "copied", "x")
    copy = tmp_path / "copy.db"
    shutil.copy(tool.settings["DB_PATH"], copy)
    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*) FROM subscriber WHERE username = 'copied'").fetchone() == (1,)
    tool.ctl("rm", "copied")


def test_versions_are_those_that_modules_want(tool):
    versions = {row["table"]: (row["wanted"], row["there"]) for row in json.loads(tool.db("--json", "version"))}
    assert versions["subscriber"] == (7, 7) and versions["location"][0] == versions["location"][1]
    assert versions["htable"][1] and versions["presentity"][1] is None


@pytest.mark.parametrize("name", ["alice"] + NASTY)
def test_subscribers(tool, name):
    tool.ctl("add", name, "pass'w\"ord;$(id)")
    assert "already exists" in tool.ctl("add", name, "x", code=1)
    (row,) = tool.rows("show", name)
    assert row["username"] == name and row["domain"] == "example.org" and row["password"] == "pass'w\"ord;$(id)"
    assert row["ha1"] == hash_of(name, "example.org", "pass'w\"ord;$(id)")
    assert row["ha1b"] == hash_of(name + "@example.org", "example.org", "pass'w\"ord;$(id)")
    tool.ctl("passwd", name, "-", stdin="new one\n")
    assert tool.rows("show", name)[0]["ha1"] == hash_of(name, "example.org", "new one")
    tool.ctl("alias_db", "add", "also-" + name, name)
    tool.ctl("rm", name)
    assert tool.rows("show", name) == [] and tool.rows("alias_db", "show", "also-" + name) == []
    assert "non-existent user" in tool.ctl("passwd", name, "x", code=1)


@pytest.mark.parametrize("length", [64, 65, 255, 256, 3000])
def test_long_names_are_stored_whole_or_refused(tool, length):
    name = "n" * length
    fits = length <= 64 or tool.settings["DBENGINE"] == "SQLITE"     # which does not mind lengths
    said = tool.ctl("add", name, "secret", code=0 if fits else 1)
    assert fits or "refused" in said
    users = [row["username"] for row in tool.rows("db", "show", "subscriber") if set(row["username"]) == {"n"}]
    assert users == ([name] if fits else [])
    tool.ctl("passwd", name, "x", code=0 if fits else 1)
    tool.ctl("rm", name, code=0 if fits else 1)


def test_a_password_is_never_taken_in_part(tool):
    tool.ctl("add", "carol", "first")
    for wrong in ("a\0b\n", "\0\n", "x" * 1025 + "\n"):
        assert "no zero byte" in tool.ctl("passwd", "carol", "-", code=3, stdin=wrong)
    assert tool.rows("show", "carol")[0]["ha1"] == hash_of("carol", "example.org", "first")
    longest = "ü'\"%s; " * 8                    # 64 characters, as many as the column has
    tool.ctl("passwd", "carol", "-", stdin=longest + "\r\n")
    row = tool.rows("show", "carol")[0]
    assert row["password"] == longest and row["ha1"] == hash_of("carol", "example.org", longest)
    fits = tool.settings["DBENGINE"] == "SQLITE"
    tool.ctl("passwd", "carol", "-", stdin="y" * 300, code=0 if fits else 1)
    tool.run("kamctl", "--set", "STORE_PLAINTEXT_PW=0", "passwd", "carol", "-", stdin="y" * 1024)
    assert tool.rows("show", "carol")[0]["ha1"] == hash_of("carol", "example.org", "y" * 1024)
    tool.ctl("rm", "carol")


def test_password_need_not_be_stored(tool):
    tool.ctl("--set", "STORE_PLAINTEXT_PW=0", "add", "hashed", "secret")
    (row,) = tool.rows("show", "hashed")
    assert row["password"] == "" and row["ha1"] == hash_of("hashed", "example.org", "secret")
    tool.ctl("rm", "hashed")


def test_columns_are_set(tool):
    tool.ctl("add", "carol@other.net", "x")
    tool.ctl("sets", "carol@other.net", "password", "it's")
    assert tool.rows("show", "carol@other.net")[0]["password"] == "it's"
    assert "no number" in tool.ctl("setn", "carol@other.net", "id", "many", code=3)
    assert "attribute change failed" in tool.ctl("sets", "carol@other.net", "nowhere; DROP TABLE version", "1", code=1)
    tool.ctl("rm", "carol@other.net")


def test_groups(tool):
    tool.ctl("add", "dave", "x")
    tool.ctl("acl", "grant", "dave", "ld", "int")
    assert sorted(row["grp"] for row in tool.rows("acl", "show", "dave")) == ["int", "ld"]
    assert "Invalid privilege" in tool.ctl("acl", "grant", "dave", "secret-club", code=1)
    tool.ctl("acl", "revoke", "dave", "ld")
    assert [row["grp"] for row in tool.rows("acl", "show", "dave")] == ["int"]
    tool.ctl("acl", "revoke", "dave")
    tool.ctl("rm", "dave")


def test_addresses(tool):
    tool.ctl("address", "add", "1", "10.0.0.1")
    tool.ctl("address", "add", "2", "2001:db8::", "32", "5060", "it's a tag")
    assert [(row["grp"], row["ip_addr"], row["mask"], row["port"], row["tag"]) for row in tool.rows("address", "show")] == \
        [(1, "10.0.0.1", 32, 0, ""), (2, "2001:db8::", 32, 5060, "it's a tag")]
    tool.ctl("address", "rm", "1", "10.0.0.1")
    assert "nothing removed" in tool.ctl("address", "rm", "1", "10.0.0.1", code=1)
    tool.ctl("address", "rm", "2", "2001:db8::")


def test_other_tables(tool):
    tool.ctl("trusted", "add", "192.0.2.1", "udp", "^sip:.*'", "tag")
    assert "already in trusted" in tool.ctl("trusted", "add", "192.0.2.1", "udp", code=1)
    assert tool.rows("trusted", "show")[0]["from_pattern"] == "^sip:.*'"
    tool.ctl("trusted", "rm", "192.0.2.1")
    tool.ctl("domain", "add", "one.example", "did")
    assert tool.rows("domain", "showdb")[0]["did"] == "did"
    tool.ctl("domain", "rm", "one.example")
    tool.ctl("dispatcher", "add", "1", "sip:192.0.2.1:5070", "1", "5", "weight=50", "gw 'one'")
    (row,) = tool.rows("dispatcher", "show")
    assert (row["setid"], row["flags"], row["priority"], row["description"]) == (1, 1, 5, "gw 'one'")
    tool.ctl("dispatcher", "rm", str(row["id"]))
    tool.ctl("dialplan", "addrule", "1", "1", "1", "^00(.*)$", "0", "^00(.*)$", "\\1", "it's")
    assert tool.rows("dialplan", "show", "1")[0]["repl_exp"] == "\\1"
    tool.ctl("dialplan", "rmdpid", "1")
    tool.ctl("mtree", "add", "mtree", "49", "germany")
    assert tool.rows("mtree", "show", "mtree")[0]["tvalue"] == "germany"
    tool.ctl("mtree", "rm", "mtree", "49")


# A row comes, is shown with the texts as they were given, is not taken twice where that would be a mistake,
# and goes: N is a name, T a text. Command that adds, that shows, columns that hold N and T, that removes.
FAMILIES = [
    ("alias_db add N@example.org alice", "alias_db show N", {"alias_username": "N"}, "alias_db rm N"),
    ("alias_db add N@other.net N", "alias_db list N", {"alias_username": "N", "username": "N"},
     "alias_db rm N@other.net"),
    ("speeddial add N 7 sip:T T", "speeddial list N", {"username": "N", "new_uri": "sip:T", "description": "T"},
     "speeddial rm N 7"),
    ("acl grant N ld", "acl show N", {"username": "N", "grp": "ld"}, "acl revoke N ld"),
    ("address add 4 192.0.2.9 32 5060 T", "address show", {"tag": "T"}, "address rm 4 192.0.2.9"),
    ("trusted add 192.0.2.8 any T T", "trusted show", {"from_pattern": "T", "tag": "T"}, "trusted rm 192.0.2.8"),
    ("domain add N T", "domain showdb", {"domain": "N", "did": "T"}, "domain rm N"),
    ("dispatcher add 9 sip:192.0.2.7 0 0 T T", "dispatcher show", {"attrs": "T", "description": "T"},
     "dispatcher rmset 9"),
    ("dialplan addrule 9 1 0 T 0 T T T", "dialplan show 9",
     {"match_exp": "T", "subst_exp": "T", "repl_exp": "T", "attrs": "T"}, "dialplan rmrule 9 1"),
    ("mtree add mtree 49 T", "mtree show mtree", {"tprefix": "49", "tvalue": "T"}, "mtree rm mtree 49"),
    ("avp add N@example.org T 0 T", "avp list -a T", {"username": "N", "attribute": "T", "value": "T"},
     "avp rm -a T -v T"),
    ("avp add N T 0 T", "avp list -u N", {"uuid": "N", "value": "T"}, "avp rm -u N"),
    ("cr addcn 77 T", "db smatch carrier_name carrier T", {"carrier": "T"}, "cr rmcn 77"),
    ("cr adddn 78 T", "db smatch domain_name domain T", {"domain": "T"}, "cr rmdn 78"),
]


@pytest.mark.parametrize("name", ["o'br\"ien; DROP TABLE version", "--drop`$(touch ran)`", "ünïcode-日本 50%_\\"])
def test_nasty_names_everywhere(tool, name):
    def filled(word):
        return (name + word[1:] if word == "N" or word.startswith("N@") else name if word == "T" else
                "sip:" + name if word == "sip:T" else word)
    tool.ctl("add", name, "x")
    for adds, shows, columns, removes in FAMILIES:
        def words(command):
            return [filled(word) for word in command.split()]

        tool.ctl(*words(adds))
        rows = [row for row in tool.rows(*words(shows))
                if all(str(row[column]) == filled(value) for column, value in columns.items())]
        assert len(rows) == 1, (adds, tool.rows(*words(shows)))
        assert name in tool.ctl(*words(shows)) or "\\" in name, shows  # as a table for people, too
        tool.ctl(*words(removes))
        # The second time there is nothing to remove; acl and avp show what is left and are content.
        tool.ctl(*words(removes), code=0 if removes.startswith(("avp", "acl")) else 1)
        assert not [row for row in tool.rows(*words(shows)) if row in rows], removes
    tool.ctl("sets", name, "password", name)
    assert tool.rows("show", name)[0]["password"] == name
    tool.ctl("rm", name)
    assert not os.path.exists("ran") and len(tool.rows("db", "show", "version")) > 20


def test_routes_of_carriers(tool):
    tool.ctl("cr", "addcn", "7", "it's one")
    tool.ctl("cr", "addcarrier", "7", "49", "2", "gw.example", "0.25", "2", "pre", "suf", "0", "0", "it's")
    shown = json.loads(tool.ctl("--json", "cr", "show"))
    assert shown["carrier_name"][0]["carrier"] == "it's one" and shown["domain_name"] == []
    (route,) = shown["carrierroute"]
    assert float(route["prob"]) == 0.25 and route["description"] == "it's"
    assert "is not a number" in tool.ctl("cr", "addcarrier", "7", "49", "2", "gw.example", "0.2.5", code=3)
    tool.ctl("cr", "rmcarrier", "7", "49", "2")
    tool.ctl("cr", "rmcn", "7")
    weights = tool.rows("lcr", "eval_weights", "1", "2")
    assert [row["weight"] for row in weights] == [1, 2] and sum(row["probability"] for row in weights) == 1


def test_short_numbers_and_aliases(tool):
    tool.ctl("speeddial", "add", "alice", "11", "sip:bob@example.org", "bob's")
    (row,) = tool.rows("speeddial", "list", "alice")
    assert row["sd_username"] == "11" and row["new_uri"] == "sip:bob@example.org" and row["description"] == "bob's"
    assert tool.rows("speeddial", "show", "11") == [row]
    tool.ctl("speeddial", "rm", "alice", "11")
    assert "nothing removed" in tool.ctl("speeddial", "rm", "alice", "11", code=1)
    for wrong in ("bob", "sip:", "http://example.org", ""):
        assert "no SIP address" in tool.ctl("speeddial", "add", "alice", "11", wrong, code=3)
    tool.ctl("alias_db", "add", "boss@example.net", "alice")
    assert tool.rows("alias_db", "list", "alice")[0]["alias_username"] == "boss"
    assert "already in dbaliases" in tool.ctl("alias_db", "add", "boss@example.net", "bob", code=1)
    assert len(tool.rows("alias_db", "show", "boss@example.net")) == 1
    tool.ctl("alias_db", "rm", "boss@example.net")


def test_attributes(tool):
    tool.ctl("avp", "add", "alice@example.org", "greeting", "0", "it's me")
    tool.ctl("avp", "add", "some-uuid", "limit", "1", "5")
    assert {row["attribute"]: row["value"] for row in tool.rows("avp", "list")} == {"greeting": "it's me", "limit": "5"}
    assert [row["uuid"] for row in tool.rows("avp", "list", "-a", "limit")] == ["some-uuid"]
    assert "1 AVP" in tool.ctl("avp", "rm", "-a", "limit", "-u", "some-uuid")
    assert len(tool.rows("avp", "list", "-u", "alice@example.org", "-t", "0")) == 1
    assert tool.rows("avp", "list", "-u", "alice@example.net") == tool.rows("avp", "list", "-u", "alice") == []
    assert "1 AVP" in tool.ctl("avp", "rm", "-u", "alice@example.org", "-v", "it's me")
    for words in (["--all"], ["all"], ["-x", "1"], ["-a"]):  # nobody asked to remove everything
        assert "is wrong" in tool.ctl("avp", "rm", *words, code=3)
    assert tool.rows("avp", "list") == []


def test_raw_access(tool):
    assert tool.rows("db", "exec", "SELECT 1 AS one") == [{"one": 1}]
    assert tool.rows("db", "smatch", "version", "table_name", "location")[0]["table_name"] == "location"
    assert "no number" in tool.ctl("db", "nmatch", "version", "table_version", "x", code=3)
    assert "table_version: " in tool.ctl("db", "showg", "version")
    tool.ctl("db", "version", "add", "mine", "3")
    tool.ctl("db", "version", "update", "mine", "4")
    assert tool.rows("db", "smatch", "version", "table_name", "mine")[0]["table_version"] == 4
    assert "no version yet" in tool.ctl("db", "version", "update", "nobody's", "4", code=1)
    assert "connected to" in tool.ctl("db", "connect")


def test_reader_may_not_write(tool):
    if tool.settings["DBENGINE"] == "SQLITE":
        pytest.skip("SQLite has no users")
    assert "refused" in tool.ctl("db", "roexec", "DELETE FROM version", code=1)


def test_accounting_columns(tool):
    tool.ctl("acc", "initdb")
    assert "src_user" in tool.ctl("acc", "showdb") and tool.rows("acc", "recent", "60") == []


def test_migration_keeps_rows(tool):
    tool.ctl("address", "add", "7", "10.7.0.1")
    tool.ctl("db", "version", "update", "address", "3")
    assert "address" in tool.db("version", code=1)
    assert "version 3 is now 6" in tool.db("migrate")
    assert [row["ip_addr"] for row in tool.rows("address", "show")] == ["10.7.0.1"]
    tool.ctl("address", "add", "7", "10.7.0.2")
    tool.ctl("address", "rm", "7", "10.7.0.1")
    tool.ctl("address", "rm", "7", "10.7.0.2")
    tool.db("version")


def test_users_of_a_copy_stay(tool):
    if tool.settings["DBENGINE"] != "PGSQL":
        pytest.skip("only there users belong to all databases and have something in each")
    tool.db("copy", "second one")
    assert "stays" in tool.db("revoke")
    tool.db("drop", "second one")
    tool.db("grant")
    assert tool.rows("db", "roexec", "SELECT 1 AS one") == [{"one": 1}]


def test_the_framework_describes_every_table(tool, tmp_path):
    """Tables and columns are those of the database; the peer's file has the same four commands each."""
    done = tool.run("kamdbctl", "--set", "STARTUP_CONFIG_FILE=%s/server.cfg" % tmp_path, "pframework", "create")
    assert done[0] == 0, done
    path = tmp_path / "pi_framework_sample"
    assert path.stat().st_mode & 0o777 == 0o600         # the password of the database is in it
    root = ElementTree.parse(path).getroot()
    url = root.find("db_url").text
    assert url.startswith({"SQLITE": "sqlite://", "MYSQL": "mysql://", "PGSQL": "postgres://"}[tool.settings["DBENGINE"]])
    assert tool.settings.get("DBRWPW", "") .replace("\\\\", "\\") in url
    tables = {table.find("table_name").text: [(c.find("field").text, c.find("type").text) for c in table.iter("column")]
              for table in root.iter("db_table")}
    versions = [row["table"] for row in json.loads(tool.db("--json", "version")) if row["there"]]
    assert set(versions) <= set(tables) | {"version"} and "version" in tables and "presentity" not in tables
    assert tables["acc_cdrs"] == [("id", "DB1_INT"), ("start_time", "DB1_DATETIME"), ("end_time", "DB1_DATETIME"),
                                  ("duration", "DB1_DOUBLE")]
    assert dict(tables["silo"])["body"] == "DB1_BLOB" and dict(tables["location"])["ruid"] == "DB1_STR"
    for mod in root.iter("mod"):
        columns = [name for name, _kind in tables[mod.find("mod_name").text]]
        assert [(c.find("cmd_name").text, c.find("cmd_type").text, len(c.findall("query_cols/col")),
                 [k.text for k in c.findall("clause_cols/col/field")]) for c in mod.iter("cmd")] == [
            ("show", "DB1_QUERY", len(columns), []), ("add", "DB1_INSERT", len(columns) - 1, []),
            ("update", "DB1_UPDATE", len(columns) - 1, columns[:1]), ("delete", "DB1_DELETE", 0, columns[:1])]
    assert len(list(root.iter("mod"))) == len(tables)
    assert tool.run("kamdbctl", "pframework", "drop")[0] == 3 and tool.run("kamdbctl", "pframework")[0] == 3
    assert tool.run("kamdbctl", "--set", "STARTUP_CONFIG_FILE=/no/such/folder/x", "pframework", "create")[0] == 1


def test_backup_copy_and_groups(tool, tmp_path):
    tool.ctl("add", "keeper", "secret")
    tool.db("backup", str(tmp_path / "saved"))
    assert os.path.getsize(tmp_path / "saved") > 1000
    copy = str(tmp_path / "copy.db") if tool.settings["DBENGINE"] == "SQLITE" else "copied"
    tool.db("copy", copy)
    where = "DB_PATH=" if tool.settings["DBENGINE"] == "SQLITE" else "DBNAME="
    root = ["--set", "DBROUSER=" + tool.settings.get("DBROOTUSER", ""), "--set", "DBROPW=" + PASSWORD]
    assert json.loads(tool.ctl("--json", "--set", where + copy, *root, "show", "keeper"))[0]["username"] == "keeper"
    tool.db("drop", copy)
    tool.db("add-tables", "matrix")
    assert tool.rows("db", "show", "matrix") == []
    assert "no group" in tool.db("add-tables", "../../x", code=1)
    tool.ctl("rm", "keeper")


def test_debian_kamdbctl_database_is_used(tmp_path):
    """What Debian's tool has made is taken as it is."""
    schema = "/usr/share/kamailio/db_sqlite"
    if not os.path.isdir(schema):
        pytest.skip("kamailio-sqlite-modules is not there")
    tool = Tool(str(tmp_path), "SQLITE", DB_PATH=str(tmp_path / "debian.db"))
    with sqlite3.connect(tmp_path / "debian.db") as connection:
        for group in ["standard"] + [n[:-11] for n in os.listdir(schema) if n != "standard-create.sql"]:
            with open("%s/%s-create.sql" % (schema, group)) as source:
                connection.executescript(source.read())
    tool.db("version")
    tool.ctl("add", "alice", "secret")
    assert tool.rows("show", "alice")[0]["ha1"] == hash_of("alice", "example.org", "secret")


def test_database_that_is_away(tmp_path):
    tool = Tool(str(tmp_path), "MYSQL", DBHOST="127.0.0.1", DBPORT="1", DBRWPW="very-secret")
    text = tool.ctl("add", "alice", "x", code=2)
    assert "very-secret" not in text and "127.0.0.1" in text
