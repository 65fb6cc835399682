# SPDX-License-Identifier: ISC
# Each program on its own: usage, exit codes, what it takes, what it prints, and what it leaves alone.
load ../helper

ALL="ca-init capf-init cert-import csr-add csr-count csr-delete csr-dump csr-list csr-sign ctl-make ctl-show lsc-export
	lsc-list phone-add phone-config phone-del phone-list phone-report phone-set spool-check stale-lsc trust-add trust-del
	trust-list"
# Of those that have a spool: a call that needs nothing else.
SPOOLED="cert-import csr-add csr-count csr-delete:all csr-dump csr-list ctl-make:-k:x:--sast:x:ITLFile.tlv lsc-export lsc-list
	phone-add:x phone-config:x
	phone-del:all phone-list phone-report phone-set:--rsa:2048:all spool-check
	stale-lsc:list stale-lsc:delete:all trust-add:capf:x.pem trust-del:capf:00000000 trust-list"

# ready: ten requests, certificates for the first two, of which the second is stale by now.
ready() {
	trust_lab 2>/dev/null
	csr-add -s "$SPOOL" -P 1700000000 "$FIX/csr.tgz" >/dev/null
	tar czf two.tgz -C "$FIX/der" SEP000000000001.der SEP000000000002.der
	cert-import -s "$SPOOL" two.tgz >/dev/null
	make_csr SEP000000000002 rsa7
	csr-add -s "$SPOOL" -P 1700086400 SEP000000000002.csr >/dev/null
}

# here: the files in this directory; Bats leaves some of its own.
here() {
	ls -A | grep -v '^separate-stderr-'
}

# --- All of them.

@test "-h and -V: on stdout, exit 0" {
	local program
	for program in $ALL; do
		run --separate-stderr "$program" -h
		assert_status 0
		assert_output_has "usage: $program "
		assert_equal "$stderr" ""
		run --separate-stderr "$program" --version
		assert_status 0
		assert_line_count 1
		[[ $output =~ ^$program\ \(capfkit\)\ [0-9.]+(,\ commit\ [0-9a-f]{12}(-dirty)?)?$ ]]
		assert_equal "$stderr" ""
	done
}

@test "an option that does not exist: usage on stderr, exit 100" {
	local program
	for program in $ALL; do
		run --separate-stderr "$program" --rubbish
		assert_status 100
		assert_equal "$output" ""
		assert_stderr_has "usage: $program "
	done
}

@test "what is missing, or too much: usage on stderr, exit 100" {
	local command
	while read -r command; do
		run --separate-stderr $command </dev/null
		[ "$status" -eq 100 ] && [ -z "$output" ] && [[ $stderr == *"usage: ${command%% *} "* ]] ||
		    fail "$command" "$(show_run)"
	done <<-EOT
	ca-init
	ca-init a b
	ca-init -c $FIX/root.pem a
	ca-init -d 0 a
	ca-init -d many a
	capf-init -s x rubbish
	cert-import -s $SPOOL a b
	cert-import -s $SPOOL -P yesterday a
	cert-import -s $SPOOL -j 0 a
	csr-count -s $SPOOL rubbish
	csr-delete -s $SPOOL
	csr-dump -s $SPOOL -F text
	csr-dump -s $SPOOL --since yesterday
	csr-dump -s $SPOOL -z 0
	csr-list -s $SPOOL rubbish
	csr-list -s $SPOOL --older-than 2026-01-01
	csr-sign
	csr-sign -c $FIX/root.pem
	csr-sign -c $FIX/root.pem -k $FIX/root.key -d 1826
	csr-sign -c $FIX/root.pem -k $FIX/root.key -d 0
	csr-sign -c $FIX/root.pem -k $FIX/root.key - -
	csr-sign -c $FIX/root.pem -k $FIX/root.key -m a
	csr-sign -c $FIX/root.pem -k $FIX/root.key --no-manifest a
	csr-sign -c $FIX/root.pem -k $FIX/root.key -r $FIX/root.pem -m --no-manifest a
	csr-sign -c $FIX/root.pem -k $FIX/root.key $(printf -- '-r a %.0s' {1..65}) b
	ctl-make -s $SPOOL
	ctl-make -s $SPOOL -k $FIX/root.key --sast $FIX/root.pem
	ctl-show
	ctl-show -P yesterday a
	lsc-export -s $SPOOL --prune
	lsc-export -s $SPOOL -n
	lsc-export -s $SPOOL -d x -o y
	lsc-export -s $SPOOL -d x -a
	lsc-export -s $SPOOL -F der
	lsc-export -s $SPOOL -F text
	lsc-export -s $SPOOL -d x -F der --chain
	lsc-export -s $SPOOL --chain --chain-only
	lsc-export -s $SPOOL -d x --chain-only
	lsc-export -s $SPOOL -a --chain-only
	lsc-export -s $SPOOL --expires-before never
	lsc-list -s $SPOOL rubbish
	lsc-list -s $SPOOL --expires-before 2026-02-30
	lsc-list -s $SPOOL --expires-within soon
	phone-config -s $SPOOL
	phone-config -s $SPOOL a b
	phone-config -s $SPOOL a/b
	phone-config -s $SPOOL --port 0 a
	phone-config -s $SPOOL --port 65536 a
	phone-config -s $SPOOL --host a:b:c a
	phone-config -s $SPOOL --host a:70000 a
	phone-config -s $SPOOL $(printf -- '--host h %.0s' {1..6}) a
	spool-check -s $SPOOL rubbish
	stale-lsc -s $SPOOL
	stale-lsc -s $SPOOL rubbish
	stale-lsc -s $SPOOL delete
	trust-add -s $SPOOL
	trust-add -s $SPOOL capf
	trust-add -s $SPOOL rubbish $FIX/root.pem
	trust-del -s $SPOOL capf
	trust-del -s $SPOOL rubbish 00000000
	trust-list -s $SPOOL rubbish
	trust-list -s $SPOOL capf callmanager
	EOT
}

@test "a spool that is not there, is no directory, or is none: exit 100" {
	local command place
	mkdir empty
	echo x >file
	for command in $SPOOLED; do
		for place in nosuch file empty; do
			run --separate-stderr ${command//:/ } -s $place </dev/null
			[ "$status" -eq 100 ] || fail "${command//:/ } -s $place" "$(show_run)"
			assert_equal "$output" ""
			assert_one_line "$place: "
			case $place in
			nosuch) assert_stderr_has "$place: there is no such directory; capf-init makes a spool" ;;
			file) assert_stderr_has "$place: cannot open the spool: Not a directory" ;;
			empty) assert_stderr_has "$place: not a spool (no capf.conf)" ;;
			esac
		done
	done
	assert_equal "$(ls -A empty)" ""
	[ ! -e nosuch ]
}

@test "a spool that one may not enter: exit 111" {
	local command as=()
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		"${as[@]}" csr-count -V >/dev/null 2>&1 || skip "nobody cannot run the programs here"
	else
		chmod 0 "$SPOOL"
	fi
	for command in $SPOOLED; do
		run --separate-stderr "${as[@]}" ${command//:/ } -s "$SPOOL" </dev/null
		chmod 700 "$SPOOL"
		[ "$status" -eq 111 ] || fail "${command//:/ }" "$(show_run)"
		assert_equal "$output" ""
		assert_one_line "Permission denied"
		[ "$(id -u)" -eq 0 ] || chmod 0 "$SPOOL"
	done
	chmod 700 "$SPOOL"
}

@test "root in another user's spool: reads, and changes nothing" {
	[ "$(id -u)" -eq 0 ] || skip "only root can come here"
	local command before
	chown -R nobody "$SPOOL"
	before=$(spool_state)
	for command in $SPOOLED spool-check:--repair capf-serve capf-init capf-init:--renew; do
		run --separate-stderr ${command//:/ } -s "$SPOOL" </dev/null
		case $command in
		*-list | *:list | csr-count | csr-dump | lsc-export | phone-config:x | phone-report | spool-check)
			refute_stderr_has belongs
			;;
		*)
			[ "$status" -eq 100 ] || fail "${command//:/ }" "$(show_run)"
			assert_one_line "$SPOOL: belongs to nobody, who alone may change it"
			;;
		esac
	done
	assert_equal "$(spool_state)" "$before"
	# A spool that is to be made in a directory of his.
	mkdir empty
	chown nobody empty
	run --separate-stderr capf-init -t ec:256 -s empty
	assert_status 100
	assert_one_line "empty: belongs to nobody"
	assert_equal "$(ls -A empty)" ""
}

@test "CAPF_SPOOL names the spool, -s another" {
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	new_spool other
	export CAPF_SPOOL=$SPOOL
	assert_equal "$(csr-count)" 10
	assert_equal "$(csr-count -s other)" 0
	assert_equal "$(csr-count --spool=other)" 0
}

@test "an input file that is not there is named" {
	ready
	local command
	while read -r command; do
		run --separate-stderr $command </dev/null
		[ "$status" -eq 100 ] || [ "$status" -eq 1 ] || fail "$command" "$(show_run)"
		assert_one_line "nosuch: "
		assert_stderr_has "No such file or directory"
	done <<-EOT
	ca-init -n CN=s -c nosuch -k $FIX/root.key sub
	ca-init -n CN=s -c $FIX/root.pem -k nosuch sub
	ca-init -n CN=s -c $FIX/root.pem -k $FIX/root.key -p nosuch sub
	ca-init -e nosuch sub
	cert-import -s $SPOOL nosuch
	csr-add -s $SPOOL nosuch
	csr-delete -s $SPOOL -f nosuch
	csr-dump -s $SPOOL -f nosuch
	csr-sign -c nosuch -k $FIX/root.key
	csr-sign -c $FIX/root.pem -k nosuch
	csr-sign -c $FIX/root.pem -k $FIX/root.key nosuch
	csr-sign -c $FIX/root.pem -k $FIX/root.key -r nosuch
	csr-sign -c $FIX/root.pem -k $FIX/root.key -p nosuch
	ctl-make -s $SPOOL -k nosuch --sast $FIX/root.pem ITLFile.tlv
	ctl-make -s $SPOOL -k $FIX/root.key --sast nosuch ITLFile.tlv
	ctl-make -s $SPOOL -k $FIX/root.key -p nosuch --sast $FIX/root.pem ITLFile.tlv
	ctl-show nosuch
	stale-lsc -s $SPOOL -f nosuch delete
	trust-add -s $SPOOL capf nosuch
	EOT
	assert_equal "$(here)" "$(printf '%s\n' SEP000000000002.csr spool two.tgz)"
}

@test "a directory as input is named, and harms nothing" {
	ready
	spool_end >before
	mkdir dir
	local command
	while read -r command; do
		run --separate-stderr $command </dev/null
		[ "$status" -gt 0 ] || fail "$command" "$(show_run)"
		assert_one_line "dir: "
		assert_stderr_has "Is a directory"
	done <<-EOT
	cert-import -s $SPOOL dir
	csr-add -s $SPOOL dir
	csr-sign -c $FIX/root.pem -k $FIX/root.key dir
	ctl-make -s $SPOOL -k $FIX/root.key --sast dir ITLFile.tlv
	ctl-show dir
	trust-add -s $SPOOL capf dir
	csr-delete -s $SPOOL -f dir
	EOT
	spool_end | diff before -
}

@test "a setting that is wrong: exit 100, with its line" {
	ready
	local line
	for line in "rubbish = 1" "import-max-entries = many" "import-max-ratio = 0" "keep-done = ever" \
	    "=" "keepalive = 61"; do
		printf '# first\n%s\n' "$line" >"$SPOOL/capf.conf"
		run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
		[ "$status" -eq 100 ] || fail "$line" "$(show_run)"
		assert_one_line "capf.conf: line 2: "
		run --separate-stderr spool-check -s "$SPOOL"
		assert_status 1
		assert_output_has "capf.conf	line 2: "
	done
}

# --- Requests: csr-add, csr-count, csr-list, csr-delete.

@test "csr-add: PEM, DER, stdin" {
	openssl req -in "$FIX/csr/SEP000000000002.csr" -outform DER -out 2.txt
	run --separate-stderr csr-add -s "$SPOOL" "$FIX/csr/SEP000000000001.csr" 2.txt
	assert_status 0
	assert_equal "$stderr" ""
	assert_line_count 2
	assert_equal "${lines[1]}" "added	2.txt	SEP000000000002	$(key_hash "$FIX/key/rsa2.pem")	"
	csr-add -s "$SPOOL" <"$FIX/csr/SEP000000000003.csr" | grep -q '^added	-	SEP000000000003	'
	cat "$FIX/csr/SEP000000000004.csr" | csr-add -s "$SPOOL" - | grep -q '	SEP000000000004	'
	cat "$FIX/csr.tgz" | csr-add -s "$SPOOL" >answers
	assert_equal "$(cut -f1 answers | sort | uniq -c | tr -s ' \n' ' ')" " 6 added 4 already "
	assert_equal "$(csr-count -s "$SPOOL")" 10
	# In the spool each is PEM, whatever it came as.
	cmp "$FIX/csr/SEP000000000002.csr" "$SPOOL"/csr/SEP000000000002+*
}

@test "csr-add: text around the PEM, many in one file, lines that end in CR LF" {
	openssl req -in "$FIX/csr/SEP000000000001.csr" -text -out text.pem
	cat "$FIX"/csr/SEP00000000000[2-5].csr >bundle.pem
	sed 's/$/\r/' "$FIX/csr/SEP000000000006.csr" >crlf.pem
	sed 's/BEGIN CERT/BEGIN NEW CERT/; s/END CERT/END NEW CERT/' "$FIX/csr/SEP000000000007.csr" >new.pem
	run --separate-stderr csr-add -s "$SPOOL" text.pem bundle.pem crlf.pem new.pem
	assert_status 0
	assert_line_count 7
	assert_equal "$(grep -c ^added <<<"$output")" 7
	spool-check -s "$SPOOL"
}

@test "csr-add: an archive with a directory, PEM and DER, names of any kind" {
	mkdir -p "export/some where"
	cp "$FIX/csr/SEP000000000001.csr" export/one.csr
	openssl req -in "$FIX/csr/SEP000000000002.csr" -outform DER -out "export/some where/two"
	cp "$FIX/csr/SEP000000000003.csr" export/SEP000000000009.csr
	tar czf x.tgz export
	tar cf x.tar export
	run --separate-stderr csr-add -s "$SPOOL" x.tgz
	assert_status 0
	assert_line_count 3
	# The name of an entry says nothing.
	assert_equal "$(csr-list -s "$SPOOL" | cut -f1 | tr '\n' ' ')" \
	    "SEP000000000001 SEP000000000002 SEP000000000003 "
	run --separate-stderr csr-add -s "$SPOOL" x.tar
	assert_equal "$(grep -c ^already <<<"$output")" 3
}

@test "csr-add: what csr-dump wrote, with a manifest too" {
	ready
	csr-dump -s "$SPOOL" -o plain.tgz
	csr-dump -s "$SPOOL" -m -o signed.tgz
	new_spool a
	new_spool b
	csr-add -s a plain.tgz >/dev/null
	run --separate-stderr csr-add -s b signed.tgz
	assert_status 0
	assert_equal "$stderr" ""
	assert_equal "$(csr-count -s a) $(csr-count -s b)" "9 9"
}

@test "csr-add: the device is the CN, or stands behind its last hyphen" {
	local cn device
	while read -r cn device; do
		make_csr "$cn" rsa1
		new_spool x
		csr-add -s x "$cn.csr" >/dev/null
		assert_equal "$(csr-list -s x | cut -f1)" "$device"
		rm -rf x
	done <<-'EOT'
		SEP001122334455 SEP001122334455
		CP-8841-SEP001122334455 SEP001122334455
		CIPC-CSFjdoe CSFjdoe
		ATA001122334455 ATA001122334455
		front-desk front-desk
		CP-8841-sep001122334455 CP-8841-sep001122334455
	EOT
}

@test "csr-add: EC keys" {
	local key
	for key in ec256 ec384 ec521; do
		make_csr "SEP$key" $key
	done
	csr-add -s "$SPOOL" SEPec*.csr >/dev/null
	assert_equal "$(csr-count -s "$SPOOL")" 3
}

@test "csr-count" {
	run --separate-stderr csr-count -s "$SPOOL"
	assert_status 0
	assert_output 0
	ready
	run --separate-stderr csr-count -s "$SPOOL"
	assert_output 9
}

@test "csr-list: device, time, key, proof" {
	ready
	run --separate-stderr csr-list -s "$SPOOL"
	assert_status 0
	assert_equal "$stderr" ""
	assert_line_count 9
	assert_equal "${lines[0]}" \
	    "SEP000000000002	2023-11-15T22:13:20Z	$(key_hash "$FIX/key/rsa7.pem")	own"
	assert_equal "${lines[1]}" \
	    "SEP000000000003	2023-11-14T22:13:20Z	$(key_hash "$FIX/key/rsa3.pem")	own"
	csr-list -s "$SPOOL" | sort -c
	assert_equal "$(csr-list -H -s "$SPOOL" | head -1)" "device	requested	key	proof"
	assert_equal "$(csr-list -0 -s "$SPOOL" | tr '\0\n' '\n!')" "$(csr-list -s "$SPOOL" | cut -f1)"
}

@test "csr-list: --older-than and --since" {
	ready
	older() {
		csr-list -s "$SPOOL" -P 1700172800 "$@" | cut -f1 | tr -dc '0-9\n' | tr -s 0 | tr '\n' ' '
	}
	assert_equal "$(older --older-than 1d)" "02 03 04 05 06 07 08 09 010 "
	assert_equal "$(older --older-than 86401s)" "03 04 05 06 07 08 09 010 "
	assert_equal "$(older --older-than 3d)" ""
	assert_equal "$(older --since 2023-11-15)" "02 "
	assert_equal "$(older --since 2023-11-15T22:13:20Z)" "02 "
	assert_equal "$(older --since 2023-11-15T22:13:21Z)" ""
	assert_equal "$(older --since 2023-11-14 --older-than 25h)" "03 04 05 06 07 08 09 010 "
}

@test "csr-delete: the devices that are named, and no other" {
	ready
	run --separate-stderr csr-delete -s "$SPOOL" SEP000000000003 SEP000000000001
	assert_status 0
	assert_equal "$(cut -f1 <<<"$output" | sort -u | tr '\n' ' ')" "SEP000000000001 SEP000000000003 "
	assert_equal "$(csr-count -s "$SPOOL")" 8
	assert_equal "$(lsc-list -s "$SPOOL")" ""
	printf 'SEP000000000004\n\nSEP000000000005\n' | csr-delete -s "$SPOOL" -f - >/dev/null
	printf 'SEP000000000006\0' >names
	csr-delete -s "$SPOOL" -0 -f names >/dev/null
	assert_equal "$(csr-count -s "$SPOOL")" 5
	spool-check -s "$SPOOL"
	run --separate-stderr csr-delete -s "$SPOOL" SEP000000000007 SEP00000000000F
	assert_status 1
	assert_one_line "SEP00000000000F: has nothing to delete"
	assert_equal "$(csr-count -s "$SPOOL")" 4
	spool_state >before
	run --separate-stderr csr-delete -s "$SPOOL" ../../etc
	assert_status 100
	assert_stderr_has "not a device name"
	# No names on stdin are no names, and not all.
	run --separate-stderr csr-delete -s "$SPOOL" -f - </dev/null
	assert_equal "$output" ""
	spool_state | diff before -
}

# --- csr-dump.

@test "csr-dump: one flat archive, a DEVICE.csr each, as any tar reads it" {
	ready
	csr-dump -s "$SPOOL" >x.tgz
	tar tvzf x.tgz >list
	assert_equal "$(awk '{ print $6 }' list | tr -dc '0-9.c\n' | tr -s 0 | tr '\n' ' ')" \
	    "02.c 03.c 04.c 05.c 06.c 07.c 08.c 09.c 010.c "
	assert_equal "$(awk '{ print $1, $2 }' list | sort -u)" "-rw-r--r-- 0/0"
	assert_equal "$(awk '{ print $4, $5 }' list | sort | uniq -c | tr -s ' \n' ' ')" \
	    " 8 2023-11-14 22:13 1 2023-11-15 22:13 "
	mkdir out
	tar xzf x.tgz -C out
	cmp "$FIX/csr/SEP000000000003.csr" out/SEP000000000003.csr
	cmp SEP000000000002.csr out/SEP000000000002.csr
}

@test "csr-dump: names as arguments, on stdin, ended by NUL" {
	ready
	names() {
		tar tzf - | tr -dc '0-9\n' | tr -s 0 | tr '\n' ' '
	}
	assert_equal "$(csr-dump -s "$SPOOL" SEP000000000004 SEP000000000003 | names)" "03 04 "
	export CAPF_SPOOL=$SPOOL
	assert_equal "$(printf 'SEP000000000004\nSEP000000000003' | csr-dump -f - | names)" "03 04 "
	assert_equal "$(csr-list -0 | csr-dump -0 -f - | names)" "02 03 04 05 06 07 08 09 010 "
	assert_equal "$(csr-list --since 2023-11-15 | cut -f1 | csr-dump -f - | names)" "02 "
	assert_equal "$(csr-dump -s "$SPOOL" --since 2023-11-15 | names)" "02 "
	assert_equal "$(csr-dump -s "$SPOOL" all | names)" "02 03 04 05 06 07 08 09 010 "
}

@test "csr-dump: DER on request" {
	ready
	mkdir out
	csr-dump -s "$SPOOL" -F der | tar xzf - -C out
	openssl req -in "$FIX/csr/SEP000000000003.csr" -outform DER | cmp - out/SEP000000000003.csr
}

@test "csr-dump: a device without a request is named, the others are dumped" {
	ready
	run --separate-stderr csr-dump -s "$SPOOL" -o x.tgz SEP000000000003 SEP000000000001 SEP00000000000F
	assert_status 1
	assert_equal "$output" ""
	assert_stderr_line_count 2
	assert_stderr_has "SEP000000000001: has no pending request"
	assert_stderr_has "SEP00000000000F: has no pending request"
	assert_equal "$(tar tzf x.tgz)" SEP000000000003.csr
}

@test "csr-dump: nothing to dump is told, and makes no file" {
	run --separate-stderr csr-dump -s "$SPOOL" -o x.tgz
	assert_status 1
	assert_one_line "no pending request"
	[ ! -e x.tgz ]
	ready
	# No names on stdin are no names, and not all.
	run --separate-stderr csr-dump -s "$SPOOL" -o x.tgz -f - </dev/null
	assert_status 1
	[ ! -e x.tgz ]
}

@test "csr-dump -o: the file appears whole or not at all" {
	ready
	(umask 022; csr-dump -s "$SPOOL" -o x.tgz)
	assert_equal "$(stat -c %a x.tgz)" 644
	(umask 077; csr-dump -s "$SPOOL" -o y.tgz)
	assert_equal "$(stat -c %a y.tgz)" 600
	csr-dump -s "$SPOOL" | cmp - x.tgz
	# It takes the place of what was there.
	echo old >y.tgz
	csr-dump -s "$SPOOL" -o y.tgz
	cmp x.tgz y.tgz
	rm y.tgz
	# What make coverage counts goes elsewhere: the limit would spoil its files.
	export GCOV_PREFIX=$PWD
	# A write that fails: nothing new, and what was there stays.
	run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 1; exec csr-dump -s "$1" -o y.tgz' - "$SPOOL"
	assert_status 111
	assert_one_line "y.tgz: cannot write: File too large"
	run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 1; exec csr-dump -s "$1" -o x.tgz' - "$SPOOL"
	assert_status 111
	assert_equal "$(ls | grep -c 'tgz')" 2
	csr-dump -s "$SPOOL" | cmp - x.tgz
	# Killed in the middle: no file of that name either, and the next run is not in anybody's way.
	rc=0
	bash -c 'ulimit -f 1; exec csr-dump -s "$1" -o y.tgz' - "$SPOOL" || rc=$?
	[ $rc -gt 128 ]
	[ ! -e y.tgz ]
	csr-dump -s "$SPOOL" -o y.tgz
	cmp x.tgz y.tgz
}

@test "csr-dump -o: a folder that is not there, or cannot be written" {
	ready
	run --separate-stderr csr-dump -s "$SPOOL" -o nosuch/x.tgz
	assert_status 100
	assert_one_line "nosuch/x.tgz: "
	mkdir x.tgz
	run --separate-stderr csr-dump -s "$SPOOL" -o x.tgz
	assert_status 100
	assert_one_line "x.tgz: "
	assert_equal "$(ls -A x.tgz; ls | grep -c tmp)" 0
}

# --- The trust stores.

# ca NAME SUBJECT LINE...: NAME.pem, a CA with these extensions, by the lab's key.
ca() {
	printf '%s\n' "${@:3}" >ca.ext
	openssl req -new -key "$FIX/root.key" -subj "$2" |
	openssl x509 -req -days 30 -extfile ca.ext -signkey "$FIX/root.key" -out "$1.pem" 2>/dev/null
}
GOOD_CA="basicConstraints=critical,CA:TRUE,pathlen:1"
GOOD_USE="keyUsage=critical,digitalSignature,keyCertSign"

@test "trust-add: PEM, DER, bundles, both stores" {
	ca one /CN=One "$GOOD_CA" "$GOOD_USE"
	run --separate-stderr trust-add -s "$SPOOL" capf one.pem
	assert_silent
	openssl x509 -in one.pem -outform DER -out one.der
	run --separate-stderr trust-add -s "$SPOOL" callmanager one.der
	assert_silent
	cat "$FIX/root.pem" "$FIX/sub.pem" "$FIX/ec.pem" >bundle.pem
	trust-add -s "$SPOOL" callmanager bundle.pem 2>/dev/null
	trust-add -s "$SPOOL" capf - <"$FIX/root.pem" 2>/dev/null
	assert_equal "$(trust-list -s "$SPOOL" | cut -f1 | sort | uniq -c | tr -s ' \n' ' ')" \
	    " 4 callmanager 2 capf "
	spool-check -s "$SPOOL"
}

@test "trust-add twice: once" {
	ca one /CN=One "$GOOD_CA" "$GOOD_USE"
	trust-add -s "$SPOOL" capf one.pem
	spool_state >before
	run --separate-stderr trust-add -s "$SPOOL" capf one.pem one.pem
	assert_status 0
	spool_state | diff before -
}

@test "trust-add: what is no CA is refused, and the others go in" {
	ca notca /CN=Phone basicConstraints=CA:FALSE keyUsage=digitalSignature
	ca nosign /CN=Mute "$GOOD_CA" keyUsage=critical,digitalSignature
	ca capf /CN=CAPF-12345678 "$GOOD_CA" "$GOOD_USE"
	ca inside "/CN=My CAPF-12345678" "$GOOD_CA" "$GOOD_USE"
	ca one /CN=One "$GOOD_CA" "$GOOD_USE"
	local file reason
	while read -r file reason; do
		run --separate-stderr trust-add -s "$SPOOL" capf "$file" one.pem
		assert_status 1
		assert_equal "$output" ""
		assert_stderr_line_count 1
		assert_stderr_has "trust-add: $file: "
		assert_stderr_has "$reason"
		assert_equal "$(trust-list -s "$SPOOL" capf | cut -f2)" One
		trust-del -s "$SPOOL" capf "$(trust-list -s "$SPOOL" capf | cut -f6)" >/dev/null
	done <<-EOT
	notca.pem is not a CA certificate
	nosign.pem keyCertSign
	capf.pem CAPF-
	inside.pem CAPF-
	$FIX/csr/SEP000000000001.csr certificate request
	$FIX/root.key private key
	/dev/null
	EOT
	# In a bundle it is said which.
	cat one.pem notca.pem >bundle.pem
	run --separate-stderr trust-add -s "$SPOOL" capf bundle.pem
	assert_status 1
	assert_one_line "bundle.pem, certificate 2: is not a CA certificate"
	assert_equal "$(trust-list -s "$SPOOL" | cut -f2)" One
}

@test "trust-add: this spool's own CAPF certificate is welcome, another spool's is not" {
	run --separate-stderr trust-add -s "$SPOOL" capf "$SPOOL/ca/CAPF.cer"
	assert_silent
	run --separate-stderr trust-add -s "$SPOOL" callmanager "$SPOOL"/ca/CAPF-*.0
	assert_silent
	capf-init -t ec:256 -s other
	run --separate-stderr trust-add -s other capf "$SPOOL/ca/CAPF.cer"
	assert_status 1
}

@test "trust-add: notes and warnings" {
	ca nousage /CN=One "$GOOD_CA"
	ca soft /CN=Two basicConstraints=CA:TRUE "$GOOD_USE"
	ca neither /CN=Three basicConstraints=CA:TRUE
	# Rules for CAPF's own certificate, and for no other: no digitalSignature, no path length.
	ca plain /CN=Plain basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign
	ca mic "/CN=Cisco Root CA 2048" "$GOOD_CA" "$GOOD_USE"
	ca good /CN=Good "$GOOD_CA" "$GOOD_USE"
	warned() {
		run --separate-stderr trust-add -s "$SPOOL" "${@:2}"
		assert_status 0
		assert_one_line "$1"
	}
	warned "nousage.pem: note: it has no keyUsage; that is no fault" capf nousage.pem
	warned "soft.pem: note: its basicConstraints are not critical; that is no fault" capf soft.pem
	warned "neither.pem: note: it has no keyUsage, and its basicConstraints are not critical;" capf neither.pem
	run --separate-stderr trust-add -s "$SPOOL" capf plain.pem
	assert_silent
	warned "mic.pem: warning: a root of the phones' manufacturer" callmanager mic.pem
	run --separate-stderr trust-add -s "$SPOOL" capf mic.pem
	assert_silent
	warned "good.pem: warning: expired on 20" capf -P "$(date -d '+1 year' +%s)" good.pem
	local cn
	for cn in CAP-RTP-001 CAP-RTP-002 Cisco_Manufacturing_CA Cisco_Root_CA_2048; do
		ca "$cn" "/CN=$cn" "$GOOD_CA" "$GOOD_USE"
		warned "$cn.pem: warning: a root of the phones' manufacturer" callmanager "$cn.pem"
	done
}

@test "trust-list: store, description, subject, serial, expiry, fingerprint" {
	ca one "/C=DE/O=Example/CN=One" "$GOOD_CA" "$GOOD_USE"
	trust-add -s "$SPOOL" capf -D "the lab's first" one.pem
	run --separate-stderr trust-list -s "$SPOOL"
	assert_status 0
	assert_line_count 1
	assert_equal "$(cut -f1-3 <<<"$output")" "capf	the lab's first	C=DE, O=Example, CN=One"
	assert_equal "$(cut -f4 <<<"$output")" \
	    "$(openssl x509 -in one.pem -noout -serial | sed 's/.*=//' | tr A-F a-f)"
	assert_equal "$(date -ud "$(cut -f5 <<<"$output")" +%s)" \
	    "$(date -ud "$(openssl x509 -in one.pem -noout -enddate | sed 's/.*=//')" +%s)"
	assert_equal "$(cut -f6 <<<"$output")" \
	    "$(openssl x509 -in one.pem -outform DER | sha256sum | cut -c1-64)"
	assert_equal "$(trust-list -s "$SPOOL" callmanager)" ""
	assert_equal "$(trust-list -H -s "$SPOOL" capf | head -1 | tr '\t' ' ')" \
	    "store description subject serial not-after sha256"
}

@test "trust-list: names with escape codes stay harmless" {
	ca evil $'/CN=x\e[2J\tcapf\nroot' "$GOOD_CA" "$GOOD_USE"
	trust-add -s "$SPOOL" capf evil.pem
	run --separate-stderr trust-list -s "$SPOOL"
	assert_printable
	assert_line_count 1
	assert_equal "$(awk -F '\t' '{ print NF }' <<<"$output")" 6
}

@test "trust-del: by fingerprint, by the beginning of one" {
	trust_lab 2>/dev/null
	local prints
	mapfile -t prints < <(trust-list -s "$SPOOL" capf | cut -f6)
	run --separate-stderr trust-del -s "$SPOOL" capf "${prints[0]}"
	assert_status 0
	run --separate-stderr trust-del -s "$SPOOL" capf "${prints[1]:0:8}"
	assert_status 0
	assert_equal "$(trust-list -s "$SPOOL" | cut -f6)" "${prints[2]}"
	spool_state >before
	# Too short, not there, in the other store, two that begin alike.
	run --separate-stderr trust-del -s "$SPOOL" capf "${prints[2]:0:7}"
	assert_status 100
	run --separate-stderr trust-del -s "$SPOOL" capf ../../capf.conf
	assert_status 100
	run --separate-stderr trust-del -s "$SPOOL" capf "${prints[0]}"
	assert_status 1
	assert_one_line "not in this store"
	run --separate-stderr trust-del -s "$SPOOL" callmanager "${prints[2]}"
	assert_status 1
	spool_state | diff before -
	cp "$SPOOL/trust/capf/${prints[2]}.pem" "$SPOOL/trust/capf/${prints[2]:0:60}0000.pem"
	run --separate-stderr trust-del -s "$SPOOL" capf "${prints[2]:0:8}"
	assert_status 1
	assert_one_line "fits more than one"
	assert_equal "$(ls "$SPOOL/trust/capf" | wc -l)" 2
}

@test "cert-import: nobody trusted yet is a configuration that is wrong" {
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_status 100
	assert_one_line "capf-trust: is empty"
}

# --- Setting up.

@test "capf-init: files and certificate as administrators and phones want them" {
	(umask 0; capf-init -s new)
	assert_equal "$(find new ! -perm 700 -type d; find new ! -perm 600 -type f)" ""
	openssl x509 -inform DER -in new/ca/CAPF.cer -noout -text -nameopt RFC2253 >text
	grep -A1 'X509v3 Basic Constraints: critical' text | grep -q 'CA:TRUE, pathlen:0$'
	grep -A1 'X509v3 Key Usage' text | grep -qx ' *Digital Signature, Certificate Sign'
	grep -q 'Signature Algorithm: sha256' text
	grep -q 'Public-Key: (2048 bit)' text
	local cn
	cn=$(sed -n 's/.*Subject: CN=\(CAPF-[0-9a-f]\{8\}\)$/\1/p' text)
	[ -n "$cn" ]
	grep -q "Issuer: CN=$cn\$" text
	# The same certificate three times, and its key.
	openssl x509 -in "new/ca/$cn.0" -outform DER | cmp - new/ca/CAPF.cer
	openssl x509 -in new/ca/capf.pem -outform DER | cmp - new/ca/CAPF.cer
	openssl pkey -in new/ca/capf.pem -pubout | diff - <(openssl x509 -in "new/ca/$cn.0" -noout -pubkey)
	openssl verify -x509_strict -CAfile "new/ca/$cn.0" "new/ca/$cn.0"
	assert_equal "$(ls new/ca | wc -l)" 3
	spool-check -s new
}

@test "capf-init: EC keys, days, more of a subject" {
	local curve
	for curve in 256 384 521; do
		capf-init -s "ec$curve" -t "ec:$curve" -d 10 -n "O=Example,C=DE" -P 1700000000
		openssl x509 -inform DER -in "ec$curve/ca/CAPF.cer" -noout -text -nameopt RFC2253 >text
		grep -q "ASN1 OID: \(prime$curve\|secp$curve\)" text
		grep -q 'Not After : Nov 2[34] .* 2023' text
		grep -q 'Subject:.*O=Example' text
		grep -q 'Subject:.*CN=CAPF-' text
		spool-check -P 1700000000 -s "ec$curve"
	done
}

@test "capf-init: wrong settings are told, exit 100" {
	run --separate-stderr capf-init -s new -t rsa:1024
	assert_status 100
	assert_stderr_has "capf-init: --type: rsa:1024 is not one of rsa:2048, "
	run --separate-stderr capf-init -t ec:256 -s new -n rubbish
	assert_status 100
	# And they are in nobody's way afterwards.
	capf-init -s new
	spool-check -s new
}

@test "capf-init: a spool is never overwritten, nor anything else" {
	ready
	spool_state >before
	run --separate-stderr capf-init -t ec:256 -s "$SPOOL"
	assert_status 100
	assert_one_line "a spool is here already"
	spool_state | diff before -
	mkdir home
	echo precious >home/letter
	run --separate-stderr capf-init -t ec:256 -s home
	assert_status 100
	assert_equal "$(ls -A home)" letter
	run --separate-stderr capf-init -t ec:256 -s home/letter
	assert_status 100
	assert_equal "$(cat home/letter)" precious
	run --separate-stderr capf-init -t ec:256 -s nosuch/spool
	assert_status 100
	# An empty directory will do.
	mkdir empty
	capf-init -s empty
	spool-check -s empty
}

@test "capf-init --renew: a new certificate, and nothing else" {
	ready
	spool_end | grep -v ' ./ca' >before
	cp "$SPOOL/ca/CAPF.cer" old.cer
	capf-init -s "$SPOOL" --renew
	spool_end | grep -v ' ./ca' | diff before -
	refute cmp -s old.cer "$SPOOL/ca/CAPF.cer"
	openssl x509 -in "$SPOOL/ca/capf.pem" -outform DER | cmp - "$SPOOL/ca/CAPF.cer"
	cn=$(openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -noout -subject -nameopt multiline |
	    sed -n 's/.*= //p')
	openssl x509 -in "$SPOOL/ca/$cn.0" -outform DER | cmp - "$SPOOL/ca/CAPF.cer"
	spool-check -s "$SPOOL"
	run --separate-stderr capf-init -t ec:256 -s nosuch --renew
	assert_status 100
	[ ! -e nosuch ]
}

@test "ca-init: a root" {
	run --separate-stderr ca-init -n "C=DE,O=Example,CN=My root" -L 1 root
	assert_silent
	assert_equal "$(here)" "$(printf '%s\n' root.key root.pem spool)"
	assert_equal "$(stat -c %a root.key)" 600
	openssl verify -x509_strict -CAfile root.pem root.pem
	openssl x509 -in root.pem -noout -text -nameopt RFC2253 >text
	grep -A1 'Basic Constraints: critical' text | grep -q 'CA:TRUE, pathlen:1$'
	grep -A1 'Key Usage: critical' text | grep -q 'Certificate Sign'
	grep -q 'Subject:.*CN=My root' text
	run --separate-stderr trust-add -s "$SPOOL" capf root.pem
	assert_silent
}

@test "ca-init: a subordinate" {
	ca-init -n "CN=My root" -t ec:384 -L 1 root
	ca-init -n "CN=My issuing CA" -c root.pem -k root.key -L 0 -d 30 sub
	openssl verify -x509_strict -CAfile root.pem sub.pem
	sign_openssl "$FIX/csr/SEP000000000001.csr" x.der root
	openssl x509 -req -in "$FIX/csr/SEP000000000001.csr" -CA sub.pem -CAkey sub.key -days 9 \
	    -extfile "$FIX/phone.ext" -out phone.pem 2>/dev/null
	openssl verify -x509_strict -CAfile root.pem -untrusted sub.pem phone.pem
	# The key of another CA is noticed.
	run --separate-stderr ca-init -n CN=s -c root.pem -k "$FIX/root.key" bad
	assert_status 100
	[ ! -e bad.key ] && [ ! -e bad.pem ]
}

@test "ca-init: an encrypted key" {
	echo "a good phrase" >pass
	ca-init -e pass root
	refute openssl pkey -in root.key -passin pass: -noout 2>/dev/null
	openssl pkey -in root.key -passin file:pass -pubout |
	diff - <(openssl x509 -in root.pem -noout -pubkey)
	ca-init -n CN=s -c root.pem -k root.key -p pass sub
	openssl verify -CAfile root.pem sub.pem
	echo wrong >pass
	run --separate-stderr ca-init -n CN=s -c root.pem -k root.key -p pass other
	assert_status 100
	assert_one_line "root.key: "
	[ ! -e other.key ] && [ ! -e other.pem ]
}

@test "ca-init: overwrites nothing" {
	local there
	for there in my.key my.pem; do
		echo precious >$there
		run --separate-stderr ca-init -t ec:256 my
		assert_status 100
		assert_one_line "$there: "
		assert_equal "$(ls | grep my)" $there
		assert_equal "$(cat $there)" precious
		rm $there
	done
	run --separate-stderr ca-init -t rsa:1024 my
	assert_status 100
	run --separate-stderr ca-init -t ec:256 -n rubbish my
	assert_status 100
	run --separate-stderr ca-init -t ec:256 nosuch/my
	assert_one_line "nosuch/my.key: "
	assert_equal "$(here)" spool
}

# --- Certificates: lsc-list, stale-lsc.

@test "lsc-list: device, state, expiry, serial, key" {
	ready
	run --separate-stderr lsc-list -s "$SPOOL"
	assert_status 0
	assert_equal "$stderr" ""
	assert_line_count 1
	local x="openssl x509 -inform DER -in $FIX/der/SEP000000000001.der -noout"
	assert_equal "$(cut -f1,2,5 <<<"$output")" \
	    "SEP000000000001	ready	$(key_hash "$FIX/key/rsa1.pem")"
	assert_equal "$(cut -f4 <<<"$output")" "$($x -serial | sed 's/.*=//' | tr A-F a-f)"
	assert_equal "$(date -ud "$(cut -f3 <<<"$output")" +%s)" \
	    "$(date -ud "$($x -enddate | sed 's/.*=//')" +%s)"
	assert_equal "$(lsc-list -H -s "$SPOOL" | head -1 | tr '\t' ' ')" \
	    "device state not-after serial key"
	assert_equal "$(lsc-list -0 -s "$SPOOL" | tr '\0' '\n')" SEP000000000001
	# As if the phone had confirmed it.
	mv "$SPOOL"/lsc/* "$SPOOL/installed/"
	assert_equal "$(lsc-list -s "$SPOOL" | cut -f1,2)" "SEP000000000001	installed"
	assert_equal "$(lsc-list -s "$SPOOL" --ready)" ""
	assert_equal "$(lsc-list -s "$SPOOL" --installed | wc -l)" 1
	spool-check -s "$SPOOL"
}

@test "lsc-list: --expires-before, --expires-within" {
	ready
	sign_openssl "$FIX/csr/SEP000000000003.csr" 3.der root -days 10
	tar czf x.tgz 3.der
	cert-import -s "$SPOOL" x.tgz >/dev/null
	assert_equal "$(lsc-list -s "$SPOOL" | wc -l)" 2
	assert_equal "$(lsc-list -s "$SPOOL" --expires-within 11d | cut -f1)" SEP000000000003
	assert_equal "$(lsc-list -s "$SPOOL" --expires-within 9d)" ""
	assert_equal "$(lsc-list -s "$SPOOL" --expires-within 60w | wc -l)" 2
	assert_equal "$(lsc-list -s "$SPOOL" -P "$(date -d '+360 days' +%s)" --expires-within 9d | wc -l)" 2
	assert_equal "$(lsc-list -s "$SPOOL" --expires-before "$(date -ud '+11 days' +%F)" | cut -f1)" \
	    SEP000000000003
	assert_equal "$(lsc-list -s "$SPOOL" --expires-before 2001-01-01)" ""
}

@test "stale-lsc: list, view, delete" {
	ready
	run --separate-stderr stale-lsc -s "$SPOOL" list
	assert_status 0
	assert_output "SEP000000000002	2023-11-14T22:13:20Z	$(key_hash "$FIX/key/rsa2.pem")"
	run --separate-stderr stale-lsc -s "$SPOOL" view SEP000000000002
	assert_status 0
	assert_output_has "CN=SEP000000000002"
	assert_output_has "C=DE, O=Example, CN=Lab root"
	assert_output_has "$(sha256sum <"$FIX/der/SEP000000000002.der" | cut -c1-64)"
	run --separate-stderr stale-lsc -s "$SPOOL" list SEP000000000001
	assert_status 1
	assert_one_line "SEP000000000001: has no stale certificate"
	run --separate-stderr stale-lsc -s "$SPOOL" delete SEP000000000001 SEP000000000002
	assert_status 1
	assert_output_has "SEP000000000002	stale/"
	assert_equal "$(stale-lsc -s "$SPOOL" list)" ""
	assert_equal "$(csr-count -s "$SPOOL") $(lsc-list -s "$SPOOL" | wc -l)" "9 1"
	run --separate-stderr stale-lsc -s "$SPOOL" delete all
	assert_status 0
	assert_output ""
	spool-check -s "$SPOOL"
}

# --- spool-check.

# finding FILE TEXT: one finding, exit 1.
finding() {
	run --separate-stderr spool-check -s "$SPOOL"
	assert_status 1
	assert_equal "$stderr" ""
	assert_line_count 1
	[[ $output == "$1"$'\t'*"$2"* ]] || fail "wanted: $1 ... $2" "$(show_run)"
}

@test "spool-check: silent when all is well" {
	ready
	run --separate-stderr spool-check -s "$SPOOL"
	assert_silent
}

@test "spool-check: files that do not belong there" {
	ready
	local there
	for there in csr/stray lsc/.hidden done/SEP1.csr; do
		echo x >"$SPOOL/$there"
		chmod 600 "$SPOOL/$there"
		finding "$there" "not a name of the spool"
		rm "$SPOOL/$there"
	done
	echo x >"$SPOOL/$(printf 'csr/a\n\e[2J')"
	run --separate-stderr spool-check -s "$SPOOL"
	assert_printable
	assert_line_count 1
	rm "$SPOOL"/csr/a*
	local csr
	csr=$(cd "$SPOOL/csr" && ls | head -1)
	cp "$SPOOL/csr/$csr" "$SPOOL/lsc/"
	run --separate-stderr spool-check -s "$SPOOL"
	assert_status 1
	rm "$SPOOL/lsc/$csr"
	cp "$SPOOL/csr/$csr" "$SPOOL/done/"
	run --separate-stderr spool-check -s "$SPOOL"
	assert_status 1
	rm "$SPOOL/done/$csr"
	mv "$SPOOL/csr/$csr" keep
	ln -s "$PWD/keep" "$SPOOL/csr/$csr"
	finding "csr/$csr" "not a regular file"
	rm "$SPOOL/csr/$csr"
	: >"$SPOOL/csr/$csr"
	chmod 600 "$SPOOL/csr/$csr"
	finding "csr/$csr" empty
	echo x >"$SPOOL/trust/capf/stray"
	rm "$SPOOL/csr/$csr"
	finding "trust/capf/stray" ""
}

@test "spool-check: modes that let others in" {
	ready
	local file
	file=csr/$(cd "$SPOOL/csr" && ls | head -1)
	chmod 640 "$SPOOL/$file"
	finding "$file" "others may"
	chmod 600 "$SPOOL/$file"
	chmod 755 "$SPOOL/lsc"
	finding lsc "others may"
	chmod 700 "$SPOOL/lsc"
	chmod 711 "$SPOOL"
	finding . "others may"
	chmod 700 "$SPOOL"
	chmod 644 "$SPOOL/ca/capf.pem"
	finding ca/capf.pem ""
}

@test "spool-check: files that are not what their names say" {
	ready
	local csr lsc
	csr=csr/$(cd "$SPOOL/csr" && ls | sed -n 2p)
	lsc=lsc/$(ls "$SPOOL/lsc")
	cp "$SPOOL/$csr" csr
	cp "$SPOOL/$lsc" lsc
	cat "$FIX/csr/SEP000000000001.csr" >"$SPOOL/$csr"
	finding "$csr" "another key"
	cat "$FIX/der/SEP000000000003.der" >"$SPOOL/$csr"
	finding "$csr" "not a certificate request"
	cat csr >"$SPOOL/$csr"
	cat "$FIX/der/SEP000000000003.der" >"$SPOOL/$lsc"
	finding "$lsc" "another key"
	make_csr SEP000000000005 rsa1
	sign_openssl SEP000000000005.csr 5.der
	cat 5.der >"$SPOOL/$lsc"
	finding "$lsc" "another device"
	cat lsc >"$SPOOL/$lsc"
	spool-check -s "$SPOOL"
	mv "$SPOOL/$csr" "$SPOOL/csr/SEP000000000003+20239914T221320Z+$(key_hash "$FIX/key/rsa3.pem").csr"
	run --separate-stderr spool-check -s "$SPOOL"
	assert_status 1
	assert_output_has "no such time"
}

@test "spool-check: the trust stores" {
	ready
	local file
	file=$(cd "$SPOOL" && ls trust/capf/* | head -1)
	cat "$FIX/key/rsa1.pem" >"$SPOOL/$file"
	finding "$file" ""
	{ echo "# description: x"; cat "$FIX/ec.pem"; } >"$SPOOL/$file"
	run --separate-stderr spool-check -s "$SPOOL"
	rm "$SPOOL/$file"
	spool-check -s "$SPOOL"
}

# asked NUMBER STATE LAST: what a CA was asked for the key of that number, with its certificate when that is issued.
asked() {
	local key
	key=$(key_hash "$FIX/key/rsa$1.pem")
	printf '%s\n' "device = SEP00000000000$1" 'ca = lab' "state = $2" 'first = 2023-01-01T00:00:00Z' "last = $3" 'tries = 0' \
	    >"$SPOOL/online/$key.asked"
	[ "$2" != issued ] || cp "$FIX/der/SEP00000000000$1.der" "$SPOOL/online/$key.der"
	chmod -f 600 "$SPOOL/online/$key".*
}

@test "spool-check: online/" {
	local key
	key=$(key_hash "$FIX/key/rsa1.pem")
	asked 1 issued 2023-11-01T00:00:00Z
	asked 2 pending 2023-11-01T00:00:00Z
	spool-check -s "$SPOOL"
	sed -i 's/^state.*/state = perhaps/' "$SPOOL/online/$key.asked"
	finding "online/$key.asked" 'state cannot be "perhaps"'
	printf 'state = sent\n\0device = SEP1\n' >"$SPOOL/online/$key.asked"
	finding "online/$key.asked" "NUL"
	asked 1 issued 2023-11-01T00:00:00Z
	cp "$FIX/der/SEP000000000003.der" "$SPOOL/online/$key.der"
	finding "online/$key.der" "another key"
	echo x >"$SPOOL/online/$key.der"
	finding "online/$key.der" ""
	asked 1 issued 2023-11-01T00:00:00Z
	mv "$SPOOL/online/$key.asked" keep
	run --separate-stderr spool-check -v -s "$SPOOL"
	assert_status 0
	assert_output "online/$key.der"$'\t'"unfinished: a certificate that nobody asked for"
	spool-check -r -s "$SPOOL" -P "$(date -d 2023-11-02 +%s)"
	[ ! -e "$SPOOL/online/$key.der" ]
	mv keep "$SPOOL/online/$key.asked"
	: >"$SPOOL/online/${key^^}.asked"
	chmod 600 "$SPOOL/online/${key^^}.asked"
	finding "online/${key^^}.asked" "not a name of the spool"
}

@test "spool-check --repair: what CAs were asked goes by age, unless the request waits" {
	local now
	now=$(date -d 2024-01-15 +%s)
	asked 1 issued 2023-12-10T00:00:00Z
	asked 2 issued 2023-12-20T00:00:00Z
	asked 3 lost 2023-12-10T00:00:00Z
	asked 4 refused 2023-10-10T00:00:00Z
	asked 5 lost 2023-10-10T00:00:00Z
	csr-add -s "$SPOOL" -P "$now" "$FIX/csr/SEP000000000005.csr"
	run --separate-stderr spool-check -rv -s "$SPOOL" -P "$now"
	assert_status 0
	assert_output "0 steps finished, 2 old files taken away"
	(cd "$SPOOL/online" && cat ./*.asked) | grep -h '^device' | sort >left
	printf 'device = SEP00000000000%d\n' 2 3 5 | diff - left
	assert_equal "$(find "$SPOOL/online" -name '*.der' | wc -l)" 1
}

@test "a spool of an older version, without online/: every program takes it, also one that may only read" {
	ready
	rm -r "$SPOOL/online"
	cp -a "$SPOOL" before
	run --separate-stderr csr-submit --status -s "$SPOOL"
	assert_silent
	reads() {
		local command
		for command in csr-list csr-count lsc-list stale-lsc:list phone-list phone-report trust-list spool-check; do
			run --separate-stderr ${command//:/ } -s "$1"
			[ "$status" -le 1 ] || fail "$command" "$(show_run)"
			assert_equal "$stderr" ""
		done
		csr-dump -s "$1" >/dev/null
	}
	reads "$SPOOL"
	diff -r before "$SPOOL"
	csr-add -s "$SPOOL" "$FIX/csr/SEP000000000009.csr"
	phone-add -s "$SPOOL" SEP000000000009
	[ ! -e "$SPOOL/online" ]
	# One that nobody can write.
	if unshare -rm true 2>/dev/null; then
		unshare -rm bash -ec 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"
		    for command in csr-list csr-count lsc-list phone-list phone-report trust-list spool-check; do $command -s "$0"; done' \
		    "$SPOOL" >read
		assert_equal "$(wc -l <read | tr -d ' ' | sed 's/^[1-9].*/some/')" some
	fi
	# Who asks a CA makes it, also when it cannot be asked.
	csr-dump -s "$SPOOL" >requests.tgz
	run csr-submit -s "$SPOOL" -O type=est -O url=https://127.0.0.1:1/ -o c.tgz requests.tgz
	assert_equal "$(stat -c %a "$SPOOL/online")" 700
	rm -rf "$SPOOL/online"
	spool-check -r -P 1700090000 -s "$SPOOL"
	assert_equal "$(stat -c %a "$SPOOL/online")" 700
}

@test "spool-check --repair: the copies of CAPF's certificate" {
	local zero
	zero=$(cd "$SPOOL" && ls ca/*.0)
	spool_end >before
	rm "$SPOOL/$zero"
	finding ca/capf.pem "$(basename "$zero")"
	run --separate-stderr spool-check -s "$SPOOL" --repair
	assert_silent
	spool_end | diff before -
	cat "$FIX/der/SEP000000000001.der" >"$SPOOL/ca/CAPF.cer"
	finding ca/capf.pem "CAPF.cer"
	spool-check -s "$SPOOL" --repair
	spool_end | diff before -
	# The pair itself it does not invent.
	rm "$SPOOL/ca/capf.pem"
	run --separate-stderr spool-check -s "$SPOOL" --repair
	assert_status 1
	[ ! -e "$SPOOL/ca/capf.pem" ]
}

@test "spool-check --repair: what a crash leaves is legal, and finished" {
	ready
	spool_end >before
	# A request beside its certificate.
	cp -p "$SPOOL"/done/SEP000000000001+* "$SPOOL/csr/"
	rm "$SPOOL"/done/SEP000000000001+*
	# An older request beside the newer one, though its certificate is there.
	mv "$SPOOL"/done/SEP000000000002+* "$SPOOL/csr/"
	mv "$SPOOL"/stale/SEP000000000002+* "$SPOOL/lsc/"
	# What a dead program was writing.
	mkdir -m 700 "$SPOOL/tmp/0123456789abcdef"
	echo x >"$SPOOL/tmp/0123456789abcdef/0"
	run --separate-stderr spool-check -s "$SPOOL"
	assert_silent
	run --separate-stderr spool-check -v -s "$SPOOL"
	assert_status 0
	assert_line_count 4
	assert_equal "$(grep -c 'unfinished' <<<"$output")" 4
	run --separate-stderr spool-check -s "$SPOOL" -P 1700086400 --repair
	assert_silent
	spool_end | diff before -
	run --separate-stderr spool-check -v -s "$SPOOL"
	assert_silent
}

@test "spool-check --repair: what belongs to nobody stays where it is" {
	ready
	echo x >"$SPOOL/csr/stray"
	chmod 600 "$SPOOL/csr/stray"
	run --separate-stderr spool-check -s "$SPOOL" --repair
	assert_status 1
	[ -e "$SPOOL/csr/stray" ]
}

@test "spool-check --repair: answered requests go when their time is over" {
	ready
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 2
	spool-check -s "$SPOOL" --repair -P $((1700000000 + 29 * 86400))
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 2
	spool-check -s "$SPOOL" -P $((1700000000 + 31 * 86400))
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 2
	spool-check -s "$SPOOL" --repair -P $((1700000000 + 31 * 86400))
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 0
	assert_equal "$(csr-count -s "$SPOOL") $(ls "$SPOOL/lsc" | wc -l) $(ls "$SPOOL/stale" | wc -l)" \
	    "9 1 1"
	echo "keep-done = 5w" >>"$SPOOL/capf.conf"
	spool-check -s "$SPOOL"
}

# crowd DIRECTORY SUFFIX COUNT: so many files of other devices.
crowd() {
	(cd "$SPOOL/$1" && umask 077 && seq -f "SEP9%011.0f+20260101T000000Z+$(printf 'ab%.0s' {1..32}).$2" "$3" | xargs touch)
}

@test "csr-list --unsorted: the same lines, in whatever order" {
	crowd csr csr 300
	csr-list -s "$SPOOL" >sorted
	assert_equal "$(wc -l <sorted)" 300
	csr-list -s "$SPOOL" --unsorted | sort | diff sorted -
	assert_equal "$(csr-list -s "$SPOOL" -H --unsorted | head -n 1)" "$(csr-list -s "$SPOOL" -H | head -n 1)"
	assert_equal "$(csr-list -s "$SPOOL" -0 --unsorted --since 2026-01-02 | wc -c)" 0
}

@test "a command for one device keeps no names of others in memory" {
	local dir most=3500
	# ASan has memory of its own.
	if sanitized; then
		most=unlimited
	fi
	for dir in csr superseded done; do
		crowd $dir csr 40000
	done
	for dir in lsc installed; do
		crowd $dir der 40000
	done
	phone-add -s "$SPOOL" SEP000000000001
	# 3.5 MB; one of these directories takes more when its names are kept.
	little() {
		run bash -c 'ulimit -d "$0"; exec "$@"' $most "$@"
	}
	little csr-list -s "$SPOOL" --unsorted
	assert_status 0
	little phone-set -s "$SPOOL" SEP000000000001 --operation install --auth null
	assert_status 0
	little phone-list -s "$SPOOL"
	assert_status 0
	little csr-delete -s "$SPOOL" SEP900000000001
	assert_status 0
	assert_equal "$(wc -l <<<"$output")" 4
	if ! sanitized; then
		little csr-list -s "$SPOOL"
		[ "$status" -ne 0 ]
	fi
}

@test "spool-check --repair: a clock that is far ahead takes nothing away" {
	ready
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 2
	run --separate-stderr spool-check -s "$SPOOL" --repair -P $((1700000000 + 800 * 86400))
	assert_status 1
	assert_equal "${#stderr_lines[@]}" 1
	assert_stderr_has "spool-check: clock: it says 2026"
	assert_stderr_has "the newest file is of 20231115T"
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 2
	# With a newer file somewhere it is right.
	make_csr SEP000000000001 ec256
	csr-add -s "$SPOOL" -P $((1700000000 + 700 * 86400)) SEP000000000001.csr
	run --separate-stderr spool-check -s "$SPOOL" --repair -P $((1700000000 + 800 * 86400))
	refute_stderr_has "clock"
	assert_equal "$(ls "$SPOOL/done" | wc -l)" 0
}

@test "csr-add: at the end of all times a newer key does not pass for the older one" {
	local end=253402300799
	run --separate-stderr csr-add -s "$SPOOL" -P $end "$FIX/csr/SEP000000000001.csr"
	assert_status 0
	make_csr SEP000000000001 ec256
	run --separate-stderr csr-add -s "$SPOOL" -P $end SEP000000000001.csr
	assert_status 1
	assert_output_has "refused"
	assert_output_has "no name in the spool can have a later time"
	assert_equal "$(csr-count -s "$SPOOL") $(ls "$SPOOL/superseded" | wc -l)" "1 0"
	csr-delete -s "$SPOOL" SEP000000000001 >/dev/null
	run --separate-stderr csr-add -s "$SPOOL" SEP000000000001.csr
	assert_status 0
}

@test "csr-add leaves nothing in tmp/, however few files it may open" {
	local n
	for n in {8..40}; do
		run bash -c "ulimit -n $n; exec csr-add -s '$SPOOL' '$FIX/csr/SEP000000000001.csr'"
		assert_equal "$n: $(ls "$SPOOL/tmp" | wc -l)" "$n: 0"
	done
	assert_status 0
}

@test "spool-check --repair: superseded requests go after keep-superseded" {
	local then=1700000000
	csr-add -s "$SPOOL" -P $then "$FIX/csr/SEP000000000001.csr" >/dev/null
	make_csr SEP000000000001 ec256
	csr-add -s "$SPOOL" -P $((then + 60)) SEP000000000001.csr >/dev/null
	echo "keep-superseded = 5d" >>"$SPOOL/capf.conf"
	spool-check -s "$SPOOL" --repair -P $((then + 4 * 86400))
	assert_equal "$(ls "$SPOOL/superseded" | wc -l)" 1
	spool-check -s "$SPOOL" --repair -P $((then + 6 * 86400))
	assert_equal "$(ls "$SPOOL/superseded" | wc -l)" 0
	assert_equal "$(csr-count -s "$SPOOL")" 1
}

# --- csr-sign has a file of its own; here only how it ends.

@test "csr-sign: exit codes" {
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/ec.key" -o x.tgz "$FIX/csr.tgz"
	assert_status 100
	run --separate-stderr csr-sign -c "$FIX/csr.tgz" -k "$FIX/root.key" -o x.tgz "$FIX/csr.tgz"
	assert_status 100
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o x.tgz /dev/null
	assert_status 1
	assert_one_line "/dev/null: is empty"
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o x.tgz "$FIX/der.tgz"
	assert_status 1
	[ ! -e x.tgz ]
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o nosuch/x.tgz "$FIX/csr.tgz"
	assert_status 100
	assert_one_line "nosuch/x.tgz: "
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l nosuch/log "$FIX/csr.tgz"
	assert_status 100
	assert_one_line "nosuch/log: "
	# One bad request: the others are signed.
	cp "$FIX"/csr/*1.csr .
	echo rubbish >bad.csr
	tar czf x.tgz ./*.csr
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o y.tgz x.tgz
	assert_status 1
	assert_one_line "bad.csr: is neither PEM nor DER"
	assert_equal "$(tar tzf y.tgz)" SEP000000000001.der
}
