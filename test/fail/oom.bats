# SPDX-License-Identifier: ISC
# The walk of make check-oom finds what it is for. The programs themselves are walked there.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mkdir -p bin obj/oom
	ln -s "$BIN"/* bin
	cc -O1 -o bin/careless "$TESTDIR/data/careless.c"
	cc -D_GNU_SOURCE -fno-builtin -fPIC -shared -o obj/oom/oom.so "$TESTDIR/oom/oom.c"
}

# walk HOW: the walk over careless with one fault.
walk() {
	cat >"$1" <<-END
	prepare() {
		:
	}
	action() {
		careless $1 "\$SPOOL"
	}
	END
	CAPFKIT_BIN=$BATS_FILE_TMPDIR/bin CAPFKIT_OBJ=$BATS_FILE_TMPDIR/obj \
	    run "$TESTDIR/oom/walk" "./$1"
}

@test "a program that says so passes" {
	walk good
	assert_status 0
	assert_output_has "ok - good: 2 allocations of its own"
	assert_output_has "all end well"
}

@test "one that crashes is found" {
	walk crash
	assert_status 1
	assert_output_has "own 2: exit 139"
}

@test "one that says nothing is found" {
	walk silent
	assert_status 1
	assert_output_has "own 2: exit 111 without a word"
}

@test "one that blames what it was given is found" {
	walk blame
	assert_status 1
	assert_output_has "own 2: exit 100"
}

@test "one that claims success is found" {
	walk wrong
	assert_status 1
	assert_output_has "own 2: exit 0, but it said something else"
}

@test "one that leaves something is found" {
	walk litter
	assert_status 1
	assert_output_has "own 2: exit 111, then spool-check complains"
}
