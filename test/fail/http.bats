# SPDX-License-Identifier: ISC
# HTTP exchanges with CAs, good and hostile ones: how each ends, and that a request leaves once.
load ../helper
load ../online_est

setup() {
	setup_each
	est_place
	mkdir nothing
	echo 'a body' >body
	unset https_proxy http_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
}
teardown() {
	est_stop
}

ask() {
	run --separate-stderr "$OBJ/unit/online/http_ask" -s -a tls-ca.pem "$@"
}

# ended REGEX: one line like this, in bounded memory.
ended() {
	assert_status 0
	assert_line_count 1
	[[ $output =~ ^$1$ ]] || fail "wanted: $1" "$(show_run)"
	if ! sanitized; then
		[ "${stderr#memory }" -lt 65536 ] || fail "took too much memory: $stderr"
	fi
}

@test "an answer has its status, type, wait and body, and the connection is kept" {
	est_start --retry-after 120
	ask -m a/b -f body "https://localhost:$PORT/echo"
	ended 'answered 200 \[text/plain; charset=x\] 120 7 7 bytes'
	ask "https://localhost:$PORT/echo" "https://localhost:$PORT/echo" "https://localhost:$PORT/nowhere"
	assert_line_count 3
	assert_equal "${lines[1]}" 'answered 200 [text/plain; charset=x] 120 7 0 bytes'
	[[ ${lines[2]} == 'answered 404 '* ]] || fail "$output"
}

@test "Retry-After is seconds or a date, and never more than a day" {
	local said wait
	while IFS='|' read -r said wait; do
		est_start --retry-after "$said"
		ask "https://localhost:$PORT/echo"
		ended "answered 200 .* $wait 7 0 bytes"
	done <<-EOT
	0|0
	86399|86399
	86401|86400
	99999999999999999999999|86400
	-5|0
	soon|0
	Wed, 21 Oct 2015 07:28:00 GMT|0
	Wed, 21 Oct 2048 07:28:00 GMT|86400
	$(date -u -d '+100 seconds' '+%a, %d %b %Y %H:%M:%S GMT')|(9[0-9]|100)
	EOT
}

@test "no TLS, nobody there, no such host: nothing was sent" {
	est_start --plain
	ask "https://localhost:$PORT/echo"
	ended 'not-sent: .*'
	est_stop
	ask "https://localhost:$PORT/echo"
	ended 'not-sent: .*'
	ask "https://nowhere.invalid/echo"
	ended 'not-sent: .*nowhere.invalid.*'
}

@test "only https, and http where it is allowed, without a password" {
	est_start --plain
	ask "http://localhost:$PORT/echo"
	ended 'untrusted: the url has to begin with https://'
	ask "ftp://localhost/passwd"
	ended 'untrusted: the url has to begin with https://'
	ask -p "http://localhost:$PORT/echo"
	ended 'answered 200 .*'
	ask -p -u me:sesame "http://localhost:$PORT/echo"
	ended 'untrusted: .*only to an url that begins with https://'
	ask "https://me:sesame@localhost:$PORT/echo"
	ended 'untrusted: .*password-file'
	refute_output_has sesame
	ask "https:///"
	ended 'untrusted: the url is no address.*'
	assert_equal "$(asked)" 1
}

@test "the server's certificate: another CA's, expired, early, for another name; nothing was sent" {
	tls_ca other
	tls_certificate other localhost2 DNS:localhost
	tls_certificate tls expired DNS:localhost 20200101000000Z 20210101000000Z
	tls_certificate tls early DNS:localhost 20480101000000Z 20490101000000Z
	tls_certificate tls elsewhere DNS:ca.example.com
	tls_certificate tls localhost3 ''
	local name want
	while read -r name want; do
		cp "$name.pem" est/tls.pem
		cp "$name.key" est/tls.key
		est_start
		ask -m a/b -f body "https://localhost:$PORT/echo"
		ended "untrusted: the server's certificate $want"
		assert_equal "$(asked)" 0
	done <<-'EOT'
	localhost2 does not come from a CA in tls-ca.pem
	expired has expired.*
	early is not valid yet.*
	elsewhere is not for the name localhost
	localhost3 is not for the name localhost
	EOT
	run --separate-stderr "$OBJ/unit/online/http_ask" "https://localhost:$PORT/echo"
	ended "untrusted: the server's certificate does not come from a CA that this system trusts: name its CA by ca-file"
}

@test "files that are wrong are told by their name, before anything is connected" {
	echo 'no certificate' >bad.pem
	: >empty.pem
	tls_certificate tls me ''
	tls_certificate tls you ''
	est_start
	open_fails() {
		run --separate-stderr "$OBJ/unit/online/http_ask" "${@:2}" "https://localhost:$PORT/echo"
		assert_status 1
		assert_line_count 1
		[[ $output == "open: $1" ]] || fail "wanted: $1" "$(show_run)"
	}
	open_fails 'missing.pem: No such file or directory' -a missing.pem
	open_fails 'bad.pem: has no certificate in PEM' -a bad.pem
	open_fails 'empty.pem: has no certificate in PEM' -a empty.pem
	open_fails 'missing.pem: No such file or directory' -a tls-ca.pem -c missing.pem -k me.key
	open_fails 'you.key is not the key of the certificate' -a tls-ca.pem -c me.pem -k you.key
	open_fails 'bad.pem: holds no private key' -a tls-ca.pem -c me.pem -k bad.pem
	openssl pkcs8 -topk8 -in me.key -passout pass:sesame -out locked.key
	open_fails 'locked.key: wrong pass phrase' -a tls-ca.pem -c me.pem -k locked.key -P other
	assert_equal "$(asked)" 0
}

@test "a client's certificate, with a locked key, in TLS 1.2 and 1.3; who has none or a wrong one is told" {
	tls_ca client
	tls_certificate client me ''
	tls_certificate tls you ''
	openssl pkcs8 -topk8 -in me.key -passout pass:sesame -out locked.key
	for tls in '' --tls12; do
		est_start --client-ca client-ca.pem $tls
		ask -c me.pem -k locked.key -P sesame "https://localhost:$PORT/echo"
		ended 'answered 200 .*'
		ask -m a/b -f body "https://localhost:$PORT/echo"
		ended 'untrusted: .*certificate of ours: set certificate and key'
		ask -m a/b -f body -c you.pem -k you.key "https://localhost:$PORT/echo"
		ended 'untrusted: the server does not accept our certificate.*'
		assert_equal "$(asked)" 1
	done
}

@test "a user and a password by Basic and by Digest; a wrong one is 401" {
	for how in basic digest; do
		est_start --$how me:sesame
		ask -u me:sesame -m a/b -f body "https://localhost:$PORT/echo"
		ended 'answered 200 .* 7 7 bytes'
		ask -u me:wrong -m a/b -f body "https://localhost:$PORT/echo"
		ended 'answered 401 .*'
		ask -m a/b -f body "https://localhost:$PORT/echo"
		ended 'answered 401 .*'
	done
}

@test "hostile answers end within limits, and a request may have arrived" {
	local how want
	while read -r how want; do
		est_start --misbehave "$how"
		ask -t 8 -m a/b -f body "https://localhost:$PORT/echo"
		ended "$want"
		assert_equal "$(asked)" 1
	done <<-'EOT'
	hang-up no-answer: .*
	middle no-answer: .*
	trickle no-answer: the server did not answer within 8 s
	trickle-headers no-answer: the server did not answer within 8 s
	gigabyte no-answer: the server's answer has more than 1048576 bytes
	headers no-answer: the server's answer has more than 65536 bytes of header lines
	hundreds no-answer: the server's answer has more than 65536 bytes of header lines
	long-header no-answer: .*
	redirect answered 302 .*
	EOT
	est_start --misbehave slow --seconds 60
	ask -t 2 -m a/b -f body "https://localhost:$PORT/echo"
	ended 'no-answer: the server did not answer within 2 s'
}

@test "a request whose connection ends without an answer does not leave a second time" {
	est_start --misbehave second
	ask -m a/b -f body "https://localhost:$PORT/echo" "https://localhost:$PORT/echo"
	assert_line_count 2
	[[ ${lines[0]} == 'answered 200 '* ]] || fail "$output"
	assert_equal "${lines[1]}" 'no-answer: the server ended the connection without an answer'
	assert_equal "$(asked)" 2
	# A connection that was idle for longer is not used again.
	est_start --misbehave second
	ask -w 4500 -m a/b -f body "https://localhost:$PORT/echo" "https://localhost:$PORT/echo"
	assert_equal "$(grep -c '^answered 200 ' <<<"$output")" 2
	assert_equal "$(asked)" 2
}

@test "with a server that answers before it has read all, the answer counts" {
	est_start --misbehave early
	ask -m a/b -f body "https://localhost:$PORT/echo"
	ended 'answered 400 .*'
}
