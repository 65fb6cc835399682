# SPDX-License-Identifier: ISC
# What becomes of a phone's visit in the spool, through real TLS: proofs, requests that it signs, refusals.
load helper
load serving

# phone DEVICE [NAME=VALUE...]: the other phone, to its end; its key is rsa1.
phone() {
	run --separate-stderr timeout 60 python3 "$TESTDIR/data/capf-phone.py" $PORT "$1" keys/rsa1.pem "${@:2}"
}
# phone_later DEVICE [NAME=VALUE...]: in the background; its output is in DEVICE.out.
phone_later() {
	python3 "$TESTDIR/data/capf-phone.py" $PORT "$1" keys/rsa1.pem "${@:2}" >"$1.out" 2>&1 3>&- &
	LATER=$!
	echo $LATER >>pids
}
settings() {
	printf '%s\n' "$@" >>"$SPOOL/capf.conf"
}
# why DEVICE: the reason in its record.
why() {
	phone-list | awk -F '\t' -v d="$1" '$1 == d { print $9 }'
}
proofs() {
	csr-list | cut -f 1,4
}
# mic DEVICE KEY [ARGUMENT...]: DEVICE.mic.pem by the root.
mic() {
	openssl req -new -key "$2" -subj "/CN=CP-8851-$1" -out mic.csr
	openssl x509 -req -in mic.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 \
	    -extfile "$FIX/phone.ext" -out "$1.mic.pem" "${@:3}" 2>/dev/null
}

@test "csr-proof = phone: the phone signs its request, and the CA needs nobody's word" {
	settings 'csr-proof = phone'
	install_null SEP000000000001
	install_null SEP000000000002 --key-order ec --ec 384
	start
	sim_later SEP000000000001
	sim_later SEP000000000002
	until_true has csr 2
	run --separate-stderr proofs
	assert_output $'SEP000000000001\town\nSEP000000000002\town'
	has_suffix() { [ "$(ls "$SPOOL/csr" | grep -c '\.csr$')" -eq "$1" ]; }
	has_suffix 2
	csr-dump | csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" | cert-import
	until_true outcome SEP000000000001 installed
	until_true outcome SEP000000000002 installed
	run --separate-stderr spool-check
	assert_silent
}

@test "csr-proof: a phone that refuses, or signs as no CA can use" {
	settings 'csr-proof = phone-or-ra'
	for i in 1 2 3 4; do
		install_null SEP00000000000$i
	done
	start
	sim_later SEP000000000001 --refuse sign
	phone_later SEP000000000002 sign=bare
	phone_later SEP000000000004 sign=good
	phone SEP000000000003 sign=wrong
	assert_equal "${lines[-1]}" "15 1=07"
	until_true has csr 3
	run --separate-stderr proofs
	assert_output $'SEP000000000001\tra\nSEP000000000002\tra\nSEP000000000004\town'
	grep -q 'event=note device=SEP000000000002 text=.*bare hash, without DigestInfo' log
	assert_equal "$(state SEP000000000003)" failed
	[[ $(why SEP000000000003) == *"not signed with its own key"* ]]
	stop
	settings 'csr-proof = phone'
	start
	for how in refuse bare wrong; do
		phone-set SEP000000000003 --operation install --auth null
		phone SEP000000000003 sign=$how
		[[ ${lines[-2]} == 22\ * ]]
		assert_equal "${lines[-1]}" "15 1=07"
		assert_equal "$(state SEP000000000003)" failed
		why SEP000000000003 >>reasons
	done
	grep -q 'signed no request' reasons
	grep -q 'bare hash' reasons
	has csr 3
}

@test "csr-proof = phone, when the server issues by itself" {
	by_itself 'csr-proof = phone'
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim SEP000000000001
	ended installed
	phone SEP000000000002 sign=wrong
	assert_equal "${lines[-1]}" "15 1=07"
	has installed 1
	has lsc 0
}

@test "keepalive-message: none unless it is set, and a phone may answer" {
	settings 'keepalive = 1s'
	install_null SEP000000000001
	install_null SEP000000000002
	install_null SEP000000000003
	start
	phone_later SEP000000000001
	until_true has csr 1
	sleep 3
	refute grep -qE '^1[78]$' SEP000000000001.out
	settings 'keepalive-message = status-request'
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	phone_later SEP000000000002 answer=19
	three() { [ "$(grep -cx "$2" "$1.out")" -ge 3 ]; }
	until_true three SEP000000000002 18
	settings 'keepalive-message = in-progress'
	kill -HUP $SERVER
	twice() { [ "$(grep -c event=reloaded log)" -eq 2 ]; }
	until_true twice
	phone_later SEP000000000003
	until_true three SEP000000000003 17
	sign_all
	for i in 1 2 3; do
		until_true grep -qx '15 1=01' SEP00000000000$i.out
	done
}

@test "17, 18 and 19 are signs of life while a phone makes its key" {
	by_itself 'key-timeout = 3s'
	for i in 17 18 19; do
		install_null SEP0000000000$i
	done
	install_null SEP000000000001
	start
	for i in 17 18 19; do
		phone_later SEP0000000000$i alive=$i:20
	done
	sim SEP000000000001 --delay key=6000
	ended refused
	for i in 17 18 19; do
		until_true grep -qx '15 1=01' SEP0000000000$i.out
	done
}

@test "a phone that refuses its certificate, hangs up and returns does not do so for ever" {
	by_itself
	install_null SEP000000000001
	start
	# It refuses and leaves; refuses again, which makes that one stale, gets one for a new key, and
	# leaves without a word. So there are two visits to a key.
	for i in 1 2 3 4 5; do
		phone SEP000000000001 store=leave
		assert_equal "${lines[-1]%% *}" 9
		assert_equal "$(state SEP000000000001)" pending
	done
	has stale 2
	phone SEP000000000001 store=leave
	assert_equal "${lines[-1]}" "15 1=07"
	assert_equal "$(state SEP000000000001)" failed
	has stale 3
	has lsc 0
	has installed 0
	phone SEP000000000001 store=yes
	assert_equal "${lines[-1]}" "15 1=07"
	run --separate-stderr spool-check
	assert_silent
}

@test "resume: a certificate that is refused twice makes way for a new key, also over two connections" {
	install_null SEP000000000001
	start
	phone_later SEP000000000001
	until_true has csr 1
	kill -KILL $LATER
	sign_all
	has lsc 1
	phone SEP000000000001 store=leave
	refute_output_has $'\n3 '
	phone_later SEP000000000001 store=no
	until_true grep -q '^3 ' SEP000000000001.out
	until_true has stale 1
	grep -q '^attempts = 1' "$SPOOL/phone/SEP000000000001.state"
	refute grep -q '^refusals' "$SPOOL/phone/SEP000000000001.state"
}

@test "a certificate that the phone has deleted is not installed any more" {
	by_itself
	install_null SEP000000000001
	start
	sim SEP000000000001 --lsc-out lsc.pem
	ended installed
	[[ $(lsc-list) == *installed* ]]
	phone-set SEP000000000001 --operation delete --auth null
	sim SEP000000000001 --lsc lsc.pem
	ended deleted
	has installed 0
	has stale 0
	ls "$SPOOL/done" | grep -q '\.der$'
	run --separate-stderr lsc-list
	assert_silent
	assert_equal "$(phone-list | cut -f 5)" none
	grep -q 'capf-serve	uninstalled	SEP000000000001' "$SPOOL/journal"
	run --separate-stderr spool-check
	assert_silent
	run --separate-stderr cert-import lsc.pem
	assert_status 1
	# With what was answered it is swept.
	spool-check --repair -P "$(date -d '+40 days' +%s)" >/dev/null
	has done 0
}

@test "a version that we do not speak: the log names the phone, its record does not change, a note says it" {
	install_null SEP000000000001
	start
	phone SEP000000000001 version=4
	assert_equal "${lines[-1]}" "15 1=07"
	grep -q 'event=failed device=SEP000000000001 failure=bad-version.*version 4' log
	[ ! -e "$SPOOL/phone/SEP000000000001.state" ]
	assert_equal "$(state SEP000000000001)" pending
	wrote() { [[ $(why SEP000000000001) == "not authenticated: the phone speaks version 4"* ]]; }
	until_true wrote
}

@test "no order stays pending without a reason: whatever ended the last visit is in phone-list" {
	settings 'key-tries = 0'
	install_null SEP000000000001
	start
	says() { [[ $(why SEP000000000001) == $1 ]]; }
	sim SEP000000000001 --drop key
	ended dropped
	until_true says "the phone hung up in state key"
	sim SEP000000000001 --refuse key
	ended refused
	says "the phone made no key: reason 7"
	sim SEP000000000001 --stop key
	ended stopped
	says "the phone stopped the operation"
	sim_later SEP000000000001
	until_true has csr 1
	kill -KILL $LATER
	until_true says "the phone hung up in state wait"
	sign_all
	sim SEP000000000001 --drop store
	ended dropped
	until_true says "*hung up*"
	assert_equal "$(state SEP000000000001)" pending
	phone-set SEP000000000001 --operation delete --auth null
	assert_equal "$(why SEP000000000001)" -
	sim SEP000000000001 --drop delete
	until_true says "the phone hung up in state delete"
	phone-set SEP000000000001 --operation troubleshoot --auth null
	sim SEP000000000001 --drop fetch
	until_true says "the phone hung up in state fetch"
	[[ $(phone-report) == *"the phone hung up in state fetch"* ]]
	run --separate-stderr spool-check
	assert_silent
}

@test "a phone that is not authenticated leaves a note, one, and not in its record" {
	by_itself 'string-tries = 3'
	mic SEP000000000001 keys/rsa1.pem
	mic SEP000000000002 keys/rsa2.pem
	order SEP000000000001 --operation install --auth existing-mic
	order SEP000000000003 --operation install --auth string --string 12345
	start
	says() { [[ $(why SEP000000000001) == $1 ]]; }
	sim SEP000000000001 --mode existing-mic --mic SEP000000000002.mic.pem --mic-key keys/rsa2.pem
	ended refused
	until_true says "not authenticated: is another device's certificate"
	[ ! -e "$SPOOL/phone/SEP000000000001.state" ]
	# Another one at once changes nothing: whoever knows a name could have the disk written to for each connection.
	cp "$SPOOL/phone/SEP000000000001.note" first
	for i in 1 2 3 4 5 6; do
		sim SEP000000000001 --mode null
		ended refused
		cmp first "$SPOOL/phone/SEP000000000001.note" || [ "$(($(date +%s) - $(stat -c %Y first)))" -ge 10 ]
	done
	[ "$(grep -c 'failure=bad-auth.*why="there is no certificate"' log)" -eq 6 ]
	# One that is older makes way.
	sed -i 's/^when = .*/when = 2020-01-01T00:00:00Z/' "$SPOOL/phone/SEP000000000001.note"
	sim SEP000000000001 --mode null
	until_true says "not authenticated: there is no certificate"
	# What an authenticated visit ended with stays, beside it.
	sim SEP000000000001 --mode existing-mic --mic SEP000000000001.mic.pem --mic-key keys/rsa1.pem --drop key
	until_true grep -q 'hung up in state key' "$SPOOL/phone/SEP000000000001.state"
	sed -i 's/^when = .*/when = 2020-01-01T00:00:00Z/' "$SPOOL/phone/SEP000000000001.note"
	says "the phone hung up in state key"
	sim SEP000000000001 --mode null
	until_true says "the phone hung up in state key; later not authenticated: there is no certificate"
	# Strings: none is a note, wrong ones are counted; an unknown device leaves nothing.
	sim SEP000000000003 --mode null
	none() { [[ $(why SEP000000000003) == "not authenticated: no authentication string" ]]; }
	until_true none
	sim SEP000000000003 --string 99999
	[[ $(why SEP000000000003) == "wrong authentication string, 1 of 3 tries used"* ]]
	sim SEP000000000009 --mode null
	ended unknown-device
	[ ! -e "$SPOOL/phone/SEP000000000009.note" ]
	run --separate-stderr spool-check
	assert_silent
	# A new order has no note, and a phone that is deleted leaves none.
	phone-set SEP000000000003 --operation install --string 54321
	assert_equal "$(why SEP000000000003)" -
	phone-del SEP000000000001 SEP000000000003
	[ -z "$(ls "$SPOOL/phone")" ]
}

@test "nothing to do: reason 7, as the vendor's server says it, with no order and after a successful one" {
	by_itself
	phone-add SEP000000000001
	install_null SEP000000000002
	start
	phone SEP000000000001
	assert_equal "${lines[-1]}" "15 1=07"
	phone SEP000000000002
	assert_equal "${lines[-1]}" "15 1=01"
	phone SEP000000000002
	assert_equal "${lines[-1]}" "15 1=07"
	[ "$(grep -c 'event=note device=SEP00000000000[12] text="nothing to do"' log)" -eq 2 ]
	assert_equal "$(state SEP000000000001) $(state SEP000000000002)" "none successful"
}

@test "max-operations: phones that wait for the CA do not count" {
	settings 'max-operations = 1'
	for i in 1 2 3; do
		install_null SEP00000000000$i
	done
	start
	sim_later SEP000000000001
	until_true has csr 1
	phone_later SEP000000000002 alive=17:8
	until_true grep -q '^3 ' SEP000000000002.out
	sim SEP000000000003
	ended refused
	grep -q 'event=note device=SEP000000000003 text="too many operations at once"' log
	noted() { [[ $(why SEP000000000003) == "not authenticated: too many operations at once" ]]; }
	until_true noted
	until_true has csr 2
	sim_later SEP000000000003
	until_true has csr 3
	sign_all
	for i in 1 3; do
		until_true outcome SEP00000000000$i installed
	done
	until_true grep -qx '15 1=01' SEP000000000002.out
}

@test "old MICs: SHA-1 and short keys, refused unless that is allowed, and never older than that" {
	by_itself
	openssl genrsa -out short.pem 1024 2>/dev/null
	openssl genrsa -out shorter.pem 768 2>/dev/null
	mic SEP000000000001 keys/rsa1.pem -sha1
	mic SEP000000000002 short.pem -sha256
	mic SEP000000000003 keys/rsa3.pem -md5
	mic SEP000000000004 shorter.pem -sha256
	with_mic() {
		sim SEP00000000000$1 --mode existing-mic --mic SEP00000000000$1.mic.pem --mic-key "$2"
	}
	for i in 1 2 3 4; do
		order SEP00000000000$i --operation install --auth existing-mic
	done
	start
	with_mic 1 keys/rsa1.pem
	ended refused
	with_mic 2 short.pem
	ended refused
	settings 'accept-weak-mic = yes'
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	with_mic 1 keys/rsa1.pem
	ended installed
	with_mic 2 short.pem
	ended installed
	[ "$(grep -c 'event=note.*is weak (SHA-1, or a short key), which the settings allow' log)" -eq 2 ]
	with_mic 3 keys/rsa3.pem
	ended refused
	with_mic 4 shorter.pem
	ended refused
	# What is issued or imported is another matter.
	openssl x509 -in SEP000000000001.mic.pem -outform DER -out mic.der
	run --separate-stderr cert-import mic.der
	assert_status 1
}

@test "a certificate that is not for signing, or not for clients, proves nothing" {
	by_itself
	order SEP000000000001 --operation install --auth existing-mic
	start
	# with_usage USAGE EKU: visits with a MIC by the trusted root that is for this.
	with_usage() {
		printf '%s\n' "keyUsage = critical, $1" "extendedKeyUsage = $2" >usage.ext
		openssl req -new -key keys/rsa1.pem -subj /CN=CP-8851-SEP000000000001 -out mic.csr
		openssl x509 -req -in mic.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 \
		    -extfile usage.ext -out mic.pem 2>/dev/null
		sim SEP000000000001 --mode existing-mic --mic mic.pem --mic-key keys/rsa1.pem
	}
	with_usage digitalSignature serverAuth
	ended refused
	grep -q 'an extendedKeyUsage without clientAuth' log
	with_usage keyEncipherment clientAuth
	ended refused
	grep -q 'a keyUsage without digitalSignature' log
	with_usage digitalSignature anyExtendedKeyUsage
	ended installed
}

@test "existing LSC and MIC, with SUDI and without, and expired ones" {
	by_itself
	mic SEP000000000001 keys/rsa1.pem
	order SEP000000000001 --operation install --auth existing-lsc --complete-by none
	start
	local mic=(--mic SEP000000000001.mic.pem --mic-key keys/rsa1.pem)
	local lsc=(--lsc lsc.pem --lsc-key keys/rsa1.pem)
	install_as() {
		phone-set SEP000000000001 --operation install --auth "$1" --complete-by none
		sim SEP000000000001 --mode "$1" "${@:2}"
	}
	install_as existing-mic "${mic[@]}" --keys keys/rsa1.pem --lsc-out lsc.pem
	ended installed
	for mode in existing-lsc existing-mic; do
		install_as $mode "${mic[@]}" "${lsc[@]}"
		ended installed
		install_as $mode "${mic[@]}" "${lsc[@]}" --sudi
		ended installed
		install_as $mode "${mic[@]}" "${lsc[@]}" --sudi --tamper replay
		ended refused
	done
	# What is not tied to the session can be replayed, so it can be refused.
	settings 'require-sudi = yes'
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	install_as existing-mic "${mic[@]}"
	ended refused
	grep -q 'failure=bad-auth.*has no SUDI_DATA, which require-sudi wants' log
	install_as existing-mic "${mic[@]}" --sudi
	ended installed
	stop
	settings 'require-sudi = no'
	start -P "$(date -d '+18 months' +%s)"
	install_as existing-mic "${mic[@]}"
	ended refused
	grep -q 'failure=bad-auth.*expired on' log
	settings 'accept-expired = yes'
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	install_as existing-mic "${mic[@]}"
	ended installed
	grep -q 'event=note.*has expired, which the settings allow' log
}
