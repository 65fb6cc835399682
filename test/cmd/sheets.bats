# SPDX-License-Identifier: ISC
# Names as people type them, tables as spreadsheets save them, what field staff carry, and devices that nobody knows.
load ../helper
load ../serving

NOW=1700000000	# 2023-11-14T22:13:20Z
SHEETS=$BATS_TEST_DIRNAME/../data/sheets

names() {
	phone-list -0 "$@" | tr '\0' ' '
}
# report [COLUMN...]: those columns, without the header.
report() {
	local IFS=,
	phone-report --columns "$*" | tr -d '\r' | tail -n +2
}

# --- names

@test "SEP and a MAC address become one name, however they are typed" {
	local name
	for name in SEP001122AABBCC sep001122aabbcc Sep00:11:22:aa:bb:cc SEP-00-11-22-AA-BB-CC sep0011.22aa.bbcc \
	    ' SEP001122AABBCC ' SEP:0011:22AA:BBCC; do
		run --separate-stderr phone-add "$name"
		assert_silent
		assert_equal "$(names)" "SEP001122AABBCC "
		phone-del SEP001122AABBCC >/dev/null
	done
	run --separate-stderr phone-add ata00:11:22:aa:bb:cc
	assert_silent
	assert_equal "$(names)" "ATA001122AABBCC "
	# A list from a system with other line ends.
	printf 'sep000000000001\r\n\r\nSEP00:00:00:00:00:02\r\n' | phone-add
	assert_equal "$(names)" "ATA001122AABBCC SEP000000000001 SEP000000000002 "
}

@test "names that look like typing errors want --any-name, and the message says what may be meant" {
	local name hint
	while IFS='|' read -r name hint; do
		run --separate-stderr phone-add "$name"
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "$hint"
		assert_stderr_has --any-name
		assert_equal "$(names)" ""
		run --separate-stderr phone-add --any-name "$name"
		assert_silent
		assert_equal "$(names)" "$name "
		phone-del "$name" >/dev/null
	done <<-'EOT'
	SEP00112233445|12 hexadecimal digits behind SEP
	SEP0011223344556|12 hexadecimal digits behind SEP
	SEPO01122334455|12 hexadecimal digits behind SEP
	001122334455|the name of its phone is probably SEP001122334455
	00-11-22-33-44-55|the name of its phone is probably SEP001122334455
	SPE001122334455|is probably SEP001122334455
	5EP001122334455|is probably SEP001122334455
	EP001122334455|is probably SEP001122334455
	SEEP001122334455|is probably SEP001122334455
	SSEP001122334455|is probably SEP001122334455
	4711|is a number
	phones.csv|the name of a file
	Device|the heading of a column
	csfjdoe|begins with CSF in capitals
	EOT
	# What no phone can be called stays refused.
	run --separate-stderr phone-add --any-name 'a b'
	assert_status 1
	assert_stderr_has 'is not a device name'
	refute_stderr_has --any-name
}

@test "names of other devices are taken as they are" {
	run --separate-stderr phone-add CSFjdoe BOTjdoe TCTjdoe TABjdoe CTIport1 ATA001122334455 VGB0D0BF3C0C200 \
	    AN0011223344550 ANA001122334455 IPC001122334455 jdoe Lobby-1 lab.phone_2
	assert_silent
	assert_equal "$(names | wc -w)" 13
	# A SEP that is no typing error of the prefix.
	run --separate-stderr phone-add separate
	assert_status 1
}

@test "every program takes typed names, and a record of just that name comes first" {
	local name
	phone-add SEP0000000000AB
	phone-set --description one sep00:00:00:00:00:ab
	assert_equal "$(report device description)" SEP0000000000AB,one
	printf ' sep0000000000ab\r\n' | phone-set --description two
	assert_equal "$(report device description)" SEP0000000000AB,two
	phone-add --any-name sep0000000000ab
	phone-set --description small sep0000000000ab
	phone-set --description big SEP0000000000AB
	assert_equal "$(report device description)" $'SEP0000000000AB,big\nsep0000000000ab,small'
	run --separate-stderr phone-add sep0000000000ab
	assert_status 1
	assert_stderr_has 'sep0000000000ab: is there already'
	phone-list | phone-set --description both
	assert_equal "$(report description)" $'both\nboth'
	assert_equal "$(phone-del sep0000000000ab)" sep0000000000ab
	assert_equal "$(phone-del sep0000000000ab)" SEP0000000000AB
	run --separate-stderr phone-del sep0000000000ab
	assert_status 1
	assert_stderr_has 'SEP0000000000AB: there is no such phone'
	# Requests.
	ten_wait
	csr-dump -o one.tgz sep00:00:00:00:00:01
	assert_equal "$(tar tzf one.tgz | wc -l)" 1
	run --separate-stderr csr-delete sep000000000001 SEP-000000000002
	assert_status 0
	assert_equal "$(csr-count)" 8
}

@test "what a phone says is not tidied" {
	phone-add SEP000000000001
	start
	sim sep000000000001
	ended unknown-device
	sim SEP000000000001
	ended refused
}

# --- tables

@test "tables that LibreOffice saved go in: commas, semicolons, tabs; UTF-8, UTF-16, Windows-1252" {
	local way encoding
	for way in comma-utf8 semicolon-utf8 tab-utf16 semicolon-windows1252; do
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		encoding=()
		if [ $way = semicolon-windows1252 ]; then
			run --separate-stderr phone-add --dates dmy -c "$SHEETS/$way.csv"
			assert_status 100
			assert_stderr_has 'line 2: the byte 0xfc is no UTF-8'
			assert_stderr_has '--encoding windows-1252'
			[ -z "$(ls "$SPOOL/phone")" ]
			encoding=(--encoding windows-1252)
		fi
		run --separate-stderr phone-add --dates dmy "${encoding[@]}" -c "$SHEETS/$way.csv"
		assert_status 0
		assert_stderr_has 'other columns are kept as fields: device-pool'
		case $way in
		comma-utf8) assert_stderr_line_count 1 ;;
		semicolon-utf8) assert_stderr_has 'read as UTF-8, with semicolons between the cells' ;;
		tab-utf16) assert_stderr_has 'read as UTF-16LE, with tabs between the cells' ;;
		semicolon-windows1252) assert_stderr_has 'read as Windows-1252, with semicolons between the cells' ;;
		esac
		run --separate-stderr report device description operation auth string complete-by device-pool
		assert_output "$(cat <<-'EOT'
		CSFjdoe,"links, ""Halle""",none,existing-lsc,,,
		SEP001122334455,Zürich – Empfang,install,string,'012345678901,2030-12-31T23:59:59Z,DP_Zürich
		SEP001122334456,'0815,install,null,,2030-12-31T08:30:00Z,DP_1
		SEP001122334457,'1-2,none,string,,,
		EOT
		)"
	done
}

@test "a byte order mark, a line sep=, empty rows and columns at the end" {
	{ printf '\xef\xbb\xbfsep=;\r\n'; printf '%s\r\n' 'Device;Description;;' 'SEP000000000001;"a;b";;' ';;;' 'SEP000000000002;x,y'; } >a.csv
	run --separate-stderr phone-add -c a.csv
	assert_status 0
	assert_stderr_has 'with semicolons between the cells'
	assert_stderr_line_count 1
	assert_equal "$(report device description)" $'SEP000000000001,a;b\nSEP000000000002,"x,y"'
	# More cells than the header, with something in them.
	printf 'device,description\nSEP000000000003,Halle, links\n' >b.csv
	run --separate-stderr phone-add -c b.csv
	assert_status 1
	assert_stderr_has 'b.csv:2: has 3 cells, the header 2'
}

@test "--encoding: what the file itself says for certain is not overruled" {
	printf '\xef\xbb\xbfdevice\nSEP000000000001\n' >a.csv
	run --separate-stderr phone-add --encoding windows-1252 -c a.csv
	assert_status 100
	assert_stderr_has 'its first bytes are UTF-8'
	run --separate-stderr phone-add --encoding latin-9 -c a.csv
	assert_status 100
	run --separate-stderr phone-add --encoding utf-8 SEP000000000001
	assert_status 100
	assert_stderr_has 'are for --csv'
	printf 'device\nSEP000000000001\n' | iconv -f UTF-8 -t UTF-16BE >big.csv
	run --separate-stderr phone-add -c big.csv
	assert_status 0
	head -c 21 big.csv >half.csv
	run --separate-stderr phone-add --encoding utf-16be -c half.csv
	assert_status 100
	assert_stderr_has 'is cut off'
	[ "$(names)" = "SEP000000000001 " ]
}

@test "headings and words of the vendor's, in any case" {
	cat >a.csv <<-'EOT'
	MAC Address,DESCRIPTION,certificate_operation,AUTHENTICATION MODE,Authentication String,Key Order,Key Size (Bits),EC Key Size,Operation Completes By
	00:11:22:33:44:55,a,Install/Upgrade,By Authentication String,12345,RSA Only,3072,256,2030:12:31:08
	001122334466,b,INSTALL/UPGRADE,By Null String,,EC Only,,521,
	001122334477,c,Troubleshoot,By Existing Certificate (Precedence to MIC),,"EC Preferred, RSA Backup",,,2030-12-31 08:15
	001122334488,d,Delete,existing_lsc,,,,,
	00112233449,e,,,,,,,
	EOT
	run --separate-stderr phone-add -c a.csv
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'a.csv:6: "00112233449" is a number'
	run --separate-stderr report device operation auth string key-order rsa ec complete-by
	assert_line_count 4
	assert_output_has SEP001122334455,install,string,12345,rsa,3072,256,2030-12-31T08:00:00Z
	assert_output_has SEP001122334466,install,null,,ec,2048,521,
	assert_output_has SEP001122334477,troubleshoot,existing-mic,,ec-rsa,2048,384,2030-12-31T08:15:00Z
	assert_output_has SEP001122334488,delete,existing-lsc,,rsa,2048,384,
}

@test "dates: as ISO, and in other orders only when that is said" {
	table() { printf 'device,operation,auth,complete-by\nSEP000000000001,install,null,%s\n' "$1" >a.csv; }
	table 03.12.2030
	run --separate-stderr phone-add -c a.csv
	assert_status 1
	assert_stderr_has 'a.csv:2: "03.12.2030" is no date here; --dates dmy reads 31.12.2026'
	phone-add -u --dates dmy -c a.csv
	assert_equal "$(report complete-by)" 2030-12-03T23:59:59Z
	table '3/12/2030 7:05:09'
	phone-add -u --dates mdy -c a.csv
	assert_equal "$(report complete-by)" 2030-03-12T07:05:09Z
	local date
	for date in 31.02.2030 31.12.30 31.13.2030 1.2.3.4 2030-13-01; do
		table $date
		run --separate-stderr phone-add -u --dates dmy -c a.csv
		assert_status 1
		assert_stderr_has a.csv:2:
	done
	assert_equal "$(report complete-by)" 2030-03-12T07:05:09Z
	run --separate-stderr phone-add --dates ymd -c a.csv
	assert_status 100
}

@test "other columns: kept as fields, or left out; they stay when other things change" {
	printf 'device,Device Pool,Gebäude\nSEP000000000001,DP;1,"Haus \\ ""A"""\nSEP000000000002,,\n' >a.csv
	run --separate-stderr phone-add -c a.csv
	assert_status 0
	assert_stderr_line_count 1
	assert_stderr_has 'kept as fields: device-pool, geb'
	phone-set --description x SEP000000000001
	assert_equal "$(report device device-pool gebäude)" $'SEP000000000001,DP;1,"Haus \\ ""A"""\nSEP000000000002,,'
	assert_equal "$(phone-report | head -n 1 | tr -d '\r')" "device,description,template,operation,status,reason,when,scheduled,complete-by,attempts,wrong-strings,auth,key-order,rsa,ec,version,lsc,expires,stale,device-pool,gebäude"
	run --separate-stderr phone-report --columns device,nothing
	assert_status 100
	assert_stderr_has 'there is no column "nothing"'
	run --separate-stderr spool-check
	assert_silent
	printf 'device,colour\nSEP000000000003,red\n' >b.csv
	run --separate-stderr phone-add --ignore-unknown -c b.csv
	assert_silent
	refute grep -q red "$SPOOL/phone/SEP000000000003.conf"
	# What does not fit is refused, with its line.
	printf 'device,a,b,c,d\nSEP000000000004,%s\n' "$(printf '%0128d,' 1 2 3)4" >c.csv
	run --separate-stderr phone-add -c c.csv
	assert_status 0
	printf 'device,a,b,c,d\nSEP000000000005,%s\n' "$(printf '%0128d,' 1 2 3)$(printf '%0128d' 4)" >c.csv
	run --separate-stderr phone-add -c c.csv
	assert_status 1
	assert_stderr_has 'c.csv:2: SEP000000000005: its fields have more than 512 bytes'
}

@test "a row that comes twice names the other one, whatever both are called" {
	cat >a.csv <<-'EOT'
	device,description
	SEP00000000000A,"two
	lines"
	sep00:00:00:00:00:0a,other
	SEP00000000000B,b
	SEP00000000000A,third
	EOT
	run --separate-stderr phone-add -c a.csv
	assert_status 1
	assert_stderr_line_count 3
	assert_stderr_has 'a.csv:2: SEP00000000000A: a control character'
	assert_stderr_has 'a.csv:4: SEP00000000000A: comes twice: line 2 has it as well'
	assert_stderr_has 'a.csv:6: SEP00000000000A: comes twice: line 2 has it as well'
	assert_equal "$(names)" "SEP00000000000B "
}

# --- reports

@test "a report is read back: into the same spool it changes nothing, into another it makes the same" {
	local columns=device,description,operation,status,auth,string,key-order,rsa,ec,complete-by,building
	printf 'device,description,building\nSEP000000000001,=1+1,07\nSEP000000000002,0815,\nSEP000000000003,'"''x"',1\n' >a.csv
	phone-add -P $NOW -c a.csv 2>/dev/null
	phone-set -P $NOW --operation install --auth string --string 0123 --complete-by 2099-01-01 SEP000000000001
	phone-set -P $NOW --operation install --auth null SEP000000000002
	printf 'scheduled = 2023-11-14T22:13:20Z\nstatus = successful\n' >"$SPOOL/phone/SEP000000000002.state"
	chmod 600 "$SPOOL/phone/SEP000000000002.state"
	phone-report --show-string >r.csv
	cp -a "$SPOOL/phone" before
	run --separate-stderr phone-add -u -c r.csv
	assert_status 0
	diff -r before "$SPOOL/phone" -x .lock
	new_spool other
	run --separate-stderr phone-add -s other -c r.csv
	assert_status 0
	phone-report --columns $columns | sed 's/^\(SEP000000000002.*\),install,successful/\1,none,none/; s/2023-11-[0-9TZ:]*//' >one
	phone-report -s other --columns $columns >two
	# An order that is done is not given again.
	diff one two
	# What somebody changes in it is an order, or a new deadline.
	sed 's/install,successful/delete,successful/; s/2099-01-01/2098-01-01/' r.csv >new.csv
	phone-add -u -c new.csv 2>/dev/null
	assert_equal "$(report device operation status complete-by | cut -c -62 | head -n 2 | sed 's/20..-..-..T.*Z$//')" \
	    $'SEP000000000001,install,pending,\nSEP000000000002,delete,pending,'
	[[ $(report device complete-by) == SEP000000000001,2098-01-01T23:59:59Z* ]]
}

@test "phone-report: digits are not lost, a byte order mark on request, chosen columns" {
	phone-add SEP000000000001 SEP000000000002 SEP000000000003
	phone-set --auth string --string 0123 --description 0815 SEP000000000001
	phone-set --auth string --string 123456789012345 --description 12:30 SEP000000000002
	phone-set --auth string --string 12345678901 --description 12 SEP000000000003
	run --separate-stderr report string description
	assert_output $'\'0123,\'0815\n\'123456789012345,\'12:30\n12345678901,12'
	assert_equal "$(phone-report --columns device | head -c 3 | xxd -p)" 646576
	assert_equal "$(phone-report --bom --columns device | head -c 6 | xxd -p)" efbbbf646576
	run --separate-stderr phone-report --columns device --show-string
	assert_status 100
	run --separate-stderr phone-report --columns ''
	assert_status 100
	# The strings are nowhere, unless asked for.
	refute grep -q 123456789012345 <(phone-report)
}

@test "strings are generated: no 0 in front, from a table too, and not twice" {
	seq -f 'SEP%012.0f' 1 300 | phone-add
	run --separate-stderr phone-set --operation install --auth string --generate=4 all
	assert_status 0
	assert_line_count 300
	[ "$(cut -f 2 <<<"$output" | grep -c '^0')" -eq 0 ]
	[ "$(cut -f 2 <<<"$output" | grep -c 0)" -gt 0 ]
	printf 'device,operation,auth,string\nSEP999999999991,install,string,generate\nSEP999999999992,install,string,Generate\nSEP999999999993,install,null,generate\n' >a.csv
	run --separate-stderr phone-add -c a.csv
	assert_status 1
	assert_line_count 2
	assert_stderr_has 'a.csv:4: SEP999999999993: has an authentication string, but auth is null'
	assert_equal "$(report device string | tail -n 2)" "$(tr '\t' , <<<"$output")"
	assert_equal "$(cut -f 2 <<<"$output" | sort -u | grep -cE '^[1-9][0-9]{9}$')" 2
	first=$output
	run --separate-stderr phone-add -u -c a.csv
	assert_status 1
	[ -z "$output" ]
	assert_stderr_has 'a.csv:2: SEP999999999991: has an authentication string already, which may have been handed out'
	assert_equal "$(report device string | tail -n 2)" "$(tr '\t' , <<<"$first")"
	run --separate-stderr phone-add -u --again -c a.csv
	assert_line_count 2
	[ "$output" != "$first" ]
	# A failed order is over: who gets another one may get another string.
	printf 'scheduled = %s\nstatus = failed\n' "$(sed -n 's/^scheduled = //p' "$SPOOL/phone/SEP000000000001.conf")" \
	    >"$SPOOL/phone/SEP000000000001.state"
	chmod 600 "$SPOOL/phone/SEP000000000001.state"
	run --separate-stderr phone-set --operation install --generate SEP000000000001
	assert_status 0
	assert_line_count 1
	run --separate-stderr phone-set --operation install --string 1234 --again SEP000000000001
	assert_status 100
}

@test "phone-report --sheet: whoever has to be visited, as CSV and as a page" {
	phone-add SEP000000000001 SEP000000000002 SEP000000000003
	phone-set --operation install --auth string --string 0123 --description 'Halle <b>"A" & B' SEP000000000001
	phone-set --operation install --auth null SEP000000000002
	run --separate-stderr phone-report --sheet
	assert_status 0
	assert_line_count 3
	assert_equal "${lines[0]}" $'device,description,string,what to press\r'
	[[ ${lines[1]} == "SEP000000000001,\"Halle <b>\"\"A\"\" & B\",'0123,"*Update*Submit* ]]
	[[ ${lines[2]} == 'SEP000000000002,,,"nothing: restart the phone'* ]]
	assert_equal "$(phone-report --sheet=csv)" "$output"
	run --separate-stderr phone-report --sheet=html -P $NOW
	assert_status 0
	assert_output_has '<td>SEP000000000001</td><td>Halle &lt;b&gt;&quot;A&quot; &amp; B</td><td>0123</td>'
	refute_output_has SEP000000000003
	assert_output_has 2023-11-14T22:13:20Z
	python3 - <<-EOP
	import html.parser, subprocess
	class P(html.parser.HTMLParser):
	    open = []
	    def handle_starttag(self, tag, attrs):
	        if tag != "meta":
	            self.open.append(tag)
	    def handle_endtag(self, tag):
	        assert self.open.pop() == tag, tag
	p = P()
	p.feed(subprocess.run(["phone-report", "--sheet=html"], check=True, stdout=subprocess.PIPE).stdout.decode())
	assert p.open == [], p.open
	EOP
	run --separate-stderr phone-report --sheet=pdf
	assert_status 100
	run --separate-stderr phone-report --sheet --columns device
	assert_status 100
}

# --- devices without a record

unknown() {
	phone-list --unknown | cut -f 1,2 | tr '\t\n' ': '
}
knows() {
	[ "$(unknown)" = "$1" ]
}

@test "devices that nobody knows: in the log, in a list, and from there into the records" {
	echo 'template.lobby.description = from the lobby' >>"$SPOOL/capf.conf"
	start -P $NOW
	sim SEP000000000001
	ended unknown-device
	sim SEP000000000001
	sim CSFjdoe
	sim SEPmistyped
	grep -qE 'event=unknown-device conn=[0-9]+ peer=127.0.0.1:[0-9]+ device=CSFjdoe' log
	until_true knows "CSFjdoe:1 SEP000000000001:2 SEPmistyped:1 "
	[[ $(phone-list -H --unknown | head -n 1) == $'device\tcount\tfirst\tlast\taddress' ]]
	[[ $(phone-list --unknown --name 'CSF*') == $'CSFjdoe\t1\t2023-11-14T22:13:'??$'Z\t2023-11-14T22:13:'??$'Z\t127.0.0.1' ]]
	run --separate-stderr bash -o pipefail -c 'phone-list --unknown | phone-add --template lobby'
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has SEPmistyped
	assert_equal "$(report device description)" $'CSFjdoe,from the lobby\nSEP000000000001,from the lobby'
	# Whoever has a record is not unknown any more.
	knows "SEPmistyped:1 "
	sim SEP000000000001
	ended refused
	# What came last is written at the end, and counted on by the next server.
	sim SEPmistyped
	sim SEP000000000002
	stop
	knows "SEP000000000002:1 SEPmistyped:2 "
	assert_equal "$(phone-list --unknown -0 | tr '\0' ' ')" "SEP000000000002 SEPmistyped "
	start -P $NOW
	sim SEP000000000002
	stop
	knows "SEP000000000002:2 SEPmistyped:2 "
	assert_equal "$(stat -c %a "$SPOOL/phone/.unknown")" 600
	run --separate-stderr spool-check
	assert_silent
	run --separate-stderr phone-list --unknown --status pending
	assert_status 100
	assert_stderr_has "--unknown takes no filter but --name"
}

@test "several workers and servers count together; what a killed one has not written yet is all that is lost" {
	start -w 2 -P $NOW
	one=$SERVER
	port=$PORT
	mv log log1
	start -P $NOW
	for _ in 1 2 3 4; do
		PORT=$port sim SEP000000000001
		sim SEP000000000001
	done
	until_true knows "SEP000000000001:8 "
	kill -KILL $one
	sim SEP000000000002
	stop
	knows "SEP000000000001:8 SEP000000000002:1 "
}

@test "a list that is damaged is told and begun anew" {
	local damaged=$SPOOL/phone/.unknown
	printf 'SEP000000000001\t1\tgarbage\n' >"$damaged"
	chmod 600 "$damaged"
	run --separate-stderr spool-check
	assert_status 1
	assert_output_has 'phone/.unknown'
	assert_output_has 'line 1'
	run --separate-stderr phone-list --unknown
	assert_status 1
	assert_stderr_has 'phone/.unknown: line 1'
	run --separate-stderr phone-list
	assert_silent
	start -P $NOW
	sim SEP000000000002
	stop
	knows "SEP000000000002:1 "
	printf 'x' >>"$damaged"
	spool-check --repair
	[ ! -e "$damaged" ]
	run --separate-stderr spool-check
	assert_silent
}
