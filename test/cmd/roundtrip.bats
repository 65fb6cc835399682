# SPDX-License-Identifier: ISC
# Round trips with tools that are not ours: requests signed by openssl, archives packed by whatever
# packs tar; and what csr-sign makes, judged by openssl.
load ../helper

# Once for the file: a spool with ten RSA phones and an EC phone, and their certificates signed by both
# of openssl's ways, from requests in PEM and in DER.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	new_spool spool
	trust_lab spool 2>/dev/null
	csr-add -s spool "$FIX"/csr/*.csr >/dev/null
	openssl req -new -key "$FIX/key/ec256.pem" -subj /CN=SEP00000000EC56 | csr-add -s spool >/dev/null
	csr-dump -s spool -o pem.tgz
	csr-dump -s spool -F der -o der.tgz
	sign_all pem.tgz x509
	sign_all der.tgz ca
}

# sign_all ARCHIVE x509|ca: unpacks by GNU tar, signs all with plain openssl into HOW/DEVICE.der.
sign_all() {
	local request device form=PEM
	mkdir "$2" "$2.csr"
	tar xzf "$1" -C "$2.csr"
	printf '%s\n' '[ca]' 'default_ca = lab' '[lab]' 'database = index.txt' 'new_certs_dir = .' \
	    'rand_serial = yes' 'default_md = sha256' 'policy = any' '[any]' 'commonName = supplied' >ca.cnf
	: >index.txt
	[ "$2" = x509 ] || form=DER
	for request in "$2.csr"/*.csr; do
		device=${request##*/}
		device=$2/${device%.csr}.der
		if [ "$2" = x509 ]; then
			sign_openssl "$request" "$device"
		else
			openssl req -inform $form -in "$request" -out pem
			openssl ca -batch -config ca.cnf -cert "$FIX/root.pem" -keyfile "$FIX/root.key" \
			    -days 30 -extfile "$FIX/phone.ext" -notext -in pem -out cert 2>/dev/null
			openssl x509 -in cert -outform DER -out "$device"
		fi
	done
}

# takes ARCHIVE...: a spool where eleven wait accepts all of each, every entry without a remark.
takes() {
	local archive
	for archive in "$@"; do
		rm -rf "$SPOOL"
		cp -a "$BATS_FILE_TMPDIR/spool" "$SPOOL"
		run --separate-stderr cert-import -s "$SPOOL" "$archive"
		assert_status 0
		[ -z "$stderr" ] || fail "$archive: $stderr"
		[ "$(grep -c $'^accepted\tSEP[0-9A-F]*.der\tSEP.*\t$' <<<"$output")" = 11 ] ||
		    fail "$archive" "$output"
		assert_equal "$(csr-count -s "$SPOOL")" 0
		assert_equal "$(lsc-list -s "$SPOOL" --ready | wc -l)" 11
		assert_equal "$(stale-lsc -s "$SPOOL" list)" ''
	done
	spool-check -s "$SPOOL"
}

@test "what openssl signed and GNU tar packed is accepted, in each of its formats" {
	local how format
	for how in x509 ca; do
		cd "$BATS_FILE_TMPDIR/$how"
		tar czf "$BATS_TEST_TMPDIR/$how.tgz" -- *.der
		tar cf "$BATS_TEST_TMPDIR/$how.tar" -- *.der
		tar czf "$BATS_TEST_TMPDIR/$how-dot.tgz" ./*.der
		tar czf "$BATS_TEST_TMPDIR/$how-all.tgz" .
		for format in ustar pax gnu v7; do
			tar czf "$BATS_TEST_TMPDIR/$how-$format.tgz" --format=$format -- *.der
		done
	done
	cd "$BATS_TEST_TMPDIR"
	takes ./*.tgz ./*.tar
}

@test "packed by bsdtar, in each of its formats" {
	local format
	cd "$BATS_FILE_TMPDIR/ca"
	bsdtar czf "$BATS_TEST_TMPDIR/default.tgz" -- *.der
	bsdtar cf "$BATS_TEST_TMPDIR/default.tar" -- *.der
	bsdtar czf "$BATS_TEST_TMPDIR/dot.tgz" ./*.der
	for format in ustar pax gnutar v7; do
		bsdtar czf "$BATS_TEST_TMPDIR/$format.tgz" --format=$format -- *.der
	done
	cd "$BATS_TEST_TMPDIR"
	takes ./*.tgz ./*.tar
}

@test "packed by busybox tar" {
	cd "$BATS_FILE_TMPDIR/x509"
	busybox tar czf "$BATS_TEST_TMPDIR/a.tgz" -- *.der
	busybox tar cf "$BATS_TEST_TMPDIR/b.tar" ./*.der
	cd "$BATS_TEST_TMPDIR"
	takes a.tgz b.tar
}

@test "packed by 7z: tar, then gzip" {
	cd "$BATS_FILE_TMPDIR/ca"
	7z a -ttar "$BATS_TEST_TMPDIR/a.tar" -- *.der >/dev/null
	7z a -tgzip "$BATS_TEST_TMPDIR/a.tar.gz" "$BATS_TEST_TMPDIR/a.tar" >/dev/null
	cd "$BATS_TEST_TMPDIR"
	takes a.tar a.tar.gz
}

@test "packed by python, and by tar and gzip in a pipe" {
	cd "$BATS_FILE_TMPDIR/x509"
	python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[1], "w:gz") as t:
	for name in sys.argv[2:]:
		t.add(name)' "$BATS_TEST_TMPDIR/a.tgz" ./*.der
	tar cf - -- *.der | gzip -9 >"$BATS_TEST_TMPDIR/b.tar.gz"
	cd "$BATS_TEST_TMPDIR"
	takes a.tgz b.tar.gz
}

@test "requests that GNU tar packed come in, with a directory and without, PEM and DER" {
	local dir
	for dir in x509.csr ca.csr; do
		tar czf a.tgz -C "$BATS_FILE_TMPDIR" "$dir"
		tar czf b.tgz -C "$BATS_FILE_TMPDIR/$dir" .
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		csr-add -s "$SPOOL" a.tgz >/dev/null
		assert_equal "$(csr-count -s "$SPOOL")" 11
		run --separate-stderr csr-add -s "$SPOOL" b.tgz
		assert_status 0
		assert_equal "$(cut -f 1 <<<"$output" | sort -u)" already
	done
}

@test "a subordinate CA and an EC CA, by plain openssl" {
	local ca
	for ca in sub ec; do
		rm -rf "$SPOOL" der
		cp -a "$BATS_FILE_TMPDIR/spool" "$SPOOL"
		mkdir der
		for csr in "$BATS_FILE_TMPDIR"/x509.csr/*[1-3].csr; do
			device=${csr##*/}
			sign_openssl "$csr" "der/${device%.csr}.der" $ca
		done
		(cd der && tar czf ../der.tgz -- *.der)
		run --separate-stderr cert-import -s "$SPOOL" der.tgz
		assert_status 0
		assert_equal "$(cut -f 1 <<<"$output" | sort | uniq -c | tr -s ' ')" ' 3 accepted'
	done
}

# A CA as ca-init makes it, with a subject that has everything.
lab_ca() {
	ca-init -n 'CN=Lab,OU=Voice,O=Example,L=Ulm,ST=BW,C=DE' -t "${2:-rsa:2048}" -L 0 "$1"
}

# Phones of every kind of key.
all_kinds() {
	local n=0 key
	mkdir csr
	for key in rsa1 ec256 ec384 ec521; do
		n=$((n + 1))
		openssl req -new -key "$FIX/key/$key.pem" -subj "/O=Ignored/CN=CP-8865-SEP00000000000$n" \
		    -out csr/$n.csr
	done
	tar czf requests.tgz -C csr 1.csr 2.csr 3.csr 4.csr
}

# unpack ARCHIVE: into der/.
unpack() {
	rm -rf der
	mkdir der
	tar xzf "$1" -C der
}

# The extensions of a certificate, the critical ones marked, a line each.
extensions() {
	openssl x509 -inform DER -in "$1" -noout -text -certopt no_header,no_version,no_serial \
	    -certopt no_signame,no_validity,no_subject,no_issuer,no_pubkey,no_sigdump |
	    grep -oE 'X509v3 [A-Z][A-Za-z ]*: ?(critical)?' | sed 's/X509v3 //; s/: $/:/' | sort
}

has() {
	openssl x509 -inform DER -in "$1" -noout "${@:3}" | grep -qF -- "$2" ||
	    fail "$1: no $2" "$(openssl x509 -inform DER -in "$1" -noout "${@:3}")"
}

@test "csr-sign: openssl verifies its certificates strictly, RSA and EC on both sides" {
	local kind f purpose
	all_kinds
	for kind in rsa:2048 rsa:4096 ec:256 ec:384; do
		rm -f ca.pem ca.key
		lab_ca ca $kind
		csr-sign -c ca.pem -k ca.key -o certs.tgz requests.tgz
		unpack certs.tgz
		assert_equal "$(cd der && echo *)" \
		    'SEP000000000001.der SEP000000000002.der SEP000000000003.der SEP000000000004.der'
		for f in der/*.der; do
			openssl x509 -inform DER -in "$f" -out cert.pem
			for purpose in sslclient sslserver; do
				openssl verify -x509_strict -auth_level 2 -purpose $purpose -CAfile ca.pem cert.pem
			done
		done
	done
}

@test "csr-sign: extensions, subject, serial and dates are those of a phone" {
	local f serial
	all_kinds
	lab_ca ca
	csr-sign -c ca.pem -k ca.key -d 100 -o certs.tgz requests.tgz
	unpack certs.tgz
	for f in der/*.der; do
		assert_equal "$(extensions "$f")" "$(printf '%s\n' 'Authority Key Identifier:' \
		    'Basic Constraints: critical' 'Extended Key Usage:' 'Key Usage: critical' \
		    'Subject Key Identifier:')"
		has "$f" CA:FALSE -ext basicConstraints
		has "$f" 'TLS Web Server Authentication, TLS Web Client Authentication, IPSec End System' \
		    -ext extendedKeyUsage
		serial=$(openssl x509 -inform DER -in "$f" -noout -serial)
		[[ $serial =~ ^serial=[0-7][0-9A-F]{31}$ ]] || fail "$serial"
		echo "$serial" >>serials
		openssl x509 -inform DER -in "$f" -out cert.pem
		openssl x509 -in cert.pem -noout -checkend $((100 * 86400 - 600))
		refute openssl x509 -in cert.pem -noout -checkend $((100 * 86400 + 600))
	done
	assert_equal "$(sort -u serials | wc -l)" 4
	has der/SEP000000000001.der 'Digital Signature, Key Encipherment' -ext keyUsage
	has der/SEP000000000002.der 'Digital Signature' -ext keyUsage
	assert_equal "$(openssl x509 -inform DER -in der/SEP000000000001.der -noout -subject -nameopt oneline)" \
	    'subject=CN = SEP000000000001, O = Example, OU = Voice, L = Ulm, ST = BW, C = DE'
	assert_equal "$(openssl x509 -inform DER -in der/SEP000000000003.der -noout -issuer)" \
	    "issuer=$(openssl x509 -in ca.pem -noout -subject | sed 's/^subject=//')"
	has der/SEP000000000001.der 'Signature Algorithm: sha256WithRSAEncryption' -text
}

@test "csr-sign: the key in a certificate is the request's" {
	local n
	all_kinds
	lab_ca ca
	csr-sign -c ca.pem -k ca.key -o certs.tgz requests.tgz
	unpack certs.tgz
	for n in 1 2 3 4; do
		cmp <(openssl req -in csr/$n.csr -noout -pubkey) \
		    <(openssl x509 -inform DER -in der/SEP00000000000$n.der -noout -pubkey)
	done
}

@test "csr-sign: --no-eku, --no-key-ids, --cn, --digest, --days" {
	all_kinds
	lab_ca ca
	csr-sign -c ca.pem -k ca.key --no-eku --no-key-ids --cn request -D SHA384 -o a.tgz requests.tgz
	unpack a.tgz
	assert_equal "$(extensions der/SEP000000000001.der)" \
	    "$(printf '%s\n' 'Basic Constraints: critical' 'Key Usage: critical')"
	has der/SEP000000000001.der 'CN = CP-8865-SEP000000000001, O = Example' -subject -nameopt oneline
	has der/SEP000000000001.der 'Signature Algorithm: sha384WithRSAEncryption' -text
	run --separate-stderr csr-sign -c ca.pem -k ca.key -D SHA1 -o b.tgz requests.tgz
	assert_status 100
	assert_stderr_line_count 1
	for days in 0 1826 -1 x; do
		run --separate-stderr csr-sign -c ca.pem -k ca.key -d $days -o b.tgz requests.tgz
		assert_status 100
	done
	[ ! -e b.tgz ]
	# What was said stays believable: cert-import takes them, key identifiers or not.
	trust-add -s "$SPOOL" capf ca.pem
	csr-add -s "$SPOOL" requests.tgz >/dev/null
	run --separate-stderr cert-import -s "$SPOOL" a.tgz
	assert_status 0
	assert_line_count 4
	assert_equal "$(csr-count -s "$SPOOL")" 0
}

@test "csr-sign: an elliptic CA signs with a digest that fits its key" {
	all_kinds
	lab_ca ca ec:384
	csr-sign -c ca.pem -k ca.key -o a.tgz requests.tgz
	unpack a.tgz
	has der/SEP000000000001.der 'Signature Algorithm: ecdsa-with-SHA384' -text
}

# on_terminal TEXT COMMAND: runs a shell command on a terminal of its own, types TEXT when echo is
# off, shows what the terminal saw, ends as the command did.
on_terminal() {
	python3 - "$@" <<'EOP'
import os, pty, sys, termios, time
pid, tty = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", sys.argv[2]])
seen, typed = b"", False
while True:
    try:
        got = os.read(tty, 4096)
    except OSError:
        break
    if not got:
        break
    seen += got
    if not typed and b":" in seen:
        while termios.tcgetattr(tty)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(tty, sys.argv[1].encode() + b"\n")
        typed = True
sys.stdout.write(seen.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
EOP
}

@test "csr-sign: keys in PKCS#8 DER, traditional PEM, and encrypted with a pass-phrase file" {
	cp "$FIX/csr.tgz" requests.tgz
	openssl pkcs8 -topk8 -nocrypt -in "$FIX/root.key" -outform DER -out p8.der
	openssl rsa -traditional -in "$FIX/root.key" -out old.pem 2>/dev/null
	openssl pkcs8 -topk8 -in "$FIX/root.key" -passout pass:'a word' -out crypt.pem
	echo 'a word' >pass
	echo 'another' >wrong
	csr-sign -c "$FIX/root.pem" -k p8.der -o a.tgz requests.tgz
	csr-sign -c "$FIX/root.pem" -k old.pem -o b.tgz requests.tgz
	csr-sign -c "$FIX/root.pem" -k crypt.pem -p pass -o c.tgz requests.tgz
	for f in a b c; do
		assert_equal "$(tar tzf $f.tgz | wc -l)" 10
	done
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k crypt.pem -p wrong -o d.tgz requests.tgz
	assert_status 100
	assert_stderr_line_count 1
	assert_stderr_has 'wrong pass phrase'
	[ ! -e d.tgz ]
	# No file, no terminal: said, not waited for, and not read from the archive on stdin.
	run --separate-stderr setsid -w csr-sign -c "$FIX/root.pem" -k crypt.pem -o d.tgz <requests.tgz
	assert_status 100
	assert_stderr_line_count 1
	[ ! -e d.tgz ]
}

@test "csr-sign: asks for the pass phrase on the terminal, once, while the archive comes on stdin" {
	cp "$FIX/csr.tgz" requests.tgz
	openssl pkcs8 -topk8 -in "$FIX/root.key" -passout pass:open -out crypt.pem
	run on_terminal open "csr-sign -j 2 -c '$FIX/root.pem' -k crypt.pem <requests.tgz >a.tgz"
	assert_status 0
	assert_equal "$(tar tzf a.tgz | wc -l)" 10
	assert_equal "$(grep -o 'ass phrase' <<<"$output" | wc -l)" 1
	refute_output_has open
	run on_terminal shut "csr-sign -c '$FIX/root.pem' -k crypt.pem <requests.tgz >b.tgz"
	assert_status 100
	assert_output_has 'csr-sign: crypt.pem: wrong pass phrase'
	[ ! -s b.tgz ]
}

# sign_by_ra REQUEST KEY OUT: the same request, signed by another key, as an RA would.
sign_by_ra() {
	openssl req -in "$1" -outform DER -out "$BATS_TEST_TMPDIR/whole"
	openssl asn1parse -inform DER -in "$BATS_TEST_TMPDIR/whole" -strparse 4 -noout \
	    -out "$BATS_TEST_TMPDIR/info"
	openssl dgst -sha256 -sign "$2" -out "$BATS_TEST_TMPDIR/signature" "$BATS_TEST_TMPDIR/info"
	(cd "$BATS_TEST_TMPDIR" && python3 -c '
def tlv(tag, value):
    n = len(value)
    size = bytes([n]) if n < 128 else bytes([130, n >> 8, n & 255])
    return bytes([tag]) + size + value
sha256_rsa = bytes.fromhex("300d06092a864886f70d01010b0500")
info, signature = open("info", "rb").read(), open("signature", "rb").read()
open("ra.der", "wb").write(tlv(48, info + sha256_rsa + tlv(3, b"\0" + signature)))')
	openssl req -inform DER -in "$BATS_TEST_TMPDIR/ra.der" -out "$3" 2>/dev/null
}

@test "csr-sign: a request that an RA vouches for needs --ra, and the right RA" {
	openssl pkey -in "$SPOOL/ca/capf.pem" -out capf.key
	make_csr SEP00000000AAAA rsa1
	make_csr SEP00000000BBBB rsa2
	sign_by_ra SEP00000000AAAA.csr capf.key ra.csr
	openssl req -in ra.csr -noout -verify 2>&1 | grep -q 'verify failure'
	tar czf requests.tgz ra.csr SEP00000000BBBB.csr
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o a.tgz requests.tgz
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'csr-sign: ra.csr: is not signed with its own key; if CAPF vouches for it, add --ra CAPF.cer'
	assert_equal "$(tar tzf a.tgz)" SEP00000000BBBB.der
	# Another RA's certificate does not help; the requester's own signature goes on to count.
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -r "$FIX/sub.pem" --no-manifest \
	    -o b.tgz requests.tgz
	assert_status 1
	assert_equal "$(tar tzf b.tgz)" SEP00000000BBBB.der
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" \
	    --no-manifest -o c.tgz requests.tgz
	assert_silent
	assert_equal "$(tar tzf c.tgz | sort | xargs)" 'SEP00000000AAAA.der SEP00000000BBBB.der'
	# csr-add believes only the phone itself.
	run --separate-stderr csr-add -s "$SPOOL" ra.csr
	assert_status 1
}

# with_manifest ARGUMENT...: csr-sign, the manifest of $SPOOL's CAPF required.
with_manifest() {
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" \
	    --require-manifest -o certs.tgz "$@"
}

# repack: m/ as requests.tgz, the manifest in front as csr-dump has it.
repack() {
	(cd m && tar czf ../requests.tgz SHA256SUMS SHA256SUMS.p7s -- *.csr)
}

@test "csr-sign --ra: a stranger who was added to an archive with a manifest gets no certificate" {
	cp -a "$BATS_FILE_TMPDIR/spool/." "$SPOOL"
	csr-dump -s "$SPOOL" --manifest -o dump.tgz
	mkdir m
	tar xzf dump.tgz -C m
	make_csr SEP0000000000FF rsa9
	cp SEP0000000000FF.csr m
	repack
	# His request is all right, which is why only the manifest can tell.
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o all.tgz requests.tgz
	tar tzf all.tgz | grep -qx SEP0000000000FF.der
	for option in --ra "--no-manifest --ra"; do
		rm -f certs.tgz
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" $option "$SPOOL/ca/CAPF.cer" \
		    -o certs.tgz requests.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has 'SEP0000000000FF.csr: is not listed in SHA256SUMS'
		tar tzf certs.tgz >list
		assert_equal "$(wc -l <list)" 11
		refute grep -q SEP0000000000FF list
	done
}

@test "csr-sign --ra: no manifest, half of one, or one that stands elsewhere, and nothing is signed" {
	cp -a "$BATS_FILE_TMPDIR/spool/." "$SPOOL"
	csr-dump -s "$SPOOL" --manifest -o dump.tgz
	mkdir m
	tar xzf dump.tgz -C m
	(cd m && tar czf ../none.tgz -- *.csr)
	(cd m && tar czf ../behind.tgz -- *.csr SHA256SUMS SHA256SUMS.p7s)
	(cd m && tar czf ../unsigned.tgz SHA256SUMS -- *.csr)
	(cd m && tar czf ../signature.tgz SHA256SUMS.p7s -- *.csr)
	for f in none behind unsigned signature; do
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" \
		    -o certs.tgz $f.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "csr-sign: $f.tgz: "
		[ ! -e certs.tgz ] || fail "$f: an archive came out"
	done
	assert_stderr_has 'is part of a manifest that does not begin the archive'
	# Who says so has it signed without; but a manifest that is there counts.
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" \
	    --no-manifest -o certs.tgz none.tgz
	assert_silent
	assert_equal "$(tar tzf certs.tgz | wc -l)" 11
	rm certs.tgz
	for f in behind unsigned signature; do
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SPOOL/ca/CAPF.cer" \
		    --no-manifest -o certs.tgz $f.tgz
		assert_status 1
		[ ! -e certs.tgz ] || fail "$f: an archive came out"
	done
}

@test "csr-sign --require-manifest: takes what is untouched, says what was changed, added, removed" {
	cp -a "$BATS_FILE_TMPDIR/spool/." "$SPOOL"
	csr-dump -s "$SPOOL" --manifest -o dump.tgz
	mkdir m
	tar xzf dump.tgz -C m
	with_manifest dump.tgz
	assert_silent
	assert_equal "$(tar tzf certs.tgz | wc -l)" 11
	repack
	with_manifest requests.tgz
	assert_silent

	cp m/SEP000000000002.csr two
	make_csr SEP000000000002 rsa9
	cp SEP000000000002.csr m
	repack
	with_manifest requests.tgz
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'SEP000000000002.csr: '
	tar tzf certs.tgz >list
	assert_equal "$(wc -l <list)" 10
	refute grep -q SEP000000000002 list
	cp two m/SEP000000000002.csr

	make_csr SEP0000000000FF rsa9
	cp SEP0000000000FF.csr m
	repack
	with_manifest requests.tgz
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'SEP0000000000FF.csr: '
	tar tzf certs.tgz >list
	assert_equal "$(wc -l <list)" 11
	refute grep -q SEP0000000000FF list
	rm m/SEP0000000000FF.csr

	rm m/SEP000000000003.csr
	repack
	with_manifest requests.tgz
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'SEP000000000003.csr: '
}

@test "csr-sign --require-manifest: another's manifest, a changed one, none: nothing is signed" {
	cp -a "$BATS_FILE_TMPDIR/spool/." "$SPOOL"
	cp -a "$SPOOL" other
	capf-init -s other --renew
	csr-dump -s other --manifest -o foreign.tgz
	csr-dump -s "$SPOOL" -o none.tgz
	csr-dump -s "$SPOOL" --manifest -o dump.tgz
	mkdir m
	tar xzf dump.tgz -C m
	sed -i '1s/^./0/; 2s/^./1/' m/SHA256SUMS
	repack
	mv requests.tgz changed.tgz
	tar xzf dump.tgz -C m
	(cd m && tar czf ../behind.tgz -- *.csr SHA256SUMS SHA256SUMS.p7s)
	(cd m && tar czf ../unsigned.tgz SHA256SUMS -- *.csr)
	for f in foreign none changed behind unsigned; do
		with_manifest $f.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "csr-sign: $f.tgz: "
		[ ! -e certs.tgz ] || fail "$f: an archive came out"
	done
	# Whoever does not ask for it may have it lie there.
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o certs.tgz dump.tgz
	assert_equal "$(tar tzf certs.tgz | wc -l)" 11
}

@test "csr-sign --log: a line for each certificate, true, and kept from run to run" {
	local when serial device end key f
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -P 1900000000 -l log -o a.tgz "$FIX/csr.tgz"
	assert_equal "$(wc -l <log)" 10
	unpack a.tgz
	while IFS=$'\t' read -r when serial device end key; do
		assert_equal "$when" 2030-03-17T17:46:40Z
		f=der/$device.der
		assert_equal "$(openssl x509 -inform DER -in "$f" -noout -serial | tr A-F a-f)" "serial=$serial"
		assert_equal "$(openssl x509 -inform DER -in "$f" -noout -enddate -dateopt iso_8601)" \
		    "notAfter=$(tr T ' ' <<<"$end")"
		assert_equal "$(openssl x509 -inform DER -in "$f" -noout -pubkey |
		    openssl pkey -pubin -outform DER | sha256sum | cut -d ' ' -f 1)" "$key"
	done <log
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --log log -o b.tgz "$FIX/csr.tgz"
	assert_equal "$(wc -l <log)" 20
	assert_equal "$(cut -f 2 log | sort -u | wc -l)" 20
}

@test "csr-sign --log: what cannot be logged does not leave; what left is logged" {
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l /dev/full -o a.tgz \
	    "$FIX/csr.tgz"
	assert_status 111
	assert_stderr_line_count 1
	[ ! -e a.tgz ]
	# A link may have been planted where the log should be.
	ln -s elsewhere planted
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l planted -o a.tgz "$FIX/csr.tgz"
	assert_status 111
	assert_stderr_line_count 1
	assert_stderr_has "planted: cannot open the log"
	[ ! -e a.tgz ]
	[ ! -e elsewhere ]
	run --separate-stderr bash -c "csr-sign -c '$FIX/root.pem' -k '$FIX/root.key' -l log '$FIX/csr.tgz' \
	    >/dev/full"
	assert_status 111
	assert_stderr_line_count 1
	assert_equal "$(wc -l <log)" 10
}

@test "csr-dump, csr-sign: -o is a link into another directory, which stays, and its target is replaced" {
	mkdir out
	echo old >out/requests.tgz
	echo old >out/signed.tgz
	mkdir links
	ln -s ../out/requests.tgz ../out/signed.tgz links
	csr-dump -s "$BATS_FILE_TMPDIR/spool" -o links/requests.tgz
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o links/signed.tgz out/requests.tgz
	[ -L links/requests.tgz ]
	[ -L links/signed.tgz ]
	assert_equal "$(tar tzf out/signed.tgz | wc -l)" 11
	assert_equal "$(ls out)" "$(printf '%s\n' requests.tgz signed.tgz)"
}

@test "csr-sign: of two requests for a device the first is signed, the second refused" {
	make_csr SEP00000000AAAA rsa1
	mv SEP00000000AAAA.csr 1.csr
	make_csr SEP00000000AAAA rsa2
	mv SEP00000000AAAA.csr 2.csr
	make_csr SEP00000000BBBB rsa3
	tar czf requests.tgz 1.csr 2.csr SEP00000000BBBB.csr
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o a.tgz requests.tgz
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has 'csr-sign: 2.csr: '
	assert_equal "$(tar tzf a.tgz | xargs)" 'SEP00000000AAAA.der SEP00000000BBBB.der'
	unpack a.tgz
	cmp <(openssl req -in 1.csr -noout -pubkey) \
	    <(openssl x509 -inform DER -in der/SEP00000000AAAA.der -noout -pubkey)
}

@test "csr-sign: damaged input gives no archive, and leaves one that is there alone" {
	head -c 4000 "$FIX/csr.tgz" >short.tgz
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-6] ^= 1
open("crc.tgz", "wb").write(data)' "$FIX/csr.tgz"
	head -c 5000 /dev/urandom >noise.tgz
	: >empty.tgz
	tar czf none.tgz -T /dev/null
	gzip -c "$FIX/csr.tgz" >twice.tgz
	echo before >out.tgz
	for f in short crc noise empty none twice; do
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o out.tgz $f.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "csr-sign: $f.tgz: "
		assert_equal "$(cat out.tgz)" before
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" $f.tgz
		assert_status 1
		[ -z "$output" ] || fail "$f: something came out"
	done
	assert_equal "$(find . -maxdepth 1 -type f ! -name "separate-stderr-*" | sort | xargs)" \
	    './crc.tgz ./empty.tgz ./noise.tgz ./none.tgz ./out.tgz ./short.tgz ./twice.tgz'
}

@test "csr-sign: its archive is flat DER, as tar cvzf x.tgz *.der would make it" {
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -j 2 -o a.tgz "$FIX/csr.tgz"
	assert_equal "$(tar tzf a.tgz)" "$(tar tzf "$FIX/der.tgz")"
	assert_equal "$(bsdtar tzf a.tgz)" "$(tar tzf "$FIX/der.tgz")"
	assert_equal "$(tar tvzf a.tgz | cut -c 1-10 | sort -u)" -rw-r--r--
	unpack a.tgz
	for f in der/*.der; do
		openssl x509 -inform DER -in "$f" -outform DER | cmp - "$f"
	done
}

# new_loop DEVICE: a spool that trusts nobody, where one request waits, in DEVICE.csr too.
new_loop() {
	rm -rf "$SPOOL"
	new_spool "$SPOOL"
	make_csr "$1"
	csr-add -s "$SPOOL" "$1.csr" >/dev/null
}

# loop_takes NOTE CA.pem CERTIFICATE: trust-add takes the CAs of CA.pem with one note, or none, and cert-import
# the certificate in PEM.
loop_takes() {
	run --separate-stderr trust-add -s "$SPOOL" capf "$2"
	assert_status 0
	[ "$stderr" = "$1" ] || fail "wanted the note: $1" "$(show_run)"
	openssl x509 -in "$3" -outform DER -out lsc.der
	tar czf lsc.tgz lsc.der
	run --separate-stderr cert-import -s "$SPOOL" lsc.tgz
	assert_status 0
	assert_equal "$(cut -f 1,2 <<<"$output")" "accepted	lsc.der"
	assert_equal "$(lsc-list -s "$SPOOL" --ready | wc -l)" 1
	spool-check -s "$SPOOL"
}

@test "a CA of easy-rsa: trust-add takes it, and cert-import its certificates" {
	local rsa="$PWD/pki" note="trust-add: pki/ca.crt: note: its basicConstraints are not critical"
	easy() {
		EASYRSA=/usr/share/easy-rsa EASYRSA_PKI=$rsa EASYRSA_BATCH=1 EASYRSA_REQ_CN=Lab \
		    /usr/share/easy-rsa/easyrsa "$@" >easy.log 2>&1 || fail "$(cat easy.log)"
	}
	new_loop SEP000000000001
	easy init-pki
	easy build-ca nopass
	easy import-req "$PWD/SEP000000000001.csr" SEP000000000001
	easy sign-req serverClient SEP000000000001
	openssl x509 -in pki/ca.crt -noout -text >text
	note="$note; that is no fault in a CA that you add yourself"
	# Debian 12's, 3.1.0, does not mark them; later ones may.
	if grep -q 'Basic Constraints: critical' text; then
		note=
	fi
	loop_takes "$note" pki/ca.crt pki/issued/SEP000000000001.crt
	# One that its CA did not sign is refused as before.
	new_loop SEP000000000001
	trust-add -s "$SPOOL" capf pki/ca.crt 2>/dev/null
	sign_openssl SEP000000000001.csr other.der root
	tar czf other.tgz other.der
	run --separate-stderr cert-import -s "$SPOOL" other.tgz
	assert_status 1
	assert_output_has "is signed by a CA that is not trusted"
}

@test "a CA as openssl req -x509 makes it by default, and one beneath it: taken, and their certificates" {
	local note="; that is no fault in a CA that you add yourself"
	new_loop SEP000000000002
	openssl req -x509 -newkey rsa:2048 -nodes -keyout plain.key -out plain.pem -subj "/CN=Plain" 2>/dev/null
	openssl x509 -in plain.pem -noout -text >text
	refute grep -q 'Key Usage' text
	grep -q 'Basic Constraints: critical' text
	openssl x509 -req -in SEP000000000002.csr -CA plain.pem -CAkey plain.key -days 9 -extfile "$FIX/phone.ext" \
	    -out lsc.pem 2>/dev/null
	loop_takes "trust-add: plain.pem: note: it has no keyUsage$note" plain.pem lsc.pem
	# An issuing CA with the least that makes a CA, alone and with its root.
	printf '%s\n' 'basicConstraints = CA:TRUE, pathlen:0' 'subjectKeyIdentifier = hash' \
	    'authorityKeyIdentifier = keyid' >sub.ext
	openssl req -new -newkey rsa:2048 -nodes -keyout sub.key -subj "/CN=Sub" 2>/dev/null |
	    openssl x509 -req -CA plain.pem -CAkey plain.key -days 9 -extfile sub.ext -out sub.pem 2>/dev/null
	openssl x509 -req -in SEP000000000002.csr -CA sub.pem -CAkey sub.key -days 9 -extfile "$FIX/phone.ext" \
	    -out lsc.pem 2>/dev/null
	new_loop SEP000000000002
	note="it has no keyUsage, and its basicConstraints are not critical$note"
	loop_takes "trust-add: sub.pem: note: $note" sub.pem lsc.pem
	new_loop SEP000000000002
	trust-add -s "$SPOOL" capf plain.pem 2>/dev/null
	loop_takes "trust-add: sub.pem: note: $note" sub.pem lsc.pem
	# csr-sign works with such a CA, too.
	new_loop SEP000000000002
	csr-dump -s "$SPOOL" | csr-sign -c plain.pem -k plain.key -o out.tgz
	tar xzf out.tgz
	openssl x509 -inform DER -in SEP000000000002.der -out lsc.pem
	loop_takes "trust-add: plain.pem: note: it has no keyUsage; that is no fault in a CA that you add yourself" \
	    plain.pem lsc.pem
}

@test "csr-sign | cert-import: the whole loop in one pipe, nothing is left" {
	cp -a "$BATS_FILE_TMPDIR/spool/." "$SPOOL"
	run --separate-stderr bash -o pipefail -c "csr-dump -s '$SPOOL' --manifest |
	    csr-sign -c '$FIX/ec.pem' -k '$FIX/ec.key' --ra '$SPOOL/ca/CAPF.cer' -m |
	    cert-import -s '$SPOOL'"
	assert_status 0
	assert_line_count 11
	[ -z "$stderr" ] || fail "$stderr"
	assert_equal "$(csr-count -s "$SPOOL")" 0
	assert_equal "$(lsc-list -s "$SPOOL" --ready | wc -l)" 11
	assert_equal "$(stale-lsc -s "$SPOOL" list)" ''
}
