# SPDX-License-Identifier: ISC
# Every archive that make-archives.py makes, through every program that reads archives: the right verdict,
# no more work than honest archives within the limits cost (inflating 256 MiB is about that of the headers of as many
# entries as are allowed), 64 MiB in the largest process, and nothing written beside the spool or the output.
# refused.bats has the reasons, one by one.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	new_spool base
	ten_wait base
	new_spool empty
	python3 "$TESTDIR/data/make-archives.py" certs "$FIX/der/SEP000000000009.der"
	python3 "$TESTDIR/data/make-archives.py" reqs "$FIX/csr/SEP000000000009.csr"
	python3 "$TESTDIR/data/make-zips.py" zips "$FIX/der/SEP000000000009.der"
	cc -O1 -o measure "$TESTDIR/bench/measure.c"
	head -c 268435456 /dev/zero | gzip -1 >reference.gz
}

setup() {
	setup_each
	MADE=$BATS_FILE_TMPDIR
}

# every PROGRAM ARCHIVES SPOOL
every() {
	python3 "$TESTDIR/data/judge-archives.py" "$1" "$MADE/$2" "$MADE/$3" "$MADE/reference.gz" >table || fail "$(cat table)"
}

@test "cert-import and every hostile archive: the verdict, the time, the memory" {
	every cert-import certs base
}

@test "cert-import and every hostile zip: the verdict, the time, the memory" {
	every cert-import zips base
}

@test "csr-sign and every hostile archive: the verdict, the time, the memory" {
	every csr-sign reqs empty
}

@test "csr-add and every hostile archive: the verdict, the time, the memory" {
	every csr-add reqs empty
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
