# SPDX-License-Identifier: ISC
# Every archive that make-archives.py makes, through every program that reads archives: the right verdict,
# no more work than honest archives within the limits cost, 64 MiB in the largest process, and nothing written beside
# the spool or the output. refused.bats has the reasons, one by one.
load helper

# How many times the work of the reference, which measures this machine: inflating 256 MiB with gzip, as many as the
# headers of as many entries as are allowed.
TIMES_MAX=4 KIB_MAX=65536

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	new_spool base
	ten_wait base
	new_spool empty
	python3 "$TESTDIR/data/make-archives.py" certs "$FIX/der/SEP000000000009.der"
	python3 "$TESTDIR/data/make-archives.py" reqs "$FIX/csr/SEP000000000009.csr"
	cc -O1 -o measure "$TESTDIR/bench/measure.c"
	head -c 268435456 /dev/zero | gzip -1 >reference.gz
	./measure reference gzip -dc reference.gz >/dev/null
}

setup() {
	setup_each
	MADE=$BATS_FILE_TMPDIR
	bad=0
}

# around: what lies about, of whatever kind; but for directories with the time of change. Ours are in work/,
# which is not looked at.
around() {
	find .. "$MADE" -path '*/work' -prune -o -type d -printf '%p %y\n' -o -printf '%p %y %s %T@\n' | sort
}

# judge KIND/NAME WANTED GOT: a line of the table, from what measure said.
judge() {
	local seconds kib reference mark=
	read -r _ seconds kib <work/cost
	read -r _ reference _ <"$MADE/reference"
	[ "$2" = "$3" ] || mark="  wanted $2"
	sanitized || awk -v s="$seconds" -v k="$kib" -v S="$reference" -v K=$KIB_MAX -v T=$TIMES_MAX \
	    'BEGIN { exit s <= S * T && k <= K ? 0 : 1 }' || mark="$mark  too dear"
	printf '%-28s %-22s %6.2f s %6d KiB%s\n' "$1" "$3" "$seconds" "$kib" "$mark" >>table
	[ -z "$mark" ] || bad=$((bad + 1))
	rm -rf work/*
}

# each FOLDER FUNCTION: the function runs the program on one archive and sets WANTED and GOT.
each() {
	local archive name n=0
	mkdir work
	: >table
	around >before
	for archive in "$MADE/$1"/*.tgz "$MADE/$1"/*/*.tgz "$MADE/$1"/*/*/*.tgz; do
		name=${archive#"$MADE/$1/"}
		name=${name%.tgz}
		n=$((n + 1))
		$2
		judge "$name" "$WANTED" "$GOT"
	done
	around >after
	# Both lists are younger than the first.
	diff <(grep -Ev '/(before|after|table) ' before) <(grep -Ev '/(before|after|table) ' after) ||
	    fail "something was written elsewhere"
	[ "$n" -ge 90 ] && [ $bad -eq 0 ] || fail "$n archives, $bad of them not as they should be" "$(cat table)"
}

# into_spool PROGRAM FROM WORD DIRECTORY: a spool like FROM, for which the program says WORD of what is good
# and keeps it in DIRECTORY.
into_spool() {
	local rc=0
	cp -a "$MADE/$2" work/spool
	spool_end work/spool >work/before
	"$MADE/measure" work/cost "$1" -s work/spool "$archive" >work/out 2>work/err || rc=$?
	GOT="$rc $(grep -c "^$3" work/out || true)"
	case $name in
	whole/*)
		WANTED="1 0"
		# One line, however many entries there are: the first of a million is not told before all are refused.
		[ "$(cat work/err work/out | wc -l)" -eq 1 ] || GOT="$GOT, $(cat work/err work/out | wc -l) lines"
		spool_end work/spool | cmp -s - work/before || GOT="$GOT, changed" ;;
	fine/*) WANTED="0 1" ;;
	*) WANTED="1 1" ;;
	esac
	[ "$(ls "work/spool/$4" | wc -l)" -eq "${GOT:2:1}" ] || GOT="$GOT, not kept"
	[ -z "$(ls work/spool/tmp)" ] || GOT="$GOT, litter"
}

import_one() {
	into_spool cert-import base accepted lsc
}

add_one() {
	into_spool csr-add empty added csr
	# Requests may come in a folder.
	case $name in
	directory | slash) WANTED="0 1" ;;
	esac
}

sign_one() {
	local rc=0
	"$MADE/measure" work/cost csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o work/out.tgz "$archive" \
	    >work/out 2>work/err || rc=$?
	GOT="$rc $([ ! -e work/out.tgz ] || tar tf work/out.tgz | tr '\n' ' ')"
	case $name in
	whole/million)
		WANTED="1 "
		[ "$(wc -l <work/err)" -eq 1 ] || GOT="$GOT, $(wc -l <work/err) lines" ;;
	whole/*) WANTED="1 " ;;
	directory) WANTED="0 SEP000000000009.der " ;;
	*) WANTED="1 SEP000000000009.der " ;;	# odd ones that are fine: a second request for the device
	esac
}

@test "cert-import and every hostile archive: the verdict, the time, the memory" {
	each certs import_one
}

@test "csr-sign and every hostile archive: the verdict, the time, the memory" {
	each reqs sign_one
}

@test "csr-add and every hostile archive: the verdict, the time, the memory" {
	each reqs add_one
}

# frugal PROGRAM [ARGUMENT...]: many entries are refused in the first archive of the last arguments, in its order, and
# 24 MiB are enough for any process of it. What was said is in said.
frugal() {
	local kib rc=0
	rm -rf cost
	"$MADE/measure" cost "$@" >said 2>err || rc=$?
	assert_equal "$rc" 1
	[ ! -s err ]
	read -r _ _ kib <cost
	sanitized || [ "$kib" -le 24576 ] || fail "$1: $kib KiB"
	grep '^refused' said | cut -f 2 | cut -c 1-5 | cmp - <(seq -w 0 59999) || fail "not all, or not in order"
}

@test "what is said of very many entries takes no memory, and comes in their order" {
	new_spool spool.many
	ten_wait spool.many
	spool_state spool.many >before
	frugal cert-import -n -s spool.many "$MADE/certs/manynames.tgz"
	mv said dry
	spool_state spool.many | diff before -
	frugal cert-import -s spool.many "$MADE/certs/manynames.tgz"
	cmp said dry
	assert_equal "$(grep -vc '^refused' said)" 1
	assert_equal "$(sed -n 1p said | cut -f 3-)" "$(printf -- '-\t-\t-\thas control characters in its name')"
	frugal csr-add -s spool.many "$MADE/reqs/manynames.tgz"
	assert_equal "$(grep -v '^refused' said | cut -f 1)" already
	[ -z "$(ls spool.many/tmp)" ]
	# A file that is damaged takes its answers along, those of the others stay.
	head -c -8 "$MADE/reqs/manynames.tgz" >damaged.tgz
	run --separate-stderr csr-add -s spool.many "$MADE/reqs/manyempty.tgz" damaged.tgz "$MADE/reqs/manyempty.tgz"
	assert_status 1
	assert_line_count 2002
	assert_equal "$(grep -c 'is empty$' <<<"$output")" 2000
	assert_stderr_line_count 1
}

@test "what is said of very many entries: all or nothing" {
	new_spool spool.all
	ten_wait spool.all
	cert-import -a -s spool.all "$MADE/certs/manynames.tgz" >said || [ $? -eq 1 ]
	assert_equal "$(grep -c '^refused' said)" 60001
	grep -q '^refused	good.der	.*it is all or nothing$' said
	[ -z "$(ls spool.all/lsc)" ]
}

@test "cut off at every 512th byte, as a tar and as a gzip: refused, and nothing imported" {
	local size at form last
	cp -a "$MADE/base" spool.cut
	tar cf all.tar -C "$FIX/der" SEP000000000001.der SEP000000000002.der SEP000000000003.der
	cp "$FIX/der.tgz" all.tgz
	spool_state spool.cut >before
	for form in tar tgz; do
		size=$(stat -c %s all.$form)
		last=$((size - 1))
		# The end of a tar is two blocks of nothing; what fills the last record may be missing.
		[ $form = tgz ] || last=$((512 * ($(tar tvRf all.tar |
		    sed -n 's/^block \([0-9]*\): \*\* Block of NULs.*/\1/p') + 1)))
		for ((at = 512; at <= last; at += 512)); do
			head -c $at all.$form >cut
			run --separate-stderr cert-import -s spool.cut cut
			[ "$status" -eq 1 ] && [ -z "$output" ] || fail "$form cut at $at" "$(show_run)"
			assert_stderr_line_count 1
			assert_stderr_has "nothing was imported"
		done
	done
	spool_state spool.cut | diff before -
}
