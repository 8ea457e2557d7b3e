db_postgres_CFLAGS = -I/usr/include/postgresql
db_postgres_LIBS = -lpq
