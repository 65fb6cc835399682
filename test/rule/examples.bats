# SPDX-License-Identifier: ISC
# Every script in examples/, run as it is.
load ../helper
load ../online_est
load ../online_cmp

EX=$ROOT/examples

# An own TMPDIR shows what an example leaves behind; the spool trusts the lab CAs, ten requests wait.
setup() {
	setup_each
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	trust_lab 2>/dev/null
	csr-add -s "$SPOOL" "$FIX"/csr/*.csr >/dev/null
	export CAPF_SPOOL=$SPOOL DROP_QUIET=0
}

teardown() {
	local pid
	est_stop
	for pid in $(cat pids 2>/dev/null); do
		kill "$pid" 2>/dev/null || true
	done
}

nothing_left() {
	assert_equal "$(ls -A "$TMPDIR")" ''
}

# instead NAME TEXT: a program NAME that comes first in PATH and is TEXT.
instead() {
	mkdir -p fake
	printf '#!/bin/sh\n%s\n' "$2" >"fake/$1"
	chmod +x "fake/$1"
	PATH=$PWD/fake:$PATH
}

@test "every example says what, for whom and how, and can be run" {
	local f
	for f in "$EX"/*; do
		# Of a directory walkthroughs.bats runs the README.
		[[ $f != *.md ]] && [ ! -d "$f" ] || continue
		[ -x "$f" ] || fail "$f is not executable"
		grep -q '^# SPDX-License-Identifier: ISC$' "$f" || fail "$f: no licence"
		grep -q '^# For whom: ' "$f" || fail "$f: for whom?"
		grep -q "^# Usage: ${f##*/}" "$f" || fail "$f: no usage"
		grep -qF "| \`${f##*/}\` |" "$EX/README.md" || fail "$f is not in README.md"
		grep -qF "@test \"${f##*/}:" "$BATS_TEST_FILENAME" || fail "$f has no test here"
	done
}

# watched NAME: NAME is itself, and writes down its process.
watched() {
	instead "$1" "echo \$\$ >>'$PWD/pids'
	exec '$BIN/$1' \"\$@\""
}
# Phones that are watched and have ready keys, by the last digit of their names; $1 is for the seventh.
quick_phones() {
	instead phone-sim "echo \$\$ >>'$PWD/pids'
	n=\${*##*SEP0011223344}
	n=\${n%%[!0-9]*}
	[ \$n != 07 ] || set -- \"\$@\" ${1:-}
	exec '$BIN/phone-sim' \"\$@\" --keys '$FIX/key/rsa'\${n#0}.pem"
}
# Nothing that was watched is still there.
nothing_runs() {
	local pid
	for pid in $(cat pids 2>/dev/null); do
		refute kill -0 "$pid" 2>/dev/null
	done
	rm -f pids
}

@test "demo: ten devices, and nothing left behind" {
	watched capf-serve
	watched phone-sim
	run --separate-stderr "$EX/demo"
	assert_status 0
	[ -z "$stderr" ] || fail "$stderr"
	assert_equal "${lines[-1]}" '10 devices: certificate installed'
	assert_output_has $'SEP001122334401   install   successful\n'
	assert_output_has $'SEP001122334410   install   successful\n'
	refute_output_has $'\033'
	assert_equal "$(wc -l <pids)" 11
	nothing_runs
	nothing_left
}

@test "demo: ends with non-zero at the step that fails, and ends what runs" {
	local name
	watched capf-serve
	quick_phones
	for name in capf-init csr-sign; do
		instead $name "echo '$name: is broken' >&2; exit 1"
		run --separate-stderr "$EX/demo"
		assert_status 1
		assert_stderr_has "demo: this command failed with exit status 1: "
		assert_stderr_has "$name -"
		assert_output_has "$name: is broken"
		refute_output_has 'certificate installed'
		[ $name != csr-sign ] || assert_equal "$(wc -l <pids)" 11
		nothing_runs
		nothing_left
		rm fake/$name
	done
}

@test "demo: a server that does not start, a phone that is refused, a certificate that is missing" {
	quick_phones
	instead capf-serve 'echo "capf-serve: is broken" >&2; exit 1'
	run --separate-stderr "$EX/demo"
	assert_status 1
	assert_stderr_has 'demo: the server ended'
	assert_output_has 'capf-serve: is broken'
	nothing_left
	watched capf-serve
	quick_phones '--refuse store'
	run --separate-stderr "$EX/demo"
	assert_status 1
	assert_stderr_has 'demo: a phone failed: '
	assert_stderr_has $'SEP001122334407\trefused'
	nothing_runs
	quick_phones
	instead lsc-list 'true'
	run --separate-stderr "$EX/demo"
	assert_status 1
	assert_stderr_has 'demo: certificates that are installed: 0 instead of 10'
	nothing_runs
	nothing_left
}

@test "round-trip-by-hand: runs to its end, keeps a directory that was asked for" {
	run --separate-stderr "$EX/round-trip-by-hand"
	assert_status 0
	[ -z "$stderr" ] || fail "$stderr"
	nothing_left
	run --separate-stderr "$EX/round-trip-by-hand" here
	assert_status 0
	assert_equal "$(lsc-list -s here/spool | cut -f 1,2 | tr '\t\n' '  ')" \
	    'SEP00AABBCCDD02 ready SEP00AABBCCDD03 ready '
	assert_equal "$(stale-lsc -s here/spool list | cut -f 1)" SEP00AABBCCDD01
	spool-check -s here/spool
	nothing_left
}

@test "round-trip-by-hand: stops when a command fails" {
	instead ca-init 'exit 111'
	run --separate-stderr "$EX/round-trip-by-hand"
	assert_status 111
	nothing_left
}

@test "two-hosts: with two directories, and through ssh" {
	run --separate-stderr "$EX/two-hosts"
	assert_status 0
	[ -z "$stderr" ] || fail "$stderr"
	assert_equal "$(cut -f 1 <<<"$output" | xargs)" 'accepted accepted accepted'
	nothing_left

	PATH=$TESTDIR/data/bin:$PATH
	mkdir far
	cp "$FIX/root.pem" far/ca.pem
	cp "$FIX/root.key" far/ca.key
	cp "$SPOOL/ca/CAPF.cer" far
	run --separate-stderr "$EX/two-hosts" ca.example "$PWD/far"
	assert_status 0
	assert_line_count 10
	assert_equal "$(csr-count)" 0
	assert_equal "$(wc -l <far/issued.log)" 10
	run --separate-stderr "$EX/two-hosts" ca.example "$PWD/far"
	assert_silent
}

@test "two-hosts: a CA that fails changes nothing, and the exit status tells" {
	PATH=$TESTDIR/data/bin:$PATH
	mkdir far
	run --separate-stderr "$EX/two-hosts" ca.example "$PWD/far"
	assert_status 100
	assert_equal "$(csr-count)" 10
	run --separate-stderr "$EX/two-hosts" one
	assert_status 100
}

# online TYPE URL [FIELD=VALUE...]: the example does what it says with this CA, which is not trusted before.
online() {
	local sha other=$(printf '%064d' 1)
	cp "$FIX/spool/capf.conf" "$SPOOL/capf.conf"
	rm -f "$SPOOL"/trust/capf/*
	spool_state >before
	run --separate-stderr "$EX/online-ca" "$@"
	assert_status 1
	assert_one_line 'compare the SHA-256'
	sha=$(awk -F '\t' '$1 == "certificate" && $2 == "Lab root" { print $4 }' <<<"$output")
	assert_equal "$sha" "$(openssl x509 -in "$FIX/root.pem" -outform DER | sha256sum | cut -d' ' -f1)"
	run --separate-stderr "$EX/online-ca" "$1" "$2" "$other" "${@:3}"
	assert_status 1
	assert_one_line 'the CA has no certificate with that SHA-256'
	spool_state | diff before -
	run --separate-stderr "$EX/online-ca" "$1" "$2" "$sha" "${@:3}"
	assert_status 0
	assert_equal "$(grep -c ^accepted <<<"$output")" 10
	assert_equal "$(csr-count) $(lsc-list | wc -l)" '0 10'
	# Its name is known from now on.
	csr-submit --test -c office >/dev/null
	run --separate-stderr "$EX/online-ca" "$1" "$2" "$sha" "${@:3}"
	assert_status 0
	assert_equal "$(grep -c "^ca\.office\.url" "$SPOOL/capf.conf")" 1
	nothing_left
}

@test "online-ca: EST" {
	est_place
	est_start --basic capf:secret
	echo secret >password
	online est "https://localhost:$PORT" ca-file="$PWD/tls-ca.pem" user=capf password-file="$PWD/password"
	assert_equal "$(wc -l <est/issued)" 10
}

@test "online-ca: CMP" {
	online_cmp lab
	online cmp "http://127.0.0.1:$(<cmp.port)/cmp" issuer-file="$FIX/root.pem" ra-certificate="$PWD/ra.pem" ra-key="$PWD/ra.key"
	assert_equal "$(grep -c ^issued issued)" 10
}

@test "online-ca: SCEP over plain http: the certificate that was compared becomes issuer-file" {
	"$OBJ/servers/scep-server" scep.port scep.log "$FIX/root.pem" "$FIX/root.key" 3>&- &
	echo $! >>pids
	until_true test -s scep.port
	openssl genrsa -out transport.key 2048 2>/dev/null
	online scep "http://127.0.0.1:$(<scep.port)/scep" issuer-file="$PWD/pinned.pem" ra-key="$PWD/transport.key"
	assert_equal "$(openssl x509 -in pinned.pem -outform DER | sha256sum)" "$(openssl x509 -in "$FIX/root.pem" -outform DER | sha256sum)"
	assert_equal "$(grep -c '^issued ' scep.log)" 10
}

@test "online-ca: Microsoft's web pages" {
	tls_ca tls
	tls_certificate tls localhost IP:127.0.0.1
	cat localhost.pem localhost.key >web.pem
	echo secret >password
	mkdir ca
	touch ca/issued ca/asked ca/log
	python3 "$TESTDIR/data/certsrv-server.py" --user 'LAB\capf' --password secret ca "$FIX/root.pem" "$FIX/root.key" \
	    "$FIX/phone.ext" web.pem >ca/out 2>&1 3>&- &
	echo $! >>pids
	until_true test -s ca/port
	online certsrv "https://127.0.0.1:$(<ca/port)" template=Phone ca-file="$PWD/tls-ca.pem" user='LAB\capf' \
	    password-file="$PWD/password"
	assert_equal "$(wc -l <ca/issued)" 10
}

@test "online-ca: wrong usage, a CA that is away" {
	run --separate-stderr "$EX/online-ca" est
	assert_status 100
	run --separate-stderr "$EX/online-ca" est https://127.0.0.1:1 nonsense
	assert_status 100
	run --separate-stderr "$EX/online-ca" est https://127.0.0.1:1 foo=bar
	assert_status 100
	run --separate-stderr "$EX/online-ca" est https://127.0.0.1:1
	assert_status 111
	nothing_left
}

# The devices in the archives of out/, each archive a line.
dumped() {
	local f
	for f in out/*.tgz; do
		tar tzf "$f" | sed 's/\.csr$//; s/^SEP0*//' | xargs
	done
}

@test "nightly-dump: what is new, once; quiet when nothing is" {
	run --separate-stderr "$EX/nightly-dump" out
	assert_status 0
	[ -z "$stderr" ] || fail "$stderr"
	assert_output "$(echo out/*.tgz)"
	# What csr-sign takes with --ra, and nobody has to have asked for.
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$CAPF_SPOOL/ca/CAPF.cer" -o signed.tgz out/*.tgz
	assert_equal "$(tar tzf signed.tgz | wc -l)" 10
	run --separate-stderr "$EX/nightly-dump" out
	assert_silent
	make_csr SEP000000000011
	make_csr SEP000000000003 rsa9
	csr-add SEP000000000011.csr SEP000000000003.csr >/dev/null
	run --separate-stderr "$EX/nightly-dump" out --format der
	assert_status 0
	assert_line_count 1
	assert_equal "$(dumped)" $'SHA256SUMS SHA256SUMS.p7s 1 2 3 4 5 6 7 8 9 10\nSHA256SUMS SHA256SUMS.p7s 3 11'
	# What is answered is forgotten; what waits is not sent again.
	csr-delete SEP000000000001 >/dev/null
	run --separate-stderr "$EX/nightly-dump" out
	assert_silent
}

@test "nightly-dump: killed before or after the archive, the next run sends everything once" {
	instead csr-dump 'kill -9 $PPID'
	run "$EX/nightly-dump" out
	assert_status 137
	rm -r fake
	"$EX/nightly-dump" out
	assert_equal "$(dumped)" 'SHA256SUMS SHA256SUMS.p7s 1 2 3 4 5 6 7 8 9 10'

	make_csr SEP000000000011
	csr-add SEP000000000011.csr >/dev/null
	instead csr-dump "\"$BIN/csr-dump\" \"\$@\" && kill -9 \$PPID"
	run "$EX/nightly-dump" out
	assert_status 137
	rm -r fake
	run --separate-stderr "$EX/nightly-dump" out
	assert_silent
	assert_equal "$(dumped)" $'SHA256SUMS SHA256SUMS.p7s 1 2 3 4 5 6 7 8 9 10\nSHA256SUMS SHA256SUMS.p7s 11'
}

@test "nightly-dump: trouble is told, nothing is taken for sent" {
	run --separate-stderr "$EX/nightly-dump"
	assert_status 100
	run --separate-stderr "$EX/nightly-dump" out --format nonsense
	assert_status 100
	CAPF_SPOOL=$PWD/none run --separate-stderr "$EX/nightly-dump" out
	assert_status 111
	instead csr-dump 'echo "csr-dump: no space" >&2; exit 111'
	run --separate-stderr "$EX/nightly-dump" out
	assert_status 111
	rm -r fake
	"$EX/nightly-dump" out
	assert_equal "$(dumped)" 'SHA256SUMS SHA256SUMS.p7s 1 2 3 4 5 6 7 8 9 10'
}

drop() {
	run --separate-stderr "$EX/import-drop" drop
}

@test "import-drop: archives go to accepted or refused, with the report beside them" {
	drop
	assert_silent
	cp "$FIX/der.tgz" drop/incoming
	head -c 2000 "$FIX/der.tgz" >'drop/incoming/a half.tgz'
	echo junk >$'drop/incoming/-n\n$(date).tgz'
	drop
	assert_status 1
	[ -z "$stderr" ] || fail "$stderr"
	assert_line_count 3
	assert_output_has $'accepted\tder.tgz\t10'
	assert_output_has $'refused\ta\\ half.tgz\t0'
	assert_equal "$(ls drop/accepted | xargs)" 'der.tgz der.tgz.report'
	assert_equal "$(find drop/refused -type f -print0 | tr -dc '\0' | wc -c)" 4
	assert_equal "$(grep -c '^accepted' drop/accepted/der.tgz.report)" 10
	grep -q 'nothing was imported' 'drop/refused/a half.tgz.report'
	assert_equal "$(ls -A drop/incoming)" ''
	assert_equal "$(csr-count)" 0
	drop
	assert_silent
}

@test "import-drop: one bad entry refuses the archive's name, not its good entries" {
	mkdir der
	cp "$FIX/der/SEP000000000001.der" der
	echo junk >der/SEP000000000002.der
	tar czf x.tgz -C der SEP000000000001.der SEP000000000002.der
	drop
	cp x.tgz drop/incoming
	drop
	assert_status 1
	assert_output $'refused\tx.tgz\t1'
	assert_equal "$(cut -f 1,2 drop/refused/x.tgz.report | tr '\t' ' ')" \
	    $'accepted SEP000000000001.der\nrefused SEP000000000002.der'
}

@test "import-drop: the same archive again, and again after a kill, changes nothing" {
	drop
	cp "$FIX/der.tgz" drop/incoming
	instead cert-import "\"$BIN/cert-import\" \"\$@\"; kill -9 \$PPID"
	drop
	assert_status 137
	rm -r fake
	assert_equal "$(csr-count)" 0
	ls drop/incoming/der.tgz
	drop
	assert_status 0
	assert_output $'accepted\tder.tgz\t0'
	assert_equal "$(cut -f 1 drop/accepted/der.tgz.report | sort -u)" already
	cp "$FIX/der.tgz" drop/incoming
	drop
	assert_status 0
	assert_equal "$(ls drop/accepted | xargs)" \
	    'der.tgz der.tgz.2 der.tgz.2.report der.tgz.report'
	assert_equal "$(lsc-list --ready | wc -l)" 10
}

@test "import-drop: leaves alone what is being written, and what is no plain file" {
	drop
	cp "$FIX/der.tgz" drop/incoming/.der.tgz
	for end in part filepart tmp; do
		cp "$FIX/der.tgz" drop/incoming/der.tgz.$end
	done
	ln -s "$FIX/der.tgz" drop/incoming/link.tgz
	mkdir drop/incoming/dir.tgz
	drop
	assert_silent
	# Old by its own account, but it came just now.
	cp "$FIX/der.tgz" drop/incoming
	touch -d 2020-01-01 drop/incoming/der.tgz
	DROP_QUIET=30 drop
	assert_silent
	assert_equal "$(csr-count)" 10
	mv drop/incoming/der.tgz.part drop/incoming/part.tgz
	drop
	assert_status 0
	assert_line_count 2
}

@test "import-drop: trouble leaves the file for another time; two runs do not meet" {
	drop
	cp "$FIX/der.tgz" drop/incoming
	instead cert-import 'echo "cert-import: no space" >&2; exit 111'
	drop
	assert_status 111
	assert_equal "$stderr" 'cert-import: no space'
	assert_equal "$(ls drop/incoming)" der.tgz
	rm -r fake
	CAPF_SPOOL=$PWD/none drop
	assert_status 100
	assert_equal "$(ls drop/incoming)" der.tgz
	(
		flock 9
		drop
		assert_silent
	) 9>drop/.lock
	assert_equal "$(csr-count)" 10
	drop
	assert_status 0
	assert_equal "$(csr-count)" 0
}

# A CA's directory, with requests of ten RSA phones and an EC phone.
at_ca() {
	mkdir 'the ca'
	cp "$FIX/root.pem" 'the ca/ca.pem'
	cp "$FIX/root.key" 'the ca/ca.key'
	# Three requests and one with an EC key wait: the example starts some processes for each.
	rm "$SPOOL"/csr/SEP00000000000[4-9]* "$SPOOL"/csr/SEP000000000010*
	make_csr SEP00000000EC56 ec256
	csr-add SEP00000000EC56.csr >/dev/null
}

sign() {
	run --separate-stderr "$EX/sign-with-openssl" "$1" 'the ca/ca.pem' 'the ca/ca.key' 100 "${@:2}"
}

# signed N: so many were, all with their own signature.
signed() {
	assert_status 0
	assert_equal "$stderr" ""
	assert_output "signed: $1 with their own signature, 0 that CAPF vouches for"
}

@test "sign-with-openssl: cert-import takes what x509 and ca make" {
	at_ca
	csr-dump --manifest -o pem.tgz
	csr-dump -F der -o der.tgz
	sign x509 pem.tgz a.tgz
	signed 4
	run --separate-stderr cert-import --dry-run a.tgz
	assert_status 0
	assert_equal "$(cut -f 1,6 <<<"$output" | sort | uniq -c | tr -s ' ')" $' 4 accepted\t'
	sign ca der.tgz b.tgz
	signed 4
	assert_equal "$(grep -c ^V 'the ca/openssl-ca/index.txt')" 4
	sign ca der.tgz b.tgz
	signed 4
	run --separate-stderr cert-import b.tgz
	assert_status 0
	assert_equal "$(lsc-list --ready | wc -l)" 4
	nothing_left
}

@test "sign-with-openssl: a request that does not hold is refused, the others are signed" {
	local how
	at_ca
	mkdir csr
	csr-dump -o csr.tgz
	tar xzf csr.tgz -C csr
	echo junk >csr/SEP00000000000A.csr
	openssl req -in csr/SEP000000000002.csr -outform DER -out der
	bend der
	openssl req -inform DER -in der -out csr/SEP000000000002.csr
	tar czf csr.tgz -C csr .
	for how in x509 ca; do
		sign $how csr.tgz $how.tgz
		assert_status 1
		assert_stderr_line_count 2
		assert_stderr_has 'SEP000000000002: not signed'
		assert_stderr_has 'SEP00000000000A: not signed'
		assert_equal "$(tar tzf $how.tgz | wc -l)" 3
	done
}

@test "sign-with-openssl: with CAPF.cer, only what is as it was dumped" {
	at_ca
	csr-dump --manifest -o good.tgz
	csr-dump -o none.tgz
	mkdir m
	tar xzf good.tgz -C m
	make_csr SEP0000000000FF rsa1
	cp SEP0000000000FF.csr m
	tar czf added.tgz -C m .
	cp m/SEP0000000000FF.csr m/SEP000000000002.csr
	rm m/SEP0000000000FF.csr
	tar czf changed.tgz -C m .
	rm m/SEP000000000002.csr
	tar czf removed.tgz -C m .
	cp -a "$SPOOL" other
	capf-init -s other --renew
	csr-dump -s other --manifest -o foreign.tgz
	sign x509 good.tgz out.tgz "$SPOOL/ca/CAPF.cer"
	signed 4
	rm out.tgz
	for f in none added changed removed foreign; do
		sign x509 $f.tgz out.tgz "$SPOOL/ca/CAPF.cer"
		assert_status 1
		assert_stderr_line_count 1
		[ ! -e out.tgz ]
	done
	nothing_left
}

@test "README: its first session runs as it stands there" {
	sed -n '/^```sh$/,/^```$/p' "$ROOT/README.md" | grep -v '^```' >session
	mkdir home here
	cd here
	HOME=$BATS_TEST_TMPDIR/home run --separate-stderr bash -eu -o pipefail ../session
	assert_status 0
	assert_output_has $'SEP001122334455\tready\t'
	assert_output_has $'accepted\tSEP001122334455.der\t'
	refute grep -v '^[.+*-]*$' <<<"$stderr"
}
