# SPDX-License-Identifier: ISC
# Everything at once, with kills, for a short while: the records agree with what the phones saw.
# `make check-oracle` does it for ten minutes with 2,000 phones.
load ../helper

@test "phones, an administrator and kills: in the end all agrees" {
	local phones=100
	if sanitized; then
		phones=40
	fi
	CAPFKIT_BIN=$BIN run "$TESTDIR/oracle/run" -n $phones -t 20
	assert_status 0
	[[ $output =~ $'\n'$phones" phones, "[1-9][0-9]*" certificates stored, ".*" and all agrees" ]] ||
	    fail "the records were not compared" "$(show_run)"
	assert_equal "${lines[-1]}" "1 passed, 0 failed"
}
