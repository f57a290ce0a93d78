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
# compilers of the composite targets
JOBS ?= $(shell nproc)
# unit tests at once: most of them wait
UNIT_JOBS ?= $(shell echo $$((3 * $(JOBS))))

# short lines, unless V=1
V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-4s %s\n' $(1) $(patsubst build/%,%,$(2)))

VERSION := 0.1.0
PKGS := openssl libevent_core libevent_extra libevent_openssl libevent_pthreads libcurl jansson yaml-0.1 sqlite3
# libunbound's pkg-config file comes with a static-only dependency list on some systems: name it
LIBS = $(shell pkg-config --libs $(PKGS)) -lunbound -lpthread

WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
CPPFLAGS += -D_GNU_SOURCE -DENTENTE_VERSION='"$(VERSION)"' -Isrc
# Without it GCC clears and copies structs of a few hundred bytes by string instructions, which take longer to start
# than to clear them. It orders instructions only: the program runs on every processor of the kind.
TUNE := $(if $(filter x86_64,$(shell uname -m)),-mtune=skylake)
CFLAGS_release := -O2 -g $(TUNE)
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
SANITIZERS_O := $(if $(filter release,$(BUILD)),,$(O)/tools/sanitizers.o)
PROGRAMS := $(sort $(foreach f,$(CMD_C),$(word 3,$(subst /, ,$(f)))))
UNIT := $(TEST_C:%.c=$(O)/%)
FUZZ := $(FUZZ_C:src/%.c=build/fuzz/run/%)

all: $(PROGRAMS:%=$(O)/%)

help:
	@echo 'make setup    install what is missing (Debian packages; root or sudo)'
	@echo 'make          build the programs into build/release; V=1 shows the commands'
	@echo 'make demo     two organisations federate; the route moves to a new Edge while they talk'
	@echo 'make test     everything that must hold: check, units, sanitizers, fuzz (short), integration'
	@echo 'make soak     the long runs of the integration tests'
	@echo 'make check    format, layers, lint, warnings as errors'
	@echo 'make unit     unit tests of one build: make unit BUILD=asan'
	@echo 'make san      unit tests under ASan/UBSan and TSan'
	@echo 'make fuzz     every fuzz target, FUZZ_SECONDS each'
	@echo 'make integration   tests/*_test.py'
	@echo 'make bench    what is to be reached and what is, beside Kamailio; options in BENCH='
	@echo 'make format   run clang-format'
	@echo 'make reference   write the pages of doc/ that tables make'
	@echo 'make install  DESTDIR=, PREFIX='

# --- programs and libraries -----------------------------------------------------------------------------------
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/libentente.a: $(LIB_O)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

define program
$(O)/$(1): $(patsubst %.c,$(O)/%.o,$(filter src/cmd/$(1)/%,$(CMD_C))) $(SANITIZERS_O) $(O)/libentente.a
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $(O)/libentente.a $$(LIBS)
# a program's unit tests see all of it but main()
$(filter $(O)/src/cmd/$(1)/%,$(UNIT)): $(patsubst %.c,$(O)/%.o,$(filter-out %/main.c,$(filter src/cmd/$(1)/%,$(CMD_C))))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(UNIT): $(O)/%: $(O)/%.o $(SANITIZERS_O) $(O)/libentente.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(O)/libentente.a $(LIBS)

-include $(ALL_C:%.c=$(O)/%.d)

# --- tests ----------------------------------------------------------------------------------------------------
# -j for composite targets, unless this make already runs with it
PARALLEL = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
ALONE := $(MAKE) --no-print-directory -j$(JOBS)

unit: $(UNIT)
	@tools/tap-sum run -j $(UNIT_JOBS) $(UNIT)

san:
	+@$(PARALLEL) unit BUILD=asan
	+@$(PARALLEL) unit BUILD=tsan

# Fuzz targets are linked from a library of their own, instrumented by clang.
ifeq ($(BUILD),fuzz)
CC := clang
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
build/fuzz/run/%: build/fuzz/src/%.o $(SANITIZERS_O) build/fuzz/libentente.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) build/fuzz/libentente.a $(LIBS)
endif

# objects of one program only are kept, too
.SECONDARY:

.PHONY: all help unit san fuzz integration mixed-tsan check format layers conformance lint reference setup demo test soak bench install clean
fuzz:
	+@$(PARALLEL) BUILD=fuzz $(FUZZ)
	@tools/tap-sum run -j $(JOBS) $(FUZZ:%='tools/fuzz $(FUZZ_SECONDS) %')

# Each is a program that prints TAP. Most of them wait most of the time and run beside each other, the longest first; those that
# measure (time, memory, what is lost at a rate) or load the machine run alone.
# INTEGRATION_BUT: names of those that are left out.
INTEGRATION_BUT ?=
INTEGRATION := $(filter-out $(INTEGRATION_BUT:%=tests/%_test.py),$(sort $(wildcard tests/*_test.py)))
some = $(filter $(1:%=tests/%_test.py),$(INTEGRATION))
INTEGRATION_ALONE := $(call some,churn demo overload scanner)
INTEGRATION_LONG := $(call some,mixed) $(call some,cert failure crl drain kill paths)
INTEGRATION_BESIDE := $(INTEGRATION_LONG) $(filter-out $(INTEGRATION_LONG) $(INTEGRATION_ALONE),$(INTEGRATION))
INTEGRATION_JOBS ?= $(shell echo $$((1 + $(JOBS))))
INTEGRATION_LIMIT ?= 1200
run_integration = tools/tap-sum run --limit $(INTEGRATION_LIMIT)
integration: all
	@status=0; $(run_integration) -j $(INTEGRATION_JOBS) $(INTEGRATION_BESIDE:%='python3 %') || status=1; \
		$(run_integration) $(INTEGRATION_ALONE:%='python3 %') || status=1; exit $$status

# The daemons under ThreadSanitizer, while everything happens at once.
mixed-tsan:
	@$(ALONE) all BUILD=tsan
	@ENTENTE_BIN=$(CURDIR)/build/tsan MIXED_SECONDS=20 tools/tap-sum run 'python3 tests/mixed_test.py'

test: setup
	@tools/tap-sum parts 'build=$(ALONE) all' 'check=$(ALONE) check' 'unit=$(ALONE) unit' \
		'asan=$(ALONE) unit BUILD=asan' 'tsan=$(ALONE) unit BUILD=tsan' 'fuzz=$(ALONE) fuzz' \
		'mixed-tsan=$(MAKE) --no-print-directory mixed-tsan' 'integration=$(MAKE) --no-print-directory integration'

# At full length, again with the daemons under AddressSanitizer and under ThreadSanitizer (but what needs a rate that they cannot
# keep then), and ten demos in a row.
soak: export SOAK := 1
soak: setup
	@tools/tap-sum parts 'build=$(ALONE) all' 'fuzz=$(ALONE) fuzz FUZZ_SECONDS=120' \
		'integration=$(MAKE) --no-print-directory integration INTEGRATION_LIMIT=7200' \
		'build-asan=$(ALONE) all BUILD=asan' \
		'integration-asan=ENTENTE_BIN=$(CURDIR)/build/asan $(MAKE) --no-print-directory integration INTEGRATION_LIMIT=7200' \
		'build-tsan=$(ALONE) all BUILD=tsan' \
		'integration-tsan=ENTENTE_BIN=$(CURDIR)/build/tsan $(MAKE) --no-print-directory integration INTEGRATION_LIMIT=7200 \
			INTEGRATION_BUT="cert churn demo drain overload scanner"' \
		$(foreach i,1 2 3 4 5 6 7 8 9 10,'demo-$(i)=python3 -m lab.demo')

demo: setup
	+@$(PARALLEL) all
	@python3 -m lab.demo $(DEMO)

# --- bench: stands apart from src, and measures it from outside -------------------------------------------------
BENCH_O := $(patsubst %.c,build/%.o,$(wildcard bench/load/*.c))
BENCH_COMMON := build/bench/load/net.o build/bench/load/stat.o
build/bench/load/%.o: bench/load/%.c $(wildcard bench/load/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -D_GNU_SOURCE -Ibench -std=gnu17 -O2 -g $(WARN) -c -o $@ $<
build/bench/tlsfwd: build/bench/load/tlsfwd.o $(BENCH_COMMON)
build/bench/tlsload: build/bench/load/tlsload.o $(BENCH_COMMON)
build/bench/sipload: $(filter-out %/tlsfwd.o %/tlsload.o,$(BENCH_O))
build/bench/tlsfwd build/bench/tlsload build/bench/sipload:
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ -lssl -lcrypto
# the one part that is linked with what it measures
build/bench/parse: bench/parse.c build/release/libentente.a
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(LIBS)

bench: setup
	+@$(PARALLEL) all build/bench/tlsfwd build/bench/tlsload build/bench/sipload build/bench/parse
	@bench/run $(BENCH)
	@bench/connections

# --- check ----------------------------------------------------------------------------------------------------
SOURCES := $(shell find src bench -name '*.[ch]' 2>/dev/null | sort)
format:
	clang-format -i $(SOURCES)

check: layers conformance
	@clang-format --dry-run --Werror $(SOURCES)
	+@$(PARALLEL) lint

layers:
	@tools/layers ARCHITECTURE.md src

# the pages that say which test shows which rule of a standard
conformance:
	@tools/conformance doc/conformance.md

LINT_STAMP := $(LIB_C:%.c=build/lint/%.ok) $(CMD_C:%.c=build/lint/%.ok)
lint: $(LINT_STAMP)
build/lint/%.ok: %.c .clang-tidy tools/lint
	@mkdir -p $(@D)
	@CC='$(CC)' tools/lint $< $@ $(CPPFLAGS) -std=gnu17
-include $(LINT_STAMP:%=%.d)

# Pages of doc/ that are printed from tables; the unit tests compare them.
REFERENCE := kept/topology/reference_test kept/topology/check_test cmd/entente/command_test cmd/entented/refusals_test \
	cmd/entented/metrics_test
reference: $(REFERENCE:%=$(O)/src/%)
	@$(foreach t,$(REFERENCE),ENTENTE_WRITE_REFERENCE=1 $(O)/src/$(t) > /dev/null;)
	@git status --short doc

# --- setup ----------------------------------------------------------------------------------------------------
setup:
	@tools/setup packaging/debian-packages

# --- install --------------------------------------------------------------------------------------------------
BINDIR := $(PREFIX)/bin
UNITDIR := $(PREFIX)/lib/systemd/system
SYSUSERSDIR := $(PREFIX)/lib/sysusers.d
COMPLETIONDIR := $(PREFIX)/share/bash-completion/completions
DOCDIR := $(PREFIX)/share/doc/entente
MANDIR := $(PREFIX)/share/man
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(COMPLETIONDIR) \
		$(DESTDIR)$(DOCDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man8
	install -m 755 $(PROGRAMS:%=$(O)/%) $(DESTDIR)$(BINDIR)
	sed 's|@BINDIR@|$(BINDIR)|g' packaging/entented.service.in > $(DESTDIR)$(UNITDIR)/entented.service
	chmod 644 $(DESTDIR)$(UNITDIR)/entented.service
	install -m 644 packaging/entente.sysusers $(DESTDIR)$(SYSUSERSDIR)/entente.conf
	$(O)/entente completion bash > $(DESTDIR)$(COMPLETIONDIR)/entente
	$(O)/entente help --man > $(DESTDIR)$(MANDIR)/man1/entente.1
	install -m 644 packaging/entented.8 $(DESTDIR)$(MANDIR)/man8
	install -m 644 $(wildcard README.md ARCHITECTURE.md CHANGELOG.md LICENSE doc/*.md doc/*.yaml) $(DESTDIR)$(DOCDIR)

clean:
	rm -rf build
