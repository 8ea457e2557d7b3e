db_sqlite_LIBS = -lsqlite3
