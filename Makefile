# capfkit: GNU make, no configure. `make`, `make check`, `make demo`, `make install`.
# Settings: CC CFLAGS LDFLAGS PREFIX DESTDIR WERROR=1; O=dir and BIN=dir build somewhere else;
# TESTS='test/x.bats' picks what `make check` runs; FUZZ_TIME=600 and FUZZ=name are for `make fuzz`;
# V=1 shows the commands.

VERSION = 0.1
PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/capfkit
SHAREDIR = $(DESTDIR)$(PREFIX)/share/capfkit

O ?= obj
BIN ?= bin
CFLAGS ?= -O2 -g
LDFLAGS ?= -Wl,-z,relro,-z,now -Wl,--as-needed
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 $(if $(WERROR),-Werror)
CPPFLAGS_ALL = -D_GNU_SOURCE $(if $(LIBTAR),-DTGZ_LIBTAR) -DCAPFKIT_VERSION='"$(VERSION)"' -iquote src $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(HARDEN) $(WARN) $(CFLAGS)
# Archives are written with libtar where its header is, else with libarchive; LIBTAR= does without it.
ifeq ($(origin LIBTAR),undefined)
LIBTAR := $(shell $(CC) $(CPPFLAGS) -include libtar.h -fsyntax-only -x c /dev/null 2>/dev/null && echo yes)
endif
SOURCES = $(filter-out $(if $(LIBTAR),,src/archive/ustar_libtar.c),$(wildcard src/*/*.c))
FUZZED = $(patsubst test/fuzz/%.c,%,$(filter-out %/driver.c,$(wildcard test/fuzz/*.c)))
FUZZ_CPPFLAGS = -DFUZZ_DATA='"$(abspath test/fuzz/data)"'
ASAN = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

# Which program needs which library. All confine themselves with SANDBOX; one that is not named needs
# nothing else but libc. A test reads the finished programs and holds them against this table.
SANDBOX = -lseccomp
CRYPTO = -lcrypto
UNPACK = -larchive -lz
PACK = $(if $(LIBTAR),-ltar,-larchive) -lz
CONF = -linih
TRANSFER = -lcurl
TLS = -lssl
EVENT = -levent

LIBS_ca-init = $(CRYPTO)
LIBS_capf-init = $(CRYPTO) $(CONF)
LIBS_trust-add = $(CRYPTO)
LIBS_trust-list = $(CRYPTO)
LIBS_trust-del = $(CRYPTO)
LIBS_csr-add = $(CRYPTO) $(UNPACK) $(CONF)
LIBS_csr-dump = $(CRYPTO) $(PACK) $(CONF) $(TRANSFER)
LIBS_csr-sign = $(CRYPTO) $(sort $(UNPACK) $(PACK))
LIBS_cert-import = $(CRYPTO) $(UNPACK) $(CONF) $(TRANSFER)
LIBS_lsc-list = $(CRYPTO)
LIBS_stale-lsc = $(CRYPTO)
LIBS_phone-add = $(CONF)
LIBS_phone-set = $(CONF)
LIBS_phone-list = $(CRYPTO) $(CONF)
LIBS_phone-report = $(CRYPTO) $(CONF)
LIBS_phone-del = $(CONF)
LIBS_capf-serve = $(EVENT) $(TLS) $(CRYPTO) $(CONF)
LIBS_phone-sim = $(EVENT) $(TLS) $(CRYPTO)
LIBS_spool-check = $(CRYPTO) $(CONF)

ALL_LIBS = $(TLS) $(CRYPTO) $(UNPACK) $(PACK) $(CONF) $(TRANSFER) $(EVENT) $(SANDBOX)

PROGS = $(patsubst src/%.c,%,$(wildcard src/*.c))
SCRIPTS = $(notdir $(wildcard bin/capf))
MAN = $(wildcard man/*.[157])
EXAMPLES = $(wildcard examples/*)
LIB = $(O)/libcapfkit.a
FOLDERS = $(patsubst src/%/,%,$(wildcard src/*/))
UNITS = $(patsubst test/unit/%.c,$(O)/unit/%,$(wildcard test/unit/*_test.c))
REPLAYS = $(FUZZED:%=$(O)/replay/%)
# Programs whose processes try to break out, for test/sandbox.bats, and calls that lead there.
CAPTIVES = $(addprefix $(O)/captive/,capf-serve cert-import csr-sign csr-add lacking)
CAPTIVE_CALLS = untar_next cert_parse csr_parse manifest_verify verdict_encode batch_commit ledger_flush \
	sandbox_enter sandbox_renew connection_new issue_phone issuer_ask outcome_load load_put prctl
# Those that take longest are started first, so that no processor is idle at the end.
LONG = $(patsubst %,test/%.bats,service fleet crash oracle visits serve clock concurrent disk hostile)
TESTS = $(LONG) $(filter-out $(LONG),$(wildcard test/*.bats)) $(UNITS)
ENV = CAPFKIT_BIN='$(abspath $(BIN))' CAPFKIT_OBJ='$(abspath $(O))'

# Calls that a unit test makes fail (test/unit/fault.h).
FAULTS_spool_test = open openat fdopendir readdir faccessat mkdirat fchmod fsync syncfs close fstat fstatat \
	fstatvfs flock getrandom renameat2 renameat linkat unlinkat read write pread calloc malloc realloc strdup
FAULTS_gunzip_test = read calloc malloc inflateInit2_ inflate
FAULTS_untar_test = read calloc malloc realloc archive_read_new archive_read_support_format_tar \
	archive_read_open archive_filter_bytes newlocale
FAULTS_tgz_test = write calloc deflateInit2_ $(if $(LIBTAR),tar_fdopen) archive_write_new archive_entry_new \
	archive_write_set_format_ustar archive_write_set_bytes_per_block archive_write_open archive_write_header \
	archive_write_data archive_write_finish_entry archive_write_close
FAULTS_results_test = malloc realloc lseek read write
FAULTS_capfmsg_test = realloc
FAULTS_session_test = calloc realloc

say = @$(if $(V),set -x,echo '  $1  $@');

all: $(PROGS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%)
units: $(UNITS) $(REPLAYS) captives
captives: $(CAPTIVES)

$(BIN)/%: $(O)/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS_$*) $(SANDBOX)

$(O)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(SOURCES:src/%.c=$(O)/%.o)
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

$(O)/unit/%: test/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -o $@ $< $(LIB) $(LDFLAGS) \
	    $(FAULTS_$*:%=-Wl,--wrap=%) \
	    $(ALL_LIBS)

$(O)/captive/lacking: test/captive/lacking.c
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -o $@ $< $(LDFLAGS) $(SANDBOX)

$(O)/captive/%: $(O)/%.o test/captive/captive.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) \
	    $(CAPTIVE_CALLS:%=-Wl,--wrap=%) $(ALL_LIBS)

# A harness of test/fuzz: with a main() that takes files, and, under clang, with libFuzzer's.
$(O)/replay/%: test/fuzz/%.c test/fuzz/driver.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(FUZZ_CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< \
	    test/fuzz/driver.c $(LIB) $(LDFLAGS) $(ALL_LIBS)

$(O)/fuzzer/%: test/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(FUZZ_CPPFLAGS) $(CFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -MF $@.d \
	    -o $@ $< $(LIB) $(LDFLAGS) $(ALL_LIBS)

$(O)/crash/crash.so: test/crash/crash.c
	@mkdir -p $(@D)
	$(call say,LD) $(CC) -D_GNU_SOURCE -std=c11 $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<

$(O)/oom/oom.so: test/oom/oom.c
	@mkdir -p $(@D)
	$(call say,LD) $(CC) -D_GNU_SOURCE -std=c11 $(WARN) $(CFLAGS) -fno-builtin -fPIC -shared -o $@ $<

# Scripts live in bin/ as they are; another BIN gets copies.
ifneq ($(abspath $(BIN)),$(abspath bin))
$(SCRIPTS:%=$(BIN)/%): $(BIN)/%: bin/%
	@mkdir -p $(@D)
	cp -p $< $@
endif

-include $(wildcard $(O)/*.d $(FOLDERS:%=$(O)/%/*.d) $(O)/unit/*.d $(O)/replay/*.d $(O)/fuzzer/*.d)

demo: all
	PATH='$(abspath $(BIN))':"$$PATH" examples/demo

check: all units
	@$(ENV) test/run $(TESTS)

# exitcode: the sanitizers' own 1 would look like a refusal.
check-asan:
	@ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1 \
	$(MAKE) --no-print-directory O=$(O)/asan BIN=$(O)/asan/bin HARDEN= CFLAGS='$(ASAN)' check

check-clang:
	@$(MAKE) --no-print-directory O=$(O)/clang BIN=$(O)/clang/bin CC=clang WERROR=1 all units

check-crash: all $(O)/crash/crash.so
	@$(ENV) test/crash/walk

# Each allocation fails once; OWN=20 OTHER=10 walk so many of each case.
check-oom: all $(O)/oom/oom.so
	@$(ENV) OWN=$(or $(OWN),0) OTHER=$(or $(OTHER),60) test/oom/walk

# Each harness of test/fuzz for FUZZ_TIME seconds, one a processor; FUZZ=name picks some.
fuzz:
	@$(MAKE) --no-print-directory O=$(O)/fuzz CC=clang HARDEN= CFLAGS='$(ASAN) -fsanitize=fuzzer-no-link' \
	    $(patsubst %,$(O)/fuzz/fuzzer/%,$(or $(FUZZ),$(FUZZED)))
	@test/fuzz/run '$(abspath $(O))/fuzz' $(or $(FUZZ_TIME),60) $(or $(FUZZ),$(FUZZED))

# A thousand phones wait while their server is killed; CI does it with fewer.
check-fleet: all units
	@FLEET=$(or $(FLEET),1000) $(ENV) test/run test/fleet.bats

# What the tests reach, by gcov; TESTS='$(UNITS)' is quicker. Whether they pass is for `make check`: programs do not
# confine themselves here, so those that look at that fail.
coverage:
	@mkdir -p $(O)/cov && find $(O)/cov -name '*.gcda' -delete
	@$(MAKE) --no-print-directory O=$(O)/cov BIN=$(O)/cov/bin HARDEN= \
	    CFLAGS='-O0 -g --coverage -DCAPFKIT_COVERAGE' check | tail -n 1 | sed 's/^/tests: /'
	@test/coverage $(O)/cov

# Everything at once with kills, and then the records are held against what the phones saw.
check-oracle: all
	@$(ENV) test/oracle/run -t $(or $(SECONDS),600) -n $(or $(PHONES),2000)

# The units of share/systemd in a Debian that is made and booted for it; as root. MIRROR is apt's, if not set.
check-systemd: all
	@test/systemd/run

# The two commands of the README on a fresh Debian 12 and 13, or on RELEASES=trixie; as root. MIRROR is apt's, if not set.
check-debian:
	@test/debian/run $(RELEASES)

# The programs on one spool, with two servers, and kills; then the journal and the spool are counted.
check-concurrent: all
	@$(ENV) SECONDS_TO_RUN='$(or $(SECONDS),60)' test/concurrent

# Faults that are built in one at a time, and the tests that must notice; MUTANTS='default-*' picks some.
check-mutants:
	@test/mutants $(MUTANTS)

bench: all
	@$(ENV) test/bench/run

# The link table, a program a line.
links:
	@$(foreach p,$(PROGS),echo $(p) $(LIBS_$(p)) $(SANDBOX);)

install: all
	install -d $(BINDIR) $(DOCDIR)/examples $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 \
	    $(SHAREDIR)/completion $(SHAREDIR)/cron $(SHAREDIR)/logrotate $(SHAREDIR)/systemd
	install -m 755 $(PROGS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(BINDIR)
	$(foreach s,1 5 7,$(if $(filter %.$s,$(MAN)),install -m 644 $(filter %.$s,$(MAN)) $(MANDIR)/man$s;))
	install -m 755 $(filter-out %.md,$(EXAMPLES)) $(DOCDIR)/examples
	install -m 644 $(filter %.md,$(EXAMPLES)) $(DOCDIR)/examples
	for f in completion/capf.bash cron/capfkit logrotate/capfkit systemd/capf-serve.service \
	    systemd/capf-serve.socket; do \
	    sed 's|/usr/local/|$(PREFIX)/|g' share/$$f >$(SHAREDIR)/$$f && chmod 644 $(SHAREDIR)/$$f || exit; done

uninstall:
	rm -f $(PROGS:%=$(BINDIR)/%) $(SCRIPTS:%=$(BINDIR)/%)
	rm -f $(foreach m,$(notdir $(MAN)),$(MANDIR)/man$(subst .,,$(suffix $m))/$m)
	rm -rf $(DOCDIR) $(SHAREDIR)

clean:
	rm -rf $(O) $(PROGS:%=$(BIN)/%)

.PHONY: all units captives demo check check-asan check-clang check-concurrent check-crash check-debian check-fleet \
	check-mutants check-oom check-oracle check-systemd coverage fuzz bench links install uninstall clean
.SECONDARY:
