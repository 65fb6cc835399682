# SPDX-License-Identifier: ISC
# A CA whose key lives in a token.
load ../helper
load ../token

CA='pkcs11:token=capf;object=ca;type=private'

setup() {
	setup_each
	token
}

# Twenty requests, as an archive.
twenty() {
	local n
	cp -r "$FIX/csr" twenty
	cd twenty
	for n in {11..20}; do
		make_csr "SEP0000000000$n" "rsa$((n - 10))"
	done
	tar czf ../requests.tgz -- *.csr
	cd ..
}

@test "a key in a token signs twenty requests with two processes" {
	import_key "$FIX/root.key" ca
	twenty
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$CA" -p pin -j 2 -o certs.tgz requests.tgz
	assert_silent
	mkdir der
	tar xzf certs.tgz -C der
	assert_equal "$(ls der | wc -l)" 20
	for f in der/*.der; do
		openssl x509 -inform DER -in "$f" -out "$f.pem"
	done
	openssl verify -x509_strict -CAfile "$FIX/root.pem" der/*.pem
	# And the site takes them.
	trust_lab 2>/dev/null
	csr-add -s "$SPOOL" requests.tgz >/dev/null
	cert-import -s "$SPOOL" certs.tgz >answers
	assert_equal "$(cut -f 1 answers | sort | uniq -c | tr -s ' ')" ' 20 accepted'
}

@test "a key in a token signs several archives, each with an answer" {
	import_key "$FIX/root.key" ca
	mkdir answers
	tar czf a.tgz -C "$FIX/csr" SEP000000000001.csr SEP000000000002.csr
	tar czf b.tgz -C "$FIX/csr" SEP000000000003.csr
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$CA" -p pin -j 2 -o answers a.tgz b.tgz
	assert_silent
	assert_equal "$(tar tzf answers/a.tgz | wc -l) $(tar tzf answers/b.tgz | wc -l)" '2 1'
}

@test "an elliptic key that the token made itself, which never was outside" {
	pkcs11-tool --module $MODULE --token-label capf --login --pin 123456 --keypairgen \
	    --key-type EC:prime256v1 --label ca --id 02 >/dev/null 2>&1
	# Its certificate, by the lab root: openssl needs the public key only.
	pkcs11-tool --module $MODULE --token-label capf --read-object --type pubkey --label ca -o pub.der 2>/dev/null
	openssl pkey -pubin -inform DER -in pub.der -out pub.pem
	openssl x509 -new -force_pubkey pub.pem -subj '/CN=Token CA/O=Example' -days 30 -out ca.pem \
	    -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -extfile <(printf '%s\n' \
	    'basicConstraints = critical, CA:TRUE, pathlen:0' 'keyUsage = critical, digitalSignature, keyCertSign' \
	    'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid')
	run --separate-stderr csr-sign -c ca.pem -k "$CA" -p pin -j 2 -o certs.tgz "$FIX/csr.tgz"
	assert_silent
	tar xzOf certs.tgz SEP000000000001.der | openssl x509 -inform DER -out one.pem
	openssl verify -x509_strict -CAfile "$FIX/root.pem" -untrusted ca.pem one.pem
	assert_equal "$(tar tzf certs.tgz | wc -l)" 10
}

@test "a wrong PIN is one clear line and gives no archive" {
	import_key "$FIX/root.key" ca
	echo 111111 >pin
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$CA" -p pin -j 2 -o certs.tgz "$FIX/csr.tgz"
	assert_status 100
	assert_stderr_line_count 1
	assert_stderr_has PIN
	refute_stderr_has 111111
	[ ! -e certs.tgz ]
}

@test "a token without the key, no such token, no PIN: one clear line each" {
	import_key "$FIX/root.key" ca
	for uri in 'pkcs11:token=capf;object=other;type=private' 'pkcs11:token=none;object=ca' pkcs11:nonsense; do
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$uri" -p pin -o certs.tgz "$FIX/csr.tgz"
		assert_status 100
		assert_stderr_line_count 1
	done
	run --separate-stderr setsid -w csr-sign -c "$FIX/root.pem" -k "$CA" -o certs.tgz <"$FIX/csr.tgz"
	assert_status 100
	assert_stderr_line_count 1
	[ ! -e certs.tgz ]
}

@test "the token's key must be the CA's" {
	import_key "$FIX/sub.key" ca
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$CA" -p pin -o certs.tgz "$FIX/csr.tgz"
	assert_status 100
	assert_stderr_line_count 1
	[ ! -e certs.tgz ]
}
