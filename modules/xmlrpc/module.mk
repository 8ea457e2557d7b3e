xmlrpc_CFLAGS = -I/usr/include/libxml2
xmlrpc_LIBS = -lxml2
