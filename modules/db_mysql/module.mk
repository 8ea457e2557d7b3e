db_mysql_CFLAGS = -I/usr/include/mariadb
db_mysql_LIBS = -lmariadb
