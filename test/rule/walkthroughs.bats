# SPDX-License-Identifier: ISC
# capf-phones(7), capf-offline(7) and the Asterisk example: every command that they show, in the order in which they show it.
load ../helper
load ../serving
load ../pages

setup() {
	setup_each trusting
	export CAPF_SPOOL=$SPOOL
}

# does PAGE HEADING [N [M]]: the commands below it; the Nth alone, or from there to the Mth.
does() {
	page "$ROOT/man/$1.7" | section "$2" | commands "${@:3}" >script
	[ -s script ] || fail "$1: $2: no command ${3:-}"
	echo "$2" >>done
	timeout 120 bash -o pipefail script >said 2>&1 || fail "$2:" "$(cat said)" "$(tail -n 5 log)"
}

# all_done PAGE: each heading with commands was done here.
all_done() {
	page "$ROOT/man/$1.7" | awk '/^ ? ? ?[^ ]/ { sub(/^ +/, ""); heading = $0 } /^ +\$ / { print heading }' | sort -u >wanted
	[ -s wanted ]
	sort -u done | diff wanted -
}

@test "capf-phones(7): its commands, with phone-sim for the phone" {
	by_itself
	start
	# The page's server is this one. Records are kept in order: what came of a phone is written when the next one was
	# answered.
	mkdir fake
	cat >fake/phone-sim <<-END
	#!/bin/bash
	'$BIN/phone-sim' --timeout 60s "\${@/#capf.example.com/$PORT}"
	rc=\$?
	'$BIN/phone-sim' --server $PORT --timeout 60s --device SEP999999999999 >/dev/null
	exit \$rc
	END
	chmod +x fake/phone-sim
	PATH=$PWD/fake:$PATH
	does capf-phones 'ONE PHONE WITH A STRING'
	grep -q $'SEP001122334455\tinstall\tsuccessful\tstring\tinstalled' said
	does capf-phones 'MANY PHONES WITHOUT A USER'
	assert_equal "$(phone-list --lsc installed | wc -l)" 4
	does capf-phones RENEWAL
	refute cmp -s lsc.pem new.pem
	refute grep -q certHash elements
	does capf-phones 'TAKING A CERTIFICATE AWAY'
	grep -q $'SEP001122330001\tdelete\tsuccessful\tnull\tnone' said
	does capf-phones 'The log has nothing: the phone never came'
	refute grep -q 'event=failed' log
	does capf-phones 'the device is unknown'
	grep -q 'event=note.*text="the device is unknown"' log
	does capf-phones 'nothing: no order is pending'
	does capf-phones 'not authenticated: wrong authentication string'
	does capf-phones 'locked after 5 wrong strings'
	assert_equal "$(state SEP00112233FFFF)" successful
	does capf-phones 'not authenticated, with a certificate'
	does capf-phones 'the time to complete it is over'
	all_done capf-phones
}

@test "capf-phones(7): the events and failures that its headings name are those of the server" {
	local word
	page "$ROOT/man/capf-serve.1" >serve
	for word in tls-error no-handshake failed; do
		grep -q "^\.Ss.*\<$word" "$ROOT/man/capf-phones.7" || fail "$word: not in capf-phones(7)"
		grep -qE "[ ,]$word[ ,]" serve || fail "$word: not in capf-serve(1)"
	done
	for word in no-key not-stored; do
		grep -q "^\.Ss.*\<$word" "$ROOT/man/capf-phones.7" || fail "$word: not in capf-phones(7)"
		grep -q "\"$word\"" "$ROOT/src/capf/session.c" || fail "$word: no failure of a session"
	done
}

@test "capf-offline(7): step by step, while phones wait" {
	rm -f "$SPOOL"/trust/*/*
	cp "$FIX/root.pem" ca.pem
	does capf-offline '1. TRUST THE CA'
	assert_equal "$(trust-list | wc -l)" 2
	does capf-offline '2. CHOOSE THE OFFLINE CA'
	does capf-offline '3. GIVE THE ORDER'
	start
	phone-sim --server "$PORT" --keys "$FIX/key" --timeout 120s --fleet 10 --pattern 'SEP%012d' >fleet 2>&1 3>&- &
	PHONES=$!
	echo $PHONES >>pids
	until_true has csr 10
	does capf-offline '4. SEE THE REQUESTS COME'
	grep -qx 10 said
	does capf-offline '5. DUMP THE REQUESTS'
	does capf-offline '6. HAVE THEM SIGNED'
	csr-sign -c ca.pem -k "$FIX/root.key" --ra CAPF.cer -o certificates.tgz requests.tgz
	# A phone that makes a newer key in between.
	make_csr SEP000000000011
	csr-add -P 1700000000 SEP000000000011.csr
	csr-dump SEP000000000011 2>/dev/null >eleven.tgz
	csr-sign -c ca.pem -k "$FIX/root.key" -o eleven.der.tgz eleven.tgz
	make_csr SEP000000000011 rsa7
	csr-add SEP000000000011.csr
	cert-import eleven.der.tgz | grep ^stale
	does capf-offline '7. IMPORT THE CERTIFICATES'
	grep -qx already said
	wait $PHONES || fail "$(cat fleet log)"
	does capf-offline '8. SEE THAT PHONES HAVE THEM'
	assert_equal "$(grep -c '^SEP.*installed' said)" 10
	does capf-offline '9. TIDY UP'
	assert_equal "$(stale-lsc list)" ''
	openssl verify -CAfile phones-ca.pem phones/*.pem
	does capf-offline 'WHEN A PHONE STARTS AGAIN IN BETWEEN' 1
	csr-sign -c ca.pem -k "$FIX/root.key" -o late-certificates.tgz late.tgz
	does capf-offline 'WHEN A PHONE STARTS AGAIN IN BETWEEN' 2
	grep -q '^accepted' said
	all_done capf-offline
}

@test "the two pages of the offline CA show no command twice, and name each other" {
	local name
	for name in capf-offline capf-offline-ca; do
		page "$ROOT/man/$name.7" >$name
		grep -E '^ +\$ ' $name | sed 's/^ *//' | sort -u >$name.commands
	done
	# A pair of directories is made on both sides.
	comm -12 capf-offline.commands capf-offline-ca.commands >both
	assert_equal "$(cat both)" ''
	grep -q 'capf-offline-ca(7)' capf-offline
	grep -q 'capf-offline(7)' capf-offline-ca
}

# address: one of this host's own, which nobody else listens at.
address() {
	echo "127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).$((RANDOM % 250 + 1))"
}

@test "asterisk: the walkthrough, from an empty directory to a phone that is let in" {
	unset CAPF_SPOOL
	mkdir way
	cd way
	sed -n 's/^    //p' "$ROOT/examples/asterisk/README.md" | commands >script
	# What it starts ends with it.
	{ echo 'trap "kill \$(jobs -p) 2>/dev/null" EXIT'; cat script; } >all
	[ "$(grep -c '^rc=' script)" -gt 30 ]
	host=$(address) examples=$ROOT/examples/asterisk timeout 120 bash -o pipefail all >../said 2>&1 </dev/null ||
	    fail "$(cat ../said)"
	grep -q 'SEP001122334455	install	successful	string	installed' ../said
	# The phone's file is good XML, and says where CAPF is, and how.
	python3 - tftp/SEP001122334455.cnf.xml <<-END
	import sys, xml.etree.ElementTree as tree
	device = tree.parse(sys.argv[1]).getroot()
	assert device.tag == "device"
	assert device.find("capfAuthMode").text == "1"
	assert device.find("capfList/capf/phonePort").text == "3804"
	assert device.find("capfList/capf/processNodeName").text.startswith("127.")
	assert "CAPF" not in "".join(device.itertext())
	END
	assert_equal "$(ls radius)" $'SEP001122334455.pem\nphones.tsv'
	grep -q "SEP001122334455.*$(openssl x509 -in phone.pem -outform DER | sha256sum | cut -d' ' -f1)" radius/phones.tsv
	# It was the certificate that let the phone in, and kept the others out.
	grep -q 'peer did not return a certificate' sips.log
	grep -q 'verify error:.*self-signed certificate' sips.log
}

@test "asterisk: without the phones' CA, or with another one, the phone is kept out" {
	unset CAPF_SPOOL
	mkdir way
	cd way
	sed -n 's/^    //p' "$ROOT/examples/asterisk/README.md" | commands |
	    sed 's|^lsc-export --chain-only .*|cp asterisk.pem keys-of-asterisk/phones-ca.pem|' >script
	grep -q '^cp asterisk.pem keys-of-asterisk/phones-ca.pem$' script
	{ echo 'trap "kill \$(jobs -p) 2>/dev/null" EXIT'; cat script; } >all
	if host=$(address) examples=$ROOT/examples/asterisk timeout 120 bash -o pipefail all >../said 2>&1 </dev/null; then
		fail "the phone was let in"
	fi
	tail -n 3 ../said >end
	grep -q '^exit 1 from:' end
	grep -q -- '-cert phone.pem -key keys/SEP001122334455.key </dev/null' end
}
