# SPDX-License-Identifier: BSD-2-Clause
# Viaduct: plain GNU make, not recursive.
#
#   make              the server, its modules and tools, below build/
#   make check        build and run every test (./check also installs what the tests need)
#   make install      to $(DESTDIR)$(prefix), laid out like Debian's kamailio package
#   make BUILD=asan   the same with AddressSanitizer and UBSan, below build-asan/
#   make lint         floors, format, forbidden functions
#   make format       lays the sources out as lint wants them
#   make fuzz         libFuzzer targets below build-fuzz/, each run FUZZ_SECONDS (default 60)
#   make bench        cost per call beside Debian's kamailio, as ratios
#   make manual       regenerates the manual pages in doc/man/
#   make soak         what knocks servers over, with figures (doc/reliability.md); under 20 minutes
#   make reference    regenerates doc/reference/ from the tables of the modules
#   make schema       rewrites etc/schema/ from etc/schema/tables.txt
#   make bless        rewrites the expected output of the golden tests
#   make clean
#
# A module is a folder below modules/; adding one touches no other file. A module that needs a
# library has a file modules/NAME/module.mk with `NAME_LIBS = ...` and `NAME_CFLAGS = ...`. A unit test
# that needs objects of a module names them there as further prerequisites of its program.
# O=DIR puts the build elsewhere.

BUILD ?= release
ifeq ($(BUILD),release)
O ?= build
MODE_CFLAGS = -O2 -g
else ifeq ($(BUILD),debug)
O ?= build-debug
MODE_CFLAGS = -O0 -g -DVIADUCT_DEBUG
else ifeq ($(BUILD),asan)
O ?= build-asan
MODE_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DVIADUCT_DEBUG
MODE_LDFLAGS = -fsanitize=address,undefined
else ifeq ($(BUILD),fuzz)
O ?= build-fuzz
CC = clang
MODE_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -DVIADUCT_DEBUG
MODE_LDFLAGS = -fsanitize=address,undefined
else
$(error BUILD is release, debug, asan or fuzz)
endif

ifeq ($(origin CC),default)
CC = gcc
endif
FLEX ?= flex
BISON ?= bison
prefix ?= /usr
sysconfdir ?= /etc
MULTIARCH := $(shell $(CC) -print-multiarch)
MODULES_DIR ?= $(prefix)/lib/$(MULTIARCH)/viaduct/modules
VERSION := 0.1.0

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wno-missing-field-initializers -Wno-unused-parameter -Werror
# Nobody replaces a function of ours, so that the compiler may inline it within its file.
HARDENING = -fstack-protector-strong -fstack-clash-protection -fPIC -fno-semantic-interposition
ifneq ($(filter x86_64-%,$(MULTIARCH)),)
HARDENING += -fcf-protection=full
else ifneq ($(filter aarch64-%,$(MULTIARCH)),)
HARDENING += -mbranch-protection=standard
endif
ifeq ($(BUILD),release)
HARDENING += -D_FORTIFY_SOURCE=2
# A message runs through more code than the first cache holds: what only aligns it is left out.
MODE_CFLAGS += -falign-functions=8 -fno-plt
ifeq ($(findstring clang,$(CC)),)
MODE_CFLAGS += -fno-align-jumps -fno-align-loops
# Structs of this size are cleared and copied by vector registers: "rep stos" takes long to start.
ifneq ($(filter x86_64-%,$(MULTIARCH)),)
MODE_CFLAGS += -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign \
	-mmemcpy-strategy=vector_loop:512:noalign,libcall:-1:noalign
endif
endif
endif
CFLAGS_ALL = -std=gnu2x $(MODE_CFLAGS) $(HARDENING) $(WARNINGS) -D_GNU_SOURCE -I. -I$(O)/generated \
	-DVIADUCT_VERSION='"$(VERSION)"' -DVIADUCT_MODULES_DIR='"$(MODULES_DIR)"' \
	-DVIADUCT_MODULES_BESIDE='"$(patsubst $(prefix)/%,%,$(MODULES_DIR))"' $(CFLAGS)
LDFLAGS_ALL = $(MODE_LDFLAGS) -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
LIBS = -lpcre2-8 -ljson-c -lcrypto -lcares -lseccomp -lresolv -lpthread -ldl -lm

# ---- the daemon: every .c below core/ and parser/ -------------------------------------------
CORE_SOURCES := $(sort $(shell find core parser -name '*.c' ! -path core/main.c))
GRAMMAR := $(wildcard core/script/*.y)
LEXER := $(wildcard core/script/*.l)
GENERATED_SOURCES := $(GRAMMAR:%.y=$(O)/generated/%.tab.c) $(LEXER:%.l=$(O)/generated/%.lex.c)
CORE_OBJECTS := $(CORE_SOURCES:%.c=$(O)/%.o) $(GENERATED_SOURCES:%.c=%.o)

MODULES := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard modules/*/*.c)))))
-include $(wildcard modules/*/module.mk)

UTILS_C := $(basename $(notdir $(wildcard utils/*.c)))
# A tool of several files is a folder with a main.c; utils/control/ is shared by kamctl and kamdbctl.
UTILS_FOLDERS := $(sort $(patsubst utils/%/main.c,%,$(wildcard utils/*/main.c)))
CONTROL_SOURCES := $(sort $(wildcard utils/control/*.c))

.DEFAULT_GOAL := all
.PHONY: FORCE all check install lint format fuzz bench soak manual reference schema bless clean help tests modules utils
# Until the rooms that the daemon needs are there, the core is built as an archive.
all: $(if $(and $(wildcard core/main.c),$(GRAMMAR),$(wildcard core/rpc/*.c)),$(O)/viaduct,$(O)/libcore.a) modules utils
modules: $(MODULES:%=$(O)/modules/%.so)
utils: $(UTILS_C:%=$(O)/utils/%) $(UTILS_FOLDERS:%=$(O)/utils/%)
help:
	@sed -n '2,22s/^# \{0,1\}//p' Makefile

# The core's symbols are exported to modules; the archive serves unit tests and fuzz targets.
$(O)/libcore.a: $(CORE_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^
$(O)/viaduct: $(O)/core/main.o $(O)/libcore.a
	@echo "  link    $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $< -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive $(LIBS)

# What the objects were compiled with: when that changes, they are compiled anew. (A build that is older
# than this file counts as made with the same flags.)
FLAGS := $(filter-out ccache,$(CC)) $(CFLAGS_ALL) $(LDFLAGS_ALL)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@new=$@.new.$$$$; printf '%s\n' '$(subst ','\'',$(FLAGS))' >$$new; \
	if ! [ -e $@ ]; then mv $$new $@; touch -d 2000-01-01 $@; \
	elif cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
FORCE:
$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	@echo "  cc      $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
# The folder of a tool would stand where the tool itself belongs.
$(O)/tools/%.o: utils/%.c $(O)/flags
	@mkdir -p $(@D)
	@echo "  cc      $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<
$(O)/generated/%.o: $(O)/generated/%.c $(O)/flags
	@mkdir -p $(@D)
	@echo "  cc      $<"
	@$(CC) $(CFLAGS_ALL) -Wno-unused-function -Wno-missing-prototypes -Wno-shadow -Wno-error=sign-compare -MMD -MP -c -o $@ $<
$(O)/generated/%.tab.c $(O)/generated/%.tab.h: %.y
	@mkdir -p $(@D)
	@echo "  bison   $<"
	@$(BISON) -Werror -d -o $(O)/generated/$*.tab.c $<
$(O)/generated/%.lex.c: %.l
	@mkdir -p $(@D)
	@echo "  flex    $<"
	@$(FLEX) -o $@ $<
# Sources that include generated headers wait for them.
$(CORE_OBJECTS): | $(GRAMMAR:%.y=$(O)/generated/%.tab.h)

# ---- modules: one folder, one .so -----------------------------------------------------------
define module_rules
$(1)_SOURCES := $$(sort $$(wildcard modules/$(1)/*.c))
$(1)_OBJECTS := $$($(1)_SOURCES:%.c=$(O)/%.o)
$$($(1)_OBJECTS): CFLAGS += -DLOG_ORIGIN='"$(1)"' -fvisibility=hidden $$($(1)_CFLAGS)
$(O)/modules/$(1).so: $$($(1)_OBJECTS)
	@echo "  module  $$@"
	@mkdir -p $$(@D)
	@$$(CC) -shared $$(LDFLAGS_ALL) -o $$@ $$^ $$($(1)_LIBS)
endef
$(foreach m,$(MODULES),$(eval $(call module_rules,$(m))))

# ---- tools ------------------------------------------------------------------------------------
$(O)/utils/%: $(O)/utils/%.o
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $($*_LIBS)
kamcmd_LIBS = $(O)/libcore.a -ledit -lm
$(O)/utils/kamcmd: $(O)/libcore.a
# They load database drivers, which use the core's symbols.
define folder_rules
$(1)_OBJECTS := $$(patsubst utils/%.c,$(O)/tools/%.o,$$(wildcard utils/$(1)/*.c) $(CONTROL_SOURCES))
$(O)/utils/$(1): $$($(1)_OBJECTS) $(O)/libcore.a
	@echo "  tool    $$@"
	@$$(CC) $$(LDFLAGS_ALL) -rdynamic -o $$@ $$($(1)_OBJECTS) -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive $$(LIBS)
endef
$(foreach tool,$(UTILS_FOLDERS),$(eval $(call folder_rules,$(tool))))

# ---- libraries that tests put between server and libc ----------------------------------------------
PRELOADS := $(patsubst %.c,$(O)/%.so,$(wildcard test/helpers/*.c))
$(O)/test/helpers/%.so: test/helpers/%.c
	@mkdir -p $(@D)
	@echo "  test    $@"
	@$(CC) -std=gnu2x -O1 -g $(WARNINGS) -Wno-missing-prototypes -D_GNU_SOURCE -fPIC -shared -o $@ $< -ldl

# ---- unit tests: test/unit/ROOM/x_test.c, each a cmocka program linked with the core ----------
UNIT_SOURCES := $(sort $(shell find test/unit -name '*_test.c'))
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(O)/%)
$(O)/test/unit/%_test: $(O)/test/unit/%_test.o $(O)/libcore.a
	@echo "  test    $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $(filter %.o,$^) -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive -lcmocka $(LIBS)
# The golden tests' compiler with stand-ins for modules.
$(O)/test/script/driver: $(O)/test/script/driver.o $(O)/libcore.a
	@echo "  test    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(O)/libcore.a $(LIBS)
# Programs that test/db/ runs with real databases.
$(O)/test/db/%: $(O)/test/db/%.o $(O)/libcore.a
	@echo "  test    $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $< -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive -lcmocka $(LIBS)
DB_TESTS := $(patsubst %.c,$(O)/%,$(wildcard test/db/*.c))
tests: all $(UNIT_TESTS) $(O)/test/script/driver $(DB_TESTS) $(O)/crash/viaduct $(PRELOADS)

# ---- a server that dies where a test says: core/shm with its crash points (core/shm/crash.h) --------
CRASH_OBJECTS := $(patsubst %.c,$(O)/crash/%.o,$(sort $(wildcard core/shm/*.c)))
OTHER_OBJECTS := $(filter-out $(O)/core/shm/%,$(CORE_OBJECTS))
$(O)/crash/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	@echo "  cc      $< (with crash points)"
	@$(CC) $(CFLAGS_ALL) -DVIADUCT_DEBUG -MMD -MP -c -o $@ $<
$(O)/crash/viaduct: $(O)/core/main.o $(CRASH_OBJECTS) $(OTHER_OBJECTS)
	@echo "  link    $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $^ $(LIBS)
$(O)/test/unit/shm/repair_test: $(O)/crash/test/unit/shm/repair_test.o $(CRASH_OBJECTS) $(OTHER_OBJECTS)
	@echo "  test    $@"
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $^ -lcmocka $(LIBS)

# ---- fuzz targets: test/fuzz/x_fuzz.c, seeds in test/fuzz/corpus/x/ -------------------------------
FUZZ_SOURCES := $(sort $(wildcard test/fuzz/*_fuzz.c))
FUZZ_SECONDS ?= 60
$(O)/test/fuzz/%_fuzz: $(O)/test/fuzz/%_fuzz.o $(O)/libcore.a
	@$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -rdynamic -o $@ $< -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive $($*_FUZZ_LIBS) $(LIBS)
fuzz:
	@$(MAKE) --no-print-directory BUILD=fuzz fuzz-targets
	@FUZZ_SECONDS=$(FUZZ_SECONDS) test/fuzz/run-all
fuzz-targets: $(FUZZ_SOURCES:%.c=$(O)/%)
# The same targets with a plain main() that replays a corpus, for ./check.
$(O)/test/fuzz/%_replay: $(O)/test/fuzz/%_fuzz.o $(O)/test/fuzz/replay.o $(O)/libcore.a
	@$(CC) $(LDFLAGS_ALL) -rdynamic -o $@ $(filter %.o,$^) -Wl,--whole-archive $(O)/libcore.a -Wl,--no-whole-archive $($*_FUZZ_LIBS) $(LIBS)
replays: $(FUZZ_SOURCES:%_fuzz.c=$(O)/%_replay)

check:
	@./check
lint:
	@utils/check-floors
	@utils/check-style
	@utils/format --check
format:
	@utils/format
BENCH_LOAD := $(sort $(wildcard test/bench/generator/*.c))
$(O)/test/bench/generator/load: $(BENCH_LOAD:%.c=$(O)/%.o)
	@echo "  link    $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcrypto
$(O)/test/bench/%: $(O)/test/bench/%.o $(O)/libcore.a
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(O)/libcore.a $(LIBS)
bench: all $(O)/test/bench/generator/load
	@test/bench/run
# ---- manual pages ------------------------------------------------------------------------------
manual: all
	@utils/make-manual $(O)
soak: all $(O)/test/bench/generator/load $(O)/crash/viaduct $(PRELOADS)
	@VIADUCT_BUILD=$(O) test/soak/run
reference: all
	@utils/make-reference $(O)
schema:
	@utils/make-schema
bless: all $(O)/test/script/driver
	@test/script/run --bless

install: all
	@utils/install-files "$(O)" "$(DESTDIR)" "$(prefix)" "$(sysconfdir)" "$(MODULES_DIR)"
clean:
	rm -rf $(O)

.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
