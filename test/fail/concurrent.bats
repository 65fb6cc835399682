# SPDX-License-Identifier: ISC
# Everybody at once on one spool, some killed: a short run of make check-concurrent.
load ../helper

@test "servers, phones, importers and deleters at once, some of them killed" {
	SECONDS_TO_RUN=12 PHONES=20 run "$TESTDIR/concurrent"
	assert_status 0
	assert_output_has "ok - everything once, nothing lost"
}
