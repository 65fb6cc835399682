# SPDX-License-Identifier: ISC
# What a process could do that hostile bytes have taken over: test/captive/captive.c is linked into the real
# programs and tries it from within the real children, in the place where bytes are unpacked, parsed and
# signed. Then what such a process could say, and what happens on a kernel that cannot confine it.
load ../helper
load ../serving
load ../online_est

CAPTIVE=$OBJ/captive
REFUSALS=passwd,make,signal
DEADLY="inet unix connect fork ptrace memory exec"

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	new_spool base
	ten_wait base
	new_spool empty
	tar czf one.der.tgz -C "$FIX/der" SEP000000000001.der
	tar czf one.csr.tgz -C "$FIX/csr" SEP000000000001.csr
	csr-dump -s base --manifest -o signed.tgz
}

# fresh [SPOOL]: a spool for the next case.
fresh() {
	rm -rf "$SPOOL"
	cp -a "$BATS_FILE_TMPDIR/${1:-base}" "$SPOOL"
	spool_state >before
}

# captive PROGRAM: one that works on one certificate or request, with the environment that is set.
captive() {
	fresh "$([ "$1" = csr-add ] && echo empty || echo base)"
	rm -f out.tgz log captured executed
	case $1 in
	cert-import) set -- "$1" -j 1 -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz" ;;
	csr-sign) set -- "$1" -j 1 -c "$FIX/root.pem" -k "$FIX/root.key" -l log -o out.tgz \
	    "${CAPTIVE_ARCHIVE:-$BATS_FILE_TMPDIR/one.csr.tgz}" "${@:2}" ;;
	csr-add) set -- "$1" -s "$SPOOL" "$BATS_FILE_TMPDIR/one.csr.tgz" ;;
	esac
	run --separate-stderr timeout 120 "$CAPTIVE/$1" "${@:2}"
}

# unchanged: nothing came of it.
unchanged() {
	spool_state | diff before - || fail "the spool has changed" "$(show_run)"
	[ ! -e out.tgz ] || fail "an archive was written" "$(show_run)"
	[ ! -s log ] || fail "something was logged" "$(cat log)"
	[ ! -e captured ] && [ ! -e executed ]
}

# confined PROGRAM PLACE [ARGUMENT...]: nothing works there.
confined() {
	local what denied=$REFUSALS line
	if sanitized; then
		denied=passwd,make		# a leak checker needs signals
	fi
	CAPTIVE_IN=$2 CAPTIVE_TRY=$denied,limit captive "$1" "${@:3}"
	assert_status 0
	assert_stderr_has "captive: limit: Function not implemented"
	assert_stderr_has "captive: passwd: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	sanitized || assert_stderr_has "captive: signal: Function not implemented"
	[ ! -e captured ]
	# Not even whether a file is there.
	CAPTIVE_IN=$2 CAPTIVE_TRY=stat captive "$1" "${@:3}"
	sanitized || assert_stderr_has "captive: stat: Function not implemented"
	for what in $DEADLY; do
		if sanitized && [[ $what == fork || $what == ptrace || $what == memory ]]; then
			continue
		fi
		CAPTIVE_IN=$2 CAPTIVE_TRY=$what captive "$1" "${@:3}"
		[[ $stderr == *"captive: $what: tried"* ]] || fail "$what: it lives on" "$(show_run)"
		assert_status 1
		assert_equal "$output" ""
		assert_stderr_line_count 2
		grep -q "^$1: [^ ]*: .*do what it may not: it was stopped; no" <<<"$stderr" || fail "$(show_run)"
		unchanged
	done
}

# free PROGRAM PLACE [ARGUMENT...]: without the sandbox all of it works.
free() {
	local what
	CAPTIVE_OFF=1 CAPTIVE_IN=$2 CAPTIVE_TRY=$REFUSALS,limit,stat,${DEADLY// /,} captive "$1" "${@:3}"
	for what in ${REFUSALS//,/ } limit stat ${DEADLY% exec}; do
		assert_stderr_has "captive: $what: done"
	done
	[ -e captured ] && [ -e executed ] || fail "it could not execute a program" "$(show_run)"
}

@test "who unpacks can open, reach, start and trace nothing" {
	local program
	for program in cert-import csr-sign csr-add; do
		echo "$program"
		confined $program reader
	done
}

@test "who parses and signs can open, reach, start and trace nothing" {
	local program
	for program in cert-import csr-sign csr-add; do
		echo "$program"
		confined $program judge
	done
}

@test "who checks a manifest can open, reach, start and trace nothing" {
	CAPTIVE_ARCHIVE=$BATS_FILE_TMPDIR/signed.tgz
	free csr-sign checker -m -r "$BATS_FILE_TMPDIR/base/ca/CAPF.cer"
	CAPTIVE_IN=checker CAPTIVE_TRY=passwd,make captive csr-sign -m -r "$BATS_FILE_TMPDIR/base/ca/CAPF.cer"
	assert_status 0
	assert_stderr_has "captive: passwd: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	CAPTIVE_IN=checker CAPTIVE_TRY=inet captive csr-sign -m -r "$BATS_FILE_TMPDIR/base/ca/CAPF.cer"
	assert_status 1
	assert_stderr_has "captive: inet: tried"
	assert_stderr_has "signature of SHA256SUMS cannot be checked; no archive was written"
	assert_stderr_line_count 2
	unchanged
}

# asks WHAT [ENVIRONMENT...]: a process that speaks with a CA tries this, in the midst of a run that is sound otherwise.
asks() {
	fresh
	rm -f out.tgz captured executed
	run --separate-stderr env CAPF_SPOOL="$SPOOL" CAPTIVE_IN=asking CAPTIVE_TRY="$1" "${@:2}" timeout 120 \
	    "$CAPTIVE/csr-submit" -s "$SPOOL" -O type=est -O url="https://localhost:$PORT" -O ca-file=tls-ca.pem \
	    -O parallel=1 -o out.tgz "$BATS_FILE_TMPDIR/one.csr.tgz"
}

@test "who speaks with a CA can open nothing of the spool, make no file, run and trace nothing" {
	local what denied=capf-key,make deadly='ptrace exec'
	if sanitized; then
		deadly=exec		# a leak checker needs the others
	fi
	est_place
	est_start
	asks $denied
	assert_status 0
	assert_stderr_has "captive: capf-key: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	[ ! -e captured ]
	tar tzf out.tgz >list
	assert_equal "$(cat list)" SEP000000000001.der
	for what in $deadly; do
		asks $what
		assert_stderr_has "captive: $what: tried"
		# Nothing had left yet, and the process that died is replaced.
		assert_status 0
	done
	[ ! -e executed ]
	# Or these attempts would prove nothing.
	asks "$denied,exec" CAPTIVE_OFF=1
	assert_stderr_has "captive: capf-key: done"
	[ -e captured ]
	[ -e executed ]
	est_stop
}

@test "who writes can open nothing else, and start nothing" {
	local program what
	for program in cert-import csr-sign csr-add; do
		CAPTIVE_IN=parent CAPTIVE_TRY=passwd captive $program
		assert_status 0
		assert_stderr_has "captive: passwd: Permission denied"
		for what in inet exec; do
			CAPTIVE_IN=parent CAPTIVE_TRY=$what captive $program
			assert_status $((128 + 31))
		done
		CAPTIVE_OFF=1 CAPTIVE_IN=parent CAPTIVE_TRY=passwd,inet,exec captive $program
		[ -e executed ]
	done
}

@test "who reads a trust list can open nothing else, make no file but the list, and start nothing" {
	local what
	fresh
	mkdir tftp
	export CAPF_SPOOL=$SPOOL
	reads() {
		run --separate-stderr env CAPTIVE_IN=parent CAPTIVE_TRY="$1" "${@:2}" "$CAPTIVE/ctl-make" -k "$FIX/root.key" \
		    --sast "$FIX/root.pem" tftp/ITLFile.tlv
	}
	shows() {
		run --separate-stderr env CAPTIVE_IN=parent CAPTIVE_TRY="$1" "${@:2}" "$CAPTIVE/ctl-show" tftp/ITLFile.tlv
	}
	reads passwd,make
	assert_status 0
	assert_stderr_has "captive: passwd: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	shows passwd,make,capf-key
	assert_status 0
	assert_stderr_has "captive: passwd: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	assert_stderr_has "captive: capf-key: Permission denied"
	for what in inet exec; do
		reads $what
		assert_status $((128 + 31))
		shows $what
		assert_status $((128 + 31))
	done
	[ ! -e captured ]
	[ ! -e executed ]
	for what in reads shows; do
		rm -f executed captured
		$what passwd,make,inet,exec CAPTIVE_OFF=1
		[ -e executed ]
		[ -e captured ]
	done
}

@test "without the sandbox they could: the attempts are no dummies" {
	local program place
	for program in cert-import csr-sign csr-add; do
		for place in reader judge; do
			echo "$program $place"
			free $program $place
		done
	done
}

@test "what confined processes print comes to nobody" {
	local program place
	for program in cert-import csr-sign csr-add; do
		for place in reader judge; do
			CAPTIVE_IN=$place CAPTIVE_TRY=speak captive $program
			assert_status 0
			# A sanitizer has to say what it has found.
			sanitized || assert_equal "$stderr" "captive: speak: done"
		done
	done
	CAPTIVE_OFF=1 CAPTIVE_IN=reader CAPTIVE_TRY=speak captive cert-import
	assert_stderr_has "cert-import: all is well"
}

@test "who loops over an entry ends: one line says over which, and nothing is taken" {
	local program entry
	export CAPTIVE_TRY=spin CAPTIVE_SECONDS=1
	for program in cert-import csr-sign csr-add; do
		CAPTIVE_IN=judge captive $program
		entry=$([ $program = cert-import ] && echo SEP000000000001.der || echo SEP000000000001.csr)
		assert_status 1
		assert_equal "$output" ""
		assert_stderr_line_count 2
		assert_stderr_has "$program: $entry: takes more processor time than an honest one could; no"
		unchanged
	done
	entry=$(tar tzf "$FIX/csr.tgz" | sed -n 7p)
	CAPTIVE_ARCHIVE=$FIX/csr.tgz CAPTIVE_IN=judge CAPTIVE_LATER=6 captive csr-sign
	assert_status 1
	assert_stderr_has "csr-sign: ${entry#./}: takes more processor time"
	unchanged
	CAPTIVE_IN=reader captive csr-add
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "one.csr.tgz: takes more processor time than an honest one could; nothing was taken"
	unchanged
}

@test "who sleeps is waited for, and each entry has its own time" {
	export CAPTIVE_SECONDS=1
	CAPTIVE_IN=judge CAPTIVE_TRY=sleep captive cert-import
	assert_status 0
	assert_output_has "accepted	SEP000000000001.der"
	assert_stderr_has "captive: sleep: done"
	# Ten entries.
	CAPTIVE_ARCHIVE=$FIX/csr.tgz CAPTIVE_IN=judge CAPTIVE_BURN=200 captive csr-sign
	assert_silent
	assert_equal "$(wc -l <log)" 10
}

# lied PROGRAM PLACE LIE: the parent does not believe it, and nothing comes of it.
lied() {
	CAPTIVE_IN=$2 CAPTIVE_LIE=$3 captive "$1"
	# csr-add has told of what was refused before.
	[ "$status" -eq 111 ] && [ "${#stderr_lines[@]}" -eq 1 ] && [ -z "$(grep -v ^refused <<<"$output")" ] ||
	    fail "$1, $2: $3" "$(show_run)"
	grep -Eq "^$1: [^ ]+: cannot .*: (Protocol error|Broken pipe)$" <<<"$stderr" || fail "$3" "$(show_run)"
	unchanged
}

@test "an unpacking process that does not keep to the form is not believed" {
	local program lie
	for program in cert-import csr-sign csr-add; do
		for lie in huge torn kind data files large long-name nul-name unnamed; do
			if [ "$program,$lie" = cert-import,unnamed ]; then
				printf 'import-max-entries = 9\n' >>"$BATS_FILE_TMPDIR/base/capf.conf"
			fi
			lied $program reader $lie
			sed -i /import-max/d "$BATS_FILE_TMPDIR/base/capf.conf"
		done
	done
}

@test "an unpacking process that says more than the limits is not believed" {
	local spool
	for spool in base empty; do
		cp "$BATS_FILE_TMPDIR/$spool/capf.conf" $spool.conf
		printf 'import-max-entries = 9\nimport-max-total-bytes = 500000\n' \
		    >>"$BATS_FILE_TMPDIR/$spool/capf.conf"
	done
	lied cert-import reader many
	lied csr-add reader many
	lied cert-import reader bytes
	lied csr-add reader bytes
	for spool in base empty; do
		cp $spool.conf "$BATS_FILE_TMPDIR/$spool/capf.conf"
	done
}

@test "an unpacking process that ends before all files were read is not believed" {
	fresh empty
	CAPTIVE_IN=reader CAPTIVE_LIE=early run --separate-stderr "$CAPTIVE/csr-add" -s "$SPOOL" \
	    "$BATS_FILE_TMPDIR/one.csr.tgz" "$FIX/csr.tgz"
	assert_status 111
	assert_stderr_line_count 1
	unchanged
}

@test "a judging process that does not keep to the form is not believed" {
	local program lie
	for program in cert-import csr-sign csr-add; do
		for lie in serial time frame unread huge fewer tail bool spki more; do
			lied $program judge $lie
		done
	done
}

@test "a judging process cannot choose a file's name, nor write a line of a log" {
	local lie
	for lie in slash newline; do
		lied csr-add judge $lie
		lied csr-sign judge $lie
		# Here its word only finds a request, or none.
		CAPTIVE_IN=judge CAPTIVE_LIE=$lie captive cert-import
		assert_status 1
		assert_line_count 1
		assert_output_has "its subject does not name SEP000000000001"
		unchanged
	done
}

@test "what either says of names and reasons is escaped, and is of the entry it was asked about" {
	local program place
	for program in cert-import csr-sign csr-add; do
		for place in reader judge; do
			CAPTIVE_IN=$place CAPTIVE_LIE=escape captive $program
			assert_status 1
			assert_printable
			[[ $output$stderr == *'y\x0aaccepted'* ]] || fail "$program, $place" "$(show_run)"
			[ $((${#lines[@]} + ${#stderr_lines[@]})) -le 2 ] || fail "$program, $place" "$(show_run)"
			unchanged
		done
	done
	CAPTIVE_IN=judge CAPTIVE_LIE=entry captive cert-import
	assert_status 0
	assert_output_has "accepted	SEP000000000001.der	"
}

@test "csr-add takes more files than a process can open, and FIFOs whose writer comes to them one by one" {
	local i files=()
	fresh empty
	for i in {1..250}; do
		cp "$FIX/csr/SEP000000000001.csr" $i.csr
		files+=($i.csr)
	done
	run --separate-stderr bash -c 'ulimit -n 200 && exec csr-add -s "$0" "$@"' "$SPOOL" "${files[@]}"
	assert_status 0
	assert_line_count 250
	fresh empty
	mkfifo first second
	# More than a pipe holds: the second is not opened before the first was read.
	(tar cf - -C "$FIX/csr" --record-size=262144 SEP000000000001.csr >first
	    tar cf - -C "$FIX/csr" SEP000000000002.csr >second) 3>&- &
	echo $! >>pids
	run --separate-stderr timeout 60 csr-add -s "$SPOOL" first second absent 3.csr
	assert_status 1
	assert_line_count 3
	assert_stderr_has "csr-add: absent: cannot open: No such file or directory"
}

# --- The server's processes.

# hostile PLACE TRY [ARGUMENT...]: a server, one of whose processes tries that: a worker when somebody connects, which
# has been so when this is over, an issuing process when it is asked for a certificate, a records process when it has a
# record to save.
hostile() {
	: >log
	CAPTIVE_IN=$1 CAPTIVE_TRY=$2 "$CAPTIVE/capf-serve" -l 127.0.0.1:0 "${@:3}" </dev/null >out 2>log 3>&- &
	started
	if [ "$1" = worker ]; then
		connect
	fi
}
connect() {
	exec 8<>"/dev/tcp/127.0.0.1/${PORT##*:}"
	exec 8>&-
	until_true grep -Eq 'event=closed|event=error' log
}
# told WHAT ANSWER: what became of it, once the server has ended.
told() {
	grep -qx "captive: $1: $2" log || fail "wanted: $1: $2" "$(cat log)"
}
no_call="Function not implemented"

@test "a worker ends no listener, connects nowhere, and changes no limit of another process" {
	by_itself
	install_null SEP000000000001
	local what
	hostile worker limit,listener,fast-open,fast-message,filter
	# The listener is as it was.
	sim SEP000000000001
	ended installed
	stop
	for what in limit listener fast-open fast-message filter; do
		told $what "$no_call"
	done
	if ! sanitized; then
		hostile worker block
		stop
		told block "$no_call"
	fi
	export CAPTIVE_OFF=1
	for what in limit listener fast-open fast-message filter block; do
		hostile worker $what
		stop
		if [ $what = filter ] && [ "$(filters)" = no ]; then
			told filter "Operation not permitted"
		else
			told $what "done"
		fi
	done
}
# May this user give a socket a filter? Some kernels let root alone.
filters() {
	python3 - <<-'EOT'
	import ctypes, socket, struct
	nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
	try:
	    socket.socket().setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(nothing)))
	    print("yes")
	except PermissionError:
	    print("no")
	EOT
}

@test "a worker can append to the journal, and change nothing that is there" {
	by_itself
	install_null SEP000000000001
	local what tries=empty,punch,map,chmod
	sanitized || tries+=,rewrite
	cp "$SPOOL/journal" before.journal
	hostile worker $tries
	sim SEP000000000001
	ended installed
	stop
	for what in empty punch chmod; do
		told $what "$no_call"
	done
	told map "Permission denied"
	sanitized || told rewrite "$no_call"
	# What it had to say is behind what was there.
	cmp before.journal <(head -c "$(stat -c %s before.journal)" "$SPOOL/journal")
	grep -q "	capf-serve	installed	SEP000000000001" "$SPOOL/journal"
	assert_equal "$(stat -c %a "$SPOOL/journal")" 600
	export CAPTIVE_OFF=1
	for what in empty punch rewrite; do
		cp before.journal "$SPOOL/journal"
		hostile worker $what
		stop
		told $what "done"
		refute cmp -s before.journal <(head -c "$(stat -c %s before.journal)" "$SPOOL/journal")
	done
	# Open for writing alone it cannot be mapped.
	hostile worker map,chmod
	stop
	told map "Permission denied"
	told chmod "done"
}

@test "a worker cannot change what other workers say of themselves" {
	local pids
	hostile worker silence -w 2
	stop
	told silence "Permission denied"
	if sanitized; then
		return
	fi
	# It writes there all the same, and dies of that alone.
	hostile worker scribble -w 2
	until_true grep -q 'event=error what="a worker ended" number=[12] why="signal 11"' log
	stop
	told scribble tried
	assert_equal "$(grep -c 'event=error' log)" 1
}

@test "a worker sends to its syslog, and to nobody else" {
	cat >sockets.py <<-'PY'
	import select, socket
	both = {}
	for name in ('log.socket', 'other.socket'):
	    both[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	    both[name].bind(name)
	open('bound', 'w')
	while True:
	    for s in select.select(list(both.values()), [], [])[0]:
	        name = [n for n in both if both[n] is s][0]
	        open(name[:-7], 'ab', buffering=0).write(s.recv(4096) + b'\n')
	PY
	python3 sockets.py 3>&- &
	echo $! >>pids
	until_true test -e bound
	export CAPTIVE_TO=$PWD/other.socket
	for off in '' 1; do
		: >log
		env ${off:+CAPTIVE_OFF=1} CAPTIVE_IN=worker CAPTIVE_TRY=send "$CAPTIVE/capf-serve" -l 127.0.0.1:0 \
		    -L "syslog:$PWD/log.socket" </dev/null >out 2>errors 3>&- &
		started
		connect
		stop
		# All that it said before is there, too.
		until_true grep -q event=stopping log
		if [ -z "$off" ]; then
			grep -qx "captive: send: $no_call" errors || fail "$(cat errors)"
			[ ! -e other ]
		else
			grep -qx "captive: send: done" errors || fail "$(cat errors log)"
			until_true grep -qx captured other
		fi
	done
}

@test "an issuing process can open, reach, start and change nothing" {
	by_itself
	install_null SEP000000000001
	local what
	hostile issuing passwd,make,limit
	sim SEP000000000001
	ended installed
	stop
	told passwd "Permission denied"
	told make "Permission denied"
	told limit "$no_call"
	[ ! -e captured ]
	for what in inet unix connect exec; do
		phone-set SEP000000000001 --operation install --auth null
		hostile issuing $what
		sim SEP000000000001
		ended installed
		# The next one gave it.
		grep -q 'event=error what="the issuing process ended"' log
		stop
		told $what tried
	done
	[ ! -e executed ]
	phone-set SEP000000000001 --operation install --auth null
	export CAPTIVE_OFF=1
	hostile issuing passwd,make,limit,inet,unix,connect
	sim SEP000000000001
	stop
	for what in passwd make limit inet unix connect; do
		told $what "done"
	done
}

# asked_for DEVICE: a phone comes, and its worker asks for another device's certificate.
asked_for() {
	phone-set SEP000000000001 --operation install --auth null
	: >log
	CAPTIVE_ASK=$1 "$CAPTIVE/capf-serve" -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	sim SEP000000000001
	ended "$2"
	stop
}

@test "a worker gets no certificate for a device that has no order for one" {
	by_itself
	install_null SEP000000000001
	asked_for SEP000000000099 refused
	grep -q 'the issuing process knows no such device' log
	phone-add SEP000000000002
	asked_for SEP000000000002 refused
	grep -q 'no order to install that is pending' log
	# Another operation, an order that is done, one that has failed, one that is too late.
	phone-set SEP000000000002 --operation delete --auth null
	asked_for SEP000000000002 refused
	phone-set SEP000000000002 --operation install --auth null
	start
	sim SEP000000000002
	ended installed
	stop
	asked_for SEP000000000002 refused
	phone-set SEP000000000002 --operation install --auth null
	printf 'scheduled = %s\nstatus = failed\nreason = x\n' \
	    "$(sed -En 's/^(scheduled|order) = //p' "$SPOOL/phone/SEP000000000002.conf" | tail -n 1)" >"$SPOOL/phone/SEP000000000002.state"
	assert_equal "$(state SEP000000000002)" failed
	asked_for SEP000000000002 refused
	phone-set SEP000000000002 --operation install --auth null
	sed -i 's/^complete-by = .*/complete-by = 2020-01-01T00:00:00Z/' "$SPOOL/phone/SEP000000000002.conf"
	assert_equal "$(state SEP000000000002)" failed
	asked_for SEP000000000002 refused
	refute grep -q "SEP000000000002.*issued" log
	# The mechanism is no dummy: with an order it is signed, and the worker has it.
	phone-set SEP000000000002 --operation install --auth null
	: >log
	CAPTIVE_ASK=SEP000000000002 "$CAPTIVE/capf-serve" -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001
	ended refused
	assert_stderr_has "the certificate is another device's"
	grep -q 'event=issued device=SEP000000000001' log
	openssl x509 -inform DER -noout -subject -in "$(find "$SPOOL" -name 'SEP000000000001+*.der' | sort -t+ -k2 |
	    tail -n 1)" >subject
	grep -q "CN *= *SEP000000000002" subject
	stop
}

# --- A worker and the phones' records. CAPTIVE_ASK names the device that it is after.

@test "a worker cannot read, write, make, replace or delete a record, nor what others are just writing" {
	local tries=read-record,write-record,make-record,rename-record,link-record,swap,stage,unlink-record what issuer
	export CAPTIVE_ASK=SEP000000000002
	install_null SEP000000000001
	order SEP000000000002 --operation install --auth string --string 123456
	# Another program's stage, which is locked while that lives.
	mkdir -m 700 "$SPOOL/tmp/0123456789abcdef"
	echo original >"$SPOOL/tmp/0123456789abcdef/record"
	exec 7<"$SPOOL/tmp/0123456789abcdef"
	flock 7
	cp -r "$SPOOL/phone" before.phone
	for issuer in offline capf; do
		if [ $issuer = capf ]; then
			by_itself
		fi
		hostile worker $tries
		stop
		for what in read-record write-record make-record swap stage unlink-record; do
			told $what "Permission denied"
		done
		# Renaming and linking between folders has an answer of its own.
		for what in rename-record link-record; do
			grep -Eqx "captive: $what: (Permission denied|Invalid cross-device link)" log || fail "$what" "$(cat log)"
		done
		# The forgery was there to be used.
		grep -q "auth = null" "$SPOOL/csr/forged"
		rm "$SPOOL/csr/forged"
		diff -r -x .lock before.phone "$SPOOL/phone"
		assert_equal "$(cat "$SPOOL/tmp/0123456789abcdef/record")" original
	done
	export CAPTIVE_OFF=1
	for what in read-record write-record make-record swap stage; do
		hostile worker $what
		stop
		told $what "done"
	done
	for what in rename-record link-record unlink-record; do
		hostile worker $what
		stop
		told $what "done"
	done
	[ ! -e "$SPOOL/phone/SEP000000000002.conf" ]
	exec 7<&-
}

# after_forging TRY: a phone comes, and its worker forges the record of SEP000000000002 so, then asks for that device's
# certificate, which the phone would not take.
after_forging() {
	phone-set SEP000000000001 --operation install --auth null
	: >log
	CAPTIVE_IN=worker CAPTIVE_TRY=$1 CAPTIVE_ASK=SEP000000000002 "$CAPTIVE/capf-serve" -l 127.0.0.1:0 </dev/null >out \
	    2>log 3>&- &
	started
	sim SEP000000000001
	ended refused
	stop
}
# names_other: has the spool a certificate for SEP000000000002?
names_other() {
	local file
	for file in $(find "$SPOOL" -name '*.der'); do
		if openssl x509 -inform DER -noout -subject -in "$file" | grep -q "CN *= *SEP000000000002"; then
			return 0
		fi
	done
	return 1
}

@test "a worker that forges a record gets no certificate for another device" {
	local what
	by_itself
	install_null SEP000000000001
	for what in write-record rename-record; do
		phone-add -u SEP000000000002
		after_forging $what
		grep -q 'no order to install that is pending' log
		refute names_other
		# Without the sandbox the same gives it: the attack is one.
		export CAPTIVE_OFF=1
		after_forging $what
		told $what "done"
		names_other
		unset CAPTIVE_OFF
		phone-del SEP000000000002
		find "$SPOOL" -name '*.der' -delete
	done
}

@test "a worker that has not got the string, or the proof, from a phone gets no certificate" {
	by_itself
	install_null SEP000000000001
	order SEP000000000002 --operation install --auth string --string 123456
	asked_for SEP000000000002 refused
	grep -q 'its phone has not sent the authentication string' log
	# That the phone has sent it for an order before is no help.
	start
	sim SEP000000000002 --string 123456 --keys keys/rsa2.pem --lsc-out 2.pem
	ended installed
	stop
	refute grep -q authenticated "$SPOOL/phone/SEP000000000002.state"
	phone-set SEP000000000002 --operation install --auth string --string 654321
	asked_for SEP000000000002 refused
	grep -q 'its phone has not sent the authentication string' log
	# With a certificate: none, or that of the phone that is here.
	phone-set SEP000000000002 --operation install --auth existing-lsc
	asked_for SEP000000000002 refused
	grep -q 'its phone has not authenticated with a certificate' log
	start
	phone-set SEP000000000001 --operation install --auth null
	sim SEP000000000001 --keys keys/rsa1.pem --lsc-out 1.pem
	ended installed
	stop
	phone-set SEP000000000001 --operation install --auth existing-lsc
	: >log
	CAPTIVE_ASK=SEP000000000002 "$CAPTIVE/capf-serve" -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	sim SEP000000000001 --mode existing-lsc --lsc 1.pem --lsc-key keys/rsa1.pem
	ended refused
	stop
	grep -q 'event=failed device=SEP000000000001 failure=no-certificate.*why="is another device.s certificate"' log
	# Phones that do prove it have theirs.
	start
	sim SEP000000000001 --mode existing-lsc --lsc 1.pem --lsc-key keys/rsa1.pem
	ended installed
	sim SEP000000000002 --mode existing-lsc --lsc 2.pem --lsc-key keys/rsa2.pem
	ended installed
}

@test "a worker learns no string, and gets no more guesses than a phone" {
	# After a lock another string is wanted.
	local what digit=$((RANDOM % 5))
	export CAPTIVE_ASK=SEP000000000002
	printf 'string-tries = 3\n' >>"$SPOOL/capf.conf"
	phone-add SEP000000000001
	for what in guess guess-at-once; do
		order SEP000000000002 --operation install --auth string --string 70003$digit
		digit=$((digit + 5))
		hostile worker learn,$what
		stop
		told learn "Operation not permitted"
		told $what "Operation not permitted"
		assert_equal "$(state SEP000000000002)" failed
		grep -qx "wrong-strings = 3" "$SPOOL/phone/SEP000000000002.state"
		grep -qx "locked = yes" "$SPOOL/phone/SEP000000000002.state"
	done
}

@test "a worker brings no order back that has ended, and gives none" {
	export CAPTIVE_ASK=SEP000000000002
	order SEP000000000002 --operation install --auth null
	printf 'scheduled = %s\nstatus = failed\nreason = x\n' \
	    "$(sed -En 's/^(scheduled|order) = //p' "$SPOOL/phone/SEP000000000002.conf" | tail -n 1)" >"$SPOOL/phone/SEP000000000002.state"
	cp -r "$SPOOL/phone" before.phone
	hostile worker revive
	stop
	told revive "Operation not permitted"
	diff -r -x .lock before.phone "$SPOOL/phone"
	phone-set SEP000000000002 --operation install --auth null
	hostile worker order
	stop
	told order "Operation not permitted"
	assert_equal "$(state SEP000000000002)" pending
}

@test "what is no request ends the records process and its worker, and both are started again" {
	local what
	export CAPTIVE_ASK=SEP000000000001
	by_itself
	for what in publish escape invent; do
		install_null SEP000000000001
		hostile worker $what
		until_true grep -q 'event=error what="a worker ended"' log
		grep -q 'event=error what="cannot go on" why="the records process ended"' log
		sim SEP000000000001 --retry 20 --time-scale 30
		ended installed
		stop
		told $what "Broken pipe"
	done
}

@test "a records process opens records and folders in tmp/, and no more" {
	local what
	by_itself
	order SEP000000000001 --operation install --auth string --string 123456
	hostile records passwd,make,limit
	sim SEP000000000001 --string 123456
	ended installed
	stop
	told passwd "Permission denied"
	told make "Permission denied"
	told limit "$no_call"
	for what in inet unix connect exec; do
		phone-set SEP000000000001 --operation install --auth null
		hostile records $what
		sim SEP000000000001 --retry 20 --time-scale 30
		ended installed
		grep -q 'event=error what="cannot go on" why="the records process ended"' log
		stop
		told $what tried
	done
	export CAPTIVE_OFF=1
	phone-set SEP000000000001 --operation install --auth null
	hostile records passwd,make,limit,inet,unix,connect
	sim SEP000000000001
	stop
	for what in passwd make limit inet unix connect; do
		told $what "done"
	done
}

@test "a worker opens no trace, chooses no name of one, and fills no disk with them" {
	local what
	printf '%s\n' 'trace = messages' 'trace-max-bytes = 1048576' >>"$SPOOL/capf.conf"
	by_itself
	install_null SEP000000000001
	hostile worker open-trace,flood-traces
	sim SEP000000000001
	ended installed
	stop
	told open-trace "Permission denied"
	told flood-traces "done"
	[ "$(du -sk --exclude='strangers*' "$SPOOL/session" | cut -f 1)" -le 1040 ]
	[ "$(du -sk "$SPOOL/session" | cut -f 1)" -le 3100 ]
	[ -z "$(find "$SPOOL/session" -size +65536c ! -name 'strangers*')" ]
	for what in misname-trace lie-trace; do
		phone-set SEP000000000001 --operation install --auth null
		hostile worker $what
		sim SEP000000000001
		ended installed
		stop
		told $what "done"
		[ -z "$(find "$SPOOL" -name '*captured*')" ]
		refute grep -rq captured "$SPOOL"
	done
	run --separate-stderr spool-check
	assert_silent
	export CAPTIVE_OFF=1
	hostile worker open-trace
	stop
	told open-trace "done"
}

@test "the process of traces opens files in session/, and no more" {
	local what
	printf '%s\n' 'trace = messages' >>"$SPOOL/capf.conf"
	by_itself
	install_null SEP000000000001
	hostile traces passwd,make,limit
	sim SEP000000000001
	ended installed
	stop
	told passwd "Permission denied"
	told make "Permission denied"
	told limit "$no_call"
	for what in inet unix connect exec; do
		phone-set SEP000000000001 --operation install --auth null
		hostile traces $what
		sim SEP000000000001
		ended installed
		until_true grep -q 'event=error what="traces are missing"' log
		stop
		told $what tried
	done
	export CAPTIVE_OFF=1
	phone-set SEP000000000001 --operation install --auth null
	hostile traces passwd,make,limit,inet,unix,connect
	sim SEP000000000001
	stop
	for what in passwd make limit inet unix connect; do
		told $what "done"
	done
}

@test "without issuer = capf a worker gets no issuing process, and loses the one it has" {
	install_null SEP000000000001
	hostile worker wanted
	# Twice round: the master has heard it by then.
	for i in 1 2; do
		kill -HUP $SERVER
		until_true eval '[ $(grep -c event=reloaded log) -eq $i ]'
		assert_equal "$(children capf-issuing)" ""
	done
	stop
	told wanted "done"
	by_itself
	start
	sim SEP000000000001
	ended installed
	local issuing=$(children capf-issuing)
	[ -n "$issuing" ]
	sed -i 's/^issuer = capf/issuer = offline/' "$SPOOL/capf.conf"
	kill -HUP $SERVER
	until_true gone $issuing
	until_true grep -q event=reloaded log
}

# --- Who holds a key.

# guarded COMMAND...: each signature that it makes is made where others of the user cannot read.
guarded() {
	LD_PRELOAD=$PRELOAD "$@" 2>signing >/dev/null
	grep -qx "signatures: some, where others can read: 0" signing || fail "$*" "$(cat signing)"
}

@test "who holds a key cannot be traced, read or dumped by others of his user" {
	cc -shared -fPIC -O1 -o dumpable.so "$TESTDIR/data/dumpable.c" -ldl
	PRELOAD=$PWD/dumpable.so
	if sanitized; then
		PRELOAD=$(cc -print-file-name=libasan.so):$PRELOAD
	fi
	fresh
	guarded capf-init -s new
	guarded capf-init --renew -s new
	guarded ca-init -n CN=x made
	guarded ca-init -n CN=y -c made.pem -k made.key below
	guarded ctl-make -s "$SPOOL" -k "$FIX/root.key" --sast "$FIX/root.pem" ITLFile.tlv
	guarded csr-dump -s "$SPOOL" --manifest -o dumped.tgz
	guarded csr-sign -j 2 -c "$FIX/root.pem" -k "$FIX/root.key" -o out.tgz dumped.tgz
	by_itself
	install_null SEP000000000001
	: >log
	LD_PRELOAD=$PRELOAD capf-serve -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	sim SEP000000000001
	ended installed
	stop
	grep -qx "signatures: some, where others can read: 0" log
	# What that is worth: another process of the user, without rights of its own.
	local user=() pid
	if [ "$(id -u)" -eq 0 ]; then
		user=(setpriv --bounding-set=-all --inh-caps=-all --no-new-privs)
	fi
	: >log
	"${user[@]}" capf-serve -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	[ -n "$(children capf-issuing)" ]
	[ -n "$(children capf-records)" ]
	for pid in $(children capf-worker) $(children capf-issuing) $(children capf-records); do
		refute "${user[@]}" head -c 1 /proc/$pid/environ
	done
	"${user[@]}" head -c 1 /proc/$SERVER/environ >seen
	[ -s seen ]
	stop
}

# --- A kernel that lacks it.

@test "a kernel without Landlock or seccomp: said in one line, and the work is done" {
	local lack words
	while read -r lack words; do
		fresh
		run --separate-stderr "$CAPTIVE/lacking" $lack cert-import -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz"
		assert_status 0
		assert_output_has "accepted	SEP000000000001.der"
		assert_equal "$stderr" "cert-import: sandbox: this kernel lacks $words; going on without"
	done <<-'END'
		landlock Landlock
		seccomp seccomp
		both Landlock, seccomp
	END
	fresh
	run --separate-stderr "$CAPTIVE/lacking" landlock csr-sign --require-sandbox -c "$FIX/root.pem" \
	    -k "$FIX/root.key" -o out.tgz -l log "$BATS_FILE_TMPDIR/one.csr.tgz"
	assert_status 100
	[ ! -e out.tgz ] && [ ! -e log ]
}

@test "what the kernel does have confines all the same" {
	fresh
	CAPTIVE_IN=judge CAPTIVE_TRY=passwd run --separate-stderr "$CAPTIVE/lacking" landlock \
	    "$CAPTIVE/cert-import" -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz"
	sanitized || assert_stderr_has "captive: passwd: Permission denied"
	fresh
	CAPTIVE_IN=judge CAPTIVE_TRY=exec run --separate-stderr "$CAPTIVE/lacking" landlock \
	    "$CAPTIVE/cert-import" -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz"
	assert_status 1
	assert_stderr_has "captive: exec: tried"
	# Without seccomp nothing keeps a process with a bare descriptor limit from executing; from opening, much.
	fresh
	CAPTIVE_IN=judge CAPTIVE_TRY=passwd,make run --separate-stderr "$CAPTIVE/lacking" seccomp \
	    "$CAPTIVE/cert-import" -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz"
	refute_stderr_has "passwd: done"
	refute_stderr_has "make: done"
}

@test "--require-sandbox: every program knows it, and ends with 100 where something is missing" {
	local program
	fresh
	for program in $(make -s -C "$ROOT" links | cut -d' ' -f1); do
		run --separate-stderr "$CAPTIVE/lacking" landlock $program --require-sandbox
		assert_status 100
		assert_equal "$output" ""
		assert_equal "$stderr" "$program: sandbox: this kernel lacks Landlock"
		run --separate-stderr $program --help
		assert_status 0
		assert_output_has "--require-sandbox"
	done
	spool_state | diff before -
	# With all that there is to have, it changes nothing.
	run --separate-stderr cert-import --require-sandbox -s "$SPOOL" "$BATS_FILE_TMPDIR/one.der.tgz"
	assert_status 0
	assert_equal "$stderr" ""
}
