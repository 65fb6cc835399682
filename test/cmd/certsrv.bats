# SPDX-License-Identifier: ISC
# Microsoft's CA through its web enrolment pages. The CA is test/data/certsrv-server.py, which shares no code with ours;
# nobody here has the real one.
load ../helper
load ../serving

ASK=$OBJ/unit/online/online_ask

setup_file() {
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=lab -addext 'subjectAltName = IP:127.0.0.1' -days 30 \
	    -keyout "$BATS_FILE_TMPDIR/web.key" -out "$BATS_FILE_TMPDIR/web.crt" 2>/dev/null
	cat "$BATS_FILE_TMPDIR/web.crt" "$BATS_FILE_TMPDIR/web.key" >"$BATS_FILE_TMPDIR/web.pem"
}

setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
	cp "$BATS_FILE_TMPDIR/web.crt" .
	echo secret >password
}

teardown() {
	local pid
	for pid in $(cat pids 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	stop_ca
}

stop_ca() {
	if [ -s ca.pid ]; then
		kill "$(cat ca.pid)" 2>/dev/null || true
		rm -f ca.pid
	fi
}

# serve OPTION...: the CA, at https://127.0.0.1:$PORT; what it has seen is in ca/.
serve() {
	stop_ca
	rm -rf ca
	mkdir ca
	touch ca/issued ca/asked ca/log
	python3 "$TESTDIR/data/certsrv-server.py" "$@" ca "$FIX/root.pem" "$FIX/root.key" "$FIX/phone.ext" \
	    "$BATS_FILE_TMPDIR/web.pem" >ca/out 2>&1 3>&- &
	echo $! >ca.pid
	until_true [ -s ca/port ]
	PORT=$(cat ca/port)
}

# configure LINE...: capf.conf names that CA, and each of these fields of it.
configure() {
	sed -i '/^ca\.lab\./d' "$SPOOL/capf.conf"
	printf 'ca.lab.%s\n' 'type = certsrv' "url = https://127.0.0.1:$PORT" 'template = Phone' "ca-file = $PWD/web.crt" \
	    "$@" >>"$SPOOL/capf.conf"
}

# two_wait: two requests in requests.tgz.
two_wait() {
	trust_lab 2>/dev/null
	csr-add "$FIX/csr/SEP000000000001.csr" "$FIX/csr/SEP000000000002.csr" >/dev/null
	csr-dump -o requests.tgz
}

submit() {
	run --separate-stderr csr-submit -c lab -o certificates.tgz "$@" requests.tgz
}

# ask JOB REQUEST [TICKET] [FIELD=VALUE...]: the same without a spool.
ask() {
	local ticket=()
	if [ $# -gt 2 ] && [[ $3 != *=* ]]; then
		ticket=("$3")
		set -- "$1" "$2" "${@:4}"
	fi
	run --separate-stderr "$ASK" "${RA[@]}" -o out.der certsrv "$1" "$2" "${ticket[@]}" "url=https://127.0.0.1:$PORT" \
	    template=Phone "ca-file=$PWD/web.crt" connect-timeout=5s "${@:3}"
	assert_printable
}
RA=()
CSR=$FIX/csr/SEP000000000001.csr

# One was asked for, and issued, so many times in all.
counts() {
	assert_equal "$(wc -l <ca/asked) $(wc -l <ca/issued)" "$1 $2"
}

@test "certsrv: two requests become certificates that cert-import takes, in any language" {
	local language
	for language in en de ja; do
		rm -rf "$SPOOL" certificates.tgz
		new_spool "$SPOOL"
		serve --language $language --user 'LAB\capf' --password secret
		configure 'user = LAB\capf' "password-file = $PWD/password"
		two_wait
		submit
		assert_status 0
		assert_stderr_has "2 issued, 0 pending, 0 refused, 0 lost"
		counts 2 2
		run --separate-stderr cert-import certificates.tgz
		assert_status 0
		assert_equal "$(grep -c '^accepted' <<<"$output")" 2
	done
}

@test "certsrv: a certificate that comes as text/html is one" {
	serve --odd html-type
	ask submit "$CSR"
	assert_output "issued 25 0 "
	openssl x509 -inform DER -in out.der -noout -subject | grep -q SEP000000000001
}

@test "certsrv: a request waits, and polling gets its certificate, in any language" {
	local language
	for language in en de ja; do
		serve --language $language --pending 2
		ask submit "$CSR"
		assert_output "pending 25 0 request 25 waits for a manager of the CA"
		ask poll "$CSR" 25
		assert_output "pending 25 0 request 25 waits for a manager of the CA"
		ask poll "$CSR" 25
		assert_output "pending 25 0 request 25 waits for a manager of the CA"
		counts 1 0
		ask poll "$CSR" 25
		assert_output "issued 25 0 "
		counts 1 1
	done
}

@test "certsrv: csr-submit comes back for what waits, and asks for no key twice" {
	serve --pending 1
	configure
	two_wait
	submit
	assert_status 1
	assert_stderr_has "0 issued, 2 pending, 0 refused, 0 lost"
	counts 2 0
	submit --clock $(($(date +%s) + 86400))
	assert_status 1
	submit --clock $(($(date +%s) + 2 * 86400))
	assert_status 0
	assert_stderr_has "2 issued, 0 pending"
	counts 2 2
}

@test "certsrv: the CA denies at once, or later, and the number says why in any language" {
	local language
	for language in en de ja; do
		serve --language $language --deny at-once
		ask submit "$CSR"
		assert_output_has "refused 25 0 the CA denies request 25 (0x80094012): the user may not enrol with this template"
		serve --language $language --deny later --pending 1
		ask submit "$CSR"
		assert_output_has "pending 25 0"
		ask poll "$CSR" 25
		assert_output_has "pending 25 0"
		ask poll "$CSR" 25
		assert_output_has "refused 25 0 the CA denies request 25 (0x80094014): a manager of the CA denied it"
		counts 1 0
	done
	configure
	two_wait
	serve --templates Router
	configure
	submit
	assert_status 1
	assert_stderr_has "SEP000000000001: refused: the CA denies request 2"
	assert_stderr_has "(0x80094800): the CA does not issue this template: look at template: Denied by"
}

# ra_request: SEP000000000003 with a key that signed nothing, for which ra.key speaks.
ra_request() {
	openssl genrsa -out ra.key 2048 2>/dev/null
	openssl pkey -in "$FIX/key/ec256.pem" -pubout -out phone.pub
	python3 - "$FIX/key/ec256.pem" <<-'PY'
	import base64, subprocess, sys
	def run(*words, data=None):
	    return subprocess.run(words, input=data, check=True, capture_output=True).stdout
	def put(tag, *bodies):
	    body = b"".join(bodies)
	    n = len(body)
	    size = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
	    return bytes([tag]) + size + body
	der = run("openssl", "req", "-new", "-key", sys.argv[1], "-subj", "/CN=SEP000000000003", "-outform", "DER")
	# The CertificationRequestInfo is the first element of the request.
	at = 2 + (der[1] & 0x7f if der[1] & 0x80 else 0)
	head = 2 + (der[at + 1] & 0x7f if der[at + 1] & 0x80 else 0)
	size = der[at + 1] if head == 2 else int.from_bytes(der[at + 2:at + head], "big")
	info = der[at:at + head + size]
	open("info", "wb").write(info)
	signature = run("openssl", "dgst", "-sha256", "-sign", "ra.key", "info")
	request = put(0x30, info, bytes.fromhex("300d06092a864886f70d01010b0500"), put(3, b"\0" + signature))
	open("ra.csr", "wb").write(request)
	PY
}

# agent: agent.pem and agent.key, an enrolment agent by the EC CA.
agent() {
	openssl genrsa -out agent.key 2048 2>/dev/null
	printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' \
	    "extendedKeyUsage = ${1:-1.3.6.1.4.1.311.20.2.1}" 'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' >agent.ext
	openssl req -new -key agent.key -subj '/O=Example/CN=Agent' |
	    openssl x509 -req -CA "$FIX/ec.pem" -CAkey "$FIX/ec.key" -days 30 -extfile agent.ext -out agent.pem 2>/dev/null
}

@test "certsrv: what the phone has not signed goes as CMC with an agent, and not at all without" {
	ra_request
	agent
	RA=(-r ra.key)
	serve --shape agent --agent-ca "$FIX/ec.pem"
	ask submit ra.csr
	assert_status 1
	assert_output_has "CAPF signed it, not its phone"
	assert_output_has "agent and agent-key; CMP; a subordinate CA (ca-init --request)"
	assert_equal "$(wc -l <ca/log)" 0
	ask submit ra.csr agent=agent.pem agent-key=agent.key
	assert_output "issued 25 0 "
	openssl x509 -inform DER -in out.der -noout -pubkey | cmp - phone.pub
	counts 1 1
	# The CA wants the agent's signature.
	ask submit ra.csr shape=none
	assert_output_has "refused 26 0 the CA denies request 26 (0x80090006)"
	assert_output_has "wants an enrolment agent"
	# It is a request like others when it is sent as it is: the CA does not take its signature.
	ask submit ra.csr send-unproved=yes
	assert_output_has "refused 27 0"
	counts 3 1
	serve --shape behalf --agent-ca "$FIX/ec.pem"
	ask submit ra.csr agent=agent.pem agent-key=agent.key
	assert_output_has "refused 25"
	ask submit ra.csr agent=agent.pem agent-key=agent.key shape=behalf
	assert_output "issued 26 0 "
	agent serverAuth
	ask submit ra.csr agent=agent.pem agent-key=agent.key
	assert_status 1
	assert_output_has "open: agent.pem: is no enrolment agent's"
}

@test "certsrv: a certificate that cannot be fetched is not lost, and not asked for again" {
	serve --odd fails-fetch --times 1
	ask submit "$CSR"
	assert_output_has "pending 25 0 request 25 is issued, and not fetched yet"
	ask poll "$CSR" 25
	assert_output "issued 25 0 "
	counts 1 1
	serve --odd fails-fetch --times 2
	configure
	two_wait
	submit
	assert_stderr_has "0 issued, 2 pending"
	submit --clock $(($(date +%s) + 86400))
	assert_status 0
	counts 2 2
}

@test "certsrv: a lost answer is held for somebody to look, or asked anew where that is set" {
	local odd
	for odd in lost fails-after no-number two-links; do
		serve --odd $odd $([ $odd != no-number ] || echo --pending 1)
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		configure
		two_wait
		submit
		assert_status 1
		assert_stderr_has "0 issued, 0 pending, 0 refused, 2 lost"
		submit
		assert_status 1
		assert_equal "$(wc -l <ca/asked)" 2
	done
	serve
	ask lost "$CSR"
	assert_output_has "lost - 0 "
	ask lost "$CSR" lost-answer=ask
	assert_output_has "never - 0 "
	ask lost "$CSR" 25
	assert_output_has "pending 25 0"
	assert_equal "$(wc -l <ca/asked)" 0
}

@test "certsrv: killed while the CA thinks, csr-submit asks for no key again" {
	serve --odd thinks
	configure
	two_wait
	csr-submit -c lab -o certificates.tgz requests.tgz >out 2>&1 3>&- &
	echo $! >>pids
	until_true both_issued
	kill -KILL $!
	submit
	assert_status 1
	assert_stderr_has "0 issued, 0 pending, 0 refused, 2 lost"
	counts 2 2
}
both_issued() {
	[ "$(wc -l <ca/issued)" -eq 2 ]
}

@test "certsrv: ten phones that sign nothing, an enrolment agent, and all are installed" {
	ln -s "$FIX/key" keys
	trust_lab
	ten_call
	agent
	serve --shape agent --agent-ca "$FIX/ec.pem"
	configure "agent = $PWD/agent.pem" "agent-key = $PWD/agent.key"
	run --separate-stderr bash -o pipefail -c 'csr-dump | csr-submit --ca lab >certificates.tgz'
	assert_status 0
	run --separate-stderr cert-import certificates.tgz
	assert_status 0
	assert_equal "$(grep -c '^accepted' <<<"$output")" 10
	counts 10 10
	until_true grep -q 'done=10 failed=0' fleet.out
	has installed 10
	stop
	for f in "$SPOOL"/installed/*.der; do
		openssl x509 -inform DER -in "$f" -out phone.pem
		openssl verify -x509_strict -CAfile "$FIX/root.pem" phone.pem
	done
}

@test "certsrv: the one number in a page that nobody knows counts when the CA has our certificate for it" {
	serve --odd no-ids
	ask submit "$CSR"
	assert_output "issued 25 0 "
	serve --odd no-ids --odd other-key
	ask submit "$CSR"
	assert_output_has "lost - 0 the CA's page is not understood"
	counts 1 1
}

@test "certsrv: Basic, NTLM and a TLS client certificate" {
	serve --user me --password secret
	ask submit "$CSR" user=me password-file=password
	assert_output "issued 25 0 "
	echo other >other
	ask submit "$CSR" user=me password-file=other
	assert_output_has "broken - 0 the CA wants another user or password (401)"
	ask submit "$CSR"
	assert_output_has "broken - 0 "
	refute grep -rq secret ca/log
	serve --ntlm --user me
	ask submit "$CSR" user='LAB\me' password-file=password ntlm=yes
	assert_output "issued 25 0 "
	ask submit "$CSR" user='LAB\me' password-file=password
	assert_output_has "broken - 0 "
	counts 1 1
	serve --client-ca "$FIX/root.pem"
	openssl req -new -key "$FIX/key/rsa9.pem" -subj /CN=client |
	    openssl x509 -req -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -extfile "$FIX/phone.ext" -out client.pem 2>/dev/null
	ask submit "$CSR" certificate=client.pem key="$FIX/key/rsa9.pem"
	assert_output "issued 25 0 "
	ask submit "$CSR"
	refute_output_has issued
	counts 1 1
}

@test "certsrv: http:// is refused before anything is sent, and so is a bad template" {
	serve
	run --separate-stderr "$ASK" certsrv submit "$CSR" "url=http://127.0.0.1:$PORT" template=Phone
	assert_status 1
	assert_output_has "certsrv is asked over TLS alone"
	ask submit "$CSR" 'template=a&b'
	assert_output_has "open: template: the name has a control character"
	assert_equal "$(cat ca/log)" ""
}

@test "certsrv: --test and --get-ca show the CA, and issue nothing" {
	serve --renewals 2 --user me --password secret
	configure 'user = me' "password-file = $PWD/password"
	run --separate-stderr csr-submit --test -c lab
	assert_status 0
	assert_output_has $'type\tcertsrv\nrenewals\t2\nauthentication\tBasic\n'
	assert_equal "$(grep -c '^certificate' <<<"$output")" 1
	assert_output_has $'certificate\tLab root\t'
	run --separate-stderr csr-submit --get-ca -c lab
	assert_status 0
	openssl x509 <<<"$output" | cmp - <(openssl x509 -in "$FIX/root.pem")
	counts 0 0
	configure "url = https://127.0.0.1:$PORT/elsewhere"
	run --separate-stderr csr-submit --test -c lab
	refute [ "$status" -eq 0 ]
	assert_one_line "lab: "
}

@test "certsrv: another's certificate is refused, wherever it is found out" {
	serve --odd other-key
	configure
	two_wait
	submit
	assert_status 1
	assert_stderr_has "refused: the CA sent no certificate for the key of the request"
	local odd
	for odd in other-ca other-name; do
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		serve --odd $odd
		configure
		two_wait
		submit
		run --separate-stderr cert-import certificates.tgz
		assert_status 1
		refute_output_has accepted
	done
}

@test "certsrv: a hostile server costs time and memory within limits, and no request" {
	local odd
	while read -r odd want; do
		serve --odd "$odd"
		SECONDS=0
		ask submit "$CSR" timeout=4s
		echo "$odd: $output, $SECONDS s"
		assert_output_has "$want"
		[ "$SECONDS" -lt 60 ]
		sanitized || [ "$(sed -n 's/^memory //p' <<<"$stderr")" -lt 65536 ]
	done <<-'END'
	slow lost - 0
	trickle lost - 0
	huge lost - 0
	garbage lost - 0
	cut pending 25 0
	redirect broken - 0
	retry later - 86400
	hang-up lost - 0
	many-headers lost - 0
	unavailable later - 0 the CA behind the web server is not running (0x800706ba)
	END
}
