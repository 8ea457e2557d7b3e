# SPDX-License-Identifier: BSD-2-Clause
"""Databases with subscribers and their kin for scenarios, on each of the engines."""
import itertools
import sqlite3

from sipua.databases import sqlite_create
from sipua.digest import hasher

ENGINES = ("sqlite", "mariadb", "postgres")
# Texts that try to be more than a name.
ATTACKS = ["' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE subscriber; --", "' UNION SELECT 'a', 'b' --", "\\' OR 1=1 --",
           '" OR ""="', "alice'--", "alice' #", "alice'/*", "%", "_lice", "a*", "\\", "'", '"', ";", "?", "$1", ":1",
           "%s%s%n", "%27%20OR%201=1", "\xbf\x27 OR 1=1 --", "l" * 65, "x" * 255, "x" * 256, "y" * 3000, "ü" * 255, "🙂"]
GROUPS = ("auth_db", "alias_db", "speeddial", "domain", "permissions", "group", "uri_db", "acc",
          "usrloc", "avpops")


def quoted(value):
    """A value as SQL that all engines read alike; a backslash has no meaning in none of ours."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


NUMBERS = itertools.count()


class Tables:
    """A database with the tables of GROUPS; `url` is for the configuration."""

    def __init__(self, engine, request, path):
        self.engine = engine
        if engine == "sqlite":
            self.path = str(path / "test.sqlite")
            self.url = sqlite_create(self.path, *GROUPS)
            self.server = None
        else:
            self.server = request.getfixturevalue(engine)
            self.name = "scenario%d" % next(NUMBERS)
            self.url = self.server.create_tables(self.name, *GROUPS)

    @property
    def module(self):
        """The driver's module for this database."""
        return {"sqlite": "db_sqlite", "mariadb": "db_mysql", "postgres": "db_postgres"}[self.engine]

    def sql(self, text):
        if self.server:
            return self.server.sql(self.name, text)
        connection = sqlite3.connect(self.path)
        with connection:
            rows = connection.execute(text).fetchall()
        connection.close()
        return rows

    def add(self, table, **columns):
        self.sql("INSERT INTO %s (%s) VALUES (%s)" % (
            table, ", ".join(columns), ", ".join(quoted(value) for value in columns.values())))

    def add_subscriber(self, user, domain, password, algorithm="MD5"):
        h = hasher(algorithm)
        self.add("subscriber", username=user, domain=domain, password=password,
                 ha1=h("%s:%s:%s" % (user, domain, password)),
                 ha1b=h("%s@%s:%s:%s" % (user, domain, domain, password)))
