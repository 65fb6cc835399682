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
	for file in "$3"/csr/*; do
		[ ! -e "$file" ] || echo whole | cmp -s - "$file" || { echo "$file: half"; exit 1; }
	done
	END
	chmod +x bin/spool-check
}

# walk HOW [ENVIRONMENT]: the walk over sloppy with one fault; the environment says what is enough to find it.
walk() {
	cat >"$1" <<-END
	program=sloppy
	prepare() {
		mkdir -p "\$SPOOL" && cd "\$SPOOL" &&
		mkdir -p csr superseded lsc stale installed done tmp
	}
	action() {
		(cd "\$SPOOL" && sloppy . $1)
	}
	END
	CAPFKIT_BIN=$BATS_FILE_TMPDIR/bin CAPFKIT_OBJ=$BATS_FILE_TMPDIR/obj \
	    PROBLEMS=100 run env "${2:-FULL=1}" "$TESTDIR/crash/walk" "./$1"
}

@test "a careful program passes" {
	walk good
	assert_status 0
	assert_output_has "ok - good: 6 kill points, 29 failure points, all legal, all converge"
	assert_output_has "1 passed, 0 failed"
}

@test "a file written in place is found" {
	walk inplace ONLY=half
	assert_status 1
	assert_output_has "csr/f, half: spool-check complains"
}

@test "a file published before its bytes are durable is found" {
	walk nosync KILLS=1
	assert_status 1
	assert_output_has "its bytes are not durable yet: "
}

@test "a directory that is never synced is found" {
	walk nodirsync KILLS=1
	assert_status 1
	assert_output_has "the program ends well, but csr/ is not durable since csr/f"
}

@test "a temporary file left behind is found" {
	walk leak KILLS=1
	assert_status 1
	assert_output_has "tmp/ is not empty"
}

@test "a write whose failure nobody looks at is found" {
	walk ignore ONLY=once:ENOSPC
	assert_status 1
	assert_output_has "write tmp/f, once:ENOSPC: exit 0, but the work is not done"
}

@test "a sync that failed and is tried again is found" {
	walk retry ONLY=once:EIO
	assert_status 1
	assert_output_has "fsync tmp/f, once:EIO: exit 0"
	assert_output_has "its bytes are not durable yet: "
}

@test "who speaks before it is durable is found" {
	walk early KILLS=1
	assert_status 1
	assert_output_has "stdout says: added f, but csr/ is not durable since csr/f"
}
