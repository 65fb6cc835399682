# SPDX-License-Identifier: ISC
# The setting trace: what is in the traces of sessions, what is not, and what bounds them.
load ../helper
load ../serving

settings() {
	printf '%s\n' "$@" >>"$SPOOL/capf.conf"
}
# again SETTING...: new settings for the server that runs.
again() {
	local before
	before=$(grep -c event=reloaded log || [ $? -eq 1 ])
	settings "$@"
	kill -HUP $SERVER
	reloaded() { [ "$(grep -c event=reloaded log)" -gt "$before" ]; }
	until_true reloaded
}
traces() {
	ls "$SPOOL/session"
}
# trace DEVICE: all of its sessions.
trace() {
	cat "$SPOOL/session/$1"+*.txt
}
# traced DEVICE REGEX: a line of its traces, once it is there.
traced() {
	found_it() { trace "$1" 2>/dev/null | grep -qE "$2"; }
	until_true found_it "$1" "$2"
}
odd() {
	python3 "$TESTDIR/data/capf-odd.py" "$PORT" "$@"
}

@test "messages: each with its elements, the authentication, the end" {
	by_itself 'trace = messages'
	order SEP000000000001 --operation install --auth string --string 7391
	start
	grep -q 'event=tracing level=messages' log
	sim SEP000000000001 --string 7391
	ended installed
	stop
	[[ $(traces) =~ ^SEP000000000001\+[0-9]{8}T[0-9]{6}Z\.1\.txt$ ]]
	assert_equal "$(stat -c %a "$SPOOL/session" "$SPOOL"/session/*.txt | xargs)" "700 600"
	trace SEP000000000001 >trace
	grep -qE '^session conn=1 worker=1 peer=127.0.0.1:[0-9]+ device=SEP000000000001 began=[0-9T:Z-]{20}$' trace
	assert_equal "$(sed -nE 's/^[0-9.]+ \+[0-9.]+ //p' trace | grep -v IN_PROGRESS | tr '\n' ',')" "$(tr '\n' ',' <<-'EOT'
	connected tls=TLSv1.3
	sent message=AUTH_REQUEST
	state name=hello
	received message=AUTH_RESPONSE
	state name=look-up
	order operation=install
	state name=auth
	authenticated
	sent message=KEY_GENERATE_REQUEST
	state name=key
	received message=KEY_GENERATE_RESPONSE
	state name=wait
	certificate
	sent message=STORE_CERTIFICATE_REQUEST
	state name=store
	received message=STORE_CERTIFICATE_RESPONSE
	installed
	sent message=END_SESSION
	closed
	end state=store
	EOT
	)"
	grep -qx '    DEVICE_NAME SEP000000000001' trace
	grep -qx '    PASSWORD left out' trace
	grep -qx '    KEY_SIZE 2048' trace
	grep -qE '^    PUBLIC_KEY length=294 sha256=[0-9a-f]{64}$' trace
	grep -qE '^    CERTIFICATE length=[0-9]+ sha256='"$(sha256sum <"$(ls "$SPOOL"/installed/*.der)" | cut -c 1-64)"' subject="SEP000000000001"$' trace
	refute grep -q '[^ -~]' trace
	run --separate-stderr spool-check
	assert_silent
}

@test "sessions: the same without elements; off: no folder and no process" {
	by_itself
	install_null SEP000000000001
	start
	sim SEP000000000001
	ended installed
	assert_equal "$(children capf-traces)" ""
	stop
	[ ! -e "$SPOOL/session" ]
	settings 'trace = sessions'
	phone-set SEP000000000001 --operation install --auth null
	start
	sim SEP000000000001
	ended installed
	stop
	trace SEP000000000001 >trace
	grep -q ' order operation=install$' trace
	grep -q ' sent message=STORE_CERTIFICATE_REQUEST$' trace
	grep -q ' end state=store$' trace
	refute grep -q '^ ' trace
}

# nowhere DIGITS: neither these nor their hex are in a file of the spool, but for the record.
nowhere() {
	local hex
	hex=$(printf %s "$1" | od -An -tx1 | tr -d ' \n')
	refute grep -rqE "$1|$hex" "$SPOOL" --exclude-dir=phone
	# Nor as it would look in UTF-16.
	refute grep -rqE "$(sed 's/../00&/g' <<<"$hex")" "$SPOOL" --exclude-dir=phone
}

@test "the string is in no trace, right or wrong, in whatever message it comes" {
	settings 'trace = messages' 'string-tries = 100'
	order SEP000000000001 --operation install --auth string --string 739164
	start
	odd SEP000000000001 582037 plain cut twice command short tag wide number magic long bare >answers
	odd SEP000000000099 582037 plain cut twice command short tag wide magic long bare >>answers
	odd SEP000000000001 739164 cut twice command short tag wide magic long bare >>answers
	sim SEP000000000001 --string 739164 --patience 1s
	until_true grep -q 'end state=wait' "$SPOOL"/session/SEP000000000001+*.txt
	stop
	nowhere 582037
	nowhere 739164
	# All of them are there, though.
	assert_equal "$(grep -c '^session ' "$SPOOL/session/strangers.txt")" 30
	assert_equal "$(grep -c 'PASSWORD left out' "$SPOOL/session/strangers.txt")" 14
	grep -q 'tag 99 length=8 hex=78\[digits\]00$' "$SPOOL/session/strangers.txt"
	grep -q 'KEY_SIZE length=4 hex=\[digits\]$' "$SPOOL/session/strangers.txt"
	grep -q 'malformed: has two PASSWORDs' "$SPOOL/session/strangers.txt"
	grep -q 'malformed: has an element that reaches past its end' "$SPOOL/session/strangers.txt"
	grep -q ' received message=command 77$' "$SPOOL/session/strangers.txt" || grep -q 'message="command 77"' "$SPOOL/session/strangers.txt"
	grep -q ' not-authenticated why="wrong authentication string" final=no$' "$SPOOL/session/strangers.txt"
}

@test "strangers have two files, and take no place of a device that was authenticated" {
	by_itself 'trace = messages' 'trace-max-bytes = 1048576'
	install_null SEP000000000001
	start
	sim SEP000000000001
	ended installed
	odd SEP000000000099 1 $(yes many | head -n 500) >answers
	odd SEP000000000099 1 $(yes plain | head -n 500) >answers
	stop
	traces | grep -q '^SEP000000000001+'
	assert_equal "$(traces | wc -l)" 3
	[ "$(stat -c %s "$SPOOL/session/strangers.txt")" -le 1048576 ]
	[ "$(stat -c %s "$SPOOL/session/strangers.old.txt")" -le 1048576 ]
	# The newest are there.
	awk -v RS= 'END { print }' "$SPOOL/session/strangers.txt" >last
	grep -q '^session conn=1001 ' last
	grep -q ' order operation=unknown-device' last
	run --separate-stderr spool-check
	assert_silent
}

@test "a device has its ten newest traces, and what is in all of them is bounded" {
	settings 'trace = sessions'
	install_null SEP000000000001
	start
	odd SEP000000000001 1 $(yes plain | head -n 12) >answers
	assert_equal "$(grep -c '^plain 3$' answers)" 12
	ten_there() { [ "$(traces | grep -c SEP000000000001)" -eq 10 ] && trace SEP000000000001 | grep -q 'conn=12 '; }
	until_true ten_there
	trace SEP000000000001 >all
	refute grep -qE 'conn=[12] ' all
}

@test "SIGHUP: a phone that waits is traced from then on, and not any more" {
	settings 'trace = off'
	install_null SEP000000000001
	install_null SEP000000000002
	start
	sim_later SEP000000000001
	until_true has csr 1
	again 'trace = messages'
	sign_all >/dev/null
	until_true outcome SEP000000000001 installed
	traced SEP000000000001 ' end state=store'
	trace SEP000000000001 >trace
	grep -q '^session conn=1 .*device=SEP000000000001' trace
	grep -qx '    CERTIFICATE_TYPE 1' trace
	refute grep -q AUTH_RESPONSE trace
	sim_later SEP000000000002
	traced SEP000000000002 ' state name=wait'
	again 'trace = off'
	none_left() { [ -z "$(children capf-traces)" ]; }
	until_true none_left
	trace SEP000000000002 >before
	sign_all >/dev/null
	until_true outcome SEP000000000002 installed
	trace SEP000000000002 | diff before -
}

@test "trace-devices: others are not traced, nor those who say no name" {
	by_itself 'trace = messages' 'trace-devices = SEP00000000000[x SEP1*'
	run --separate-stderr capf-serve -l 127.0.0.1:0
	assert_status 100
	assert_stderr_has "trace-devices: SEP00000000000[x is no device name"
	sed -i '$d' "$SPOOL/capf.conf"
	settings 'trace-devices = SEP000000000002 SEP1*'
	install_null SEP000000000001
	install_null SEP000000000002
	install_null SEP100000000001
	start
	for device in SEP000000000001 SEP000000000002 SEP100000000001; do
		sim $device
		ended installed
	done
	odd SEP000000000003 1 plain magic >answers
	odd SEP100000000003 1 plain >answers
	stop
	assert_equal "$(traces | sed 's/+.*//' | xargs)" "SEP000000000002 SEP100000000001 strangers.txt"
	assert_equal "$(grep -c '^session ' "$SPOOL/session/strangers.txt")" 1
}

@test "the process that writes them is killed: phones are served, it is said once, and another one goes on" {
	settings 'trace = messages'
	install_null SEP000000000001
	start
	sim_later SEP000000000001
	traced SEP000000000001 ' state name=wait'
	local first
	first=$(children capf-traces)
	kill -KILL $first
	# One look: between two, the first may go.
	another() {
		local now
		now=$(children capf-traces)
		[ "${now:-$first}" != "$first" ]
	}
	until_true another
	assert_equal "$(grep -c 'event=error what="traces are missing"' log)" 1
	sign_all >/dev/null
	until_true outcome SEP000000000001 installed
	traced SEP000000000001 ' end state=store'
	assert_equal "$(traces | wc -l)" 2
}

@test "keep-trace sweeps traces, and what is no name of session/ is told" {
	by_itself 'trace = sessions'
	install_null SEP000000000001
	start
	sim SEP000000000001
	ended installed
	stop
	spool-check --repair -P "$(date -d '+29 days' +%s)"
	has session 1
	spool-check --repair -P "$(date -d '+31 days' +%s)"
	has session 0
	(umask 077 && touch "$SPOOL/session/SEP1.txt" "$SPOOL/session/strangers.txt")
	run --separate-stderr spool-check
	assert_status 1
	assert_output $'session/SEP1.txt\tnot a name of the spool'
}
