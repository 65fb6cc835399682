# capfkit: GNU make, no configure. `make`, `make check`, `make demo`, `make install`.
# Settings: CC CFLAGS LDFLAGS PREFIX DESTDIR WERROR=1; O=dir and BIN=dir build somewhere else;
# TESTS='test/cmd/x.bats' picks what `make check` runs; FUZZ_TIME=600 and FUZZ=name are for `make fuzz`;
# V=1 shows the commands.

VERSION = 0.1
PREFIX ?= /usr/local
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/capfkit
SHAREDIR = $(DESTDIR)$(PREFIX)/share/capfkit
# Where the shells look for completion. Debian's packages have that of zsh in $(PREFIX)/share/zsh/vendor-completions.
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

O ?= obj
BIN ?= bin
CFLAGS ?= -O2 -g
LDFLAGS ?= -Wl,-z,relro,-z,now -Wl,--as-needed
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 $(if $(WERROR),-Werror)
CPPFLAGS_ALL = -D_GNU_SOURCE $(if $(LIBTAR),-DTGZ_LIBTAR) -iquote src $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(HARDEN) $(WARN) $(CFLAGS)
# Archives are written with libtar where its header is, else with libarchive; LIBTAR= does without it.
ifeq ($(origin LIBTAR),undefined)
LIBTAR := $(shell $(CC) $(CPPFLAGS) -include libtar.h -fsyntax-only -x c /dev/null 2>/dev/null && echo yes)
endif
SOURCES = $(filter-out $(if $(LIBTAR),,src/archive/ustar_libtar.c),$(wildcard src/*/*.c))

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
LIBS_ctl-make = $(CRYPTO)
LIBS_ctl-show = $(CRYPTO)
LIBS_csr-add = $(CRYPTO) $(UNPACK) $(CONF)
LIBS_csr-dump = $(CRYPTO) $(PACK) $(CONF) $(TRANSFER)
LIBS_capf-enroll = $(CRYPTO) $(sort $(UNPACK) $(PACK)) $(CONF) $(TRANSFER)
LIBS_csr-submit = $(CRYPTO) $(sort $(UNPACK) $(PACK)) $(CONF) $(TRANSFER)
LIBS_csr-sign = $(CRYPTO) $(sort $(UNPACK) $(PACK))
LIBS_cert-import = $(CRYPTO) $(UNPACK) $(CONF) $(TRANSFER)
LIBS_lsc-list = $(CRYPTO)
LIBS_lsc-export = $(CRYPTO) $(PACK)
LIBS_stale-lsc = $(CRYPTO)
LIBS_phone-add = $(CONF)
LIBS_phone-set = $(CRYPTO) $(CONF)
LIBS_phone-config = $(CONF)
LIBS_phone-list = $(CRYPTO) $(CONF)
LIBS_phone-report = $(CRYPTO) $(CONF)
LIBS_phone-del = $(CRYPTO) $(CONF)
LIBS_capf-serve = $(EVENT) $(TLS) $(CRYPTO) $(CONF)
LIBS_capf-probe = $(TLS) $(CRYPTO) $(CONF)
LIBS_phone-sim = $(EVENT) $(TLS) $(CRYPTO)
LIBS_spool-check = $(CRYPTO) $(CONF)

ALL_LIBS = $(TLS) $(CRYPTO) $(UNPACK) $(PACK) $(CONF) $(TRANSFER) $(EVENT) $(SANDBOX)

PROGS = $(patsubst src/%.c,%,$(wildcard src/*.c))
SCRIPTS = $(notdir $(wildcard bin/capf))
MAN = $(wildcard man/*.[1-8])
SECTIONS = $(sort $(subst .,,$(suffix $(MAN))))
EXAMPLES = $(filter-out %/asterisk,$(wildcard examples/*))
SHARED = $(filter-out completion/%,$(patsubst share/%,%,$(wildcard share/*/*)))
LIB = $(O)/libcapfkit.a
FOLDERS = $(patsubst src/%/,%,$(wildcard src/*/))
say = @$(if $(V),set -x,echo '  $1  $@');

COMPLETION = $(addprefix $(O)/completion/,capf.bash capf.fish _capf)

all: $(PROGS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(COMPLETION)

$(BIN)/%: $(O)/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS_$*) $(SANDBOX)

$(O)/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(SOURCES:src/%.c=$(O)/%.o)
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

# What --version says, in a file that is written only when that changes: a new commit compiles one object. A tarball has its
# commit in share/commit; else git is asked, when this directory is the top of its work tree, as root too.
GIT = GIT_OPTIONAL_LOCKS=0 git -c safe.directory='$(CURDIR)'
$(O)/version: FORCE
	@mkdir -p $(@D)
	@commit=`sed -n 's/^\([0-9a-f]\{12\}\).*/\1/p' share/commit`; \
	[ -n "$$commit" ] || ! above=`$(GIT) rev-parse --show-cdup 2>/dev/null` || [ -n "$$above" ] || \
	    commit=`$(GIT) describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null` || commit=; \
	version="$(VERSION)$${commit:+, commit $$commit}"; \
	[ -e $@ ] && [ "`cat $@`" = "$$version" ] || echo "$$version" >$@

$(O)/cli/version.o: $(O)/version
$(O)/cli/version.o: CPPFLAGS_ALL += -DCAPFKIT_VERSION='"$(shell cat $(O)/version)"'

# Scripts live in bin/ as they are; another BIN gets copies.
ifneq ($(abspath $(BIN)),$(abspath bin))
$(SCRIPTS:%=$(BIN)/%): $(BIN)/%: bin/%
	@mkdir -p $(@D)
	cp -p $< $@
endif

# Completion for bash, zsh and fish is what the programs say of their options.
$(O)/completion/capf.bash: shell = bash
$(O)/completion/capf.fish: shell = fish
$(O)/completion/_capf: shell = zsh
$(COMPLETION): $(PROGS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(wildcard share/completion/*) src/online/online_settings.c
	@mkdir -p $(@D)
	$(call say,GEN) share/completion/make-completion $(shell) $(BIN) src/online/online_settings.c $(PROGS) >$@.new
	@mv -f $@.new $@

-include $(wildcard $(O)/*.d $(FOLDERS:%=$(O)/%/*.d))
include test/rules.mk

demo: all
	PATH='$(abspath $(BIN))':"$$PATH" examples/demo

# The link table, a program a line.
links:
	@$(foreach p,$(PROGS),echo $(p) $(LIBS_$(p)) $(SANDBOX);)

install: all
	install -d $(BINDIR) $(DOCDIR)/examples/asterisk $(SECTIONS:%=$(MANDIR)/man%) $(BASHDIR) $(ZSHDIR) $(FISHDIR) \
	    $(sort $(dir $(SHARED:%=$(SHAREDIR)/%)))
	install -m 755 $(PROGS:%=$(BIN)/%) $(SCRIPTS:%=$(BIN)/%) $(BINDIR)
	$(foreach s,$(SECTIONS),install -m 644 $(filter %.$s,$(MAN)) $(MANDIR)/man$s || exit;)
	install -m 755 $(filter-out %.md,$(EXAMPLES)) $(DOCDIR)/examples
	install -m 644 $(filter %.md,$(EXAMPLES)) $(DOCDIR)/examples
	install -m 644 $(wildcard examples/asterisk/*) $(DOCDIR)/examples/asterisk
	install -m 644 $(O)/completion/capf.bash $(BASHDIR)/capf
	install -m 644 $(O)/completion/_capf $(ZSHDIR)/_capf
	install -m 644 $(O)/completion/capf.fish $(FISHDIR)/capf.fish
	for p in $(PROGS); do ln -sf capf $(BASHDIR)/$$p && ln -sf capf.fish $(FISHDIR)/$$p.fish || exit; done
	for f in $(SHARED); do \
	    sed 's|/usr/local/|$(PREFIX)/|g' share/$$f >$(SHAREDIR)/$$f && chmod 644 $(SHAREDIR)/$$f || exit; done

uninstall:
	rm -f $(PROGS:%=$(BINDIR)/%) $(SCRIPTS:%=$(BINDIR)/%)
	rm -f $(foreach m,$(notdir $(MAN)),$(MANDIR)/man$(subst .,,$(suffix $m))/$m)
	rm -f $(BASHDIR)/capf $(ZSHDIR)/_capf $(FISHDIR)/capf.fish $(PROGS:%=$(BASHDIR)/%) $(PROGS:%=$(FISHDIR)/%.fish)
	rm -rf $(DOCDIR) $(SHAREDIR)

# The manual pages in HTML, with links that work: $(O)/html.
html:
	@rm -rf $(O)/html
	$(call say,HTML) man/make-html $(O)/html

# A tarball of HEAD, or of another commit, REV; the same bytes wherever it is made.
REV = HEAD
TARBALL = $(O)/capfkit-$(VERSION).tar
dist:
	@mkdir -p $(O)
	@$(GIT) diff --quiet HEAD || echo "dist: what is not committed is left out" >&2
	@$(GIT) -c tar.umask=0022 -c core.autocrlf=false archive --format=tar --prefix=capfkit-$(VERSION)/ $(REV) >$(TARBALL)
	@gzip -9nf $(TARBALL)
	@echo $(TARBALL).gz

# Debian packages of HEAD, with its time and name in their version: $(O)/deb. They are built with Debian's flags, from the
# tarball, by the Debian that this is.
deb: dist
	$(call say,DEB) debian/snapshot $(TARBALL).gz $(O)/deb

clean:
	rm -rf $(O) $(PROGS:%=$(BIN)/%)

FORCE:
.PHONY: all demo links install uninstall html dist deb clean FORCE
.SECONDARY:
