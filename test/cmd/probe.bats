# SPDX-License-Identifier: ISC
# capf-probe with simulated phones, each of which signs its request in its own way, or not at all.
load ../helper
load ../serving

DEVICE=SEP000000000001

setup() {
	setup_server
	WHERE=127.0.0.1 PHONE=
	printf '%s\n' 'message-timeout = 60s' >>"$SPOOL/capf.conf"
	phone-add -u $DEVICE
	phone-set $DEVICE --operation install --auth null
}

# probe [ARGUMENT...]: capf-probe for DEVICE in the background: what it says is in out and err. PROBE is its pid, PORT
# where it listens.
probe() {
	: >err
	capf-probe -l $WHERE:0 --wait 1s --give-up 60s "$@" $DEVICE >out 2>err 3>&- </dev/null &
	PROBE=$!
	echo $PROBE >>pids
	until_true grep -q 'waiting for it at' err
	PORT=$(sed -n 's/.*waiting for it at //p' err | head -n 1)
}
# phone [ARGUMENT...]: the lab phone, which comes again after it was hung up on, in the background.
phone() {
	phone-sim --server $PORT --device $DEVICE --keys keys --retry 1000 --time-scale 30000 --timeout 120s "$@" \
	    >phone.out 2>phone.err 3>&- &
	PHONE=$!
	echo $PHONE >>pids
}
# probed STATUS: capf-probe has ended with it.
probed() {
	local rc=0
	wait $PROBE || rc=$?
	if [ -n "$PHONE" ]; then
		kill $PHONE 2>/dev/null || :
	fi
	PHONE=
	[ $rc -eq "$1" ] || fail "wanted exit status $1, got $rc" "$(cat out err)"
}
# said REGEX: a line of capf-probe's output.
said() {
	grep -qE "$1" out || fail "wanted: $1" "$(cat out err)"
}
complained() {
	grep -qE "$1" err || fail "wanted: $1" "$(cat out err)"
}
# finds N PHONE-ARGUMENTS [-- PROBE-ARGUMENTS]: the phone of layout N is found, and nothing before it.
finds() {
	local n=$1 phone=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		phone+=("$1")
		shift
	done
	probe "${@:2}"
	phone --sign-layout "$n" "${phone[@]}"
	probed 0
	said "^sign-layout $n	works	"
	said "^sign-layout = $n\$"
	[ "$(grep -c '	works	' out)" -eq 1 ] || fail "one works" "$(cat out)"
	refute grep -qE "^sign-layout $((n + 1))	" out
}

@test "it finds a phone that signs the request itself, and prints the settings" {
	finds 1
	said '^sign-layout 1	works	[0-9.]+	RSA with DigestInfo, SHA-256, over the request, in SHA2_SIGNED_DATA$'
	assert_equal "$(tail -n 3 out)" $'csr-proof = phone\nsign-layout = 1\nkeepalive-message = status-request'
}

@test "it finds a phone that is given a hash in tag 14, and answers in SIGNED_DATA" {
	finds 6 --sign-answer signed-data
	[ "$(grep -c '	hung-up	' out)" -ge 5 ]
	said 'over the request, in SIGNED_DATA$'
}

@test "it finds a phone that pads bare data" {
	finds 11
	said '^sign-layout 11	works	[0-9.]+	RSA with DigestInfo, SHA-256, over the request'
}

@test "it finds a phone that answers with a whole PKCS#10 request" {
	finds 4 --sign-answer request
	said '^sign-layout 4	works	[0-9.]+	a whole PKCS#10 request, in CERTIFICATE$'
}

@test "it finds a phone that answers in a tag that nobody knows" {
	finds 18 --sign-answer unknown-tag
	said 'over the request, in tag 14$'
}

@test "it finds a phone with an EC key, and one of the unlikely layouts, over IPv6" {
	has_ipv6 || skip "no IPv6 here"
	WHERE=[::1]
	phone-set $DEVICE --key-order ec --ec 384
	finds 31 --sign-answer unknown-tag
	said '^sign-layout 31	works	[0-9.]+	ECDSA, SHA-256, over the request, in tag 14$'
	phone-set $DEVICE --key-order rsa
	finds 53 -- --all
	said '^sign-layout 53	works	[0-9.]+	RSA with DigestInfo, SHA-512, over the request'
}

@test "a phone that hangs up at everything: none worked, and what to try next" {
	probe
	phone --manners strict
	probed 1
	[ "$(grep -cE '^sign-layout [0-9]+	hung-up	' out)" -eq 32 ]
	said '^wait nothing	stayed	'
	[ "$(grep -cE '^wait (status-request|in-progress|retry-later-[124])	hung-up	' out)" -eq 5 ]
	said '^keepalive-message = none$'
	refute grep -q '^sign-layout =' out
	complained "$DEVICE: none worked, of 32 layouts tried; try the unlikely ones, --all --from 33"
	probe --all --from 90 --only 90-96
	phone --manners strict
	probed 1
	complained "none worked, of 7 layouts tried; no other layout is known, so send in the transcript"
}

@test "a signature that no CA can check is reported as what it is" {
	probe --only 1,5,77
	phone --sign-layout 1 --sign-answer bare
	probed 1
	said '^sign-layout 1	useless	[0-9.]+	RSA without DigestInfo, SHA-256, over the request, in SHA2_SIGNED_DATA$'
	complained "none worked, of 3 layouts tried; the phone signed at layout 1"
	probe --only 77
	phone --sign-layout 77
	probed 1
	said '^sign-layout 77	useless	[0-9.]+	RSA with DigestInfo, SHA-1, over the request'
	probe --only 1
	phone --refuse sign
	probed 1
	said '^sign-layout 1	answered	[0-9.]+	answered with 23 SIGN_CERTIFICATE_RESPONSE, REASON 7, and no signature'
}

@test "a phone that says nothing, and one that does not wait" {
	printf '%s\n' 'message-timeout = 1s' >>"$SPOOL/capf.conf"
	probe --only 1
	phone --hang sign
	probed 1
	said '^sign-layout 1	silent	[0-9.]+	no answer$'
	probe --only wait --wait 30s
	phone --patience 1s
	probed 0
	said '^wait nothing	hung-up	1\.[0-9]	the phone hung up$'
}

# What capf-probe found out is put into the settings; the phone's requests are then its own.
enrols() {
	grep ' = ' out >>"$SPOOL/capf.conf"
	printf '%s\n' 'enable-ipv6 = yes' >>"$SPOOL/capf.conf"
	: >log
	capf-serve -l $WHERE:0 </dev/null 2>log 3>&- &
	started
	sim_later $DEVICE "$@"
	until_true has csr 1
	openssl req -verify -noout -in "$SPOOL"/csr/*.csr
	run --separate-stderr csr-list
	assert_output_has $'\town'
	csr-dump >requests.tgz
	cp "$FIX/root.pem" "$FIX/root.key" .
	"$ROOT/examples/sign-with-openssl" ca root.pem root.key 365 requests.tgz certificates.tgz
	cert-import certificates.tgz
	until_true outcome $DEVICE installed
	stop
}

@test "with the settings that it found, phones sign their requests, and openssl ca takes them: bare data padded" {
	finds 11
	enrols --sign-layout 11
}

@test "the same with a whole request, over IPv6" {
	has_ipv6 || skip "no IPv6 here"
	WHERE=[::1]
	finds 4 --sign-answer request
	enrols --sign-layout 4 --sign-answer request
}

@test "the same with SHA-512, and an answer in an unknown tag" {
	finds 53 --sign-answer unknown-tag -- --all --from 50
	enrols --sign-layout 53 --sign-answer unknown-tag
}

@test "csr-proof = phone-or-ra: a phone with another layout is vouched for" {
	printf '%s\n' 'csr-proof = phone-or-ra' 'sign-layout = 6' >>"$SPOOL/capf.conf"
	start
	sim_later $DEVICE --sign-layout 1 --retry 3 --time-scale 100
	until_true has csr 1
	run --separate-stderr csr-list
	assert_output_has $'\tra'
}

# hidden TEXT: it is in the transcript neither as text nor in hex.
hidden() {
	refute grep -qF -- "$1" transcript
	refute grep -qiF -- "$(printf %s "$1" | od -An -v -tx1 | tr -d ' \n')" transcript
}

@test "the transcript has each message in words and in hex, and neither strings nor names" {
	phone-set $DEVICE --operation install --auth string --string 8675309
	probe -t transcript --only 4,1,wait
	run phone-sim --server $PORT --device SEP00000000BEEF --mode string --string 4711471147
	assert_output_has unknown-device
	run phone-sim --server $PORT --device $DEVICE --mode string --string 1357924680
	assert_output_has refused
	phone --mode string --string 8675309 --sign-layout 4 --sign-answer request
	probed 0
	hidden 8675309
	hidden 1357924680
	hidden 4711471147
	hidden SEP00000000BEEF
	complained 'SEP00000000BEEF: another device came, and was told reason 9'
	complained 'did not authenticate: wrong authentication string'
	grep -q "$DEVICE" transcript
	grep -qE '^ +[0-9.]+  < 2 AUTH_RESPONSE, 5502[0-9a-f]{12}$' transcript
	grep -qE '^ +11 PASSWORD, 8 bytes: left out' transcript
	grep -qE '^ +[0-9.]+  > 22 SIGN_CERTIFICATE_REQUEST, 5516' transcript
	grep -qE '^ +4 CERTIFICATE, [0-9]+ bytes: 01[0-9a-f]{600,}$' transcript
	grep -qE '^ +4 CERTIFICATE, [0-9]+ bytes: left out, a certificate or request' transcript
	grep -qE '^ +12 RETRY_DELAY, 1 byte: 3c$' transcript
	grep -qE '^ +[0-9.]+  < 19 STATUS_RESPONSE, 5513' transcript
	grep -qE '  verdict: sign-layout 4: works after ' transcript
	grep -qE '  use: sign-layout = 4$' transcript
	cp transcript before
	probe -t transcript --string 8675309 --only 1
	phone --mode string --string 8675309
	probed 0
	# It is appended to.
	cmp -n "$(stat -c %s before)" before transcript
	hidden 8675309
}

@test "a phone that authenticates with its MIC: no certificate, no proof and no name is in the transcript" {
	openssl req -new -key keys/rsa1.pem -subj "/O=Private Name GmbH/CN=CP-8851-$DEVICE" -out mic.csr
	openssl x509 -req -in mic.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 \
	    -extfile "$FIX/phone.ext" -out mic.pem 2>/dev/null
	phone-set $DEVICE --operation install --auth existing-mic
	probe -t transcript --only 1
	run phone-sim --server $PORT --device $DEVICE
	assert_output_has refused
	phone --mode existing-mic --mic mic.pem --mic-key keys/rsa1.pem --sudi
	probed 0
	said '^sign-layout 1	works'
	hidden 'Private Name'
	hidden 'CP-8851'
	openssl x509 -in mic.pem -outform DER | od -An -v -tx1 | tr -d ' \n' | cut -c 1-400 >mic.hex
	refute grep -qF -f mic.hex transcript
	for tag in 'CERTIFICATE' 'SIGNED_DATA' 'SHA2_SIGNED_DATA' 'SUDI_DATA'; do
		grep -qE "^ +[0-9]+ $tag, [0-9]+ bytes: left out, it may prove who the phone is" transcript
	done
	complained 'did not authenticate: there is no certificate'
}

@test "wrong strings are bounded" {
	printf '%s\n' 'string-tries = 2' >>"$SPOOL/capf.conf"
	phone-set $DEVICE --operation install --auth string --string 8675309
	probe
	for i in 1 2; do
		run phone-sim --server $PORT --device $DEVICE --mode string --string 1111
		assert_output_has refused
	done
	probed 1
	complained 'failed to authenticate 2 times'
}

# stranger [BYTES]: somebody connects, sends these (printf(1)) and hangs up.
stranger() {
	printf "${1:-}" | timeout 60 openssl s_client -connect $PORT -quiet -no_ign_eof >/dev/null 2>&1 || :
}

@test "who does not name the device ends nothing, and what it sends is not in the transcript" {
	local i
	probe -t transcript --only 1
	for i in 1 2 3 4 5 6; do
		stranger
	done
	# STATUS_RESPONSE with another device's name.
	stranger '\x55\x13\0\0\0\x01\0\x10\x0d\0\x0dSEP00000BEEF\0'
	until_true grep -q 'message' err
	phone
	probed 0
	complained 'before it said which device it is'
	refute grep -q 'visits in a row' err
	hidden BEEF
}

@test "nothing in the spool changes" {
	spool_state >before
	finds 2
	spool_state >after
	cmp before after
}

@test "a phone that does not come is waited for, with a line that says what to do" {
	# A transcript that cannot be written is told before somebody goes to the phone.
	run --separate-stderr timeout 60 capf-probe -l 127.0.0.1:0 --give-up 1s -t /dev/full $DEVICE
	assert_status 111
	assert_one_line "transcript: cannot write: No space left on device"
	# Whatever there is to remind of.
	run --separate-stderr timeout 60 capf-probe -l 127.0.0.1:0 --remind 1h --give-up 1s $DEVICE
	assert_status 1
	assert_stderr_has "$DEVICE: did not come within 1 s"
	refute_stderr_has "has not come"
	run --separate-stderr capf-probe -l 127.0.0.1:0 --remind 1s --give-up 2s $DEVICE
	assert_status 1
	assert_stderr_has "$DEVICE: has not come: reset the phone, or start the install from its menu"
	assert_stderr_has "$DEVICE: did not come within 2 s"
	assert_stderr_has "none worked, of 0 layouts tried; go on with --from 1"
}

@test "a signal ends it with what is known so far, and --from goes on" {
	probe -t transcript
	phone --sign-layout 40
	until_true grep -q '^sign-layout 3	' out
	kill -INT $PROBE
	probed 1
	said '^sign-layout 3	hung-up	'
	complained 'none worked, of [0-9]+ layouts tried; go on with --from [0-9]+'
	next=$(sed -n 's/.*go on with --from \([0-9]*\).*/\1/p' err)
	[ "$next" -ge 4 ]
	grep -q "go on with --from $next" transcript
	finds $((next + 2)) -- --from "$next"
	refute grep -qE "^sign-layout $((next - 1))	" out
}

@test "a phone that is lost before the trial comes again for the same one" {
	probe --only 1
	phone --drop key
	probed 0
	complained 'the phone hung up at KEY_GENERATE_REQUEST'
	said '^sign-layout 1	works'
	probe --only 1
	phone --refuse key --again 1s
	probed 1
	complained '5 visits in a row ended before the trial'
}

@test "wrong usage" {
	local bad
	for bad in '--only 0' '--only 97' '--only 3-2' '--only 1,,2' '--only x' '--from 97' '--wait 0s' '--remind 0s'; do
		run --separate-stderr capf-probe $bad $DEVICE
		assert_status 100
	done
	for bad in '' "$DEVICE $DEVICE" ../x; do
		run --separate-stderr capf-probe $bad
		assert_status 100
	done
	run --separate-stderr capf-probe SEP0000000000FF
	assert_status 100
	assert_one_line "has no record"
	phone-add SEP000000000002
	phone-set SEP000000000002 --auth string
	run --separate-stderr capf-probe SEP000000000002
	assert_status 100
	assert_one_line "has no authentication string"
	run --separate-stderr capf-probe -l 127.0.0.1:0 -t missing/transcript $DEVICE
	assert_status 100
}
