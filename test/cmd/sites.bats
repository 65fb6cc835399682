# SPDX-License-Identifier: ISC
# One offline CA for several sites: csr-sign with several archives, in one run.
load ../helper
load ../serving

# The spools of three sites, each with a CAPF of its own, for all tests here.
setup_file() {
	local name
	cd "$BATS_FILE_TMPDIR" || return 1
	for name in A B C; do
		cp -a "$FIX/trusting" $name
		capf-init -s $name --renew
	done
}
# site NAME: A, B or C.
site() {
	cp -a "$BATS_FILE_TMPDIR/$1" "$1"
	cp "$1/ca/CAPF.cer" "$1.cer"
}
# requests NAME KEY:DEVICE...: the archive NAME.tgz of that site, which vouches for the last one only.
requests() {
	local one
	for one in "${@:2}"; do
		make_csr "${one#*:}" "${one%%:*}"
		csr-add -s "$1" "${one#*:}.csr" >/dev/null
	done
	csr-dump -s "$1" --manifest -o "$1.tgz"
}
three_sites() {
	local n=0 name
	for name in A B C; do
		site $name
		requests $name rsa$((n + 1)):SEP00000000$name$name$name$((n + 1)) rsa$((n + 2)):SEP00000000$name$name$name$((n + 2))
		n=$((n + 2))
	done
	mkdir answers
}
RAS=(-r A.cer -r B.cer -r C.cer)
# sign ARGUMENT...: at the CA, which knows all three sites.
sign() {
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -j 2 -l log "${RAS[@]}" "$@"
}
# imported SPOOL ARCHIVE: how many of its certificates are that site's own.
imported() {
	cert-import -s "$1" "$2" >imported 2>/dev/null || [ $? -eq 1 ] || return 1
	grep -c ^accepted imported
}
# logged ARCHIVE...: each certificate in them is in the log.
logged() {
	local archive serial der
	for archive; do
		rm -rf certs
		mkdir certs
		tar xzf "$archive" -C certs
		for der in certs/*; do
			serial=$(openssl x509 -inform DER -in "$der" -noout -serial | cut -d = -f 2)
			grep -qi "	$serial	" log || fail "$archive: $der is not in the log"
		done
	done
}
# opened ARCHIVE: in m/. repacked ARCHIVE: m/ again, in the order that csr-dump has.
opened() {
	rm -rf m
	mkdir m
	tar xzf "$1" -C m
}
repacked() {
	(cd m && tar czf "../$1" SHA256SUMS SHA256SUMS.p7s -- *.csr)
}

# fleet NAME: a server for that site, and three phones with keys of their own that wait for their certificates.
fleet() {
	local n first
	first=$(ls -d [ABC].cer | wc -l)
	export CAPF_SPOOL=$PWD/$1
	for n in 1 2 3; do
		install_null SEP00000000$1$1$1$n
	done
	start
	mv log "$1.log"
	for n in 1 2 3; do
		sim_later SEP00000000$1$1$1$n --keys "keys/rsa$((3 * first - 3 + n)).pem"
	done
	until_true files "$1/csr" 3
	csr-dump --manifest -o "$1.tgz" 2>/dev/null
	unset CAPF_SPOOL
}
files() {
	[ "$(ls "$1" | wc -l)" -eq "$2" ]
}

@test "three sites with phones, default settings: -o DIR, each imports its own, and the phones are done" {
	local name n
	mkdir answers
	for name in A B C; do
		site $name
		fleet $name
	done
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l issued "${RAS[@]}" -o answers A.tgz B.tgz C.tgz
	assert_silent
	assert_equal "$(ls answers | tr '\n' ' ')" 'A.tgz B.tgz C.tgz '
	assert_equal "$(wc -l <issued)" 9
	for name in A B C; do
		run --separate-stderr cert-import -s $name answers/$name.tgz
		assert_status 0
		assert_equal "$(grep -c ^accepted <<<"$output")" 3
		for n in 1 2 3; do
			until_true outcome SEP00000000$name$name$name$n installed
		done
	done
}

@test "three sites with phones, one answer that goes to all: each takes its own, exit 0, and the phones are done" {
	local name n
	for name in A B C; do
		site $name
		fleet $name
	done
	run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l issued "${RAS[@]}" -o all.tgz A.tgz B.tgz C.tgz
	assert_silent
	for name in A B C; do
		run --separate-stderr cert-import -s $name --others all.tgz
		assert_status 0
		assert_equal "$stderr" ""
		assert_equal "$(cut -f 1 <<<"$output" | sort | uniq -c | xargs)" "3 accepted 6 elsewhere"
		for n in 1 2 3; do
			until_true outcome SEP00000000$name$name$name$n installed
		done
	done
}

@test "three sites, one answer for all: in the order of the archives, and each site takes its own" {
	local name
	three_sites
	sign -o all.tgz B.tgz A.tgz C.tgz
	assert_silent
	assert_equal "$(tar tzf all.tgz | cut -c 12-15 | tr '\n' ' ')" 'BBB3 BBB4 AAA1 AAA2 CCC5 CCC6 '
	assert_equal "$(wc -l <log)" 6
	logged all.tgz
	for name in A B C; do
		assert_equal "$(imported $name all.tgz)" 2
		assert_equal "$(csr-count -s $name)" 0
	done
}

@test "one answer for all on standard output, an archive on standard input, no --ra" {
	three_sites
	run bash -o pipefail -c "csr-sign -c '$FIX/root.pem' -k '$FIX/root.key' A.tgz - <B.tgz | tar tz | cut -c 12-15"
	assert_status 0
	assert_output $'AAA1\nAAA2\nBBB3\nBBB4'
}

@test "the manifest of one site vouches for nothing of another" {
	three_sites
	# A's list with B's requests in place of A's, and beside them.
	opened A.tgz
	cp -r m a
	tar xzf B.tgz -C m --exclude='SHA256SUMS*'
	repacked added.tgz
	sign -o answers added.tgz B.tgz
	assert_status 1
	assert_stderr_line_count 2
	assert_stderr_has 'csr-sign: added.tgz: SEP00000000BBB3.csr: is not listed in SHA256SUMS'
	assert_equal "$(tar tzf answers/added.tgz | cut -c 12-14 | uniq)" AAA
	assert_equal "$(tar tzf answers/B.tgz | wc -l)" 2
	rm m/*AAA*
	repacked instead.tgz
	sign -o all.tgz B.tgz instead.tgz
	assert_status 1
	assert_stderr_has 'csr-sign: instead.tgz: SEP00000000BBB4.csr: is not listed in SHA256SUMS'
	assert_stderr_has 'csr-sign: instead.tgz: SEP00000000AAA1.csr: is in the manifest, but not in the archive'
	assert_equal "$(tar tzf all.tgz | cut -c 12-14 | uniq)" BBB
}

@test "a request that CAPF of one site vouches for, in an archive of another: refused, and said so" {
	site A
	site B
	cp -r A C
	cp C/ca/CAPF.cer C.cer
	fleet A
	# What A has vouched for reaches the spool of B, whose manifest lists it.
	cp A/csr/* B/csr/
	csr-dump -s B --manifest -o B.tgz 2>/dev/null
	sign -o all.tgz B.tgz
	assert_status 1
	assert_stderr_has 'SEP00000000AAA1.csr: is vouched for by another RA than the one that signed the manifest'
	assert_stderr_has 'csr-sign: B.tgz: nothing was signed'
	[ ! -e all.tgz ]
	sign -o all.tgz A.tgz
	assert_silent
	# Before and after a renewal, both of its certificates are A's.
	cp A.tgz before.tgz
	capf-init -s A --renew
	cp A/ca/CAPF.cer C.cer
	csr-dump -s A --manifest -o after.tgz 2>/dev/null
	sign -o all.tgz before.tgz after.tgz
	assert_silent
	assert_equal "$(tar tzf all.tgz | wc -l)" 3
}

@test "one of three is damaged: with -o DIR the others are answered, else nothing is" {
	local bad
	three_sites
	head -c 600 B.tgz >cut.tgz
	opened B.tgz
	(cd m && tar czf ../plain.tgz -- *.csr)
	sed -i '1s/^./0/; 2s/^./1/' m/SHA256SUMS
	repacked changed.tgz
	cp m/SEP00000000BBB3.csr request.tgz
	: >empty.tgz
	mkdir directory.tgz
	for bad in cut plain changed request empty directory; do
		rm -f answers/* all.tgz log
		echo old >answers/$bad.tgz
		sign -o answers A.tgz $bad.tgz C.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "csr-sign: $bad.tgz: "
		assert_stderr_has '; no archive was written'
		assert_equal "$(ls answers | tr '\n' ' ')" "$(printf '%s\n' A.tgz C.tgz $bad.tgz | sort | tr '\n' ' ')"
		assert_equal "$(cat answers/$bad.tgz)" old
		assert_equal "$(tar tzf answers/A.tgz | wc -l) $(tar tzf answers/C.tgz | wc -l)" '2 2'
		logged answers/A.tgz answers/C.tgz
		assert_equal "$(wc -l <log)" 4
		sign -o all.tgz A.tgz $bad.tgz C.tgz
		assert_status 1
		assert_stderr_line_count 1
		assert_stderr_has "csr-sign: $bad.tgz: "
		[ ! -e all.tgz ] || fail "$bad: an archive came out"
	done
	# As the last one, too.
	sign -o answers C.tgz plain.tgz
	assert_status 1
	assert_equal "$(tar tzf answers/C.tgz | wc -l)" 2
}

@test "one request of three archives is refused: its line has the archive, and the others are signed" {
	three_sites
	opened B.tgz
	bend m/SEP00000000BBB3.csr
	repacked B.tgz
	sign -o all.tgz A.tgz B.tgz C.tgz
	assert_status 1
	assert_one_line 'csr-sign: B.tgz: SEP00000000BBB3.csr: is not what SHA256SUMS says'
	assert_equal "$(tar tzf all.tgz | wc -l)" 5
}

@test "two sites have the same phone: each gets its certificate, and takes its own" {
	local name
	for name in A B C; do
		site $name
	done
	requests A rsa1:SEP000000000001 rsa2:SEP000000000002
	requests B rsa3:SEP000000000001
	requests C rsa4:SEP000000000001
	sign -o all.tgz A.tgz B.tgz C.tgz
	assert_silent
	assert_equal "$(tar tzf all.tgz | tr '\n' ' ')" \
	    'SEP000000000001.der SEP000000000002.der SEP000000000001+2.der SEP000000000001+3.der '
	assert_equal "$(wc -l <log)" 4
	logged all.tgz
	assert_equal "$(imported A all.tgz)" 2
	assert_equal "$(imported B all.tgz)" 1
	assert_equal "$(imported C all.tgz)" 1
	# In a directory each has its own archive, and no need of other names.
	mkdir answers
	sign -o answers A.tgz B.tgz
	assert_silent
	assert_equal "$(tar tzf answers/B.tgz)" SEP000000000001.der
}

@test "two dumps of one site hold the same request: one certificate answers both" {
	site A
	cp A.cer B.cer
	cp A.cer C.cer
	requests A rsa1:SEP000000000001
	cp A.tgz monday.tgz
	requests A rsa2:SEP000000000002
	sign -o all.tgz monday.tgz A.tgz
	assert_silent
	assert_equal "$(tar tzf all.tgz | tr '\n' ' ')" 'SEP000000000001.der SEP000000000002.der '
	assert_equal "$(wc -l <log)" 2
	run --separate-stderr cert-import -s A all.tgz
	assert_status 0
}

# refused_at_once TEXT ARGUMENT...: wrong usage, before anything was signed or changed.
refused_at_once() {
	sha256sum ./*.tgz >before
	sign "${@:2}"
	assert_status 100
	assert_stderr_has "$1"
	assert_stderr_has 'csr-sign: '
	sha256sum ./*.tgz | diff before -
	[ ! -e log ] || fail "something was logged"
	[ -z "$(ls answers)" ] || fail "something was written"
}

@test "-o: what has no name, the same name, or the name of an archive of requests is refused at once" {
	three_sites
	mkdir a b
	cp A.tgz a/requests.tgz
	cp B.tgz b/requests.tgz
	refused_at_once 'b/requests.tgz: a/requests.tgz has the same answer, answers/requests.tgz' \
	    -o answers a/requests.tgz b/requests.tgz
	refused_at_once 'A.tgz: A.tgz has the same answer' -o answers A.tgz A.tgz
	refused_at_once '-: has no name for an answer in answers' -o answers A.tgz -
	refused_at_once './A.tgz: is an archive of requests, which the answer would replace' -o . A.tgz
	refused_at_once 'a/requests.tgz: is an archive of requests' -o a/ A.tgz a/requests.tgz
	refused_at_once 'B.tgz: is an archive of requests' -o B.tgz A.tgz B.tgz
	ln A.tgz hard
	refused_at_once 'hard: is an archive of requests' -o hard A.tgz
	refused_at_once 'nosuch/: ' -o nosuch/ A.tgz
	refused_at_once 'A.tgz/: ' -o A.tgz/ B.tgz
	refused_at_once 'nosuch.tgz: cannot open' -o answers A.tgz nosuch.tgz
	refused_at_once 'takes one archive from stdin' - A.tgz -
	refused_at_once 'takes 128 archives at most' -o answers $(printf '%s.tgz ' {1..129})
}

@test "twelve archives, and the pass phrase is read once" {
	local n
	site A
	cp A.cer B.cer
	cp A.cer C.cer
	mkdir answers
	requests A rsa1:SEP000000000001 rsa2:SEP000000000002
	for n in {1..12}; do
		cp A.tgz $n.tgz
	done
	openssl pkcs8 -topk8 -in "$FIX/root.key" -out locked.key -passout pass:x
	mkfifo pass
	echo x >pass &
	run --separate-stderr timeout 300 csr-sign -c "$FIX/root.pem" -k locked.key -p pass -l log "${RAS[@]}" -o answers/ {1..12}.tgz
	assert_silent
	assert_equal "$(ls answers | wc -l)" 12
	for n in {1..12}; do
		assert_equal "$(tar tzf answers/$n.tgz | wc -l)" 2
	done
	assert_equal "$(wc -l <log)" 24
	logged answers/*.tgz
}
