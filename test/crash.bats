# SPDX-License-Identifier: ISC
# The walk of make check-crash finds what it is for. The programs themselves are walked there.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mkdir -p bin obj/crash
	cc -o bin/sloppy "$TESTDIR/data/sloppy.c"
	cc -D_GNU_SOURCE -fPIC -shared -o obj/crash/crash.so "$TESTDIR/crash/crash.c"
	cat >bin/spool-check <<-'END'
	#!/bin/sh
	for file in "$2"/csr/*; do
		[ ! -e "$file" ] || echo whole | cmp -s - "$file" || { echo "$file: half"; exit 1; }
	done
	END
	chmod +x bin/spool-check
}

# walk HOW: the walk over sloppy with one fault.
walk() {
	cat >"$1" <<-END
	prepare() {
		mkdir -p "\$SPOOL" && cd "\$SPOOL" &&
		mkdir -p csr superseded lsc stale installed done tmp
	}
	action() {
		sloppy "\$SPOOL" $1
	}
	END
	CAPFKIT_BIN=$BATS_FILE_TMPDIR/bin CAPFKIT_OBJ=$BATS_FILE_TMPDIR/obj \
	    run "$TESTDIR/crash/walk" "./$1"
}

@test "a careful program passes" {
	walk good
	assert_status 0
	assert_output_has "ok - good: 5 kill points (11 disturbances), all legal, all converge"
	assert_output_has "1 passed, 0 failed"
}

@test "a file written in place is found" {
	walk inplace
	assert_status 1
	assert_output_has "csr/f, half: spool-check complains"
}

@test "a file published before its bytes are durable is found" {
	walk nosync
	assert_status 1
	assert_output_has "its bytes are not durable yet: rename"
}

@test "a directory that is never synced is found" {
	walk nodirsync
	assert_status 1
	assert_output_has "the program ends, but csr/ is not durable since: rename"
}

@test "a temporary file left behind is found" {
	walk leak
	assert_status 1
	assert_output_has "tmp/ is not empty"
}
