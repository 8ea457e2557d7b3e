# SPDX-License-Identifier: BSD-2-Clause
"""The tables that etc/schema makes are those of Debian's kamdbctl, in every engine."""
import os
import re
import sqlite3
import subprocess

import pytest

from sipua.databases import schema, sqlite_create
from sipua.kamdbctl import KAMDBCTL, run_kamdbctl
from sipua.server import ROOT

PEER = pytest.mark.skipif(not KAMDBCTL, reason="Debian's kamdbctl is not there")


def groups():
    with open(os.path.join(ROOT, "etc/schema/tables.txt")) as source:
        return [line.split()[1] for line in source if line.startswith("group ")]


def by_table(rows):
    """{table: its facts}; the first element of a row is the table."""
    tables = {}
    for row in rows:
        # "DEFAULT NULL" and no default are the same.
        facts = tuple("" if re.fullmatch(r"NULL(::character varying)?|None", str(f)) else str(f)
                      for f in row[1:])
        tables.setdefault(row[0], set()).add(facts)
    return tables


def compare(ours, theirs):
    """Everything that theirs has, ours has as well, and equal."""
    ours, theirs = by_table(ours), by_table(theirs)
    assert len(theirs) > 60
    assert set(theirs) <= set(ours)
    for table in theirs:
        assert ours[table] == theirs[table], table


def test_the_files_are_what_the_definitions_say():
    done = subprocess.run([os.path.join(ROOT, "utils/make-schema"), "--check"], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout


def test_statements_end_at_the_end_of_a_line():
    for folder in ("mysql", "postgres", "db_sqlite"):
        for statement in re.split(r";\n", schema(folder, groups()))[:-1]:
            assert ";" not in statement.replace("changes belong there", "").split("--")[0]


# ---- SQLite --------------------------------------------------------------------------------------

def facts_of_sqlite(path):
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    rows = []
    for table in tables:
        for column in connection.execute("PRAGMA table_info(%s)" % table):
            rows.append((table, "column") + column)
        for index in connection.execute("PRAGMA index_list(%s)" % table).fetchall():
            names = [row[2] for row in connection.execute("PRAGMA index_info(%s)" % index[1])]
            name = "" if index[1].startswith("sqlite_autoindex") else index[1]
            rows.append((table, "index", name, index[2], names))
    rows += [(name, "version", version) for name, version in
             connection.execute("SELECT table_name, table_version FROM version")]
    connection.close()
    return rows


@PEER
def test_sqlite(tmp_path):
    run_kamdbctl(tmp_path / "home", "SQLITE", path=str(tmp_path / "theirs.db"))
    sqlite_create(tmp_path / "ours.db", *groups()[1:])
    compare(facts_of_sqlite(tmp_path / "ours.db"), facts_of_sqlite(tmp_path / "theirs.db"))


# ---- servers -------------------------------------------------------------------------------------

MYSQL_FACTS = """
SELECT table_name, 'column', ordinal_position, column_name, column_type, is_nullable, column_default, extra
FROM information_schema.columns WHERE table_schema = database();
SELECT table_name, 'index', index_name, non_unique, seq_in_index, column_name
FROM information_schema.statistics WHERE table_schema = database();
SELECT table_name, 'version', table_version FROM version;
"""
POSTGRES_FACTS = """
SELECT table_name, 'column', ordinal_position, column_name, data_type, character_maximum_length, is_nullable,
column_default FROM information_schema.columns WHERE table_schema = 'public';
SELECT tablename, 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public';
SELECT table_name, 'version', table_version FROM version;
"""


@PEER
@pytest.mark.slow
@pytest.mark.compare
def test_mariadb(mariadb, tmp_path):
    mariadb.forget("theirs")
    host, port = mariadb.address
    run_kamdbctl(tmp_path / "home", "MYSQL", host, port, user=mariadb.root)
    mariadb.create_tables("ours", *groups()[1:])
    compare(mariadb.sql("ours", MYSQL_FACTS), mariadb.sql("theirs", MYSQL_FACTS))


@PEER
@pytest.mark.slow
@pytest.mark.compare
def test_postgres(postgres, tmp_path):
    postgres.forget("theirs")
    host, port = postgres.address
    run_kamdbctl(tmp_path / "home", "PGSQL", host, port, user=postgres.root)
    postgres.create_tables("ours", *groups()[1:])
    compare(postgres.sql("ours", POSTGRES_FACTS), postgres.sql("theirs", POSTGRES_FACTS))
