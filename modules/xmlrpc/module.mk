xmlrpc_CFLAGS = -I/usr/include/libxml2
xmlrpc_LIBS = -lxml2
# The fuzz target includes the sources.
$(O)/test/fuzz/xml_fuzz.o: CFLAGS += $(xmlrpc_CFLAGS)
xml_FUZZ_LIBS = $(xmlrpc_LIBS)
