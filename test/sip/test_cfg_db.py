# SPDX-License-Identifier: BSD-2-Clause
"""Module cfg_db: settings from a database, when the server starts."""
import pytest
from settings import START, head
from subscribers import Tables

ALLOWED = ["cfg"]
ROUTE = """
mine.number = 7 desc "a number"
mine.kept = 8 desc "a number that the database does not have"
request_route {
""" + START + """
	append_to_reply("X-Values: $sel(cfg_get.mine.number) $sel(cfg_get.mine.kept) $sel(cfg_get.own.text) $sel(cfg_get.own.limited) $sel(cfg_get.own.plain)\\r\\n");
	sl_send_reply("200", "Done");
}
"""
CREATE = [
    "CREATE TABLE cfg_transl (group_name VARCHAR(64), cfg_table VARCHAR(64), "
    "cfg_table_group_name_field VARCHAR(64), cfg_table_name_field VARCHAR(64), "
    "cfg_table_value_field VARCHAR(64))",
    "CREATE TABLE cfg_custom (group_name VARCHAR(64), name VARCHAR(64), value_type VARCHAR(16), "
    "min_value INTEGER, max_value INTEGER, description VARCHAR(64))",
    "CREATE TABLE cfg_var (group_name VARCHAR(64), name VARCHAR(64), value VARCHAR(64))",
    "CREATE TABLE of_tm (g VARCHAR(64), n VARCHAR(64), v INTEGER)",
    "INSERT INTO cfg_transl VALUES ('*', NULL, NULL, NULL, NULL)",
    "INSERT INTO cfg_transl VALUES ('tm', 'of_tm', 'g', 'n', 'v')",
    "INSERT INTO of_tm VALUES ('tm', 'fr_timer', 12345)",
    "INSERT INTO cfg_var VALUES ('tm', 'fr_timer', '1'), ('tm', 'fr_inv_timer', '54321'), "
    "('mine', 'number', '42'), ('own', 'text', 'it''s'), ('own', 'limited', '5'), ('tm', 'max_inv_lifetime', 'many')",
    "INSERT INTO cfg_custom VALUES ('own', 'text', 'string', NULL, NULL, 'a text'), "
    "('own', 'limited', 'int', 1, 9, 'a number'), ('own', 'plain', 'int', NULL, NULL, NULL)",
]


def make(request, engine, tmp_path, *more):
    tables = Tables(engine, request, tmp_path)
    tmp_path.chmod(0o777)
    for statement in CREATE + list(more):
        tables.sql(statement)
    return tables


def config(tables):
    return head(tables.module, "cfg_db", "cfg_rpc", "ctl", "jsonrpcs",
                cfg_db__db_url='"%s"' % tables.url) + ROUTE


def values(agent, server):
    alice = agent("alice", server=server)
    request = alice.request("OPTIONS", "sip:x@example.org")
    alice.send(request, server.address)
    return alice.expect_reply(200, request)["X-Values"]


def test_parameters_of_the_script(agent, start_server, request, tmp_path):
    """With MariaDB, because only that driver of the peer has what its cfg_db needs."""
    server = start_server(config(make(request, "mariadb", tmp_path)))
    server.allow("max_inv_lifetime")
    assert values(agent, server) == "42 8 it's 5 0"


@pytest.mark.viaduct_only("the peer does not show these settings")
@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_settings_are_those_of_the_database(agent, start_server, request, tmp_path, engine):
    server = start_server(config(make(request, engine, tmp_path)))
    server.allow("max_inv_lifetime is no number")
    assert values(agent, server) == "42 8 it's 5 0"
    assert server.rpc("cfg.get", "tm", "fr_timer") == 12345
    assert server.rpc("cfg.get", "tm", "fr_inv_timer") == 54321
    server.expect_log("max_inv_lifetime is no number")


@pytest.mark.viaduct_only("our words")
@pytest.mark.parametrize("change,words", [
    ("DROP TABLE cfg_transl", "cfg_transl"), ("DROP TABLE cfg_custom", "cfg_custom"),
    ("INSERT INTO cfg_custom VALUES ('a', 'b', 'float', NULL, NULL, NULL)", "value_type int or string")])
def test_mistakes_are_told_at_start(start_server, request, tmp_path, change, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config(make(request, "sqlite", tmp_path, change)))


@pytest.mark.viaduct_only("our words")
def test_what_is_out_of_range_is_not_taken(agent, start_server, request, tmp_path):
    server = start_server(config(make(request, "sqlite", tmp_path,
                                      "UPDATE cfg_var SET value = '10' WHERE name = 'limited'")))
    server.allow("is no number", "out of its range")
    assert values(agent, server) == "42 8 it's 0 0"


@pytest.mark.viaduct_only("our words")
def test_defaults_of_the_columns(agent, start_server, request, tmp_path):
    server = start_server(config(make(
        request, "sqlite", tmp_path, "CREATE TABLE elsewhere (a TEXT, b TEXT, c TEXT)",
        "INSERT INTO elsewhere VALUES ('mine', 'number', '43')",
        "INSERT INTO cfg_transl VALUES ('<default>', 'elsewhere', 'a', 'b', 'c')")))
    assert values(agent, server) == "43 8  0 0"
