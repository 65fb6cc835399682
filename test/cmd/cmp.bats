# SPDX-License-Identifier: ISC
# csr-submit and a CA that speaks CMP: cmp-server, which issues over OpenSSL's server side, and `openssl cmp` on either end.
load ../helper
load ../serving
load ../token

CMP=$OBJ/servers/cmp-server

setup() {
	setup_server
	openssl genrsa -out ra.key 2048 2>/dev/null
	leaf ra /CN=RA
	printf 's3cret\n' >secret
}
# leaf NAME SUBJECT: NAME.pem for NAME.key, by the lab's root.
leaf() {
	openssl req -new -key "$1.key" -subj "$2" |
	    openssl x509 -req -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 30 -out "$1.pem" 2>/dev/null
}

# ca ARGUMENT...: a CA with the lab's root starts, and the options for csr-submit are in CA.
ca() {
	rm -f port
	"$CMP" -c "$FIX/root.pem" -k "$FIX/root.key" -l issued "$@" >port 3>&- &
	echo $! >>pids
	ca_pid=$!
	until_true [ -s port ]
	at=$(<port)
	by_ra
}
ca_gone() {
	kill "$ca_pid"
	wait "$ca_pid" || [ $? -ge 128 ]
}
by_ra() {
	CA=(-O type=cmp -O "url=http://127.0.0.1:$at/cmp" -O ra-certificate=ra.pem -O ra-key=ra.key
	    -O issuer-file="$FIX/root.pem" -O timeout=5s)
}
by_secret() {
	CA=(-O type=cmp -O "url=http://127.0.0.1:$at/cmp" -O reference=ra -O secret-file=secret -O timeout=5s)
}
# archive DEVICE...: requests.tgz with theirs.
archive() {
	tar czf requests.tgz -C "$FIX/csr" "${@/%/.csr}"
	csr-add requests.tgz >/dev/null
}
# submit ARGUMENT...: what is in requests.tgz.
submit() {
	run --separate-stderr csr-submit "${CA[@]}" -o certificates.tgz "$@" requests.tgz
}
# issued N: so many certificates were issued, each for another key.
issued() {
	assert_equal "$(grep -c ^issued issued 2>/dev/null || true)" "$1"
	assert_equal "$(grep ^issued issued 2>/dev/null | sort | uniq -d)" ""
}
confirmed() {
	assert_equal "$(grep -c ^confirmed issued || true)" "$1"
}

@test "ten requests, signed by their phones: certificates that cert-import takes, all confirmed" {
	ca -a ra.pem
	archive SEP0000000000{01,02,03,04,05,06,07,08,09,10}
	submit
	assert_status 0
	issued 10
	confirmed 10
	run --separate-stderr cert-import certificates.tgz
	assert_status 0
	assert_equal "$(grep -c ^accepted <<<"$output")" 10
}

@test "a request that CAPF vouches for goes as ir with raVerified, and only from an RA" {
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	csr-dump -o requests.tgz
	openssl genrsa -out other.key 2048 2>/dev/null
	leaf other /CN=Other
	ca -a ra.pem
	CA+=(-O ra-certificate=other.pem -O ra-key=other.key)
	submit
	assert_status 1
	assert_stderr_has "refused"
	issued 0
	by_ra
	submit --again
	assert_status 0
	issued 1
	confirmed 1
	run --separate-stderr cert-import certificates.tgz
	assert_status 0
	until_true has installed 1
}

@test "with a secret, and without confirmation when the CA wants none" {
	ca -x s3cret -o implicit
	by_secret
	archive SEP000000000001 SEP000000000002
	submit
	assert_status 0
	issued 2
	confirmed 0
}

both_pending() {
	[ "$(grep -rls pending "$SPOOL/online" | wc -l)" -eq 2 ]
}

@test "a request that waits is asked for by a later program, also when the first one was killed" {
	ca -a ra.pem -w 4 -t 1
	archive SEP000000000001 SEP000000000002
	csr-submit "${CA[@]}" -o certificates.tgz -w 60s requests.tgz 2>/dev/null 3>&- &
	pid=$!
	until_true both_pending
	kill -9 $pid
	wait $pid || true
	submit -w 60s
	assert_status 0
	assert_stderr_has "2 issued"
	issued 2
	confirmed 2
}

@test "a refusal says why, and nothing in it reaches the terminal" {
	ca -a ra.pem -r $'no \e[31mway' -f 19
	archive SEP000000000001
	submit
	assert_status 1
	assert_stderr_has 'SEP000000000001: refused: the CA refuses: badCertTemplate: no \x1b[31mway'
	assert_printable
	issued 0
}

@test "a wrong secret, a wrong issuer-file, a certificate that the CA does not know: nothing is asked for" {
	ca -a ra.pem -x s3cret
	archive SEP000000000001 SEP000000000002
	echo other >secret
	by_secret
	submit
	assert_status 100
	assert_stderr_has "secret-file"
	by_ra
	CA+=(-O issuer-file="$FIX/ec.pem")
	submit
	assert_status 100
	assert_stderr_has "issuer-file"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout alien.key -out alien.pem -subj /CN=Alien 2>/dev/null
	by_ra
	CA+=(-O ra-certificate=alien.pem -O ra-key=alien.key)
	submit
	assert_status 100
	assert_stderr_has "the CA refuses us"
	issued 0
	by_ra
	submit
	assert_status 0
	issued 2
}

@test "--test shows the CA and how we are known to it, --get-ca its certificate" {
	ca -a ra.pem
	run --separate-stderr csr-submit --test "${CA[@]}"
	assert_status 0
	assert_output_has $'authentication\tsignature'
	assert_output_has $'certificate\tLab root'
	csr-submit --get-ca "${CA[@]}" >root.pem
	diff <(openssl x509 -in root.pem) <(openssl x509 -in "$FIX/root.pem")
	issued 0
}

@test "an answer that is lost is not asked for again by itself" {
	ca -a ra.pem -m hang-up
	archive SEP000000000001
	submit
	assert_status 1
	assert_stderr_has "1 lost"
	issued 1
	submit
	assert_status 1
	issued 1
	# The greeting comes first, so a CA that says nothing at all is asked for nothing.
	ca_gone
	ca -a ra.pem -m hang-up -M
	archive SEP000000000002
	submit
	assert_status 111
	issued 1
}

@test "nothing that a CA sends hurts: garbage, gigabytes, redirects, headers without end, a trickle" {
	local fault
	for fault in garbage gigabyte redirect retry-after trickle; do
		rm -rf "$SPOOL" issued
		new_spool "$SPOOL"
		trust_lab 2>/dev/null
		ca -a ra.pem -m $fault
		archive SEP000000000001
		submit
		[ "$status" = 1 ] || [ "$status" = 100 ] || fail "$fault" "$(show_run)"
		assert_printable
		assert_stderr_has "0 issued"
		issued 1
		ca_gone
	done
}

@test "a certificate for another key, or another name, is none" {
	ca -a ra.pem -o other-key
	archive SEP000000000001
	submit
	assert_status 1
	assert_stderr_has "another key"
	confirmed 0
	ca_gone
	rm issued
	ca -a ra.pem -o other-name
	archive SEP000000000002
	submit
	run --separate-stderr cert-import certificates.tgz
	assert_status 1
	[ ! -e "$SPOOL/installed/SEP000000000002.der" ]
}

@test "openssl cmp as the client gets the same from our CA" {
	ca -a ra.pem -x s3cret -w 2 -t 1
	openssl cmp -cmd p10cr -csr "$FIX/csr/SEP000000000001.csr" -server 127.0.0.1:$at -path cmp -cert ra.pem -key ra.key \
	    -trusted "$FIX/root.pem" -recipient /CN=CA -certout one.pem 2>log
	openssl cmp -cmd ir -newkey "$FIX/key/rsa2.pem" -subject /CN=SEP000000000002 -popo 0 -server 127.0.0.1:$at -path cmp \
	    -ref ra -secret pass:s3cret -certout two.pem 2>log
	assert_equal "$(openssl x509 -in one.pem -noout -subject)" "subject=CN = SEP000000000001"
	assert_equal "$(openssl x509 -in two.pem -noout -subject)" "subject=CN = SEP000000000002"
	issued 2
	confirmed 2
}

# It listens on all interfaces, so it gets a network of its own.
@test "openssl cmp as the CA gives its one certificate to csr-submit" {
	unshare -rn true 2>/dev/null || skip "no network namespace can be made here"
	archive SEP000000000001
	openssl x509 -inform DER -in "$FIX/der/SEP000000000001.der" -out one.pem
	cat >both <<-'EOT'
		ip link set lo up
		openssl cmp -port 8888 -srv_cert "$FIX/root.pem" -srv_key "$FIX/root.key" -srv_trusted "$FIX/root.pem" \
		    -rsp_cert one.pem "$@" >mock.log 2>&1 3>&- &
		ca=$!
		for ((i = 0; i < 1200; i++)); do
			grep -q ^ACCEPT mock.log && break
			sleep 0.05
		done
		csr-submit --again -O type=cmp -O url=http://127.0.0.1:8888/pkix/ -O ra-certificate=ra.pem -O ra-key=ra.key \
		    -O issuer-file="$FIX/root.pem" -O parallel=1 -w 60s -o certificates.tgz requests.tgz
		rc=$?
		kill $ca
		exit $rc
	EOT
	export FIX
	for arguments in "" "-poll_count 2 -check_after 1" "-grant_implicitconf"; do
		run --separate-stderr unshare -rn bash both $arguments
		assert_status 0
		tar xzOf certificates.tgz SEP000000000001.der | cmp - "$FIX/der/SEP000000000001.der"
	done
}

@test "the RA's key may be in a token" {
	token
	import_key ra.key ra
	ca -a ra.pem
	CA+=(-O 'ra-key=pkcs11:token=capf;object=ra;type=private' -O pass-file=pin)
	archive SEP000000000001 SEP000000000002
	submit
	assert_status 0
	issued 2
	CA+=(-O 'ra-key=pkcs11:token=capf;object=none;type=private')
	run --separate-stderr csr-submit --test "${CA[@]}"
	assert_status 100
	assert_stderr_has "pkcs11:token=capf;object=none"
}

@test "killed at any moment, csr-submit asks for no key twice, and what is known to be asked is not forgotten" {
	local i
	ca -a ra.pem -w 1 -t 1
	archive SEP0000000000{01,02,03,04,05,06,07,08,09,10}
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		csr-submit "${CA[@]}" -O parallel=2 -o certificates.tgz requests.tgz >/dev/null 2>&1 3>&- &
		sleep "0.$(printf %02d $((i * 3)))"
		kill -9 $! 2>/dev/null || true
		wait $! || true
	done
	submit -w 60s
	assert_stderr_has " 0 pending, 0 refused"
	assert_equal "$(grep ^issued issued | sort | uniq -d)" ""
	# Each is issued, or known to be in doubt.
	[[ $stderr =~ ([0-9]+)\ issued,\ 0\ pending,\ 0\ refused,\ ([0-9]+)\ lost ]]
	assert_equal $((BASH_REMATCH[1] + BASH_REMATCH[2])) 10
}

@test "over TLS: the server has to be known, and then a refusal needs no protection" {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -subj /CN=localhost -days 30 \
	    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
	cat tls.pem tls.key >tls.both
	ca -a ra.pem -T tls.both -o unprotected -r 'not this one'
	archive SEP000000000001
	CA+=(-O "url=https://127.0.0.1:$at/cmp")
	submit
	assert_status 100
	assert_stderr_has "ca-file"
	submit -O ca-file=tls.pem
	assert_status 1
	assert_stderr_has "refused: the CA refuses: badAlg: not this one"
	issued 0
	ca_gone
	ca -a ra.pem -o unprotected -r 'not this one'
	submit --again
	assert_status 1
	assert_stderr_has "it is not protected"
	assert_stderr_has "1 lost"
	ca_gone
	ca -a ra.pem -T tls.both
	CA+=(-O "url=https://127.0.0.1:$at/cmp" -O ca-file=tls.pem)
	submit --again
	assert_status 0
	issued 1
	confirmed 1
}
