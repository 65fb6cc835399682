# SPDX-License-Identifier: ISC
# The walk of make check-crash finds what it is for, and a small one over our programs.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mkdir -p bin obj/crash
	cc -o bin/sloppy "$TESTDIR/data/sloppy.c"
	cc -D_GNU_SOURCE -fPIC -shared -o obj/crash/crash.so "$TESTDIR/crash/crash.c"
	cat >bin/spool-check <<-'END'
	#!/bin/sh
	for file in "$3"/csr/*; do
		[ ! -e "$file" ] || echo whole | cmp -s - "$file" || { echo "$file: half"; exit 1; }
	done
	END
	chmod +x bin/spool-check
}

# walk HOW [ENVIRONMENT]: the walk over sloppy with one fault; the environment says what is enough to find it.
walk() {
	cat >"$1" <<-END
	program=sloppy
	prepare() {
		mkdir -p "\$SPOOL" && cd "\$SPOOL" &&
		mkdir -p csr superseded lsc stale installed done tmp
	}
	action() {
		(cd "\$SPOOL" && sloppy . $1)
	}
	END
	CAPFKIT_BIN=$BATS_FILE_TMPDIR/bin CAPFKIT_OBJ=$BATS_FILE_TMPDIR/obj \
	    PROBLEMS=100 run env "${2:-FULL=1}" "$TESTDIR/crash/walk" "./$1"
}

@test "a careful program passes" {
	walk good
	assert_status 0
	assert_output_has "ok - good: 6 kill points, 29 failure points, all legal, all converge"
	assert_output_has "1 passed, 0 failed"
}

@test "a file written in place is found" {
	walk inplace ONLY=half
	assert_status 1
	assert_output_has "csr/f, half: spool-check complains"
}

@test "a file published before its bytes are durable is found" {
	walk nosync KILLS=1
	assert_status 1
	assert_output_has "its bytes are not durable yet: "
}

@test "a directory that is never synced is found" {
	walk nodirsync KILLS=1
	assert_status 1
	assert_output_has "the program ends well, but csr/ is not durable since csr/f"
}

@test "a temporary file left behind is found" {
	walk leak KILLS=1
	assert_status 1
	assert_output_has "tmp/ is not empty"
}

@test "a write whose failure nobody looks at is found" {
	walk ignore ONLY=once:ENOSPC
	assert_status 1
	assert_output_has "write tmp/f, once:ENOSPC: exit 0, but the work is not done"
}

@test "a sync that failed and is tried again is found" {
	walk retry ONLY=once:EIO
	assert_status 1
	assert_output_has "fsync tmp/f, once:EIO: exit 0"
	assert_output_has "its bytes are not durable yet: "
}

@test "who speaks before it is durable is found" {
	walk early KILLS=1
	assert_status 1
	assert_output_has "stdout says: added f, but csr/ is not durable since csr/f"
}

# --- The programs themselves, undisturbed: only the order of their calls is looked at. make check-crash has more.

# in_order DIRECTORY PROGRAM ARGUMENT...: it ends well, and what it published, said or left below the directory was
# durable by then. Its calls are in the file calls. Sanitizers want to be loaded first, so there it only runs.
in_order() {
	if sanitized; then
		"${@:2}" >said
		return
	fi
	rm -f shared
	CRASH_FILE=$PWD/shared CRASH_PROGRAM=$2 CRASH_UNDER=$1 LD_PRELOAD=$BATS_FILE_TMPDIR/obj/crash/crash.so "${@:2}" >said
	judged "$1"
}
judged() {
	{ tail -c +65 shared | tr -d '\0'; printf 'end\tgood\n'; } >calls
	# It is seen at all.
	grep -q '	change	' calls
	"$TESTDIR/crash/order" "$1" calls || fail "$(cat calls)"
}

@test "few requests are durable when csr-add says so, and each by itself" {
	in_order "$SPOOL" csr-add -s "$SPOOL" "$FIX"/csr/SEP00000000000[1-3].csr
	[ "$(csr-count -s "$SPOOL")" -eq 3 ]
	sanitized || refute grep -q '	syncfs	' calls
}

@test "many requests are durable when csr-add says so, with one call for all" {
	in_order "$SPOOL" csr-add -s "$SPOOL" "$FIX/csr.tgz"
	[ "$(csr-count -s "$SPOOL")" -eq 10 ]
	sanitized || grep -q '	syncfs	' calls
}

@test "few certificates are durable when cert-import says so" {
	ten_wait
	tar czf one.tgz -C "$FIX/der" SEP000000000001.der
	in_order "$SPOOL" cert-import -s "$SPOOL" one.tgz
	[ "$(csr-count -s "$SPOOL")" -eq 9 ]
	sanitized || refute grep -q '	syncfs	' calls
}

@test "many certificates are durable when cert-import says so, with one call for all" {
	ten_wait
	in_order "$SPOOL" cert-import -s "$SPOOL" "$FIX/der.tgz"
	[ "$(csr-count -s "$SPOOL")" -eq 0 ]
	sanitized || grep -q '	syncfs	' calls
}

@test "a certificate that is trusted, a phone and its order are durable" {
	in_order "$SPOOL" trust-add -s "$SPOOL" capf "$FIX/root.pem"
	in_order "$SPOOL" phone-add -s "$SPOOL" SEP000000000001
	in_order "$SPOOL" phone-set -s "$SPOOL" --operation install --auth null SEP000000000001
	in_order "$SPOOL" phone-del -s "$SPOOL" SEP000000000001
}

@test "a new spool and a CA's key are durable" {
	in_order "$PWD/new" capf-init -s "$PWD/new"
	mkdir ca
	in_order "$PWD/ca" ca-init -n CN=x ca/made
	# Made without a place in tmp/: its bytes before its name.
	sanitized || awk -F '\t' '
		$3 == "fsync" { durable[$4] = 1 }
		$3 == "rename" && !($4 in durable) { print; bad = 1 }
		END { exit bad }' calls
}

@test "a trust list is durable, and so is what the spool remembers of it, before and after" {
	mkdir tftp
	in_order "$PWD/tftp" ctl-make -s "$SPOOL" -k "$FIX/root.key" --sast "$FIX/root.pem" tftp/ITLFile.tlv
	in_order "$SPOOL" ctl-make -s "$SPOOL" -k "$FIX/root.key" --sast "$FIX/root.pem" tftp/ITLFile.tlv
	sanitized || assert_equal "$(grep -c '	rename.*\.ctl' calls)" 2
}

@test "archives and the log of csr-sign are durable, the log before the archive has its name" {
	ten_wait
	mkdir out
	in_order "$PWD/out" csr-dump -s "$SPOOL" -o out/requests.tgz
	in_order "$PWD/out" csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l "$PWD/out/log" -o out/certs.tgz out/requests.tgz
	assert_equal "$(wc -l <out/log)" 10
	logged_first
	# With an answer for each archive as well.
	mkdir both both/answers
	cp out/requests.tgz both/a.tgz
	cp out/requests.tgz both/b.tgz
	in_order "$PWD/both" csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l "$PWD/both/log" -o both/answers both/a.tgz both/b.tgz
	assert_equal "$(wc -l <both/log)" 20
	logged_first
}
# logged_first: in the run that was just judged, the log is durable before an archive has its name.
logged_first() {
	sanitized || awk -F '\t' '
		$4 ~ /(out|both)\/log$/ { open = $3 == "write" ? 1 : $3 == "fsync" ? 0 : open; writes += $3 == "write" }
		$3 == "rename" && (open || !writes) { print "not durable yet: " $0; bad = 1 }
		END { exit bad || !writes }' calls
}

@test "a server that issues: a phone is told nothing that is not durable" {
	load ../serving
	setup_server
	by_itself
	order SEP000000000001 --operation install --auth string --string 12345
	: >log
	if sanitized; then
		return
	fi
	CRASH_FILE=$PWD/shared CRASH_PROGRAM=capf-serve CRASH_UNDER=$SPOOL LD_PRELOAD=$BATS_FILE_TMPDIR/obj/crash/crash.so \
	    capf-serve -l 127.0.0.1:0 </dev/null >out 2>log 3>&- &
	started
	sim SEP000000000001 --string 99999
	ended refused
	sim SEP000000000001 --string 12345
	ended installed
	stop
	judged "$SPOOL"
	grep -q '	say	phone	' calls
}

@test "cert-import is killed before each call that changes the disk, and in the middle of each write" {
	if sanitized; then
		return
	fi
	CAPFKIT_OBJ=$BATS_FILE_TMPDIR/obj KILLS=1 run "$TESTDIR/crash/walk" cert-import-one
	assert_status 0
	[[ $output =~ cert-import-one:\ ([0-9]+)\ kill ]]
	[ "${BASH_REMATCH[1]}" -ge 10 ]
}
