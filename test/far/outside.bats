# SPDX-License-Identifier: ISC
# CAs that are not ours. A subordinate CA whose certificate comes from one of them: what ca-init --request makes is
# signed by them as their manuals say, and what they send back is taken by ca-init --complete, and issues for phones. And
# plain openssl, which signs what phones ask through capf-serve.
load ../helper
load ../serving
setup() {
	setup_each
}

# request: sub.key and sub.csr, the same for each outside CA.
request() {
	ca-init --request -n "CN=Example phones,O=Example" sub
}

# issues ROOT [OPTION...]: sub signs a phone's request, and the certificate comes into a spool and verifies up to this
# root, with these options of openssl verify.
issues() {
	trust-add -s "$SPOOL" capf sub-chain.pem
	csr-add -s "$SPOOL" "$FIX/csr/SEP000000000001.csr"
	csr-dump -s "$SPOOL" -o requests.tgz
	csr-sign -c sub.pem -k sub.key -o certs.tgz requests.tgz
	run --separate-stderr cert-import -s "$SPOOL" certs.tgz
	assert_status 0
	assert_output_has accepted
	openssl x509 -inform DER -in "$SPOOL"/lsc/SEP000000000001+*.der -out phone.pem
	openssl verify "${@:2}" -CAfile "$1" -untrusted sub.pem phone.pem
}

@test "the request asks for what a subordinate CA for phones needs" {
	request
	openssl req -in sub.csr -noout -verify -text >text
	grep -q 'Subject: CN = Example phones, O = Example' text || grep -q 'Subject: CN=Example phones, O=Example' text
	grep -A1 'Basic Constraints: critical' text | grep -q 'CA:TRUE, pathlen:0$'
	grep -A1 'Key Usage: critical' text | grep -q 'Digital Signature, Certificate Sign, CRL Sign'
	assert_equal "$(stat -c %a sub.key)" 600
	[ ! -e sub.pem ]
}

@test "openssl ca signs it" {
	ca-init -n "CN=Outside root" root
	request
	touch db
	cat >ca.cnf <<-EOT
	[ca]
	default_ca = it
	[it]
	database = db
	new_certs_dir = .
	rand_serial = yes
	default_md = sha256
	default_days = 365
	policy = any
	[any]
	commonName = supplied
	organizationName = optional
	[sub]
	basicConstraints = critical, CA:TRUE, pathlen:0
	keyUsage = critical, digitalSignature, keyCertSign, cRLSign
	subjectKeyIdentifier = hash
	authorityKeyIdentifier = keyid
	EOT
	openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -extensions sub -notext \
	    -in sub.csr -out sent.pem 2>/dev/null
	run --separate-stderr ca-init --complete sent.pem sub root.pem
	assert_silent
	issues root.pem -x509_strict
}

@test "easy-rsa signs it" {
	export EASYRSA_BATCH=1 EASYRSA_PKI=$PWD/pki EASYRSA_REQ_CN="Outside root"
	request
	/usr/share/easy-rsa/easyrsa init-pki
	/usr/share/easy-rsa/easyrsa build-ca nopass
	/usr/share/easy-rsa/easyrsa import-req sub.csr phones
	EASYRSA_EXTRA_EXTS=$'basicConstraints = critical, CA:TRUE, pathlen:0' \
	    /usr/share/easy-rsa/easyrsa sign-req ca phones
	run --separate-stderr ca-init --complete pki/issued/phones.crt sub pki/ca.crt
	assert_silent
	issues pki/ca.crt	# openssl's -x509_strict wants basicConstraints that easy-rsa's own root has not
}

@test "cfssl signs it" {
	request
	echo '{"CN": "Outside root", "key": {"algo": "rsa", "size": 2048}}' |
	    cfssl gencert -initca - 2>/dev/null | cfssljson -bare root
	cat >sign.json <<-EOT
	{"signing": {"default": {"expiry": "8760h", "usages": ["digital signature", "cert sign", "crl sign"],
	    "ca_constraint": {"is_ca": true, "max_path_len": 0, "max_path_len_zero": true}}}}
	EOT
	cfssl sign -ca root.pem -ca-key root-key.pem -config sign.json sub.csr 2>/dev/null | cfssljson -bare sent
	run --separate-stderr ca-init --complete sent.pem sub root.pem
	assert_silent
	issues root.pem -x509_strict
}

@test "certtool signs it" {
	request
	certtool --generate-privkey --outfile root.key
	printf '%s\n' 'cn = "Outside root"' ca cert_signing_key 'expiration_days = 900' >root.tmpl
	certtool --generate-self-signed --load-privkey root.key --template root.tmpl --outfile root.pem
	printf '%s\n' ca 'path_len = 0' signing_key cert_signing_key crl_signing_key 'expiration_days = 300' >sub.tmpl
	certtool --generate-certificate --load-request sub.csr --load-ca-certificate root.pem \
	    --load-ca-privkey root.key --template sub.tmpl --outfile sent.pem
	run --separate-stderr ca-init --complete sent.pem sub root.pem
	assert_silent
	issues root.pem -x509_strict
}

# An outside CA for what follows: outside FILE [option of openssl x509 ...]
outside() {
	local to=$1
	shift
	[ -f root.pem ] || ca-init -t ec:256 -n "CN=Outside root" root
	printf '%s\n' "basicConstraints = critical, CA:TRUE, pathlen:0" \
	    "keyUsage = critical, digitalSignature, keyCertSign" "subjectKeyIdentifier = hash" >sub.ext
	openssl x509 -req -in sub.csr -CA root.pem -CAkey root.key -days 30 -extfile sub.ext -out "$to" "$@" \
	    2>/dev/null
}

@test "the chain in the same file is as good, and without a chain one line says what was not checked" {
	request
	outside sent.pem
	cp sub.key other.key
	run --separate-stderr ca-init --complete sent.pem other
	assert_status 0
	assert_one_line "other.pem: its signature was not checked"
	[ ! -e other-chain.pem ]
	cat root.pem >>sent.pem
	run --separate-stderr ca-init --complete sent.pem sub
	assert_silent
	grep -c BEGIN sub-chain.pem | grep -qx 2
	issues root.pem -x509_strict
}

# refused MESSAGE FILE [ISSUER...]: nothing is written.
refused() {
	local message=$1
	shift
	run --separate-stderr ca-init --complete "$1" sub "${@:2}"
	assert_status 100
	assert_one_line "$message"
	[ ! -e sub.pem ]
	[ ! -e sub-chain.pem ]
}

@test "what is not for this key, is no CA, is from another CA, or out of date, is refused" {
	request
	outside sent.pem
	ca-init -t ec:256 -n "CN=Outside root" stranger
	refused "sent.pem: is signed by a CA that is not trusted: CN=Outside root" sent.pem stranger.pem
	ca-init -t ec:256 -n "CN=Unrelated" unrelated
	refused "sent.pem: is signed by a CA that is not trusted: CN=Outside root" sent.pem unrelated.pem
	refused "root.pem: no certificate here is for this key" root.pem
	refused "nosuch: " nosuch
	echo "-----BEGIN RUBBISH-----" >rubbish
	refused "rubbish: certificate 1 " rubbish
	: >empty
	refused "empty: is empty" empty
	printf '%s\n' "basicConstraints = critical, CA:FALSE" "keyUsage = critical, digitalSignature" >end.ext
	outside end.pem -extfile end.ext
	refused "end.pem: is not a CA certificate" end.pem root.pem
	run --separate-stderr ca-init --complete sent.pem -P $(($(date +%s) + 31 * 86400)) sub root.pem
	assert_status 100
	assert_one_line "sent.pem: expired on "
	run --separate-stderr ca-init --complete sent.pem -P 1000000000 sub root.pem
	assert_status 111
	assert_one_line "sent.pem: is not valid before "
	[ ! -e sub.pem ]
}

@test "a name of CAPF's is refused, in the request and in what comes back" {
	run --separate-stderr ca-init --request -n "CN=CAPF-12345678" sub
	assert_status 100
	assert_one_line "CN=CAPF-12345678: a name with CAPF- in it is for CAPF's own certificate"
	[ ! -e sub.key ]
	request
	outside sent.pem -subj "/CN=CAPF-12345678"
	refused "sent.pem: its CN contains CAPF-, which is for CAPF's own certificate" sent.pem root.pem
}

@test "nothing is overwritten, and an encrypted key asks for its phrase's file" {
	echo "a good phrase" >pass
	ca-init --request -n "CN=Example phones" -e pass sub
	outside sent.pem
	echo precious >sub-chain.pem
	run --separate-stderr ca-init --complete sent.pem -p pass sub root.pem
	assert_status 100
	assert_one_line "sub-chain.pem: exists already"
	assert_equal "$(cat sub-chain.pem)" precious
	rm sub-chain.pem
	echo wrong >wrong
	run --separate-stderr ca-init --complete sent.pem -p wrong sub root.pem
	assert_status 100
	assert_one_line "sub.key: "
	run --separate-stderr ca-init --complete sent.pem -p pass sub root.pem
	assert_silent
	for there in key csr; do
		rm -f new.*
		echo precious >new.$there
		run --separate-stderr ca-init --request -n CN=new new
		assert_status 100
		assert_one_line "new.$there: exists already"
		assert_equal "$(ls new.*)" new.$there
	done
}

# phones_wait: a server, and two phones whose requests have come through it; a third request has its own signature.
phones_wait() {
	install_null SEP000000000001
	install_null SEP000000000002 --key-order ec --ec 384
	start
	sim_later SEP000000000001
	sim_later SEP000000000002
	make_csr SEP000000000003
	csr-add SEP000000000003.csr
	until_true has csr 3
}

@test "plain openssl signs what phones ask through the server" {
	local how
	setup_server
	for how in x509 ca; do
		phones_wait
		run --separate-stderr csr-dump --manifest -o requests.tgz
		assert_status 0
		assert_stderr_line_count 1
		assert_stderr_has "csr-dump: 2 of 3 requests have CAPF's signature, not the phone's: sign them with csr-sign --ra"
		# Without CAPF's certificate it signs what signed itself, and says what the others want.
		run --separate-stderr "$ROOT/examples/sign-with-openssl" $how "$FIX/root.pem" "$FIX/root.key" 100 \
		    requests.tgz certs.tgz
		assert_status 1
		assert_output "signed: 1 with their own signature, 0 that CAPF vouches for"
		assert_stderr_line_count 2
		assert_stderr_has "SEP000000000001: not signed: its signature is not its own key's; if CAPF vouches for it, name"
		run --separate-stderr "$ROOT/examples/sign-with-openssl" $how "$FIX/root.pem" "$FIX/root.key" 100 \
		    requests.tgz certs.tgz "$SPOOL/ca/CAPF.cer"
		assert_status 0
		assert_equal "$stderr" ""
		assert_output "signed: 1 with their own signature, 2 that CAPF vouches for"
		run --separate-stderr cert-import certs.tgz
		assert_status 0
		assert_equal "$(grep -c '^accepted' <<<"$output")" 3
		until_true outcome SEP000000000001 installed
		until_true outcome SEP000000000002 installed
		openssl x509 -inform DER -in "$SPOOL"/installed/SEP000000000001+*.der -out phone.pem
		openssl verify -x509_strict -CAfile "$FIX/root.pem" phone.pem
		stop
		phone-del --yes all
		rm -f "$SPOOL"/*/SEP*
	done
}

@test "plain openssl signs no request that was changed on the way, and none that another CAPF vouches for" {
	setup_server
	phones_wait
	stop
	run --separate-stderr csr-dump --proof own -o own.tgz
	assert_silent
	assert_equal "$(tar tzf own.tgz)" SEP000000000003.csr
	csr-dump --proof ra -F der -o ra.tgz
	assert_equal "$(tar tzf ra.tgz | xargs)" "SEP000000000001.csr SEP000000000002.csr"
	run --separate-stderr csr-dump --proof any -o none.tgz
	assert_status 100
	assert_stderr_has "--proof: any is not one of own, ra"
	mkdir m
	csr-dump --manifest -o good.tgz
	tar xzf good.tgz -C m
	openssl req -in m/SEP000000000001.csr -outform DER -out der
	bend der
	openssl req -inform DER -in der -out m/SEP000000000001.csr
	tar czf bad.tgz -C m .
	run --separate-stderr "$ROOT/examples/sign-with-openssl" x509 "$FIX/root.pem" "$FIX/root.key" 100 bad.tgz x.tgz \
	    "$SPOOL/ca/CAPF.cer"
	assert_status 1
	assert_one_line "bad.tgz: its manifest is missing or does not hold"
	[ ! -e x.tgz ]
	# The manifest is by another one than the signatures of the requests.
	mkdir n
	tar xzf good.tgz -C n
	(cd n && rm SHA256SUMS.p7s && openssl cms -sign -binary -in SHA256SUMS -signer "$FIX/root.pem" \
	    -inkey "$FIX/root.key" -outform DER -out SHA256SUMS.p7s)
	tar czf foreign.tgz -C n .
	openssl x509 -in "$FIX/root.pem" -outform DER -out foreign.cer
	run --separate-stderr "$ROOT/examples/sign-with-openssl" x509 "$FIX/root.pem" "$FIX/root.key" 100 foreign.tgz x.tgz \
	    foreign.cer
	assert_status 1
	assert_output "signed: 1 with their own signature, 0 that CAPF vouches for"
	assert_stderr_line_count 2
	assert_stderr_has "SEP000000000001: not signed: its signature is neither its own key's nor CAPF's"
}
