# SPDX-License-Identifier: ISC
# What becomes of a phone's visit in the spool, through real TLS: proofs, requests that it signs, refusals.
load ../helper
load ../serving

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
	grep -q 'event=note device=SEP000000000002 text=.*no CA can check: RSA without DigestInfo, SHA-256, over the request' log
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
	grep -q 'RSA without DigestInfo' reasons
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
	# The first visit: it refuses and leaves. The second: it refuses again, which makes that one stale, gets one for
	# a new key, and leaves without a word. The third: it refuses that one and leaves, which is twice. The fourth
	# is as the first, with the last key.
	for i in 1 2 3 4; do
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

# again KEY: the phone enrols once more, with another key.
again() {
	phone-set SEP000000000001 --operation install --auth null
	mkdir -p keys.$1
	sim SEP000000000001 --lsc-out lsc.pem --keys keys.$1
	ended installed
}

@test "a phone that confirms another certificate has one in installed/, the newest; the older goes to done/" {
	local first
	by_itself
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim SEP000000000002
	ended installed
	sim SEP000000000001 --lsc-out first.pem
	ended installed
	first=$(cd "$SPOOL/installed" && ls SEP000000000001+*)
	again 2
	has installed 2
	[ ! -e "$SPOOL/installed/$first" ]
	[ -e "$SPOOL/done/$first" ]
	grep -q "capf-serve	replaced	${first%.der}\$" "$SPOOL/journal"
	# What the phone has now is what lies there.
	openssl x509 -in lsc.pem -outform DER | cmp - "$SPOOL"/installed/SEP000000000001+*
	assert_equal "$(phone-list | grep SEP000000000001 | cut -f 5)" installed
	run --separate-stderr spool-check
	assert_silent
	# What was imported may come in again.
	cat first.pem lsc.pem >both.pem
	run --separate-stderr cert-import both.pem
	assert_status 0
	assert_equal "$(cut -f 1 <<<"$output" | uniq -c | xargs)" "2 already"
	# When the phone deletes its certificate no older one comes back.
	phone-set SEP000000000001 --operation delete --auth null
	sim SEP000000000001 --lsc lsc.pem
	ended deleted
	has installed 1
	run --separate-stderr cert-import first.pem
	assert_status 1
	has lsc 0
}

@test "keep-installed: older certificates stay as long as that; spool-check --repair moves those that are older" {
	by_itself
	echo "keep-installed = 5d" >>"$SPOOL/capf.conf"
	install_null SEP000000000001
	start
	sim SEP000000000001
	ended installed
	again 2
	again 3
	has installed 3
	newest=$(ls "$SPOOL/installed" | tail -n 1)
	spool-check --repair -P "$(date -d '+4 days' +%s)"
	has installed 3
	spool-check -P "$(date -d '+6 days' +%s)"
	has installed 3
	run --separate-stderr spool-check --repair -v -P "$(date -d '+6 days' +%s)"
	assert_output_has "2 steps finished, 0 old files taken away"
	assert_equal "$(ls "$SPOOL/installed")" "$newest"
	assert_equal "$(ls "$SPOOL/done" | grep -c '\.der$')" 2
	assert_equal "$(grep -c 'spool-check	replaced	SEP000000000001' "$SPOOL/journal")" 2
	run --separate-stderr spool-check
	assert_silent
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
	first=$(sed -n 's/^when = //p' first)
	for i in 1 2 3 4 5 6; do
		sim SEP000000000001 --mode null
		ended refused
		cmp first "$SPOOL/phone/SEP000000000001.note" || [ "$(($(date +%s) - $(date -d "$first" +%s)))" -ge 10 ]
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

# locker: another program has the lock of every record, until it is told to end; LOCKER is its pid. Python's lockf
# locks by process, which conflicts just as well.
locker() {
	python3 -c 'import fcntl, sys, time
f = open(sys.argv[1], "r+b")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)' "$SPOOL/phone/.lock" >locker 3>&- &
	LOCKER=$!
	echo $LOCKER >>pids
	until_true grep -q locked locker
}

@test "troubleshoot: what is no certificate is not kept" {
	openssl x509 -inform DER -in "$FIX/der/SEP000000000001.der" -out 1.pem
	for i in 1 2; do
		order SEP00000000000$i --operation troubleshoot --auth null
	done
	start
	# It gives 16,000 bytes and hangs up, and comes again.
	for i in 1 2 3; do
		sim SEP000000000001 --tamper certificate --drop end --verbose
		ended dropped
		grep -q '> FETCH_CERTIFICATE_RESPONSE 550c[0-9a-f]\{8\}3e' <<<"$stderr"
		phone-set SEP000000000001 --operation troubleshoot --auth null
	done
	has trace 0
	[ "$(grep -c 'event=note.*the phone gave no LSC: its certificate is neither PEM nor DER' log)" -eq 3 ]
	# With the same in place of the MIC it has no certificate at all.
	sim SEP000000000001 --tamper certificate
	ended refused
	has trace 0
	assert_equal "$(state SEP000000000001)" failed
	[[ $(why SEP000000000001) == *"no certificate: its certificate is neither PEM nor DER"* ]]
	sim SEP000000000002 --lsc 1.pem
	ended fetched
	has trace 1
}

@test "troubleshoot: of an order one file of each kind, however often the phone comes" {
	for i in 1 3; do
		openssl x509 -inform DER -in "$FIX/der/SEP00000000000$i.der" -out $i.pem
	done
	order SEP000000000001 --operation troubleshoot --auth null
	start
	# While its record is locked the order cannot be ended.
	locker
	for i in 1 2 3; do
		sim SEP000000000001 --lsc 1.pem --mic 3.pem
		ended fetched
		assert_equal "$(state SEP000000000001)" pending
		sleep 1.1
	done
	has trace 2
	kill -KILL $LOCKER
	fetched_it() { [ "$(state SEP000000000001)" = successful ]; }
	until_true fetched_it
	phone-set SEP000000000001 --operation troubleshoot --auth null
	sim SEP000000000001 --lsc 3.pem --mic 3.pem
	ended fetched
	has trace 4
	cmp "$(ls "$SPOOL"/trace/*.lsc.der | head -n 1)" "$FIX/der/SEP000000000001.der"
	run --separate-stderr spool-check
	assert_silent
}

@test "keep-trace: what was fetched long ago is swept, and what is no name of trace/ is told" {
	openssl x509 -inform DER -in "$FIX/der/SEP000000000001.der" -out 1.pem
	order SEP000000000001 --operation troubleshoot --auth null
	start
	sim SEP000000000001 --lsc 1.pem
	ended fetched
	after() { date -d "+$1 days" +%s; }
	spool-check --repair -P "$(after 29)"
	has trace 1
	cp -a "$SPOOL" other
	spool-check --repair -P "$(after 31)"
	has trace 0
	settings 'keep-trace = 60d'
	cp other/trace/* "$SPOOL/trace"
	spool-check --repair -P "$(after 31)"
	has trace 1
	spool-check --repair -P "$(after 61)"
	has trace 0
	touch "$SPOOL/trace/SEP000000000001.lsc.der"
	chmod 600 "$SPOOL/trace/SEP000000000001.lsc.der"
	run --separate-stderr spool-check --repair -P "$(after 500)"
	assert_status 1
	assert_output $'trace/SEP000000000001.lsc.der\tnot a name of the spool'
}

@test "troubleshoot: the LSC completes it, also when the phone hangs up at the request for its MIC" {
	openssl x509 -inform DER -in "$FIX/der/SEP000000000001.der" -out 1.pem
	order SEP000000000001 --operation troubleshoot --auth null
	order SEP000000000002 --operation troubleshoot --auth null
	start
	sim SEP000000000001 --manners strict --lsc 1.pem
	hung_up
	assert_stderr_has "FETCH_CERTIFICATE_REQUEST, for the second time"
	assert_equal "$(state SEP000000000001)" successful
	cmp "$SPOOL"/trace/SEP000000000001+*.lsc.der "$FIX/der/SEP000000000001.der"
	grep -q 'event=note device=SEP000000000001 text="the LSC is here, the MIC is not: the phone hung up' log
	refute grep -q 'event=failed' log
	sim SEP000000000001 --manners strict --lsc 1.pem
	assert_stderr_has ""
	refute_output_has dropped
	# One without an LSC has nothing to give, and would hang up each time.
	sim SEP000000000002 --manners strict
	hung_up
	assert_equal "$(state SEP000000000002)" failed
	[[ $(why SEP000000000002) == *"no LSC, and hung up when it was asked for its MIC"* ]]
}

@test "fetch-mic = no: the phone is asked for its LSC alone" {
	settings 'fetch-mic = no'
	openssl x509 -inform DER -in "$FIX/der/SEP000000000001.der" -out 1.pem
	order SEP000000000001 --operation troubleshoot --auth null
	start
	# It would hang up at a second question.
	sim SEP000000000001 --manners strict --lsc 1.pem --mic 1.pem
	ended fetched
	has trace 1
	refute grep -q 'the MIC is not' log
}

@test "an order that has failed stays failed, whatever becomes of a phone that was let in before" {
	settings 'string-tries = 1'
	order SEP000000000001 --operation install --auth string --string 12345
	start
	sim_later SEP000000000001 --string 12345
	until_true has csr 1
	sim SEP000000000001 --string 99999
	ended refused
	assert_equal "$(state SEP000000000001)" failed
	kill -KILL $LATER
	until_true grep -q 'event=failed device=SEP000000000001 failure=dropped' log
	# When it has heard another phone, all that came of this one is written.
	sim SEP000000000009
	ended unknown-device
	assert_equal "$(state SEP000000000001)" failed
	[[ $(why SEP000000000001) == "locked after "* ]]
}

@test "a key of another size than was ordered is refused" {
	install_null SEP000000000001 --rsa 3072
	start
	phone SEP000000000001
	assert_equal "${lines[-1]}" "15 1=07"
	[[ $(why SEP000000000001) == *"the phone made another kind of key than RSA 3072"* ]]
	has csr 0
}

@test "csr-proof = phone: a signature with an unknown digest is refused, however good it is" {
	settings 'csr-proof = phone'
	install_null SEP000000000001
	start
	phone SEP000000000001 digest=9
	assert_equal "${lines[-1]}" "15 1=07"
	assert_equal "$(state SEP000000000001)" failed
	[[ $(why SEP000000000001) == *"unknown digest 9"* ]]
	has csr 0
}

@test "resume: a phone that has lost its key and hangs up at the certificate is asked for a new one" {
	install_null SEP000000000001
	start
	# It waits a second, as others wait 8 to 10, and has no key when it comes again.
	sim SEP000000000001 --manners strict --patience 1s
	hung_up
	has csr 1
	sign_all
	has lsc 1
	for i in 1 2; do
		assert_equal "$(state SEP000000000001)" pending
		sim SEP000000000001 --manners strict
		hung_up
		assert_stderr_has "STORE_CERTIFICATE_REQUEST, without KEY_GENERATE_REQUEST"
		[[ $(why SEP000000000001) == *"hung up at the certificate for its earlier key"* ]]
	done
	[[ $(why SEP000000000001) == *"asked for a new key"* ]]
	has stale 1
	has lsc 0
	sim_later SEP000000000001 --manners strict --patience 60s
	until_true has csr 1
	sign_all
	until_true outcome SEP000000000001 installed
	assert_equal "$(state SEP000000000001)" successful
	run --separate-stderr spool-check
	assert_silent
}

@test "resume: a phone that never has its key any more comes to an end" {
	settings 'key-tries = 2'
	install_null SEP000000000001
	start
	local visits=0
	# Each key is signed only when the phone has left.
	while [ "$(state SEP000000000001)" = pending ] && [ $visits -lt 12 ]; do
		sim SEP000000000001 --manners strict --patience 1s
		hung_up
		if ! has csr 0; then
			sign_all >/dev/null
		fi
		visits=$((visits + 1))
	done
	# For each of two keys: it is made, and its certificate offered twice.
	assert_equal $visits 6
	assert_equal "$(state SEP000000000001)" failed
	[[ $(why SEP000000000001) == *"has no more tries"* ]]
	has stale 2
	has lsc 0
	has csr 0
	sim SEP000000000001 --manners strict
	ended refused
}

@test "resume: a phone that was switched off at the certificate, and comes again, counts as one that hung up" {
	install_null SEP000000000001
	start
	sim SEP000000000001 --drop wait
	until_true has csr 1
	sign_all
	sim_later SEP000000000001 --hang store
	at_store() { [ "$(grep -c 'event=connected' log)" -ge 2 ] && grep -q 'request=kept' log; }
	until_true at_store
	sim SEP000000000001 --manners strict
	hung_up
	grep -q 'event=dropped.*connected again' log
	assert_equal "$(grep -c 'event=not-stored.*hung up at the certificate' log)" 2
	[[ $(why SEP000000000001) == *"hung up at the certificate for its earlier key"* ]]
	sim_later SEP000000000001 --keys keys/rsa5.pem --manners strict --patience 60s
	until_true has csr 1
	has stale 1
	has lsc 0
}

@test "a new key for the same order, again and again: no more of them than key-tries" {
	settings 'resume = no'
	install_null SEP000000000001
	start
	local visits=0
	while [ $visits -lt 10 ]; do
		visits=$((visits + 1))
		sim SEP000000000001 --keys keys/rsa$visits.pem --drop wait
		[[ $output == *dropped* ]] || break
		until_true has csr 1
	done
	# The phone that hangs up does not hear that the fourth key was refused.
	refused() { [ "$(state SEP000000000001)" = failed ]; }
	until_true refused
	[ "$(grep -c 'event=waiting.*request=new' log)" -eq 3 ]
	[ $visits -ge 4 ]
	has superseded 2
	has csr 1
	[[ $(why SEP000000000001) == *"another key again and again"* ]]
	# An administrator orders anew.
	install_null SEP000000000001
	sim SEP000000000001 --keys keys/rsa10.pem --drop wait
	hung_up
	until_true has superseded 3
	assert_equal "$(state SEP000000000001)" pending
}

@test "a new key at each visit, when the server issues by itself" {
	by_itself 'resume = no' 'key-tries = 4'
	install_null SEP000000000001
	start
	local visits=0
	while [ $visits -lt 12 ]; do
		visits=$((visits + 1))
		sim SEP000000000001 --drop store
		[[ $output == *dropped* ]] || break
	done
	ended refused
	assert_equal $visits 5
	has stale 3
	has lsc 1
	assert_equal "$(state SEP000000000001)" failed
	stop
	# 0 is for ever.
	settings 'key-tries = 0'
	install_null SEP000000000001
	start
	for i in 1 2 3 4 5 6; do
		sim SEP000000000001 --drop store
		hung_up
	done
	assert_equal "$(state SEP000000000001)" pending
}

@test "csr-proof = phone-or-ra: a phone that hangs up at the request to sign is vouched for at its next visit" {
	settings 'csr-proof = phone-or-ra'
	install_null SEP000000000001
	start
	sim SEP000000000001 --manners strict
	hung_up
	assert_stderr_has "hung up at SIGN_CERTIFICATE_REQUEST"
	assert_equal "$(state SEP000000000001)" pending
	[[ $(why SEP000000000001) == *"asked to sign its request: CAPF vouches for it at its next visit" ]]
	has csr 0
	sim_later SEP000000000001 --manners strict --patience 60s
	until_true has csr 1
	run --separate-stderr proofs
	assert_output $'SEP000000000001\tra'
	sign_all
	until_true outcome SEP000000000001 installed
	# With the next order it may have learnt it.
	phone-set SEP000000000001 --operation install --auth null
	sim_later SEP000000000001
	until_true has csr 1
	run --separate-stderr proofs
	assert_output $'SEP000000000001\town'
}

@test "csr-proof = phone: a phone that hangs up at the request to sign has so many tries" {
	settings 'csr-proof = phone' 'key-tries = 2'
	install_null SEP000000000001
	start
	for i in 1 2; do
		assert_equal "$(state SEP000000000001)" pending
		sim SEP000000000001 --manners strict
		hung_up
		[[ $(why SEP000000000001) == *"hung up when it was asked to sign its request" ]]
	done
	assert_equal "$(state SEP000000000001)" failed
	has csr 0
}
