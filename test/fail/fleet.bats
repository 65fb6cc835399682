# SPDX-License-Identifier: ISC
# Fleets of phones that wait for an offline CA while their server is killed. FLEET says how many (200, and
# 1000 in `make check-fleet`). Afterwards the records must agree with what the phones saw.
load ../helper
load ../serving

N=${FLEET:-200}

setup() {
	setup_server
	if sanitized; then
		N=${FLEET:-40}
	fi
	TRIES=2400 PORT=
	seq -f 'SEP%012.0f' 1 $N >names
	phone-add -f names
	phone-set --operation install --auth null --key-order ec --ec 256 all
}

# In place of the one in serving.bash: the server in a group of its own, at the same port each time. The port is
# none that the system gives to those who connect: a phone that calls a dead server from the server's own port
# would reach itself.
start() {
	local tries
	for ((tries = 0; tries < 20; tries++)); do
		[ -n "$PORT" ] || PORT=$((20000 + RANDOM % 12000))
		: >log
		setsid capf-serve -l 127.0.0.1:$PORT </dev/null >>out 2>log 3>&- &
		SERVER=$!
		echo $SERVER >>pids
		until_true ready_or_gone
		if grep -q event=ready log; then
			return 0
		fi
		[ ${#FLEETS[@]} -gt 0 ] || PORT=
	done
	fail "does not start: $(cat log)"
}
ready_or_gone() {
	grep -q event=ready log || gone $SERVER
}
# All of it, whatever it is doing.
kill_server() {
	kill -KILL -- -$SERVER
	wait $SERVER || true
}

# fleet NAME FIRST COUNT [ARGUMENT...]: phones in the background, which try again and again.
declare -gA FLEETS
fleet() {
	phone-sim --server 127.0.0.1:$PORT --pattern SEP%012d --first $2 --fleet $3 --report seen.$1 --retry 300 \
	    --time-scale 100 --timeout 5m "${@:4}" >sum.$1 2>&1 3>&- &
	FLEETS[$1]=$!
	echo $! >>pids
}
# all_done NAME: they come to their end, and all have their certificate.
all_done() {
	wait ${FLEETS[$1]} || fail "$1: $(cat sum.$1)" "$(tail -n 30 log)"
	[[ $(cat sum.$1) =~ failed=0\ unfinished=0 ]] || fail "$(cat sum.$1)"
}
has_some() {
	[ "$(count "$1")" -ge "$2" ]
}
# The CA's part but for the import, with what it signed in issued.log.
sign_waiting() {
	csr-dump --manifest -o requests.tgz
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" --log issued.log \
	    -o certificates.tgz requests.tgz
}
signed() {
	wc -l <issued.log
}
agrees() {
	run "$TESTDIR/oracle/agree" "$SPOOL" seen.*
	assert_status 0
	assert_output_has "$N phones, "
	assert_equal "$(phone-list --status successful | wc -l)" $N
	assert_equal "$(lsc-list --installed | cut -f 1 | sort -u | diff - names)" ""
	has csr 0
	has lsc 0
	kill $SERVER
	wait $SERVER
	run --separate-stderr spool-check
	assert_silent
}

# Phones with the manners of two clients that have none of our code. They wait for their certificates: how long a
# machine takes is not the matter here.
STRICT="--manners strict --patience 5m"

# all_wait [OPTION...]
all_wait() {
	start
	fleet a 1 $N "$@"
	until_true has csr $N
	assert_equal "$(count lsc)" 0
	sign_waiting
	cert-import certificates.tgz >imported
	assert_equal "$(grep -c '^accepted' imported)" $N
	all_done a
	assert_equal "$(signed)" $N
	assert_equal "$(stale-lsc list)" ""
	assert_equal "$(cut -f 1,2 seen.a | sort -u | wc -l)" $N	# one connection each
	agrees
}

@test "all wait, one archive is imported, all get theirs" {
	all_wait
}

@test "strict phones: all wait, one archive is imported, all get theirs" {
	all_wait $STRICT
}

# The first half is cut off while it asks, and again when it waits; then come the others, which stay in the
# middle of storing what they get, until the server is killed once more. Arguments: further options.
through_kills() {
	local half=$((N / 2))
	start
	fleet a 1 $half "$@"
	until_true has_some csr $((half / 4))
	kill_server
	start
	until_true has csr $half
	kill_server
	start
	fleet b $((half + 1)) $((N - half)) --hang store "$@"
	until_true has csr $N
	sign_waiting
	cert-import certificates.tgz >imported
	assert_equal "$(cut -f 1 imported | sort | uniq -c | xargs)" "$N accepted"
}

keys_kept() {
	local half=$((N / 2))
	through_kills --keep-key "$@"
	all_done a
	has installed $half
	has lsc $((N - half))
	kill_server
	start
	all_done b
	assert_equal "$(signed)" $N
	assert_equal "$(cut -f 3 issued.log | sort | diff - names)" ""
	assert_equal "$(stale-lsc list)" ""
	agrees
}

@test "killed while phones ask, wait, and store; phones that keep their keys: none is signed twice" {
	keys_kept
}

@test "killed the same way; strict phones that keep their keys" {
	keys_kept $STRICT
}

keys_lost() {
	local half=$((N / 2))
	through_kills "$@"
	# The first half cannot use what comes: it refuses or hangs up, and is asked for new keys.
	until_true has csr $half
	assert_equal "$(stale-lsc list | wc -l)" $half
	sign_waiting
	cert-import certificates.tgz >imported
	all_done a
	has installed $half
	has lsc $((N - half))
	kill_server
	start
	until_true has csr $((N - half))
	assert_equal "$(stale-lsc list | wc -l)" $N
	sign_waiting
	cert-import certificates.tgz >imported
	all_done b
	assert_equal "$(signed)" $((2 * N))
	agrees
}

@test "killed the same way; phones that lose their keys: new requests, and what came too late is stale" {
	keys_lost
	refute grep -q dropped seen.a
}

@test "killed the same way; strict phones that lose their keys, and hang up at what they cannot use" {
	keys_lost $STRICT
	# Twice each.
	[ "$(cut -f 1,3 seen.a | grep -c 'dropped$')" -eq $((N / 2 * 2)) ]
}

without_resume() {
	echo 'resume = no' >>"$SPOOL/capf.conf"
	start
	fleet a 1 $N "$@"
	until_true has csr $N
	sign_waiting
	mv certificates.tgz old.tgz
	kill_server
	start
	until_true has superseded $N
	until_true has csr $N
	cert-import old.tgz >imported || true
	assert_equal "$(cut -f 1 imported | sort | uniq -c | xargs)" "$N stale"
	assert_equal "$(stale-lsc list | wc -l)" $N
	sign_waiting
	cert-import certificates.tgz >imported
	all_done a
	assert_equal "$(stale-lsc list | wc -l)" $N
	agrees
}

@test "without resume a phone that comes again has a new request; the old archive is stale to the last" {
	without_resume
}

@test "without resume, strict phones" {
	without_resume $STRICT
}

@test "the comparison notices what does not agree" {
	tail -n +4 names | phone-del -f - >gone
	head -n 3 names >few
	mv few names
	N=3
	start
	fleet a 1 3
	until_true has csr 3
	sign_waiting
	cert-import certificates.tgz >imported
	all_done a
	agrees
	agree() {
		run "$TESTDIR/oracle/agree" "$SPOOL" seen.x
		assert_status 1
		assert_output_has "$1"
	}
	grep -v SEP000000000002 seen.a >seen.x
	agree "SEP000000000002: installed, but the phone has not stored it"
	agree "SEP000000000002: successful, but the phone has stored nothing"
	cp seen.a seen.x
	mv "$SPOOL"/installed/SEP000000000003* "$SPOOL/stale"
	agree "SEP000000000003: the phone has stored "
	cp "$SPOOL"/stale/* "$SPOOL/installed"
	agree "SEP000000000003: stale and installed"
	rm "$SPOOL"/stale/*
	awk -F '\t' -v OFS='\t' '{ $6 = sprintf("%d", $6 - 600) } 1' seen.a >seen.x
	agree "SEP000000000001: successful, but the phone has stored nothing since it was ordered to"
	awk -F '\t' -v OFS='\t' '{ $6 = sprintf("%d", $6 + 600) } 1' seen.a >seen.x
	phone-set --operation install --auth null SEP000000000001
	agree "SEP000000000001: pending, but the phone has stored a certificate"
}
