# SPDX-License-Identifier: ISC
# What a process could do that hostile bytes have taken over: test/captive/captive.c is linked into the real
# programs and tries it from within the real children, in the place where bytes are unpacked, parsed and
# signed. Then what such a process could say, and what happens on a kernel that cannot narrow it.
load helper

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
	CAPTIVE_IN=$2 CAPTIVE_TRY=$denied captive "$1" "${@:3}"
	assert_status 0
	assert_stderr_has "captive: passwd: Permission denied"
	assert_stderr_has "captive: make: Permission denied"
	sanitized || assert_stderr_has "captive: signal: Function not implemented"
	[ ! -e captured ]
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
	CAPTIVE_OFF=1 CAPTIVE_IN=$2 CAPTIVE_TRY=$REFUSALS,${DEADLY// /,} captive "$1" "${@:3}"
	for what in ${REFUSALS//,/ } ${DEADLY% exec}; do
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

@test "without the sandbox they could: the attempts are no dummies" {
	local program place
	for program in cert-import csr-sign csr-add; do
		for place in reader judge; do
			echo "$program $place"
			free $program $place
		done
	done
}

@test "what narrowed processes print comes to nobody" {
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

@test "what is left narrows all the same" {
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
