# SPDX-License-Identifier: ISC
# csr-submit with EST servers. The server is test/data/est-server.py, which shares no code with capfkit.
load ../helper
load ../serving
load ../online_est

setup() {
	setup_server
	est_place
	unset https_proxy http_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
}
teardown() {
	est_stop
	for pid in $(cat pids 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# est_submit ARGUMENT...: the requests that wait go to the server, and what comes into certificates.tgz.
est_submit() {
	if [ ! -e keep ]; then
		csr-dump -s "$SPOOL" -o requests.tgz
	fi
	run --separate-stderr csr-submit -s "$SPOOL" -o certificates.tgz -O type=est -O "url=https://localhost:$PORT" \
	    -O ca-file=tls-ca.pem "$@" requests.tgz
}

waits() {
	csr-add -s "$SPOOL" "$FIX/csr/SEP00000000000$1.csr" >/dev/null
}

imported() {
	run --separate-stderr cert-import -s "$SPOOL" certificates.tgz
	assert_status 0
	assert_equal "$(grep -c '^accepted' <<<"$output")" "$1"
}

@test "ten requests, and ten certificates that cert-import takes; each key is asked for once" {
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	est_start
	est_submit
	assert_status 0
	imported 10
	assert_equal "$(wc -l <est/issued)" 10
	assert_equal "$(cut -d' ' -f1 est/issued | sort -u | wc -l)" 10
	: >keep		# the same archive once more
	est_submit
	assert_equal "$(wc -l <est/issued)" 10
}

@test "answers in every shape of base64, in DER and in BER" {
	local n=1 shape
	for shape in 64 76 none crlf pem der ber; do
		est_start --wrap "$shape" --label phones
		waits $n
		est_submit -O label=phones
		assert_status 0
		imported 1
		n=$((n + 1))
	done
}

@test "a user and a password, a client's certificate, and both" {
	tls_ca client
	tls_certificate client me ''
	echo sesame >password
	echo wrong >other
	est_start --basic capf:sesame --client-ca client-ca.pem
	waits 1
	est_submit -O user=capf -O password-file=other -O certificate=me.pem -O key=me.key
	refute [ "$status" -eq 0 ]
	assert_stderr_has "another user or password (401)"
	refute_stderr_has wrong
	est_submit -O user=capf -O password-file=password
	refute [ "$status" -eq 0 ]
	assert_stderr_has "wants a certificate of ours"
	[ ! -e est/issued ]
	est_submit -O user=capf -O password-file=password -O certificate=me.pem -O key=me.key
	assert_status 0
	imported 1
}

@test "202 is pending: the same request is posted again, and issued once" {
	est_start --pending 2 --retry-after 1
	waits 1
	est_submit -w 60s
	assert_status 0
	imported 1
	assert_equal "$(wc -l <est/issued)" 1
	assert_equal "$(grep -c simpleenroll est/requests)" 3
	assert_equal "$(grep simpleenroll est/requests | sort -u | wc -l)" 1
}

@test "a refusal is one line with the CA's words, printable, about that request alone" {
	est_start --status 400 --say $'no <b>phones</b>\033[2J today'
	waits 1
	est_submit
	assert_status 1
	assert_stderr_has 'the CA says 400: no phones \x1b[2J today'
	assert_printable
	[ ! -e est/issued ]
}

@test "an answer that cannot be read, or that is lost, is not asked for again by itself" {
	local how n=1
	for how in garbage empty html cut no-certificates hang-up middle; do
		est_start --misbehave "$how"
		waits $n
		est_submit
		refute [ "$status" -eq 0 ]
		assert_stderr_has "SEP00000000000$n: "
		assert_printable
		est_start
		est_submit
		[ ! -e est/issued ] || fail "$how: asked again"
		n=$((n + 1))
	done
}

@test "the lost one is asked for again where lost-answer says so" {
	est_start --misbehave hang-up --times 1
	waits 1
	est_submit -O lost-answer=ask
	assert_status 0
	imported 1
	assert_equal "$(asked)" 2
}

@test "a certificate for another key is refused" {
	est_start --other-key
	waits 1
	est_submit
	assert_status 1
	assert_stderr_has "no certificate for the key of the request"
}

@test "--test says what the CA has, and issues nothing" {
	est_start
	run --separate-stderr csr-submit --test -s "$SPOOL" -O type=est -O "url=https://localhost:$PORT" -O ca-file=tls-ca.pem
	assert_status 0
	assert_output_has $'csrattrs\t1.2.840.113549.1.9.7 1.3.6.1.1.1.1.22'
	assert_output_has $'enrols-by\tsimpleenroll'
	[ ! -e est/issued ]
	run --separate-stderr csr-submit --test -s "$SPOOL" -O type=est -O "url=https://localhost:$PORT" -O label=none \
	    -O ca-file=tls-ca.pem
	refute [ "$status" -eq 0 ]
	assert_stderr_has "cacerts: there is nothing at this address (404)"
}

# agent: an enrolment agent by the EC CA.
agent() {
	openssl genrsa -out agent.key 2048 2>/dev/null
	printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' \
	    'extendedKeyUsage = 1.3.6.1.4.1.311.20.2.1' 'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' >agent.ext
	openssl req -new -key agent.key -subj '/O=Example/CN=Agent' |
	    openssl x509 -req -CA "$FIX/ec.pem" -CAkey "$FIX/ec.key" -days 30 -extfile agent.ext -out agent.pem 2>/dev/null
}

# vouched: CAPF vouches for the key of SEP000000000001, as after a visit of the phone.
vouched() {
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	until_true has csr 1
	stop
}

@test "a request that its key did not sign: refused here with the ways out, by fullcmc with an agent, or on demand" {
	agent
	vouched
	est_start --cmc "Phone,agent,$FIX/ec.pem"
	est_submit
	assert_status 1
	assert_stderr_has "CAPF signed it, not its phone"
	assert_stderr_has "send-unproved = yes"
	assert_equal "$(asked)" 0
	est_submit -a -O send-unproved=yes
	assert_status 1
	assert_stderr_has "the request's signature does not hold"
	est_submit -a -O cmc=yes -O template=Phone -O agent=agent.pem -O agent-key=agent.key
	assert_status 0
	imported 1
	grep -q 'POST /.well-known/est/fullcmc' est/requests
}

@test "what a CMC server says is shown" {
	agent
	waits 2
	est_start --cmc "Phone,agent,$FIX/ec.pem" --cmc-status '2,9,not this key'
	est_submit -O cmc=yes -O template=Phone -O agent=agent.pem -O agent-key=agent.key
	assert_status 1
	assert_stderr_has "the CA refuses it (CMC status 2, popFailed): not this key"
}
