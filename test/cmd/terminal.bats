# SPDX-License-Identifier: ISC
# What lists and long work look like on a terminal, and that a pipe notices nothing of it.
load ../helper

LISTS=$TESTDIR/data/lists

# A spool whose every byte is fixed: data/lists/spool.tgz. SEP000000000002 failed, its certificate is stale;
# SEP00000000000B's description has a byte that is not UTF-8, and a character that turns the direction of the text.
setup() {
	setup_each
	rm -rf "$SPOOL"
	mkdir fixed
	tar xpzf "$LISTS/spool.tgz" -C fixed --no-same-owner
	export CAPF_SPOOL=fixed/spool TERM=dumb LC_ALL=C.UTF-8 TZ=CET-1CEST,M3.5.0,M10.5.0/3
	unset PAGER LESS NO_COLOR COLUMNS LINES
}

# on_terminal [-c COLUMNS] [-l LINES] COMMAND: what the terminal saw.
on_terminal() {
	python3 "$TESTDIR/data/terminal.py" "$@"
}

# quick COMMAND: in it, each look at the clock takes a second.
quick() {
	# A sanitizer's allocator looks at the clock too, when it thinks of giving memory back.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:allocator_release_to_os_interval_ms=-1 \
	    TERM=xterm on_terminal -c 100 "export LD_PRELOAD=$(preload); $1"
}

preload() {
	[ -e quick.so ] || cc -shared -fPIC -O1 -o quick.so "$TESTDIR/data/quick.c"
	# A sanitizer wants to be the first.
	if sanitized; then
		printf '%s:' "$(cc -print-file-name=libasan.so)"
	fi
	echo "$PWD/quick.so"
}

# play: every command of data/lists/commands, with what it wrote and its exit status.
play() {
	local command rc
	export LC_ALL=C TZ=UTC
	while read -r command; do
		rc=0
		eval "$command" >out 2>err </dev/null || rc=$?
		echo "\$ $command"
		tr '\0' '@' <out
		sed 's/^/! /' err
		echo "= $rc"
	done <"$LISTS/commands"
}

@test "a pipe gets byte for byte what it got before there was anything for terminals" {
	play >played
	diff "$LISTS/recorded" played
	# NO_COLOR, PAGER and the size of a terminal do not matter, nor does a locale.
	LC_ALL=C.UTF-8 PAGER=false TERM=xterm COLUMNS=20 play >again
	diff "$LISTS/recorded" again
}

@test "on a terminal of 80 columns lists are aligned, keys short, times local, texts as they are" {
	run on_terminal 'phone-list -P 1800000000; csr-list; lsc-list; trust-list; stale-lsc list; csr-submit --status; spool-check -P 1800000000'
	cp "$LISTS/terminal.80" want
	diff want - <<<"$output"
}

@test "on a terminal of 120 columns there is room for more columns" {
	run on_terminal -c 120 'phone-list -P 1800000000; csr-list; lsc-list; trust-list; stale-lsc list; csr-submit --status; spool-check -P 1800000000'
	diff "$LISTS/terminal.120" - <<<"$output"
}

@test "no line is wider than the terminal, whatever its width, nor does one end in the midst of a character" {
	local columns
	for columns in 1 2 7 19 40 79 81 100 133 200; do
		on_terminal -c $columns 'phone-list --show-string; csr-list; lsc-list; trust-list; csr-submit --status; spool-check || true' >seen
		python3 - $columns seen <<-'EOP'
		import sys, unicodedata
		for line in open(sys.argv[2], encoding="utf-8"):
		    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line.rstrip("\n"))
		    assert width <= int(sys.argv[1]), (width, line)
		EOP
	done
}

@test "what lies on a terminal is escaped: control characters, directions, bytes that are not UTF-8" {
	run on_terminal -c 300 'phone-list --name "*B"; trust-list capf'
	assert_status 0
	assert_output_has 'bad \xff byte, \xe2\x80\xae bidi'
	assert_output_has 'CN=Evil \xe2\x80\xaetxt'
	refute_output_has $'\u202e'
	assert_output_has 'O=Müller GmbH'
	printf 'description = a\\x1b[2Jb\\xc2\\x9b\\xe2\\x80\\x8bc\\x0d\\x0ad\\xf0\\x90\n' >>fixed/spool/phone/SEP00000000000A.conf
	run on_terminal -c 300 'phone-list --name "*A"'
	assert_output_has 'a\x1b[2Jb\xc2\x9b\xe2\x80\x8bc\x0d\x0ad\xf0\x90'
	refute_output_has '^['
}

@test "without a locale of UTF-8 a terminal gets ASCII" {
	LC_ALL=C run on_terminal 'phone-list; trust-list; lsc-list'
	[[ $output != *[^[:ascii:]]* ]] || fail "$output"
	assert_output_has 'Empfang, B\xc3\..  -'
	assert_output_has '  60c65ddc9f24be..  13850e66bfe1'
}

@test "an empty list is its header" {
	run on_terminal 'csr-list --since @1900000000'
	assert_output 'device  requested  key  proof'
}

@test "--color, NO_COLOR and TERM" {
	TERM=xterm run on_terminal 'phone-list --status failed -P 1800000000'
	assert_output_has '^[[31mfailed^[[m'
	assert_output_has '^[[1mdevice'
	TERM=xterm NO_COLOR=1 run on_terminal 'phone-list --status failed'
	refute_output_has '^['
	TERM=xterm NO_COLOR= run on_terminal 'phone-list --status failed'
	assert_output_has '^[[31mfailed'
	TERM=dumb run on_terminal 'phone-list --status failed'
	refute_output_has '^['
	TERM=xterm run on_terminal 'phone-list --status failed --color=never'
	refute_output_has '^['
	NO_COLOR=1 run on_terminal 'phone-list --status failed --color'
	assert_output_has '^[[31mfailed'
	# In a pipe only for who wants it; then it is still a record a line.
	TERM=xterm phone-list --status failed -P 1800000000 >plain
	refute grep -q $'\033' plain
	phone-list --status failed -P 1800000000 --color=always >coloured
	sed 's/\x1b\[[0-9]*m//g' coloured | cmp - plain
	grep -q $'\t\033\\[31mfailed\033\\[m\t' coloured
	run --separate-stderr phone-list --color=sometimes
	assert_status 100
	assert_stderr_has '--color wants always, auto or never'
}

@test "--json: an object a line, numbers, nulls, times in UTC, all of it UTF-8" {
	phone-list -P 1800000000 --json --show-string >phones
	csr-submit --status --json >cas
	trust-list --json >trust
	csr-list --json >csr
	lsc-list --json >lsc
	stale-lsc list --json >stale
	run spool-check --json -P 1800000000
	assert_status 1
	printf '%s\n' "${lines[@]}" >check
	python3 - <<-'EOP'
	import json
	def read(name):
	    return [json.loads(line) for line in open(name, encoding="utf-8")]
	phones = {p["device"]: p for p in read("phones")}
	assert list(phones["SEP000000000001"]) == ["device", "operation", "status", "auth", "lsc", "expires", "description", "when", "reason", "string"]
	assert phones["SEP000000000001"]["description"] == "Empfang, Büro 12 (Zürich)"
	assert phones["SEP000000000001"]["when"] is None
	assert phones["SEP000000000001"]["string"] == "12345678"
	assert phones["SEP000000000003"]["description"].startswith("back\\slash and")
	assert phones["SEP000000000003"]["expires"] == "2028-02-19T08:00:00Z"
	assert phones["SEP00000000000B"]["description"] == "bad \\xff byte, \u202e bidi"
	assert phones["SEP00000000000A"]["string"] == "87654321"
	assert b"\xe2\x80\xae" not in open("phones", "rb").read()
	assert read("cas")[1] == {"ca": "office", "open": 1, "issued": 0, "refused": 1, "lost": 0,
	    "oldest": "2027-01-15T06:53:20Z", "success": None, "error": "2027-01-15T07:26:40Z", "reason": "not in the directory"}
	assert {t["subject"] for t in read("trust")} >= {"C=DE, O=Müller GmbH, CN=Zertifikate für Telefone"}
	assert list(read("trust")[0]) == ["store", "description", "subject", "serial", "not_after", "sha256"]
	assert read("csr")[0]["key"] == "8305b2ed9c8a3488efecabe048ee2d2a72b1829fdd9d9cd1ab39ced0e0e4e77a"
	assert [sorted(o) for o in (read("csr") + read("lsc") + read("stale"))[::4]] == [
	    ["device", "key", "proof", "requested"], ["device", "key", "proof", "requested"], ["device", "key", "not_after", "serial", "state"]]
	assert {f["file"] for f in read("check")} >= {"csr/odd\tname\\xff"}
	EOP
	run --separate-stderr phone-list --json -0
	assert_status 100
	run --separate-stderr stale-lsc --json view
	assert_status 100
	run --separate-stderr csr-submit --json
	assert_status 100
	# On a terminal, too.
	run on_terminal 'csr-list --json'
	assert_output "$(cat csr)"
}

@test "a list that is longer than the screen goes to the pager, outside the sandbox" {
	PAGER='cat >paged; echo the pager' run on_terminal -l 9 'phone-list'
	assert_status 0
	assert_output 'the pager'
	assert_equal "$(wc -l <paged)" 9
	assert_equal "$(cut -c 1-15 paged | sed -n 2p)" ATA001122334455
	rm paged
	# It fits: the header, eight phones, and the prompt.
	PAGER='cat >paged; echo the pager' run on_terminal -l 10 'phone-list'
	assert_status 0
	assert_line_count 9
	[ ! -e paged ]
	# Who reads more than a screen at once gets less: the rest comes as it is read.
	for i in $(seq 20 520); do
		: >"fixed/spool/csr/SEP0000000000$i+20270115T070000Z+$(printf '%064d' "$i").csr"
	done
	PAGER='cat >paged' run on_terminal 'csr-list'
	assert_status 0
	assert_output ''
	assert_equal "$(wc -l <paged)" 507
	# Nothing that stands in a pipe is paged.
	PAGER='cat >paged2' csr-list >piped
	[ ! -e paged2 ]
	assert_equal "$(wc -l <piped)" 506
}

@test "no pager: --no-pager, an empty PAGER, cat, and one that is not there" {
	local how
	for how in 'phone-list --no-pager' 'PAGER= phone-list' 'PAGER=cat phone-list' 'PAGER=/nonexistent/pager phone-list' \
	    'PAGER="nosuchpager -x" phone-list'; do
		PAGER='echo paged' run on_terminal -l 5 "$how"
		assert_status 0
		assert_line_count 9
		refute_output_has paged
	done
}

@test "the default pager is less, with colours as colours" {
	mkdir bin
	printf '#!/bin/sh\necho "$0 $*"; exec cat\n' >bin/less
	chmod +x bin/less
	PATH=$PWD/bin:$PATH run on_terminal -l 5 phone-list
	assert_equal "${lines[0]}" "$PWD/bin/less -FRX"
	assert_line_count 10
	# Where there is none, the list comes all the same.
	run on_terminal -l 5 "PATH=$BIN:$PWD/none phone-list"
	assert_line_count 9
}

@test "who leaves the pager early has seen enough: no message, and exit status 0" {
	# More than a pipe holds. What comes last is bad, and is not looked at any more.
	seq -f 'SEP00000001%04.0f' 3000 | phone-add -f -
	phone-add ZZZ
	echo 'operation = nonsense' >fixed/spool/phone/ZZZ.conf
	PAGER='head -n 1' run on_terminal 'phone-list && echo good'
	assert_status 0
	assert_line_count 2
	assert_equal "${lines[1]}" good
}

@test "an interrupt is for the pager: the list does not end before it" {
	echo 'trap "hit=1" INT; echo ready; until [ -n "$hit" ]; do sleep 0.05; done; cat >paged; echo the pager ends' >pager
	PAGER='sh pager' run on_terminal -l 5 -i ready 'phone-list; echo "and then the list, $?"'
	assert_status 0
	[[ ${lines[-2]} == *'the pager ends' ]]
	assert_equal "${lines[-1]}" 'and then the list, 0'
	assert_equal "$(wc -l <paged)" 9
}

@test "a list on a terminal says what is wrong, and ends with it" {
	echo 'operation = nonsense' >fixed/spool/phone/SEP000000000004.conf
	run on_terminal 'phone-list'
	assert_status 1
	assert_output_has 'phone-list: SEP000000000004: its record: '
	assert_output_has SEP00000000000B
}

@test "progress: n of how many, how fast, how long still, and then nothing is left of it" {
	run quick 'phone-set --description x SEP000000000001 SEP000000000002 SEP000000000003'
	assert_status 0
	assert_output '^Mphone-set: 1 of 3 phones read, 1.0/s, 2 s left^[[K^Mphone-set: 2 of 3 phones read, 1.0/s, 1 s left^[[K^Mphone-set: 3 of 3 phones read, 1.0/s^[[K^M^[[K^Mphone-set: 1 of 3 phones, 1.0/s, 2 s left^[[K^Mphone-set: 2 of 3 phones, 1.0/s, 1 s left^[[K^Mphone-set: 3 of 3 phones, 1.0/s^[[K^M^[[Kphone-set: 3 changed'
}

@test "progress: an archive by how much of it is read; it vanishes for a message" {
	trust-add capf "$FIX/root.pem" 2>/dev/null
	run quick "csr-add '$FIX/csr.tgz' >said"
	assert_status 0
	assert_output_has '^Mcsr-add: 0 requests, 100 %^[[K'
	assert_output_has '^Mcsr-add: 9 requests, 100 %, 0.9/s^[[K^M^[[K'
	assert_output_has '^Mcsr-add: 1 of 10 requests stored, 0.5/s, 18 s left^[[K'
	assert_output_has '^Mcsr-add: 10 of 10 requests stored, 0.5/s^[[K'
	assert_output_has '^M^[[Kcsr-add: 10 added'
	assert_equal "$(grep -c ^added said)" 10
	run quick "csr-add <'$FIX/csr.tgz' >said"
	assert_output_has '^Mcsr-add: 9 requests, 100 %, 0.9/s^[[K^M^[[K'
	assert_output_has '^M^[[Kcsr-add: 0 added, 10 already'
	# Of a pipe nobody knows.
	run quick "cat '$FIX/csr.tgz' | csr-add >said"
	assert_output_has '^Mcsr-add: 9 requests, 0.9/s^[[K^M^[[K'
	# Of several files, by their number.
	run quick "csr-add '$FIX'/csr/SEP00000000000[1-4].csr >said"
	assert_output_has '^Mcsr-add: 2 requests, 50 %, 0.7/s, 3 s left^[[K'

	run quick "cert-import --dry-run '$FIX/der.tgz' >said"
	assert_output_has '^Mcert-import: 10 certificates, 100 %, 1.0/s^[[K^M^[[K'
	assert_output_has 'cert-import: 10 accepted'
	run quick "csr-sign -c '$FIX/root.pem' -k '$FIX/root.key' -o o.tgz '$FIX/csr.tgz'"
	assert_status 0
	assert_output_has '^Mcsr-sign: 10 certificates, 100 %, 1.0/s^[[K^M^[[K'
	mkdir two
	cp "$FIX/csr/SEP000000000001.csr" two/a.csr
	cp "$FIX/csr/SEP000000000001.csr" two/b.csr
	tar czf two.tgz -C two a.csr b.csr
	run quick "csr-sign -c '$FIX/root.pem' -k '$FIX/root.key' -o o.tgz two.tgz"
	assert_status 1
	assert_output_has '^[[K^M^[[Kcsr-sign: b.csr: a second request for this device'
}

@test "progress: programs that delete, dump and check" {
	run quick 'csr-dump -o o.tgz SEP000000000006 SEP000000000007 2>&1'
	assert_output_has '^Mcsr-dump: 1 of 2 requests, 1.0/s, 1 s left^[[K'
	run quick 'csr-delete -n all'
	assert_output_has '^Mcsr-delete: 1 files, 20 %, 0.5/s, 8 s left^[[K'
	new_spool whole
	ten_wait whole
	run quick 'spool-check -s whole >said'
	assert_output_has '^Mspool-check: 9 of 10 files, 1.0/s, 1 s left^[[K'
	run quick 'trust-add callmanager fixed/spool/trust/capf/* 2>&1'
	assert_output_has '^Mtrust-add: 2 certificates, 50 %, '
	# A list that shows something has shown that it is at work.
	run quick 'lsc-list --expires-within 0s >said'
	assert_output_has '^Mlsc-list: 1 of 2 certificates, 1.0/s, 1 s left^[[K'
	run quick 'lsc-list >said'
	refute_output_has 'certificates'
	assert_equal "$(wc -l <said)" 4
	run quick 'phone-list --status successful -P 1800000000 | cat'
	assert_output_has '^Mphone-list: 3 of 9 phones, 1.0/s, 6 s left^[[K'
	refute_output_has ': 7 of 9 phones'
	run quick 'phone-del --yes all >said'
	assert_output_has '^Mphone-del: 2 of 9 phones'
}

@test "progress: none in the first second, none where there is no terminal, none on a dumb one" {
	QUICK_MS=100 run quick 'phone-set --description x all >/dev/null'
	assert_output 'phone-set: 8 changed'
	QUICK_MS=150 run quick 'phone-set --description w all >/dev/null'
	assert_output '^Mphone-set: 7 of 8 phones read, 6.7/s, 1 s left^[[K^M^[[K^Mphone-set: 7 of 8 phones, 6.7/s, 1 s left^[[K^M^[[Kphone-set: 8 changed'
	run --separate-stderr env LD_PRELOAD="$(preload)" phone-set --description y all
	assert_silent
	TERM=dumb run on_terminal "LD_PRELOAD=$(preload) phone-set --description z all"
	assert_output 'phone-set: 8 changed'
}

@test "totals, for who watches: phone-add, phone-set, csr-add, cert-import" {
	run on_terminal 'phone-add SEP000000000001 SEP00000000000C 2>&1 | cat; phone-add SEP000000000001 SEP00000000000D'
	assert_equal "${lines[0]}" 'phone-add: SEP000000000001: is there already'
	assert_equal "${lines[1]}" 'phone-add: SEP000000000001: is there already'
	assert_equal "${lines[2]}" 'phone-add: 1 added, 1 refused'
	assert_line_count 3
	printf 'device,description\nSEP000000000001,lobby\n' >lobby.csv
	run on_terminal 'phone-add -u -c lobby.csv'
	assert_output 'phone-add: 0 added, 1 changed'
	run on_terminal 'phone-set --auth null SEP000000000001 SEP0000000000CC'
	assert_status 1
	assert_equal "${lines[1]}" 'phone-set: 1 changed, 1 refused'
	echo junk >junk
	run on_terminal "csr-add '$FIX/csr/SEP000000000001.csr' junk >/dev/null"
	assert_output 'csr-add: 1 added, 1 refused'
	trust-add capf "$FIX/root.pem" 2>/dev/null
	run on_terminal "cert-import '$FIX/der/SEP000000000001.der' >/dev/null"
	assert_output 'cert-import: 1 accepted'
}
