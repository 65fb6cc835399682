# SPDX-License-Identifier: ISC
# capf-serve on a host whose clock is years away from the truth, or jumps, through real TLS.
load ../helper
load ../serving

# mic DEVICE: DEVICE.mic.pem for its key, from now on for a year.
mic() {
	openssl req -new -key "keys/rsa${1: -1}.pem" -subj "/CN=CP-8851-$1" -out mic.csr
	openssl x509 -req -in mic.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 \
	    -extfile "$FIX/phone.ext" -out "$1.mic.pem" 2>/dev/null
}
with_mic() {
	sim "$1" --mode existing-mic --mic "$1.mic.pem" --mic-key "keys/rsa${1: -1}.pem"
}
# jump SECONDS: from now on the server's time of day is so far from the true one.
jump() {
	[ -e ahead ] || : >ahead
	python3 -c 'import struct, sys
open("ahead", "r+b").write(struct.pack("q", int(sys.argv[1])))' "$1"
}
# start_jumping [ARGUMENT...]: a server that does.
start_jumping() {
	local preload=$PWD/clock.so
	cc -shared -fPIC -O1 -o clock.so "$TESTDIR/data/clock.c"
	# A sanitizer wants to be the first.
	if sanitized; then
		preload=$(cc -print-file-name=libasan.so):$preload
	fi
	jump 0
	: >log
	LD_PRELOAD=$preload CLOCK_FILE=$PWD/ahead capf-serve -l 127.0.0.1:0 "$@" </dev/null 2>log 3>&- &
	started
}
YEAR=31557600

@test "years behind: it says so, serves what is in order, and judges by its clock" {
	local year
	install_null SEP000000000001 --complete-by 2090-01-01
	order SEP000000000002 --operation install --auth existing-mic
	mic SEP000000000002
	start -P "$(date -d 2019-01-01 +%s)" -w 2
	assert_equal "$(grep -c 'event=error what="CAPF.s certificate is not valid now"' log)" 1
	grep -q 'why="the clock says 2019-01-01T00:.*, and it begins at 20[2-9]' log
	sim_later SEP000000000001
	until_true has csr 1
	# Its request is not older than the order; nor would it be taken for an old one.
	year=$(date +%Y)
	[[ $(ls "$SPOOL/csr") == SEP000000000001+$year* ]]
	sign_all
	until_true outcome SEP000000000001 installed
	assert_equal "$(state SEP000000000001)" successful
	grep -q '^2019-01-01T00:[0-9:]*Z	capf-serve	installed	SEP000000000001' "$SPOOL/journal"
	with_mic SEP000000000002
	ended refused
	grep -q 'failure=bad-auth.*that is not valid before' log
	run --separate-stderr spool-check
	assert_silent
	stop
}

@test "before the CA's days it does not begin, and begins when the clock has been set" {
	by_itself
	install_null SEP000000000001
	run --separate-stderr capf-serve -l 127.0.0.1:0 -P "$(date -d 2019-01-01 +%s)"
	assert_status 111
	assert_stderr_has "the issuer's certificate: is not valid before 20"
	assert_stderr_has ", and the clock says 2019-01-01T00:"
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -P "$(date -d 2019-01-01 +%s)" \
	    -o out.tgz "$FIX/csr.tgz"
	assert_status 111
	[ ! -e out.tgz ]
	start
	sim SEP000000000001
	ended installed
}

@test "years ahead: it says so, deadlines and certificates are over, and nothing outlives the CA" {
	local at
	at=$(($(date +%s) + 9 * YEAR))
	by_itself
	install_null SEP000000000001 --complete-by none
	install_null SEP000000000002
	order SEP000000000003 --operation install --auth existing-mic --complete-by none
	mic SEP000000000003
	start -P $at
	grep -q 'event=error what="CAPF.s certificate is not valid now" why="the clock says .*, and it ended at 20' log
	sim SEP000000000001 --lsc-out lsc.pem
	ended installed
	assert_equal "$(openssl x509 -in lsc.pem -noout -enddate)" \
	    "$(openssl x509 -in "$FIX/root.pem" -noout -enddate)"
	sim SEP000000000002
	ended refused
	with_mic SEP000000000003
	ended refused
	grep -q 'event=failed.*device=SEP000000000003.*expired' log
	# With the right clock the deadline is not over, and nobody wrote that it is.
	stop
	assert_equal "$(state SEP000000000002)" pending
	start
	refute grep -q "not valid now" log
	sim SEP000000000002
	ended installed
	stop
	# Only a new certificate helps: nobody needs to try again.
	run --separate-stderr capf-serve -l 127.0.0.1:0 -P "$((at + 3 * YEAR))"
	assert_status 100
	assert_stderr_has "the issuer's certificate: expired on 20"
}

# silent: seconds until a connection that says nothing is closed.
silent() {
	python3 - "${PORT##*:}" <<-'PY'
	import socket, sys, time
	begin = time.monotonic()
	s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
	s.settimeout(120)
	s.recv(1)
	print(time.monotonic() - begin)
	PY
}
# in_time SECONDS: not before the handshake's two. It was closed at all, so no deadline was moved by years.
in_time() {
	awk -v t="$1" 'BEGIN { exit t > 1.5 ? 0 : 1 }' || fail "closed after $1 s"
}

@test "the clock jumps: connections stay and end as if it had not, only days are judged by it" {
	printf 'handshake-timeout = 2s\n' >>"$SPOOL/capf.conf"
	install_null SEP000000000001 --complete-by none
	install_null SEP000000000002 --complete-by +7d
	start_jumping
	refute grep -q "not valid now" log
	sim_later SEP000000000001
	sim_later SEP000000000002
	until_true has csr 2
	jump $((-20 * YEAR))
	in_time "$(silent)"
	until_true grep -q 'not valid now.*begins at' log
	jump $((20 * YEAR))
	in_time "$(silent)"
	# Who waits is looked after every ten seconds.
	until_true outcome SEP000000000002 refused
	grep -q 'device=SEP000000000002.*the time to complete it is over' log
	refute grep -q 'event=closed.*device=SEP000000000001' log
	sign_all
	until_true outcome SEP000000000001 installed
	# Neither came a second time.
	assert_equal "$(grep -c event=connected log)" 2
	stop
	assert_equal $RC 0
}

@test "the clock was a year ahead and is set right: a new order is not done by what the old one left" {
	local first
	by_itself
	install_null SEP000000000001 --complete-by none
	start_jumping
	jump $YEAR
	sim SEP000000000001
	ended installed
	jump 0
	first=$(ls "$SPOOL/installed")
	phone-set --operation install --auth null --complete-by none SEP000000000001
	assert_equal "$(state SEP000000000001)" pending
	sim SEP000000000001
	ended installed
	assert_equal "$(state SEP000000000001)" successful
	# The newer one, also by its name, and the older one went.
	has installed 1
	[ "$first" \< "$(ls "$SPOOL/installed")" ]
	[ -e "$SPOOL/done/$first" ]
	first=$(ls "$SPOOL/installed")
	# The same for a phone that is added anew, with what it had before it was deleted.
	phone-del SEP000000000001
	printf 'device,operation,auth\nSEP000000000001,install,null\n' | phone-add -c -
	sim SEP000000000001
	ended installed
	has installed 1
	[ "$first" \< "$(ls "$SPOOL/installed")" ]
}

@test "the clock jumps out of the CA's days and back: nothing is issued, and no order is lost" {
	local issuing
	by_itself
	install_null SEP000000000001 --complete-by none
	start_jumping
	issuing=$(children capf-issuing)
	jump $((-10 * YEAR))
	sim SEP000000000001
	ended refused
	jump $((20 * YEAR))
	sim SEP000000000001
	ended refused
	assert_equal "$(grep -c 'device=SEP000000000001.*the CA is not valid now' log)" 2
	has lsc 0
	has installed 0
	assert_equal "$(state SEP000000000001)" pending
	jump 0
	sim SEP000000000001
	ended installed
	assert_equal "$(children capf-issuing)" "$issuing"
}

# pass SECONDS...: one after the other, and for each the server has something to do, and so has the process $TURNING.
pass() {
	local n pid was
	switches() {
		sed -n 's/^voluntary_ctxt_switches:\t//p' /proc/$pid/status 2>/dev/null || :
	}
	for n; do
		pid=$TURNING was=$(switches)
		jump $n
		kill -HUP $SERVER
		until_true eval '[ "$(switches)" != "$was" ]'
	done
}
@test "a worker that stands still for a minute is killed, and the reload that waits for it ends" {
	export CLOCK_ALL=1
	start_jumping -w 2
	local pids=($(children capf-worker))
	TURNING=${pids[1]}
	kill -STOP ${pids[0]}
	pass 15 30 45
	kill -0 ${pids[0]}
	refute grep -q event=reloaded log
	pass 60 75
	until_true grep -q 'event=error what="a worker stands still and is killed".* why="no turn for a minute"' log
	assert_equal "$(grep -c 'what="a worker stands still' log)" 1
	until_true grep -q event=reloaded log
	kill -0 ${pids[1]}
	until_true eval '[ "$(children capf-worker | wc -w)" -eq 2 ]'
	# All of them stood still, as when the machine sleeps.
	pids=($(children capf-worker))
	kill -STOP $SERVER ${pids[@]}
	jump 1000
	kill -CONT $SERVER
	until_true settled $SERVER
	kill -CONT ${pids[@]}
	TURNING=${pids[0]}
	pass 1010 1020
	assert_equal "$(children capf-worker | sort)" "$(printf '%s\n' ${pids[@]} | sort)"
	stop
	assert_equal $RC 0
}

@test "a worker that does not end is killed, and the server has ended as it was told" {
	export CLOCK_ALL=1
	start_jumping -w 2
	kill -STOP $(children capf-worker | head -n 1)
	kill $SERVER
	until_true grep -q event=stopping log
	jump 10
	# So that it has a turn; it may have had one, and ended, already.
	kill -HUP $SERVER 2>/dev/null || gone $SERVER
	RC=0
	wait $SERVER || RC=$?
	assert_equal $RC 0
	grep -q 'event=error what="a worker stands still and is killed".* why="it does not end"' log
	refute grep -q "ended by itself" log
}
