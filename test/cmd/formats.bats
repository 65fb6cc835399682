# SPDX-License-Identifier: ISC
# csr-dump's forms for CAs that do without the phone's signature: CMC and public keys. The CA is test/data/cmc-ca.py, or
# a loop of openssl; neither has any of our code.
load ../helper
load ../serving

CA=$TESTDIR/data/cmc-ca.py
RA=1.3.6.1.4.1.311.20.2.1
NO_SIGNATURE='signer CN=Dummy Signer 0 1.3.6.1.5.5.7.6.2 0500 -'

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	agent_key agent
	agent_cert agent
}
setup() {
	setup_server
	cp "$BATS_FILE_TMPDIR"/agent.* .
}

agent_key() {
	openssl genrsa -out "$1.key" 2048 2>/dev/null
}
# agent_cert NAME [USAGE [ARGUMENT...]]: NAME.pem for NAME.key, by the EC CA, which is no CA of phones here.
agent_cert() {
	printf '%s\n' 'basicConstraints = critical, CA:FALSE' "keyUsage = critical, ${3:-digitalSignature}" \
	    "extendedKeyUsage = ${2:-$RA}" 'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' >agent.ext
	openssl req -new -key "$1.key" -subj '/O=Example/CN=Agent' |
	    openssl x509 -req -CA "$FIX/ec.pem" -CAkey "$FIX/ec.key" -days 30 -extfile agent.ext -out "$1.pem" 2>/dev/null
}

# one_waits: CAPF vouches for SEP000000000001, as after a visit of the phone; SEP000000000002 signed for itself.
one_waits() {
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	stop
	csr-add "$FIX/csr/SEP000000000002.csr" >/dev/null
	has csr 2
}

# ten_installed DIRECTORY: their certificates are taken, and all ten phones get theirs.
ten_installed() {
	tar czf certificates.tgz -C "$1" .
	run --separate-stderr cert-import certificates.tgz
	assert_status 0
	assert_equal "$(grep -c '^accepted' <<<"$output")" 10
	until_true grep -q 'done=10 failed=0' fleet.out
	has installed 10
	stop
	for f in "$SPOOL"/installed/*.der; do
		openssl x509 -inform DER -in "$f" -out phone.pem
		openssl verify -x509_strict -CAfile "$FIX/root.pem" phone.pem
	done
}
# dump ARGUMENT...: unpacked into the directory dump, its manifest checked with tools of others.
dump() {
	rm -rf dump
	mkdir dump
	run --separate-stderr csr-dump --manifest -o dump.tgz "$@"
	assert_silent
	tar xzf dump.tgz -C dump
	manifest_holds
}
manifest_holds() {
	openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -out capf.pem
	openssl cms -verify -binary -inform DER -in dump/SHA256SUMS.p7s -content dump/SHA256SUMS -certfile capf.pem \
	    -nointern -noverify -out /dev/null
	(cd dump && sha256sum --check --strict --quiet SHA256SUMS)
	assert_equal "$(tar tzf dump.tgz | tail -n +3)" "$(cut -c 67- dump/SHA256SUMS)"
}
# issue SHAPE FILE...: the CA takes the template Phone, and in the shapes with an agent those that the EC CA certified.
issue() {
	mkdir -p issued
	run --separate-stderr python3 "$CA" issue "$FIX/root.pem" "$FIX/root.key" "$FIX/phone.ext" issued Phone,Router \
	    "$1" "$FIX/ec.pem" "${@:2}"
}
# shown FILE: what the reader of others makes of it.
shown() {
	python3 "$CA" show "$1"
}
key_of() {
	csr-list | awk -F '\t' -v d="$1" '$1 == d { print $3 }'
}

@test "ten phones over TLS, CMC with an agent, a CA that checks it: all are installed" {
	ten_call
	dump --format cmc --agent agent.pem --agent-key agent.key --template Phone
	assert_equal "$(ls dump/*.cmc | wc -l)" 10
	issue agent dump/*.cmc
	assert_silent
	ten_installed issued
}

@test "the same on behalf of the phones, in DER, by an agent with an EC key" {
	ten_call
	openssl ecparam -name secp384r1 -genkey -noout -out agent.key
	agent_cert agent
	dump -F cmc-der --agent agent.pem --agent-key agent.key --template Phone --shape behalf
	issue behalf dump/*.cmc
	assert_silent
	ten_installed issued
}

@test "the same without an agent, for a CA that wants none" {
	ten_call
	dump --format cmc --template Router
	issue agent dump/*.cmc
	assert_status 1
	assert_stderr_line_count 10
	assert_stderr_has "SEP000000000010.cmc: the template wants an enrolment agent's signature"
	issue none dump/*.cmc
	assert_silent
	ten_installed issued
}

@test "ten phones over TLS, their public keys and a loop of openssl: all are installed" {
	ten_call
	dump --format spki
	csr-list | cut -f 1,3 >want
	tail -n +2 dump/keys.tsv | cut -f 1,3 | diff want -
	mkdir issued
	while IFS=$'\t' read -r device subject sum; do
		assert_equal "$subject" "CN=$device"
		assert_equal "$(openssl pkey -pubin -in "dump/$device.pem" -outform DER | sha256sum | cut -d ' ' -f 1)" "$sum"
		openssl x509 -new -force_pubkey "dump/$device.pem" -subj "/$subject" -CA "$FIX/root.pem" \
		    -CAkey "$FIX/root.key" -days 365 -extfile "$FIX/phone.ext" -outform DER -out "issued/$device.der"
	done < <(tail -n +2 dump/keys.tsv)
	ten_installed issued
}

@test "every field of a CMC request, in each shape" {
	local id serial
	one_waits
	key=$(key_of SEP000000000001)
	request=$'digests 2.16.840.1.101.3.4.2.1\n'
	about="request 1 CN=SEP000000000001 $key"$'\nsignature 2.16.840.1.101.3.4.2.1 0500 null\n'
	dump -F cmc-der SEP000000000001
	assert_equal "$(shown dump/SEP000000000001.cmc)" "$request$about$NO_SIGNATURE"
	dump -F cmc-der --shape none --template 'Phone 2' SEP000000000001
	assert_equal "$(shown dump/SEP000000000001.cmc)" \
	    "${request}control 2 1.3.6.1.5.5.7.7.18 CertificateTemplate=Phone 2&"$'\n'"$about$NO_SIGNATURE"
	certificate="certificate $(openssl x509 -in agent.pem -outform DER | sha256sum | cut -d ' ' -f 1)"$'\n'
	serial=$(python3 -c 'import sys; print(int(sys.argv[1], 16))' \
	    "$(openssl x509 -in agent.pem -noout -serial | cut -d = -f 2)")
	agent="signer C=DE,O=Example,CN=Lab EC root $serial 1.2.840.113549.1.1.1 0500"
	dump -F cmc-der --agent agent.pem --agent-key agent.key SEP000000000001
	assert_equal "$(shown dump/SEP000000000001.cmc)" "$request$about$certificate$NO_SIGNATURE"$'\n'"$agent -"
	dump -F cmc-der --agent agent.pem --agent-key agent.key --shape behalf --template Phone SEP000000000001
	assert_equal "$(shown dump/SEP000000000001.cmc)" \
	    "${request}control 2 1.3.6.1.5.5.7.7.18 CertificateTemplate=Phone&requestername=SEP000000000001&
$about$certificate$NO_SIGNATURE
$agent SEP000000000001"
	# As another reader sees it.
	openssl cms -cmsout -print -inform DER -in dump/SEP000000000001.cmc >print
	grep -q 'contentType: pkcs7-signedData (1.2.840.113549.1.7.2)' print
	grep -q 'eContentType: id-cct-PKIData (1.3.6.1.5.5.7.12.2)' print
	assert_equal "$(grep -c 'algorithm: id-alg-noSignature (1.3.6.1.5.5.7.6.2)' print)" 1
	assert_equal "$(grep -n 'issuer: ' print | tail -n 2 | sed 's/.*issuer: //' | xargs -d '\n')" \
	    'CN=Dummy Signer C=DE, O=Example, CN=Lab EC root'
	# openssl does not know a signer without a certificate: cmc-ca.py asks it about the agent alone.
	run --separate-stderr openssl cms -verify -inform DER -in dump/SEP000000000001.cmc -CAfile "$FIX/ec.pem" \
	    -purpose any -out data
	assert_status 4
	assert_stderr_has "signer certificate not found"
}

@test "a request that its own key signed keeps that signature in CMC" {
	one_waits
	dump -F cmc SEP000000000002
	head -n 1 dump/SEP000000000002.cmc | grep -qx -e '-----BEGIN CMS-----'
	shown dump/SEP000000000002.cmc >fields
	grep -qx 'signature 1.2.840.113549.1.1.11 0500 own' fields
	grep -qx "$NO_SIGNATURE" fields
	assert_equal "$(wc -l <dump/SHA256SUMS)" 1
}

@test "the CA refuses what is spoiled, each for its reason" {
	local what
	one_waits
	dump -F cmc-der --template Phone SEP000000000001
	python3 "$CA" spoil nothing dump/SEP000000000001.cmc | cmp - dump/SEP000000000001.cmc
	while read -r what why; do
		python3 "$CA" spoil $what dump/SEP000000000001.cmc >$what.cmc
		issue none $what.cmc
		assert_status 1
		assert_equal "$stderr" "$what.cmc: $why"
	done <<'EOW'
null-signature the request has neither its own key's signature nor a null signature
null-algorithm the request has neither its own key's signature nor a null signature
key the request has neither its own key's signature nor a null signature
no-signature No-Signature's digest does not hold
first-signer the first signer is not No-Signature
message-digest a signer's message-digest is not that of the content
content-type its content is no PKIData
two-requests PKIData has not exactly one request
unknown-control there is a control that nobody knows
EOW
	dump -F cmc-der --template Printer SEP000000000001
	issue none dump/SEP000000000001.cmc
	assert_status 1
	assert_stderr_has "the template is not known"
	dump -F cmc-der SEP000000000001
	issue none dump/SEP000000000001.cmc
	assert_status 1
	assert_stderr_has "the template is not known"
	dump -F cmc-der --template Phone --agent agent.pem --agent-key agent.key SEP000000000001
	issue behalf dump/SEP000000000001.cmc
	assert_status 1
	assert_stderr_has "RegInfo has no requestername"
	# The last bytes are the agent's signature.
	bend dump/SEP000000000001.cmc
	issue agent dump/SEP000000000001.cmc
	assert_status 1
	assert_stderr_has "the agent's signature does not hold"
	[ -z "$(ls issued)" ]
}

@test "an agent whose certificate is not good enough: one clear line, and no archive" {
	local what
	ten_wait
	# refused OBJECT WHY CERTIFICATE KEY
	refused() {
		run --separate-stderr csr-dump -F cmc --agent "$3" --agent-key "$4" -o none.tgz
		assert_status 100
		assert_stderr_line_count 1
		assert_equal "$stderr" "csr-dump: $1: $2"
		[ ! -e none.tgz ]
	}
	agent_key other
	refused agent.pem "is not for the agent's key" agent.pem other.key
	agent_cert other clientAuth
	refused other.pem "is no enrolment agent's: its extendedKeyUsage lacks $RA" other.pem other.key
	agent_cert other "$RA" keyEncipherment
	refused other.pem "has a keyUsage without digitalSignature" other.pem other.key
	refused agent.key "is a private key, not a certificate" agent.key agent.key
	refused agent.pem "holds a certificate, but no private key" agent.pem agent.pem
	refused nowhere "No such file or directory" nowhere agent.key
	refused nowhere "No such file or directory" agent.pem nowhere
	touch index.txt
	printf '%s\n' '[ca]' 'default_ca = one' '[one]' 'database = index.txt' 'new_certs_dir = .' 'rand_serial = yes' 'unique_subject = no' \
	    'default_md = sha256' 'policy = name' '[name]' 'commonName = supplied' >ca.cnf
	openssl req -new -key other.key -subj '/CN=Agent' -out other.csr
	sed -i "s/keyEncipherment/digitalSignature/" agent.ext
	for what in '20200101000000Z 20210101000000Z' '20900101000000Z 20910101000000Z'; do
		openssl ca -batch -config ca.cnf -cert "$FIX/ec.pem" -keyfile "$FIX/ec.key" -startdate ${what% *} \
		    -enddate ${what#* } -extfile agent.ext -notext -in other.csr -out other.pem 2>/dev/null
		run --separate-stderr csr-dump -F cmc --agent other.pem --agent-key other.key -o none.tgz
		echo "$status $stderr" >>said
		[ ! -e none.tgz ]
	done
	assert_equal "$(cat said)" '100 csr-dump: other.pem: expired on 2021-01-01T00:00:00Z
111 csr-dump: other.pem: is not valid before 2090-01-01T00:00:00Z'
}

@test "options that contradict each other are wrong usage" {
	local line
	ten_wait
	while read -r line; do
		run --separate-stderr csr-dump -o none.tgz $line
		assert_status 100
		[ ! -e none.tgz ]
		assert_equal "${stderr_lines[0]%%: --*}" csr-dump
		echo "${stderr_lines[0]#csr-dump: }" >>said
	done <<'EOL'
--format p7b
--template Phone
-F spki --agent agent.pem --agent-key agent.key
-F der --shape none
-F cmc --agent agent.pem
-F cmc --agent-key agent.key
-F cmc --shape agent
-F cmc --shape behalf
-F cmc --shape none --agent agent.pem --agent-key agent.key
-F cmc --shape any
-F cmc --pass-file pin
EOL
	assert_equal "$(cat said)" "--format: p7b is not one of pem, der, cmc, cmc-der, spki
--agent, --agent-key, --pass-file, --shape and --template want --format cmc or cmc-der
--agent, --agent-key, --pass-file, --shape and --template want --format cmc or cmc-der
--agent, --agent-key, --pass-file, --shape and --template want --format cmc or cmc-der
--agent and --agent-key want each other
--agent and --agent-key want each other
--shape agent wants --agent and --agent-key
--shape behalf wants --agent and --agent-key
--shape none excludes --agent
--shape: any is not one of none, agent, behalf
--pass-file wants --agent-key"
}

@test "the name of a template can say nothing else" {
	local name
	ten_wait
	for name in '' 'a&requestername=b' a=b a%26 'a\b' $'a\nb' $'a\x7f' $'\xff' "$(printf 'x%.0s' {1..65})"; do
		run --separate-stderr csr-dump -F cmc --template "$name" -o none.tgz
		assert_status 100
		assert_stderr_has "csr-dump: --template: "
		[ ! -e none.tgz ]
	done
	dump -F cmc-der --template "$(printf 'ä%.0s' {1..64})" SEP000000000001
	shown dump/SEP000000000001.cmc | grep -q "CertificateTemplate=$(printf 'ä%.0s' {1..64})&$"
}

@test "the same requests give the same bytes, but for an EC key's signatures" {
	local shape
	one_waits
	for shape in '-F spki' '-F cmc' '-F cmc --agent agent.pem --agent-key agent.key --shape behalf'; do
		csr-dump $shape -o one.tgz
		csr-dump $shape -o two.tgz
		cmp one.tgz two.tgz
	done
	openssl ecparam -name prime256v1 -genkey -noout -out ec.key
	agent_cert ec
	csr-dump -F cmc --agent ec.pem --agent-key ec.key -o one.tgz
	csr-dump -F cmc --agent ec.pem --agent-key ec.key -o two.tgz
	refute cmp one.tgz two.tgz
	# The sums are of what is there.
	dump -F cmc --agent ec.pem --agent-key ec.key
}

@test "what nobody signed does not become a CMC request or a key in the list" {
	local form
	one_waits
	csr-add "$FIX/csr/SEP000000000003.csr" >/dev/null
	openssl req -in "$SPOOL"/csr/SEP000000000001+*.ra -outform DER -out bad
	bend bad
	openssl req -inform DER -in bad -out "$SPOOL"/csr/SEP000000000001+*.ra
	# This one is the request of another device.
	cat "$FIX/csr/SEP000000000004.csr" >"$(echo "$SPOOL"/csr/SEP000000000003+*.csr)"
	for form in cmc spki; do
		run --separate-stderr csr-dump -F $form --manifest -o dump.tgz
		assert_status 1
		assert_stderr_line_count 2
		assert_stderr_has "csr-dump: SEP000000000001: is not signed with its own key, nor by the RA"
		assert_stderr_has "csr-dump: SEP000000000003: its request is for SEP000000000004"
		rm -rf dump
		mkdir dump
		tar xzf dump.tgz -C dump
		manifest_holds
		assert_equal "$(ls dump | grep -o 'SEP[0-9]*')" SEP000000000002
	done
	assert_equal "$(cut -f 1 dump/keys.tsv | xargs)" "device SEP000000000002"
	run --separate-stderr csr-dump -F cmc -o none.tgz SEP000000000001
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "no request is left to dump, and no archive was written"
	[ ! -e none.tgz ]
	# csr-sign is the one to refuse it in the other forms.
	csr-dump -o all.tgz
	assert_equal "$(tar tzf all.tgz | wc -l)" 3
}

@test "a phone that waits across a renewal of CAPF's certificate is in each form" {
	one_waits
	capf-init --renew
	dump -F cmc-der --template Phone SEP000000000001
	shown dump/SEP000000000001.cmc | grep -q '^signature 2.16.840.1.101.3.4.2.1 0500 null$'
	dump -F spki SEP000000000001
	assert_equal "$(sed -n 2p dump/keys.tsv)" "SEP000000000001	CN=SEP000000000001	$(key_of SEP000000000001)"
}

@test "an agent's key in a token, and one with a pass phrase" {
	local uri='pkcs11:token=capf;object=agent;type=private'
	one_waits
	export SOFTHSM2_CONF=$PWD/softhsm2.conf PKCS11_MODULE_PATH=/usr/lib/softhsm/libsofthsm2.so
	# The engine itself leaks when it gives no key.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	mkdir tokens
	printf '%s\n' "directories.tokendir = $PWD/tokens" 'objectstore.backend = file' 'log.level = ERROR' \
	    >"$SOFTHSM2_CONF"
	softhsm2-util --init-token --free --label capf --pin 123456 --so-pin 654321 >/dev/null
	openssl pkcs8 -topk8 -nocrypt -in agent.key -out p8.pem
	softhsm2-util --import p8.pem --token capf --label agent --id 01 --pin 123456 >/dev/null
	echo 123456 >pin
	dump -F cmc --agent agent.pem --agent-key "$uri" --pass-file pin --template Phone
	issue agent dump/*.cmc
	assert_silent
	has ../issued 2
	echo 111111 >pin
	run --separate-stderr csr-dump -F cmc --agent agent.pem --agent-key "$uri" -p pin -o none.tgz
	assert_status 100
	assert_one_line PIN
	refute_stderr_has 111111
	[ ! -e none.tgz ]
	echo secret >pass
	openssl pkcs8 -topk8 -in agent.key -passout file:pass -out locked.pem
	csr-dump -F cmc --agent agent.pem --agent-key agent.key -o plain.tgz
	csr-dump -F cmc --agent agent.pem --agent-key locked.pem -p pass -o locked.tgz
	cmp plain.tgz locked.tgz
	echo wrong >pass
	run --separate-stderr csr-dump -F cmc --agent agent.pem --agent-key locked.pem -p pass -o none.tgz
	assert_status 100
	assert_one_line "locked.pem: wrong pass phrase"
}
