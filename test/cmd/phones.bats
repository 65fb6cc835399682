# SPDX-License-Identifier: ISC
# The phones' records and their programs.
load ../helper

NOW=1700000000	# 2023-11-14T22:13:20Z
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
	export -f phone-add
}
# The tests here use short names, which look like typing errors; what is refused as such is in sheets.bats.
phone-add() {
	command phone-add --any-name "$@"
}

# list ARGUMENT...: columns of phone-list, at that time, with blanks between.
list() {
	phone-list -P $NOW "$@" | tr '\t' ' '
}
names() {
	phone-list -0 "$@" | tr '\0' ' '
}
# state DEVICE ORDER STATUS [LINE...]: as the server writes it.
state() {
	printf '%s\n' "scheduled = $2" "status = $3" "${@:4}" >"$SPOOL/phone/$1.state"
	chmod 600 "$SPOOL/phone/$1.state"
}
scheduled() {
	sed -n 's/^scheduled = //p' "$SPOOL/phone/$1.conf"
}
# identity DEVICE: of its order.
identity() {
	sed -n 's/^\(scheduled\|order\) = //p' "$SPOOL/phone/$1.conf" | tail -n 1
}

# --- phone-add

@test "phone-add: names as arguments, from stdin, from a file" {
	run --separate-stderr phone-add SEP3 SEP1
	assert_silent
	run --separate-stderr bash -o pipefail -c 'printf "SEP2\n\nSEP4" | phone-add'
	assert_silent
	printf 'SEP5\0' >list
	run --separate-stderr phone-add -0 -f list
	assert_silent
	run list
	assert_output "SEP1 none none string none - - - -
SEP2 none none string none - - - -
SEP3 none none string none - - - -
SEP4 none none string none - - - -
SEP5 none none string none - - - -"
	assert_equal "$(stat -c %a "$SPOOL"/phone/* | sort -u)" 600
	[ -z "$(ls -A "$SPOOL/tmp")" ]
	run --separate-stderr spool-check
	assert_silent
}

@test "phone-add: a bad name is told, the others go in" {
	run --separate-stderr phone-add SEP1 'SEP 2' .SEP3 SEP1 SEP4
	assert_status 1
	assert_stderr_line_count 3
	assert_stderr_has '"SEP 2" is not a device name'
	assert_stderr_has 'SEP1: is there already'
	assert_equal "$(names)" "SEP1 SEP4 "
	run --separate-stderr phone-add SEP4
	assert_status 1
	assert_stderr_has "SEP4: is there already"
}

@test "phone-add: those that have asked already" {
	csr-add "$FIX/csr.tgz"
	csr-list | phone-add
	assert_equal "$(names --lsc pending | wc -w)" 10
}

@test "phone-add: an empty list is nobody" {
	run --separate-stderr phone-add </dev/null
	assert_silent
	[ -z "$(ls "$SPOOL/phone")" ]
}

@test "phone-add --csv: every column, in any order" {
	printf '%s\r\n' 'rsa,device,"description",operation,auth,string,key-order,ec,complete-by' \
	    '4096,SEP1,"Hall, ""left""; #1",install,string,012345,ec-rsa,521,2024-01-01' \
	    ',SEP2,,,,,,,' >a.csv
	run --separate-stderr phone-add -P $NOW --csv a.csv
	assert_silent
	assert_equal "$(cat "$SPOOL/phone/SEP1.conf")" 'description = Hall, "left"\x3b #1
operation = install
auth = string
string = 012345
key-order = ec-rsa
rsa = 4096
ec = 521
complete-by = 2024-01-01T23:59:59Z
scheduled = 2023-11-14T22:13:20Z'
	run list --name SEP1
	assert_output 'SEP1 install pending string none - Hall, "left"; #1 - -'
	run list --name SEP2
	assert_output 'SEP2 none none string none - - - -'
}

@test "phone-add --csv: a line for each bad row, the good ones go in" {
	cat >a.csv <<-'EOT'
	device,operation,auth,string,rsa,complete-by
	SEP1,install,null,,,
	SEP2,instal,null,,,
	SEP3,install,string,,,
	SEP4,install,string,123,,
	SEP5,install,null,1234,,
	SEP6,install,null,,2000,
	SEP7,install,null,,,2020-01-01
	,install,null,,,
	SEP8,install
	SEP9,install,"null"x,,,
	SEP1,none,,,,
	SEPA,,,,,
	EOT
	run --separate-stderr phone-add -P $NOW -c - <a.csv
	assert_status 1
	assert_stderr_line_count 10
	assert_stderr_has 'stdin:3: SEP2: operation cannot be "instal"'
	assert_stderr_has 'stdin:4: SEP3: auth is string, but there is no authentication string'
	assert_stderr_has 'stdin:5: SEP4: an authentication string has 4 to 15 digits'
	assert_stderr_has 'stdin:6: SEP5: has an authentication string, but auth is null'
	assert_stderr_has 'stdin:7: SEP6: rsa cannot be "2000"'
	assert_stderr_has 'stdin:8: SEP7: the time to complete it is over already'
	assert_stderr_has 'stdin:9: has no device name'
	assert_stderr_has 'stdin:10: has 2 cells, the header 6'
	assert_stderr_has 'stdin:11: a quote'
	assert_stderr_has 'stdin:12: SEP1: comes twice: line 2 has it as well, and counts'
	assert_equal "$(names)" "SEP1 SEPA "
}

@test "phone-add --csv: a header that is no good adds nothing" {
	local header
	for header in device,rsa,rsa description,auth device,colour,Colour '"device' ''; do
		printf '%s\nSEP1,2048,2048\n' "$header" >a.csv
		[ -n "$header" ] || : >a.csv
		run --separate-stderr phone-add -c a.csv
		assert_status 100
		assert_stderr_line_count 1
		assert_stderr_has a.csv
	done
	[ -z "$(ls "$SPOOL/phone")" ]
}

@test "phone-add --update: what a cell says, and nothing else" {
	phone-add SEP1
	phone-set -P $NOW --operation install --auth string --string 123456 --rsa 3072 SEP1
	printf 'device,description,operation\nSEP1,Hall,\nSEP2,New,\n' >a.csv
	run --separate-stderr phone-add -u -c a.csv
	assert_silent
	grep -qx 'string = 123456' "$SPOOL/phone/SEP1.conf"
	grep -qx 'rsa = 3072' "$SPOOL/phone/SEP1.conf"
	grep -qx 'description = Hall' "$SPOOL/phone/SEP1.conf"
	assert_equal "$(scheduled SEP1)" 2023-11-14T22:13:20Z
	printf 'device,operation\nSEP1,delete\nSEP1,install\n' | {
		run --separate-stderr phone-add -u -P $NOW -c -
		assert_status 1
		assert_stderr_has "SEP1: comes twice"
	}
	assert_equal "$(scheduled SEP1) $(identity SEP1)" "2023-11-14T22:13:20Z 2023-11-14T22:13:21Z"
	assert_equal "$(names)" "SEP1 SEP2 "
}

@test "templates: default, named, in a row; what is said wins" {
	cat >>"$SPOOL/capf.conf" <<-'EOT'
	template.default.rsa = 3072
	template.office.rsa = 4096
	template.office.auth = null
	template.office.operation = install
	template.office.complete-by = +2d
	EOT
	printf 'device,template,rsa\nSEP1,,\nSEP2,office,\nSEP3,office,2048\nSEP4,none,\n' >a.csv
	run --separate-stderr phone-add -P $NOW -c a.csv
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'a.csv:5: SEP4: there is no template "none"'
	phone-add -P $NOW -t office SEP5
	assert_equal "$(grep -h ^rsa "$SPOOL"/phone/*.conf | tr -dc '0-9\n' | xargs)" "3072 4096 2048 4096"
	grep -qx 'complete-by = 2023-11-16T22:13:20Z' "$SPOOL/phone/SEP5.conf"
	grep -qx 'template = office' "$SPOOL/phone/SEP5.conf"
	phone-set -P $NOW --template office --rsa 2048 SEP1
	grep -qx 'rsa = 2048' "$SPOOL/phone/SEP1.conf"
	run list --name SEP1
	assert_output "SEP1 install pending null none - - - -"
	run --separate-stderr phone-set --template nobody SEP1
	assert_status 100
	run --separate-stderr phone-add --template nobody SEP9
	assert_status 100
}

@test "an RSA key that no session could take is refused at once: an option, a row, a template, an old record" {
	local bits
	phone-add -P $NOW SEP1 SEP2
	cp -a "$SPOOL/phone" before
	for bits in 512 1024; do
		run --separate-stderr phone-set --operation install --auth null --rsa $bits SEP1
		assert_status 100
		assert_stderr_has "rsa cannot be $bits: keys of phones have at least 2048 bits, and no setting allows shorter ones"
		printf 'device,operation,auth,rsa\nSEP3,install,null,%s\n' $bits >a.csv
		run --separate-stderr phone-add -c a.csv
		assert_status 1
		assert_stderr_has "a.csv:2: SEP3: rsa cannot be $bits: keys"
		cp "$SPOOL/capf.conf" conf
		printf 'template.old.rsa = %s\n' $bits >>"$SPOOL/capf.conf"
		run --separate-stderr phone-set --template old SEP1
		assert_status 100
		assert_stderr_has "rsa cannot be $bits"
		run --separate-stderr phone-add --template old SEP4
		assert_status 100
		run --separate-stderr spool-check
		assert_status 1
		assert_output_has "rsa cannot be $bits"
		cp conf "$SPOOL/capf.conf"
		diff -r before "$SPOOL/phone"
	done
	# A record of an older version can be read and mended, but not ordered to.
	sed -i 's/^rsa = .*/rsa = 1024/' "$SPOOL/phone/SEP1.conf"
	run --separate-stderr phone-set --operation install --auth null all
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "SEP1: rsa cannot be 1024"
	phone-set --operation install --auth null --key-order ec SEP1
	phone-set --operation install --auth null --key-order rsa --rsa 2048 SEP1
	run --separate-stderr spool-check
	assert_silent
}

@test "templates: a bad one is told by everybody who wants it, and by spool-check" {
	local line
	phone-add SEP1
	for line in 'a.rsa = 2000' 'a.colour = red' 'a.string = 1234' 'a.template = b' 'a.rsa' 'rsa = 2048'; do
		printf 'template.%s\n' "$line" >"$SPOOL/capf.conf"
		run --separate-stderr phone-set --template a SEP1
		assert_status 100
		assert_stderr_has capf.conf
		run --separate-stderr spool-check
		assert_status 1
		assert_output_has capf.conf
	done
}

# --- phone-set

@test "phone-set: an order, its deadline, and the next one is another one" {
	phone-add SEP1
	run --separate-stderr phone-set -P $NOW --operation install --auth null --key-order ec --ec 256 SEP1
	assert_silent
	assert_equal "$(cat "$SPOOL/phone/SEP1.conf")" 'operation = install
auth = null
key-order = ec
rsa = 2048
ec = 256
complete-by = 2023-11-24T22:13:20Z
scheduled = 2023-11-14T22:13:20Z'
	# Two in one second, and the clock steps back: none is scheduled ahead of the clock, and none is the one before.
	phone-set -P $NOW --operation install --key-order rsa --complete-by 2030-01-01 SEP1
	assert_equal "$(scheduled SEP1) $(identity SEP1)" "2023-11-14T22:13:20Z 2023-11-14T22:13:21Z"
	state SEP1 2023-11-14T22:13:20Z failed
	run list
	assert_output "SEP1 install pending null none - - - -"
	state SEP1 2023-11-14T22:13:21Z failed
	run list
	assert_output "SEP1 install failed null none - - - -"
	phone-set -P $((NOW - 99)) --operation delete SEP1
	assert_equal "$(scheduled SEP1) $(identity SEP1)" "2023-11-14T22:11:41Z 2023-11-14T22:13:22Z"
	phone-set -P $NOW --complete-by +7d SEP1
	assert_equal "$(scheduled SEP1) $(identity SEP1)" "2023-11-14T22:11:41Z 2023-11-14T22:13:22Z"
	grep -qx 'complete-by = 2023-11-21T22:13:20Z' "$SPOOL/phone/SEP1.conf"
	echo 'operation-expires = 0d' >>"$SPOOL/capf.conf"
	phone-set -P $NOW --operation troubleshoot SEP1
	refute grep -q complete-by "$SPOOL/phone/SEP1.conf"
}

@test "phone-set: what cannot be is refused, and nothing is set" {
	local option
	phone-add SEP1
	cp "$SPOOL/phone/SEP1.conf" before
	for option in --operation=instal --auth=none --string=123 --string=1234567890123456 --string=12a4 \
	    --generate=3 --generate=16 --generate=x --key-order=dsa --rsa=2047 --ec=255 --complete-by=soon \
	    --description=$'\e' '--string=1234 --generate' ''; do
		run --separate-stderr phone-set $option SEP1 <<<SEP1
		assert_status 100
		refute_stderr_has 12a4
	done
	run --separate-stderr phone-set --rsa 2048 SEP1 'SEP 2'
	assert_status 100
	cmp before "$SPOOL/phone/SEP1.conf"
	run --separate-stderr phone-set --operation install SEP1 SEP2
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "SEP1: auth is string, but there is no authentication string"
	assert_stderr_has "SEP2: there is no such phone"
	cmp before "$SPOOL/phone/SEP1.conf"
}

@test "phone-set --generate: a string for each, on stdout and nowhere else" {
	phone-add SEP1 SEP2 SEP3
	run --separate-stderr phone-set --operation install --auth string --generate SEP1 SEP2 SEP3
	assert_status 0
	assert_line_count 3
	[[ ${lines[0]} =~ ^SEP1$'\t'[0-9]{10}$ ]]
	first=$(cut -f 2 <<<"${lines[0]}")
	assert_equal "$(cut -f 2 <<<"$output" | sort -u | wc -l)" 3
	assert_equal "$(phone-list --show-string | cut -f 1,10)" "$output"
	refute grep -q "$(cut -f 2 <<<"${lines[0]}")" "$SPOOL/journal"
	refute grep -q "$(cut -f 2 <<<"${lines[0]}")" <(phone-list; phone-report)
	grep -q "$(cut -f 2 <<<"${lines[0]}")" <(phone-report --show-string)
	assert_equal "$(names --string "$(cut -f 2 <<<"${lines[1]}")")" "SEP2 "
	# Another one would make what was handed out void.
	run --separate-stderr phone-set --generate SEP1
	assert_status 1
	assert_equal "$output" ""
	assert_stderr_has "SEP1: has an authentication string already"
	assert_equal "$(phone-list --show-string | cut -f 10 | head -n 1)" "$first"
	run phone-set --generate=4 --again SEP1
	[[ $output =~ ^SEP1$'\t'[0-9]{4}$ ]]
	echo 'string-digits = 15' >>"$SPOOL/capf.conf"
	run phone-set --generate --again SEP1
	[[ $output =~ ^SEP1$'\t'[0-9]{15}$ ]]
	run --separate-stderr bash -c 'phone-set --generate --again SEP1 >/dev/full'
	assert_status 111
}

@test "phone-set --string-file: the first line, also of stdin" {
	phone-add SEP1
	printf '271828\r\nmore\n' >string
	phone-set --operation install --string-file string SEP1
	grep -qx 'string = 271828' "$SPOOL/phone/SEP1.conf"
	phone-set --string-file - SEP1 <<<31415926
	grep -qx 'string = 31415926' "$SPOOL/phone/SEP1.conf"
	run --separate-stderr phone-set --string-file - <<<31415926
	assert_status 100
	run --separate-stderr phone-set --string-file - SEP1 </dev/null
	assert_status 100
	run --separate-stderr phone-set --string-file nothing SEP1
	assert_status 100
}

@test "phone-set: a string goes with its mode, with its order, and is used once" {
	phone-add SEP1
	phone-set -P $NOW --operation install --string 123456 SEP1
	state SEP1 "$(identity SEP1)" failed 'reason = locked' 'wrong-strings = 3'
	phone-set -P $NOW --operation install SEP1
	grep -q 'string = 123456' "$SPOOL/phone/SEP1.conf"
	state SEP1 "$(identity SEP1)" successful
	assert_equal "$(names --string 123456)" ""
	run --separate-stderr phone-set -P $NOW --operation delete SEP1
	assert_status 1
	phone-set --operation delete --string 654321 SEP1
	phone-set --operation none SEP1
	refute grep -q '^string' "$SPOOL/phone/SEP1.conf"
	phone-set --operation install --string 654321 SEP1
	phone-set --auth null SEP1
	refute grep -q '^string' "$SPOOL/phone/SEP1.conf"
}

@test "phone-set: names from lists, all, and nobody" {
	phone-add SEP1 SEP2 SEP3
	phone-list --name 'SEP[12]' | phone-set --auth null
	printf 'SEP3\0' | phone-set -0 -f - --auth existing-mic
	assert_equal "$(phone-list | cut -f 1,4 | tr '\t\n' ': ')" "SEP1:null SEP2:null SEP3:existing-mic "
	phone-list --name nobody | phone-set --auth string
	assert_equal "$(phone-list | cut -f 4 | sort -u | xargs)" "existing-mic null"
	phone-set --auth existing-lsc all
	assert_equal "$(phone-list | cut -f 4 | sort -u)" existing-lsc
}

# --- phone-list, phone-report

@test "phone-list: the status of an order is its own" {
	phone-add SEP1 SEP2 SEP3 SEP4 SEP5
	phone-set -P $NOW --operation install --auth null SEP1 SEP2 SEP3 SEP4
	state SEP1 "$(identity SEP1)" successful 'when = 2023-11-14T22:14:00Z' 'attempts = 1'
	state SEP2 "$(identity SEP2)" failed 'reason = wrong string\x3b locked' 'when = 2023-11-14T22:15:00Z'
	state SEP3 2020-01-01T00:00:00Z failed 'reason = of another order'
	run list -H
	assert_output "device operation status auth lsc expires description when reason
SEP1 install successful null none - - 2023-11-14T22:14:00Z -
SEP2 install failed null none - - 2023-11-14T22:15:00Z wrong string; locked
SEP3 install pending null none - - - -
SEP4 install pending null none - - - -
SEP5 none none string none - - - -"
	assert_equal "$(names -P $NOW --status pending)" "SEP3 SEP4 "
	assert_equal "$(names -P $NOW --status none)" "SEP5 "
	assert_equal "$(names -P $((NOW + 864001)) --status failed)" "SEP2 SEP3 SEP4 "
	assert_equal "$(names --operation install --name '*[14]')" "SEP1 SEP4 "
	run phone-list -P $((NOW + 864001)) --name SEP4
	assert_output_has "the time to complete it is over"
	phone-set -P $NOW --operation install SEP2
	assert_equal "$(names -P $NOW --status pending)" "SEP2 SEP3 SEP4 "
}

@test "phone-list: certificates" {
	local d=SEP00000000000
	trust_lab
	phone-add ${d}1 ${d}2 ${d}3 ${d}4 ${d}5
	csr-add -P 1700000000 "$FIX"/csr/${d}[1-4].csr
	tar czf some.tgz -C "$FIX/der" ${d}1.der ${d}2.der ${d}3.der
	cert-import some.tgz >/dev/null
	mv "$SPOOL"/lsc/${d}1+* "$SPOOL/installed"
	make_csr ${d}2 rsa9
	csr-add ${d}2.csr
	make_csr ${d}1 rsa8
	csr-add ${d}1.csr
	run bash -c 'phone-list | cut -f 1,5'
	assert_output "${d}1	pending
${d}2	pending
${d}3	ready
${d}4	pending
${d}5	none"
	assert_equal "$(names --stale)" "${d}2 "
	csr-delete ${d}1 ${d}2 >/dev/null
	assert_equal "$(names --lsc installed)" "${d}1 "
	assert_equal "$(names --lsc stale)" "${d}2 "
	assert_equal "$(names --lsc ready)" "${d}3 "
	assert_equal "$(names --lsc none)" "${d}5 "
	assert_equal "$(phone-list --lsc ready | cut -f 6)" "$(lsc-list -R | cut -f 3)"
	assert_equal "$(names --lsc-expires-before 2099-01-01)" "${d}1 ${d}3 "
	assert_equal "$(names --lsc-expires-before 2020-01-01)" ""
	# The pipeline of the overview.
	phone-list --lsc-expires-before 2099-01-01 | phone-set --operation install --auth string --generate >out
	assert_equal "$(cut -f 1 out | xargs)" "${d}1 ${d}3"
	echo rubbish >"$(echo "$SPOOL"/lsc/${d}3+*)"
	run --separate-stderr phone-list
	assert_status 1
	assert_line_count 5
	assert_stderr_has "${d}3: its certificate"
}

@test "phone-list: a bad record is told, the others are listed" {
	phone-add SEP1 SEP2 SEP3 SEP4
	echo 'colour = red' >>"$SPOOL/phone/SEP1.conf"
	ln -sf SEP4.conf "$SPOOL/phone/SEP2.conf"
	state SEP3 2020-01-01T00:00:00Z rubbish
	for program in phone-list phone-report; do
		run --separate-stderr $program
		assert_status 1
		assert_stderr_line_count 3
		assert_stderr_has "SEP1: its record: line 6: there is no field colour"
		assert_stderr_has "SEP3: its record: what became of it: line 2"
		assert_output_has SEP4
	done
	run --separate-stderr phone-set --auth null all
	assert_status 1
	assert_stderr_line_count 3
	run --separate-stderr spool-check
	assert_status 1
	assert_output_has "phone/SEP1	line 6: there is no field colour"
	assert_output_has "phone/SEP2.conf	not a regular file"
	assert_output_has "phone/SEP3	what became of it"
}

@test "phone-list: wrong words, and control characters" {
	local option
	for option in --operation=x --status=x --lsc=x --lsc-expires-before=x x; do
		run --separate-stderr phone-list $option
		assert_status 100
	done
	phone-add SEP1
	phone-set --description $'Empf\xc3\xa4nge \x80 \\' SEP1
	printf 'reason = a\\x1b[31m\nscheduled = 2020-01-01T00:00:00Z\nstatus = failed\n' >"$SPOOL/phone/SEP1.state"
	run --separate-stderr phone-list
	assert_status 0
	assert_printable
	assert_output_has 'Empf\xc3\xa4nge \x80 \x5c'
	run --separate-stderr bash -c 'phone-list >/dev/full'
	assert_status 111
}

@test "phone-report: CSV that another reader understands, and no formulas" {
	phone-add SEP1 SEP2
	phone-set --description '=HYPERLINK("http://x","y"), z' SEP1
	phone-set --description '+1 @x' SEP2
	phone-report >a.csv
	assert_equal "$(grep -c $'\r$' a.csv)" 3
	assert_equal "$(wc -l <a.csv)" 3
	grep -qF "SEP1,\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\"), z\"," a.csv
	grep -qF "SEP2,'+1 @x," a.csv
	python3 - <<-'EOT'
	import csv
	rows = list(csv.reader(open("a.csv", newline="")))
	assert len(rows) == 3 and len({len(r) for r in rows}) == 1, rows
	assert rows[1][1] == '\'=HYPERLINK("http://x","y"), z', rows[1]
	EOT
	run --separate-stderr bash -c 'phone-report >/dev/full'
	assert_status 111
}

# --- phone-del

@test "phone-del: record and state go, certificates stay" {
	trust_lab
	csr-add "$FIX/csr.tgz"
	cert-import "$FIX/der.tgz" >/dev/null
	phone-add SEP000000000001 SEP000000000002
	state SEP000000000001 2020-01-01T00:00:00Z failed
	run --separate-stderr phone-del -n SEP000000000001
	assert_status 0
	assert_output SEP000000000001
	assert_equal "$(ls "$SPOOL/phone" | wc -l)" 3
	run --separate-stderr phone-del SEP000000000001 SEP000000000009
	assert_status 1
	assert_output SEP000000000001
	assert_stderr_has "SEP000000000009: there is no such phone"
	assert_equal "$(ls "$SPOOL/phone")" SEP000000000002.conf
	assert_equal "$(lsc-list | wc -l)" 10
	run --separate-stderr phone-del --yes all
	assert_output SEP000000000002
	run --separate-stderr phone-del all
	assert_silent
	run --separate-stderr phone-del -f - </dev/null
	assert_silent
	run --separate-stderr phone-del
	assert_status 100
}

@test "spool-check: files that do not belong to phones, and what is left of one" {
	phone-add SEP1
	state SEP2 2020-01-01T00:00:00Z failed
	run --separate-stderr spool-check
	assert_silent
	run --separate-stderr spool-check -v
	assert_output_has "phone/SEP2.state	unfinished: of a phone that is gone"
	run --separate-stderr spool-check --repair
	assert_silent
	[ ! -e "$SPOOL/phone/SEP2.state" ]
	echo x >"$SPOOL/phone/SEP1.txt"
	chmod 600 "$SPOOL/phone/SEP1.txt"
	chmod 644 "$SPOOL/phone/SEP1.conf"
	run --separate-stderr spool-check
	assert_status 1
	assert_output_has "phone/SEP1.txt	not a name of the spool"
	assert_output_has "phone/SEP1.conf	others may read or write it"
}

# --- Many, and at once.

@test "thousands at once; two that add the same" {
	seq -f 'SEP%012.0f' 1 3000 >names
	phone-add <names 2>one &
	phone-add <names 2>two || true
	wait $! || true
	assert_equal "$(phone-list -0 | tr -dc '\0' | wc -c)" 3000
	assert_equal "$(cat one two | wc -l)" 3000
	assert_equal "$(grep -c '	added	' "$SPOOL/journal")" 3000
	run bash -o pipefail -c 'phone-set --operation install --generate all | cut -f 2 | wc -l'
	assert_output 3000
	assert_equal "$(names --status pending | wc -w)" 3000
	[ -z "$(ls -A "$SPOOL/tmp")" ]
}

@test "capf: the words for phones" {
	capf phone add --any-name SEP1
	capf phone set --auth null SEP1
	assert_equal "$(capf phone list | cut -f 1,4)" "SEP1	null"
	capf phone report | grep -q ^SEP1,
	assert_equal "$(capf phone del SEP1)" SEP1
}

@test "two at once who change different things of the same phones: nothing is lost" {
	seq -f 'SEP%012.0f' 1 300 >names
	phone-add -f names
	for round in 1 2 3; do
		phone-set -f names --description "round $round" &
		phone-set -f names --operation install --auth string --generate >strings &
		phone-set -f names --rsa 3072 &
		wait
		[ "$(grep -lx "description = round $round" "$SPOOL"/phone/*.conf | wc -l)" -eq 300 ]
		[ "$(grep -lx 'operation = install' "$SPOOL"/phone/*.conf | wc -l)" -eq 300 ]
		[ "$(grep -lx 'rsa = 3072' "$SPOOL"/phone/*.conf | wc -l)" -eq 300 ]
		while IFS=$'\t' read -r device string; do
			grep -qx "string = $string" "$SPOOL/phone/$device.conf"
		done <strings
		phone-set -f names --rsa 2048 --operation none
	done
	run --separate-stderr spool-check
	assert_silent
}
