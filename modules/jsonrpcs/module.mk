jsonrpcs_LIBS = -ljson-c
