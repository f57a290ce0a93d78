# Entente's front door. People type: make setup, make, make demo, make test. Everything else is listed by `make help`.
#
# foo.c, foo_test.c (unit test, prints TAP) and foo_fuzz.c (libFuzzer target) dropped in a folder below src/ are
# found by name; a folder in src/cmd is a program.

SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
# release, asan (address and undefined behaviour) or tsan
BUILD ?= release
FUZZ_SECONDS ?= 3
# `make test` runs the long tests shortened; `make soak` sets this to 1
SOAK ?= 0

VERSION := 0.1.0
PKGS := openssl libevent_core libevent_extra libevent_openssl libevent_pthreads libcurl jansson yaml-0.1 sqlite3
# libunbound's pkg-config file comes with a static-only dependency list on some systems: name it
LIBS = $(shell pkg-config --libs $(PKGS)) -lunbound -lpthread

WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CPPFLAGS += -D_GNU_SOURCE -DENTENTE_VERSION='"$(VERSION)"' -Isrc
CFLAGS_release := -O2 -g
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS += -std=gnu17 $(WARN) $(CFLAGS_$(BUILD)) -fno-strict-aliasing -fstack-protector-strong
LDFLAGS += $(CFLAGS_$(BUILD))

O := build/$(BUILD)
ALL_C := $(shell find src -name '*.c' | sort)
TEST_C := $(filter %_test.c,$(ALL_C))
FUZZ_C := $(filter %_fuzz.c,$(ALL_C))
CMD_C := $(filter src/cmd/%,$(filter-out $(TEST_C) $(FUZZ_C),$(ALL_C)))
LIB_C := $(filter-out $(TEST_C) $(FUZZ_C) $(CMD_C),$(ALL_C))
LIB_O := $(LIB_C:%.c=$(O)/%.o)
PROGRAMS := $(sort $(foreach f,$(CMD_C),$(word 3,$(subst /, ,$(f)))))
UNIT := $(TEST_C:%.c=$(O)/%)
FUZZ := $(FUZZ_C:src/%.c=build/fuzz/run/%)

all: $(PROGRAMS:%=$(O)/%)

help:
	@echo 'make setup    install what is missing (Debian packages; root or sudo)'
	@echo 'make          build the programs into build/release'
	@echo 'make demo     two organisations federate; the route moves to a new Edge while they talk'
	@echo 'make test     everything that must hold: check, units, sanitizers, fuzz (short), integration'
	@echo 'make soak     the long runs of the same tests'
	@echo 'make check    format, layers, lint, warnings as errors'
	@echo 'make unit     unit tests of one build: make unit BUILD=asan'
	@echo 'make san      unit tests under ASan/UBSan and TSan'
	@echo 'make fuzz     every fuzz target, FUZZ_SECONDS each'
	@echo 'make bench    CPU a forwarded message beside Kamailio'
	@echo 'make format   run clang-format'
	@echo 'make install  DESTDIR=, PREFIX='

# --- programs and libraries -----------------------------------------------------------------------------------
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libentente.a: $(LIB_O)
	@rm -f $@
	$(AR) rcs $@ $^

define program
$(O)/$(1): $(patsubst %.c,$(O)/%.o,$(filter src/cmd/$(1)/%,$(CMD_C))) $(O)/libentente.a
	$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $(O)/libentente.a $$(LIBS)
# a program's unit tests see all of it but main()
$(filter $(O)/src/cmd/$(1)/%,$(UNIT)): $(patsubst %.c,$(O)/%.o,$(filter-out %/main.c,$(filter src/cmd/$(1)/%,$(CMD_C))))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(UNIT): $(O)/%: $(O)/%.o $(O)/libentente.a
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(O)/libentente.a $(LIBS)

-include $(ALL_C:%.c=$(O)/%.d)

# --- tests ----------------------------------------------------------------------------------------------------
unit: export TSAN_OPTIONS := suppressions=tools/tsan.supp
unit: $(UNIT)
	@prove -j2 -Q --exec '' $(UNIT)

san:
	$(MAKE) --no-print-directory unit BUILD=asan
	$(MAKE) --no-print-directory unit BUILD=tsan

# Fuzz targets are linked from a library of their own, instrumented by clang.
ifeq ($(BUILD),fuzz)
CC := clang
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
build/fuzz/run/%: build/fuzz/src/%.o build/fuzz/libentente.a
	@mkdir -p $(@D)
	$(CC) -fsanitize=fuzzer,address,undefined -o $@ $< build/fuzz/libentente.a $(LIBS)
endif

.PHONY: all help unit san fuzz check format layers lint setup demo test soak bench install clean
fuzz:
	@$(MAKE) --no-print-directory BUILD=fuzz $(FUZZ)
	@tools/fuzz $(FUZZ_SECONDS) $(FUZZ)

# --- check ----------------------------------------------------------------------------------------------------
SOURCES := $(shell find src bench -name '*.[ch]' 2>/dev/null | sort)
format:
	clang-format -i $(SOURCES)

check: layers
	clang-format --dry-run --Werror $(SOURCES)
	$(MAKE) --no-print-directory lint

layers:
	@tools/layers ARCHITECTURE.md src

LINT_STAMP := $(LIB_C:%.c=build/lint/%.ok) $(CMD_C:%.c=build/lint/%.ok)
lint: $(LINT_STAMP)
build/lint/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(CPPFLAGS) -std=gnu17 2> $@.err || { cat $@.err; exit 1; }
	@touch $@

# --- setup ----------------------------------------------------------------------------------------------------
setup:
	@tools/setup packaging/debian-packages

clean:
	rm -rf build
