# SPDX-License-Identifier: ISC
# CAPF's certificate from elsewhere: capf-init --request and --complete with an outside CA, and --certificate with a
# key of one's own, while a server runs and phones wait.
load ../helper
load ../serving

# outside [FILE [OPTION...]]: an outside CA, root.pem, signs r.pem into FILE, sent.pem, with these options of openssl
# x509 besides.
outside() {
	[ -f root.pem ] || ca-init -t ec:256 -n "CN=Outside root" root
	printf '%s\n' "basicConstraints = critical, CA:TRUE, pathlen:0" \
	    "keyUsage = critical, digitalSignature, keyCertSign" "subjectKeyIdentifier = hash" >ext
	openssl x509 -req -in r.pem -CA root.pem -CAkey root.key -days 30 -extfile ext -out "${1:-sent.pem}" "${@:2}" \
	    2>/dev/null
}
# now_by FILE: CAPF's certificate is the one in the file.
now_by() {
	openssl x509 -in "$1" -outform DER | cmp - "$SPOOL/ca/CAPF.cer"
	openssl x509 -in "$1" -outform DER | cmp - <(openssl x509 -in "$SPOOL/ca/capf.pem" -outform DER)
}
# refused WHAT FILE [ISSUER...]: nothing changes, and the request still waits.
refused() {
	local what=$1
	shift
	spool_state >before
	run --separate-stderr capf-init --complete "$@"
	assert_status 100
	assert_one_line "$what"
	spool_state | diff before -
}

@test "capf-init --request: the same request until it is completed, and what phones demand is asked for" {
	run --separate-stderr capf-init --request -n "OU=Phones,O=Example"
	assert_status 0
	assert_equal "$stderr" ""
	echo "$output" >r.pem
	run --separate-stderr capf-init --request
	assert_status 0
	assert_output "$(cat r.pem)"
	assert_one_line "ca/request.pem: this request waits already"
	openssl req -in r.pem -noout -verify -text >text
	grep -qE 'Subject: CN ?= ?CAPF-[0-9a-f]{8}, OU ?= ?Phones, O ?= ?Example$' text
	grep -A1 'Basic Constraints: critical' text | grep -q 'CA:TRUE, pathlen:0$'
	grep -A1 'Key Usage: critical' text | grep -q 'Digital Signature, Certificate Sign$'
	assert_equal "$(stat -c %a "$SPOOL/ca/request.pem")" 600
	run --separate-stderr spool-check -v
	assert_silent
}

@test "capf-init --complete: an outside CA's certificate while phones wait, without a restart" {
	cp "$SPOOL/ca/CAPF.cer" old.cer
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim_later SEP000000000001
	until_true has csr 1
	capf-init --request >r.pem
	outside
	run --separate-stderr capf-init --complete sent.pem root.pem
	assert_silent
	now_by sent.pem
	[ ! -e "$SPOOL/ca/request.pem" ]
	grep -q "	capf-init	capf	CAPF-" "$SPOOL/journal"
	# The old one serves until the server is told.
	openssl s_client -connect "$PORT" -showcerts </dev/null 2>/dev/null | openssl x509 -outform DER | cmp - old.cer
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	openssl s_client -connect "$PORT" -showcerts </dev/null 2>/dev/null | openssl x509 -outform DER |
	    cmp - "$SPOOL/ca/CAPF.cer"
	sim_later SEP000000000002
	until_true has csr 2
	sign_all
	until_true outcome SEP000000000001 installed
	until_true outcome SEP000000000002 installed
	openssl verify -x509_strict -CAfile root.pem sent.pem
	run --separate-stderr spool-check -v
	assert_silent
	# It is done, and a second time nothing waits.
	run --separate-stderr capf-init --complete sent.pem root.pem
	assert_status 100
	assert_one_line "sent.pem: no request waits for it; capf-init --request makes one"
}

# many N: a hundred phones from the Nth on ask.
many() {
	seq -f 'SEP%012.0f' "$1" $(($1 + 99)) | phone-add -f -
	seq -f 'SEP%012.0f' "$1" $(($1 + 99)) | phone-set --operation install --auth null -f -
	phone-sim --server "$PORT" --keys "$FIX/key" --timeout 90s --fleet 100 --first "$1" --pattern 'SEP%012d' \
	    >"fleet.$1" 2>&1 3>&- &
	echo $! | tee -a pids >"pid.$1"
}
# reloaded N: the server was told to read its settings, for the Nth time, and has.
reloaded() {
	kill -HUP $SERVER
	until_true eval "[ \$(grep -c event=reloaded log) -eq $1 ]"
}

@test "a renewal and a change to an outside CA's certificate while 100 phones wait, and 100 more: no restart, nothing twice" {
	local serials n
	start
	many 1
	until_true has csr 100
	capf-init --renew
	reloaded 1
	many 101
	until_true has csr 200
	capf-init --request >r.pem
	outside
	capf-init --complete sent.pem root.pem
	reloaded 2
	# What waits has three different signatures by now, and today's certificate is enough.
	csr-dump --manifest -o requests.tgz 2>said
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l issued --ra "$SPOOL/ca/CAPF.cer" -o certs.tgz requests.tgz
	run --separate-stderr cert-import certs.tgz
	assert_status 0
	assert_equal "$(grep -c '^accepted' <<<"$output")" 200
	for n in 1 101; do
		wait "$(cat pid.$n)" || fail "not all phones from $n on ended well" "$(cat fleet.$n)"
	done
	assert_equal "$(count installed)" 200
	assert_equal "$(count csr)$(count superseded)$(count stale)" 000
	assert_equal "$(cut -f 3 issued | sort -u | wc -l)" 200
	assert_equal "$(wc -l <issued)" 200
	assert_equal "$(grep -c event=ready log)" 1
	run --separate-stderr spool-check -v
	assert_silent
}

@test "capf-init --complete: what is not for this key, or no certificate for CAPF, is refused" {
	capf-init --request >r.pem
	outside
	ca-init -t ec:256 -n "CN=Outside root" stranger
	refused "sent.pem: is signed by a CA that is not trusted: CN=Outside root" sent.pem stranger.pem
	refused "root.pem: no certificate here is for this key" root.pem
	refused "nosuch: " nosuch
	outside named.pem -subj "/CN=capf.example.com"
	refused "named.pem: its CN is not CAPF- and " named.pem root.pem
	outside path.pem -subj "/CN=CAPF-..\/x"
	refused "path.pem: its CN is not CAPF- and " path.pem root.pem
	echo "keyUsage = critical, keyCertSign" | cat - <(grep basic ext) >usage.ext
	outside usage.pem -extfile usage.ext
	refused "usage.pem: has a keyUsage without digitalSignature" usage.pem root.pem
	echo "extendedKeyUsage = clientAuth" | cat - ext >eku.ext
	outside eku.pem -extfile eku.ext
	refused "eku.pem: has an extended key usage without TLS server authentication" eku.pem root.pem
	echo "basicConstraints = critical, CA:FALSE" >end.ext
	outside end.pem -extfile end.ext
	refused "end.pem: is not a CA certificate" end.pem root.pem
	refused "sent.pem: expired on " sent.pem -P $(($(date +%s) + 31 * 86400)) root.pem
	# Without its issuer it is taken, and one line says what was not looked at.
	run --separate-stderr capf-init --complete sent.pem
	assert_status 0
	assert_one_line "sent.pem: its signature was not checked"
	now_by sent.pem
}

@test "capf-init --certificate: a certificate that comes with its key" {
	make_key own.key
	openssl req -new -x509 -key own.key -subj "/CN=CAPF-mine" -days 30 -out own.pem \
	    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,digitalSignature,keyCertSign"
	openssl pkcs8 -topk8 -in own.key -passout pass:secret -out locked.key
	echo secret >pass
	run --separate-stderr capf-init --certificate own.pem --key keys/rsa1.pem
	assert_status 100
	assert_one_line "own.pem: no certificate here is for this key"
	run --separate-stderr capf-init --certificate own.pem --key locked.key --pass-file pass
	assert_silent
	now_by own.pem
	grep -q 'BEGIN PRIVATE KEY' "$SPOOL/ca/capf.pem"
	[ -e "$SPOOL/ca/CAPF-mine.0" ]
	assert_equal "$(ls "$SPOOL"/ca/*.0 | wc -l)" 2
	run --separate-stderr spool-check -v
	assert_silent
	start
	openssl s_client -connect "$PORT" -showcerts </dev/null 2>/dev/null | openssl x509 -outform DER |
	    cmp - "$SPOOL/ca/CAPF.cer"
	# A certificate that names itself as its issuer, and whose signature is not its own, is told of.
	cp "$SPOOL/ca/CAPF.cer" bent.der
	bend bent.der
	cp -a "$SPOOL" other
	run --separate-stderr capf-init -s other --certificate bent.der --key own.key
	assert_one_line "bent.der: its signature was not checked"
	# The same again changes nothing.
	spool_state >before
	run --separate-stderr capf-init --certificate own.pem --key own.key
	assert_silent
	spool_state | diff before -
}

@test "capf-init --request: who cannot be told the request asks again" {
	run bash -c 'capf-init --request 2>err >/dev/full'
	assert_status 111
	[ "$(wc -l <err)" -eq 1 ]
	run --separate-stderr capf-init --request
	assert_status 0
	echo "$output" >r.pem
	openssl req -in r.pem -noout -pubkey | cmp - <(openssl pkey -in "$SPOOL/ca/request.pem" -pubout)
	echo rubbish >"$SPOOL/ca/request.pem"
	run --separate-stderr capf-init --request
	assert_status 111
	assert_one_line "ca/request.pem: holds no request"
}

@test "capf-init: the four ways exclude each other" {
	for wrong in "--renew --request" "--request --complete x" "--certificate x" "--key x" "--pass-file x" "--request x" \
	    "--renew x" "--certificate x --key pkcs11:object=x"; do
		run --separate-stderr capf-init $wrong
		assert_status 100
		echo "$wrong"
		assert_stderr_has "usage: capf-init"
	done
	run --separate-stderr capf-init --request -s nosuch
	assert_status 100
	assert_one_line "nosuch: "
}
