# SPDX-License-Identifier: ISC
# Laws that hold for any spool: what is done twice is done once, what runs at once ends as one after the
# other would, the newest key of a device is the one that waits, and whoever only looks changes nothing.
load ../helper

setup_file() {
	# fleet/: 40 devices with keys of their own, their requests and certificates, twice over: a is the
	# older key of each device, b the newer one.
	local dir=$BATS_FILE_TMPDIR/fleet round i device
	mkdir -p "$dir"
	for round in a b; do
		mkdir "$dir/$round"
		for i in $(seq 101 140); do
			device=SEP$(printf %012d "$i")
			openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
			    -subj "/CN=$device" -out "$dir/$round/$device.csr" 2>/dev/null
		done
		tar czf "$dir/$round.csr.tgz" -C "$dir/$round" .
		csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o "$dir/$round.der.tgz" "$dir/$round.csr.tgz"
	done
	csr-sign -c "$FIX/ec.pem" -k "$FIX/ec.key" -o "$dir/a.other.tgz" "$dir/a.csr.tgz"
}

setup() {
	setup_each
	FLEET=$BATS_FILE_TMPDIR/fleet
}

# count DIRECTORY: the files in one directory of the spool.
count() {
	find "$SPOOL/$1" -type f | wc -l
}

# tally FILE...: "40 1 accepted" is: forty entries got the word "accepted" once.
tally() {
	cat "$@" | cut -f1,2 | sort | uniq -c | awk '{ print $1, $2 }' | sort | uniq -c
}

# pack ARCHIVE FILE...: a flat .tgz.
pack() {
	tar czf "$1" "${@:2}"
}

# feed FIFO ARCHIVE [FIFO ARCHIVE]...: each gets its archive, and the last bytes only when every reader has
# had the rest, so that they are all about to commit at the same moment.
feed() {
	local fd i fds=()
	for ((i = 1; i < $#; i += 2)); do
		exec {fd}>"${!i}"
		fds+=("$fd")
	done
	for fd in "${fds[@]}"; do
		head -c -64 "$2" >&"$fd"
		set -- "${@:3}" "${@:1:2}"
	done
	for fd in "${fds[@]}"; do
		tail -c 64 "$2" >&"$fd"
		exec {fd}>&-
		shift 2
	done
}

@test "dump twice: the same bytes" {
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	csr-dump -s "$SPOOL" >one.tgz
	csr-dump -s "$SPOOL" >two.tgz
	cmp one.tgz two.tgz
	# Nor does it matter when, where and by whom.
	cp -r "$SPOOL" copy
	find copy -exec touch -h -d 2001-01-01 {} +
	(umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 csr-dump -s copy -o three.tgz)
	cmp one.tgz three.tgz
	csr-dump -s "$SPOOL" -F der >one.tgz
	csr-dump -s copy -F der >two.tgz
	cmp one.tgz two.tgz
}

@test "dump twice: the same bytes, however the devices are named" {
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	csr-dump -s "$SPOOL" SEP000000000003 SEP000000000001 >one.tgz
	printf 'SEP000000000001\nSEP000000000003\nSEP000000000001\n' | csr-dump -s "$SPOOL" -f - >two.tgz
	cmp one.tgz two.tgz
	tar tzf one.tgz >names
	printf 'SEP00000000000%d.csr\n' 1 3 | diff - names
}

@test "dump with a manifest twice: the same bytes" {
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	csr-dump -s "$SPOOL" --manifest >one.tgz
	sleep 1.1
	csr-dump -s "$SPOOL" --manifest >two.tgz
	cmp one.tgz two.tgz
}

@test "import twice: import once" {
	ten_wait
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_status 0
	assert_line_count 10
	assert_equal "$(grep -c '^accepted' <<<"$output")" 10
	spool_state >before
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_status 0
	assert_line_count 10
	assert_equal "$(grep -c '^already' <<<"$output")" 10
	spool_state | diff before -
}

@test "the same certificate twice in one archive: accepted once" {
	ten_wait
	cp "$FIX/der/SEP000000000001.der" a.der
	cp "$FIX/der/SEP000000000001.der" b.der
	pack x.tgz a.der b.der
	run --separate-stderr cert-import -s "$SPOOL" x.tgz
	assert_status 0
	assert_equal "$(cut -f1,2 <<<"$output" | tr '\t\n' ' ,')" "accepted a.der,already b.der,"
	assert_equal "$(count lsc)" 1
}

@test "two certificates for one request: the first wins, the other is told" {
	ten_wait
	cp "$FIX/der/SEP000000000001.der" a.der
	sign_openssl "$FIX/csr/SEP000000000001.csr" b.der ec
	pack x.tgz a.der b.der
	run --separate-stderr cert-import -s "$SPOOL" x.tgz
	assert_status 1
	assert_equal "$(cut -f1,2 <<<"$output" | tr '\t\n' ' ,')" "accepted a.der,refused b.der,"
	cmp a.der "$SPOOL"/lsc/*.der
	# And so in a later run.
	pack y.tgz b.der
	run --separate-stderr cert-import -s "$SPOOL" y.tgz
	assert_status 1
	assert_output_has "refused	b.der"
	cmp a.der "$SPOOL"/lsc/*.der
}

@test "add twice: add once" {
	run --separate-stderr csr-add -s "$SPOOL" "$FIX/csr.tgz"
	assert_status 0
	assert_equal "$(grep -c '^added' <<<"$output")" 10
	spool_state >before
	run --separate-stderr csr-add -s "$SPOOL" "$FIX/csr.tgz"
	assert_status 0
	assert_equal "$(grep -c '^already' <<<"$output")" 10
	spool_state | diff before -
	# So it is when the certificate is here already: the request is not asked again.
	trust_lab
	cert-import -s "$SPOOL" "$FIX/der.tgz" >/dev/null
	spool_state >before
	run --separate-stderr csr-add -s "$SPOOL" "$FIX/csr.tgz"
	assert_status 0
	assert_equal "$(grep -c '^already' <<<"$output")" 10
	spool_state | diff before -
}

@test "the newest key of a device waits, the older one is superseded" {
	make_csr SEP000000000001 rsa1
	mv SEP000000000001.csr old.csr
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" -P 1700000000 old.csr >/dev/null
	csr-add -s "$SPOOL" -P 1700000001 SEP000000000001.csr >/dev/null
	csr-list -s "$SPOOL" >list
	assert_equal "$(cut -f1,3 list)" "SEP000000000001	$(key_hash "$FIX/key/rsa2.pem")"
	assert_equal "$(count superseded)" 1
	# The older one again: it does not come back.
	run --separate-stderr csr-add -s "$SPOOL" -P 1700000002 old.csr
	assert_output_has superseded
	csr-list -s "$SPOOL" | diff list -
	spool-check -s "$SPOOL"
}

@test "the newest key waits when both come in one archive" {
	make_csr SEP000000000001 rsa1
	mv SEP000000000001.csr 1.csr
	make_csr SEP000000000001 rsa2
	mv SEP000000000001.csr 2.csr
	pack x.tgz 2.csr 1.csr
	csr-add -s "$SPOOL" x.tgz >/dev/null
	assert_equal "$(csr-list -s "$SPOOL" | cut -f3)" "$(key_hash "$FIX/key/rsa1.pem")"
	assert_equal "$(count csr) $(count superseded)" "1 1"
	spool-check -s "$SPOOL"
}

@test "the newest key waits when the clock runs backwards or stands still" {
	local key
	for key in rsa1 rsa2 rsa3; do
		make_csr SEP000000000001 $key
		mv SEP000000000001.csr $key.csr
	done
	csr-add -s "$SPOOL" -P 1700000000 rsa1.csr >/dev/null
	csr-add -s "$SPOOL" -P 1600000000 rsa2.csr >/dev/null
	assert_equal "$(csr-list -s "$SPOOL" | cut -f3)" "$(key_hash "$FIX/key/rsa2.pem")"
	csr-add -s "$SPOOL" -P 1600000000 rsa3.csr >/dev/null
	assert_equal "$(csr-list -s "$SPOOL" | cut -f3)" "$(key_hash "$FIX/key/rsa3.pem")"
	assert_equal "$(count csr) $(count superseded)" "1 2"
	spool-check -s "$SPOOL"
}

@test "a certificate for a superseded request is stale" {
	trust_lab
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" "$FIX/csr/SEP000000000001.csr" >/dev/null
	csr-add -s "$SPOOL" SEP000000000001.csr >/dev/null
	pack x.tgz -C "$FIX/der" SEP000000000001.der
	run --separate-stderr cert-import -s "$SPOOL" x.tgz
	assert_status 0
	assert_output_has "stale	SEP000000000001.der	SEP000000000001"
	run --separate-stderr stale-lsc -s "$SPOOL" list
	assert_line_count 1
	assert_output_has "$(key_hash "$FIX/key/rsa1.pem")"
	assert_equal "$(csr-list -s "$SPOOL" | cut -f3)" "$(key_hash "$FIX/key/rsa2.pem")"
	assert_equal "$(lsc-list -s "$SPOOL")" ""
	run --separate-stderr cert-import -s "$SPOOL" x.tgz
	assert_status 0
	assert_output_has "already	SEP000000000001.der"
	spool-check -s "$SPOOL"
}

@test "a ready certificate becomes stale when the device makes a newer key" {
	ten_wait
	cert-import -s "$SPOOL" "$FIX/der.tgz" >/dev/null
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" SEP000000000001.csr >/dev/null
	assert_equal "$(stale-lsc -s "$SPOOL" list | cut -f1)" SEP000000000001
	assert_equal "$(lsc-list -s "$SPOOL" | wc -l)" 9
	assert_equal "$(csr-count -s "$SPOOL")" 1
	spool-check -s "$SPOOL"
}

@test "import after sign leaves nothing pending" {
	ten_wait
	csr-dump -s "$SPOOL" | csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" |
	cert-import -s "$SPOOL" >answers
	assert_equal "$(grep -c '^accepted' answers)" 10
	assert_equal "$(csr-count -s "$SPOOL")" 0
	assert_equal "$(lsc-list -s "$SPOOL" | wc -l)" 10
	assert_equal "$(stale-lsc -s "$SPOOL" list)" ""
	spool-check -s "$SPOOL"
}

@test "csr-delete all leaves nothing pending, superseded or ready" {
	ten_wait
	pack x.tgz -C "$FIX/der" SEP000000000001.der SEP000000000002.der
	cert-import -s "$SPOOL" x.tgz >/dev/null
	make_csr SEP000000000002 rsa3
	make_csr SEP000000000004 rsa3
	csr-add -s "$SPOOL" SEP000000000002.csr SEP000000000004.csr >/dev/null
	# Now: 1 ready, 2 stale and pending anew, 4 superseded and pending, the others pending.
	assert_equal "$(count csr) $(count superseded) $(count lsc) $(count stale)" "9 1 1 1"
	csr-delete -s "$SPOOL" all >/dev/null
	assert_equal "$(count csr) $(count superseded) $(count lsc) $(count stale)" "0 0 0 1"
	assert_equal "$(csr-count -s "$SPOOL")" 0
	assert_equal "$(lsc-list -s "$SPOOL")" ""
	spool-check -s "$SPOOL"
	# Nobody asks for them any more.
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_status 1
	assert_equal "$(cut -f1 <<<"$output" | sort | uniq -c | tr -s ' \n' ' ')" " 1 already 9 refused "
	# And one who asks again is served.
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	run --separate-stderr cert-import -s "$SPOOL" "$FIX/der.tgz"
	assert_equal "$(grep -c '^refused' <<<"$output")" 0
	spool-check -s "$SPOOL"
}

@test "all or nothing: one bad entry, and the good ones stay out" {
	ten_wait
	spool_state >before
	echo rubbish >b.der
	cp "$FIX"/der/*.der .
	pack bad.tgz ./*.der
	run --separate-stderr cert-import -s "$SPOOL" --all-or-nothing bad.tgz
	assert_status 1
	assert_line_count 11
	assert_equal "$(grep -c '^refused' <<<"$output")" 11
	spool_state | diff before -
	run --separate-stderr cert-import -s "$SPOOL" --all-or-nothing "$FIX/der.tgz"
	assert_status 0
	assert_equal "$(grep -c '^accepted' <<<"$output")" 10
	assert_equal "$(csr-count -s "$SPOOL")" 0
}

@test "a dry run changes nothing, and says what the real one says" {
	ten_wait
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" SEP000000000001.csr >/dev/null
	cp "$FIX"/der/*.der .
	echo rubbish >b.der
	pack x.tgz ./*.der
	spool_state >before
	run --separate-stderr cert-import -s "$SPOOL" --dry-run x.tgz
	assert_status 1
	spool_state | diff before -
	echo "$output" >said
	cert-import -s "$SPOOL" x.tgz >did || [ $? -eq 1 ]
	diff said did

	local verb fingerprint
	fingerprint=$(trust-list -s "$SPOOL" capf | head -1 | cut -f6)
	for verb in "csr-delete -n SEP000000000003" "csr-delete -n all" "stale-lsc -n delete all" \
	    "trust-del -n capf $fingerprint"; do
		spool_state >before
		CAPF_SPOOL=$SPOOL $verb >said
		spool_state | diff before -
		CAPF_SPOOL=$SPOOL ${verb/ -n/} >did
		diff said did
		[ -s said ]
		spool_state | refute diff -q before - >/dev/null
	done
}

@test "whoever only looks changes nothing" {
	ten_wait
	pack x.tgz -C "$FIX/der" SEP000000000001.der
	cert-import -s "$SPOOL" x.tgz >/dev/null
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" SEP000000000001.csr >/dev/null
	spool_state >before
	local command
	for command in csr-count csr-list csr-dump "csr-dump -m" lsc-list "stale-lsc list" \
	    "stale-lsc view" trust-list spool-check; do
		CAPF_SPOOL=$SPOOL $command >/dev/null
		spool_state | diff before -
	done
}

@test "two imports and a dump at once end as one after the other" {
	trust_lab
	csr-add -s "$SPOOL" "$FLEET/a.csr.tgz" >/dev/null
	csr-dump -s "$SPOOL" >all.tgz
	mkdir all
	tar xzf all.tgz -C all
	cp -a "$SPOOL" fresh
	cp -a "$SPOOL" calm
	cert-import -s calm "$FLEET/a.der.tgz" >/dev/null
	cert-import -s calm "$FLEET/a.der.tgz" >/dev/null
	spool_end calm >want
	mkfifo one two
	local round first second third rc
	for round in {1..10}; do
		rm -rf spool part
		cp -a fresh spool
		cert-import -s spool <one >one.said &
		first=$!
		cert-import -s spool <two >two.said &
		second=$!
		feed one "$FLEET/a.der.tgz" two "$FLEET/a.der.tgz"
		csr-dump -s spool -o part.tgz 2>/dev/null &
		third=$!
		wait $first
		wait $second
		rc=0
		wait $third || rc=$?
		spool_end spool | diff want -
		# Each was accepted once, and the other import found it there.
		tally one.said two.said | diff - /dev/fd/3 3<<-'EOT'
		     40 1 accepted
		     40 1 already
		EOT
		# The dump is whole: what it has is what was asked; or there was nothing left to dump.
		[ $rc -le 1 ]
		if [ $rc -eq 0 ]; then
			mkdir part
			tar xzf part.tgz -C part
			diff -r all part | refute grep -v '^Only in all: '
		fi
		rm -f part.tgz
	done
	spool-check -s spool
}

@test "two imports at once of two certificates for each request: one of them is accepted" {
	trust_lab
	csr-add -s "$SPOOL" "$FLEET/a.csr.tgz" >/dev/null
	cp -a "$SPOOL" fresh
	mkfifo one two
	local round first second
	for round in {1..5}; do
		rm -rf spool
		cp -a fresh spool
		cert-import -s spool <one >one.said &
		first=$!
		cert-import -s spool <two >two.said &
		second=$!
		feed one "$FLEET/a.der.tgz" two "$FLEET/a.other.tgz"
		wait $first || [ $? -eq 1 ]
		wait $second || [ $? -eq 1 ]
		tally one.said two.said | diff - /dev/fd/3 3<<-'EOT'
		     40 1 accepted
		     40 1 refused
		EOT
		# Who was told "accepted" has a certificate in lsc/, with the serial that was said.
		cat one.said two.said | grep '^accepted' | cut -f3,4 | sort >said
		lsc-list -s spool | cut -f1,4 | sort | diff said -
		spool-check -s spool
	done
}

@test "an import and newer requests at once: the end is the same in any order" {
	trust_lab
	csr-add -s "$SPOOL" -P 1700000000 "$FLEET/a.csr.tgz" >/dev/null
	cp -a "$SPOOL" fresh
	cp -a "$SPOOL" calm
	cert-import -s calm "$FLEET/a.der.tgz" >/dev/null
	csr-add -s calm -P 1700000001 "$FLEET/b.csr.tgz" >/dev/null
	spool_end calm >want
	rm -rf calm
	cp -a fresh calm
	csr-add -s calm -P 1700000001 "$FLEET/b.csr.tgz" >/dev/null
	cert-import -s calm "$FLEET/a.der.tgz" >/dev/null
	spool_end calm | diff want -
	mkfifo one two
	local round first second
	for round in {1..5}; do
		rm -rf spool
		cp -a fresh spool
		cert-import -s spool <one >one.said &
		first=$!
		csr-add -s spool -P 1700000001 <two >two.said &
		second=$!
		feed two "$FLEET/b.csr.tgz" one "$FLEET/a.der.tgz"
		wait $first
		wait $second
		refute grep -qv '^accepted\|^stale' one.said
		refute grep -qv '^added' two.said
		# What a run overtook while it worked, the next one finishes.
		spool-check -s spool -P 1700000002 --repair
		spool_end spool | diff want -
	done
}

@test "csr-delete all beside an import: nothing is left half" {
	trust_lab
	csr-add -s "$SPOOL" "$FLEET/a.csr.tgz" >/dev/null
	cp -a "$SPOOL" fresh
	mkfifo one
	local round first second
	for round in {1..5}; do
		rm -rf spool
		cp -a fresh spool
		cert-import -s spool <one >one.said &
		first=$!
		exec 7>one
		head -c -64 "$FLEET/a.der.tgz" >&7
		csr-delete -s spool all >two.said &
		second=$!
		tail -c 64 "$FLEET/a.der.tgz" >&7
		exec 7>&-
		wait $first || [ $? -eq 1 ]
		wait $second
		assert_equal "$(csr-count -s spool)" 0
		spool-check -s spool
		# A second one finds what the first came too early for.
		csr-delete -s spool all >/dev/null
		assert_equal "$(lsc-list -s spool)" ""
		spool-check -s spool
	done
}

# overtaken COMMAND...: an import of the older keys that has read the spool; then COMMAND, from its start
# to its end; then the rest of the import. What it said is in said, its exit status in rc.
overtaken() {
	rm -rf spool
	cp -a fresh spool
	cert-import -s spool <one >said &
	local import=$!
	exec 7>one
	head -c -64 "$FLEET/a.der.tgz" >&7
	until_true compgen -G "spool/tmp/*"
	"$@" >/dev/null
	tail -c 64 "$FLEET/a.der.tgz" >&7
	exec 7>&-
	rc=0
	wait $import || rc=$?
	spool-check -s spool
}

@test "an import that was overtaken says what became of it" {
	trust_lab
	csr-add -s "$SPOOL" -P 1700000000 "$FLEET/a.csr.tgz" >/dev/null
	cp -a "$SPOOL" fresh
	mkfifo one
	overtaken true
	assert_equal "$rc $(cut -f1 said | uniq -c | tr -s ' ')" "0  40 accepted"
	overtaken cert-import -s spool "$FLEET/a.der.tgz"
	assert_equal "$rc $(cut -f1 said | uniq -c | tr -s ' ')" "0  40 already"
	overtaken cert-import -s spool "$FLEET/a.other.tgz"
	assert_equal "$rc $(cut -f1,6 said | uniq -c | tr -s ' ')" \
	    "1  40 refused	another certificate for this request was imported just now"
	overtaken csr-add -s spool -P 1700000001 "$FLEET/b.csr.tgz"
	assert_equal "$rc $(cut -f1 said | uniq -c | tr -s ' ')" "0  40 stale"
	assert_equal "$(stale-lsc -s spool list | wc -l) $(lsc-list -s spool)" "40 "
	overtaken csr-delete -s spool all
	assert_equal "$rc $(cut -f1,6 said | uniq -c | tr -s ' ')" \
	    "1  40 refused	its request was deleted just now"
	assert_equal "$(lsc-list -s spool)" ""
}

@test "a stdout that is full gives 111, in every program that prints" {
	ten_wait
	pack x.tgz -C "$FIX/der" SEP000000000001.der SEP000000000002.der
	pack y.tgz -C "$FIX/der" SEP000000000003.der
	cert-import -s "$SPOOL" x.tgz >/dev/null
	make_csr SEP000000000001 rsa2
	csr-add -s "$SPOOL" SEP000000000001.csr >/dev/null
	make_csr SEP000000000005 rsa9
	echo stray >"$SPOOL/csr/stray"
	local command rc
	while read -r command; do
		rc=0
		CAPF_SPOOL=$SPOOL $command </dev/null >/dev/full 2>err || rc=$?
		[ $rc -eq 111 ] || fail "$command: exit status $rc" "$(cat err)"
		[ "$(wc -l <err)" -eq 1 ] || fail "$command: not one line" "$(cat err)"
		grep -q 'No space left' err || fail "$command: not said why" "$(cat err)"
	done <<-EOT
	csr-count
	csr-list
	csr-list -0
	csr-dump
	csr-dump -m
	csr-dump -o -
	csr-sign -c $FIX/root.pem -k $FIX/root.key $FIX/csr.tgz
	csr-add SEP000000000005.csr
	cert-import y.tgz
	cert-import --dry-run y.tgz
	lsc-list
	stale-lsc list
	stale-lsc view
	stale-lsc --dry-run delete all
	stale-lsc delete all
	trust-list
	trust-del capf $(trust-list -s "$SPOOL" capf | head -1 | cut -f6)
	spool-check
	csr-delete --dry-run all
	csr-delete SEP000000000002
	csr-count -h
	csr-count -V
	EOT
	# What could not be said was done all the same, or not at all: nothing is half.
	rm "$SPOOL/csr/stray"
	spool-check -s "$SPOOL"
}

@test "an archive is never written to a terminal" {
	command -v script >/dev/null || skip "no script(1)"
	csr-add -s "$SPOOL" "$FIX/csr.tgz" >/dev/null
	local command rc
	for command in "csr-dump -s $SPOOL" "csr-dump -s $SPOOL -o -" \
	    "csr-sign -c $FIX/root.pem -k $FIX/root.key $FIX/csr.tgz"; do
		rc=0
		script -qec "$command" seen </dev/null >/dev/null || rc=$?
		assert_equal "$rc" 100
		# The header of a gzip, in the log of what the terminal saw.
		refute grep -qaP '\x1f\x8b' seen
		grep -qa 'cannot write an archive there' seen
	done
}

@test "an archive is never read from a terminal" {
	command -v script >/dev/null || skip "no script(1)"
	local command rc
	for command in "cert-import -s $SPOOL" "csr-add -s $SPOOL" \
	    "csr-sign -c $FIX/root.pem -k $FIX/root.key -o x.tgz"; do
		rc=0
		timeout 60 script -qec "$command" seen >/dev/null || rc=$?
		assert_equal "$rc" 100
	done
}
