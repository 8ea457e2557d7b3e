# SPDX-License-Identifier: BSD-2-Clause
"""Tables of one engine for one test: the URL for the configuration, and SQL beside the server."""
import os
import sqlite3
import time

from sipua.databases import sqlite_create

ENGINES = ["sqlite", "mariadb", "postgres"]


class Sqlite:
    driver = "db_sqlite"
    time = "julianday('%s')"  # as the peer's driver keeps times

    def __init__(self, path, *groups):
        self.path = os.path.join(path, "test.sqlite")
        self.url = sqlite_create(self.path, *groups)

    def sql(self, text):
        with sqlite3.connect(self.path, timeout=10) as connection:
            return [list(row) for row in connection.execute(text)]


class Served:
    """A database of one of the two servers."""
    time = "'%s'"

    def __init__(self, server, name, *groups):
        self.server, self.name = server, name
        self.driver = {"mysql": "db_mysql", "postgres": "db_postgres"}[server.scheme]
        self.url = server.create_tables(name, *groups)

    def sql(self, text):
        return self.server.sql(self.name, text)


def engine_tables(request, path, name, *groups):
    """For a fixture with ENGINES as parameters."""
    if request.param == "sqlite":
        return Sqlite(str(path), *groups)
    return Served(request.getfixturevalue(request.param), name, *groups)


def wait_for(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)
