# SPDX-License-Identifier: ISC
# The kept cases of every harness of test/fuzz, with whatever compiler and sanitizers built it; and that make
# fuzz notices what it is for.
load ../helper

# build DIR COMMAND...: the harness whose law does not hold.
build() {
	mkdir -p "$1"
	"${@:2}" -DFUZZ_DATA='""' -iquote "$TESTDIR/fuzz" -iquote "$ROOT/src" -o "$1/sloppy-law" \
	    "$TESTDIR/data/sloppy-law.c" "$ROOT/src/base/bytes.c"
}

@test "every harness holds over its seeds and found cases" {
	local file name n=0
	for file in "$TESTDIR"/fuzz/*.c; do
		name=$(basename "$file" .c)
		[ "$name" != driver ] || continue
		n=$((n + 1))
		run --separate-stderr "$OBJ/replay/$name" $(find "$TESTDIR/fuzz/seeds/$name" \
		    "$TESTDIR/fuzz/found/$name" -type f 2>/dev/null)
		assert_status 0
		[ "${output%% *}" -ge 3 ] || fail "$name has hardly a case" "$(show_run)"
	done
	[ "$n" -ge 15 ]
}

@test "every kept case has its harness" {
	local dir
	for dir in "$TESTDIR"/fuzz/seeds/* "$TESTDIR"/fuzz/found/* "$TESTDIR"/fuzz/dict/*; do
		[ -f "$TESTDIR/fuzz/${dir##*/}.c" ] || fail "$dir: no harness"
	done
	[ "$(du -sb "$TESTDIR/fuzz" | cut -f1)" -lt 500000 ]
}

@test "a kept case that breaks a law ends the replay" {
	build . cc "$TESTDIR/fuzz/driver.c"
	printf y >good
	printf x >bad
	run --separate-stderr ./sloppy-law good
	assert_status 0
	assert_output "1 cases"
	run --separate-stderr ./sloppy-law good bad
	assert_status 134
	assert_stderr_has "broken law: size == 0 || data[0] != 'x'"
}

@test "make fuzz finds a broken law, says so, and keeps the case" {
	build fuzzer clang -fsanitize=fuzzer
	run "$TESTDIR/fuzz/run" "$PWD" 10 sloppy-law
	assert_status 1
	assert_output_has "not ok - sloppy-law: "
	assert_output_has "broken law: size == 0 || data[0] != 'x'"
	assert_output_has "0 passed, 1 failed"
	[ "$(head -c 1 found/sloppy-law/crash-*)" = x ]
}
