# SPDX-License-Identifier: BSD-2-Clause
"""SQL without a program: the client libraries of MariaDB and PostgreSQL, called directly. Each call connects
for itself, so nothing is left open when a test stops the database."""
import ctypes


def library(name):
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def declare(lib, result, *functions):
    for name in functions:
        getattr(lib, name).restype = result


class SqlError(AssertionError):
    """The server's own words."""


# ---- PostgreSQL ---------------------------------------------------------------------------------

LIBPQ = library("libpq.so.5")
if LIBPQ:
    declare(LIBPQ, ctypes.c_void_p, "PQconnectdb", "PQgetResult")
    declare(LIBPQ, ctypes.c_char_p, "PQerrorMessage", "PQresultErrorMessage", "PQgetvalue")
OK_CONNECTION, BAD_RESULTS = 0, (5, 7)


def postgres_answers(where):
    """Whether the server lets us in."""
    connection = LIBPQ.PQconnectdb(where.encode())
    status = LIBPQ.PQstatus(ctypes.c_void_p(connection))
    LIBPQ.PQfinish(ctypes.c_void_p(connection))
    return status == OK_CONNECTION


def postgres_rows(result):
    rows = []
    for row in range(LIBPQ.PQntuples(result)):
        rows.append([LIBPQ.PQgetvalue(result, row, column).decode(errors="surrogateescape")
                     for column in range(LIBPQ.PQnfields(result))])
    return rows


def postgres_run(where, text):
    """Runs statements on a new connection; the rows of all of them as lists of texts, NULL as ""."""
    connection = ctypes.c_void_p(LIBPQ.PQconnectdb(where.encode()))
    rows, problem = [], None
    try:
        if LIBPQ.PQstatus(connection) != OK_CONNECTION \
                or not LIBPQ.PQsendQuery(connection, text.encode(errors="surrogateescape")):
            raise SqlError(LIBPQ.PQerrorMessage(connection).decode(errors="replace"))
        while True:
            result = ctypes.c_void_p(LIBPQ.PQgetResult(connection))
            if not result:
                break
            if LIBPQ.PQresultStatus(result) in BAD_RESULTS:
                problem = LIBPQ.PQresultErrorMessage(result).decode(errors="replace")
            rows += postgres_rows(result)
            LIBPQ.PQclear(result)
    finally:
        LIBPQ.PQfinish(connection)
    if problem:
        raise SqlError(problem)
    return rows


# ---- MariaDB --------------------------------------------------------------------------------------

LIBMARIADB = library("libmariadb.so.3")
if LIBMARIADB:
    declare(LIBMARIADB, ctypes.c_void_p, "mysql_init", "mysql_real_connect", "mysql_store_result")
    declare(LIBMARIADB, ctypes.c_char_p, "mysql_error")
    LIBMARIADB.mysql_fetch_row.restype = ctypes.POINTER(ctypes.c_void_p)
    LIBMARIADB.mysql_fetch_lengths.restype = ctypes.POINTER(ctypes.c_ulong)
MULTI_STATEMENTS, CHARACTER_SET_NAME = 1 << 16, 7


def mariadb_rows(result):
    rows, width = [], LIBMARIADB.mysql_num_fields(result)
    while True:
        row = LIBMARIADB.mysql_fetch_row(result)
        if not row:
            return rows
        lengths = LIBMARIADB.mysql_fetch_lengths(result)
        rows.append([ctypes.string_at(row[i], lengths[i]).decode(errors="surrogateescape")
                     if row[i] else "NULL" for i in range(width)])


def mariadb_run(socket_path, user, database, text):
    """Runs statements on a new connection; the rows of all of them as lists of texts, NULL as "NULL"."""
    connection = ctypes.c_void_p(LIBMARIADB.mysql_init(None))
    rows = []
    statements = text.encode(errors="surrogateescape")
    try:
        LIBMARIADB.mysql_options(connection, CHARACTER_SET_NAME, b"utf8mb4")
        status = 0 if LIBMARIADB.mysql_real_connect(
            connection, None, user.encode(), None, database.encode(), 0, socket_path.encode(),
            ctypes.c_ulong(MULTI_STATEMENTS)) else 1
        status = status or LIBMARIADB.mysql_real_query(connection, statements,
                                                       ctypes.c_ulong(len(statements)))
        while status == 0:
            result = ctypes.c_void_p(LIBMARIADB.mysql_store_result(connection))
            if result:
                rows += mariadb_rows(result)
                LIBMARIADB.mysql_free_result(result)
            status = LIBMARIADB.mysql_next_result(connection)
        if status > 0:
            raise SqlError(LIBMARIADB.mysql_error(connection).decode(errors="replace"))
    finally:
        LIBMARIADB.mysql_close(connection)
    return rows
