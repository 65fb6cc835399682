# SPDX-License-Identifier: ISC
# capf-serve with simulated phones, on loopback, at any free port.
load ../helper
load ../serving

@test "offline: the request waits, the certificate comes, the phone stores it" {
	order SEP000000000001 --operation install --auth string --string 12345
	start
	sim_later SEP000000000001 --string 12345 --lsc-out lsc.pem
	until_true has csr 1
	run --separate-stderr csr-list
	[[ $output == SEP000000000001*ra ]]
	assert_equal "$(state SEP000000000001)" pending
	sign_all
	until_true outcome SEP000000000001 installed
	assert_equal "$(state SEP000000000001)" successful
	has installed 1
	has lsc 0
	has csr 0
	has done 1
	openssl verify -CAfile "$FIX/root.pem" lsc.pem
	[ "$(grep -c "capf-serve.*installed.SEP000000000001" "$SPOOL/journal")" -eq 1 ]
	stop
	assert_equal $RC 0
	run --separate-stderr spool-check
	assert_silent
}

@test "the string is for one use, and in no log" {
	by_itself
	order SEP000000000001 --operation install --auth string --string 98765
	start
	sim SEP000000000001 --string 98765
	assert_status 0
	ended installed
	# A phone with nothing to do is told 7, as the vendor's server says it.
	sim SEP000000000001 --string 98765
	ended refused
	grep -q 'event=note device=SEP000000000001 text="nothing to do"' log
	refute grep -r 98765 log "$SPOOL/journal"
}

@test "wrong strings lock the operation" {
	printf 'string-tries = 3\n' >>"$SPOOL/capf.conf"
	by_itself
	order SEP000000000001 --operation install --auth string --string 12345
	start
	for i in 1 2 3; do
		assert_equal "$(state SEP000000000001)" pending
		sim SEP000000000001 --string 1111$i
		ended refused
	done
	assert_equal "$(state SEP000000000001)" failed
	assert_equal "$(phone-list | cut -f 9)" \
	    "locked after 3 wrong strings: phone-set --operation install --generate SEP000000000001"
	sim SEP000000000001 --string 12345
	ended refused
	# Somebody has guessed at this string: it is not armed again by the way.
	for how in "" "--string 12345" "--auth string"; do
		run --separate-stderr phone-set SEP000000000001 --operation install $how
		assert_status 1
		assert_stderr_has "wrong authentication strings locked its last order"
	done
	printf 'device,operation\nSEP000000000001,install\n' >again.csv
	run --separate-stderr phone-add -u -c again.csv
	assert_status 1
	assert_equal "$(state SEP000000000001)" failed
	phone-set SEP000000000001 --operation install --keep-string
	assert_equal "$(state SEP000000000001)" pending
	for i in 1 2 3; do
		sim SEP000000000001 --string 1111$i
	done
	assert_equal "$(state SEP000000000001)" failed
	phone-set SEP000000000001 --operation install --string 54321
	sim SEP000000000001 --string 12345
	ended refused
	sim SEP000000000001 --string 54321
	ended installed
}

@test "a right string gives back its try, also the last one" {
	printf 'string-tries = 3\n' >>"$SPOOL/capf.conf"
	order SEP000000000001 --operation install --auth string --string 12345
	start
	# It hangs up before it has made its key, so the order stays pending.
	for i in 1 2 3 4; do
		sim SEP000000000001 --string 12345 --drop key
		ended dropped
		until_true grep -qx 'wrong-strings = 0' "$SPOOL/phone/SEP000000000001.state"
	done
	for i in 1 2; do
		sim SEP000000000001 --string 1111$i
		ended refused
	done
	[[ $(phone-list | cut -f 9) == "wrong authentication string, 2 of 3 tries used" ]]
	for i in 1 2 3; do
		sim SEP000000000001 --string 12345 --drop key
		ended dropped
		until_true grep -qx 'wrong-strings = 2' "$SPOOL/phone/SEP000000000001.state"
		assert_equal "$(state SEP000000000001)" pending
	done
	refute grep -q '^locked' "$SPOOL/phone/SEP000000000001.state"
	sim SEP000000000001 --string 11113
	ended refused
	assert_equal "$(state SEP000000000001)" failed
	grep -qx 'locked = yes' "$SPOOL/phone/SEP000000000001.state"
}

@test "many guesses at once are counted one by one" {
	printf 'string-tries = 3\n' >>"$SPOOL/capf.conf"
	order SEP000000000001 --operation install --auth string --string 12345
	start
	for i in $(seq 1 20); do
		phone-sim --server $PORT --timeout 60s --device SEP000000000001 --string 2222$i \
		    >guess.$i 2>&1 3>&- &
		echo $! >>pids
	done
	all_over() { [ "$(cat guess.* | grep -c refused)" -eq 20 ]; }
	until_true all_over
	[ "$(grep -c 'failure=bad-auth.*why="wrong' log)" -eq 3 ]
	grep -q '^wrong-strings = 3' "$SPOOL/phone/SEP000000000001.state"
	assert_equal "$(state SEP000000000001)" failed
}

@test "two servers on one spool: guesses at both at once are counted together" {
	printf 'string-tries = 5\n' >>"$SPOOL/capf.conf"
	order SEP000000000001 --operation install --auth string --string 12345
	start
	local first=$PORT
	mv log first.log
	start
	for i in $(seq 1 100); do
		for port in $first $PORT; do
			phone-sim --server $port --timeout 60s --retry 500 --time-scale 300 --device SEP000000000001 \
			    --string 2222$i >guess.$i.${port##*:} 2>&1 3>&- &
			echo $! >>pids
		done
	done
	all_over() { [ "$(cat guess.* | grep -c refused)" -eq 200 ]; }
	until_true all_over
	assert_equal "$(cat log first.log | grep -c 'failure=bad-auth.*why="wrong')" 5
	grep -q '^wrong-strings = 5' "$SPOOL/phone/SEP000000000001.state"
	assert_equal "$(state SEP000000000001)" failed
}

@test "a record that somebody else has locked: no verdict, and what is certain is written later" {
	by_itself
	order SEP000000000001 --operation install --auth string --string 12345
	install_null SEP000000000002
	start
	# Python's lockf locks by process, which conflicts just as well.
	python3 -c 'import fcntl, sys, time
f = open(sys.argv[1], "r+b")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)' "$SPOOL/phone/.lock" >locker 3>&- &
	local locker=$!
	echo $locker >>pids
	until_true grep -q locked locker
	sim SEP000000000001 --string 99999
	ended lost
	sim SEP000000000002
	ended installed
	assert_equal "$(state SEP000000000002)" pending
	has installed 1
	kill -KILL $locker
	sim SEP000000000001 --string 12345
	ended installed
	wrote_it() { [ "$(state SEP000000000002)" = successful ]; }
	until_true wrote_it
	assert_equal "$(cat "$SPOOL"/phone/SEP000000000001.state | grep wrong)" "wrong-strings = 0"
}

@test "an unknown device, one with nothing to do, one whose time is over" {
	phone-add SEP000000000002
	install_null SEP000000000003 --complete-by 2030-01-01
	start -P "$(date -d 2031-01-01 +%s)"
	sim SEP000000000001
	ended unknown-device
	sim SEP000000000002
	ended refused
	grep -q 'event=note device=SEP000000000002 text="nothing to do"' log
	sim SEP000000000003
	ended refused
	[[ $(phone-list -P "$(date -d 2031-01-01 +%s)") == *SEP000000000003*failed* ]]
}

@test "keys: EC, EC before RSA, and what a phone of version 2 gets" {
	by_itself
	install_null SEP000000000001 --key-order ec --ec 256
	install_null SEP000000000002 --key-order ec-rsa --ec 384
	install_null SEP000000000003 --key-order ec-rsa
	install_null SEP000000000004 --key-order ec
	start
	sim SEP000000000001 --lsc-out 1.pem
	ended installed
	openssl x509 -in 1.pem -noout -text | grep -q prime256v1
	sim SEP000000000002 --lsc-out 2.pem
	ended installed
	openssl x509 -in 2.pem -noout -text | grep -q secp384r1
	sim SEP000000000003 --lsc-out 3.pem --protocol-version 2 --reversed --in-progress 0
	ended installed
	openssl x509 -in 3.pem -noout -text | grep -q rsaEncryption
	sim SEP000000000004 --protocol-version 2
	ended refused
	assert_equal "$(state SEP000000000004)" failed
}

@test "a key of the wrong kind is refused, and tried again so often" {
	printf 'key-tries = 2\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim SEP000000000001 --refuse key
	ended refused
	assert_equal "$(state SEP000000000001)" pending
	sim SEP000000000001 --refuse key
	assert_equal "$(state SEP000000000001)" failed
}

@test "fetch and delete" {
	for i in 1 2 3; do
		openssl x509 -inform DER -in "$FIX/der/SEP00000000000$i.der" -out $i.pem
	done
	order SEP000000000001 --operation troubleshoot --auth null
	order SEP000000000002 --operation delete --auth null
	start
	sim SEP000000000001 --lsc 1.pem --mic 3.pem
	ended fetched
	assert_equal "$(state SEP000000000001)" successful
	cmp "$SPOOL"/trace/SEP000000000001+*.lsc.der "$FIX/der/SEP000000000001.der"
	cmp "$SPOOL"/trace/SEP000000000001+*.mic.der "$FIX/der/SEP000000000003.der"
	sim SEP000000000002 --lsc 2.pem
	ended deleted
	assert_equal "$(state SEP000000000002)" successful
}

@test "existing certificates: good, another device's, tampered, replayed" {
	by_itself
	for i in 1 2; do
		openssl x509 -inform DER -in "$FIX/der/SEP00000000000$i.der" -out $i.pem
	done
	order SEP000000000001 --operation install --auth existing-mic
	start
	for what in sha1 sha2 session; do
		sim SEP000000000001 --mode existing-mic --mic 1.pem --mic-key keys/rsa1.pem --tamper $what
		ended refused
	done
	for what in sudi replay; do
		sim SEP000000000001 --mode existing-mic --mic 1.pem --mic-key keys/rsa1.pem --sudi \
		    --tamper $what
		ended refused
	done
	sim SEP000000000001 --mode existing-mic --mic 2.pem --mic-key keys/rsa2.pem
	ended refused
	sim SEP000000000001 --mode null
	ended refused
	assert_equal "$(state SEP000000000001)" pending
	sim SEP000000000001 --mode existing-mic --mic 1.pem --mic-key keys/rsa1.pem --sudi
	ended installed
	order SEP000000000001 --operation install --auth existing-lsc
	sim SEP000000000001 --mode existing-lsc --lsc 1.pem --lsc-key keys/rsa1.pem
	ended installed
}

@test "killed while phones wait: those with their key go on, the others get a new request" {
	install_null SEP000000000001
	install_null SEP000000000002
	mkdir kept
	start
	sim_later SEP000000000001 --keep-key --key-dir kept
	sim_later SEP000000000002 --keys keys/rsa2.pem
	until_true has csr 2
	stop KILL
	until_true outcome SEP000000000001 lost
	until_true outcome SEP000000000002 lost
	sign_all
	has lsc 2
	start
	sim SEP000000000001 --keep-key --key-dir kept
	ended installed
	sim_later SEP000000000002 --keys keys/rsa5.pem
	# It has lost the key: it refuses twice, the certificate goes stale, a new key comes.
	until_true has csr 1
	has stale 1
	sign_all
	until_true outcome SEP000000000002 installed
	has installed 2
	has lsc 0
	stop
	run --separate-stderr spool-check
	assert_silent
}

@test "resume = no: a phone that comes again makes a new key" {
	printf 'resume = no\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim_later SEP000000000001 --keys keys/rsa1.pem
	until_true has csr 1
	kill -KILL $LATER
	sim_later SEP000000000001 --keys keys/rsa2.pem
	until_true has superseded 1
	has csr 1
	kill -KILL $LATER
}

@test "a phone that connects again takes the place of its older connection" {
	install_null SEP000000000001
	mkdir kept
	start
	sim_later SEP000000000001 --keep-key --key-dir kept
	until_true has csr 1
	mv SEP000000000001.out first.out
	sim_later SEP000000000001 --keep-key --key-dir kept
	until_true grep -q 'event=dropped.*connected again' log
	sign_all
	until_true outcome SEP000000000001 installed
	has installed 1
}

@test "a request that is deleted, and a certificate that was there before" {
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	csr-delete SEP000000000001
	until_true outcome SEP000000000001 refused
	assert_equal "$(state SEP000000000001)" pending
}

@test "a refused certificate, in one session: stale, and the operation failed" {
	by_itself
	install_null SEP000000000001
	start
	sim SEP000000000001 --refuse store
	ended refused
	has stale 1
	has lsc 0
	has installed 0
	assert_equal "$(state SEP000000000001)" failed
}

@test "a fleet, issued at once, and the same offline" {
	local n=40
	for ((i = 1; i <= n; i++)); do
		printf 'SEP%012X\n' $i
	done >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	start
	phone-sim --server $PORT --keys keys --timeout 120s --fleet $n >fleet.out 2>&1 3>&- &
	echo $! >>pids
	until_true has csr $n
	sign_all >/dev/null
	until_true grep -q "done=$n failed=0" fleet.out
	has installed $n
	stop
	by_itself
	phone-set -f names --operation install --auth null
	start
	run --separate-stderr phone-sim --server $PORT --keys keys --timeout 120s --fleet $n --parallel 16
	assert_output_has "done=$n failed=0"
	[ "$(phone-list | cut -f3 | grep -c successful)" -eq $n ]
	run --separate-stderr spool-check
	assert_silent
}

@test "bad clients are gone in time, and others do not feel them" {
	by_itself 'handshake-timeout = 6s' 'message-timeout = 6s'
	install_null SEP000000000001
	start
	# These take their time together.
	sim_later SEP000000000008 --never-speak
	sim_later SEP000000000007 --hang auth
	sim SEP000000000009 --rubbish 1000000
	[ "$status" -ne 0 ]
	sim SEP000000000009 --claim-long
	[ "$status" -ne 0 ]
	# Where it hangs up too late, or could not, it has its certificate.
	for step in connect handshake auth key wait store end; do
		phone-set SEP000000000001 --operation install --auth null
		sim SEP000000000001 --drop $step
		[[ $output == *dropped* || $output == *installed* ]]
	done
	until_true outcome SEP000000000008 lost
	until_true outcome SEP000000000007 refused
	grep -q failure=too-slow log
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001 --byte-at-a-time --whole-records
	[ "$status" -eq 0 ] || sim SEP000000000001
	ended installed
	grep -q 'event=no-handshake.*took too long' log
}

@test "at the limit of descriptors it waits, and serves all in the end" {
	by_itself
	local n=60
	for ((i = 1; i <= n; i++)); do
		printf 'SEP%012X\n' $i
	done >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	ulimit -n 100
	start
	ulimit -n 100
	run --separate-stderr phone-sim --server $PORT --keys keys --timeout 120s --fleet $n \
	    --delay key=500
	assert_output_has "done=$n failed=0"
	grep -q event=full log
}

@test "connections from one address have a limit" {
	printf 'max-per-address = 2\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	sim_later SEP000000000003 --never-speak
	turned_away() {
		phone-sim --server $PORT --timeout 60s --device SEP000000000004 3>&-
		grep -q event=turned-away log
	}
	until_true turned_away
}

@test "max-connections: one more waits until another one ends" {
	printf 'max-connections = 2\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	sim_later SEP000000000003 --never-speak
	local silent=$LATER
	sim_later SEP000000000004
	decided() {
		grep -q event=full log || outcome SEP000000000004 unknown-device
	}
	until_true decided
	grep -q 'event=full connections=2 why="as many as allowed"' log
	# Three wanted to, so one of the last two is outside, and comes in when the silent one is gone.
	kill -KILL $silent
	until_true outcome SEP000000000004 unknown-device
}

@test "TCP keepalive: as often as the setting says" {
	printf 'keepalive = 90s\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	# The timer of the server's end: 00 none, 01 to send again, 02 a keepalive; and when, in hundredths of a second.
	timer() {
		awk -v port="$(printf ':%04X$' "${PORT##*:}")" '$2 ~ port && $4 == "01" { print $6 }' /proc/net/tcp
	}
	all_sent() { [ -n "$(timer)" ] && [[ $(timer) != 01:* ]]; }
	until_true all_sent
	local found=$(timer)
	[[ $found == 02:* ]] || fail "$found"
	[ $((16#${found#*:})) -le $((90 * $(getconf CLK_TCK))) ] || fail "$found"
}

@test "SIGHUP: a new certificate and new settings, without a restart" {
	install_null SEP000000000001
	start
	capf-init --renew -s "$SPOOL"
	by_itself
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -out capf.pem
	sim SEP000000000001 --server-cert capf.pem
	ended installed
	cp "$SPOOL/capf.conf" good.conf
	printf 'issuer = nobody\n' >>"$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q 'event=error.*issuer cannot be' log
	cp good.conf "$SPOOL/capf.conf"
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001
	ended installed
}

@test "SIGHUP: a CA that is trusted from now on, and not any more" {
	by_itself
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout new.key -subj "/CN=New CA" \
	    -days 30 -out new.pem 2>/dev/null
	openssl req -new -key keys/rsa1.pem -subj /CN=SEP000000000001 -out mic.csr
	openssl x509 -req -in mic.csr -CA new.pem -CAkey new.key -days 30 -extfile "$FIX/phone.ext" -out mic.pem 2>/dev/null
	reload() {
		: >log
		kill -HUP $SERVER
		until_true grep -q event=reloaded log
	}
	comes() {
		order SEP000000000001 --operation install --auth existing-mic
		sim SEP000000000001 --mode existing-mic --mic mic.pem --mic-key keys/rsa1.pem
	}
	start
	comes
	ended refused
	trust-add capf new.pem
	reload
	comes
	ended installed
	trust-del capf "$(openssl x509 -in new.pem -outform DER | sha256sum | cut -d ' ' -f 1)"
	reload
	comes
	ended refused
}

@test "the issuing key is in the issuing process alone" {
	by_itself
	install_null SEP000000000001
	start
	sim SEP000000000001
	ended installed
	local worker=$(children capf-worker) issuing=$(children capf-issuing)
	[ -n "$worker" ]
	[ -n "$issuing" ]
	# 32 bytes of its modulus' first prime, as OpenSSL keeps it: little endian.
	openssl rsa -in "$FIX/root.key" -noout -text 2>/dev/null |
	    awk '/^prime1/ { on = 1; next } /^prime2/ { on = 0 } on' | tr -d ' :\n' >prime
	run python3 - "$SERVER" "$worker" "$issuing" <<'PY'
import sys
prime = bytes.fromhex(open('prime').read())
needles = [prime[-40:], prime[::-1][:40]]
def has(pid):
    found = False
    try:
        mem = open('/proc/%s/mem' % pid, 'rb', 0)
    except PermissionError:     # it is not dumpable, and we are not root
        return None
    with mem:
        for line in open('/proc/%s/maps' % pid):
            span, mode = line.split()[:2]
            a, b = (int(x, 16) for x in span.split('-'))
            if mode[:2] != 'rw' or b - a > 1 << 28:     # a sanitizer's tables
                continue
            try:
                mem.seek(a)
                data = mem.read(b - a)
            except (OSError, OverflowError, ValueError):
                continue
            found = found or any(n in data for n in needles)
    return found
# Of our own we are not told when they are not dumpable, unless we are root.
print(has(sys.argv[1]), has(sys.argv[2]) or False, has(sys.argv[3]) is not False)
PY
	assert_output "False False True"
}

@test "old phones: TLS 1.0 and static RSA, when that is allowed" {
	local how=(-tls1 -cipher AES128-SHA:@SECLEVEL=0)
	start
	run bash -c "echo | timeout 60 openssl s_client -connect $PORT ${how[*]} 2>&1 | tr -d '\0'"
	refute_output_has "Cipher is AES128-SHA"
	stop
	by_itself 'legacy-tls = yes'
	install_null SEP000000000001
	start
	grep -q event=legacy-tls log
	run bash -c "echo | timeout 60 openssl s_client -connect $PORT ${how[*]} 2>&1 | tr -d '\0'"
	assert_output_has "Cipher is AES128-SHA"
	sim SEP000000000001 --legacy-tls --protocol-version 1
	ended installed
}

@test "wrong use and wrong settings" {
	run --separate-stderr capf-serve -l nonsense
	assert_status 100
	run --separate-stderr capf-serve -l '[::1]:0'
	assert_status 100
	assert_stderr_has "enable-ipv6"
	run --separate-stderr capf-serve extra
	assert_status 100
	start
	run --separate-stderr capf-serve -l "$PORT"
	assert_status 111
	assert_stderr_has "in use"
	stop
	# Who takes its place need not know when it is gone.
	start
	first=$SERVER at=$PORT
	{ sleep 1; kill $first; } 3>&- &
	capf-serve -l "$at" </dev/null >out 2>log2 3>&- &
	SERVER=$!
	echo $SERVER >>pids
	until_true grep -q event=ready log2
	stop
	assert_equal "$RC" 0
	printf 'issuer = capf\nissuer-certificate = /nowhere\n' >>"$SPOOL/capf.conf"
	run --separate-stderr capf-serve -l 127.0.0.1:0
	assert_status 100
}

@test "IPv6, beside IPv4" {
	by_itself 'enable-ipv6 = yes'
	install_null SEP000000000001
	: >log
	if ! has_ipv6; then
		# It says so and does not begin; with an IPv4 address alone the setting does no harm.
		run --separate-stderr capf-serve -l '[::1]:0,127.0.0.1:0'
		assert_status 111
		assert_stderr_line_count 1
		assert_stderr_has "[::1]:0: cannot listen: "
		start
		sim SEP000000000001
		ended installed
		return
	fi
	capf-serve -l '[::1]:0,127.0.0.1:0' 2>log 3>&- &
	started
	[[ $PORT == \[::1\]:* ]]
	sim SEP000000000001
	ended installed
}
