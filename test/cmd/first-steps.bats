# SPDX-License-Identifier: ISC
# What somebody stumbles over who sets up a CA on the network for the first time: each is one line that says what to do, and
# nothing has to be undone by hand.
load ../helper
load ../serving
load ../online_cmp
load ../online_est
load ../pages

setup() {
	setup_server
}
teardown() {
	local pid
	est_stop
	for pid in $(cat pids 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# requests_of_phones N: so many requests wait that CAPF has signed.
requests_of_phones() {
	phones "$1"
	stop
}

@test "a request that CAPF signed is not sent, in a line that is whole, and goes by itself once the settings allow it" {
	requests_of_phones 2
	online_cmp lab
	csr-dump -o requests.tgz 2>said
	local type
	for type in est scep certsrv; do
		run --separate-stderr csr-submit -c other -O type=$type -O url=https://127.0.0.1:1/ requests.tgz
		assert_status 1
		assert_stderr_has 'SEP000000000001: was not sent: CAPF signed it, not its phone. Ways out: '
		assert_stderr_has 'send-unproved = yes; see csr-submit(1)'
		assert_stderr_has '0 issued, 0 pending, 2 refused, 0 lost'
	done
	run --separate-stderr capf-enroll --once -c other -O type=scep -O url=https://127.0.0.1:1/
	assert_status 0
	assert_equal "$(grep -c 'event=not-asked ' <<<"$stderr")" 2
	assert_equal "$(csr-submit --status | cut -f 1-5)" $'other\t0\t0\t2\t0'
	# Nothing had left, so nobody needs --again.
	run --separate-stderr capf-enroll --once
	assert_status 0
	assert_equal "$(lsc-list | wc -l)" 2
	assert_equal "$(csr-submit --status | cut -f 1-5)" $'lab\t0\t2\t0\t0'
	assert_equal "$(grep -c ^issued issued)" 2
}

@test "what the CA has refused stays so, until --again" {
	requests_of_phones 1
	online_cmp lab -r no -f 2
	csr-dump -o requests.tgz 2>said
	run --separate-stderr csr-submit requests.tgz
	assert_status 1
	assert_stderr_has '1 refused'
	online_cmp lab
	run --separate-stderr csr-submit requests.tgz
	assert_status 1
	assert_stderr_has '1 refused'
	refute test -s issued
	run --separate-stderr csr-submit --again -o certificates.tgz requests.tgz
	assert_status 0
}

@test "capf-enroll does not begin while no CA is trusted: the certificates would all be refused" {
	requests_of_phones 1
	online_cmp lab
	rm "$SPOOL"/trust/capf/*
	run --separate-stderr capf-enroll --once
	assert_status 100
	assert_one_line 'capf-trust has no CA'
	refute test -s issued
	csr-submit --get-ca | trust-add capf - 2>said
	run --separate-stderr capf-enroll --once
	assert_status 0
	assert_equal "$(lsc-list | wc -l)" 1
}

@test "a certificate that was refused here stays in online/, and cert-import takes it once its CA is trusted" {
	requests_of_phones 1
	online_cmp lab
	rm "$SPOOL"/trust/capf/*
	trust-add capf "$FIX/ec.pem"
	run --separate-stderr capf-enroll --once
	assert_status 0
	assert_stderr_has 'the certificate that came is refused: '
	assert_equal "$(lsc-list | wc -l)" 0
	trust-add capf "$FIX/root.pem"
	run bash -o pipefail -c 'cd "$CAPF_SPOOL/online" && tar czf - *.der | cert-import'
	assert_status 0
	assert_equal "$(lsc-list | wc -l)" 1
	assert_equal "$(grep -c ^issued issued)" 1
}

@test "a file of a password or a secret that is not there is named, with its field" {
	online_cmp lab
	run --separate-stderr csr-submit --test -O user=x -O password-file=/nowhere/a
	assert_status 100
	assert_one_line 'lab: password-file /nowhere/a: No such file'
	run --separate-stderr csr-submit --test -O pass-file=/nowhere/b
	assert_status 100
	assert_one_line 'lab: pass-file /nowhere/b: No such file'
	run --separate-stderr csr-submit --test -O ra-key= -O ra-certificate= -O reference=x -O secret-file=/nowhere/c
	assert_status 100
	assert_one_line 'lab: secret-file /nowhere/c: No such file'
}

@test "--test of a CA that is away or overloaded is trouble, of one that is not believed is a wrong setting" {
	local type
	for type in est scep certsrv cmp; do
		run --separate-stderr csr-submit --test -c new -O type=$type -O url=https://127.0.0.1:1/ -O reference=x -O secret-file="$FIX/phone.ext"
		assert_status 111
		assert_one_line 'new: Failed to connect to 127.0.0.1 port 1'
	done
	est_place
	est_start
	run --separate-stderr csr-submit --test -c new -O type=est -O url="https://localhost:$PORT"
	assert_status 100
	assert_one_line 'name its CA by ca-file'
	run --separate-stderr csr-submit --test -c new -O type=est -O url="https://localhost:$PORT" -O ca-file=tls-ca.pem -O label=nosuch
	assert_status 100
	assert_one_line '(404)'
	online_cmp busy -m unavailable -M
	run --separate-stderr csr-submit --test -c busy
	assert_status 111
	assert_one_line '503'
}

@test "csr-submit: an input that is empty is called by its name" {
	online_cmp lab
	run --separate-stderr csr-submit </dev/null
	assert_status 1
	assert_stderr_has 'csr-submit: stdin: is empty'
	: >none.tgz
	run --separate-stderr csr-submit none.tgz
	assert_status 1
	assert_stderr_has 'csr-submit: none.tgz: is empty'
}

@test "csr-submit --status -H names its columns, and without --status there are none" {
	run --separate-stderr csr-submit --status -H
	assert_status 0
	assert_output $'ca\topen\tissued\trefused\tlost\toldest\tsuccess\terror\treason'
	run --separate-stderr csr-submit -H requests.tgz
	assert_status 100
	assert_stderr_has '--header is for --status'
}
