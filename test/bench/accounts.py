# SPDX-License-Identifier: BSD-2-Clause
"""Subscribers in databases for scenarios that authenticate: SQLite, and a MariaDB of our own, which is
started when it is needed first and ends with the run."""
import atexit
import os
import shutil
import sqlite3
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "sip"))

from sipua.databases import MariaDb, sqlite_create  # noqa: E402

USERS = 100000
PASSWORD = "secret"
GROUPS = ("auth_db", "usrloc")
CHUNK = 5000


def statements():
    """SQL that adds the users u0, u1 … and the one who calls them."""
    names = ["caller"] + ["u%d" % number for number in range(USERS)]
    for start in range(0, len(names), CHUNK):
        rows = ("('%s','bench','%s','','')" % (name, PASSWORD) for name in names[start:start + CHUNK])
        yield "INSERT INTO subscriber (username,domain,password,ha1,ha1b) VALUES %s;\n" % ",".join(rows)


class Sqlite:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="vd-bench-")
        self.path = os.path.join(self.directory, "subscribers")
        self.url = sqlite_create(self.path, *GROUPS)
        self.run(*statements())

    def run(self, *texts):
        with sqlite3.connect(self.path) as connection:
            for text in texts:
                connection.execute(text)
        connection.close()

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Maria:
    def __init__(self):
        self.server = MariaDb()
        self.url = self.server.create_tables("bench", *GROUPS)
        self.run(*statements())

    def run(self, *texts):
        self.server.sql("bench", "".join(texts))

    def close(self):
        self.server.close()


ENGINES = {"sqlite": Sqlite, "mariadb": Maria}
opened = {}


def is_there(engine):
    return engine != "mariadb" or MariaDb.is_there()


def fresh_url(engine):
    """URL of a database of that engine with all subscribers and no locations."""
    if engine not in opened:
        opened[engine] = ENGINES[engine]()
        atexit.register(opened[engine].close)
    opened[engine].run("DELETE FROM location;")
    return opened[engine].url
