# SPDX-License-Identifier: ISC
# lsc-export and phone-config: what other systems are given of the phones, and what phones are told of the server.
load ../helper

# ready: phones 1 to 3 have installed certificates, 1 and 2 by the root, 3 by the issuing CA below it; 4 has one that is ready.
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
	trust_lab 2>/dev/null
	install 1 root
	install 2 root -days 10
	install 3 sub
	csr-add -P 1700000000 "$FIX/csr/SEP000000000004.csr" >/dev/null
	cert-import "$FIX/der/SEP000000000004.der" >/dev/null
}

# install N [CA [ARGUMENT...]]: phone N asks with its key, and has stored the certificate. STAMP is when it asked, and KEY
# another key's number.
install() {
	local device=SEP00000000000$1
	make_csr "$device" "rsa${KEY:-$1}"
	csr-add -P "${STAMP:-1700000000}" "$device.csr" >/dev/null
	sign_openssl "$device.csr" "$device.der" "${2:-root}" "${@:3}"
	cert-import "$device.der" >/dev/null
	mv "$SPOOL"/lsc/"$device"* "$SPOOL/installed"
	openssl x509 -inform DER -in "$device.der" -out "$device.pem"
}
# names <bundle: the common names in it, in order.
names() {
	csplit -sz -f one - '/-----BEGIN/' '{*}'
	for f in one*; do
		openssl x509 -in "$f" -noout -subject -nameopt multiline | sed -n 's/^ *commonName *= //p'
	done | xargs
	rm one*
}
short() {
	lsc-export "$@" | names
}

@test "lsc-export: a bundle of what is installed, sorted; what is merely ready stays" {
	run --separate-stderr lsc-export
	assert_status 0
	assert_equal "$stderr" ''
	assert_equal "$(names <<<"$output")" 'SEP000000000001 SEP000000000002 SEP000000000003'
	assert_equal "$output" "$(cat SEP00000000000[123].pem)"
	# The same by other ways.
	lsc-export -o all.pem
	lsc-export -o - | cmp - all.pem
	spool_state >before
	lsc-export all >/dev/null
	spool_state | diff before -
}

@test "lsc-export: names as arguments, in a file, on standard input; one without a certificate is told" {
	assert_equal "$(short SEP000000000003 SEP000000000001)" 'SEP000000000001 SEP000000000003'
	lsc-list -i >list
	assert_equal "$(head -n 2 list | lsc-export -f - | names)" 'SEP000000000001 SEP000000000002'
	assert_equal "$(printf 'SEP000000000002\0' | lsc-export -0 -f - | names)" SEP000000000002
	run --separate-stderr lsc-export SEP000000000001 SEP000000000004
	assert_status 1
	assert_one_line 'SEP000000000004: has no installed certificate'
	assert_equal "$(names <<<"$output")" SEP000000000001
	: >empty
	run --separate-stderr lsc-export -f empty
	assert_status 1
	assert_one_line 'no installed certificate to export'
	assert_equal "$output" ''
}

@test "lsc-export: filters by name, issuer and end, which must all match" {
	assert_equal "$(short --name '*[12]')" 'SEP000000000001 SEP000000000002'
	assert_equal "$(short --issuer 'Lab issuing')" SEP000000000003
	assert_equal "$(short --issuer '*O=Example*')" 'SEP000000000001 SEP000000000002 SEP000000000003'
	assert_equal "$(short --issuer 'Lab root' --name '*[23]')" SEP000000000002
	assert_equal "$(short --expires-within 11d)" SEP000000000002
	assert_equal "$(short --expires-before "$(date -ud '+11 days' +%F)")" SEP000000000002
	assert_equal "$(short -P "$(date -d '+360 days' +%s)" --expires-within 9d)" 'SEP000000000001 SEP000000000002 SEP000000000003'
	# A device that was named and filtered out is no error.
	run --separate-stderr lsc-export --expires-within 11d SEP000000000001 SEP000000000002
	assert_status 0
	assert_equal "$stderr" ''
	run --separate-stderr lsc-export --issuer lab
	assert_status 1
	assert_one_line 'no installed certificate to export'
}

@test "lsc-export: of two that are installed for one device, the newest" {
	STAMP=1700009999 KEY=7 install 1 root
	assert_equal "$(ls "$SPOOL/installed" | grep -c SEP000000000001)" 2
	lsc-export SEP000000000001 | cmp - SEP000000000001.pem
	mkdir out
	lsc-export -d out >/dev/null
	cmp out/SEP000000000001.pem SEP000000000001.pem
}

@test "lsc-export: --chain and --chain-only, each CA once; openssl verifies with nothing else" {
	assert_equal "$(short --chain)" 'SEP000000000001 SEP000000000002 SEP000000000003 Lab root Lab issuing'
	assert_equal "$(short --chain-only)" 'Lab root Lab issuing'
	assert_equal "$(short --chain-only SEP000000000003)" 'Lab issuing Lab root'
	lsc-export --chain-only -o cas.pem
	openssl verify -x509_strict -CAfile cas.pem SEP00000000000[123].pem
	# In files each has its own.
	mkdir out
	lsc-export -d out --chain >/dev/null
	assert_equal "$(names <out/SEP000000000003.pem)" 'SEP000000000003 Lab issuing Lab root'
	assert_equal "$(names <out/SEP000000000001.pem)" 'SEP000000000001 Lab root'
	lsc-export --archive --chain | tar xzO SEP000000000003.pem | cmp - out/SEP000000000003.pem
}

@test "lsc-export: a CA that is missing: that certificate is refused, with its name, and the others are written" {
	trust-del capf "$(trust-list capf | awk -F '\t' '/Lab issuing/ { print $6 }')" >/dev/null
	run --separate-stderr lsc-export --chain
	assert_status 1
	assert_one_line 'SEP000000000003: its chain lacks the CA '
	assert_stderr_has 'Lab issuing; trust-add it to capf'
	assert_equal "$(names <<<"$output")" 'SEP000000000001 SEP000000000002 Lab root'
	# Nothing good: no file, and the one that was there stays.
	echo old >cas.pem
	run --separate-stderr lsc-export --chain-only -o cas.pem SEP000000000003
	assert_status 1
	assert_equal "$(cat cas.pem)" old
	# The other store does as well, and --prune does not take away what was refused.
	mkdir out
	cp SEP000000000003.pem out
	run --separate-stderr lsc-export --chain -d out --prune
	assert_status 1
	assert_equal "$output" $'written\tSEP000000000001.pem\nwritten\tSEP000000000002.pem'
	cmp out/SEP000000000003.pem SEP000000000003.pem
	trust-add callmanager "$FIX/sub.pem"
	assert_equal "$(short --chain-only SEP000000000003)" 'Lab issuing Lab root'
}

@test "lsc-export: CAPF itself as the issuer, today's certificate and the one before" {
	openssl pkey -in "$SPOOL/ca/capf.pem" -out capf.key
	openssl x509 -inform DER -in "$SPOOL/ca/CAPF.cer" -out capf.pem
	issue() {
		make_csr "$1"
		csr-add "$1.csr" >/dev/null
		openssl x509 -req -in "$1.csr" -out "$1.der" -outform DER -CA capf.pem -CAkey capf.key -days 300 \
		    -extfile "$FIX/phone.ext" 2>/dev/null
		cp "$1.der" "$SPOOL/installed/$(ls "$SPOOL/csr" | grep "^$1" | sed 's/\.[a-z]*$/.der/')"
		csr-delete "$1" >/dev/null
	}
	issue SEP000000000007
	assert_equal "$(short --chain-only SEP000000000007 | cut -c 1-5)" CAPF-
	capf-init --renew >/dev/null
	lsc-export --chain-only SEP000000000007 -o before.pem
	openssl verify -CAfile before.pem <(openssl x509 -inform DER -in SEP000000000007.der)
}

@test "lsc-export: a directory: what changed is written, and nothing else; a line for each" {
	mkdir out
	run --separate-stderr lsc-export -d out
	assert_status 0
	assert_output $'written\tSEP000000000001.pem\nwritten\tSEP000000000002.pem\nwritten\tSEP000000000003.pem'
	assert_equal "$(stat -c %a out/SEP000000000001.pem)" "$(printf '%o' $((0644 & ~$(umask))))"
	(cd out && sha256sum *; stat -c '%i %n' *) >before
	run --separate-stderr lsc-export -d out
	assert_silent
	(cd out && sha256sum *; stat -c '%i %n' *) | diff before -
	STAMP=1700009999 KEY=7 install 2 root
	echo longer than before >>out/SEP000000000001.pem
	run --separate-stderr lsc-export -n -d out
	assert_output $'written\tSEP000000000001.pem\nwritten\tSEP000000000002.pem'
	grep -q longer out/SEP000000000001.pem
	run --separate-stderr lsc-export -d out
	assert_output $'written\tSEP000000000001.pem\nwritten\tSEP000000000002.pem'
	cmp out/SEP000000000002.pem SEP000000000002.pem
	cmp out/SEP000000000001.pem SEP000000000001.pem
	assert_equal "$(ls -A out | wc -l)" 3
	# DER lies beside.
	lsc-export -d out -F der >/dev/null
	cmp out/SEP000000000003.der SEP000000000003.der
}

@test "lsc-export --prune: removes certificates of phones that are not exported, and no other file" {
	mkdir out
	lsc-export -d out >/dev/null
	lsc-export -d out -F der >/dev/null
	cp "$FIX/root.pem" out/ca.pem
	# A CA's certificate under a phone's name, a phone's under another's, a key, a text.
	cp "$FIX/root.pem" out/SEP00000000000A.pem
	cp SEP000000000001.pem out/SEP00000000000B.pem
	cp "$FIX/key/rsa1.pem" out/SEP00000000000C.pem
	echo mine >out/notes.pem
	rm "$SPOOL"/installed/SEP000000000001*
	ls out >before
	run --separate-stderr lsc-export -d out
	assert_silent
	ls out | diff before -
	run --separate-stderr lsc-export -n -d out --prune
	assert_output $'removed\tSEP000000000001.pem'
	ls out | diff before -
	run --separate-stderr lsc-export -d out --prune
	assert_status 0
	assert_output $'removed\tSEP000000000001.pem'
	ls out | diff <(grep -vx SEP000000000001.pem before) -
	# What a filter leaves out goes as well: the directory is what this run exports.
	run --separate-stderr lsc-export -d out --prune --name '*3'
	assert_output $'removed\tSEP000000000002.pem'
	[ -e out/SEP000000000002.der ]
}

@test "lsc-export --prune: with nothing to export, nothing is removed" {
	mkdir out
	lsc-export -d out >/dev/null
	run --separate-stderr lsc-export -d out --prune --name 'ATA*'
	assert_status 1
	assert_one_line 'no installed certificate to export'
	assert_equal "$output" ''
	rm "$SPOOL"/installed/*
	run --separate-stderr lsc-export -d out --prune
	assert_status 1
	assert_equal "$(ls out | wc -l)" 3
}

@test "lsc-export: an archive, the same bytes each time" {
	lsc-export -a -o one.tgz
	lsc-export --archive | cmp - one.tgz
	assert_equal "$(tar tzf one.tgz | xargs)" 'SEP000000000001.pem SEP000000000002.pem SEP000000000003.pem'
	lsc-export -a -F der | tar xz
	openssl x509 -inform DER -in SEP000000000001.der -noout
	tar xzOf one.tgz SEP000000000002.pem | cmp - SEP000000000002.pem
	echo old >one.tgz
	run --separate-stderr lsc-export -a -o one.tgz --name none
	assert_status 1
	assert_equal "$(cat one.tgz)" old
}

@test "lsc-export: a damaged certificate is named, the others are written, and its file stays" {
	mkdir out
	lsc-export -d out >/dev/null
	echo junk >"$(ls "$SPOOL"/installed/SEP000000000002*)"
	run --separate-stderr lsc-export -d out --prune
	assert_status 1
	assert_one_line 'SEP000000000002: its installed certificate: '
	assert_equal "$output" ''
	cmp out/SEP000000000002.pem SEP000000000002.pem
	run --separate-stderr lsc-export -o two.pem
	assert_status 1
	assert_equal "$(names <two.pem)" 'SEP000000000001 SEP000000000003'
}

@test "lsc-export: a link or a directory in the place of a file is not written through" {
	mkdir out elsewhere out/SEP000000000002.pem
	echo theirs >elsewhere/theirs
	ln -s ../elsewhere/theirs out/SEP000000000001.pem
	run --separate-stderr lsc-export -d out
	assert_status 1
	assert_stderr_has 'SEP000000000001.pem: is no plain file, and stays; move it away'
	assert_stderr_has 'SEP000000000002.pem: '
	assert_stderr_line_count 2
	assert_output $'written\tSEP000000000003.pem'
	assert_equal "$(cat elsewhere/theirs)" theirs
	[ -h out/SEP000000000001.pem ]
}

@test "lsc-export: what a killed run left goes with the next one; two at once do not meet" {
	mkdir out
	echo half >out/.new-SEP000000000001.pem.4711.tmp
	echo mine >out/.mine.tmp
	(
		flock 9
		run --separate-stderr lsc-export -d out
		assert_status 111
		assert_one_line 'out: another lsc-export is at work there'
		[ -e out/.new-SEP000000000001.pem.4711.tmp ]
	) 9<out
	lsc-export -d out >/dev/null
	assert_equal "$(ls -A out | xargs)" '.mine.tmp SEP000000000001.pem SEP000000000002.pem SEP000000000003.pem'
}

@test "lsc-export: a place that is not there, or is no directory: 100; standard output that is full: 111" {
	run --separate-stderr lsc-export -d nosuch
	assert_status 100
	assert_one_line 'nosuch: cannot open the directory: '
	run --separate-stderr lsc-export -d SEP000000000001.pem
	assert_status 100
	run --separate-stderr lsc-export -o nosuch/x
	assert_status 100
	assert_one_line 'nosuch/x: cannot write there: '
	run --separate-stderr bash -c 'lsc-export >/dev/full'
	assert_status 111
	run --separate-stderr bash -c 'lsc-export -a >/dev/full'
	assert_status 111
	mkdir out
	run --separate-stderr bash -c 'lsc-export -d out >/dev/full'
	assert_status 111
	assert_equal "$(ls out | wc -l)" 3
}

@test "lsc-list --details: subject, issuer and SHA-256 behind what was there" {
	run --separate-stderr lsc-list -H --details --installed
	assert_status 0
	assert_equal "$(head -n 1 <<<"$output")" $'device\tstate\tnot-after\tserial\tkey\tsubject\tissuer\tsha256'
	assert_equal "$(cut -f 1-5 <<<"$output")" "$(lsc-list -H --installed)"
	assert_equal "$(sed -n 2p <<<"$output" | cut -f 6-8)" \
	    $'CN=SEP000000000001\tC=DE, O=Example, CN=Lab root\t'"$(sha256sum <SEP000000000001.der | cut -d' ' -f1)"
}

# --- phone-config.

# order DEVICE [ARGUMENT...]
order() {
	phone-add -u "$1"
	phone-set --operation install "${@:2}" "$1"
}
# elements ARGUMENT...: what phone-config prints, as a parser of XML sees it below an element device: a line for each
# element without others in it, its path and its text.
elements() {
	phone-config "$@" >elements.xml || return
	{ echo '<device>'; cat elements.xml; echo '</device>'; } >config.xml
	python3 - <<-'END'
	import xml.etree.ElementTree as tree
	def show(e, path):
	    for child in e:
	        show(child, path + "/" + child.tag)
	    if len(e) == 0:
	        print(path[1:], e.text or "", sep="=")
	show(tree.parse("config.xml").getroot(), "")
	END
}

@test "phone-config: a mode for each way to authenticate, and no string" {
	local mode
	order SEP0000000000A1 --auth string --string 424242
	order SEP0000000000A2 --auth null
	order SEP0000000000A3 --auth existing-lsc
	order SEP0000000000A4 --auth existing-mic
	for mode in 1 2 3 4; do
		run --separate-stderr elements --host capf.example.com SEP0000000000A$mode
		assert_status 0
		assert_equal "$stderr" ''
		assert_output "capfAuthMode=$mode
capfList/capf/phonePort=3804
capfList/capf/processNodeName=capf.example.com
certHash="
		refute grep -q 424242 config.xml
	done
	# Nothing that is not known.
	refute grep -qE 'deviceSecurityMode|transportLayerProtocol|<\?xml' config.xml
}

@test "phone-config: without an operation the phone is told not to ask, and so is the administrator" {
	phone-add SEP0000000000A1
	run --separate-stderr phone-config --host h SEP0000000000A1
	assert_status 0
	assert_output_has '<capfAuthMode>0</capfAuthMode>'
	assert_one_line 'SEP0000000000A1: has no operation, so these elements tell it not to ask; see phone-set'
}

@test "phone-config: certHash only for a phone without an LSC" {
	order SEP000000000001 --auth null
	order SEP000000000004 --auth null
	run --separate-stderr phone-config --host h SEP000000000001
	assert_status 0
	refute_output_has certHash
	# One that is merely ready is not there yet.
	run --separate-stderr phone-config --host h SEP000000000004
	assert_output_has '<certHash></certHash>'
	# A newer one on its way changes nothing.
	make_csr SEP000000000001 rsa7
	csr-add SEP000000000001.csr >/dev/null
	sign_openssl SEP000000000001.csr new.der
	cert-import new.der >/dev/null
	run --separate-stderr phone-config --host h SEP000000000001
	refute_output_has certHash
}

@test "phone-config: several hosts, ports, IPv6, and characters that XML wants escaped" {
	order SEP0000000000A1 --auth null
	run --separate-stderr elements --host a --host '[2001:db8::1]:99' --host 'x&y<z>"' SEP0000000000A1
	assert_status 0
	assert_output 'capfAuthMode=2
capfList/capf/phonePort=3804
capfList/capf/processNodeName=a
capfList/capf/phonePort=99
capfList/capf/processNodeName=2001:db8::1
capfList/capf/phonePort=3804
capfList/capf/processNodeName=x&y<z>"
certHash='
	assert_equal "$(elements --host a:1 --host b --port 7 SEP0000000000A1 | grep Port | xargs)" \
	    'capfList/capf/phonePort=7 capfList/capf/phonePort=7'
	for host in $'a\nb' 'a b' $'a\x01' ä '' 0.0.0.0 '[::]:3804'; do
		run --separate-stderr phone-config --host "$host" SEP0000000000A1
		assert_status 100
		assert_equal "$output" ''
	done
}

@test "phone-config: by default what capf-serve listens at, when phones can go there" {
	local listen
	order SEP0000000000A1 --auth null
	conf() {
		cp "$FIX/spool/capf.conf" "$SPOOL/capf.conf"
		echo "listen = $1" >>"$SPOOL/capf.conf"
	}
	run --separate-stderr phone-config SEP0000000000A1
	assert_status 100
	assert_one_line 'capf.conf: listen names no address that a phone can go to; give --host'
	conf '192.0.2.1:3805, [2001:db8::2]:3804'
	assert_equal "$(elements SEP0000000000A1 | sed -n 's/^capfList.*=//p' | xargs)" '3805 192.0.2.1 3804 2001:db8::2'
	# A host without a port: of two ports it is not clear which.
	run --separate-stderr phone-config --host h SEP0000000000A1
	assert_status 100
	assert_one_line 'capf.conf: listen has several ports; give --port'
	run --separate-stderr phone-config --host h --port 3805 SEP0000000000A1
	assert_status 0
	for listen in 0.0.0.0:3804 '[::]:3804' '[0:0:0:0:0:0:0:0]:3804' 127.0.0.1:3804 127.8.8.8:3804 '[::1]:3804' '192.0.2.1:3804 0.0.0.0:3804'; do
		conf "$listen"
		run --separate-stderr phone-config SEP0000000000A1
		assert_status 100
		assert_one_line 'is no address that a phone can go to; give --host'
		assert_equal "$output" ''
	done
	conf "$(printf '192.0.2.%d:3804 ' 1 2 3 4 5 6)"
	run --separate-stderr phone-config SEP0000000000A1
	assert_status 100
	assert_one_line 'capf.conf: listen has more than the 5 addresses that a phone reads; give --host'
	assert_equal "$(elements --host h SEP0000000000A1 | grep Port)" capfList/capf/phonePort=3804
	conf 0.0.0.0:4000
	assert_equal "$(elements --host h SEP0000000000A1 | grep Port)" capfList/capf/phonePort=4000
	conf 192.0.2.1:0
	run --separate-stderr phone-config SEP0000000000A1
	assert_status 100
	assert_stderr_has 'has no fixed port; give --port'
	conf nonsense:port
	run --separate-stderr phone-config SEP0000000000A1
	assert_status 100
	assert_one_line 'capf.conf: listen: nonsense:port is not ADDRESS:PORT'
}

@test "phone-config: a phone without a record, a record that is damaged" {
	run --separate-stderr phone-config --host h SEP0000000000A1
	assert_status 1
	assert_one_line 'SEP0000000000A1: has no record; phone-add makes one'
	phone-add SEP0000000000A1
	echo rubbish >"$SPOOL/phone/SEP0000000000A1.conf"
	run --separate-stderr phone-config --host h SEP0000000000A1
	assert_status 1
	assert_one_line 'SEP0000000000A1: '
	assert_equal "$output" ''
}
