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

# probe PROCESS WHAT: what it comes to when the process tries it, into SAID: done, an error, or killed.
probe() {
	: >log
	# Through a pipe: an issuing process can write into no file.
	LD_PRELOAD=$PWD/probe.so PROBE_IN=$1 PROBE=$2 capf-serve -l 127.0.0.1:0 </dev/null \
	    2> >(exec cat >log 3>&-) 3>&- &
	SERVER=$!
	echo $SERVER >>pids
	until_true grep -Eq "event=ready|issuing process ended" log
	PORT=$(sed -n 's/.*event=listening address=//p' log | head -n 1)
	if [ "$1" = capf-worker ]; then
		phone-sim --server $PORT --timeout 2s --device SEP000000000009 >/dev/null 2>&1 3>&- || true
	fi
	until_true grep -Eq "^probe: |signal 31|issuing process ended" log
	SAID=$(sed -n 's/^probe: .*: //p' log | head -n 1)
	SAID=${SAID:-killed}
	kill -TERM $SERVER 2>/dev/null || true
	wait $SERVER || true
}
probe_ready() {
	if sanitized; then
		skip "what is preloaded would come before the sanitizer"
	fi
	cc -shared -fPIC -O1 -o probe.so "$TESTDIR/data/probe.c" -ldl
	by_itself
	echo old >outside
}

@test "a worker can open its part of the spool, and nothing else" {
	probe_ready
	local what said wanted
	while read -r wanted what; do
		case $wanted in
		no) said="Permission denied" ;;
		done) said=done ;;
		killed) said=killed ;;
		esac
		probe capf-worker "$what"
		[ "$SAID" = "$said" ] || fail "$what: $SAID" "$(cat log)"
	done <<-END
		no read:/etc/passwd
		no read:$PWD/outside
		no write:$PWD/outside
		no make:$PWD/new
		no read:$SPOOL/capf.conf
		done read:$SPOOL/ca/capf.pem
		no write:$SPOOL/ca/capf.pem
		no make:$SPOOL/trust/capf/new
		no read:$SPOOL/trust/callmanager
		no make:$SPOOL/new
		done make:$SPOOL/csr/new
		done remove:$SPOOL/csr/new
		done write:$SPOOL/journal
		killed socket
		killed fork
		killed exec
	END
	assert_equal "$(cat outside)" old
}

@test "an issuing process can open nothing" {
	probe_ready
	local what
	for what in read:/etc/passwd "read:$FIX/root.key" "read:$SPOOL/capf.conf" "make:$PWD/new"; do
		probe capf-issuing "$what"
		[ "$SAID" = "Permission denied" ] || fail "$what: $SAID" "$(cat log)"
	done
	for what in socket fork exec; do
		probe capf-issuing "$what"
		[ "$SAID" = killed ] || fail "$what: $SAID" "$(cat log)"
	done
}

@test "without the sandbox they could: the probe is no dummy" {
	probe_ready
	local in what
	export PROBE_OFF=1
	for in in capf-worker capf-issuing; do
		for what in read:/etc/passwd "make:$PWD/new" "write:$SPOOL/ca/capf.pem" socket fork; do
			probe $in "$what"
			[ "$SAID" = done ] || fail "$in: $what: $SAID" "$(cat log)"
		done
	done
}
