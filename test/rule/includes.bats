# SPDX-License-Identifier: ISC
# Claims about the sources: which folder includes which, and who may call what. src/README.md has the table.
load ../helper

# check_includes SRC: prints what differs between the include lines below SRC and the table in its README.md.
check_includes() {
	awk '
	function folder_of(path,  part, n) {
		n = split(path, part, "/")
		return n > 1 ? part[n - 1] : ""
	}
	FILENAME ~ /README\.md$/ {
		if (split($0, cell, "|") < 4 || cell[2] !~ /`/)
			next
		gsub(/[` ]/, "", cell[2])
		known[cell[2]] = allowed[cell[2], cell[2]] = 1
		n = split(cell[4], to, " ")
		for (i = 1; i <= n; i++)
			allowed[cell[2], to[i]] = 1
		next
	}
	FNR == 1 {
		path = substr(FILENAME, length(src) + 2)
		folder = folder_of(path)
		if (folder != "") {
			seen[folder] = 1
			if (!(folder in known))
				print path ": its folder is not in the table"
		}
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, part, "\"")
		to_folder = folder_of(part[2])
		if (to_folder == "")
			print path ": includes " part[2] " without its folder"
		else if (folder != "" && !((folder, to_folder) in allowed))
			print path ": includes " part[2]
		else if (folder == "" && ((to_folder == "server" && path != "capf-serve.c") ||
		    (to_folder == "phone-sim" && path != "phone-sim.c") ||
		    (to_folder == "probe" && path != "capf-probe.c")))
			print path ": includes " part[2]
	}
	END {
		for (f in known)
			if (!(f in seen))
				print f ": in the table, but there is no such folder"
	}' src="$1" "$1/README.md" "$1"/*.c "$1"/*/*.[ch]
}

# only REGEX FILE...: the regex, as a whole word, occurs in no source but these.
only() {
	local regex=$1 file found
	shift
	found=$(cd "$ROOT" && grep -nE "(^|[^A-Za-z0-9_])$regex" src/*.c src/*/*.[ch] | grep -vE '^[^:]*:[0-9]+:(/| ?\*|	* \*)' || true)
	for file in "$@"; do
		found=$(grep -v "^$file:" <<<"$found" || true)
	done
	[ -z "$found" ] || fail "only in ${*:-no file}: $regex" "$found"
}

@test "folders include only what the table in src/README.md allows" {
	run check_includes "$ROOT/src"
	assert_output ""
}

@test "a forbidden include is found, one without a folder, and one of a part that is another program's" {
	cp -r "$ROOT/src" src
	echo '#include "spool/spool.h"' >>src/x509/cert.c
	echo '#include "cert.h"' >>src/x509/csr.c
	echo '#include "server/master.h"' >>src/csr-list.c
	run check_includes src
	assert_output_has "x509/cert.c: includes spool/spool.h"
	assert_output_has "x509/csr.c: includes cert.h without its folder"
	assert_output_has "csr-list.c: includes server/master.h"
	[ "${#lines[@]}" -eq 3 ]
}

@test "a folder that the table does not know is found, and one that is gone" {
	cp -r "$ROOT/src" src
	mkdir src/strange
	echo >src/strange/thing.c
	rm -r src/online
	run check_includes src
	assert_output_has "strange/thing.c: its folder is not in the table"
	assert_output_has "online: in the table, but there is no such folder"
}

@test "only spool, stage, create, trace_files, outfile and outdir change directories or make things durable" {
	only '(link|linkat|rename|renameat|renameat2|unlink|unlinkat|rmdir|remove)\(' \
	    src/spool/spool.c src/spool/stage.c src/spool/trace_files.c src/base/outfile.c src/base/outdir.c
	only '(fsync|fdatasync|syncfs|sync)\(' src/spool/spool.c src/spool/stage.c src/spool/create.c src/base/outfile.c \
	    src/base/outdir.c
	only '(mkdir|mkdirat|mkstemp|mkostemp|mkdtemp|tmpfile|creat)\(' src/spool/stage.c src/spool/create.c src/spool/trace_files.c \
	    src/base/outfile.c
	# The table of the workers' load is in memory.
	only 'ftruncate\(' src/base/outfile.c src/server/load.c
}

@test "only child forks, nobody starts threads, and only pager another program" {
	only '(fork|vfork)\(' src/process/child.c
	only '(pthread_create|thrd_create|system|popen|posix_spawnp?)\('
	# A user's pager, for a long list on a terminal.
	only 'exec[lv][a-z]*\(' src/process/pager.c
}

@test "only untar, gunzip, unzip, tgz and its two writers know tar, gzip and zip" {
	only '#[ 	]*include <(archive|archive_entry)\.h>' src/archive/untar.c src/archive/ustar_libarchive.c
	only '#[ 	]*include <libtar\.h>' src/archive/ustar_libtar.c
	only '#[ 	]*include <zlib\.h>' src/archive/gunzip.c src/archive/tgz.c src/archive/unzip.c
	only 'include <ini\.h>' src/base/ini.c
}

@test "only monotime asks the clock that nobody sets" {
	only 'CLOCK_(MONOTONIC|BOOTTIME)[A-Z_]*' src/base/monotime.c
}

# symbols: "FOLDER/FILE KIND SYMBOL" for what each object of the library defines and uses; a program has no folder.
# Objects of sources that are gone do not count.
symbols() {
	(cd "$ROOT/src" && ls */*.c *.c) | sed 's/c$/o/' | (cd "$OBJ" && xargs ls 2>/dev/null | xargs nm -A) |
	awk '{ name = $1; sub(/\.o:.*/, "", name); print name, $(NF - 1), $NF }'
}

# outside "FOLDER..." REGEX: from symbols on stdin, who outside these folders uses one that matches. Programs are the
# folder ".".
outside() {
	awk -v folders="$1" -v regex="^(__)?($2)(_chk)?$" '
	BEGIN {
		n = split(folders, part, " ")
		for (i = 1; i <= n; i++)
			ok[part[i]] = 1
	}
	$2 == "U" && $3 ~ regex {
		folder = $1
		if (!sub(/\/.*/, "", folder))
			folder = "."
		if (!(folder in ok))
			print $1 " uses " $3
	}'
}

# reach FOLDER: from symbols on stdin, the objects that those of a folder call, and these call, and so on; and
# behind them "FILE uses SYMBOL" for each symbol that is none of ours.
reach() {
	awk -v from="$1" '
	$1 ~ /\// && $2 ~ /^[TDBRVWC]$/ { defines[$3] = $1 }
	$2 == "U" {
		uses[$1] = uses[$1] " " $3
		if (index($1, from "/") == 1)
			todo[$1] = 1
	}
	END {
		do {
			more = 0
			for (object in todo) {
				if (object in done)
					continue
				done[object] = more = 1
				print object
				n = split(uses[object], symbol, " ")
				for (i = 1; i <= n; i++)
					if (symbol[i] in defines)
						todo[defines[symbol[i]]] = 1
					else
						print object " uses " symbol[i]
			}
		} while (more)
	}'
}

# What no answer to a phone may depend on, and no process of the quarantine may have.
CLOCK='time|clock_gettime|gettimeofday|localtime(_r)?|monotime_.*'
SOCKET='socket|socketpair|bind|listen|accept4?|connect|send(to|msg)?|recv(from|msg)?|getaddrinfo|poll|select'
FILES='open(at)?(64)?|fopen(64)?|read|write|unlink(at)?|rename(at2?)?|mkdir(at)?'
OPENSSL='(SSL|TLS|EVP|X509|X509V3|ASN1|BIO|PEM|RSA|EC|ERR|RAND|OPENSSL|CRYPTO|OSSL|CMS|PKCS[0-9]+|OBJ|BN|UI|ENGINE)_.*|[di]2[di]_.*'
EXIT='exit|_exit|_Exit|quick_exit|abort|v?errx?|pthread_exit'

# purity: from symbols on stdin, what capf reaches beside its folder, base, and calls that need nothing but memory.
purity() {
	reach capf | awk -v regex="^(__)?($CLOCK|$SOCKET|$FILES|$OPENSSL)(_chk)?$" '
	NF == 1 && $1 !~ /^(capf|base)\// { print "capf reaches " $1 }
	NF == 3 && $3 ~ regex'
}

@test "quarantine reaches no spool, no site and no network, by whatever way" {
	quarantine() {
		reach quarantine | awk 'NF == 1 && $1 ~ /^(spool|site|server|cli|online|net|ca|phone-sim)\//'
	}
	symbols >symbols
	run quarantine <symbols
	assert_output ""
	[ "$(reach quarantine <symbols | awk 'NF == 1' | wc -l)" -gt 10 ]
	# Broken on purpose, two calls away.
	{ cat symbols; echo "archive/manifest U spool_open"; } >broken
	run quarantine <broken
	assert_output_has "spool/spool"
}

@test "capf is pure: no socket, no clock, no file, no OpenSSL" {
	symbols >symbols
	run purity <symbols
	assert_output ""
	[ "$(reach capf <symbols | awk 'NF == 1' | wc -l)" -gt 3 ]
	for call in "capf/session U time" "capf/capfmsg U clock_gettime" "base/bytes U recv" "base/reason U EVP_Digest" \
	    "capf/session U fileio_slurp" "capf/session U __read_chk" "capf/session U cert_parse"; do
		{ cat symbols; echo "$call"; } >broken
		run purity <broken
		[ -n "$output" ] || fail "not found: $call"
	done
	run grep -nE 'include <(openssl/.*|sys/socket|netdb|netinet/.*|time|sys/time|event2/.*)\.h>' "$ROOT"/src/capf/*
	assert_output ""
}

@test "libcurl only in online, libssl only in net" {
	symbols >symbols
	grep -q '^online/transfer U curl_easy_perform$' symbols
	grep -q '^net/tls U SSL_read_ex$' symbols
	run outside "online" 'curl_.*' <symbols
	assert_output ""
	run outside "net" '(SSL|TLS|DTLS)_.*|OPENSSL_init_ssl|BIO_(f_ssl|new_ssl.*)' <symbols
	assert_output ""
	only 'include <openssl/(ssl|tls1|bio_ssl|quic)\.h>' src/net/tls.c
	only 'include <curl/[a-z]*\.h>' src/online/transfer.c src/online/http.c
	{ cat symbols; echo "server/worker U SSL_read"; echo "csr-dump U curl_easy_init"; } >broken
	run outside "net" '(SSL|TLS|DTLS)_.*|OPENSSL_init_ssl|BIO_(f_ssl|new_ssl.*)' <broken
	assert_output "server/worker uses SSL_read"
	run outside "online" 'curl_.*' <broken
	assert_output "csr-dump uses curl_easy_init"
}

@test "only programs, cli and process exit" {
	symbols >symbols
	grep -q '^cli/[a-z]* U exit$' symbols
	run outside ". cli process" "$EXIT" <symbols
	assert_output ""
	{ cat symbols; echo "x509/key U exit"; echo "ca/sign U errx"; echo "spool/spool U abort"; } >broken
	run outside ". cli process" "$EXIT" <broken
	assert_output "$(printf 'x509/key uses exit\nca/sign uses errx\nspool/spool uses abort')"
}

@test "only sandbox knows Landlock and seccomp" {
	only 'include <(seccomp|linux/landlock|linux/seccomp)\.h>' src/process/sandbox.c
	only '(SYS_landlock_[a-z_]*|PR_SET_SECCOMP|PR_SET_NO_NEW_PRIVS)' src/process/sandbox.c
}

@test "no program looks at its own name" {
	only '(program_invocation_(short_)?name|getprogname|__progname)'
	only 'argv\[0\]' src/cli/devices.c	# there it is the first of a list of names
}

@test "the library never exits, never prints" {
	only '(exit|_exit|_Exit|abort|err|errx|warn|warnx|perror)\(' \
	    $(cd "$ROOT" && echo src/*.c) src/cli/status.c src/cli/status.h src/process/workers.c src/process/child.c
	only '(printf|vprintf|puts|putchar|putc)\(' $(cd "$ROOT" && echo src/*.c) \
	    src/cli/status.c src/cli/results.c src/cli/table.c src/cli/options_help.c	# results and table are the programs' output
}

@test "no buffer without a bound" {
	only '(gets|vsprintf|alloca|strtok|atoi|atol|atoll)\('
}

# Variables in the library's .data and .bss. .data.rel.ro is constant once the program has started;
# openssl_context is OpenSSL's way to do something once; that OpenSSL lacked memory is openssl_error's to know, since its
# functions for memory are the process's; sanitizers keep tables of their own.
globals() {
	objdump -t "$OBJ/libcapfkit.a" | awk '
	/^[^ ]+\.o:/ { object = $1 }
	/ O / && / \.t?(data|bss)/ && !/ \.data\.rel\.ro/ && object != "openssl_context.o:" &&
	    !(object == "openssl_error.o:" && $NF == "lacked") &&
	    $NF !~ /^(__odr_asan|__asan|_ub_|\.L)/ { print object, $NF }'
}

@test "the library has no mutable globals" {
	[ -f "$OBJ/libcapfkit.a" ]
	run globals
	assert_output ""
}
