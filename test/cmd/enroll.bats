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
