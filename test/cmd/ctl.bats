# SPDX-License-Identifier: ISC
# Trust lists of phones: made by ctl-make and read by a reader that shares nothing with it; shown by ctl-show, good ones,
# those of others, and damaged ones; and what the spool remembers of them.
load ../helper
load ../token

READER=$TESTDIR/data/ctl-reader.py
FORGE=$TESTDIR/data/ctl-forge.py
SIGNER="-k $FIX/root.key --sast $FIX/root.pem"
NOW=$(date +%s)

setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
}

# pair NAME SUBJECT [REQ-ARGUMENT...]: NAME.key and NAME.pem, RSA-2048 unless the arguments say otherwise.
pair() {
	[[ " ${*:3} " == *" -newkey "* ]] || set -- "$@" -newkey rsa:2048
	openssl req -x509 -nodes -keyout "$1.key" -out "$1.pem" -subj "$2" -days 100 "${@:3}" 2>/dev/null
}
digest() {
	openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1
}
# shown FILE: what ctl-show says of it, in $output; it must be good.
shown() {
	run --separate-stderr ctl-show "$1"
	assert_status 0
	assert_equal "$stderr" ""
}
# verified LIST CERT DIGEST: openssl says so, of the bytes that the other reader calls signed.
verified() {
	rm -rf parts
	mkdir parts
	python3 "$READER" "$1" parts >read
	openssl x509 -in "$2" -noout -pubkey >parts/public
	openssl dgst "-$3" -verify parts/public -signature parts/signature parts/signed
	openssl dgst "-$3" -binary parts/signed >parts/hash
	openssl pkeyutl -verify -pubin -inkey parts/public -sigfile parts/signature -in parts/hash -pkeyopt "digest:$3"
}

@test "ctl-make: CAPF from the spool, read by the other reader" {
	run --separate-stderr ctl-make $SIGNER -P "$NOW" ITLFile.tlv
	assert_silent
	assert_equal "$(stat -c %a ITLFile.tlv)" 644
	verified ITLFile.tlv "$FIX/root.pem" sha512
	local name='C=DE,O=Example,CN=Lab root' serial cn
	serial=$(openssl x509 -in "$FIX/root.pem" -noout -serial | sed 's/.*=//' | tr A-F a-f)
	cn=$(openssl x509 -in "$SPOOL/ca/CAPF.cer" -inform DER -noout -subject -nameopt multiline | sed -n 's/.*commonName *= //p')
	{
		printf 'version\t1.0\nfile\tITLFile.tlv\ntime\t%s\ndigest\tsha512\nmodulus\t256\n' "$NOW"
		printf '%s\t' signer "$name" "$name"
		printf '%s\n' "$serial"
		printf '%s\t' record 1 SAST "$name" "$name" "$serial"
		digest "$FIX/root.pem"
		printf '%s\t' record 2 CAPF "CN=$cn" "CN=$cn" \
		    "$(openssl x509 -in "$SPOOL/ca/CAPF.cer" -inform DER -noout -serial | sed 's/.*=//' | tr A-F a-f)"
		sha256sum <"$SPOOL/ca/CAPF.cer" | cut -d' ' -f1
	} >wanted
	diff wanted read
	cmp parts/2.der "$SPOOL/ca/CAPF.cer"
	shown ITLFile.tlv
}

@test "ctl-make: all roles, in their order, one certificate in several, none of them from the spool" {
	local n
	for n in 1 2 3 4 5 6; do
		pair "r$n" "/CN=Role $n"
	done
	unset CAPF_SPOOL
	run --separate-stderr ctl-make --tvs r6.pem --app-server r5.pem --capf r4.pem --tftp r3.pem --ccm-tftp r2.pem --ccm r1.pem \
	    --ccm "$FIX/root.pem" --capf "$FIX/sub.pem" $SIGNER CTLFile.tlv
	assert_silent
	verified CTLFile.tlv "$FIX/root.pem" sha512
	assert_equal "$(grep ^record read | cut -f 3,4 | tr '\n' ' ')" "SAST	C=DE,O=Example,CN=Lab root CCM	CN=Role 1 $(
	    )CCM	C=DE,O=Example,CN=Lab root CCM+TFTP	CN=Role 2 TFTP	CN=Role 3 CAPF	CN=Role 4 $(
	    )CAPF	C=DE,O=Example,CN=Lab issuing APP-SERVER	CN=Role 5 TVS	CN=Role 6 "
	shown CTLFile.tlv
	assert_equal "$(grep -c ^record: <<<"$output")" 9
}

@test "ctl-make: versions and digests; EC keys want version 1.1" {
	local digest version
	for digest in SHA1 SHA512; do
		for version in 1.0 1.1; do
			ctl-make $SIGNER -D $digest --file-version $version ITLFile.tlv
			verified ITLFile.tlv "$FIX/root.pem" "${digest,,}"
			assert_equal "$(sed -n 's/^version\t//p; s/^digest\t//p' read | tr '\n' ' ')" "$version ${digest,,} "
			shown ITLFile.tlv
			assert_output_has "RSA 2048, $digest"
		done
	done
	local curve
	for curve in 256 384 521; do
		openssl req -x509 -key "$FIX/key/ec$curve.pem" -subj "/CN=EC $curve" -days 9 -out "ec$curve.pem"
	done
	ctl-make $SIGNER --tvs ec256.pem --tvs ec384.pem --tvs ec521.pem ITLFile.tlv
	verified ITLFile.tlv "$FIX/root.pem" sha512
	assert_equal "$(head -1 read)" "version	1.1"
	shown ITLFile.tlv
	cp ITLFile.tlv before
	run --separate-stderr ctl-make $SIGNER --tvs ec256.pem --file-version 1.0 ITLFile.tlv
	assert_status 1
	assert_stderr_has "ec256.pem: its key is EC, which phones take in lists of version 1.1 only"
	cmp ITLFile.tlv before
}

@test "ctl-make: RSA keys that phones refuse are refused; --large-keys makes the list, with a warning" {
	pair large /CN=Large -newkey rsa:4096
	pair odd /CN=Odd -newkey rsa:3072
	run --separate-stderr ctl-make $SIGNER --ccm odd.pem CTLFile.tlv
	assert_status 1
	assert_stderr_has "odd.pem: its RSA key has 3072 bits; phones refuse more than 2048"
	run --separate-stderr ctl-make -k large.key --sast large.pem CTLFile.tlv
	assert_status 1
	[ ! -e CTLFile.tlv ]
	run --separate-stderr ctl-make -k large.key --sast large.pem --ccm odd.pem --large-keys CTLFile.tlv
	assert_status 0
	assert_stderr_line_count 2
	verified CTLFile.tlv large.pem sha512
	assert_equal "$(grep modulus read)" "modulus	512"
	run --separate-stderr ctl-show CTLFile.tlv
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "CTLFile.tlv: record 1: its RSA key has 4096 bits"
	# What is no number of bits that the format has.
	run --separate-stderr ctl-make -k odd.key --sast odd.pem --large-keys CTLFile.tlv
	assert_status 100
	assert_one_line "odd.key: has 3072 bits"
	pair small /CN=Small -newkey rsa:1024
	run --separate-stderr ctl-make -k small.key --sast small.pem CTLFile.tlv
	assert_status 100
	assert_one_line "small.key: has 1024 bits, too few to sign with"
}

@test "ctl-make: names with all that RFC 4514 escapes, as the other reader writes them" {
	pair names '/C=DE/O= a,b\+c"d;e<f>g\\h #/OU=#1/DC=x/UID=u/street=S/L=München/ST=B/emailAddress=a@example' \
	    -multivalue-rdn -utf8
	pair many '/C=DE/O=x+OU=z+L=y/CN=\ ' -multivalue-rdn
	ctl-make $SIGNER --ccm names.pem --ccm many.pem ITLFile.tlv
	python3 "$READER" ITLFile.tlv >read
	grep -qF 'O=\ a\,b\+c\"d\;e\<f\>g\\h #,' read
	grep -qF 'OU=\#1,DC=x,UID=u,STREET=S,L=' read
	grep -qF '1.2.840.113549.1.9.1=#16' read
	shown ITLFile.tlv
}

@test "ctl-make: a key in a token signs" {
	token
	import_key "$FIX/root.key" ca
	run --separate-stderr ctl-make -k 'pkcs11:token=capf;object=ca;type=private' -p pin --sast "$FIX/root.pem" ITLFile.tlv
	assert_silent
	verified ITLFile.tlv "$FIX/root.pem" sha512
	ls "$SPOOL"/ca/*.ctl
}

@test "ctl-make: an encrypted key" {
	openssl pkey -in "$FIX/root.key" -aes256 -passout pass:word -out locked.key
	echo word >pass
	run --separate-stderr ctl-make -k locked.key -p pass --sast "$FIX/root.pem" ITLFile.tlv
	assert_silent
	verified ITLFile.tlv "$FIX/root.pem" sha512
	echo wrong >pass
	run --separate-stderr ctl-make -k locked.key -p pass --sast "$FIX/root.pem" ITLFile.tlv
	assert_status 100
	assert_one_line "locked.key: wrong pass phrase"
}

@test "ctl-make: wrong usage, wrong keys, wrong certificates: nothing is written" {
	local what
	while IFS='|' read -r command what; do
		run --separate-stderr ctl-make $command
		[ "$status" -eq 100 ] || fail "ctl-make $command" "$(show_run)"
		assert_stderr_has "$what"
		[ ! -e ITLFile.tlv ]
	done <<-EOT
	ITLFile.tlv|wants the signer's certificate, --sast, and its key
	-k $FIX/root.key ITLFile.tlv|wants the signer's certificate
	$SIGNER|wants the name of one list
	$SIGNER ITLFile.tlv CTLFile.tlv|wants the name of one list
	$SIGNER list.tlv|give the list such a name
	$SIGNER ITLSEP00112233445.tlv|give the list such a name
	$SIGNER ITLSEP0011223344556.tlv|give the list such a name
	$SIGNER ITLSEP00112233445a.tlv|give the list such a name
	$SIGNER -D SHA256 ITLFile.tlv|--digest: SHA256 is not one of SHA1, SHA512
	$SIGNER --file-version 1.2 ITLFile.tlv|--file-version: 1.2 is not one of 1.0, 1.1
	$SIGNER --tvs nosuch ITLFile.tlv|nosuch: No such file
	$SIGNER --tvs $FIX/root.key ITLFile.tlv|root.key: is a private key
	$SIGNER nosuch/ITLFile.tlv|nosuch/ITLFile.tlv: cannot write there
	$SIGNER -s nosuch ITLFile.tlv|nosuch: there is no such directory
	-k $FIX/sub.key --sast $FIX/root.pem ITLFile.tlv|sub.key: is not the key of a certificate with the role SAST
	-k $FIX/sub.key --sast $FIX/root.pem --ccm $FIX/sub.pem ITLFile.tlv|sub.key: is not the key of a certificate
	-k $FIX/ec.key --sast $FIX/ec.pem ITLFile.tlv|ec.key: is not an RSA key
	EOT
	refute compgen -G "$SPOOL/ca/*.ctl"
}

@test "ctl-make: what phones would refuse is refused, each with its reason, and nothing is written" {
	pair one /CN=One
	pair two /CN=Two
	local args what
	while IFS='|' read -r args what; do
		run --separate-stderr ctl-make $SIGNER $args ITLFile.tlv
		[ "$status" -eq 1 ] || fail "ctl-make $args" "$(show_run)"
		assert_stderr_has "$what"
		assert_stderr_has "ITLFile.tlv: nothing was written"
		[ ! -e ITLFile.tlv ]
	done <<-EOT
	--sast one.pem --sast two.pem|ITLFile.tlv: it has 3 records with the role SAST, and phones take 2
	--tvs one.pem --ccm two.pem --tvs one.pem|one.pem: the same certificate has the same role in a record before it
	--tvs one.pem -P $(date -d '+1 year' +%s)|one.pem: its certificate expired on 20
	--tvs one.pem -P $(date -d '-1 day' +%s)|one.pem: its certificate is not valid before 20
	EOT
	# Two are not too many.
	ctl-make $SIGNER --sast one.pem ITLFile.tlv
	shown ITLFile.tlv
}

@test "ctl-make: a list that phones have is replaced only by one that they take" {
	pair other /CN=Other
	ctl-make $SIGNER ITLFile.tlv
	cp ITLFile.tlv first
	run --separate-stderr ctl-make -k other.key --sast other.pem ITLFile.tlv
	assert_status 1
	assert_stderr_has "ITLFile.tlv: phones that have the list which is there would refuse this one"
	# Not even when the old signer is in it with another role, or as a SAST that does not sign.
	run --separate-stderr ctl-make -k other.key --sast other.pem --ccm "$FIX/root.pem" ITLFile.tlv
	assert_status 1
	run --separate-stderr ctl-make -k other.key --sast other.pem --sast "$FIX/root.pem" ITLFile.tlv
	assert_status 1
	cmp ITLFile.tlv first
	# The way to another signer: first the old one says that the new one may.
	ctl-make $SIGNER --sast other.pem ITLFile.tlv
	cp ITLFile.tlv second
	run --separate-stderr ctl-make -k other.key --sast other.pem ITLFile.tlv
	assert_silent
	run --separate-stderr ctl-show --old second ITLFile.tlv
	assert_status 0
	run --separate-stderr ctl-show --old first ITLFile.tlv
	assert_status 1
	assert_one_line "ITLFile.tlv: phones that have the old list refuse it: there its signer is no SAST"
	# Or who knows that no phone has it.
	run --separate-stderr ctl-make $SIGNER ITLFile.tlv
	assert_status 1
	run --separate-stderr ctl-make $SIGNER --new-signer ITLFile.tlv
	assert_silent
	shown ITLFile.tlv
}

@test "ctl-make: what is there and is no list stays" {
	echo precious >ITLFile.tlv
	run --separate-stderr ctl-make $SIGNER ITLFile.tlv
	assert_status 1
	assert_stderr_has "ITLFile.tlv: what is there is no trust list, and stays: header: "
	assert_equal "$(cat ITLFile.tlv)" precious
	run --separate-stderr ctl-make $SIGNER --new-signer ITLFile.tlv
	assert_silent
	shown ITLFile.tlv
	# A directory, a link: as other programs do.
	mkdir tftp CTLFile.tlv
	run --separate-stderr ctl-make $SIGNER CTLFile.tlv
	assert_status 1
	[ -d CTLFile.tlv ]
	ln -s ../ITLFile.tlv tftp/ITLFile.tlv
	run --separate-stderr ctl-make $SIGNER tftp/ITLFile.tlv
	assert_silent
	[ -L tftp/ITLFile.tlv ]
	assert_equal "$(find . -name '*.tmp')" ""
}

@test "lists for one phone have the plain name inside" {
	mkdir tftp
	ctl-make $SIGNER tftp/ITLSEP00112233AABB.tlv
	verified tftp/ITLSEP00112233AABB.tlv "$FIX/root.pem" sha512
	assert_equal "$(grep ^file read)" "file	ITLFile.tlv"
	shown tftp/ITLSEP00112233AABB.tlv
	ctl-make $SIGNER CTLSEP00112233AABB.tlv
	python3 "$READER" CTLSEP00112233AABB.tlv >read
	assert_equal "$(grep ^file read)" "file	CTLFile.tlv"
	# A list under the name of the other kind is not right.
	cp CTLSEP00112233AABB.tlv ITLFile.tlv
	run --separate-stderr ctl-show ITLFile.tlv
	assert_status 1
	assert_one_line "ITLFile.tlv: the name inside is not the one for a list of this name"
}

@test "ctl-show: what is in a list, block by block; several, and stdin" {
	ctl-make $SIGNER -P "$NOW" ITLFile.tlv
	shown ITLFile.tlv
	assert_equal "$(head -9 <<<"$output")" "list:       ITLFile.tlv
name:       ITLFile.tlv
version:    1.0
made:       $(date -ud "@$NOW" +%Y-%m-%dT%H:%M:%SZ)
signer:     C=DE,O=Example,CN=Lab root
its issuer: C=DE,O=Example,CN=Lab root
its serial: $(openssl x509 -in "$FIX/root.pem" -noout -serial | sed 's/.*=//' | tr A-F a-f)
signature:  RSA 2048, SHA512
records:    2"
	assert_output_has "sha256:     $(digest "$FIX/root.pem")"
	assert_output_has "sha256:     $(sha256sum <"$SPOOL/ca/CAPF.cer" | cut -d' ' -f1)"
	local alone=$output
	run --separate-stderr ctl-show ITLFile.tlv - <ITLFile.tlv
	assert_status 0
	assert_equal "$(grep -c '^list: ' <<<"$output")" 2
	# A bad one does not stop the others.
	echo >bad
	run --separate-stderr ctl-show bad ITLFile.tlv
	assert_status 1
	assert_one_line "bad: header: ends within the length of element 10"
	assert_equal "$output" "$alone"
	run --separate-stderr ctl-show nosuch ITLFile.tlv
	assert_status 100
	assert_one_line "nosuch: cannot open: No such file"
	run --separate-stderr ctl-show
	assert_status 100
	run bash -c 'ctl-show ITLFile.tlv >/dev/full'
	assert_status 111
}

@test "ctl-show: names with escape codes stay harmless" {
	pair evil $'/CN=x\e[2J\nroot'
	ctl-make $SIGNER --ccm evil.pem CTLFile.tlv
	shown CTLFile.tlv
	assert_printable
	assert_output_has 'CN=x\x1b[2J\x0aroot'
}

@test "ctl-show: dates by the clock" {
	ctl-make $SIGNER ITLFile.tlv
	run --separate-stderr ctl-show -P "$(date -d '+20 years' +%s)" ITLFile.tlv
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has "record 2: its certificate expired on 20"
	run --separate-stderr ctl-show -P "$(date -d '-1 day' +%s)" ITLFile.tlv
	assert_status 1
	assert_stderr_has "record 1: its certificate is not valid before 20"
	assert_stderr_has "ITLFile.tlv: its time stamp, 20"
}

@test "ctl-show: lists that others made are good" {
	local what
	for what in none 1.1 sha1 more hash record-order; do
		python3 "$FORGE" ITLFile.tlv "$FIX/root.key" $what 0="$FIX/root.pem" 4="$FIX/sub.pem"
		shown ITLFile.tlv
		assert_equal "$(grep -c ^record: <<<"$output")" 2
	done
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" more 0="$FIX/root.pem" 4="$FIX/sub.pem"
	shown ITLFile.tlv
	assert_output_has "DNS name:   a.example"
	assert_output_has "address:    c0000201"
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" 1.1 0="$FIX/root.pem" 21="$FIX/ec.pem"
	shown ITLFile.tlv
	assert_output_has "key:        EC 256"
}

@test "ctl-show: what is wrong in a list whose signature is right is found, with its reason" {
	local fault reason
	while read -r fault reason; do
		python3 "$FORGE" ITLFile.tlv "$FIX/root.key" "$fault" 0="$FIX/root.pem" 4="$FIX/sub.pem"
		run --separate-stderr ctl-show ITLFile.tlv
		[ "$status" -eq 1 ] || fail "$fault" "$(show_run)"
		assert_one_line "ITLFile.tlv: $reason"
	done <<-'EOT'
	version header: is of version 1.3, not 1.2
	file-version header: the file's version is 1.2, not 1.0 or 1.1
	file-major header: the file's version is 2.0, not 1.0 or 1.1
	no-file-version header: element 3 stands where element 28 should
	order header: element 15 stands where element 14 should
	signer-order header: signer: element 5 stands where element 6 should
	signer-more header: signer: has 1 bytes too many
	digest header: signature: unknown digest 2
	algorithm header: signature: unknown algorithm 1
	modulus header: signature: unknown modulus 4
	modulus-other header: element 12 has 256 bytes, not 128
	time header: element 15 has 2 bytes, not 4
	header-long header: has 4 bytes behind the time stamp, more than padding
	header-short header: element 15 has 4 bytes, but only 0 are left
	header-tiny header: says that it has 0 bytes, the file has
	header-huge header: says that it has
	padding-none header: its
	padding-more header: has 4 bytes behind the time stamp, more than padding
	inside the name inside is neither CTLFile.tlv nor ITLFile.tlv
	ctl the name inside is not the one for a list of this name
	future its time stamp, 20
	no-records the signer has no record with the role SAST, so the signature cannot be checked
	signed the signature is wrong
	subject record 2: its subject is not the one of its certificate
	issuer record 2: its issuer is not the one of its certificate
	serial record 2: its serial number is not the one of its certificate
	key record 2: its public key is not the one of its certificate
	certificate-signature record 2: its signature is not the one of its certificate
	certificate record 2: its certificate is cut short
	certificate-none record 2: it has neither a certificate nor a hash of one
	role-unknown record 2: unknown role 99
	role-none record 2: it lacks its role
	role-long record 2: its role has 4 bytes, not 2
	subject-none record 2: it lacks its subject
	no-nul record 2: the subject is no text with one NUL at its end
	nul-inside record 2: the subject is no text with one NUL at its end
	serial-zero record 2: the serial number is empty or begins with a zero
	tag record 2: unknown element 13
	twice record 2: has its role twice
	length-twice record 2: unknown element 1
	element-length record 2: element 9 has
	record-long record 2: says that it has
	record-short record 2: element 9 has
	record-tiny record 2: says that it has 4 bytes
	EOT
	# Here the header's length is no multiple of 4 by itself.
	python3 "$FORGE" ITLFile.tlv "$FIX/sub.key" none 0="$FIX/sub.pem"
	shown ITLFile.tlv
	python3 "$FORGE" ITLFile.tlv "$FIX/sub.key" padding 0="$FIX/sub.pem"
	run --separate-stderr ctl-show ITLFile.tlv
	assert_status 1
	assert_one_line "header: has a byte 0 in its padding"
}

@test "ctl-show: the signer's record must be there, a SAST's, RSA, and the one that signed" {
	bad() {
		run --separate-stderr ctl-show ITLFile.tlv
		assert_status 1
		assert_stderr_has "ITLFile.tlv: $1"
	}
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" none 4="$FIX/root.pem" 0="$FIX/sub.pem"
	bad "the signer has no record with the role SAST"
	python3 "$FORGE" ITLFile.tlv "$FIX/sub.key" none 0="$FIX/root.pem" 0="$FIX/sub.pem"
	bad "the signature is wrong"
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" 1.1 0="$FIX/ec.pem"
	bad "the signer's key is not RSA"
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" none 0="$FIX/root.pem" 4="$FIX/sub.pem" 4="$FIX/sub.pem"
	bad "record 3: the same certificate has the same role in a record before it"
	pair large /CN=Large -newkey rsa:4096
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" none 0=large.pem
	bad "the signature has 256 bytes, and the signer's key 512"
	openssl req -x509 -key "$FIX/key/rsa1.pem" -subj '/CN=Three' -days 9 -out three.pem
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" none 0="$FIX/root.pem" 0="$FIX/sub.pem" 0=three.pem
	bad "it has 3 records with the role SAST, and phones take 2"
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" none 0="$FIX/root.pem" 21="$FIX/ec.pem"
	bad "record 2: its key is EC, which phones take in lists of version 1.1 only"
	openssl genpkey -algorithm ed25519 -out ed.key
	openssl req -x509 -key ed.key -subj '/CN=Ed' -days 9 -out ed.pem
	python3 "$FORGE" ITLFile.tlv "$FIX/root.key" 1.1 0="$FIX/root.pem" 21=ed.pem
	bad "record 2: its key is neither RSA nor EC"
}

# walked DIR: ctl-show finds something wrong with each file there, and the other reader too with some of them.
walked() {
	local n wrong
	n=$(ls "$1" | wc -l)
	[ "$n" -gt 1000 ]
	find "$1" -type f -print0 | sort -z | xargs -0 -n 500 ctl-show >/dev/null 2>err || [ $? -eq 123 ]
	wrong=$(cut -d: -f2 err | sort -u | wc -l)
	[ "$wrong" -eq "$n" ] || fail "of $n damaged lists $wrong are refused" \
	    "$(comm -23 <(find "$1" -type f | sort) <(cut -d' ' -f2 err | tr -d : | sort -u) | head)"
	refute grep -v "^ctl-show: $1/[0-9]*: ." err
}

@test "a list of which any byte is another one, or that ends early, is noticed" {
	openssl req -x509 -key "$FIX/key/rsa1.pem" -subj /CN=S -days 9 -out s.pem
	ctl-make -k "$FIX/key/rsa1.pem" --sast s.pem --capf s.pem ITLFile.tlv
	mkdir flipped short
	python3 -c 'import sys
data = open("ITLFile.tlv", "rb").read()
for i in range(len(data)):
    with open("flipped/%d" % i, "wb") as f:
        f.write(data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1:])
    with open("short/%d" % i, "wb") as f:
        f.write(data[:i])'
	walked flipped
	walked short
	# So does the other reader; each hundredth, as it is slow.
	local i
	for ((i = 7; i < $(stat -c %s ITLFile.tlv); i += 100)); do
		refute python3 "$READER" flipped/$i 2>said
		refute python3 "$READER" short/$i 2>said
	done
	# And of bytes behind the end.
	cp ITLFile.tlv more
	printf '\1' >>more
	run --separate-stderr ctl-show more
	assert_status 1
	assert_one_line "more: record 3: ends within the length of element 1"
}

# --- What the spool remembers.

@test "the spool remembers each list by its path, and which certificates it has for CAPF" {
	mkdir tftp
	ctl-make $SIGNER -P 1800000000 tftp/ITLFile.tlv
	local file
	file=$(echo "$SPOOL"/ca/*.ctl)
	assert_equal "$(cat "$file")" "path = $PWD/tftp/ITLFile.tlv
made = 2027-01-15T08:00:00Z
capf = $(sha256sum <"$SPOOL/ca/CAPF.cer" | cut -d' ' -f1)"
	assert_equal "$(stat -c %a "$file")" 600
	# The same list, however it is called.
	ln -s tftp link
	ctl-make $SIGNER -P 1800000001 --capf "$FIX/sub.pem" --capf "$FIX/ec.pem" -s "$SPOOL" link/ITLFile.tlv
	assert_equal "$(echo "$SPOOL"/ca/*.ctl)" "$file"
	assert_equal "$(sed 1,2d "$file")" "capf = $(digest "$FIX/sub.pem")
capf = $(digest "$FIX/ec.pem")"
	ctl-make $SIGNER CTLFile.tlv
	assert_equal "$(ls "$SPOOL"/ca/*.ctl | wc -l)" 2
	grep -q "	ctl-make	ctl	$PWD/CTLFile.tlv\$" "$SPOOL/journal"
	# One for which no spool was wanted is not remembered.
	mkdir other
	ctl-make $SIGNER --capf "$FIX/sub.pem" other/ITLFile.tlv
	assert_equal "$(ls "$SPOOL"/ca/*.ctl | wc -l)" 2
	run --separate-stderr spool-check
	assert_silent
}

@test "capf-init --renew, --certificate, --complete: one line names lists that lack the new certificate" {
	run --separate-stderr capf-init --renew
	assert_silent
	ctl-make $SIGNER ITLFile.tlv
	run --separate-stderr capf-init --renew
	assert_status 0
	assert_one_line "capf-init: $PWD/ITLFile.tlv: this trust list lacks CAPF's new certificate: make it again with ctl-make"
	ctl-make $SIGNER CTLFile.tlv
	run --separate-stderr capf-init --renew
	assert_status 0
	assert_one_line "capf-init: $PWD/"
	assert_stderr_has "this and 1 more trust lists lack CAPF's new certificate"
	# A list that holds both is made before.
	capf-init --request -n O=Example >capf.csr
	printf '%s\n' basicConstraints=critical,CA:TRUE keyUsage=critical,digitalSignature,keyCertSign >ext
	openssl x509 -req -in capf.csr -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 9 -extfile ext -out new.pem
	ctl-make $SIGNER --capf "$SPOOL/ca/CAPF.cer" --capf new.pem -s "$SPOOL" ITLFile.tlv
	run --separate-stderr capf-init --complete new.pem "$FIX/root.pem"
	assert_status 0
	assert_one_line "capf-init: $PWD/CTLFile.tlv: this trust list lacks CAPF's new certificate"
	# Who gives a list up removes its file.
	grep -lF "$PWD/CTLFile.tlv" "$SPOOL"/ca/*.ctl | xargs rm
	pair own /CN=CAPF-own -addext keyUsage=digitalSignature,keyCertSign
	ctl-make $SIGNER --capf own.pem -s "$SPOOL" ITLFile.tlv
	run --separate-stderr capf-init --certificate own.pem -k own.key
	assert_silent
	run --separate-stderr spool-check
	assert_silent
}

@test "two runs for one list do not mix: the second waits" {
	local pid
	exec 7<"$SPOOL/ca"
	flock 7
	ctl-make $SIGNER ITLFile.tlv 7<&- 3>&- &
	pid=$!
	until_true grep -q -- "-> FLOCK *ADVISORY *WRITE $pid " /proc/locks
	[ ! -e ITLFile.tlv ]
	exec 7<&-
	wait $pid
	shown ITLFile.tlv
	grep -q ^capf "$SPOOL"/ca/*.ctl
}

@test "a run that ends before the list is written leaves a spool that warns" {
	ctl-make $SIGNER ITLFile.tlv
	cp ITLFile.tlv before
	# The list has more than a KiB, what the spool remembers has less.
	run bash -c "ulimit -c 0 -f 1; exec ctl-make $SIGNER --capf '$SPOOL/ca/CAPF.cer' -s '$SPOOL' ITLFile.tlv"
	[ "$status" -gt 0 ]
	cmp ITLFile.tlv before
	refute grep ^capf "$SPOOL"/ca/*.ctl
	run --separate-stderr spool-check
	assert_silent
	# So CAPF's own certificate, renewed or not, is not known to be in it.
	cp "$SPOOL/ca/capf.pem" pair.pem
	run --separate-stderr capf-init --certificate "$SPOOL/ca/CAPF.cer" -k pair.pem
	assert_one_line "this trust list lacks CAPF's new certificate"
	rm -f ITLFile.tlv.*.tmp
	ctl-make $SIGNER ITLFile.tlv
	run --separate-stderr capf-init --certificate "$SPOOL/ca/CAPF.cer" -k pair.pem
	assert_silent
}

@test "a path with odd characters is remembered as it is" {
	local odd=$'a b\tc\\d\n= \303\244'
	mkdir "$odd"
	ctl-make $SIGNER "$odd/ITLFile.tlv"
	run --separate-stderr spool-check
	assert_silent
	run --separate-stderr capf-init --renew
	assert_status 0
	assert_one_line "capf-init: $PWD/a b\\x09c\\x5cd\\x0a= \\xc3\\xa4/ITLFile.tlv: this trust list"
	ctl-make $SIGNER "$odd/ITLFile.tlv"
	assert_equal "$(ls "$SPOOL"/ca/*.ctl | wc -l)" 1
}

@test "spool-check: a file of a list that is damaged" {
	ctl-make $SIGNER ITLFile.tlv
	local file reason
	file=$(echo "$SPOOL"/ca/*.ctl)
	cp "$file" whole
	damaged() {
		run --separate-stderr spool-check
		assert_status 1
		assert_output "ca/${file##*/}	$1"
		# A renewal goes on, and says so.
		run --separate-stderr capf-init --renew
		assert_status 0
		assert_one_line "ca/${file##*/}: cannot tell whether this trust list has CAPF's new certificate: $1"
		cp whole "$file"
	}
	sed -i '1s/ITL/CTL/' "$file"
	damaged "is about another path than its name says"
	sed -i 's/^made.*/made = yesterday/' "$file"
	damaged "has a time that is none"
	sed -i 1d "$file"
	damaged "lacks its path or its time"
	sed -i 2d "$file"
	damaged "lacks its path or its time"
	sed -i '1s/= ./= x/' "$file"
	damaged "has two paths, or one that is not absolute"
	sed -i '1{p}' "$file"
	damaged "has two paths, or one that is not absolute"
	sed -i '1s/$/\\x0g/' "$file"
	damaged "has two paths, or one that is not absolute"
	sed -i 's/^capf = ../capf = /' "$file"
	damaged "has too many certificates, or one that is no SHA-256"
	sed -i 's/^capf = ../capf = xx/' "$file"
	damaged "has too many certificates, or one that is no SHA-256"
	echo 'color = red' >>"$file"
	damaged 'has a line with the unknown name "color"'
	echo rubbish >>"$file"
	damaged 'has a line that is not "name = value"'
	truncate -s -1 "$file"
	damaged "its last line is cut off"
	printf 'a\0\n' >>"$file"
	damaged "has a NUL byte"
	run --separate-stderr spool-check
	assert_silent
}

@test "who may not change the spool makes no list with it" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	chown -R 65534:65534 "$SPOOL"
	run --separate-stderr ctl-make $SIGNER ITLFile.tlv
	assert_status 100
	[ ! -e ITLFile.tlv ]
}
