# SPDX-License-Identifier: ISC
# What is refused. Every bad entry stands in an archive beside a good certificate: the good one goes in,
# the bad one gets exactly one line with a fitting reason, and the exit status is 1. An archive that is
# bad as a whole changes nothing, gets one line on stderr, and costs neither time nor memory. csr-add
# refuses in the same manner.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	# good.der is for the ninth of the requests in base.
	new_spool base
	ten_wait base
	cp "$FIX/der/SEP000000000009.der" good.der
	python3 "$TESTDIR/data/make-archives.py" archives good.der
	# stranger: a CA that nobody trusts.
	openssl req -x509 -newkey rsa:2048 -nodes -keyout stranger.key -out stranger.pem -days 30 \
	    -subj "/CN=Stranger" -extensions v3_ca 2>/dev/null
	make_key other.pem
	# What openssl ca needs to be told dates.
	cat >ca.cnf <<-'EOT'
		[ca]
		default_ca = d
		[d]
		database = index
		rand_serial = yes
		unique_subject = no
		email_in_dn = no
		default_md = sha256
		policy = p
		[p]
		commonName = supplied
	EOT
}

setup() {
	setup_each
	fresh
	ARCHIVES=$BATS_FILE_TMPDIR/archives
	CSR=$FIX/csr/SEP000000000001.csr
	STRANGER=$BATS_FILE_TMPDIR/stranger
	GOOD=$BATS_FILE_TMPDIR/good.der
	DER=$FIX/der/SEP000000000001.der
}

# sign_dated START END: bad.der, for SEP000000000001; dates as YYMMDDHHMMSSZ.
sign_dated() {
	: >index
	openssl ca -config "$BATS_FILE_TMPDIR/ca.cnf" -cert "$FIX/root.pem" -keyfile "$FIX/root.key" \
	    -startdate "$1" -enddate "$2" -extfile "$FIX/phone.ext" -batch -notext -outdir . \
	    -in "$CSR" -out bad.pem 2>/dev/null
	openssl x509 -in bad.pem -outform DER -out bad.der
}

# sign_by CA: bad.der, with the key of a stranger.
sign_by() {
	openssl x509 -req -in "$CSR" -CA "$1" -CAkey "$STRANGER.key" -days 9 -extfile "$FIX/phone.ext" \
	    -outform DER -out bad.der 2>/dev/null
}

# sign_with LINE...: bad.der with these extensions and no others.
sign_with() {
	printf '%s\n' "$@" >bad.ext
	openssl x509 -req -in "$CSR" -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 -extfile bad.ext \
	    -outform DER -out bad.der 2>/dev/null
}

# refused_entry ARCHIVE REASON [ARGUMENT...]: of two entries the bad one is refused for this reason,
# good.der goes in, and nothing else has changed.
refused_entry() {
	run --separate-stderr cert-import -s "$SPOOL" "${@:3}" "$1"
	assert_status 1
	assert_equal "$(grep -v ' add --others$' <<<"$stderr")" ""
	assert_line_count 2
	assert_printable
	grep -qP '^refused\t[^\t]+\t-\t[^\t]+\t[^\t]+\t[^\t]*'"$2" <<<"$output" ||
	    fail "wanted the reason: $2" "$(show_run)"
	grep -qP '^accepted\tgood.der\tSEP000000000009\t[0-9a-f]+\t[0-9TZ:-]+\t$' <<<"$output" ||
	    fail "the good one was not accepted" "$(show_run)"
	assert_equal "$(csr-list -s "$SPOOL" | cut -f1 | tr -dc '0-9\n' | tr -s 0 | tr '\n' ' ')" \
	    "01 02 03 04 05 06 07 08 010 "
	cmp "$GOOD" "$SPOOL"/lsc/*
	assert_equal "$(find "$SPOOL"/tmp "$SPOOL"/stale "$SPOOL"/installed -mindepth 1)" ""
	spool-check -s "$SPOOL"
}

# refused_file REASON [ARGUMENT...]: the same for bad.der, in an archive beside good.der.
refused_file() {
	cp "$GOOD" good.der
	tar cf x.tar bad.der good.der
	refused_entry x.tar "$@"
}

# fresh: another spool like the first, for the next case of a test.
fresh() {
	rm -rf "$SPOOL"
	cp -a "$BATS_FILE_TMPDIR/base" "$SPOOL"
}

# --- Certificates that nobody may trust.

@test "refused: a certificate of an unknown CA" {
	sign_by "$STRANGER.pem"
	refused_file 'signed by a CA that is not trusted: CN=Stranger$'
}

@test "refused: a certificate of an unknown CA that has the name of a known one" {
	openssl req -x509 -key "$STRANGER.key" -out false.pem -days 30 -subj "/C=DE/O=Example/CN=Lab root"
	sign_by false.pem
	refused_file '(not trusted|not signed with the key of the CA)'
}

@test "refused: a certificate that signed itself" {
	openssl req -x509 -key "$FIX/key/rsa1.pem" -subj /CN=SEP000000000001 -days 9 \
	    -addext keyUsage=digitalSignature,keyEncipherment -addext basicConstraints=CA:FALSE \
	    -outform DER -out bad.der
	refused_file '(not trusted|self-signed)'
}

@test "refused: a certificate with one bit changed" {
	python3 -c '
import sys
d = bytearray(open(sys.argv[1], "rb").read())
d[-1] ^= 1
open("bad.der", "wb").write(d)' "$DER"
	refused_file 'not signed with the key'
}

@test "refused: a certificate of a CA whose name has escape codes" {
	openssl req -x509 -key "$STRANGER.key" -out false.pem -days 30 \
	    -subj $'/CN=x\e[2J\nrefused\tgood.der\x9b'
	sign_by false.pem
	refused_file 'not trusted'
}

@test "refused: an expired certificate" {
	sign_dated 200101000000Z 210101000000Z
	refused_file 'expired on 2021-01-01T00:00:00Z$'
}

@test "refused: a certificate that is not yet valid" {
	sign_dated "$(date -u -d '+1 day' +%y%m%d%H%M%SZ)" "$(date -u -d '+9 days' +%y%m%d%H%M%SZ)"
	refused_file 'not valid before 20'
	# Tomorrow it is.
	run --separate-stderr cert-import -s "$SPOOL" -P "$(date -d '+2 days' +%s)" x.tar
	assert_status 0
	assert_output_has "accepted	bad.der"
}

@test "refused: by the clock that -P sets" {
	cp "$DER" bad.der
	tar cf x.tar bad.der
	run --separate-stderr cert-import -s "$SPOOL" -P "$(date -d '+2 years' +%s)" x.tar
	assert_status 1
	assert_output_has "expired on"
	run --separate-stderr cert-import -s "$SPOOL" -P 1000000000 x.tar
	assert_status 1
	assert_output_has "not valid before"
	assert_equal "$(csr-count -s "$SPOOL")" 10
}

# --- Certificates for somebody else.

@test "refused: a certificate for a key nobody asked for" {
	make_csr SEP000000000099 "$BATS_FILE_TMPDIR/other.pem"
	sign_openssl SEP000000000099.csr bad.der
	refused_file 'no request has this key$'
}

@test "refused: the right subject with a foreign key" {
	make_csr SEP000000000001 "$BATS_FILE_TMPDIR/other.pem"
	sign_openssl SEP000000000001.csr bad.der
	refused_file 'no request has this key, but SEP000000000001 is known here$'
}

@test "refused: the right key with the subject of another device" {
	make_csr SEP000000000002 rsa1
	sign_openssl SEP000000000002.csr bad.der
	refused_file 'subject does not name SEP000000000001'
}

@test "refused: the right key with a subject that only ends alike" {
	make_csr XSEP000000000001 rsa1
	sign_openssl XSEP000000000001.csr bad.der
	refused_file 'subject does not name SEP000000000001'
}

@test "accepted: a model before the device, with a hyphen between" {
	make_csr CP-8841-SEP000000000001 rsa1
	sign_openssl CP-8841-SEP000000000001.csr a.der
	tar cf x.tar a.der
	run --separate-stderr cert-import -s "$SPOOL" x.tar
	assert_status 0
	assert_output_has "accepted	a.der	SEP000000000001"
}

# --- Certificates that a phone must not have.

@test "refused: CA:TRUE" {
	sign_with basicConstraints=critical,CA:TRUE keyUsage=digitalSignature,keyEncipherment,keyCertSign
	refused_file 'is a CA certificate$'
}

@test "refused: CA:TRUE without the usage of a CA" {
	sign_with basicConstraints=CA:TRUE keyUsage=digitalSignature,keyEncipherment
	refused_file 'is a CA certificate$'
}

@test "refused: no keyUsage" {
	sign_with basicConstraints=CA:FALSE
	refused_file 'has no keyUsage$'
}

@test "refused: no extension at all" {
	openssl x509 -req -in "$CSR" -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 365 -outform DER \
	    -out bad.der 2>/dev/null
	refused_file '(has no keyUsage|is of version 1)'
}

@test "refused: keyUsage without digitalSignature" {
	sign_with keyUsage=keyEncipherment
	refused_file 'keyUsage without digitalSignature$'
}

@test "refused: RSA and keyUsage without keyEncipherment" {
	sign_with keyUsage=digitalSignature
	refused_file 'keyUsage without keyEncipherment$'
}

@test "refused: extendedKeyUsage for something else" {
	local eku usage=keyUsage=digitalSignature,keyEncipherment
	for eku in codeSigning emailProtection 1.3.6.1.5.5.7.3.5 critical,OCSPSigning; do
		fresh
		sign_with $usage "extendedKeyUsage=$eku"
		refused_file 'extendedKeyUsage without clientAuth or serverAuth$'
	done
}

@test "accepted: extendedKeyUsage for clients, for servers, for any" {
	local eku usage=keyUsage=digitalSignature,keyEncipherment
	for eku in clientAuth critical,serverAuth codeSigning,anyExtendedKeyUsage; do
		fresh
		sign_with $usage "extendedKeyUsage=$eku" authorityKeyIdentifier=keyid
		tar cf x.tar bad.der
		run --separate-stderr cert-import -s "$SPOOL" x.tar
		assert_status 0
		assert_equal "$(cut -f 1,3 <<<"$output")" "accepted	SEP000000000001"
	done
}

@test "refused: an unknown critical extension" {
	sign_with keyUsage=digitalSignature,keyEncipherment 1.2.3.4=critical,DER:0500
	refused_file 'unknown critical extension: 1.2.3.4$'
}

@test "refused: a SHA-1 signature" {
	sign_openssl "$CSR" bad.der root -sha1
	refused_file '(SHA-?1|sha1)'
}

@test "refused: an MD5 signature" {
	sign_openssl "$CSR" bad.der root -md5
	refused_file '(MD5|md5)'
}

@test "refused: a key of 1024 bits" {
	openssl genrsa -out small.pem 1024 2>/dev/null
	make_csr SEP000000000001 small.pem
	sign_openssl SEP000000000001.csr bad.der
	refused_file '1024'
}

@test "refused: serial numbers that are negative, zero, too long" {
	local serial
	for serial in -1:negative 0:'number 0' 0x800000000000000000000000000000000000000000:'20 octets'; do
		fresh
		openssl x509 -req -in "$CSR" -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -outform DER \
		    -out bad.der -extfile "$FIX/phone.ext" -set_serial "${serial%%:*}" 2>/dev/null
		refused_file "${serial#*:}"
	done
}

# --- Bytes that are not exactly one certificate.

@test "refused: trailing bytes" {
	local tail
	for tail in junk '\0' '\n' '\0\0\0\0'; do
		fresh
		{ cat "$DER"; printf %b "$tail"; } >bad.der
		refused_file 'bytes? behind the certificate$'
	done
}

@test "refused: a certificate cut short" {
	head -c -1 "$DER" >bad.der
	refused_file 'cut short'
}

@test "refused: BER, the indefinite length and the long one" {
	python3 - "$DER" <<-'EOT'
		import sys
		d = open(sys.argv[1], "rb").read()
		open("indefinite.der", "wb").write(b"\x30\x80" + d[4:] + b"\0\0")
		open("long.der", "wb").write(b"\x30\x83\0" + d[2:])
	EOT
	mv indefinite.der bad.der
	refused_file 'BER instead of DER$'
	fresh
	mv long.der bad.der
	refused_file 'BER instead of DER$'
}

@test "refused: BER deep inside, where the signature does not reach" {
	# The algorithm beside the signature: its NULL as 05 81 00. Lengths around it grow by one.
	python3 - "$DER" <<-'EOT'
		import sys
		d = bytearray(open(sys.argv[1], "rb").read())
		at = d.rindex(bytes.fromhex("300d06092a864886f70d01010b0500"))
		d[at + 13:at + 15] = b"\x05\x81\x00"
		d[at + 1] += 1
		d[2:4] = (int.from_bytes(d[2:4], "big") + 1).to_bytes(2, "big")
		open("bad.der", "wb").write(d)
	EOT
	refused_file 'BER instead of DER$'
}

@test "refused: two certificates in one entry" {
	cat "$DER" "$FIX/der/SEP000000000002.der" >bad.der
	refused_file 'two certificates$'
	# In PEM they are a chain, which must be text.
	fresh
	openssl x509 -inform DER -in "$DER" >bad.der
	printf '\0\n' >>bad.der
	openssl x509 -inform DER -in "$FIX/der/SEP000000000002.der" >>bad.der
	refused_file 'two certificates$'
}

@test "accepted, and said: PEM" {
	openssl x509 -inform DER -in "$DER" -out a.pem
	tar cf x.tar a.pem
	run --separate-stderr cert-import -s "$SPOOL" x.tar
	assert_status 0
	assert_output_has "accepted	a.pem	SEP000000000001"
	assert_output_has "PEM"
	cmp "$DER" "$SPOOL"/lsc/*
}

@test "refused: something else" {
	local what
	echo "550 no such file" >text.bad
	head -c 500 /dev/urandom >random.bad
	printf '\x30' >one.bad
	openssl pkey -in "$FIX/key/rsa1.pem" -pubout -out public.bad
	openssl crl2pkcs7 -nocrl -certfile "$FIX/root.pem" -outform DER -out pkcs7
	{ cat pkcs7; echo; } >behind.bad
	head -c -1 pkcs7 >short.bad
	openssl crl2pkcs7 -nocrl -outform DER -out nothing.bad
	openssl cms -sign -binary -nodetach -in text.bad -signer "$FIX/root.pem" -inkey "$FIX/root.key" \
	    -outform DER -out signed.bad
	for what in *.bad; do
		fresh
		cp "$what" bad.der
		refused_file '(is|has|holds) '
	done
}

@test "refused: a certificate request" {
	cp "$CSR" bad.der
	refused_file 'certificate request, not a certificate$'
	fresh
	openssl req -in "$CSR" -outform DER -out bad.der
	refused_file 'certificate request, not a certificate$'
}

@test "refused: a private key, which is kept nowhere" {
	local key=$FIX/key/rsa1.pem form
	openssl pkey -in "$key" -out 1.key
	openssl rsa -in "$key" -traditional -out 2.key 2>/dev/null
	openssl pkey -in "$key" -outform DER -out 3.key
	openssl rsa -in "$key" -traditional -outform DER -out 4.key 2>/dev/null
	openssl pkey -in "$FIX/key/ec256.pem" -outform DER -out 5.key
	openssl ec -in "$FIX/key/ec256.pem" -outform DER -out 6.key 2>/dev/null
	openssl pkey -in "$key" -aes128 -passout pass:x -out 7.key
	{ openssl x509 -inform DER -in "$DER"; cat 1.key; } >8.key
	{ cat 1.key; openssl x509 -inform DER -in "$DER"; } >9.key
	for form in {1..9}; do
		fresh
		cp $form.key bad.der
		refused_file 'private key'
		# The secret numbers as they are and as each of the files has them.
		python3 - "$SPOOL" <<-'EOT'
			import os, sys
			secrets = [open("4.key", "rb").read()[300:332], open("6.key", "rb").read()[7:39]]
			secrets += [open(f, "rb").read().split(b"\n")[9] for f in ("1.key", "2.key", "7.key")]
			for top, _, files in os.walk(sys.argv[1]):
			    for name in files:
			        data = open(os.path.join(top, name), "rb").read()
			        assert not any(secret in data for secret in secrets), name
		EOT
	done
}

# --- Entries that are no plain files, or have no plain names.

# refused_made NAME REASON: one of the archives that make-archives.py makes.
refused_made() {
	refused_entry "$ARCHIVES/$1.tgz" "$2"
	[ ! -e ../x.der ] && [ ! -e /tmp/x.der ] && [ ! -e x.der ]
}

@test "refused: an empty entry" {
	refused_made empty 'is empty$'
}

@test "refused: names with .." {
	refused_made dotdot '"\.\." in its name$'
}

@test "refused: names with .. inside" {
	refused_made dotdot-inside '"\.\." in its name$'
}

@test "refused: an absolute name" {
	refused_made absolute 'absolute path'
}

@test "refused: a name with a backslash" {
	refused_made backslash 'backslash in its name$'
}

@test "refused: a name with a newline and escape codes" {
	refused_made newline 'control characters in its name$'
	assert_output_has 'x\x0aaccepted\x09good.der\x1b[2J'
}

@test "refused: no name" {
	refused_made noname 'has no name$'
}

@test "refused: a name that is too long" {
	refused_made toolong 'name longer than 255 bytes$'
}

@test "refused: a name that is not UTF-8" {
	refused_made badutf8 'name that is not UTF-8$'
}

@test "refused: a bad name from a GNU long name" {
	refused_made longname-gnu '"\.\." in its name$'
}

@test "refused: a bad name from a pax header" {
	refused_made longname-pax '"\.\." in its name$'
}

@test "refused: a symbolic link" {
	refused_made symlink 'is a symbolic link$'
}

@test "refused: a hard link" {
	refused_made hardlink 'is a hard link$'
}

@test "refused: a character device" {
	refused_made chardev 'is a character device$'
}

@test "refused: a block device" {
	refused_made blockdev 'is a block device$'
}

@test "refused: a FIFO" {
	refused_made fifo 'is a FIFO$'
}

@test "refused: a sparse file, the old kind and the new" {
	refused_made sparse 'is (a sparse file|larger)'
	fresh
	refused_made sparse-pax 'is (a sparse file|larger)'
}

@test "refused: part of a file in several volumes, and an unknown kind" {
	refused_made multivolume 'several volumes$'
	fresh
	refused_made unknown 'unknown kind$'
}

@test "refused: an entry that is too large" {
	refused_made toolarge 'larger than 65536 bytes$'
}

@test "refused: something else under the name of the good one, and of its name but for case" {
	refused_made double 'neither PEM nor DER$'
	fresh
	refused_made double-case 'neither PEM nor DER$'
}

@test "accepted: a name that misleads by turning the direction, since names mean nothing; git's global header; a label" {
	local name
	for name in bidi git label; do
		fresh
		run --separate-stderr cert-import -s "$SPOOL" "$ARCHIVES/fine/$name.tgz"
		assert_status 0
		assert_line_count 2
		assert_printable
		assert_output_has "already	good.der	SEP000000000009"
		cmp "$GOOD" "$SPOOL"/lsc/*
	done
}

@test "refused: a thousand empty entries, a line each" {
	run --separate-stderr cert-import -s "$SPOOL" "$ARCHIVES/manyempty.tgz"
	assert_status 1
	assert_line_count 1001
	assert_equal "$(grep -c '^refused.*is empty$' <<<"$output")" 1000
	assert_output_has "accepted	good.der"
}

# --- Archives that are refused as a whole.

# refused_whole ARCHIVE REASON: nothing imported, one line, little memory. test/attack/archives.bats knows what it may cost.
refused_whole() {
	spool_state >before
	# In a shell of its own, for the limit: 512 MiB of address space.
	run --separate-stderr bash -c '
	    grep -qa __asan_init "$1" || ulimit -v 524288
	    exec "${@:2}"' - "$BIN/cert-import" timeout 120 cert-import -s "$SPOOL" "$1"
	assert_status 1
	assert_equal "$output" ""
	assert_stderr_line_count 1
	assert_printable
	grep -qP "^cert-import: [^:]*: .*$2.*; nothing was imported\$" <<<"$stderr" ||
	    fail "wanted the reason: $2" "$(show_run)"
	spool_state | diff before -
}

@test "refused as a whole: a .tgz that was cut off, anywhere" {
	local size at
	size=$(stat -c %s "$FIX/der.tgz")
	for at in 1 2 9 10 18 100 600 $((size / 2)) -100 -9 -8 -1; do
		head -c "$at" "$FIX/der.tgz" >cut.tgz
		refused_whole cut.tgz '(cut off|damaged|neither a tar nor a gzip|is empty)'
	done
}

@test "refused as a whole: a .tar that was cut off, anywhere" {
	local at
	tar cf all.tar -C "$FIX/der" SEP000000000001.der SEP000000000002.der
	# Two entries of 512 + 1024 bytes each, then the end; from 3584 or so on it is whole.
	for at in 1 100 511 512 513 1000 1536 2048 2049 2500; do
		head -c "$at" all.tar >cut.tar
		refused_whole cut.tar '(cut off|damaged|neither a tar nor a gzip)'
	done
	size=$(tar tvRf all.tar | sed -n 's/^block \([0-9]*\): \*\* Block of NULs.*/\1/p')
	head -c $((size * 512)) all.tar >cut.tar
	refused_whole cut.tar 'cut off'
	head -c $((size * 512 + 512)) all.tar >cut.tar
	refused_whole cut.tar 'cut off'
	head -c $((size * 512 + 1024)) all.tar >cut.tar
	cert-import -s "$SPOOL" cut.tar >/dev/null
}

@test "refused as a whole: what make-archives.py makes" {
	local name reason
	while read -r name reason; do
		echo "$name"
		refused_whole "$ARCHIVES/whole/$name.tgz" "$reason"
	done <<-'EOT'
		truncated cut off
		notrailer cut off
		badcrc damaged.*check
		badlen damaged.*length check
		gzip-in-gzip gzip inside a gzip
		text neither a tar nor a gzip
		text-gz something else than a tar
		nothing is empty
		zero holds no entry
		only-directory holds no entry
		zeros-4g (times its size|padding|no entry)
		padding-4g (times its size|padding)
		entry-4g times its size
		million (entries|times its size)
		junk junk behind the end of the gzip
		junk-in-tar junk behind the end of the tar
		no-end cut off
		half-end cut off
		badheader damaged
		pax-100m header
		longname-1m header
		chain-10000 (headers|damaged)
		acl headers
		sparse-map headers
		many-members junk
		size-negative damaged.*octal
		size-2-62 damaged
		size-octal damaged.*octal
		pax-size-2-62 (damaged|size)
		pax-size-negative a size that is none
		pax-size-more two sizes
		gzip-deep gzip inside a gzip
		nested headers
	EOT
	# Every one there is was tried.
	[ "$(ls "$ARCHIVES/whole"/*.tgz | wc -l)" -eq 33 ]
}

# tools ARCHIVE: what GNU tar, bsdtar, busybox and Python find there, a line each: names and what is in them.
tools() {
	local tool
	for tool in "tar xzOf" "bsdtar xzOf" "busybox tar xzOf"; do
		timeout 20 $tool "$1" 2>&1 | sha256sum || true
	done
	python3 - "$1" <<-'EOT' 2>&1 | sha256sum
		import sys, tarfile
		with tarfile.open(sys.argv[1]) as t:
		    for m in t:
		        f = t.extractfile(m) if m.isreg() else None
		        sys.stdout.buffer.write(f.read() if f else b"")
	EOT
}

@test "refused as a whole: what readers understand differently" {
	local archive n=0
	spool_state >before
	for archive in "$ARCHIVES"/whole/readers/*.tgz; do
		run --separate-stderr cert-import -s "$SPOOL" "$archive"
		[ "$status" -eq 1 ] && [ -z "$output" ] || fail "$archive" "$(show_run)"
		assert_stderr_line_count 1
		assert_stderr_has "; nothing was imported"
		n=$((n + 1))
	done
	[ "$n" -ge 34 ]
	spool_state | diff before -
	# Some of them are, to the readers of this machine; to others they were, or are in their names.
	for archive in global-size two-sizes link-data; do
		[ "$(tools "$ARCHIVES/whole/readers/$archive.tgz" | sort -u | wc -l)" -gt 1 ] || fail "$archive: all agree"
	done
}

@test "accepted: what tar, bsdtar, busybox and Python write, in each of their forms, with long names and odd ones" {
	local form long name
	long=$(printf 'n%.0s' {1..120}).der
	cp "$GOOD" good.der
	cp "$GOOD" "$long"
	cp "$GOOD" ä.der
	for form in gnu oldgnu pax posix; do
		tar --format=$form -cf "tar-$form.tar" good.der "$long" ä.der
	done
	for form in ustar v7; do
		tar --format=$form -cf "tar-$form.tar" good.der ä.der
	done
	for form in pax gnutar ustar; do
		LC_ALL=C.UTF-8 bsdtar --format=$form -cf "bsdtar-$form.tar" good.der ä.der
	done
	LC_ALL=C.UTF-8 bsdtar --format=pax -cf bsdtar-long.tar good.der "$long"
	busybox tar cf busybox.tar good.der "$long"
	tar --format=pax --xattrs --pax-option=comment=hello,delete=atime -V label -cf tar-more.tar good.der
	python3 - "$long" <<-'EOT'
		import sys, tarfile
		for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
		    with tarfile.open("python-%d.tar" % form, "w", format=form) as t:
		        for name in ("good.der", sys.argv[1], "\u00e4.der"):
		            if form != tarfile.USTAR_FORMAT or len(name) < 99:
		                t.add(name)
	EOT
	for name in *.tar; do
		fresh
		run --separate-stderr cert-import -s "$SPOOL" "$name"
		assert_status 0
		assert_equal "$stderr" ""
		assert_output_has "accepted	good.der	SEP000000000009"
		[ "$name" = tar-more.tar ] || [ "${#lines[@]}" -ge 2 ] || fail "$name" "$(show_run)"
	done
}

@test "refused as a whole: by a ceiling that capf.conf sets" {
	echo "import-max-entries = 9" >>"$SPOOL/capf.conf"
	refused_whole "$FIX/der.tgz" 'more than 9 entries'
	echo "import-max-entries = 10" >>"$SPOOL/capf.conf"
	cert-import -s "$SPOOL" "$FIX/der.tgz" >/dev/null
}

@test "limits of capf.conf: the bytes of an entry, and of all" {
	echo "import-max-entry-bytes = 500" >>"$SPOOL/capf.conf"
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_status 1
	assert_line_count 10
	refute_output_has accepted
	assert_output_has "is larger than 500 bytes"
	printf '%s\n' "import-max-entry-bytes = 65536" "import-max-total-bytes = 4000" >>"$SPOOL/capf.conf"
	refused_whole "$FIX/der.tgz" '4000 bytes'
	run --separate-stderr csr-add -s "$SPOOL" "$FIX/csr.tgz"
	assert_status 1
	assert_equal "$output" ""
	assert_stderr_has "4000 bytes"
	echo "import-max-total-bytes = 2147483648" >>"$SPOOL/capf.conf"
	cert-import -s "$SPOOL" "$FIX/der.tgz" >/dev/null
}

@test "refused as a whole: from stdin, with its name" {
	run --separate-stderr bash -c 'cert-import -s "$1" <"$2"' - "$SPOOL" "$ARCHIVES/whole/badcrc.tgz"
	assert_status 1
	assert_stderr_line_count 1
	assert_stderr_has "cert-import: -: is damaged"
}

# --- Requests.

# refused_request REASON: bad.csr beside a good request, as files and in an archive.
refused_request() {
	local form
	cp "$FIX/csr/SEP000000000009.csr" good.csr
	tar czf both.tgz bad.csr good.csr
	for form in "bad.csr good.csr" both.tgz; do
		rm -rf "$SPOOL"
		new_spool "$SPOOL"
		run --separate-stderr csr-add -s "$SPOOL" $form
		assert_status 1
		assert_equal "$stderr" ""
		assert_printable
		assert_line_count 2
		grep -qP '^refused\tbad.csr\t-\t-\t.*'"$1" <<<"$output" ||
		    fail "wanted the reason: $1" "$(show_run)"
		grep -qP '^added\tgood.csr\tSEP000000000009\t[0-9a-f]{64}\t$' <<<"$output" || fail "$(show_run)"
		assert_equal "$(csr-list -s "$SPOOL" | cut -f1)" SEP000000000009
		spool-check -s "$SPOOL"
	done
}

@test "refused request: a bad signature" {
	openssl req -in "$CSR" -outform DER -out bad.csr
	python3 - <<-'EOT'
		d = bytearray(open("bad.csr", "rb").read())
		d[-1] ^= 1
		open("bad.csr", "wb").write(d)
	EOT
	refused_request 'not signed with its own key$'
}

@test "refused request: the name changed under the signature" {
	openssl req -in "$CSR" -outform DER | sed 's/SEP000000000001/SEP000000000007/' >bad.csr
	refused_request 'not signed with its own key$'
}

@test "refused request: a key that is too short" {
	openssl genrsa -out small.pem 1024 2>/dev/null
	openssl req -new -key small.pem -subj /CN=SEP000000000001 -out bad.csr
	refused_request 1024
}

@test "refused request: signed with SHA-1" {
	openssl req -new -sha1 -key "$FIX/key/rsa1.pem" -subj /CN=SEP000000000001 -out bad.csr
	refused_request '(SHA-?1|sha1)'
}

@test "refused request: a common name that is no device" {
	local subject
	for subject in "/CN=Reception phone" "/CN=..\/..\/etc\/passwd" "/CN=a\+b" "/CN=.hidden" \
	    "/O=Example" $'/CN=SEP\e[2J' "/CN=$(printf 'x%.0s' {1..64})" "/CN=SEP000000000001/CN=SEP000000000002"; do
		openssl req -new -utf8 -key "$FIX/key/rsa1.pem" -subj "$subject" -out bad.csr
		refused_request 'common name'
	done
}

@test "refused request: a name that commands would take for a word or an option of theirs" {
	local name out
	for name in all ALL delete list view -n -0 --dry-run -; do
		openssl req -new -key "$FIX/key/rsa1.pem" -subj "/CN=$name" -out bad.csr
		refused_request 'common name'
		# The offline CA takes it no more than we do, and so no certificate names it.
		tar czf bad.tgz bad.csr
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o out.tgz bad.tgz
		assert_status 1
		assert_stderr_has 'common name'
		[ ! -e out.tgz ]
		run --separate-stderr phone-add -s "$SPOOL" -- "$name"
		assert_status 1
		assert_stderr_has 'is not a device name'
	done
	# An administrator deletes what is no desk phone, name by name.
	new_spool fresh
	ten_wait fresh
	openssl req -new -key "$FIX/key/ec256.pem" -subj /CN=all -out all.csr
	run --separate-stderr csr-add -s fresh all.csr
	assert_status 1
	csr-list -s fresh | cut -f 1 | sed /^SEP/d | xargs -r -n 1 csr-delete -s fresh
	assert_equal "$(csr-count -s fresh)" 10
}

@test "refused request: a certificate instead" {
	cp "$DER" bad.csr
	refused_request 'certificate, not a certificate request$'
}

@test "refused request: a private key instead, which is kept nowhere" {
	cp "$FIX/key/rsa1.pem" bad.csr
	refused_request 'private key'
	refute grep -rqF "$(sed -n 9p bad.csr)" "$SPOOL"
}

@test "refused request: junk behind it, an empty file, text" {
	{ openssl req -in "$CSR" -outform DER; echo junk; } >bad.csr
	refused_request 'behind the certificate request$'
	: >bad.csr
	refused_request 'is empty$'
	echo "550 no such file" >bad.csr
	refused_request 'neither PEM nor DER$'
}

@test "refused requests: a file of more than 500,000 that are nothing" {
	# With sanitizers it takes minutes, and shows nothing more.
	if sanitized; then
		return 0
	fi
	python3 -c 'print("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n" * 500001)' >many.pem
	spool_state >before
	run --separate-stderr csr-add -s "$SPOOL" many.pem
	assert_status 1
	assert_equal "$output" ""
	assert_equal "$stderr" "csr-add: many.pem: holds more than 500000 requests; nothing was taken from it"
	spool_state | diff before -
}

@test "refused requests: archives that are bad as a whole" {
	local name
	spool_state >before
	for name in truncated badcrc gzip-in-gzip zero junk no-end zeros-4g million pax-100m; do
		run --separate-stderr timeout 120 csr-add -s "$SPOOL" "$ARCHIVES/whole/$name.tgz"
		assert_status 1
		assert_equal "$output" ""
		assert_stderr_line_count 1
		assert_stderr_has "nothing was taken from it"
		spool_state | diff before -
	done
}
