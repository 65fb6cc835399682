# SPDX-License-Identifier: ISC
# CAs that speak SCEP: a server of ours, which can misbehave (test/servers/scep-server.c says how), and Debian's scepserver.
load ../helper

setup() {
	setup_each
	server=
	CAPF_SPOOL=$SPOOL
	export CAPF_SPOOL
	openssl genrsa -out transport.key 2048 2>/dev/null
}
teardown() {
	stop_server
}

# start_server [switch...]: scep-server with the lab's CA; ca.conf's settings reach it.
start_server() {
	rm -f port
	"$OBJ/servers/scep-server" port log "$FIX/root.pem" "$FIX/root.key" "$@" 3>&- &
	server=$!
	until_true test -s port
	trust_lab 2>/dev/null
	sed -i '/^ca\./d' "$SPOOL/capf.conf"
	setting type scep
	setting url "http://127.0.0.1:$(cat port)/scep"
	setting issuer-file "$FIX/root.pem"
	setting ra-key "$PWD/transport.key"
}
stop_server() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	server=
}

# setting FIELD VALUE: of the CA in capf.conf.
setting() {
	sed -i "/^ca\.lab\.$1 /d" "$SPOOL/capf.conf"
	echo "ca.lab.$1 = $2" >>"$SPOOL/capf.conf"
}

# ask N [option...]: requests of N phones from now on wait, and are submitted; c.tgz is what came.
ask() {
	local i
	for ((i = 1; i <= $1; i++)); do
		csr-add "$FIX/csr/SEP00000000000$i.csr" >/dev/null
	done
	csr-dump -o requests.tgz
	run --separate-stderr csr-submit -o c.tgz "${@:2}" requests.tgz
}
imported() {
	run --separate-stderr cert-import c.tgz
	assert_status 0
	assert_line_count "$1"
}
# issued N: so many certificates were issued, and none for the key of another.
issued() {
	assert_equal "$(grep -c '^issued ' log)" "$1"
	assert_equal "$(grep '^issued ' log | sort -u | wc -l)" "$1"
}

@test "ten requests become ten certificates, through pipes" {
	start_server
	csr-add "$FIX/csr.tgz" >/dev/null
	run bash -o pipefail -c 'csr-dump | csr-submit | cert-import'
	assert_status 0
	assert_equal "$(lsc-list | wc -l)" 10
	issued 10
	refute grep -q '^GET' log
}

@test "a CA that takes only GET, 3DES and SHA-512" {
	start_server caps=DES3,SHA-512 cipher=DES-EDE3-CBC digest=SHA512
	ask 2
	assert_status 0
	imported 2
	grep -q '^GET$' log
}

@test "an RA is believed when the CA has made it one, or when issuer-file has it, and not otherwise" {
	openssl req -new -key "$FIX/key/rsa9.pem" -subj /CN=RA -out ra.csr
	printf '%s\n' "keyUsage = digitalSignature, keyEncipherment" "extendedKeyUsage = 1.3.6.1.4.1.311.20.2.1" >agent.ext
	openssl x509 -req -in ra.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 30 -extfile agent.ext -out ra.pem 2>/dev/null
	openssl x509 -req -in ra.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 30 -out plain.pem 2>/dev/null
	start_server "ra=ra.pem,$FIX/key/rsa9.pem"
	ask 1
	assert_status 0
	imported 1
	stop_server
	start_server "ra=plain.pem,$FIX/key/rsa9.pem"
	run --separate-stderr csr-submit --test
	assert_status 0
	assert_equal "$(grep -c '^trusted' <<<"$output")" 1
	assert_equal "$(grep -c '^untrusted' <<<"$output")" 1
	cat "$FIX/root.pem" plain.pem >both.pem
	setting issuer-file "$PWD/both.pem"
	ask 2
	assert_status 0
}

@test "plain http is not believed without issuer-file, and nothing is asked for" {
	start_server
	setting issuer-file ""
	ask 1
	assert_status 100
	assert_stderr_has "set issuer-file"
	refute grep -q PKCSReq log
	csr-submit --get-ca >got.pem
	assert_equal "$(openssl x509 -in got.pem -noout -fingerprint)" "$(openssl x509 -in "$FIX/root.pem" -noout -fingerprint)"
	setting issuer-file "$FIX/ec.pem"
	ask 1
	assert_status 100
	assert_stderr_has "is not in issuer-file: compare its SHA-256"
	refute grep -q PKCSReq log
}

@test "a request that waits at the CA is asked for until it is there" {
	start_server pending=2
	ask 2
	assert_status 1
	assert_stderr_has "0 issued, 2 pending"
	ask 2 -P "$(($(date +%s) + 60))"
	assert_status 1
	assert_stderr_has "0 issued, 2 pending"
	ask 2 -P "$(($(date +%s) + 120))"
	assert_status 0
	imported 2
	issued 2
	assert_equal "$(grep -c ^PKCSReq log)" 2
}

@test "an answer that is lost is asked for" {
	start_server lose=1
	ask 3 -O parallel=1
	assert_status 0
	imported 3
	issued 3
	assert_equal "$(grep -c ^PKCSReq log)" 3
	assert_equal "$(grep -c ^CertPoll log)" 1
}

# killed_while_it_waits: a run with one request, which the server has and has not answered.
killed_while_it_waits() {
	start_server stall=1
	csr-add "$FIX/csr/SEP000000000001.csr" >/dev/null
	csr-dump -o requests.tgz
	csr-submit -o c.tgz requests.tgz 3>&- &
	local pid=$!
	until_true grep -q stalled log
	kill -9 $pid
	wait $pid || :
}

@test "a run that was killed while it waited: the next asks what became of it, with the same transport key" {
	killed_while_it_waits
	# Its processes end with it, and leave the connection.
	ask 1
	assert_status 0
	imported 1
	issued 1
	assert_equal "$(grep -c ^PKCSReq log)" 1
	assert_equal "$(grep -c ^CertPoll log)" 1
}

@test "a CA that knows nothing of a killed run's request is asked anew" {
	killed_while_it_waits
	stop_server
	: >log
	start_server	# and without a memory
	ask 1
	assert_status 0
	assert_equal "$(grep -c ^CertPoll log)" 1
	issued 1
}

@test "what the CA refuses is refused, in its own words, and the others are not held up" {
	start_server "fail=2,not on "$'\e'"[2Jmy list"
	ask 2
	assert_status 1
	assert_stderr_has 'SEP000000000001: refused: the CA says badRequest: not permitted, or not supported: not on \x1b[2Jmy list'
	assert_stderr_has "0 issued, 0 pending, 2 refused"
	assert_printable
	refute test -s c.tgz
}

@test "a request that is not signed with its own key gets nowhere" {
	start_server
	# The signature of one on the body of another: csr-submit itself sees that.
	openssl req -in "$FIX/csr/SEP000000000001.csr" -outform DER -out one.der
	bend one.der
	mkdir bent
	mv one.der bent/SEP000000000001.der
	tar czf requests.tgz -C bent SEP000000000001.der
	run --separate-stderr csr-submit -o c.tgz requests.tgz
	assert_status 1
	refute grep -q PKCSReq log
}

@test "answers that are not to be believed give no certificate" {
	local how
	csr-add "$FIX/csr/SEP000000000001.csr" >/dev/null
	csr-dump -o requests.tgz
	for how in nonce transaction type garbage empty redirect status=400 huge "signer=$FIX/ec.pem,$FIX/ec.key" \
	    "send=$FIX/root.pem" "send=/etc/passwd"; do
		start_server "$how"
		rm -f c.tgz
		run --separate-stderr csr-submit --again -o c.tgz requests.tgz
		[ "$status" -eq 1 ] || [ "$status" -eq 100 ] || fail "$how" "$(show_run)"
		assert_stderr_has "0 issued"
		assert_printable
		refute test -s c.tgz
		grep -q ^message log
		rm log
		stop_server
	done
}

@test "another key's certificate is no answer" {
	openssl crl2pkcs7 -nocrl -certfile <(openssl x509 -inform DER -in "$FIX/der/SEP000000000002.der") -outform DER -out list
	start_server send=list
	ask 1
	assert_status 1
	assert_stderr_has "0 issued"
	refute test -s c.tgz
}

@test "an old algorithm costs one certificate, not all, and allow-des takes it" {
	start_server cipher=DES-CBC
	ask 3 -O parallel=1
	assert_status 100
	assert_stderr_has "the CA encrypts its answer with single DES, which is taken only with allow-des"
	issued 1
	setting allow-des yes
	ask 3 --again
	assert_status 0
	imported 3
}

@test "Debian's scepserver: SHA-1 and single DES, allowed" {
	command -v scepserver >/dev/null || skip "this Debian has no package scep"
	scepserver ca -init -depot depot >/dev/null 2>&1
	trust-add capf depot/ca.pem 2>/dev/null
	setting type scep
	setting url http://127.0.0.1:2080/scep
	setting issuer-file "$PWD/depot/ca.pem"
	csr-add "$FIX/csr/SEP000000000001.csr" "$FIX/csr/SEP000000000002.csr" >/dev/null
	csr-dump -o requests.tgz
	# It listens on all interfaces: in a network of its own there is but one.
	cat >inside <<-'EOT'
	busybox ip link set lo up
	scepserver -depot depot -port 2080 -allowrenew 0 >server.log 2>&1 3>&- &
	server=$!
	for ((i = 0; i < 600; i++)); do
		if csr-submit --test >tested 2>&1; then
			break
		fi
		sleep 0.1
	done
	csr-submit -O parallel=1 -o c.tgz requests.tgz 2>without
	echo $? >>without
	csr-submit --again -O allow-des=yes -o c.tgz requests.tgz 2>with
	echo $? >>with
	kill $server
	EOT
	if [ "$(id -u)" -eq 0 ]; then
		unshare -n bash inside
	else
		unshare -rn bash inside
	fi
	grep -q $'^digest\tSHA-256$' tested
	grep -q "the CA signs its answer with SHA1, which is taken only with allow-des" without
	assert_equal "$(tail -n 1 without)" 100
	assert_equal "$(cat with)" "csr-submit: 2 issued, 0 pending, 0 refused, 0 lost"$'\n'0
	# What it makes is no certificate for a phone, so it goes no further than to the judges.
	run --separate-stderr cert-import c.tgz
	assert_status 1
	assert_line_count 2
	assert_output_has "has a keyUsage without keyEncipherment"
	tar xzf c.tgz
	openssl x509 -inform DER -in SEP000000000001.der -out one.pem
	openssl verify -CAfile depot/ca.pem one.pem
	assert_equal "$(openssl x509 -in one.pem -noout -pubkey)" "$(openssl pkey -in "$FIX/key/rsa1.pem" -pubout)"
}

# What the tests above speak with is our own: another client says whether it speaks SCEP.
@test "scepclient takes a certificate from the test's own server" {
	command -v scepclient >/dev/null || skip "this Debian has no package scep"
	start_server
	scepclient -server-url "http://127.0.0.1:$(cat port)/scep" -private-key client.key -certificate client.crt -cn one \
	    >client.log 2>&1
	openssl verify -CAfile "$FIX/root.pem" client.crt
	issued 1
}
