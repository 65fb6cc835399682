# SPDX-License-Identifier: ISC
# capf-serve as a service: its processes, and what happens when they end.
load helper
load serving

@test "the issuing process is killed: another one signs, and no phone feels it" {
	by_itself
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim SEP000000000001
	ended installed
	local first=$(children capf-issuing)
	[ -n "$first" ]
	# A phone whose request meets it while it cannot answer gets its certificate from the next one.
	kill -STOP $first
	sim_later SEP000000000002
	until_true grep -q 'event=connected.*conn=2' log
	sleep 0.5
	kill -KILL $first
	until_true outcome SEP000000000002 installed
	grep -q 'event=error.*issuing process ended' log
	[ "$(children capf-issuing)" != "$first" ]
}
