# SPDX-License-Identifier: ISC
# capf-offline-ca(7): the commands of each way, as they stand there, for phones that wait at a server. The CA is a real
# one each time, ca.pem, and the phones get certificates that verify up to it. What the site does is in capf-offline(7).
load ../helper
load ../serving
load ../pages
load ../token
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL EASYRSA_BATCH=1 EASYRSA_REQ_CN="Outside root"
	PATH=$ROOT/examples:/usr/share/easy-rsa:$PATH
	phones 10
	cp "$SPOOL/ca/CAPF.cer" .
	the_site '5. DUMP THE REQUESTS'
}

# does HEADING [N [M]]: the commands below it; the Nth alone, or from there to the Mth.
does() {
	page "$ROOT/man/${PAGE:-capf-offline-ca}.7" | section "$1" | commands "${@:2}" >script
	[ -s script ] || fail "$1: no command ${2:-}"
	bash -o pipefail script >said 2>&1 || fail "$1:" "$(cat said)"
}

the_site() {
	PAGE=capf-offline does "$@"
}

# installed [OPTION...]: the certificates come in, each phone stores its own and ends well, and they verify, with these
# options of openssl verify.
installed() {
	local der
	the_site '7. IMPORT THE CERTIFICATES' 2
	wait $PHONES || fail "not all phones ended well" "$(cat fleet log)"
	assert_equal "$(count installed)" 10
	for der in "$SPOOL"/installed/*; do
		openssl x509 -inform DER -in "$der" -out "$der.pem"
	done
	openssl verify -CAfile ca.pem "$@" "$SPOOL"/installed/*.pem
}

lab_ca() {
	cp "$FIX/root.pem" ca.pem
	cp "$FIX/root.key" ca.key
}

@test "csr-sign on the CA's host" {
	lab_ca
	does "CSR-SIGN ON THE CA'S HOST"
	installed -x509_strict
}

@test "only openssl" {
	lab_ca
	does 'ONLY OPENSSL'
	installed -x509_strict
}

@test "openssl by hand" {
	lab_ca
	does 'OPENSSL BY HAND'
	installed -x509_strict
}

@test "openssl by hand: an archive that was changed on the way is noticed before anything is signed" {
	local change
	lab_ca
	mv requests.tgz sound.tgz
	for change in "cp m/SEP000000000001.csr m/SEP000000000002.csr" "cp m/SEP000000000001.csr m/SEP000000000011.csr" \
	    "rm m/SHA256SUMS.p7s"; do
		rm -rf m requests
		mkdir m
		tar xmzf sound.tgz -C m
		$change
		tar czf requests.tgz -C m .
		if (does 'OPENSSL BY HAND') >failed 2>&1; then
			fail "$change: not noticed"
		fi
		grep -qE '^exit [1-9] from:' failed
		[ ! -e certificates.tgz ]
		[ ! -e phone.pub ]
	done
}

@test "a true manifest of another form lets nothing in that it does not list" {
	local n
	lab_ca
	does 'PUBLIC KEYS FOR A SCRIPT OR FOR EJBCA' 1
	mkdir m k
	# As many requests as the manifest of the keys has lines.
	tar xmzf keys.tgz -C m
	for n in {11..21}; do
		cp m/SEP000000000001.pem "m/SEP0000000000$n.csr"
	done
	tar xmzf requests.tgz -C k
	printf 'device\tsubject\tsha256\nSEP000000000011\t-\t-\n' >k/keys.tsv
	openssl pkey -in "$FIX/root.key" -pubout -out k/SEP000000000011.pem
	tar czf requests.tgz -C m .
	tar czf keys.tgz -C k .
	if (does 'OPENSSL BY HAND') >failed 2>&1; then
		fail "requests: not noticed"
	fi
	cat failed
	grep -q 'cmp - ../found' failed
	if (does 'PUBLIC KEYS FOR A SCRIPT OR FOR EJBCA' 2 99) >failed 2>&1; then
		fail "keys: not noticed"
	fi
	cat failed
	grep -q 'cmp - ../found' failed
	[ ! -e certificates.tgz ]
}

# subordinate SUBSECTION [OPTION...]: the CA for the phones, its certificate signed as the subsection says.
subordinate() {
	does 'A SUBORDINATE CA' 1
	does "$1"
	does 'A SUBORDINATE CA' 2 4
	installed -untrusted phones.pem "${@:2}"
	own_certificate "$@"
}

# own_certificate SUBSECTION [OPTION...]: the same CA signs CAPF's own certificate, and ten more phones get theirs by that
# at once. The server runs all the time.
own_certificate() {
	local der
	does "CAPF'S OWN CERTIFICATE FROM AN OUTSIDE CA" 1
	rm -rf sent.pem ca.ext pki/reqs/phones.req pki/issued/phones.crt
	does "$1"
	does "CAPF'S OWN CERTIFICATE FROM AN OUTSIDE CA" 2
	echo 'issuer = capf' >>"$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	seq -f 'SEP%012.0f' 11 20 | phone-add -f -
	seq -f 'SEP%012.0f' 11 20 | phone-set --operation install --auth null -f -
	phone-sim --server "$PORT" --keys "$FIX/key" --timeout 90s --fleet 10 --first 11 --pattern 'SEP%012d' >more
	assert_equal "$(count installed)" 30	# with the ten that installed() has put beside
	openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -out capf.pem
	for der in "$SPOOL"/installed/SEP00000000001[1-9]*.der "$SPOOL"/installed/SEP000000000020*.der; do
		openssl x509 -inform DER -in "$der" | openssl verify -CAfile ca.pem -untrusted capf.pem "${@:2}"
	done
}

@test "a subordinate CA signed by openssl x509" {
	lab_ca
	subordinate 'Signed by openssl x509' -x509_strict
}

@test "a subordinate CA signed by openssl ca" {
	lab_ca
	touch index.txt
	printf '%s\n' '[ca]' 'default_ca = outside' '[outside]' 'certificate = ca.pem' 'private_key = ca.key' \
	    'database = index.txt' 'new_certs_dir = .' 'rand_serial = yes' 'default_md = sha256' 'policy = any' '[any]' \
	    'commonName = supplied' 'organizationName = optional' >ca.cnf
	subordinate 'Signed by openssl ca' -x509_strict
}

@test "a subordinate CA signed by easy-rsa" {
	easyrsa init-pki
	easyrsa build-ca nopass
	cp pki/ca.crt ca.pem
	subordinate 'Signed by easy-rsa'
}

@test "a subordinate CA signed by cfssl" {
	echo '{"CN": "Outside root", "key": {"algo": "rsa", "size": 2048}}' |
	    cfssl gencert -initca - 2>/dev/null | cfssljson -bare ca
	mv ca-key.pem ca.key
	subordinate 'Signed by cfssl' -x509_strict
}

@test "a subordinate CA signed by certtool" {
	certtool --generate-privkey --outfile ca.key
	printf '%s\n' 'cn = "Outside root"' ca cert_signing_key 'expiration_days = 900' >root.tmpl
	certtool --generate-self-signed --load-privkey ca.key --template root.tmpl --outfile ca.pem
	subordinate 'Signed by certtool' -x509_strict
}

@test "a key in a token" {
	lab_ca
	token
	import_key ca.key ca
	does 'A KEY IN A TOKEN OR AN HSM'
	installed -x509_strict
}

@test "public keys for a script" {
	lab_ca
	does 'PUBLIC KEYS FOR A SCRIPT OR FOR EJBCA'
	installed -x509_strict
}

@test "every command of the page was run" {
	local heading
	page "$ROOT/man/capf-offline-ca.7" >plain
	grep -B 100000 '^SEE ALSO' plain | awk '/^ ? ? ?[^ ]/ { sub(/^ +/, ""); heading = $0 } /^ +\$ / { print heading }' |
	    sort -u >headings
	[ "$(wc -l <headings)" -gt 8 ]
	while read -r heading; do
		grep -qF "'$heading'" "$BATS_TEST_FILENAME" || grep -qF "\"$heading\"" "$BATS_TEST_FILENAME" ||
		    fail "$heading: not run here"
	done <headings
}
