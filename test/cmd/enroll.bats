# SPDX-License-Identifier: ISC
# capf-enroll beside capf-serve, with issuer = online: phones over TLS get certificates of a CA on the network while they
# wait. What goes wrong at the CA, or here, costs no phone its certificate, and no key is asked for twice.
load ../helper
load ../serving
load ../online

setup_file() {
	online_once
}
setup() {
	setup_server
	echo 'issuer = online' >>"$SPOOL/capf.conf"
}

# fleet N: so many phones with EC keys have an operation.
fleet() {
	seq -f 'SEP%012.0f' 1 "$1" >names
	phone-add -f names
	phone-set -f names --operation install --auth null --key-order ec --ec 256
}
# phones N [ARGUMENT...]: they call.
phones() {
	phone-sim --server "$PORT" --timeout 90s --pattern SEP%012d --fleet "$1" "${@:2}" >fleet.out 2>&1 3>&- &
	FLEET=$!
	echo $FLEET >>pids
}
# all_installed N: they end well, each with a certificate of the CA, and the CA has issued one for each.
all_installed() {
	wait $FLEET || fail "not all phones ended well" "$(tail -n 5 fleet.out)" "$(tail -n 20 elog)"
	has installed "$1"
	assert_equal "$(count csr)$(count lsc)$(count superseded)$(count stale)" 0000
	issued "$1"
}
# enroll [ARGUMENT...]: capf-enroll in the background, its log in elog.
enroll() {
	: >>elog
	local before
	before=$(grep -c event=ready elog) || true
	capf-enroll "$@" </dev/null >eout 2>>elog 3>&- &
	ENROLL=$!
	echo $ENROLL >>pids
	until_true eval "[ \$(grep -c event=ready elog) -gt $before ]"
}
# enroll_ends [SIGNAL]: it does, with RC.
enroll_ends() {
	RC=0
	if [ $# -gt 0 ]; then
		kill "-$1" "$ENROLL"
	fi
	wait "$ENROLL" || RC=$?
}
# one_waits: the request of one phone, which calls no more.
one_waits() {
	csr-add "$FIX/csr/SEP000000000001.csr" >/dev/null
}
# event NAME [TEXT]: it is in the log.
event() {
	grep "event=$1" elog | grep -qF -- "${2:-}"
}
events() {
	grep -c "event=$1" elog
}
# asked FIELD: of the only request that was asked for.
asked_is() {
	grep -qx "$1 = $2" "$SPOOL"/online/*.asked
}

@test "est: a hundred phones that sign their requests themselves" {
	ca est
	printf '%s\n' 'csr-proof = phone' 'sign-layout = 31' >>"$SPOOL/capf.conf"
	fleet 100
	start
	enroll
	phones 100 --sign-layout 31
	all_installed 100
	assert_equal "$(events issued)" 100
	enroll_ends TERM
	assert_equal $RC 0
	stop
	spool-check -v
}

@test "est fullcmc: ten phones that sign nothing, by way of an enrolment agent" {
	ca est --cmc "Phone,agent,$FIX/root.pem"
	setting cmc yes
	setting template Phone
	with_agent
	fleet 10
	start
	enroll
	phones 10
	all_installed 10
}

@test "cmp: a hundred phones that sign nothing, for which an RA speaks" {
	ca cmp
	fleet 100
	start
	enroll
	phones 100
	all_installed 100
}

@test "certsrv: a hundred phones that sign nothing, by way of an enrolment agent" {
	ca certsrv --shape agent --agent-ca "$FIX/root.pem"
	with_agent
	fleet 100
	start
	enroll
	phones 100
	all_installed 100
}

@test "scep: a hundred phones that sign their requests themselves" {
	ca scep
	printf '%s\n' 'csr-proof = phone' 'sign-layout = 31' >>"$SPOOL/capf.conf"
	fleet 100
	start
	enroll
	phones 100 --sign-layout 31
	all_installed 100
}

@test "a request that waits at the CA is asked for until it is there, and its phone waits as long" {
	ca est --pending 2 --retry-after 1
	echo 'csr-proof = phone-or-ra' >>"$SPOOL/capf.conf"
	echo 'sign-layout = 31' >>"$SPOOL/capf.conf"
	fleet 4
	start
	enroll
	phones 4 --sign-layout 31
	until_true event pending
	phone-list >listed
	grep -q 'the CA lab has it, and has not decided' listed
	all_installed 4
	ca cmp -w 1 -t 1
	kill -HUP "$ENROLL"
	until_true event reloaded
	install_null SEP000000000005 --key-order ec --ec 256
	phone-sim --server $PORT --timeout 60s --device SEP000000000005 --sign-layout 31
	issued 1
}

@test "what a CA of any kind refuses is refused in its words, in phone-list too, and is not asked again" {
	local n=0 what
	start
	for what in "est --status 400 --say none-today" "certsrv --deny at-once" "cmp -r none-today -f 2" \
	    "scep fail=2,none-today"; do
		n=$((n + 1))
		echo "$what"
		ca $what
		setting send-unproved yes
		install_null SEP00000000000$n --key-order ec --ec 256
		phone-sim --server $PORT --timeout 60s --device SEP00000000000$n >phone.out 2>&1 3>&- &
		echo $! >>pids
		until_true has csr $n
		run --separate-stderr capf-enroll -1
		assert_status 0
		[ "$(grep -c "event=refused .*device=SEP00000000000$n" <<<"$stderr")" -eq 1 ] || fail "$(show_run)"
		[[ $stderr == *none-today* || $stderr == *"the user may not enrol with this template"* ]] || fail "$(show_run)"
		phone-list >listed
		grep "^SEP00000000000$n" listed | grep -q 'the CA lab refused it: '
		issued 0
		run --separate-stderr capf-enroll -1
		refute_stderr_has later
	done
	assert_equal "$(count lsc)" 0
	[ "$(grep -c POST est/requests)" -eq 1 ]
	[ "$(wc -l <ca/asked)" -eq 1 ]
	[ "$(grep -c ^PKCSReq scep.log)" -eq 1 ]
}

# unusable TEXT: one request waits, and a run for it ends with this one line, and in the log; nothing is asked for.
unusable() {
	run --separate-stderr capf-enroll -1
	assert_status 100
	assert_equal "$(grep -c 'event=ca-unusable' <<<"$stderr")" 1
	assert_equal "$(grep -vc 'event=' <<<"$stderr")" 1
	assert_equal "$(grep -v 'event=' <<<"$stderr" | grep -cF -- "capf-enroll: lab: $1")" 1
	issued 0
}

@test "a wrong password, CA file, host name, an expired server: one line each, and nothing is asked for" {
	local kind
	one_waits
	echo right >right
	echo wrong >wrong
	for kind in est certsrv; do
		if [ $kind = est ]; then
			ca est --basic capf:right
		else
			ca certsrv --user capf --password right
		fi
		setting user capf
		setting password-file "$PWD/wrong"
		unusable "the CA wants another user or password (401)"
		setting password-file "$PWD/right"
		setting ca-file "$FIX/ec.pem"
		unusable "the server's certificate does not come from a CA in $FIX/ec.pem"
		TLS=name ca $kind
		setting ca-file "$BATS_FILE_TMPDIR/tls/name.pem"
		unusable "the server's certificate is not for the name 127.0.0.1"
		TLS=old ca $kind
		setting ca-file "$BATS_FILE_TMPDIR/tls/old.pem"
		unusable "the server's certificate has expired, or one above it, or this host's clock is wrong"
	done
	# And then it is right.
	ca est
	run --separate-stderr capf-enroll -1
	assert_status 0
	has lsc 1
	issued 1
}

@test "cmp and scep: a wrong secret or a wrong certificate of the CA's, one line each" {
	one_waits
	echo wrong >wrong
	ca cmp -x right
	settings 'type = cmp' "url = http://127.0.0.1:$AT/cmp" 'reference = ra' "secret-file = $PWD/wrong"
	run --separate-stderr capf-enroll -1
	assert_equal "$(grep -c 'event=refused\|event=ca-unusable' <<<"$stderr")" 1
	issued 0
	ca scep
	setting issuer-file "$FIX/ec.pem"
	unusable "the server's certificate C=DE, O=Example, CN=Lab root is not in issuer-file"
}

@test "a wrong password is mended while phones wait: told once, and SIGHUP is enough" {
	echo wrong >password
	ca est --basic capf:right --trusting
	setting send-unproved yes
	setting user capf
	setting password-file "$PWD/password"
	fleet 3
	start
	enroll
	phones 3
	until_true event ca-unusable "the CA wants another user or password (401)"
	echo right >password
	kill -HUP "$ENROLL"
	all_installed 3
	assert_equal "$(events ca-unusable) $(events ready)" "1 1"
}

@test "new settings while requests are pending; wrong ones are refused, and what was goes on" {
	ca est --pending 1000 --retry-after 1
	one_waits
	enroll
	until_true event pending
	echo 'ca.lab.nosuch = 1' >>"$SPOOL/capf.conf"
	kill -HUP "$ENROLL"
	until_true event reload-refused "a CA has no field nosuch"
	ca est --retry-after 1	# at another port, and with a mind
	kill -HUP "$ENROLL"
	until_true has lsc 1
	issued 1
	assert_equal "$(events reloaded) $(events ready)" "1 1"
	kill -0 "$ENROLL"
}

@test "the server is away, and back: no restart, no phone hears of it" {
	ca est --trusting
	setting send-unproved yes
	local at=$AT
	ca_gone
	fleet 3
	start
	enroll
	phones 3
	until_true event ca-away
	ca est --trusting --port "$at"
	setting send-unproved yes
	all_installed 3
	until_true event ca-back
	assert_equal "$(events ca-away) $(events ca-back)" "1 1"
}

@test "SIGTERM while the CA thinks: its answer is waited for, and nothing is asked twice" {
	ca est --misbehave slow --seconds 2
	one_waits
	enroll
	until_true grep -q POST est/requests
	refute [ -s est/issued ]
	enroll_ends TERM
	assert_equal $RC 0
	has lsc 1
	issued 1
	assert_equal "$(grep -c POST est/requests)" 1
}

@test "the process that does the work is killed while the CA thinks: the other goes on, and asks for no key twice" {
	ca est --misbehave slow --seconds 3
	one_waits
	enroll
	until_true grep -q POST est/requests
	kill -KILL "$(cat /proc/$ENROLL/task/$ENROLL/children)"
	until_true event died
	until_true event lost SEP000000000001
	asked_is state lost
	ca est
	kill -HUP "$ENROLL"
	until_true event reloaded
	csr-add "$FIX/csr/SEP000000000002.csr" >/dev/null
	until_true has lsc 1
	[ -e "$SPOOL"/lsc/SEP000000000002* ]
	assert_equal "$(grep -c POST est/requests)" 2
	# Who has looked asks anew.
	enroll_ends TERM
	csr-dump | csr-submit --again 2>said | cert-import
	has lsc 2
}

# posted N [-v] WORD: so many requests came at least, with this word or without it.
posted() {
	[ "$(grep POST est/requests | grep -c "${@:2}")" -ge "$1" ]
}

@test "a key that is superseded: nobody asks for it, and what the CA is making of it is not lost" {
	local first again
	ca est --pending 1000 --retry-after 1
	# The server is ended below, perhaps while it is asked.
	setting lost-answer ask
	one_waits
	enroll
	until_true event pending
	first=$(awk '/POST/ { print $3 }' est/requests | sort -u)
	make_csr SEP000000000001 rsa2
	csr-add SEP000000000001.csr >/dev/null
	until_true posted 1 -v "$first"
	again=$(grep -c "$first" est/requests)
	until_true posted 3 -v "$first"
	# One more may have been under way.
	[ "$(grep -c "$first" est/requests)" -le $((again + 1)) ]
	rm est/requests
	ca est --misbehave slow --seconds 2
	kill -HUP "$ENROLL"
	until_true has lsc 1
	assert_equal "$(keys_issued)" "$(key_hash "$FIX/key/rsa2.pem")"
	csr-add "$FIX/csr/SEP000000000003.csr" >/dev/null
	until_true posted 2 ""
	make_csr SEP000000000003 rsa4
	csr-add SEP000000000003.csr >/dev/null
	until_true has lsc 2
	until_true has stale 1
	issued 3
}

@test "the CA's clock is ahead: the certificate is taken when it is valid" {
	cc -shared -fPIC -O1 -o clock.so "$TESTDIR/data/clock.c"
	python3 -c 'import struct, sys; open("ahead", "wb").write(struct.pack("q", 4))'
	LD_PRELOAD=$PWD/clock.so CLOCK_FILE=$PWD/ahead ca est
	one_waits
	enroll
	until_true event early
	has lsc 0
	asked_is state issued
	until_true has lsc 1
	assert_equal "$(events refused || true)" 0
	issued 1
}

@test "a certificate of a CA that is not trusted is refused, and the reason is kept, whenever it ends" {
	ca certsrv --odd other-ca
	one_waits
	run --separate-stderr capf-enroll -1
	assert_status 0
	assert_stderr_has "event=refused"
	assert_stderr_has "the certificate that came is refused: "
	has lsc 0
	asked_is state refused
	grep -q '^reason = the certificate that came is refused: ' "$SPOOL"/online/*.asked
	run --separate-stderr capf-enroll -1
	assert_status 0
	assert_equal "$(wc -l <ca/asked)" 1
	has lsc 0
}

@test "a certificate for another key or another name is not taken" {
	local how
	for how in --other-key --other-name; do
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		trust_lab 2>/dev/null
		ca est $how
		one_waits
		run --separate-stderr capf-enroll -1
		assert_status 0
		assert_stderr_has "event=refused"
		has lsc 0
		asked_is state refused
	done
}

@test "-1: all that waits, and then an end; nothing waits: an end" {
	ca est
	run --separate-stderr capf-enroll -1
	assert_status 0
	csr-add "$FIX/csr.tgz" >/dev/null
	run --separate-stderr capf-enroll -1
	assert_status 0
	has lsc 10
	issued 10
	# Away: the exit status says so, soon.
	ca_gone
	make_csr SEP000000000011 ec256
	csr-add SEP000000000011.csr >/dev/null
	run --separate-stderr capf-enroll -1
	assert_status 111
	has csr 1
}

@test "two at once: the second says so, and so does csr-submit" {
	ca est --misbehave slow
	enroll
	run --separate-stderr capf-enroll -1
	assert_status 111
	assert_one_line "another capf-enroll, or csr-submit, is at work with this spool"
	one_waits
	csr-dump -o requests.tgz
	run --separate-stderr csr-submit -o c.tgz requests.tgz
	assert_status 111
	assert_one_line "another csr-submit, or capf-enroll, is at work with this spool"
	refute [ -e c.tgz ]
	# Of what died the lock is free.
	kill -KILL "$ENROLL"
	wait "$ENROLL" || true
	run --separate-stderr capf-enroll -1
	assert_status 0
}

@test "wrong settings: one line, exit 100, and nothing is asked" {
	run --separate-stderr capf-enroll -1
	assert_status 100
	assert_one_line "there is no CA in capf.conf"
	ca est
	local wrong
	while IFS='|' read -r wrong text; do
		by_est
		setting ${wrong%% *} "${wrong#* }"
		run --separate-stderr capf-enroll -1
		echo "$wrong"
		assert_status 100
		assert_one_line "$text"
	done <<-'EOT'
	type nonsense|type cannot be "nonsense": it is one of est, scep, cmp, certsrv
	parallel 0|parallel wants a number from 1 to
	timeout never|timeout wants a time from 1s to 3600s
	nosuch 1|a CA has no field nosuch
	password-file /dev/null|password-file wants a user
	certificate x|certificate and key go together
	EOT
	by_est
	run --separate-stderr capf-enroll -1 -c nosuch
	assert_status 100
	assert_one_line "nosuch: there is no such CA in capf.conf"
	run --separate-stderr capf-enroll -1 -O nosuch
	assert_status 100
	assert_one_line '"nosuch" is not field=value'
	one_waits
	setting ca-file "$PWD/nosuch"
	unusable "$PWD/nosuch: No such file"
	setting ca-file /etc/passwd
	unusable "/etc/passwd: "
	setting ca-file "$BATS_FILE_TMPDIR/tls/good.pem"
	setting url http://127.0.0.1:1
	unusable "the url has to begin with https://"
	refute [ -e est/requests ]
}

# KILLED is how many requests there are; each tenth time that many kills.
@test "killed at random moments: no key is asked for twice, each certificate is there or told as lost" {
	local i n=${KILLED:-150} lost
	ca cmp
	setting parallel 8
	mkdir many
	for ((i = 1; i <= n; i++)); do
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
		    -subj "/CN=$(printf 'SEP%012d' $i)" -out "many/$i.csr" 2>/dev/null
	done
	csr-add many/*.csr >/dev/null
	for ((i = 0; i < n / 10; i++)); do
		capf-enroll --once </dev/null >/dev/null 2>>elog 3>&- &
		ENROLL=$!
		echo $ENROLL >>pids
		sleep 0.$(printf %03d $((RANDOM % 300 + 50)))
		kill -KILL $ENROLL 2>/dev/null || true		# it may have done its work
		wait $ENROLL || true
	done
	capf-enroll --once 2>>elog || fail "$(tail -n 3 elog)"
	# The CA counts: no key twice.
	keys_issued | sort >issued
	assert_equal "$(uniq -d issued)" ""
	lost=$(grep -lx 'state = lost' "$SPOOL"/online/*.asked | wc -l)
	assert_equal $(($(count lsc) + lost)) "$n"
	assert_equal "$(count csr)" "$lost"
	# What the CA has issued is there, or told as lost.
	ls "$SPOOL/lsc" | sed 's/.*+\(.*\)\.der/\1/' | sort >there
	grep -lx 'state = lost' "$SPOOL"/online/*.asked | sed 's/.*\/\(.*\)\.asked/\1/' | sort >lost
	assert_equal "$(sort -m there lost | comm -13 - issued)" ""
	run spool-check
	assert_status 0
	echo "$n requests, $((n / 10)) kills, $(wc -l <issued) issued, $(wc -l <there) there, $lost lost"
}

@test "what earlier runs lost is told, and holds nothing else up" {
	local f name
	ca est
	csr-add "$FIX"/csr/SEP00000000000[1-6].csr >/dev/null
	for f in "$SPOOL"/csr/*00[1-5]+*; do
		name=${f##*/}
		printf '%s\n' "device = ${name%%+*}" 'ca = lab' 'state = sent' 'ticket = est' \
		    'first = 2026-11-29T00:00:00Z' 'tries = 0' >"$SPOOL/online/$(sed 's/.*+\(.*\)\..*/\1/' <<<"$name").asked"
	done
	chmod 600 "$SPOOL"/online/*.asked
	capf-enroll --once 2>elog
	assert_equal "$(events lost)" 5
	event issued SEP000000000006
	issued 1
}
