# SPDX-License-Identifier: ISC
# Hostile clients, fifty of a kind at once, with deadlines of seconds: each is gone when its time is over,
# the phones beside them are served, and the server is no larger afterwards. That they are served as quickly
# is for test/bench/hostile to show.
load helper
load serving

BAD=50 HONEST=50
HANDSHAKE=2 ANSWER=3 FAREWELL=5	# the last one is the server's own

setup() {
	setup_server
	seq -f 'SEP%012.0f' 1 $((HONEST + 1 + BAD)) | phone-add -f -
	phone-set --operation install --auth null --key-order ec --ec 256 all
	by_itself "handshake-timeout = ${HANDSHAKE}s" "message-timeout = ${ANSWER}s"
	start
	honest
}

# Phones that have an order get their certificates; as phones do, they try again when a busy machine takes
# longer than these deadlines.
honest() {
	seq -f 'SEP%012.0f' 1 $HONEST | phone-set --operation install -f -
	run --separate-stderr phone-sim --server $PORT --pattern SEP%012d --fleet $HONEST --rate 50 --retry 3 \
	    --time-scale 100 --timeout 60s
	assert_status 0
	assert_output_has "installed=$HONEST"
}
# KiB of memory of all the server's processes.
memory() {
	local p
	for p in $(processes); do
		cat /proc/$p/stat
	done | awk -v page="$(getconf PAGESIZE)" '{ s += $24 } END { printf "%.0f\n", s * page / 1024 }'
}
descriptors() {
	local p
	for p in $(processes); do
		ls /proc/$p/fd
	done | wc -l
}
# hostile SECONDS ARGUMENT...: no client stays longer, and honest ones are served meanwhile and afterwards.
hostile() {
	local limit=$1 before=$(memory) open=$(descriptors) after attacker
	nice phone-sim --server $PORT --pattern SEP%012d --fleet $BAD --first $((HONEST + 1)) --report seen \
	    --timeout 60s "${@:2}" >sum 2>&1 3>&- &
	attacker=$!
	echo $attacker >>pids
	honest
	wait $attacker || true
	honest
	awk -F '\t' -v limit=$limit -v bad=$BAD '
	$7 > limit { print $1 " stayed for " $7 " s" }
	END { if (NR != bad) print NR " came instead of " bad }' seen >wrong
	[ ! -s wrong ] || fail "$(cat wrong)" "$(cat sum)" "$(tail -n 20 log)"
	back() { [ "$(descriptors)" -le $open ]; }
	until_true back
	after=$(memory)
	# A sanitizer keeps for a while what was freed.
	sanitized || [ "$after" -le $((before + before / 5 + 1024)) ] || fail "memory: $before KiB, then $after KiB"
	kill -0 $SERVER
}

@test "no word of a handshake" {
	hostile $((HANDSHAKE + 2)) --never-speak
	assert_equal "$(grep -c 'event=no-handshake.*took too long' log)" $BAD
}

@test "half a handshake" {
	hostile $((HANDSHAKE + 2)) --hang handshake
}

@test "a byte, and another one a second later" {
	hostile $((HANDSHAKE + ANSWER + FAREWELL + 3)) --byte-at-a-time --byte-delay 1000
	assert_equal "$(grep -c failure=too-slow log)" $BAD
}

@test "messages of 65,535 bytes that never come" {
	hostile $((HANDSHAKE + ANSWER + FAREWELL + 2)) --claim-long
}

@test "silence after the first answer" {
	hostile $((HANDSHAKE + ANSWER + FAREWELL + 2)) --hang auth
}

@test "they hang up, at every step" {
	local step
	for step in connect handshake auth key wait store end; do
		phone-set --operation install all
		hostile $((HANDSHAKE + ANSWER + FAREWELL)) --drop $step
	done
	run --separate-stderr spool-check
	assert_silent
}

@test "16 MiB of rubbish" {
	hostile $((HANDSHAKE + ANSWER + FAREWELL + 10)) --rubbish 16777216
}

@test "who goes on after our last words is not heard to the end" {
	run --separate-stderr python3 - "$PORT" <<-'END'
		import socket, ssl, sys
		host, port = sys.argv[1].rsplit(":", 1)
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
		peer = context.wrap_socket(socket.create_connection((host, int(port)), 30))
		rubbish, sent = b"\xa5" * 65536, 0
		try:
		    while sent < 256 << 20:
		        sent += peer.send(rubbish)
		except OSError:
		    pass
		# What the kernel's buffers on both sides hold.
		print("heard" if sent >= 64 << 20 else "not heard")
	END
	assert_output_has "not heard"
}
