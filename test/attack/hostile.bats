# SPDX-License-Identifier: ISC
# Hostile clients, fifty of a kind at once: each is gone when its time is over, by the server's word, the phones
# beside them are served, and the server is no larger afterwards. How quickly is for test/bench/hostile to show. Each
# test asserts that its attack has happened. Only the deadline that a test is about is a matter of seconds.
load ../helper
load ../serving

BAD=50 HONEST=50

setup() {
	setup_server
	seq -f 'SEP%012.0f' 1 $((HONEST + 1 + BAD)) | phone-add -f -
	phone-set --operation install --auth null --key-order ec --ec 256 all
	by_itself "handshake-timeout = 5m" "message-timeout = 5m"
	start
	honest
}

# Phones that have an order get their certificates; as phones do, they try again when a busy machine takes
# longer than these deadlines.
honest() {
	seq -f 'SEP%012.0f' 1 $HONEST | phone-set --operation install -f -
	run --separate-stderr phone-sim --server $PORT --pattern SEP%012d --fleet $HONEST --rate 50 --retry 30 \
	    --time-scale 100 --timeout 10m
	assert_status 0
	assert_output_has "installed=$HONEST"
}
# hurry SETTING: from the next connection on.
hurry() {
	echo "$1" >>"$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
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
# logged PATTERN: how many lines of the log have it.
logged() {
	grep -Ec "$1" log || [ $? -eq 1 ]
}
# hostile OUTCOME ARGUMENT...: all of them come, and end so, before their own patience is over; honest ones are served
# meanwhile and afterwards. OURS: by the server, whether or not they hear its last words.
OURS='lost|refused'
hostile() {
	local outcome=$1 before=$(memory) open=$(descriptors) after attacker rc=0
	phone-sim --server $PORT --pattern SEP%012d --fleet $BAD --first $((HONEST + 1)) --report seen \
	    --timeout 10m "${@:2}" >sum 2>&1 3>&- &
	attacker=$!
	echo $attacker >>pids
	honest
	wait $attacker || rc=$?
	assert_equal $rc 1
	honest
	assert_equal "$(wc -l <seen)" $BAD
	assert_equal "$(cut -f 3 seen | grep -Ecx "$outcome")" $BAD
	back() { [ "$(descriptors)" -le $open ]; }
	until_true back
	after=$(memory)
	# A sanitizer keeps for a while what was freed.
	sanitized || [ "$after" -le $((before + before / 5 + 1024)) ] || fail "memory: $before KiB, then $after KiB"
	kill -0 $SERVER
}

@test "no word of a handshake" {
	hurry 'handshake-timeout = 2s'
	hostile "$OURS" --never-speak
	assert_equal "$(logged 'event=no-handshake.*took too long: the other side said nothing')" $BAD
}

@test "half a handshake" {
	hurry 'handshake-timeout = 10s'
	hostile "$OURS" --hang handshake
	assert_equal "$(logged 'event=no-handshake.*took too long"')" $BAD
}

@test "a byte, and another one a second later" {
	hurry 'message-timeout = 3s'
	hostile "$OURS" --byte-at-a-time --byte-delay 1000
	assert_equal "$(logged 'failure=too-slow.* in state hello')" $BAD
}

@test "messages of 65,535 bytes that never come" {
	hostile "$OURS" --claim-long
	assert_equal "$(logged 'failure=bad-message.* has a body of 65535 bytes')" $BAD
}

@test "silence where the first answer should be" {
	hurry 'message-timeout = 3s'
	hostile "$OURS" --hang auth
	assert_equal "$(logged 'failure=too-slow.* in state hello')" $BAD
}

@test "they hang up, at every step" {
	local step
	for step in connect handshake auth key wait store end; do
		phone-set --operation install all
		hostile dropped --drop $step
	done
	run --separate-stderr spool-check
	assert_silent
}

@test "16 MiB of rubbish" {
	hostile "$OURS" --rubbish 16777216
	assert_equal "$(logged 'failure=bad-message.* begins with a5')" $BAD
}

@test "who goes on after our last words is not heard to the end" {
	run --separate-stderr python3 - "$PORT" <<-'END'
		import socket, ssl, sys
		host, port = sys.argv[1].rsplit(":", 1)
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
		peer = context.wrap_socket(socket.create_connection((host, int(port)), 30))
		rubbish, sent = b"\xa5" * 4096, 0
		try:
		    while sent < 256 << 20:
		        sent += peer.send(rubbish)
		except OSError:
		    pass
		# What the kernel's buffers on both sides hold; and half of what the server listens to before it leaves.
		print("heard" if sent >= 64 << 20 else "not heard", "talks" if sent > 32768 else "mute")
	END
	assert_output "not heard talks"
	assert_equal "$(logged 'failure=bad-message.* begins with a5')" 1
}

# flood [ARGUMENT...] KIND: test/bench/flood, into BEGAN, SENT, ENDED and BLOCKED.
flood() {
	local host=${PORT%:*} port=${PORT##*:}
	[ -x flood ] || cc -D_GNU_SOURCE -std=c11 -O1 -o flood "$TESTDIR/bench/flood.c" -lssl -lcrypto
	./flood "$@" "$host" "$port" >flooded 2>&1 3>&- &
	ATTACKER=$!
	echo $ATTACKER >>pids
}
flooded() {
	local words
	wait $ATTACKER || fail "flood failed" "$(cat flooded)"
	words=$(cat flooded)
	[[ $words =~ ^began=([0-9]+)\ sent=([0-9]+)\ ended=([0-9]+)\ blocked=([0-9]+)\ longest_ms= ]] || fail "$words"
	BEGAN=${BASH_REMATCH[1]} SENT=${BASH_REMATCH[2]} ENDED=${BASH_REMATCH[3]} BLOCKED=${BASH_REMATCH[4]}
}
# idle_flood KIND: records without data, again and again, while phones enrol. Of all these connections none is left that
# the server has not ended, and the last is the only one that could be under way when the flood was stopped.
idle_flood() {
	local why='event=tls-error.*more than 64 records without data' before
	flood -n 0 -m 1000000 "$1"
	several() { [ "$(logged "$why")" -ge $((before + 3)) ]; }
	before=0
	until_true several
	honest
	before=$(logged "$why")
	until_true several
	kill -TERM $ATTACKER
	flooded
	[ "$ENDED" -ge $((BEGAN - 1)) ]
	[ "$SENT" -ge $((64 * ENDED)) ]
	[ "$(logged "$why")" -ge "$ENDED" ]
	# Nobody was ended in vain.
	[ "$(logged "$why")" -le "$BEGAN" ]
	honest
}

@test "a flood of KeyUpdates, TLS 1.3" {
	idle_flood key-update
	[ "$(logged 'event=connected.*tls=TLSv1.3')" -ge "$BEGAN" ]
}

@test "a flood of KeyUpdates that want an answer, from one who does not read" {
	idle_flood key-update-asked
}

@test "a flood of requests to renegotiate, TLS 1.2" {
	idle_flood renegotiate
	# All of them, and the one that was under way when the flood was stopped.
	[ "$(logged 'event=connected.*tls=TLSv1.2')" -ge "$BEGAN" ]
	[ "$(logged 'event=connected.*tls=TLSv1.2')" -le $((BEGAN + 1)) ]
}

# A hello in records of a byte each is a flood like any other.
@test "a handshake in crumbs" {
	run --separate-stderr python3 - "$PORT" <<-'END'
		import socket, ssl, sys
		host, port = sys.argv[1].rsplit(":", 1)
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
		out = ssl.MemoryBIO()
		tls = context.wrap_bio(ssl.MemoryBIO(), out)
		try:
		    tls.do_handshake()
		except ssl.SSLWantReadError:
		    pass
		hello = out.read()
		peer, sent = socket.create_connection((host, int(port)), 60), 0
		peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		try:
		    for byte in hello[5:]:
		        peer.sendall(hello[:3] + b"\0\1" + bytes([byte]))
		        sent += 1
		    print("ended" if not peer.recv(1) else "answered")
		except ConnectionError:
		    print("ended")
		print("flooded" if sent > 64 else sent)
	END
	assert_output "ended"$'\n'"flooded"
	assert_equal "$(logged 'event=no-handshake.*more than 64 records without data')" 1
	honest
}

@test "a flood of elements that nobody knows: a few lines in the log, and one that counts the others" {
	flood -n 3 -m 20000 -d $((HONEST + 1)) elements
	honest
	flooded
	assert_equal "$BEGAN $ENDED" "3 3"
	# So many messages are within what a phone may send.
	[ "$SENT" -ge $((3 * 600)) ]
	assert_equal "$(logged 'event=note device=.*unknown tags')" $((3 * 16))
	assert_equal "$(logged 'event=note .*more notes were left out')" 3
	assert_equal "$(logged 'event=dropped .*it sent too much')" 3
	[ "$(logged "device=SEP0+$((HONEST + 1))|device=SEP0+$((HONEST + 2))|device=SEP0+$((HONEST + 3))")" -le \
	    $((3 * (16 + 6))) ]
}

# turns: how often the server has asked what there is to do.
turns() {
	od -An -td8 turned
}

# The deadline of the phone that waits in silence would have come before theirs, if it had one.
@test "in the waiting state: silence stays, what stops halfway is ended, and the server sleeps meanwhile" {
	local first=$((HONEST + 1)) before preload=$PWD/turns.so
	stop
	cc -shared -fPIC -O1 -o turns.so "$TESTDIR/data/turns.c"
	# A sanitizer wants to be the first.
	if sanitized; then
		preload=$(cc -print-file-name=libasan.so):$preload
	fi
	printf '%s\n' 'issuer = offline' 'message-timeout = 3s' >"$SPOOL/capf.conf"
	head -c 8 /dev/zero >turned
	: >log
	LD_PRELOAD=$preload TURNS_FILE=$PWD/turned capf-serve -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	sim_later $(printf SEP%012d $first)
	waits() { [ "$(logged event=waiting)" -ge "$1" ]; }
	until_true waits 1
	# The start of a record, and no more.
	flood -k -m 1 -d $((first + 1)) part
	until_true grep -q 'event=dropped.*it did not finish a message' log
	flooded
	assert_equal "$BEGAN $SENT $ENDED" "1 1 1"
	# A slow machine wants time to fill what lies between the two.
	sed -i 's/^message-timeout = .*/message-timeout = 20s/' "$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	# Each byte of a message pays for a KeyUpdate, whose answer is not read.
	# Nothing more is read then, and the server has nothing to do until the deadline.
	flood -k -b -m 100000 -d $((first + 2)) key-update-asked
	until_true waits 3
	quiet() { before=$(turns); sleep 0.2; [ "$(turns)" -eq "$before" ]; }
	until_true quiet
	refute grep -q 'event=dropped.*it does not read what we send' log
	# The deadline is longer than test/mutants lets tests wait.
	TRIES=1200 until_true grep -q 'event=dropped.*it does not read what we send' log
	flooded
	assert_equal "$BEGAN $ENDED" "1 1"
	sign_all
	until_true outcome $(printf SEP%012d $first) installed
}
