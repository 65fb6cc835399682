# SPDX-License-Identifier: ISC
# Claims about the sources: who includes whom, and who may call what.
load helper

# check_includes LIB TABLE: prints what differs between the include lines of LIB and the table.
check_includes() {
	awk '
	FNR == NR {
		sub(/#.*/, "")
		if (split($0, side, ":") < 2)
			next
		module = side[1]
		allowed[module, module] = known[module] = 1
		n = split(side[2], to, " ")
		for (i = 1; i <= n; i++)
			allowed[module, to[i]] = 1
		next
	}
	FNR == 1 {
		module = FILENAME
		sub(/.*\//, "", module)
		sub(/\.[ch]$/, "", module)
		seen[module] = 1
		if (!(module in known))
			print module ": not in the table"
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, part, "\"")
		to_module = part[2]
		sub(/\.h$/, "", to_module)
		if (!((module, to_module) in allowed))
			print FILENAME ": includes " part[2]
	}
	END {
		for (module in known)
			if (!(module in seen))
				print module ": in the table, but there is no such module"
	}' "$2" "$1"/*.[ch]
}

# only REGEX FILE...: the regex, as a whole word, occurs in no source but these.
only() {
	local regex=$1 file found
	shift
	found=$(cd "$ROOT" && grep -nE "(^|[^A-Za-z0-9_])$regex" src/*.c src/lib/*.[ch] | grep -vE '^[^:]*:[0-9]+:(/| ?\*|	* \*)' || true)
	for file in "$@"; do
		found=$(grep -v "^$file:" <<<"$found" || true)
	done
	[ -z "$found" ] || fail "only in ${*:-no file}: $regex" "$found"
}

@test "modules include only what the table allows" {
	run check_includes "$ROOT/src/lib" "$TESTDIR/data/modules.table"
	assert_output ""
}

@test "a forbidden include is found" {
	cp -r "$ROOT/src/lib" lib
	run check_includes lib "$TESTDIR/data/modules.table"
	echo '#include "spool.h"' >>lib/cert.c
	run check_includes lib "$TESTDIR/data/modules.table"
	assert_output_has "lib/cert.c: includes spool.h"
}

@test "a module that the table does not know is found, and one that is gone" {
	cp -r "$ROOT/src/lib" lib
	echo >lib/stranger.c
	rm lib/when.[ch]
	run check_includes lib "$TESTDIR/data/modules.table"
	assert_output_has "stranger: not in the table"
	assert_output_has "when: in the table, but there is no such module"
}

@test "only spool and outfile change directories or make things durable" {
	only '(link|linkat|rename|renameat|renameat2|unlink|unlinkat|rmdir|remove)\(' \
	    src/lib/spool.c src/lib/outfile.c
	only '(fsync|fdatasync|syncfs|sync)\(' src/lib/spool.c src/lib/outfile.c
	only '(mkdir|mkdirat|mkstemp|mkostemp|mkdtemp|tmpfile|creat)\(' src/lib/spool.c src/lib/outfile.c
	# The board is in memory.
	only 'ftruncate\(' src/lib/spool.c src/lib/outfile.c src/lib/board.c
}

@test "only pool forks, and nobody starts threads or other programs" {
	only '(fork|vfork)\(' src/lib/pool.c
	only '(pthread_create|thrd_create|system|popen|posix_spawnp?|exec[lv][a-z]*)\('
}

@test "only archive, gunzip, pack and its two writers know tar and gzip" {
	only '#[ 	]*include <(archive|archive_entry)\.h>' src/lib/archive.c src/lib/ustar_libarchive.c
	only '#[ 	]*include <libtar\.h>' src/lib/ustar_libtar.c
	only '#[ 	]*include <zlib\.h>' src/lib/gunzip.c src/lib/pack.c
	only 'include <ini\.h>' src/lib/conf.c
}

@test "only ticks asks the clock that nobody sets" {
	only 'CLOCK_(MONOTONIC|BOOTTIME)[A-Z_]*' src/lib/ticks.c
}

@test "only tls knows TLS" {
	only 'include <openssl/(ssl|tls1|bio_ssl|quic)\.h>' src/lib/tls.c
}

@test "only sandbox knows Landlock and seccomp" {
	only 'include <(seccomp|linux/landlock|linux/seccomp)\.h>' src/lib/sandbox.c
	only '(SYS_landlock_[a-z_]*|PR_SET_SECCOMP|PR_SET_NO_NEW_PRIVS)' src/lib/sandbox.c
}

@test "no program looks at its own name" {
	only '(program_invocation_(short_)?name|getprogname|__progname)'
	only 'argv\[0\]' src/lib/names.c	# there it is the first of a list of names
}

@test "the library never exits, never prints" {
	only '(exit|_exit|_Exit|abort|err|errx|warn|warnx|perror)\(' \
	    $(cd "$ROOT" && echo src/*.c) src/lib/status.c src/lib/status.h src/lib/pool.c
	only '(printf|vprintf|puts|putchar|putc)\(' $(cd "$ROOT" && echo src/*.c) \
	    src/lib/status.c src/lib/answers.c	# answers is the programs' output, a line for each item
}

@test "no buffer without a bound" {
	only '(gets|vsprintf|alloca|strtok|atoi|atol|atoll)\('
}

# Variables in the library's .data and .bss. .data.rel.ro is constant once the program has started;
# lean's context is OpenSSL's way to do something once; that OpenSSL lacked memory is osslerr's to know, since its
# functions for memory are the process's; sanitizers keep tables of their own.
globals() {
	objdump -t "$OBJ/libcapfkit.a" | awk '
	/^[^ ]+\.o:/ { object = $1 }
	/ O / && / \.t?(data|bss)/ && !/ \.data\.rel\.ro/ && object != "lean.o:" &&
	    !(object == "osslerr.o:" && $NF == "lacked") &&
	    $NF !~ /^(__odr_asan|__asan|_ub_|\.L)/ { print object, $NF }'
}

@test "the library has no mutable globals" {
	[ -f "$OBJ/libcapfkit.a" ]
	run globals
	assert_output ""
}
