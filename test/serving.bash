# SPDX-License-Identifier: ISC
# For the files that run capf-serve: `load ../serving` after `load ../helper`. The server listens on loopback, at any
# free port.

# A file with a setup of its own calls this first.
setup_server() {
	setup_each trusting
	export CAPF_SPOOL=$SPOOL
	ln -s "$FIX/key" keys
}
setup() {
	setup_server
}

teardown() {
	local pid
	for pid in $(cat pids 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	if [ -e elsewhere ]; then
		rm -rf "$(cat elsewhere)"
	fi
}

# started: waits for the server that has just been put into the background, its log in log. SERVER is its pid, PORT its
# first address.
started() {
	SERVER=$!
	echo $SERVER >>pids
	until_true grep -q event=ready log
	PORT=$(sed -n 's/.*event=listening address=//p' log | head -n 1)
}
# start [ARGUMENT...]: the server in the background.
start() {
	: >log
	capf-serve -l 127.0.0.1:0 "$@" </dev/null >out 2>log 3>&- &
	started
}
gone() {
	! kill -0 "$1" 2>/dev/null
}
# settled PID...: each has had its turn with what it was given, and sleeps.
settled() {
	local before now=
	for _ in 1 2 3; do
		before=$now
		now=$(for pid; do grep -E '^(State|voluntary_ctxt_switches)' "/proc/$pid/status"; done)
		[ "$(grep -c 'S (sleeping)' <<<"$now")" -eq $# ] || return 1
		[ "$now" = "${before:-$now}" ] || return 1
		sleep 0.05
	done
}
# stop [SIGNAL]: waits for its end; RC is its exit status.
stop() {
	RC=0
	kill "-${1:-TERM}" $SERVER
	wait $SERVER || RC=$?
}

# order DEVICE ARGUMENT...: a phone with an operation.
order() {
	phone-add -u "$1" && phone-set "$@"
}
install_null() {
	order "$1" --operation install --auth null "${@:2}"
}
# sim DEVICE [ARGUMENT...]: one phone, to its end.
sim() {
	run --separate-stderr phone-sim --server $PORT --keys keys --timeout 60s --device "$@"
}
# sim_later DEVICE [ARGUMENT...]: the same in the background; its output is in DEVICE.out.
sim_later() {
	phone-sim --server $PORT --keys keys --timeout 90s --device "$@" >"$1.out" 2>&1 3>&- &
	echo $! >>pids
	LATER=$!
}
outcome() {
	grep -q "^$1	$2	" "$1.out"
}
ended() {
	[[ $output == *$'\t'$1$'\t'* ]] || fail "wanted: $1" "$(show_run)" "$(cat log)"
}
# hung_up: the phone did, and what came of it is written: a worker's records are kept in order, and the next phone
# was answered.
hung_up() {
	ended dropped
	if phone-sim --server $PORT --device SEP999999999999 >unknown 2>&1; then
		fail "a phone was served that nobody knows"
	fi
	grep -q '	unknown-device	' unknown || fail "wanted: unknown-device" "$(cat unknown log)"
}
# state DEVICE: the operation's.
state() {
	phone-list | awk -F '\t' -v d="$1" '$1 == d { print $3 }'
}
count() {
	ls "$SPOOL/$1" | wc -l
}
has() {
	[ "$(count "$1")" -eq "$2" ]
}
# The CA's part.
sign_all() {
	csr-dump --manifest | csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" |
	    cert-import
}
by_itself() {
	printf '%s\n' 'issuer = capf' "issuer-certificate = $FIX/root.pem" \
	    "issuer-key = $FIX/root.key" "$@" >>"$SPOOL/capf.conf"
}

# The numbers of all its processes.
processes() {
	echo $SERVER $(cat /proc/$SERVER/task/$SERVER/children)
}
# children NAME: of the server, those that call themselves so.
children() {
	local pid
	for pid in $(cat /proc/$SERVER/task/$SERVER/children); do
		if [ "$(cat /proc/$pid/comm)" = "$1" ]; then
			echo "$pid"
		fi
	done
}

# ten_call: ten phones, three with EC keys, have asked over TLS and wait on the line.
ten_call() {
	seq -f 'SEP%012.0f' 1 10 >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	head -n 3 names >ec
	phone-set -f ec --key-order ec --ec 256
	start
	phone-sim --server $PORT --timeout 120s --pattern SEP%012d --fleet 10 >fleet.out 2>&1 3>&- &
	echo $! >>pids
	until_true has csr 10
}
