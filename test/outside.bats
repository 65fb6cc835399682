# SPDX-License-Identifier: ISC
# A subordinate CA whose certificate comes from a CA of others: what ca-init --request makes is signed by them as their
# manuals say, and what they send back is taken by ca-init --complete, and issues for phones.
load helper

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
	[ -f root.pem ] || ca-init -n "CN=Outside root" root
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
	ca-init -n "CN=Outside root" stranger
	refused "sent.pem: is signed by a CA that is not trusted: CN=Outside root" sent.pem stranger.pem
	ca-init -n "CN=Unrelated" unrelated
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
