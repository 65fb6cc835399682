# capfkit: GNU make, no configure. `make`, `make check`, `make demo`, `make install`.
# Settings: CC CFLAGS LDFLAGS PREFIX DESTDIR WERROR=1; O=dir builds somewhere else (see check-asan).

VERSION = 0.1
PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
EXAMPLEDIR = $(DESTDIR)$(PREFIX)/share/doc/capfkit/examples

O ?= obj
BIN ?= bin
CFLAGS ?= -O2 -g
LDFLAGS ?= -Wl,-z,relro,-z,now -Wl,--as-needed
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 $(if $(WERROR),-Werror)
CPPFLAGS_ALL = -D_GNU_SOURCE -DCAPFKIT_VERSION='"$(VERSION)"' -Isrc/lib $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(HARDEN) $(WARN) $(CFLAGS)

# Which program needs which library. A program that is not named needs none but libc; a test reads
# the finished programs and holds them against this table.
CRYPTO = -lcrypto
ARCHIVE = -larchive -ltar -lz
CONF = -linih

LIBS_ca-init = $(CRYPTO)
LIBS_capf-init = $(CRYPTO)
LIBS_trust-add = $(CRYPTO)
LIBS_trust-list = $(CRYPTO)
LIBS_trust-del = $(CRYPTO)
LIBS_csr-add = $(CRYPTO) $(ARCHIVE) $(CONF)
LIBS_csr-dump = $(CRYPTO) $(ARCHIVE)
LIBS_csr-sign = $(CRYPTO) $(ARCHIVE)
LIBS_cert-import = $(CRYPTO) $(ARCHIVE) $(CONF)
LIBS_lsc-list = $(CRYPTO)
LIBS_stale-lsc = $(CRYPTO)
LIBS_spool-check = $(CRYPTO) $(CONF)

PROGS = $(patsubst src/%.c,%,$(wildcard src/*.c))
SCRIPTS = capf
LIBSRC = $(wildcard src/lib/*.c)
LIB = $(O)/libcapfkit.a
UNITS = $(patsubst test/unit/%.c,$(O)/unit/%,$(wildcard test/unit/*_test.c))

all: $(PROGS:%=$(BIN)/%)

$(BIN)/%: $(O)/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS_$*)

$(O)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(LIBSRC:src/%.c=$(O)/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/unit/%: test/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -o $@ $< $(LIB) $(LDFLAGS) $(CRYPTO) $(ARCHIVE) $(CONF)

-include $(wildcard $(O)/*.d $(O)/lib/*.d $(O)/unit/*.d)

.PHONY: all
.SECONDARY:
