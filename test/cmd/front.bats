# SPDX-License-Identifier: ISC
# capf, the front: its words, what it shows when it stands alone, and what it says of words that it does not know.
load ../helper
load ../serving

# wants TEXT COMMAND...: wrong usage, with this line.
wants() {
	run --separate-stderr "${@:2}"
	assert_status 100
	assert_equal "$output" ""
	assert_equal "$stderr" "capf: $1"
}

# shows NAME TEXT: the line of this name in the summary.
shows() {
	assert_equal "$(sed -n "s/^$1  *//p" <<<"$output")" "$2"
}

@test "capf: every program has words, each word runs its program, and the text is what --help says" {
	local words runs text name all=
	while IFS=$'\t' read -r words runs text; do
		# shellcheck disable=SC2086
		case $runs in
		*_*) continue ;;
		*' '*) run --separate-stderr capf $words --version ;;
		*)
			run --separate-stderr capf $words --version
			assert_equal "$text" "$("$runs" --help | sed '1,/^$/d' | head -1)" ;;
		esac
		assert_status 0
		[[ $output == "${runs%% *} (capfkit) "* ]] || fail "$words" "$(show_run)"
		all+=" ${runs%% *} "
	done < <(capf --list-commands)
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1); do
		[[ $all == *" $name "* ]] || fail "$name: no words"
		grep -q "^\.Xr $name 1" "$ROOT/man/capf.1" || fail "$name: not in capf(1)"
	done
}

@test "capf: arguments and options go to the program, and its exit status comes back" {
	capf phone add --any-name SEP1
	capf phone set --description 'two  words' SEP1
	assert_equal "$(capf phone list | cut -f 7)" 'two  words'
	assert_equal "$(CAPF_SPOOL=/nowhere capf -s "$SPOOL" csr count)" 0
	assert_equal "$(CAPF_SPOOL=/nowhere capf "-s$SPOOL" csr count)" 0
	assert_equal "$(CAPF_SPOOL=/nowhere capf "--spool=$SPOOL" utils capf csr count)" 0
	run --separate-stderr capf phone del SEP2
	assert_status 1
	run --separate-stderr capf csr list rubbish
	assert_status 100
	assert_stderr_has "csr-list: "
	csr-add "$FIX/csr/SEP000000000001.csr" >/dev/null
	assert_equal "$(capf utils capf csr list -0 | tr '\0' ' ')" 'SEP000000000001 '
	assert_equal "$(capf stale-lsc list)" ""
	mkdir away
	cp "$BIN/capf" away
	wants "csr-count: not installed" env PATH=/usr/bin:/bin away/capf csr count
}

@test "capf help and the first word of several list commands; help of one shows what its program says" {
	run --separate-stderr capf help
	assert_status 0
	assert_output "$(capf --help)"
	[ "$(grep -c '^  [a-z]' <<<"$output")" -ge 30 ]
	[ -z "$(awk 'length > 79' <<<"$output")" ] || fail "$output"
	refute_output_has keep_alive
	run --separate-stderr capf csr
	assert_status 0
	assert_equal "$(grep -c '^  csr ' <<<"$output")" 7
	assert_output_has "  csr dump          write the requests that wait into one archive"
	refute_output_has "  phone"
	assert_equal "$(capf csr --help)" "$output"
	assert_equal "$(capf help csr)" "$output"
	assert_equal "$(capf help utils capf csr)" "$output"
	assert_equal "$(capf help csr dump)" "$(csr-dump --help)"
	assert_equal "$(capf help stale-lsc view)" "$(stale-lsc --help)"
	assert_equal "$(capf help sim)" "$(phone-sim --help)"
	assert_equal "$(capf help set keepalive)" "$(capf --help)"
	assert_equal "$(capf utils)" "$(capf --help)"
	for words in "" csr help --help; do
		# shellcheck disable=SC2086
		run --separate-stderr bash -c 'capf $1 >/dev/full' - "$words"
		assert_status 111
		assert_one_line "capf: stdout: cannot write"
	done
}

@test "capf help opens the manual page on a terminal" {
	mkdir place
	printf '%s\n' '#!/bin/sh' 'echo "man $*"' >place/man
	chmod +x place/man
	PATH=$PWD/place:$PATH run --separate-stderr script -qec 'capf help csr dump' /dev/null
	[[ $output == "man "*csr-dump* ]] || fail "$(show_run)"
	PATH=$PWD/place:$PATH run --separate-stderr script -qec 'capf help set keepalive' /dev/null
	[[ $output == "man "*capf* ]] || fail "$(show_run)"
}

@test "capf: a wrong word gets the nearest right one" {
	wants "crs: no such word; did you mean csr?" capf crs
	wants "crs: no such word; did you mean csr?" capf crs count
	wants "crs: no such word; did you mean csr?" capf help crs
	wants "CSR: no such word; did you mean csr?" capf CSR list
	wants "phones: no such word; did you mean phone?" capf phones list
	wants "sevre: no such word; did you mean serve?" capf sevre
	wants "enr: no such word; did you mean enroll?" capf enr
	wants "enorl: no such word; did you mean enroll?" capf enorl
	wants "csr sing: no such word; did you mean csr sign?" capf csr sing
	wants "csr dumxyz: no such word; see capf help csr" capf csr dumxyz
	wants "csr sing: no such word; did you mean csr sign?" capf help csr sing
	wants "phone lst: no such word; did you mean phone list?" capf phone lst
	wants "set kepalive: no such word; did you mean set keepalive?" capf set kepalive 20
	# The name of a program, as it is or with a slip.
	wants "csr-dump: no such word; did you mean csr dump?" capf csr-dump
	wants "phone-sim: no such word; did you mean sim?" capf phone-sim
	wants "csr-dmup: no such word; did you mean csr dump?" capf csr-dmup
	wants "csr frobnicate: no such word; see capf help csr" capf csr frobnicate
	wants "frobnicate: no such word; see capf help" capf frobnicate
	wants "xy: no such word; see capf help" capf xy
	wants "csr : no such word; see capf help csr" capf csr ''
	wants ": no such word; see capf help" capf ''
	wants "$(printf 'x%.0s' {1..5000}): no such word; see capf help" capf "$(printf 'x%.0s' {1..5000})"
	wants '.*: no such word; see capf help' capf '.*'
	wants '*|*: no such word; see capf help' capf '*|*'
	# Functions are no words.
	wants "set_keepalive: no such word; see capf help" capf set_keepalive
}

@test "capf set keepalive: the rest of the file, its mode and its owner stay; what is wrong changes nothing" {
	local value
	printf '%s\n' '# first' 'keepalive = 7' '  9' 'log = stderr' >"$SPOOL/capf.conf"
	chmod 640 "$SPOOL/capf.conf"
	run --separate-stderr capf set keepalive 20
	assert_silent
	assert_equal "$(cat "$SPOOL/capf.conf")" $'# first\nkeepalive = 20\nlog = stderr'
	assert_equal "$(stat -c %a "$SPOOL/capf.conf")" 640
	capf utils capf set keep_alive 60
	grep -qx 'keepalive = 60' "$SPOOL/capf.conf"
	for value in 4 61 05 5m '' -1; do
		run --separate-stderr capf set keepalive $value
		assert_status 100
		assert_stderr_has "set keepalive wants a number of minutes from 5 to 60"
	done
	run --separate-stderr capf set keepalive 20 30
	assert_status 100
	grep -qx 'keepalive = 60' "$SPOOL/capf.conf"
	assert_equal "$(ls "$SPOOL" | grep -c capf.conf)" 1
}

# failed DEVICE REASON: its operation is.
failed() {
	phone-set --operation install --auth null "$1"
	printf '%s\n' "scheduled = $(sed -n 's/^\(scheduled\|order\) = //p' "$SPOOL/phone/$1.conf" | tail -n 1)" 'status = failed' \
	    "reason = $2" "${@:3}" >"$SPOOL/phone/$1.state"
	chmod 600 "$SPOOL/phone/$1.state"
}

@test "capf alone: ten lines about a spool in which nothing is" {
	capf-init -t ec:256 -s fresh
	run --separate-stderr capf -s fresh
	assert_status 0
	assert_equal "$stderr" ""
	assert_line_count 10
	shows spool fresh
	shows requests "none waits"
	shows ready none
	shows phones "0 phones, 0 with a pending operation (capf -s fresh phone list)"
	shows failed none
	shows expiring none
	shows stale none
	[[ $output == *"its certificate ends on 20"* ]]
	shows server "capf-serve does not run, as far as can be seen (capf -s fresh serve)"
	shows enroller "capf-enroll does not run; it is for issuer = online"
	assert_equal "$(capf -s fresh status)" "$output"
	echo 'issuer = online' >>fresh/capf.conf
	run --separate-stderr capf -s fresh
	shows enroller "capf-enroll does not run, and issuer is online (capf -s fresh enroll)"
}

@test "capf alone: what waits and since when, what is ready, failed, locked, expiring, stale" {
	local day old
	ten_wait 2>/dev/null
	# Not the first of the list has waited the longest, for three days.
	day=$(date -u -d '3 days ago' +%Y%m%dT%H%M%SZ)
	old=$(ls "$SPOOL"/csr/SEP000000000007+*)
	mv "$old" "${old%%+*}+$day+${old##*+}"
	csr-dump -o a.tgz SEP000000000002 SEP000000000003 SEP000000000004
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -d 10 -o b.tgz a.tgz
	cert-import b.tgz >/dev/null
	mv "$SPOOL"/lsc/SEP000000000004+* "$SPOOL/installed"
	phone-add --any-name SEP1 SEP2 SEP3 SEP4
	phone-set --operation install --auth null SEP1
	failed SEP2 'a reason'
	failed SEP3 'locked after 3 wrong strings: phone-set --operation install --generate SEP3' 'locked = yes'
	run --separate-stderr capf
	assert_status 0
	assert_equal "$stderr" ""
	assert_line_count 10
	shows requests "7 requests waiting, the oldest since $(date -u -d "${day:0:8} ${day:9:2}:${day:11:2}:${day:13:2}" +%FT%TZ), 3 days (capf csr list)"
	shows ready "2 certificates not fetched yet (capf lsc list -R)"
	shows phones "4 phones, 1 with a pending operation (capf phone list)"
	shows failed "2 phones, 1 locked after wrong strings (capf phone list --status failed)"
	shows expiring "1 certificate ending within 30 days (capf lsc list -i --expires-within 30d)"
	mv "$SPOOL"/lsc/SEP000000000002+* "$SPOOL/stale"
	assert_equal "$(capf | sed -n 's/^stale  *//p')" "1 certificate that can never be installed (capf stale-lsc list)"
	# The commands that it names are right.
	while read -r command; do
		run --separate-stderr bash -c "$command"
		assert_status 0
		[ -n "$output" ]
	done < <(capf | sed -n 's/.*(\(capf .* list.*\))/\1/p')
	run --separate-stderr capf status rubbish
	assert_status 100
}

@test "capf alone: CAPF's certificate that ends soon asks for a new one" {
	capf-init -t ec:256 -s short -d 20
	run --separate-stderr capf -s short
	assert_status 0
	[[ $output == *"its certificate ends soon, on "*" (capf -s short init --renew)"* ]] || fail "$(show_run)"
}

@test "capf alone: it sees the server and the enroller, and takes no lock of theirs" {
	start
	run --separate-stderr capf
	assert_status 0
	shows server "capf-serve runs, process $SERVER"
	# Another spool's is not this one's.
	new_spool other
	assert_equal "$(capf -s other | sed -n 's/^server  *//p')" \
	    "capf-serve does not run, as far as can be seen (capf -s other serve)"
	stop
	run --separate-stderr capf
	shows server "capf-serve does not run, as far as can be seen (capf serve)"
	# csr-submit takes the enroller's lock too.
	mkdir -p "$SPOOL/online"
	touch "$SPOOL/online/.lock"
	exec 9<"$SPOOL/online/.lock"
	flock 9
	run --separate-stderr capf
	shows enroller "capf-enroll does not run; it is for issuer = online"
	exec 9<&-
	printf '%s\n' 'issuer = online' 'ca.lab.type = est' 'ca.lab.url = https://127.0.0.1:1' >>"$SPOOL/capf.conf"
	capf-enroll </dev/null >out 2>log 3>&- &
	echo $! >>pids
	until_true grep -q event= log
	assert_equal "$(capf | sed -n 's/^enroller  *//p')" "capf-enroll runs, process $!"
}

@test "capf alone without a spool says what to do first, and whose a spool is that may not be read" {
	wants "$PWD/none: not a spool; make one with capf init, or name another with capf -s" capf -s "$PWD/none"
	mkdir empty
	wants "empty: not a spool; make one with capf init, or name another with capf -s" capf -s empty
	mktemp -d /tmp/capfkit.XXXXXX >elsewhere
	cd "$(cat elsewhere)"
	mv "$SPOOL" spool
	cp "$BIN/capf" .
	chmod 755 .
	if [ "$(id -u)" -eq 0 ]; then
		run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups ./capf -s spool
	else
		chmod 0 spool
		run --separate-stderr ./capf -s spool
		chmod 700 spool
	fi
	assert_status 111
	assert_equal "$output" ""
	assert_equal "$stderr" "capf: spool: permission denied; as root: runuser -u $(id -un) -- capf -s spool"
}

@test "capf alone: a list that cannot be had ends it, with the list's exit status; a record that cannot be read does not" {
	phone-add --any-name SEP1
	echo rubbish >"$SPOOL/phone/SEP1.state"
	run --separate-stderr capf
	assert_status 0
	assert_stderr_has "phone-list: SEP1"
	rm -r "$SPOOL/stale"
	run --separate-stderr capf
	assert_status 100
	assert_equal "$output" ""
}
