# What belongs to the tests: their programs, and the targets that run them; see test/README.md.

FUZZED = $(patsubst test/fuzz/%.c,%,$(filter-out %/driver.c,$(wildcard test/fuzz/*.c)))
FUZZ_CPPFLAGS = -DFUZZ_DATA='"$(abspath test/fuzz/data)"'
ASAN = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

UNITS = $(patsubst test/unit/%.c,$(O)/unit/%,$(wildcard test/unit/*/*_test.c))
# What Bats files run beside the programs.
TOOLS = $(addprefix $(O)/unit/online/,http_ask online_ask)
REPLAYS = $(FUZZED:%=$(O)/replay/%)
# Programs whose processes try to break out, for test/attack/sandbox.bats, and calls that lead there.
CAPTIVES = $(addprefix $(O)/captive/,capf-serve cert-import csr-sign csr-add csr-submit ctl-make ctl-show lacking)
CAPTIVE_CALLS = untar_next cert_parse csr_parse ctl_parse manifest_verify verdict_encode batch_commit ledger_end \
	sandbox_enter sandbox_renew connection_new issue_phone issuer_ask outcome_load load_put trace_files_begin \
	prctl
# Those that take longest are started first, so that no processor is idle at the end.
LONG = $(patsubst %,test/%.bats,attack/sandbox attack/hostile cmd/phone-sim cmd/service fail/fleet cmd/transfer \
	attack/refused cmd/probe cmd/visits cmd/phones cmd/serve cmd/programs far/offline_ca fail/disk)
TESTS = $(LONG) $(filter-out $(LONG),$(wildcard test/*/*.bats)) $(UNITS)
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
FAULTS_cmc_test = malloc calloc realloc
FAULTS_cmp_test = malloc calloc realloc

# CAs that the tests ask.
SERVERS = $(patsubst test/servers/%.c,$(O)/servers/%,$(wildcard test/servers/*.c))

units: $(UNITS) $(TOOLS) $(REPLAYS) $(SERVERS) captives
servers: $(SERVERS)
captives: $(CAPTIVES)

$(O)/unit/%: test/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -o $@ $< $(LIB) $(LDFLAGS) \
	    $(FAULTS_$(*F):%=-Wl,--wrap=%) \
	    $(ALL_LIBS)

$(O)/servers/%: test/servers/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) -iquote test/unit/online $(CFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< $(LIB) \
	    $(LDFLAGS) $(ALL_LIBS)

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

-include $(wildcard $(O)/unit/*/*.d $(O)/replay/*.d $(O)/fuzzer/*.d $(O)/servers/*.d)

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
	@FLEET=$(or $(FLEET),1000) $(ENV) test/run test/fail/fleet.bats

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
check-systemd: all servers
	@test/systemd/run
	@test/debian/packages $$(. /etc/os-release && echo $$VERSION_CODENAME)

# The Debian packages of HEAD on a fresh Debian 12 and 13, or on RELEASES=trixie; as root. MIRROR is apt's, if not set.
check-packages:
	@test/debian/packages $(RELEASES)

# The two commands of the README on a fresh Debian 12 and 13, or on RELEASES=trixie; as root. MIRROR is apt's, if not set.
check-debian:
	@test/debian/run $(RELEASES)

# Tables through LibreOffice and back; it must be there. What it made for `make check` must be what it makes now.
check-spreadsheet: all
	@CAPFKIT_BIN='$(abspath $(BIN))' test/spreadsheet/check

# The programs on one spool, with two servers, and kills; then the journal and the spool are counted.
check-concurrent: all
	@$(ENV) SECONDS_TO_RUN='$(or $(SECONDS),60)' test/concurrent

# Faults that are built in one at a time, and the tests that must notice; MUTANTS='default-*' picks some.
check-mutants:
	@test/mutants $(MUTANTS)

bench: all servers
	@$(ENV) test/bench/run

.PHONY: units servers captives check check-asan check-clang check-concurrent check-crash check-debian \
	check-fleet check-mutants check-oom check-oracle check-packages check-spreadsheet check-systemd coverage fuzz bench
