# SPDX-License-Identifier: ISC
# What CA departments send: zips, PKCS#7, chains, folders, single certificates, made by tools that are not ours; and one
# answer for several sites.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	local one
	new_spool base
	ten_wait base
	cp -r "$FIX/der" certs
	for one in certs/*.der; do
		openssl x509 -inform DER -in "$one" -text
	done >chain.pem
	openssl crl2pkcs7 -nocrl -certfile chain.pem -out pem.p7b
	openssl crl2pkcs7 -nocrl -certfile chain.pem -outform DER -out der.p7b
}

setup() {
	setup_each
	MADE=$BATS_FILE_TMPDIR
}

# fresh: ten requests wait.
fresh() {
	rm -rf "$SPOOL"
	cp -a "$MADE/base" "$SPOOL"
}

# takes FILE...: each has the certificates of all ten, as a file and on stdin, and under a name that says nothing.
takes() {
	local file
	for file; do
		fresh
		run --separate-stderr cert-import -s "$SPOOL" "$file"
		all_ready "$file"
		fresh
		run --separate-stderr bash -c 'cat "$2" | cert-import -s "$1"' - "$SPOOL" "$file"
		all_ready "$file on stdin"
		fresh
		cp "$file" misnamed.xls
		run --separate-stderr cert-import -s "$SPOOL" misnamed.xls
		all_ready "$file under another name"
	done
}

all_ready() {
	[ "$status" -eq 0 ] && [ -z "$stderr" ] || fail "$1" "$(show_run)"
	assert_equal "$(grep -c ^accepted <<<"$output")" 10
	assert_equal "$(lsc-list -s "$SPOOL" --ready | wc -l)" 10
	assert_equal "$(csr-count -s "$SPOOL")" 0
}

@test "zips of Info-ZIP, bsdtar, 7z and Python, with folders, stored, and written into a pipe" {
	(cd "$MADE/certs" && zip -q "$OLDPWD/flat.zip" *.der && zip -q0 "$OLDPWD/stored.zip" *.der &&
	    zip -q9 - *.der | cat >"$OLDPWD/piped.zip")
	(cd "$MADE" && zip -qr "$OLDPWD/folder.zip" certs && zip -q "$OLDPWD/chain.zip" chain.pem)
	bsdtar -acf bsdtar.zip -C "$MADE" certs
	bsdtar --format zip -cf - -C "$MADE" certs | cat >bsdtar-piped.zip
	7z a -bd -tzip 7z.zip "$MADE/certs" >/dev/null
	python3 -m zipfile -c python.zip "$MADE"/certs/*.der
	(cd "$MADE" && zip -q "$OLDPWD/p7b.zip" pem.p7b && zip -q "$OLDPWD/p7b-der.zip" der.p7b)
	takes ./*.zip
}

@test "a folder in a tgz, PKCS#7 in DER and PEM, a chain" {
	tar czf folder.tgz -C "$MADE" certs
	mkdir answer
	cp "$MADE/der.p7b" answer
	tar czf p7b.tgz answer
	takes folder.tgz p7b.tgz "$MADE/der.p7b" "$MADE/pem.p7b" "$MADE/chain.pem"
}

@test "a single certificate, DER and PEM" {
	fresh
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der/SEP000000000001.der"
	assert_status 0
	assert_output_has "accepted	-	SEP000000000001"
	openssl x509 -inform DER -in "$FIX/der/SEP000000000002.der" -out two.pem
	run --separate-stderr cert-import -s "$SPOOL" two.pem
	assert_status 0
	assert_output_has "accepted	-	SEP000000000002"
}

@test "a CA's own certificate is said, and harms nothing, but not one with a phone's key" {
	cat "$MADE/chain.pem" "$FIX/root.pem" >with-ca.pem
	openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -subj "/CN=Above" -days 9 >>with-ca.pem 2>/dev/null
	openssl crl2pkcs7 -nocrl -certfile with-ca.pem -out with-ca.p7b
	fresh
	run --separate-stderr cert-import -a -s "$SPOOL" with-ca.p7b
	assert_status 0
	assert_equal "$(grep -c ^accepted <<<"$output")" 10
	assert_equal "$(grep ^ca <<<"$output" | cut -f 6)" "$(printf 'is in capf-trust\nis not in capf-trust')"
	assert_equal "$(trust-list -s "$SPOOL" capf | wc -l)" 3
	fresh
	openssl req -x509 -key "$FIX/key/rsa1.pem" -subj "/CN=SEP000000000001" -days 9 -out mine.pem
	run --separate-stderr cert-import -s "$SPOOL" mine.pem
	assert_status 1
	assert_output_has "refused	-"
	assert_output_has "is a CA certificate"
}

@test "what is no archive and no certificate is refused as a whole" {
	fresh
	spool_state >before
	echo "550 no such file" >text
	{ openssl crl2pkcs7 -nocrl -certfile "$FIX/root.pem" -outform DER; echo; } >behind.p7b
	openssl cms -sign -binary -nodetach -in text -signer "$FIX/root.pem" -inkey "$FIX/root.key" -outform DER \
	    -out signed.p7b
	for file in text behind.p7b signed.p7b; do
		run --separate-stderr cert-import -s "$SPOOL" $file
		assert_status 1
		[ -z "$output" ]
		assert_one_line "nothing was imported"
	done
	assert_stderr_has "is a signed message, not a list of certificates"
	spool_state | diff before -
}

@test "a PKCS#7 counts as many entries as it has certificates" {
	python3 - <<-'EOT'
		def put(tag, body):
		    n = len(body)
		    size = bytes([n]) if n < 128 else bytes([0x80 + (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
		    return bytes([tag]) + size + body
		oid = bytes.fromhex("06092a864886f70d0107")
		data = put(0x30, b"\2\1\1" + put(0x31, b"") + put(0x30, oid + b"\1") + put(0xa0, b"\x30\2\5\0" * 100000) + put(0x31, b""))
		open("many.p7b", "wb").write(put(0x30, oid + b"\2" + put(0xa0, data)))
	EOT
	fresh
	sed -i '/import-max-entries/d' "$SPOOL/capf.conf"
	echo "import-max-entries = 99999" >>"$SPOOL/capf.conf"
	run --separate-stderr cert-import -s "$SPOOL" many.p7b
	assert_status 1
	[ -z "$output" ]
	assert_one_line "holds more than 99999 certificates; nothing was imported"
	echo "import-max-entries = 100000" >>"$SPOOL/capf.conf"
	sed -i '/99999/d' "$SPOOL/capf.conf"
	cert-import -s "$SPOOL" many.p7b >said || [ $? -eq 1 ]
	assert_equal "$(grep -c '^refused' said)" 100000
}

# three_sites: the spools site1 to site3 have requests of three phones each, and all.tgz the certificates of all.
three_sites() {
	local site phone
	mkdir all
	for site in 1 2 3; do
		new_spool site$site
		trust_lab site$site 2>/dev/null
		for phone in $((3 * site - 2)) $((3 * site - 1)) $((3 * site)); do
			csr-add -s site$site "$FIX/csr/SEP00000000000$phone.csr" >/dev/null
		done
		csr-dump -s site$site | csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" | tar xzf - -C all
	done
	tar czf all.tgz all
}

@test "one answer for three sites: each takes its own" {
	local site
	three_sites
	for site in 1 2 3; do
		run --separate-stderr cert-import --others --all-or-nothing -s site$site all.tgz
		assert_status 0
		[ -z "$stderr" ]
		assert_equal "$(grep -c ^accepted <<<"$output")" 3
		assert_equal "$(grep -c '^elsewhere.*no request has this key$' <<<"$output")" 6
		assert_equal "$(lsc-list -s site$site --ready | wc -l)" 3
		run cert-import -o -s site$site all.tgz
		assert_status 0
		assert_equal "$(cut -f 1 <<<"$output" | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd ' ')" "3 already 6 elsewhere"
		refute grep -q elsewhere site$site/journal
		spool-check -s site$site
	done
}

@test "without --others they are refused, and one line says what to do" {
	three_sites
	run --separate-stderr cert-import -n -s site1 all.tgz
	assert_status 1
	assert_equal "$(grep -c ^refused <<<"$output")" 6
	assert_one_line "--others"
	# Not when something else is wrong as well.
	echo junk >all/junk.der
	tar czf all.tgz all
	run --separate-stderr cert-import -s site1 all.tgz
	assert_status 1
	assert_equal "$(grep -c ^refused <<<"$output")" 7
	[ -z "$stderr" ]
	run --separate-stderr cert-import --others -s site1 all.tgz
	assert_status 1
	assert_equal "$(grep -c ^refused <<<"$output")" 1
	assert_equal "$(grep -c ^elsewhere <<<"$output")" 6
}

@test "what has to do with this spool is no other site's" {
	local what
	make_key other.pem
	openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -subj "/CN=Stranger" -days 9 -out x.pem 2>/dev/null
	fresh
	phone-add -s "$SPOOL" SEPAAAAAAAAAAAA >/dev/null
	mkdir bad
	# The phone has a request here, or a record; the certificate does not verify; the request was deleted.
	make_csr SEP000000000001 other.pem
	sign_openssl SEP000000000001.csr bad/request.der
	make_csr SEPAAAAAAAAAAAA other.pem
	sign_openssl SEPAAAAAAAAAAAA.csr bad/record.der
	make_csr SEPBBBBBBBBBBBB other.pem
	openssl x509 -req -in SEPBBBBBBBBBBBB.csr -CA x.pem -CAkey x.key -days 9 -extfile "$FIX/phone.ext" -outform DER \
	    -out bad/chain.der 2>/dev/null
	cp "$FIX/der/SEP000000000005.der" bad/deleted.der
	csr-delete -s "$SPOOL" SEP000000000005 >/dev/null
	for what in request record chain deleted; do
		run --separate-stderr cert-import --others -s "$SPOOL" bad/$what.der
		assert_status 1
		assert_output_has "refused	-"
	done
	assert_output_has "its request is no longer here"
	# The same CA and key, for a phone that nobody knows.
	sign_openssl SEPBBBBBBBBBBBB.csr good.der
	run --separate-stderr cert-import --others -s "$SPOOL" good.der
	assert_status 0
	assert_output_has "elsewhere	-	-"
}
