dispatcher_LIBS = -lm
