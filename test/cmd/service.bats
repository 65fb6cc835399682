# SPDX-License-Identifier: ISC
# capf-serve as a service: its processes, and what happens when they end.
load ../helper
load ../serving

@test "the issuing process is killed: another one signs, and no phone feels it" {
	by_itself
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim SEP000000000001
	ended installed
	local first=$(children capf-issuing)
	[ -n "$first" ]
	# A phone whose request meets it while it cannot answer gets its certificate from the next one.
	kill -STOP $first
	sim_later SEP000000000002
	until_true grep -q 'event=connected.*conn=2' log
	sleep 0.5
	kill -KILL $first
	until_true outcome SEP000000000002 installed
	grep -q 'event=error.*issuing process ended' log
	[ "$(children capf-issuing)" != "$first" ]
}

# probe PROCESS WHAT: what it comes to when the process tries it, into SAID: done, an error, or killed.
probe() {
	: >log
	# Through a pipe: an issuing process can write into no file.
	LD_PRELOAD=$PRELOAD PROBE_IN=$1 PROBE=$2 capf-serve -l 127.0.0.1:0 </dev/null \
	    2> >(exec cat >log 3>&-) 3>&- &
	SERVER=$!
	echo $SERVER >>pids
	until_true grep -Eq "event=ready|issuing process ended" log
	PORT=$(sed -n 's/.*event=listening address=//p' log | head -n 1)
	if [ "$1" = capf-worker ]; then
		phone-sim --server $PORT --timeout 60s --device SEP000000000009 >/dev/null 2>&1 3>&- &
		echo $! >>pids
	fi
	until_true grep -Eq "^probe: |signal 31|issuing process ended" log
	if [ "$2" = hang-up ]; then
		until_true grep -q "a worker ended" log
	fi
	SAID=$(sed -n 's/^probe: .*: //p' log | head -n 1)
	SAID=${SAID:-killed}
	kill -TERM $SERVER 2>/dev/null || true
	wait $SERVER || true
}
probe_ready() {
	cc -shared -fPIC -O1 -o probe.so "$TESTDIR/data/probe.c" -ldl
	PRELOAD=$PWD/probe.so
	# A sanitizer wants to be the first.
	if sanitized; then
		PRELOAD=$(cc -print-file-name=libasan.so):$PRELOAD
	fi
	by_itself
	echo old >outside
}

@test "a worker can open its part of the spool, and nothing else" {
	probe_ready
	local what said wanted
	while read -r wanted what; do
		case $wanted in
		no) said="Permission denied" ;;
		done) said=done ;;
		killed) said=killed ;;
		esac
		probe capf-worker "$what"
		[ "$SAID" = "$said" ] || fail "$what: $SAID" "$(cat log)"
	done <<-END
		no read:/etc/passwd
		no read:$PWD/outside
		no write:$PWD/outside
		no make:$PWD/new
		no read:$SPOOL/capf.conf
		done read:$SPOOL/ca/capf.pem
		no write:$SPOOL/ca/capf.pem
		no make:$SPOOL/trust/capf/new
		no read:$SPOOL/trust/callmanager
		no make:$SPOOL/new
		done make:$SPOOL/csr/new
		done remove:$SPOOL/csr/new
		no read:$SPOOL/journal
		no write:$SPOOL/journal
		killed socket
		killed fork
		killed exec
	END
	assert_equal "$(cat outside)" old
}

@test "an issuing process can open the phones' records for reading, and nothing else" {
	probe_ready
	install_null SEP000000000001
	local what
	for what in read:/etc/passwd "read:$FIX/root.key" "read:$SPOOL/capf.conf" "make:$PWD/new" "read:$SPOOL/csr" \
	    "make:$SPOOL/phone/new" "write:$SPOOL/phone/SEP000000000001.conf"; do
		probe capf-issuing "$what"
		[ "$SAID" = "Permission denied" ] || fail "$what: $SAID" "$(cat log)"
	done
	probe capf-issuing "read:$SPOOL/phone/SEP000000000001.conf"
	assert_equal "$SAID" "done"
	for what in socket fork exec; do
		probe capf-issuing "$what"
		[ "$SAID" = killed ] || fail "$what: $SAID" "$(cat log)"
	done
}

@test "an issuing process that loops over a key is ended, and so is the next; then the phone is turned away" {
	probe_ready
	install_null SEP000000000001
	: >log
	LD_PRELOAD=$PRELOAD PROBE_IN=capf-issuing PROBE=spin PROBE_LATER=1 PROBE_SECONDS=1 \
	    capf-serve -l 127.0.0.1:0 </dev/null 2> >(exec cat >log 3>&-) 3>&- &
	started
	sim SEP000000000001
	ended refused
	assert_equal "$(grep -c 'event=error what="the issuing process ended"' log)" 2
	# A third, for other phones.
	until_true eval '[ -n "$(children capf-issuing)" ]'
	stop
	assert_equal $RC 0
}

@test "a worker that hangs up on its master is ended, and another one comes" {
	probe_ready
	probe capf-worker hang-up
	assert_equal "$SAID" done
	grep -q 'event=error what="a worker ended" number=1 why="signal 9"' log
}

@test "without the sandbox they could: the probe is no dummy" {
	probe_ready
	local in what
	export PROBE_OFF=1
	for in in capf-worker capf-issuing; do
		for what in read:/etc/passwd "make:$PWD/new" "write:$SPOOL/ca/capf.pem" socket fork; do
			probe $in "$what"
			[ "$SAID" = done ] || fail "$in: $what: $SAID" "$(cat log)"
		done
	done
}

@test "who is too slow is gone at the deadline, however much he goes on sending" {
	by_itself 'handshake-timeout = 1s' 'message-timeout = 2s'
	install_null SEP000000000001
	start
	# Half a handshake, a byte every tenth of a second, for a minute and more; then a message, the same way. With
	# fewer bytes each would come to its end before the defaults of these deadlines.
	run python3 - "${PORT##*:}" <<-'PY'
	import socket, sys, time
	s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
	s.settimeout(0.1)
	hello = b'\x16\x03\x01\x02\xfc\x01\x00\x02\xf8\x03\x03' + bytes(700)
	for n, b in enumerate(hello):
	    try:
	        s.send(bytes([b]))
	        if s.recv(1) == b'':
	            break
	    except TimeoutError:
	        pass
	    except OSError:
	        break
	else:
	    sys.exit('nobody hung up')
	print('sent' if n > 1 else 'sent nothing')
	PY
	assert_status 0
	assert_output sent
	until_true grep -q 'event=no-handshake.*took too long' log
	sim SEP000000000001 --byte-at-a-time --byte-delay 100
	[ "$status" -ne 0 ]
	until_true grep -q 'event=closed conn=2' log
	grep -q 'failure=too-slow' log
}

@test "a killed worker is started again, and its phones come back" {
	install_null SEP000000000001
	mkdir kept
	start
	local first=$(children capf-worker)
	sim_later SEP000000000001 --keep-key --key-dir kept
	until_true has csr 1
	kill -KILL $first
	until_true outcome SEP000000000001 lost
	until_true grep -q 'event=error what="a worker ended".*signal 9' log
	sign_all
	sim SEP000000000001 --keep-key --key-dir kept
	ended installed
	[ "$(children capf-worker)" != "$first" ]
	stop
	assert_equal $RC 0
}

@test "what dies soon is started less and less often" {
	by_itself
	start
	local i
	for i in 1 2; do
		until_true test -n "$(children capf-issuing)"
		# What is measured begins a little early and ends a little late, so it is never too short.
		begin=$EPOCHREALTIME
		kill -KILL $(children capf-issuing)
		died() { [ "$(grep -c 'issuing process ended' log)" -eq $i ]; }
		until_true died
		until_true eval '[ -n "$(children capf-issuing)" ]'
		waited[i]=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
	done
	# A second, then two.
	awk -v a="${waited[1]}" -v b="${waited[2]}" 'BEGIN { exit a > 0.9 && b > 1.9 ? 0 : 1 }' || fail "${waited[*]}"
}

@test "SIGKILL of the master ends all" {
	by_itself
	start -w 2
	local all=$(children capf-worker; children capf-issuing)
	assert_equal "$(wc -w <<<$all)" 4
	kill -KILL $SERVER
	none_left() {
		local pid
		for pid in $all; do
			gone $pid || return 1
		done
	}
	until_true none_left
	run --separate-stderr spool-check
	assert_silent
}

@test "SIGTERM ends all at once, phones that wait included" {
	install_null SEP000000000001
	start -w 2
	sim_later SEP000000000001
	until_true has csr 1
	stop
	assert_equal $RC 0
	# The server did not wait until the phone gave up.
	until_true outcome SEP000000000001 lost
	grep -q event=stopping log
}

@test "SIGINT ends it as SIGTERM does" {
	start
	# If it took no notice of the first it would do the second.
	kill -INT $SERVER
	kill -HUP $SERVER
	decided() { grep -qE 'event=(stopping|reloaded)' log; }
	until_true decided
	grep -q event=stopping log
	RC=0
	wait $SERVER || RC=$?
	assert_equal $RC 0
}

@test "SIGHUP: a phone that waits goes on waiting, wrong settings change nothing" {
	install_null SEP000000000001
	install_null SEP000000000002
	start -w 2
	sim_later SEP000000000001
	until_true has csr 1
	# The certificate is no good: neither it nor the setting is taken.
	cp -p "$SPOOL/ca/capf.pem" good.pem
	head -n 3 good.pem >"$SPOOL/ca/capf.pem"
	by_itself
	kill -HUP $SERVER
	refused_twice() { [ "$(grep -c 'event=error what="cannot use the settings"' log)" -eq 2 ]; }
	until_true refused_twice
	refute grep -q event=reloaded log
	sim_later SEP000000000002
	until_true has csr 2
	cat good.pem >"$SPOOL/ca/capf.pem"
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	assert_equal "$(children capf-issuing | wc -w)" 2
	sign_all
	until_true outcome SEP000000000001 installed
	until_true outcome SEP000000000002 installed
	# Without an issuer's key there is no certificate, and no change.
	printf 'issuer-key = /nowhere\n' >>"$SPOOL/capf.conf"
	kill -HUP $SERVER
	refused_again() { [ "$(grep -c 'event=error what="cannot use the settings"' log)" -eq 4 ]; }
	until_true refused_again
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001
	ended installed
}

# in_turn PHONE...: each by another worker, since all others stand still.
in_turn() {
	local pids=($(children capf-worker)) i
	for i in "${!pids[@]}"; do
		kill -STOP $(printf '%s\n' "${pids[@]}" | grep -vx "${pids[i]}")
		sim "$1"
		kill -CONT "${pids[@]}"
		ended installed
		shift
	done
}
# lines WORD FILE: how many of the server's lines there say that.
lines_of() {
	grep -c "	capf-serve	$1	SEP" "$SPOOL/$2"
}
# reload: waits until it is done; CAME counts.
reload() {
	CAME=$((CAME + 1))
	kill -HUP $SERVER
	all_came() { [ "$(grep -c event=reloaded log)" -eq $CAME ]; }
	until_true all_came
}

@test "SIGHUP during a reload: done is said of the last settings, when all have them" {
	local worker reloads
	start
	worker=$(children capf-worker)
	# It has the first ones before it, which are good, and behind them others, whose key is long in coming.
	kill -STOP $worker
	mv "$SPOOL/journal" "$SPOOL/journal.1"
	kill -HUP $SERVER
	until_true test -e "$SPOOL/journal"
	until_true settled $SERVER
	mkfifo key
	by_itself "issuer-key = $PWD/key"
	kill -HUP $SERVER
	until_true eval '[ -n "$(children capf-issuing)" ]'
	kill -CONT $worker
	sleep 0.5
	refute grep -q event=reloaded log
	# It is none: these settings are not taken, and those before are.
	echo rubbish >key 3>&- &
	echo $! >>pids
	until_true grep -q 'event=error what="cannot use the settings" number=1' log
	refute grep -q event=reloaded log
	kill -HUP $SERVER
	cat "$FIX/root.key" >key 3>&- &
	echo $! >>pids
	until_true grep -q event=reloaded log
	install_null SEP000000000001
	sim SEP000000000001
	ended installed
}

@test "the journal is renamed: lines go on there, and into the new one after SIGHUP" {
	by_itself
	local i fds
	for i in 1 2 3 4 5 6 7 8; do
		install_null SEP00000000000$i
	done
	CAME=0
	start -w 2
	in_turn SEP000000000001 SEP000000000002
	assert_equal "$(lines_of installed journal)" 2
	mv "$SPOOL/journal" "$SPOOL/journal.1"
	in_turn SEP000000000003 SEP000000000004
	assert_equal "$(lines_of installed journal.1)" 4
	[ ! -e "$SPOOL/journal" ]
	# Another program makes the new one, and the server stays where it is.
	install_null SEP000000000009
	sim SEP000000000009
	ended installed
	assert_equal "$(lines_of installed journal.1)" 5
	assert_equal "$(lines_of installed journal)" 0
	reload
	in_turn SEP000000000005 SEP000000000006
	assert_equal "$(lines_of installed journal)" 2
	# Deleted, with settings that are no good beside it: those change nothing, and the journal is there again.
	rm "$SPOOL/journal"
	cp "$SPOOL/capf.conf" good.conf
	echo nonsense >>"$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q "cannot read the settings again" log
	until_true test -e "$SPOOL/journal"
	cp good.conf "$SPOOL/capf.conf"
	in_turn SEP000000000007 SEP000000000008
	assert_equal "$(lines_of installed journal)" 2
	assert_equal "$(lines_of installed journal.1)" 5
	# No descriptor is left behind.
	reload
	fds=$(ls /proc/$(children capf-worker | head -n 1)/fd | wc -l)
	for i in 1 2 3; do
		reload
	done
	assert_equal "$(ls /proc/$(children capf-worker | head -n 1)/fd | wc -l)" "$fds"
}

@test "the journal is copied and truncated, or cannot be opened: what is written stays whole" {
	by_itself
	local i
	for i in 1 2 3; do
		install_null SEP00000000000$i
	done
	CAME=0
	start
	sim SEP000000000001
	ended installed
	cp "$SPOOL/journal" "$SPOOL/journal.1"
	: >"$SPOOL/journal"
	sim SEP000000000002
	ended installed
	assert_equal "$(lines_of installed journal.1)" 1
	assert_equal "$(lines_of installed journal)" 1
	refute grep -vP '^[^\t]+(\t[^\t]+){3}$' "$SPOOL/journal"
	# It goes on with the one that it has, and says so.
	mv "$SPOOL/journal" "$SPOOL/journal.2"
	mkdir "$SPOOL/journal"
	reload
	grep -q 'event=error what="cannot open the journal" number=1 why="Is a directory"' log
	sim SEP000000000003
	ended installed
	assert_equal "$(lines_of installed journal.2)" 2
}

@test "the journal cannot be written to: phones are served, it is said, and its lines wait" {
	by_itself
	install_null SEP000000000001
	install_null SEP000000000002
	yes "a line of 16 B." | head -c 65536 >"$SPOOL/journal"
	: >log
	(trap '' XFSZ && ulimit -f 64 && exec capf-serve -l 127.0.0.1:0 </dev/null 2>log 3>&-) &
	started
	sim SEP000000000001
	ended installed
	until_true grep -q 'event=error what="cannot write to the journal" why="File too large"' log
	assert_equal "$(lines_of installed journal)" 0
	: >"$SPOOL/journal"
	sim SEP000000000002
	ended installed
	assert_equal "$(lines_of installed journal)" 2
}

@test "the journal is rotated as the example for logrotate says" {
	by_itself
	install_null SEP000000000001
	start
	mkdir path
	printf '#!/bin/sh\necho "$*" >>systemctl.log\n[ "$1" != reload ] || kill -HUP %s\n' $SERVER >path/systemctl
	chmod 755 path/systemctl
	sed -n '/postrotate/,/endscript/{//!p}' "$ROOT/share/logrotate/capfkit" >script
	[ -s script ]
	mv "$SPOOL/journal" "$SPOOL/journal.1"
	PATH=$PWD/path:$PATH sh -e script
	assert_equal "$(<systemctl.log)" $'--quiet is-active capf-serve.service\nreload capf-serve.service'
	until_true grep -q event=reloaded log
	sim SEP000000000001
	ended installed
	assert_equal "$(lines_of installed journal)" 1
	# The server is not there: that is no error.
	stop
	printf '#!/bin/sh\nexit 3\n' >path/systemctl
	PATH=$PWD/path:$PATH sh -e script
}

@test "logrotate, by that example, while phones come: each line is there, once" {
	by_itself
	local n=100 i fleet
	for ((i = 1; i <= n + 3; i++)); do
		printf 'SEP%012X\n' $i
	done >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	start -w 2
	mkdir path
	printf '#!/bin/sh\n[ "$1" != reload ] || kill -HUP %s\n' $SERVER >path/systemctl
	chmod 755 path/systemctl
	sed "s|/var/spool/capf|$SPOOL|; s|capf capf|$(id -un) $(id -gn)|" "$ROOT/share/logrotate/capfkit" >rotate.conf
	chmod 644 rotate.conf
	cp -p "$SPOOL/journal" before
	phone-sim --server $PORT --keys keys --timeout 60s --fleet $n --rate 200 >fleet.out 2>&1 3>&- &
	fleet=$!
	echo $fleet >>pids
	for i in 1 2 3; do
		# An empty journal would stay where it is.
		sim "$(printf 'SEP%012X' $((n + i)))"
		PATH=$PWD/path:$PATH:/usr/sbin logrotate -f -s rotate.state rotate.conf
		until_true eval '[ $(grep -c event=reloaded log) -eq $i ]'
	done
	wait $fleet
	assert_equal "$(cd "$SPOOL" && echo journal*)" "journal journal.1 journal.2.gz journal.3.gz"
	zcat -f "$SPOOL/journal.3.gz" "$SPOOL/journal.2.gz" "$SPOOL/journal.1" "$SPOOL/journal" >all
	# As they were written; and two of each phone.
	cmp before <(head -c "$(stat -c %s before)" all)
	tail -c "+$(($(stat -c %s before) + 1))" all >since
	refute grep -vP '^[^\t]+\tcapf-serve\t(ready|installed)\tSEP[0-9A-F]{12}\+[^\t]+$' since
	assert_equal "$(wc -l <since)" $((2 * (n + 3)))
	for i in ready installed; do
		assert_equal "$(cut -f3,4 since | sed -n "s/^$i\t\([^+]*\)+.*/\1/p" | sort)" "$(sort names)"
	done
}

@test "SIGHUP before it is ready is done when it is" {
	by_itself "issuer-key = $PWD/key"
	mkfifo key
	: >log
	capf-serve -l 127.0.0.1:0 </dev/null 2>log 3>&- &
	SERVER=$!
	echo $SERVER >>pids
	until_true eval '[ -n "$(children capf-issuing)" ]'
	refute grep -q event=ready log
	mv "$SPOOL/journal" "$SPOOL/journal.1"
	kill -HUP $SERVER
	sleep 0.2
	for i in ready reloaded; do
		cat "$FIX/root.key" >key 3>&- &
		echo $! >>pids
		until_true grep -q event=$i log
	done
	[ -e "$SPOOL/journal" ]
}

# listening ADDRESS...: a server there, NO or YES of enable-ipv6; AT is what a phone is told, in that order.
listening() {
	sed -i '/^enable-ipv6/d' "$SPOOL/capf.conf"
	printf 'enable-ipv6 = %s\n' "$1" >>"$SPOOL/capf.conf"
	start -l "$2"
	AT=$(sed -n 's/.*event=listening address=//p' log | paste -sd,)
}
# row PHONE EXPECTED: a phone with these addresses (4, 6 or 46) comes by IPv6, by IPv4, or not at all.
row() {
	local flag=() connected
	case $1 in
	4 | 6) flag=("-$1") ;;
	esac
	: >log
	phone-set SEP000000000001 --operation install --auth null
	run --separate-stderr phone-sim --server "$AT" --keys keys --timeout 60s --device SEP000000000001 \
	    "${flag[@]}"
	connected=$(sed -n 's/.*event=connected .*peer=\([^ ]*\):[0-9]*.*/\1/p' log)
	case $2 in
	6) [ "$((status == 0)) $connected" = "1 [::1]" ] ;;
	4) [ "$((status == 0)) $connected" = "1 127.0.0.1" ] ;;
	no) [ "$((status == 0)) $connected" = "0 " ] ;;
	esac || fail "a phone with $1 and a server at $AT: wanted $2, got $connected" "$(show_run)"
}

@test "the vendor's table of IPv4 and IPv6, row by row" {
	by_itself
	install_null SEP000000000001
	# A phone's stack is IPv4, IPv6 or both; one with both may still have one address only.
	if has_ipv6; then
		listening yes '[::1]:0,127.0.0.1:0'
		row 46 6	# both, both addresses
		row 4 4		# both, IPv4 address
		row 6 6		# both, IPv6 address
		row 4 4		# IPv4
		row 6 6		# IPv6
	else
		listening yes 127.0.0.1:0
		AT=,$AT
	fi
	# It cannot connect by IPv6: then by IPv4.
	AT="[::1]:1,${AT#*,}"
	row 46 4
	stop
	listening yes 127.0.0.1:0
	row 46 4
	row 4 4		# both, IPv4 address
	row 6 no	# both, IPv6 address
	row 4 4		# IPv4
	row 6 no	# IPv6
	stop
	if has_ipv6; then
		listening yes '[::1]:0'
		row 46 6
		row 4 no	# both, IPv4 address
		row 6 6		# both, IPv6 address
		row 4 no	# IPv4
		row 6 6		# IPv6
		stop
	else
		run --separate-stderr capf-serve -l '[::1]:0'
		assert_status 111
		assert_stderr_has "[::1]:0: cannot listen: "
	fi
	# Without enable-ipv6: what listens nowhere turns them away, and a phone with both comes by IPv4.
	listening no 127.0.0.1:0
	AT="[::1]:${AT#*:},$AT"
	row 46 4
	row 4 4
	row 6 no
	stop
	run --separate-stderr capf-serve -l '[::1]:0'
	assert_status 100
	assert_stderr_has "enable-ipv6 is no"
}

@test "1,000 phones, 256 descriptors: it does not spin, and serves all" {
	# Those who say nothing keep their places until they are told to go.
	by_itself 'handshake-timeout = 1h'
	local n=1000 i worker before after
	for ((i = 1; i <= n; i++)); do
		printf 'SEP%012X\n' $i
	done >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	: >log
	(ulimit -n 256 && exec capf-serve -l 127.0.0.1:0 </dev/null 2>log 3>&-) &
	started
	worker=$(children capf-worker)
	# Some take all that there is, and say nothing; the others queue up behind them.
	python3 - "${PORT##*:}" 3>&- <<-'PY' &
	import signal, socket, sys
	held = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for i in range(300)]
	open('holding', 'w')
	signal.pause()
	PY
	local holder=$!
	echo $holder >>pids
	until_true test -e holding
	until_true grep -q event=full log
	ulimit -n 4096
	phone-sim --server $PORT --keys keys --timeout 120s --fleet $n --parallel $n >fleet.out 2>&1 3>&- &
	echo $! >>pids
	sleep 1
	# Who turns in circles beside it spends a second of processor time, which is 100 ticks; the worker next to nothing.
	spent() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
	before=$(spent $worker)
	python3 -c 'while True: pass' 3>&- &
	local circles=$!
	echo $circles >>pids
	spent_its_second() { [ "$(spent $circles)" -ge 100 ]; }
	until_true spent_its_second
	kill $circles
	after=$(spent $worker)
	[ $((after - before)) -le 20 ] || fail "it spent $((after - before)) ticks on waiting, where 100 were to be had"
	kill $holder
	until_true grep -q "done=$n failed=0" fleet.out
	[ "$(phone-list | cut -f3 | grep -c successful)" -eq $n ]
}

@test "two workers share the phones, the limits and the log" {
	printf 'max-operations = 1\n' >>"$SPOOL/capf.conf"
	for i in 1 2 3; do
		install_null SEP00000000000$i
	done
	mkdir kept
	start -w 2
	# One is busy with its key, and its worker stands still: the next comes to the other.
	sim_later SEP000000000003 -v --delay key=60000
	local last=$LATER pids=($(children capf-worker)) number busy
	until_true grep -q 'event=connected' log
	until_true grep -qi key SEP000000000003.out
	until_true settled ${pids[@]}
	number=$(sed -n 's/.*event=connected .*worker=//p' log)
	busy=${pids[number - 1]}
	kill -STOP $busy
	sim SEP000000000002
	ended refused
	grep -q "too many operations.*worker=$((3 - number))" log
	kill -CONT $busy
	kill -KILL $last
	sed -i '/^max-operations/d' "$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true grep -q event=reloaded log
	sim_later SEP000000000001 --keep-key --key-dir kept
	until_true grep -q 'event=waiting device=SEP000000000001' log
	number=$(sed -n 's/.*event=waiting device=SEP000000000001 .*worker=//p' log)
	busy=${pids[number - 1]}
	# The phone itself comes to the other: the older connection ends.
	kill -STOP $busy
	mv SEP000000000001.out first.out
	sim_later SEP000000000001 --keep-key --key-dir kept
	until_true eval '[ $(grep -c "event=waiting device=SEP000000000001" log) -eq 2 ]'
	kill -CONT $busy
	until_true grep -q "event=dropped.*connected again.*worker=$number" log
	sign_all
	until_true outcome SEP000000000001 installed
	has installed 1
	stop
	assert_equal $RC 0
}

@test "a fleet and two workers: each has some of it, and no line of the log is torn" {
	by_itself
	local n=100 i
	for ((i = 1; i <= n; i++)); do
		printf 'SEP%012X\n' $i
	done >names
	phone-add -f names
	phone-set -f names --operation install --auth null
	start -w 2
	run --separate-stderr phone-sim --server $PORT --keys keys --timeout 120s --fleet $n --parallel 32
	assert_output_has "done=$n failed=0"
	[ "$(grep -c 'event=connected.*worker=1$' log)" -ge $((n / 10)) ]
	[ "$(grep -c 'event=connected.*worker=2$' log)" -ge $((n / 10)) ]
	refute grep -Ev '^capf-serve: event=[a-z-]+( [a-z]+=("([^"\\]|\\.)*"|[^ "]+))*$' log
	run --separate-stderr spool-check
	assert_silent
}

@test "systemd: sockets that are handed over, what it is told, a watchdog" {
	install_null SEP000000000001
	: >log
	python3 - 3>&- <<-'PY' &
	import os, socket
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind('notify')
	open('bound', 'w')
	with open('told', 'w', buffering=1) as out:
	    while True:
	        out.write(s.recv(4096).decode() + '\n--\n')
	PY
	echo $! >>pids
	until_true test -e bound
	python3 - >out 2>log 3>&- <<-'PY' &
	import os, socket
	s = socket.socket()
	s.bind(('127.0.0.1', 0))
	s.listen(100)
	if s.fileno() != 3:
	    os.dup2(s.fileno(), 3)
	os.set_inheritable(3, True)
	os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', WATCHDOG_USEC='1000000',
	    WATCHDOG_PID=str(os.getpid()), NOTIFY_SOCKET=os.getcwd() + '/notify')
	os.execvp('capf-serve', ['capf-serve'])
	PY
	SERVER=$!
	echo $SERVER >>pids
	until_true grep -qx READY=1 told
	PORT=$(sed -n 's/.*event=listening address=//p' log)
	sim_later SEP000000000001
	until_true has csr 1
	until_true grep -qx WATCHDOG=1 told
	kill -HUP $SERVER
	until_true grep -q '^MONOTONIC_USEC=[0-9]*$' told
	ready_again() { [ "$(sed -n '/RELOADING=1/,$p' told | grep -cx READY=1)" -eq 1 ]; }
	until_true ready_again
	until_true grep -q '^STATUS=1 connections, 0 operations, 1 of 1 workers' told || fail "$(cat told)"
	sign_all
	until_true outcome SEP000000000001 installed
	stop
	assert_equal $RC 0
	until_true grep -qx STOPPING=1 told
	if [ -e /proc/net/if_inet6 ]; then
		run --separate-stderr python3 -c '
import os, socket
s = socket.socket(socket.AF_INET6)
s.bind(("::", 0))
s.listen(1)
os.dup2(s.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("capf-serve", ["capf-serve"])'
		assert_status 100
		assert_stderr_has "enable-ipv6 is no"
	fi
	# What is no socket is no listener.
	run --separate-stderr python3 -c '
import os
os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("capf-serve", ["capf-serve"])'
	assert_status 100
	assert_stderr_has "no listening socket"
}

@test "systemd: the service is tried again for ever, with a pause" {
	local unit=$ROOT/share/systemd/capf-serve.service
	grep -qx Restart=on-failure "$unit"
	# With a status that is final the next phone would be refused, and all after it.
	refute grep -q ^RestartPrevent "$unit"
	grep -qx StartLimitIntervalSec=0 "$unit"
	grep -Eqx 'RestartSec=[1-9][0-9]*' "$unit"
}

@test "systemd: the unit's memory is enough for as many connections as its descriptors allow" {
	local unit=$ROOT/share/systemd/capf-serve.service files memory tasks n=200 before after
	files=$(sed -n 's/^LimitNOFILE=\([0-9]*\)$/\1/p' "$unit")
	memory=$(sed -n 's/^MemoryMax=\([0-9]*\)M$/\1/p' "$unit")
	tasks=$(sed -n 's/^TasksMax=\([0-9]*\)$/\1/p' "$unit")
	assert_equal $((memory * 1024)) $((files * 64 + 65536))
	# As many workers as there can be, each with its records process, an old and a new issuing process, the master, a
	# shell.
	[ "$tasks" -ge $((1 + 4 * 64 + 1)) ]
	grep -qx OOMPolicy=continue "$unit"
	# The dearest connection there is: TLS holds a buffer for a record that does not come.
	start
	rss() { awk '/^VmRSS/ { print $2 }' /proc/$(children capf-worker)/status; }
	before=$(rss)
	mkfifo hold
	cat >many.py <<-'PY'
	import os, socket, ssl, sys
	host, port = sys.argv[1].rsplit(":", 1)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
	context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
	peers = []
	for i in range(int(sys.argv[2])):
	    peers.append(context.wrap_socket(socket.create_connection((host, int(port)), 60)))
	    peers[-1].recv(12)
	    os.write(peers[-1].fileno(), b"\x17\x03\x03")
	open("all-there", "w")
	sys.stdin.read()
	PY
	python3 many.py "$PORT" $n <hold 3>&- &
	echo $! >>pids
	exec 7>hold
	until_true test -e all-there
	after=$(rss)
	exec 7>&-
	# The rest is for what the kernel has of a connection.
	sanitized || [ $((after - before)) -le $((n * 52)) ] || fail "$n connections: $((after - before)) KiB"
	# They were there.
	[ "$(grep -c event=connected log)" -ge $n ]
}

@test "the log goes to syslog" {
	by_itself
	install_null SEP000000000001
	cat >syslog.py <<-'PY'
	import os, socket
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind('socket')
	open('bound', 'w')
	with open('log', 'ab', buffering=0) as out:
	    while True:
	        out.write(s.recv(4096) + b'\n')
	PY
	: >log
	python3 syslog.py 3>&- &
	local first=$!
	echo $first >>pids
	until_true test -e bound
	capf-serve -l 127.0.0.1:0 -L "syslog:$PWD/socket" </dev/null 2>errors 3>&- &
	started
	sim SEP000000000001
	ended installed
	until_true grep -Eq '^<30>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} capf-serve\[[0-9]+\]: event=installed ' log
	# It is away, and comes again: lines are lost, and counted.
	kill -KILL $first
	rm -f socket bound
	kill -KILL $(children capf-issuing)
	until_true eval '[ -n "$(children capf-issuing)" ]'
	python3 syslog.py 3>&- &
	echo $! >>pids
	until_true test -e bound
	# That is told also when there is nothing else to tell.
	until_true grep -Eq '^<27>.*event=error what="lines were lost" count=[0-9]+' log
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001
	ended installed
	twice() { [ "$(grep -c event=installed log)" -eq 2 ]; }
	until_true twice
	stop
	[ ! -s errors ]
	run --separate-stderr capf-serve -l 127.0.0.1:0 -L nowhere
	assert_status 100
}

@test "the log goes to systemd's journal: each line says how bad it is" {
	by_itself
	: >log
	JOURNAL_STREAM=$(stat -c %d:%i log)
	export JOURNAL_STREAM
	start
	kill -KILL $(children capf-worker)
	until_true grep -q 'a worker ended' log
	stop
	assert_equal "$(sed -n 's/^\(<.>capf-serve: event=[a-z]*\).*/\1/p' log | sort -u)" "$(printf '<%s>capf-serve: event=%s\n' \
	    3 error 6 listening 6 ready 6 stopping)"
	# A sanitizer has a word of its own when a process is killed that it looks at.
	refute grep -Ev '^<[36]>capf-serve: event=|^==[0-9]+==Unable to get registers' log
	# Standard error leads elsewhere: no other reader knows these.
	JOURNAL_STREAM=1:1
	start
	stop
	refute grep -q '^<' log
}

@test "-u: another user, for good" {
	[ "$(id -u)" -eq 0 ] || skip "only root can become somebody else"
	local home pid
	# Where others may come to.
	home=$(TMPDIR=/tmp mktemp -d)
	echo "$home" >elsewhere
	chmod 711 "$home"
	cp -a "$SPOOL" "$home/spool"
	SPOOL=$home/spool
	export CAPF_SPOOL=$SPOOL
	by_itself "issuer-key = $home/issuer.key" "issuer-certificate = $home/issuer.pem"
	install -m 600 -o nobody "$FIX/root.key" "$home/issuer.key"
	install -m 644 "$FIX/root.pem" "$home/issuer.pem"
	install_null SEP000000000001
	run --separate-stderr capf-serve -l 127.0.0.1:0 -u nobody
	assert_status 100
	assert_stderr_has "readable for nobody"
	chown -R nobody "$SPOOL"
	chown root "$SPOOL/csr"
	run --separate-stderr capf-serve -l 127.0.0.1:0 -u nobody
	assert_status 100
	assert_stderr_has "csr/ has to be readable and writable for nobody"
	run --separate-stderr capf-serve -l 127.0.0.1:0 -u root
	assert_status 100
	run --separate-stderr capf-serve -l 127.0.0.1:0 -u nobody-there
	assert_status 100
	chown nobody "$SPOOL/csr"
	start -u nobody
	sim SEP000000000001
	ended installed
	for pid in $SERVER $(children capf-worker) $(children capf-issuing); do
		assert_equal "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' /proc/$pid/status | tr ' ' '\n' | sort -u)" \
		    "$(id -u nobody)"
		assert_equal "$(awk '/^CapEff:/ { print $2 + 0 }' /proc/$pid/status)" 0
	done
	stop
}
