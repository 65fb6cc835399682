# SPDX-License-Identifier: ISC
# capf-init --renew while there is work: phones that wait, phones that authenticate with what the old certificate
# issued, archives that were made before.
load ../helper
load ../serving

# renew: the spool's old certificate is kept as old.cer.
renew() {
	cp "$SPOOL/ca/CAPF.cer" old.cer
	capf-init --renew
	refute cmp -s old.cer "$SPOOL/ca/CAPF.cer"
}
reload() {
	: >log
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
}
# csr_sign ARCHIVE CERTIFICATE...: with these certificates of CAPF.
csr_sign() {
	local options=() cer
	for cer in "${@:2}"; do
		options+=(--ra "$cer")
	done
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" "${options[@]}" -o certs.tgz "$1"
}
# vouched_by CERTIFICATE: so many of the requests that wait have its signature.
vouched_by() {
	local request last n=0
	openssl x509 -inform DER -in "$1" -noout -pubkey >voucher.pem
	for request in "$SPOOL"/csr/*.ra; do
		openssl req -in "$request" -outform DER -out req.der
		last=$(openssl asn1parse -inform DER -in req.der | tail -n 1 | cut -d : -f 1)
		openssl asn1parse -inform DER -in req.der -strparse "${last// /}" -noout -out req.sig
		openssl asn1parse -inform DER -in req.der -strparse 4 -noout -out req.tbs
		if openssl dgst -sha256 -verify voucher.pem -signature req.sig req.tbs >/dev/null 2>&1; then
			n=$((n + 1))
		fi
	done
	echo $n
}

@test "renewal while phones wait: one --ra is enough, nothing is lost, and no restart" {
	local pid
	for n in 1 2 3 4; do
		install_null SEP00000000000$n
	done
	start
	sim_later SEP000000000001 --keys keys/rsa1.pem
	until_true has csr 1
	csr-dump --manifest -o before.tgz
	renew
	# It has not been told yet, and vouches with the old key.
	sim_later SEP000000000002 --keys keys/rsa2.pem
	until_true has csr 2
	assert_equal "$(vouched_by old.cer)" 2
	reload
	sim_later SEP000000000003 --keys keys/rsa3.pem
	until_true has csr 3
	assert_equal "$(vouched_by old.cer) $(vouched_by "$SPOOL/ca/CAPF.cer")" "2 1"
	run --separate-stderr spool-check -v
	assert_silent
	for n in pem der; do
		csr-dump --manifest -F $n -o dump.tgz
		csr_sign dump.tgz "$SPOOL/ca/CAPF.cer"
		assert_silent
		assert_equal "$(tar tzf certs.tgz | wc -l)" 3
	done
	csr-dump -o plain.tgz
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --no-manifest --ra "$SPOOL/ca/CAPF.cer" \
	    -o certs.tgz plain.tgz
	assert_silent
	assert_equal "$(vouched_by old.cer)" 2
	# The archive of before is good with the certificate of before, also beside the other one.
	csr_sign before.tgz "$SPOOL/ca/CAPF.cer"
	assert_status 1
	csr_sign before.tgz "$SPOOL/ca/CAPF.cer" old.cer
	assert_silent
	csr_sign dump.tgz old.cer "$SPOOL/ca/CAPF.cer"
	assert_silent
	cert-import certs.tgz >imported
	assert_equal "$(grep -c ^accepted imported)" 3
	for n in 1 2 3; do
		until_true outcome SEP00000000000$n installed
	done
	run --separate-stderr spool-check -v
	assert_silent
	kill -0 $SERVER
}

@test "renewal: what CAPF has never vouched for gets no new signature" {
	install_null SEP000000000001
	start
	sim_later SEP000000000001 --keys keys/rsa1.pem
	until_true has csr 1
	renew
	rm "$SPOOL"/ca/CAPF-*.0
	run --separate-stderr spool-check
	assert_status 1
	assert_output_has 'is not signed with its own key, nor by the RA'
	capf-init --renew
	csr-dump --manifest -o dump.tgz
	csr_sign dump.tgz "$SPOOL/ca/CAPF.cer"
	assert_status 1
	assert_stderr_has 'SEP000000000001.csr: is not signed with its own key, nor by the RA'
}

@test "issuer = capf: an LSC of the old certificate authenticates its phone after a renewal, until that expires" {
	local old
	printf 'issuer = capf\nissuer-days = 30\n' >>"$SPOOL/capf.conf"
	renew
	install_null SEP000000000001
	start
	sim SEP000000000001 --keys keys/rsa1.pem --lsc-out lsc.pem
	ended installed
	renew
	openssl x509 -inform DER -in old.cer -out old.pem
	openssl verify -CAfile old.pem lsc.pem
	# It has issuer-days.
	openssl x509 -in lsc.pem -noout -checkend $((29 * 86400))
	refute openssl x509 -in lsc.pem -noout -checkend $((31 * 86400))
	reload
	order SEP000000000001 --operation install --auth existing-lsc
	sim SEP000000000001 --mode existing-lsc --lsc lsc.pem --lsc-key keys/rsa1.pem --lsc-out new.pem
	ended installed
	openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -out capf.pem
	openssl verify -CAfile capf.pem new.pem
	# Not those of a certificate that CAPF never had.
	capf-init -t ec:256 -s other
	{ printf 'issuer = capf\n'; printf 'issuer-certificate = %s\n' "$PWD/other/ca/CAPF.cer"
	    printf 'issuer-key = %s\n' "$PWD/other/ca/capf.pem"; } >>"$SPOOL/capf.conf"
	sed -i '1,/^issuer = capf/{/^issuer = capf/d}' "$SPOOL/capf.conf"
	reload
	order SEP000000000001 --operation install --auth existing-lsc
	sim SEP000000000001 --mode existing-lsc --lsc lsc.pem --lsc-key keys/rsa1.pem
	ended refused
}

@test "trust-add takes the certificates that CAPF had, and spool-check is content with them" {
	renew
	for file in "$SPOOL"/ca/CAPF-*.0; do
		trust-add capf "$file"
	done
	assert_equal "$(trust-list capf | grep -c CAPF-)" 2
	run --separate-stderr spool-check -v
	assert_silent
	# The name alone is not enough.
	capf-init -t ec:256 -s other
	cp other/ca/CAPF-*.0 foreign.0
	run --separate-stderr trust-add capf foreign.0
	assert_status 1
	cp foreign.0 "$(ls "$SPOOL"/ca/CAPF-*.0 | head -n 1)"
	run --separate-stderr trust-add capf foreign.0
	assert_status 1
}
