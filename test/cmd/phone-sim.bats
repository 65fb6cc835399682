# SPDX-License-Identifier: ISC
# phone-sim against a server that follows a script and has none of our code: test/data/capf-peer.py.
load ../helper

setup() {
	setup_each
	PEER=
}
teardown() {
	peer_end
}

# peer FLOW...: a server on a free port, in $SERVER; what it is told is in peer/log.
peer() {
	peer_end
	rm -rf peer
	mkdir peer
	python3 "$TESTDIR/data/capf-peer.py" peer "$FIX/root.pem" "$FIX/root.key" "$FIX/root.pem" "$FIX/root.key" \
	    "$@" 3>&- >peer/out 2>&1 &
	PEER=$!
	until_true test -e peer/port
	SERVER=127.0.0.1:$(cat peer/port)
}
peer_end() {
	if [ -n "${PEER:-}" ]; then
		kill "$PEER" 2>/dev/null || true
		wait "$PEER" 2>/dev/null || true
	fi
	PEER=
}

# sim ARGUMENT...: one phone, within a minute.
sim() {
	run --separate-stderr timeout 60 phone-sim --server "$SERVER" --device SEP001122334455 \
	    --keys "$FIX/key" "$@"
}
# assert_end STATUS OUTCOME [STDERR]
assert_end() {
	assert_status "$1"
	[[ $output =~ ^SEP001122334455$'\t'"$2"$'\t'[0-9]+\.[0-9]{3}$ ]] || fail "wanted: $2" "$(show_run)"
	if [ $# -gt 2 ]; then
		assert_stderr_has "$3"
	else
		assert_equal "$stderr" ""
	fi
}
# log_has REGEX: the peer was told this.
log_has() {
	grep -qE "$1" peer/log
}
assert_log() {
	log_has "$1" || fail "not in the log: $1" "$(cut -c1-300 peer/log)"
}
# summary KEY: its value in the line of a fleet.
summary() {
	sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" <<<"$output"
}
fleet() {
	run --separate-stderr timeout 120 phone-sim --server "$SERVER" --keys "$FIX/key" "$@"
}

# mic NAME KEY: NAME.pem, a certificate for the device by the lab root.
mic() {
	make_csr "$1" "$2"
	sign_openssl "$1.csr" "$1.der"
	openssl x509 -inform DER -in "$1.der" -out "$1.pem"
}

@test "an RSA key is made, and its certificate stored" {
	peer install
	sim --lsc-out lsc.pem --key-dir . --whole-records
	assert_end 0 installed
	assert_log '^2 7=03 13=53455030303131323233333434353500 1=01$'
	assert_log '^17$'
	assert_log '^4 9=30820122'
	assert_log '^10 1=01$'
	assert_equal "$(openssl x509 -in lsc.pem -noout -pubkey)" "$(openssl pkey -in SEP001122334455.key -pubout)"
	assert_equal "$(openssl x509 -in lsc.pem -noout -subject -nameopt oneline)" \
	    "subject=CN = SEP001122334455"
	assert_equal "$(stat -c %a SEP001122334455.key)" 600
}

@test "EC keys, by curve, and RSA by size" {
	local kind
	for kind in ec256 ec384 ec521 rsa3072; do
		peer install:$kind
		sim --lsc-out $kind.der
		assert_end 0 installed
	done
	assert_equal "$(openssl x509 -inform DER -in ec384.der -noout -text | grep -c 'NIST CURVE: P-384')" 1
	assert_equal "$(openssl x509 -inform DER -in rsa3072.der -noout -text | grep -c '(3072 bit)')" 1
}

@test "fetch, delete, nothing to do, refused, unknown device" {
	mic SEP001122334455 rsa1
	peer fetch fetch fetch delete nothing refuse unknown
	sim --mic SEP001122334455.pem
	assert_end 0 fetched
	assert_log "^12 1=01 4=01.{4}0001$(od -An -v -tx1 SEP001122334455.der | tr -d ' \n')\$"
	sim --lsc SEP001122334455.pem
	assert_end 0 fetched
	sim
	assert_end 1 refused
	sim
	assert_end 0 deleted
	sim
	assert_end 0 nothing
	sim
	assert_end 1 refused
	sim
	assert_end 1 unknown-device
}

@test "a certificate that is not for its key, or not for its name, is not stored" {
	peer wrong stranger
	sim --lsc-out lsc.pem
	assert_end 1 refused "has another key than the certificate"
	sim --lsc-out lsc.pem
	assert_end 1 refused "the certificate is another device's"
	[ ! -e lsc.pem ]
	refute log_has '^10 1=01'
}

@test "a server that breaks the protocol is told apart" {
	peer liar session split hangup later
	sim
	assert_end 1 bad-server "nothing was done"
	sim
	assert_end 1 bad-server "has session id 00000007 instead of 0000002b"
	sim --whole-records
	assert_end 1 bad-server "not one TLS record"
	sim
	assert_end 1 lost "hung up"
	sim
	assert_end 1 later "asked later"
}

@test "a message in two records is no trouble by default" {
	peer split
	sim
	assert_end 0 installed
}

@test "versions: 2 wants KEY_SIZE alone" {
	peer install typed
	sim --protocol-version 2
	assert_end 0 installed
	assert_log '^2 7=02 '
	sim --protocol-version 2
	assert_end 1 refused "KEY_TYPE or CURVE"
	assert_log '^4 1=07$'
}

@test "elements in another order, no REQUEST_IN_PROGRESS, or several" {
	peer install
	sim --reversed --string 12345 --in-progress 0
	assert_end 0 installed
	assert_log '^2 11=313233343500 1=01 13=53455030303131323233333434353500 7=03$'
	refute log_has '^17$'
	sim --in-progress 4 --delay key=20
	assert_end 0 installed
	assert_equal "$(grep -cx 17 peer/log)" 4
}

@test "--string from a file and from standard input, or none" {
	peer nothing
	echo 987654 >string
	sim --string string
	assert_end 0 nothing
	assert_log ' 11=39383736353400'
	sim --string - <<<5555
	assert_end 0 nothing
	assert_log ' 11=3535353500'
	: >peer/log
	sim --mode string
	assert_end 0 nothing
	sim --string 7777 --mode null
	assert_end 0 nothing
	refute log_has ' 11='
	sim --string nosuch
	assert_status 100
	assert_stderr_has "nosuch: No such file or directory"
}

# Bytes from lower-case hex.
unhex() {
	tr a-f A-F | basenc --base16 -d
}
# proofs KEY: the signatures in the last AUTH_RESPONSE, checked with plain openssl; $1 is a certificate.
proofs() {
	local line field
	line=$(grep '^2 ' peer/log | tail -1)
	field() {
		grep -oE " $1=[0-9a-f]+" <<<"$line" | cut -d= -f2
	}
	openssl x509 -in "$1" -noout -pubkey >pub.pem
	{ printf 'SEP001122334455\0'; openssl x509 -in "$1" -outform DER; } >signed
	field 6 | unhex >sig1
	field 20 | cut -c7- | unhex >sig512
	assert_equal "$(field 20 | cut -c1-2)" 03
	openssl dgst -sha1 -binary signed >hash1
	openssl dgst -sha512 -binary signed >hash512
	openssl pkeyutl -verify -pubin -inkey pub.pem -in hash1 -sigfile sig1 &&
	    openssl pkeyutl -verify -pubin -inkey pub.pem -in hash512 -sigfile sig512
}

@test "existing certificates: what openssl says of the signatures" {
	mic SEP001122334455 rsa1
	cp SEP001122334455.pem mic.pem
	mic SEP001122334455 rsa2
	cp SEP001122334455.pem lsc.pem
	mic SEP001122334455 ec256
	cp SEP001122334455.pem ec.pem
	peer nothing
	sim --mode existing-mic --mic mic.pem --mic-key "$FIX/key/rsa1.pem" --lsc lsc.pem --lsc-key "$FIX/key/rsa2.pem"
	assert_end 0 nothing
	proofs mic.pem
	sim --mode existing-lsc --mic mic.pem --mic-key "$FIX/key/rsa1.pem" --lsc lsc.pem --lsc-key "$FIX/key/rsa2.pem"
	proofs lsc.pem
	sim --mode existing-lsc --mic mic.pem --mic-key "$FIX/key/rsa1.pem"
	proofs mic.pem
	sim --mode existing-mic --mic ec.pem --mic-key "$FIX/key/ec256.pem"
	proofs ec.pem
	sim --mode existing-mic --mic mic.pem --mic-key "$FIX/key/rsa1.pem" --tamper sha2
	refute proofs mic.pem
	sim --mode existing-mic --mic mic.pem --mic-key "$FIX/key/rsa1.pem" --tamper sha1
	refute proofs mic.pem
	: >peer/log
	sim --mode existing-mic
	assert_end 0 nothing
	refute log_has ' 6='
	sim --mode existing-mic --mic mic.pem --mic-key "$FIX/key/rsa1.pem" --sudi
	assert_log ' 16=00'
}

@test "--sudi signs the session, little-endian" {
	local sudi len
	mic SEP001122334455 rsa1
	openssl x509 -in SEP001122334455.pem -noout -pubkey >pub.pem
	peer nothing
	sim --mode existing-mic --mic SEP001122334455.pem --mic-key "$FIX/key/rsa1.pem" --sudi
	assert_end 0 nothing
	{ printf '\x2a\0\0\0'; cat SEP001122334455.der; } | openssl dgst -sha512 -binary >hash
	sudi=$(grep -oE ' 16=[0-9a-f]+' peer/log | cut -d= -f2)
	echo "${sudi: -512}" | unhex >sig
	openssl pkeyutl -verify -pubin -inkey pub.pem -in hash -sigfile sig
	sim --mode existing-mic --mic SEP001122334455.pem --mic-key "$FIX/key/rsa1.pem" --sudi --tamper replay
	sudi=$(grep -oE ' 16=[0-9a-f]+' peer/log | tail -1 | cut -d= -f2)
	echo "${sudi: -512}" | unhex >sig
	{ printf '\x2b\0\0\0'; cat SEP001122334455.der; } | openssl dgst -sha512 -binary >hash
	refute openssl pkeyutl -verify -pubin -inkey pub.pem -in hash -sigfile sig
}

@test "--refuse, at each step" {
	mic SEP001122334455 rsa1
	peer install install fetch delete sign
	sim --refuse key
	assert_end 1 refused "as planned"
	assert_log '^4 1=07$'
	sim --refuse store
	assert_end 1 refused "as planned"
	assert_log '^10 1=07$'
	sim --refuse fetch --lsc SEP001122334455.pem
	assert_end 1 refused
	sim --refuse delete
	assert_end 1 refused
	assert_log '^14 1=07$'
	sim --refuse sign
	assert_end 1 refused
	assert_log '^23 1=07$'
	sim --refuse auth
	assert_end 1 refused
}

@test "it signs a request with the key that it made, and answers signs of life" {
	peer sign keepalive
	sim
	assert_end 0 installed
	assert_log '^23 1=01 20=02'
	sim
	assert_end 0 installed
	assert_log '^19$'
}

@test "--manners strict: hangs up at what it does not expect" {
	peer wait resume
	mkdir kept
	sim --drop wait --key-dir kept
	sim --manners strict
	assert_end 1 dropped "hung up at STORE_CERTIFICATE_REQUEST, without KEY_GENERATE_REQUEST before it"
	refute log_has '^10 '
	peer wait resume
	sim --drop wait --key-dir kept
	sim --manners strict --key-dir kept
	assert_end 0 installed
	peer sign keepalive fetch delete delete install
	sim --manners strict
	assert_end 1 dropped "hung up at SIGN_CERTIFICATE_REQUEST, which it does not know"
	refute log_has '^23 '
	sim --manners strict
	assert_end 1 dropped "hung up at REQUEST_IN_PROGRESS, which it does not know"
	mic SEP001122334455 rsa1
	sim --manners strict --lsc SEP001122334455.pem
	assert_end 1 dropped "hung up at FETCH_CERTIFICATE_REQUEST, for the second time"
	assert_equal "$(grep -c '^12 ' peer/log)" 1
	sim --manners strict
	assert_end 1 refused
	assert_log '^14 1=07'
	sim --manners strict --lsc SEP001122334455.pem
	assert_end 0 deleted
	sim --manners strict
	assert_end 0 installed
	# The others take all of that.
	peer sign
	sim --manners polite
	assert_end 0 installed
}

@test "--patience: it waits so long for an answer, and hangs up; strict phones 8 to 10 s" {
	local ms
	peer wait
	sim --patience 1s
	assert_end 1 dropped "the server took too long"
	ms=$(cut -f3 <<<"$output" | tr -d .)
	[ "$((10#$ms))" -ge 1000 ]
	# Of its own patience, not of --timeout, which is longer.
	sim --manners strict --timeout 50s
	assert_end 1 dropped "the server took too long"
	ms=$(cut -f3 <<<"$output" | tr -d .)
	[ "$((10#$ms))" -ge 8000 ]
	peer install
	# The time that the phone takes itself does not count; of a slow machine it forgives some.
	sim --patience 8s --delay key=8500
	assert_end 0 installed
}

@test "--tamper certificate: what is fetched is none" {
	peer fetch
	sim --tamper certificate
	assert_log '^12 1=01 4=01[0-9a-f]{4}0001a50{1000}'
}

@test "--stop: ABORT_REQUEST" {
	peer install
	sim --stop key
	assert_end 1 stopped "by its user"
	assert_log '^20$'
	sim --stop auth
	assert_end 1 stopped "by its user"
}

@test "--drop and --retry: at each step, and then all is well" {
	local step
	peer install
	sim --drop auth
	assert_end 1 dropped "hung up at auth"
	for step in connect handshake auth key wait store; do
		sim --drop $step --retry 1 --time-scale 1000
		assert_end 0 installed
	done
}

@test "its key: lost with the connection, or kept, or kept on disk" {
	peer wait resume
	mkdir keys
	sim --drop wait --retry 1 --time-scale 1000
	assert_end 0 installed
	assert_equal "$(grep -c '^10 1=07' peer/log)" 2
	peer wait resume
	sim --drop wait --retry 1 --time-scale 1000 --keep-key
	assert_end 0 installed
	refute log_has '^10 1=07'
	assert_equal "$(grep -c '^4 ' peer/log)" 1
	peer wait resume
	sim --drop wait --key-dir keys
	assert_end 1 dropped "hung up at wait"
	sim --key-dir keys
	assert_end 0 installed
	refute log_has '^10 1=07'
}

@test "no connection: 111, and --retry as often as asked" {
	peer install
	peer_end
	sim --retry 3 --time-scale 1000
	assert_end 111 no-connection "Connection refused"
	[ "$(cut -f3 <<<"$output" | tr -d .)" -ge 90 ] || fail "too quick for three times 30 ms" "$(show_run)"
}

@test "IPv6 first, then IPv4; and one family only" {
	local port
	if ! has_ipv6; then
		peer nothing
		port=$(cat peer/port)
		SERVER=[::1]:$port
		sim
		assert_end 111 no-connection "phone-sim: SEP001122334455: "
		SERVER=[::1]:$port,127.0.0.1:$port
		sim
		assert_end 0 nothing
		sim -6
		assert_end 111 no-connection "phone-sim: SEP001122334455: "
		sim -4
		assert_end 0 nothing
		return
	fi
	peer --bind ::1 nothing
	port=$(cat peer/port)
	SERVER=[::1]:$port
	sim
	assert_end 0 nothing
	sim -6
	assert_end 0 nothing
	sim -4
	assert_end 111 no-connection "no address of that family"
	SERVER=127.0.0.1:$port,[::1]:$port
	sim
	assert_end 0 nothing
	sim -6
	assert_end 0 nothing
	peer nothing
	SERVER=[::1]:$(cat peer/port),127.0.0.1:$(cat peer/port)
	sim
	assert_end 0 nothing
	sim -6
	assert_end 111 no-connection refused
}

@test "--hang and --never-speak stay until the server hangs up, or --timeout" {
	peer mute install
	sim --never-speak --timeout 1s
	assert_end 1 too-long "too long"
	until_true log_has '^mute 0$'
	sim --hang handshake --timeout 1s
	assert_end 1 too-long "too long"
	sim --hang auth --timeout 4s
	assert_end 1 too-long "too long"
	until_true log_has '^error hung up'
}

@test "bytes one by one, a message that is too long, rubbish" {
	peer install
	sim --byte-at-a-time
	assert_end 0 installed
	sim --byte-at-a-time --byte-delay 2 --protocol-version 2 --timeout 60s
	assert_end 0 installed
	peer hangup
	sim --claim-long
	assert_end 1 lost "hung up"
	assert_log '^error not CAPF'
	sim --rubbish 1000000
	assert_end 1 lost ": "
}

@test "--tamper session is noticed" {
	peer install
	sim --tamper session
	assert_end 1 lost "hung up"
	assert_log '^error session 0000002b'
}

@test "--server-cert: no other server is believed" {
	peer nothing
	sim --server-cert "$FIX/root.pem"
	assert_end 0 nothing
	sim --server-cert "$FIX/ec.pem"
	assert_end 1 no-tls "another certificate"
}

@test "--verbose shows messages, but not what proves the identity" {
	peer nothing
	sim -v --string 86420
	assert_status 0
	assert_stderr_line_count 3
	assert_stderr_has "phone-sim: SEP001122334455: < AUTH_REQUEST 55010000002a00080700010308000100"
	assert_stderr_has "> AUTH_RESPONSE 55020000002a0024..."
	assert_stderr_has "< END_SESSION 550f0000002a000401000100"
	refute_stderr_has 3836343230	# the string
}

@test "a fleet: done, failed, latencies" {
	peer install
	fleet --fleet 20 --parallel 4
	assert_status 0
	assert_line_count 1
	assert_equal "$(summary phones) $(summary done) $(summary failed) $(summary installed)" "20 20 0 20"
	[[ $(summary p50_ms) =~ ^[0-9]+\.[0-9]$ ]]
	assert_equal "$(grep -oE ' 13=[0-9a-f]+' peer/log | sort -u | wc -l)" 20
	fleet --fleet 30 --rate 200 --pattern 'CSFuser%d' --first 100 --each
	assert_status 0
	assert_line_count 31
	assert_output_has $'CSFuser100\tinstalled\t'
	assert_output_has $'CSFuser129\tinstalled\t'
	peer nothing refuse nothing
	fleet --fleet 10 --parallel 1
	assert_status 1
	assert_equal "$(summary done) $(summary failed) $(summary refused) $(summary nothing)" "9 1 1 9"
	peer_end
	fleet --fleet 10
	assert_status 111
	assert_equal "$(summary done) $(summary failed) $(summary no-connection)" "0 10 10"
}

# waiting N: so many phones hang on the peer.
waiting() {
	[ "$(grep -cx waiting peer/log)" -eq "$1" ]
}

@test "a fleet that waits ends by a signal, and says how many had not ended" {
	peer listen
	timeout 120 phone-sim --server "$SERVER" --fleet 200 3>&- >out 2>err &
	local pid=$! rc
	until_true waiting 200
	# timeout passes the signal on, twice.
	kill "$pid"
	rc=0
	wait "$pid" || rc=$?
	assert_equal $rc 1
	output=$(cat out)
	assert_equal "$(summary phones) $(summary done) $(summary failed) $(summary unfinished)" "200 0 0 200"
	assert_equal "$(cat err)" ""
	timeout 120 phone-sim --server "$SERVER" --device SEP001122334455 3>&- >out 2>err &
	pid=$!
	until_true waiting 201
	kill "$pid"
	rc=0
	wait "$pid" || rc=$?
	assert_equal $rc 1
	[[ $(cat out) =~ ^SEP001122334455$'\t'running$'\t'[0-9.]+$ ]] || fail "$(cat out)"
}

# no_sockets PID: all its connections are closed.
no_sockets() {
	kill -0 "$1"
	[ -z "$(find "/proc/$1/fd" -lname 'socket:*')" ]
}

@test "a fleet that was ended says what it came to, however often it is told to end" {
	local filled line
	peer listen
	mkfifo pipe
	exec 7<>pipe
	# Nobody reads yet, and there is no room: it has to wait before it can say anything.
	filled=$(python3 -c 'import os
fd = os.open("pipe", os.O_WRONLY | os.O_NONBLOCK)
n = 0
try:
    while True:
        n += os.write(fd, b"x")
except BlockingIOError:
    print(n)')
	phone-sim --server "$SERVER" --fleet 20 3>&- 7>&- >pipe 2>err &
	local pid=$! rc=0
	until_true waiting 20
	kill "$pid"
	until_true no_sockets "$pid"
	kill "$pid"
	kill -INT "$pid"
	head -c "$filled" <&7 >rubbish
	wait "$pid" || rc=$?
	assert_equal $rc 1
	read -r -t 60 line <&7
	exec 7<&-
	[[ $line == "phones=20 done=0 failed=0 unfinished=20 "* ]] || fail "$line"
	assert_equal "$(cat err)" ""
}

@test "--report: what each connection came to, and what was stored in it" {
	local from to
	peer wait install
	from=$(date +%s)
	fleet --fleet 3 --parallel 1 --report seen --drop wait --retry 1 --time-scale 1000 --lsc-out .
	to=$(date +%s)
	assert_status 0
	assert_equal "$(cut -f 1-3 seen)" "$(for i in 1 2 3; do
		printf 'SEP00000000000%d\t%s\n' $i $'1\tdropped' $i $'2\tinstalled'
	done)"
	assert_equal "$(awk -F '\t' '$3 == "dropped" { print $4 $5 }' seen | sort -u)" --
	while IFS=$'\t' read -r device _ outcome spki serial when seconds; do
		[[ $seconds =~ ^[0-9]+\.[0-9]{3}$ ]]
		[[ $when =~ ^[0-9]+\.[0-9]{3}$ ]]
		[ "${when%.*}" -ge $from ]
		[ "${when%.*}" -le $to ]
		[ $outcome = installed ] || continue
		assert_equal "$spki" "$(key_hash $device.key)"
		assert_equal "$spki" "$(openssl x509 -in $device.pem -noout -pubkey |
		    openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)"
		assert_equal "${serial^^}" "$(openssl x509 -in $device.pem -noout -serial | cut -d= -f2)"
	done <seen
	fleet --fleet 2 --report /dev/full
	assert_status 111
	fleet --fleet 1 --report -
	assert_status 0
	assert_line_count 2
}

@test "a fleet whose phones each have a certificate of their own" {
	local n
	mkdir mics lscs
	for n in 1 2 3; do
		mic SEP00000000000$n rsa$n
		cp SEP00000000000$n.pem mics
		cp "$FIX/key/rsa$n.pem" mics/SEP00000000000$n.key
	done
	mv mics/SEP000000000003.* lscs
	peer install
	fleet --fleet 4 --parallel 1 --mode existing-mic --mic mics --lsc lscs --lsc-out lscs
	assert_status 0
	for n in 1 2 3; do
		assert_equal "$(grep -oE ' 4=01.{4}0001[0-9a-f]+' peer/log | sed -n ${n}p)" \
		    " 4=01$(printf %04x $(($(stat -c %s SEP00000000000$n.der) + 2)))0001$(od -An -v -tx1 SEP00000000000$n.der | tr -d ' \n')"
	done
	assert_equal "$(grep -c '^2 .* 4=01' peer/log)" 3	# the fourth has none
	# Those that they have stored prove who they are, next time.
	: >peer/log
	fleet --fleet 4 --parallel 1 --mode existing-lsc --lsc lscs
	assert_status 0
	assert_equal "$(grep -c '^2 .* 4=01' peer/log)" 4
	cp "$FIX/key/rsa9.pem" lscs/SEP000000000002.pem
	fleet --fleet 4 --mode existing-lsc --lsc lscs
	assert_status 111
	assert_stderr_has "SEP000000000002: lscs/SEP000000000002.pem: "
	assert_equal "$(summary done) $(summary trouble)" "3 1"
}

@test "--again: it comes back, with the LSC that it has by now" {
	local start=$SECONDS rc=0 pid n
	peer install
	timeout 120 phone-sim --server "$SERVER" --keys "$FIX/key" --fleet 2 --again 1s --report seen --mode existing-lsc \
	    3>&- >out 2>err &
	pid=$!
	for n in 1 2; do
		until_true grep -q $'^SEP00000000000'$n$'\t2\tinstalled' seen
		grep -q $'^SEP00000000000'$n$'\t1\tinstalled' seen
		# The time at which they were over is to the millisecond.
		awk -F '\t' -v device=SEP00000000000$n '$1 == device { over[$2] = $6 }
			END { exit over[2] - over[1] >= 0.99 ? 0 : 1 }' seen || fail "$(cat seen)"
	done
	[ "$(grep -c '^2 .* 4=01' peer/log)" -ge 2 ]
	kill $pid
	wait $pid || rc=$?
	assert_equal $rc 1
	fleet --fleet 2 --again 1s --timeout 2s --mode existing-lsc
	assert_status 1
	[ $((SECONDS - start)) -ge 2 ]
	assert_equal "$(summary too-long)" 2
}

@test "--source: where connections come from" {
	peer nothing
	sim --source 127.0.0.77
	assert_end 0 nothing
	assert_log '^from 127\.0\.0\.77$'
	sim --source 192.0.2.1
	assert_end 111 no-connection "Cannot assign requested address"
}

@test "names count on, and there may be more phones than descriptors are allowed at first" {
	peer nothing
	run --separate-stderr bash -c 'ulimit -S -n 64 && exec timeout 120 phone-sim --server "$1" --fleet 200 \
	    --first 9990 --pattern SEP%05d --each' - "$SERVER"
	assert_status 0
	assert_output_has $'SEP09990\tnothing\t'
	assert_output_has $'SEP10189\tnothing\t'
}

@test "wrong usage" {
	local arguments
	SERVER=127.0.0.1:1
	while read -r arguments; do
		run --separate-stderr phone-sim $arguments
		assert_status 100
		assert_output ""
	done <<'EOT'
	--device SEP001122334455
	--server 127.0.0.1:1
	--server 127.0.0.1:1 --device SEP001122334455 --fleet 3
	--server 127.0.0.1:1 --device .hidden
	--server 127.0.0.1:1 --fleet 3 --pattern SEP%s
	--server 127.0.0.1:1 --fleet 3 --pattern SEP%d%d
	--server 127.0.0.1:1 --fleet 3 --pattern SEP%99d
	--server 127.0.0.1:1 --fleet 3 --lsc-out x
--server 127.0.0.1:1 --device SEP001122334455 --source nowhere
--server 127.0.0.1:1 --device SEP001122334455 --mic . --mic-key x
	--server ::1:3804 --device SEP001122334455
	--server 127.0.0.1:http --device SEP001122334455
	--server 127.0.0.1:1 --device SEP001122334455 --mode trust-me
	--server 127.0.0.1:1 --device SEP001122334455 --drop nowhere
	--server 127.0.0.1:1 --device SEP001122334455 --refuse connect
	--server 127.0.0.1:1 --device SEP001122334455 --refuse wait
	--server 127.0.0.1:1 --device SEP001122334455 --refuse end
	--server 127.0.0.1:1 --device SEP001122334455 --delay key
	--server 127.0.0.1:1 --device SEP001122334455 --delay key=5s
	--server 127.0.0.1:1 --device SEP001122334455 --tamper all
	--server 127.0.0.1:1 --device SEP001122334455 --manners good
	--server 127.0.0.1:1 --device SEP001122334455 --patience soon
	--server 127.0.0.1:1 --device SEP001122334455 --sudi
	--server 127.0.0.1:1 --device SEP001122334455 --mic-key x
	--server 127.0.0.1:1 --device SEP001122334455 --mic nosuch.pem
	--server 127.0.0.1:1 --device SEP001122334455 --keys nosuch
	--server 127.0.0.1:1 --device SEP001122334455 -4 -6
	--server 127.0.0.1:1 --device SEP001122334455 more
EOT
}

@test "a full or closed standard output is trouble" {
	peer nothing
	run bash -c 'timeout 60 phone-sim --server "$1" --device SEP001122334455 >/dev/full' - "$SERVER"
	assert_status 111
}
