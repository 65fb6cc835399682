# SPDX-License-Identifier: ISC
# A full disk and a full inode table. On a small tmpfs each program that writes is given so little room
# that it fails at one place after another: exit 111, one line that says why, nothing lost, nothing half
# there. The next run, with room, comes to the end that an undisturbed one has.
load ../helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	# empty: CAs trusted; asked: ten requests wait; answered: what an undisturbed import makes of them.
	new_spool empty
	trust_lab empty 2>/dev/null
	cp -a empty asked
	csr-add -s asked -P 1700000000 "$FIX/csr.tgz" >/dev/null
	cp -a asked answered
	cert-import -s answered "$FIX/der.tgz" >/dev/null
}

setup() {
	setup_each
	BASE=$BATS_FILE_TMPDIR
}

teardown() {
	if [ -n "${SERVER:-}" ]; then
		kill -TERM "$SERVER" 2>/dev/null
		wait "$SERVER" 2>/dev/null || :
	fi
	if [ -n "${SMALL:-}" ]; then
		# A server that was killed may have processes that end a moment later.
		until_true "${AS_ROOT[@]}" umount "$SMALL"
	fi
}

# small_disk OPTIONS: a tmpfs in $SMALL. test/run gives a user who is not root a namespace of his own for this file;
# where there is none, sudo mounts it.
small_disk() {
	AS_ROOT=()
	[ "$(id -u)" -eq 0 ] || AS_ROOT=(sudo -n)
	mkdir -p small
	"${AS_ROOT[@]}" mount -t tmpfs -o "$1,uid=$(id -u),gid=$(id -g),mode=700" tmpfs small ||
	    skip "no right to mount a tmpfs: neither root, nor user namespaces, nor sudo"
	SMALL=$PWD/small
}

# leave_kib N, leave_inodes N: takes the rest of the disk.
leave_kib() {
	head -c $((($(stat -f -c '%a * %S' "$SMALL") - $1 * 1024))) /dev/zero >"$SMALL/full"
}
leave_inodes() {
	local n
	n=$(stat -f -c %d "$SMALL")
	mkdir "$SMALL/many"
	(cd "$SMALL/many" && seq 1 $((n - 1 - $1)) | xargs -r touch)
}
make_room() {
	rm -rf "$SMALL/full" "$SMALL/many"
}

# no_room: the last run failed as it should; or it had room enough, which the caller may not want.
no_room() {
	[ "$status" -eq 111 ] || fail "room for $room: wanted exit status 111" "$(show_run)"
	assert_stderr_line_count 1
	assert_stderr_has "No space left on device"
	failures=$((failures + 1))
}

# each_room KIND "N..." COMMAND...: the command on the spool named $FROM, with so much room left. When
# it fails the spool is what it was; when there is room again it ends as in the spool $TO.
each_room() {
	local kind=$1 room failures=0
	for room in $2; do
		rm -rf "$SMALL/spool"
		cp -a "$BASE/$FROM" "$SMALL/spool"
		spool_state "$SMALL/spool" >before
		"leave_$kind" "$room"
		run --separate-stderr "${@:3}"
		echo "$kind $room: $status"
		if [ "$status" -ne 0 ]; then
			no_room
			assert_equal "$output" ""
			spool_state "$SMALL/spool" | diff before -
			make_room
			run --separate-stderr "${@:3}"
			assert_status 0
		fi
		make_room
		spool_end "$SMALL/spool" | diff <(spool_end "$BASE/$TO") -
		spool-check -s "$SMALL/spool"
	done
	# The first of them was too little for anybody, the last enough.
	[ $failures -gt 0 ] && [ $failures -lt $(wc -w <<<"$2") ]
}

@test "cert-import: a full disk" {
	small_disk size=2m
	FROM=asked TO=answered
	each_room kib "0 4 32 64 72 100 108 200" \
	    cert-import -s "$SMALL/spool" "$FIX/der.tgz"
}

@test "cert-import: a full inode table" {
	small_disk size=2m,nr_inodes=100
	FROM=asked TO=answered
	each_room inodes "0 1 2 15 17 27 40" cert-import -s "$SMALL/spool" "$FIX/der.tgz"
}

@test "csr-add: a full disk" {
	small_disk size=2m
	FROM=empty TO=asked
	each_room kib "0 32 68 104 200" \
	    csr-add -s "$SMALL/spool" -P 1700000000 "$FIX/csr.tgz"
}

@test "csr-add: a full inode table" {
	small_disk size=2m,nr_inodes=100
	FROM=empty TO=asked
	each_room inodes "0 1 16 26 40" \
	    csr-add -s "$SMALL/spool" -P 1700000000 "$FIX/csr.tgz"
}

@test "a full disk in the middle of an import: what is told is what is there" {
	# The room that was there at the start goes while it works.
	small_disk size=2m
	mkfifo feed
	local kib
	for kib in 4 12 24 40; do
		rm -rf "$SMALL/spool"
		cp -a "$BASE/asked" "$SMALL/spool"
		spool_state "$SMALL/spool" >before
		cert-import -s "$SMALL/spool" <feed >said 2>err &
		local pid=$! rc=0
		exec 7>feed
		head -c 4000 "$FIX/der.tgz" >&7
		# It waits for the rest now, past its first look at the disk.
		until_true compgen -G "$SMALL/spool/tmp/*"
		leave_kib $kib
		tail -c +4001 "$FIX/der.tgz" >&7
		exec 7>&-
		wait $pid || rc=$?
		assert_equal $rc 111
		assert_equal "$(wc -l <err)" 1
		grep -q 'No space left on device' err
		[ ! -s said ]
		spool_state "$SMALL/spool" | diff before -
		make_room
		cert-import -s "$SMALL/spool" "$FIX/der.tgz" >/dev/null
		spool_end "$SMALL/spool" | diff <(spool_end "$BASE/answered") -
	done
}

@test "a full disk, and more to say than fits in memory" {
	small_disk size=2m
	local room
	mkdir many
	cp "$FIX"/der/*.der many
	(cd many && seq -f 'x%0200.0f' 3000 | xargs touch)
	tar cf many.tar -C many .
	# Enough for the certificates.
	for room in 130 200 300; do
		rm -rf "$SMALL/spool"
		cp -a "$BASE/asked" "$SMALL/spool"
		spool_state "$SMALL/spool" >before
		leave_kib $room
		run --separate-stderr cert-import -s "$SMALL/spool" many.tar
		echo "$room"
		assert_status 111
		assert_stderr_line_count 1
		assert_stderr_has "cannot store; nothing was imported: No space left on device"
		assert_equal "$output" ""
		spool_state "$SMALL/spool" | diff before -
		# Who only looks needs no disk but for that.
		run --separate-stderr cert-import -n -s "$SMALL/spool" many.tar
		assert_status 111
		assert_stderr_line_count 1
		make_room
	done
	run --separate-stderr cert-import -s "$SMALL/spool" many.tar
	assert_status 1
	assert_line_count 3010
	spool_end "$SMALL/spool" | diff <(spool_end "$BASE/answered") -
	spool-check -s "$SMALL/spool"
}

@test "no inode is left for a dry run, and it has much to say" {
	small_disk size=2m,nr_inodes=100
	mkdir many
	(cd many && seq -f 'x%0200.0f' 1000 | xargs touch)
	tar cf many.tar -C many .
	cp -a "$BASE/asked" "$SMALL/spool"
	leave_inodes 0
	run --separate-stderr cert-import -n -s "$SMALL/spool" many.tar
	assert_status 1
	assert_equal "$stderr" ""
	assert_line_count 1000
}

@test "trust-add: a full disk and a full inode table" {
	small_disk size=2m,nr_inodes=100
	local kind room
	for room in "kib 0" "kib 4" "kib 8" "inodes 0" "inodes 1" "inodes 2"; do
		kind=${room% *}
		rm -rf "$SMALL/spool"
		new_spool "$SMALL/spool"
		"leave_$kind" "${room#* }"
		run --separate-stderr trust-add -s "$SMALL/spool" capf "$BASE"/empty/trust/capf/*.pem
		echo "$room"
		assert_status 111
		assert_stderr_has "No space left on device"
		make_room
		spool-check -s "$SMALL/spool"
		trust_lab "$SMALL/spool" 2>/dev/null
		(cd "$SMALL/spool/trust/capf" && sha256sum -- *) |
		diff <(cd "$BASE/empty/trust/capf" && sha256sum -- *) -
		assert_equal "$(ls -A "$SMALL/spool/tmp")" ""
	done
}

# all_files SPOOL: the journal aside, which says what a run did, and the last of them may have had
# nothing left to do.
all_files() {
	(cd "$1" && find . ! -name journal | sed 's/CAPF-.*\./CAPF./' | sort)
}

@test "capf-init: a full disk and a full inode table" {
	small_disk size=2m,nr_inodes=100
	local room failures=0
	for room in "kib 0" "kib 4" "kib 12" "inodes 0" "inodes 1" "inodes 14" "inodes 16" "inodes 18"; do
		rm -rf "$SMALL/spool"
		"leave_${room% *}" "${room#* }"
		run --separate-stderr capf-init -t ec:256 -s "$SMALL/spool"
		echo "$room: $status"
		if [ "$status" -ne 0 ]; then
			no_room
			# Nobody takes it for a spool.
			run --separate-stderr csr-count -s "$SMALL/spool"
			assert_status 100
			make_room
			capf-init -t ec:256 -s "$SMALL/spool"
		fi
		make_room
		spool-check -s "$SMALL/spool"
		assert_equal "$(ls -A "$SMALL/spool/tmp")" ""
		diff <(all_files "$FIX/spool") <(all_files "$SMALL/spool")
	done
	[ $failures -ge 5 ]
}

@test "capf-init --renew: a full disk" {
	small_disk size=2m,nr_inodes=100
	local room failures=0
	for room in "kib 0" "kib 4" "kib 8" "inodes 0" "inodes 1" "inodes 2"; do
		rm -rf "$SMALL/spool"
		new_spool "$SMALL/spool"
		"leave_${room% *}" "${room#* }"
		run --separate-stderr capf-init -t ec:256 -s "$SMALL/spool" --renew
		echo "$room: $status"
		[ "$status" -eq 0 ] || no_room
		# The old pair or the new one, but a pair.
		openssl pkey -in "$SMALL/spool/ca/capf.pem" -pubout |
		diff - <(openssl x509 -in "$SMALL/spool/ca/capf.pem" -noout -pubkey)
		make_room
		spool-check -s "$SMALL/spool" --repair
		capf-init -t ec:256 -s "$SMALL/spool" --renew
		spool-check -s "$SMALL/spool"
	done
	[ $failures -ge 4 ]
}

@test "ca-init: a full disk" {
	small_disk size=1m,nr_inodes=20
	local room
	for room in "kib 0" "kib 4" "inodes 0" "inodes 1"; do
		"leave_${room% *}" "${room#* }"
		run --separate-stderr ca-init -t ec:256 "$SMALL/my"
		echo "$room"
		assert_status 111
		assert_stderr_line_count 1
		assert_stderr_has "No space left on device"
		# Without a certificate the key would be in the way of the next run.
		assert_equal "$(cd "$SMALL" && ls | grep my)" ""
		make_room
		ca-init -t ec:256 "$SMALL/my"
		openssl verify -CAfile "$SMALL/my.pem" "$SMALL/my.pem"
		rm "$SMALL"/my.*
	done
}

# each_output ENOUGH COMMAND...: it writes an archive over an old one, which stays when there is no room; with
# room for ENOUGH KiB, and when there is room again, the new one is whole.
each_output() {
	local room failures=0
	small_disk size=1m,nr_inodes=10
	for room in "kib 0" "kib 4" "kib 8" "inodes 0" "kib $1"; do
		echo old >"$SMALL/x.tgz"
		"leave_${room% *}" "${room#* }"
		run --separate-stderr "$2" -o "$SMALL/x.tgz" "${@:3}"
		echo "$room: $status"
		if [ "$status" -ne 0 ]; then
			no_room
			assert_equal "$(cat "$SMALL/x.tgz")" old
			assert_equal "$(ls "$SMALL" | grep -v '^full$\|^many$')" x.tgz
			make_room
			"$2" -o "$SMALL/x.tgz" "${@:3}"
		fi
		make_room
		whole "$SMALL/x.tgz"
	done
	[ $failures -ge 3 ] && [ $failures -le 4 ]
}

@test "csr-dump -o: a full disk" {
	csr-dump -s "$BASE/asked" -z 1 -o want.tgz
	whole() {
		cmp "$1" want.tgz
	}
	each_output 16 csr-dump -s "$BASE/asked" -z 1
}

@test "csr-sign -o: a full disk" {
	whole() {
		assert_equal "$(tar tzf "$1" | wc -l)" 10
	}
	each_output 32 csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" "$FIX/csr.tgz"
}

@test "csr-sign -l: no room for the log, no certificate" {
	small_disk size=1m,nr_inodes=10
	local size
	# So many bytes of the log's page are used: none is left, or some, or one line's worth.
	for size in 4096 4000 3600; do
		head -c $((size - 1)) /dev/zero | tr '\0' x >"$SMALL/log"
		echo >>"$SMALL/log"
		leave_kib 0
		run --separate-stderr csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l "$SMALL/log" \
		    -o x.tgz "$FIX/csr.tgz"
		echo "$size"
		assert_status 111
		assert_stderr_line_count 1
		assert_stderr_has "log: cannot log: No space left on device"
		[ ! -e x.tgz ]
		make_room
		csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -l "$SMALL/log" -o x.tgz "$FIX/csr.tgz"
		mkdir out
		tar xzf x.tgz -C out
		# Every certificate that is out has a line of its own: time, serial, device, expiry, key.
		local der serial time='[0-9TZ:-]{20}'
		for der in out/*.der; do
			serial=$(openssl x509 -inform DER -in "$der" -noout -serial | sed 's/.*=//' | tr A-F a-f)
			grep -qP "^$time\t$serial\t$(basename "$der" .der)\t$time\t[0-9a-f]{64}\$" "$SMALL/log"
		done
		rm -rf out x.tgz "$SMALL/log"
	done
}

@test "a full disk: who only looks can look, and who deletes can delete" {
	small_disk size=2m
	cp -a "$BASE/answered" "$SMALL/spool"
	make_csr SEP000000000001 rsa2
	csr-add -s "$SMALL/spool" SEP000000000001.csr >/dev/null
	leave_kib 0
	# To the last byte of the journal's page, too.
	head -c 4096 /dev/zero >>"$SMALL/spool/journal" 2>/dev/null || :
	local command
	for command in csr-count csr-list csr-dump lsc-list "stale-lsc list" "stale-lsc view" trust-list \
	    spool-check "spool-check -v" "cert-import --dry-run $FIX/der.tgz" "csr-delete -n all"; do
		run --separate-stderr env CAPF_SPOOL="$SMALL/spool" $command
		echo "$command"
		assert_status 0
		assert_equal "$stderr" ""
	done
	run --separate-stderr stale-lsc -s "$SMALL/spool" delete all
	assert_status 0
	run --separate-stderr csr-delete -s "$SMALL/spool" all
	assert_status 0
	assert_equal "$(csr-count -s "$SMALL/spool")$(lsc-list -s "$SMALL/spool")" 0
	spool-check -s "$SMALL/spool"
}

# serve_small: a server on the small disk, with phones that may install; the disk is full when they come.
serve_small() {
	small_disk "${SIZE:-size=2m,nr_inodes=100}"
	cp -a "$BASE/empty" "$SMALL/spool"
	printf '%s\n' "$@" >>"$SMALL/spool/capf.conf"
	seq -f 'SEP0000000000%02.0f' 1 3 | phone-add -s "$SMALL/spool"
	phone-set -s "$SMALL/spool" --operation install --auth string --string 12345 all
	capf-serve -s "$SMALL/spool" -l 127.0.0.1:0 </dev/null >/dev/null 2>log 3>&- &
	SERVER=$!
	until_true grep -q event=ready log
	PORT=$(sed -n 's/.*event=listening address=//p' log)
}
# sim DEVICE [ARGUMENT...]: one phone, which does not try again.
sim() {
	run --separate-stderr phone-sim --server "$PORT" --keys "$FIX/key" --string 12345 --timeout 60s --device "$@"
}
# The record of a phone is as it was: nothing was tried, as far as anybody was told.
still_pending() {
	[ "$(phone-list -s "$SMALL/spool" | awk -F '\t' -v d="$1" '$1 == d { print $3 }')" = pending ]
}

@test "capf-serve, which issues: a full disk, and room again" {
	serve_small 'issuer = capf' "issuer-certificate = $FIX/root.pem" "issuer-key = $FIX/root.key"
	local room device=SEP000000000001
	for room in "kib 0" "kib 4" "inodes 0" "inodes 1"; do
		"leave_${room% *}" "${room#* }"
		sim $device --lsc-out lsc.der
		echo "$room: $output"
		# It was told nothing, or that it cannot be done now; it has no certificate that we do not have.
		[[ $output != *$'\t'installed$'\t'* ]]
		still_pending $device
		[ "$(ls "$SMALL/spool/installed" | wc -l)" -eq 0 ]
		kill -0 $SERVER
		make_room
	done
	sim $device --lsc-out lsc.der
	assert_status 0
	[[ $output == *$'\t'installed$'\t'* ]]
	cmp lsc.der "$SMALL/spool"/installed/$device+*.der
	spool-check -s "$SMALL/spool"
	grep -q 'No space left on device' log
}

@test "capf-serve, offline: a full disk takes no request, and a wrong string is not forgiven" {
	serve_small 'string-tries = 2'
	local room device=SEP000000000002
	for room in "kib 0" "inodes 0"; do
		"leave_${room% *}" "${room#* }"
		sim $device
		echo "$room: $output"
		assert_status 1
		[ "$(csr-count -s "$SMALL/spool")" -eq 0 ]
		still_pending $device
		# Whoever guesses is told nothing either while that cannot be counted.
		sim $device --string 99999
		[[ $output == *$'\t'lost$'\t'* ]]
		make_room
	done
	sim $device --string 99999
	[[ $output == *$'\t'refused$'\t'* ]]
	grep -qx 'wrong-strings = 1' "$SMALL/spool/phone/$device.state"
	phone-sim --server "$PORT" --keys "$FIX/key" --string 12345 --timeout 60s --device $device >phone.out 3>&- &
	local pid=$!
	until_true compgen -G "$SMALL/spool/csr/$device+*"
	csr-dump -s "$SMALL/spool" | csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" --ra "$SMALL/spool/ca/CAPF.cer" --no-manifest |
	    cert-import -s "$SMALL/spool"
	wait $pid
	grep -q 'installed' phone.out
	kill -0 $SERVER
}

# guess STRING...: each in a connection of its own; what came is in guesses.
guess() {
	python3 "$TESTDIR/data/capf-guess.py" "$PORT" SEP000000000001 "$@" >>guesses
}
# answers PATTERN: how many guesses had that answer.
answers() {
	grep -cE "^[0-9]+ $1\$" guesses || [ $? -eq 1 ]
}
# A guess that was compared is answered: with the end of the session, or with a request for a key.
free_guesses() {
	local rounds=$1
	# The right string is among them, and nothing tells it from the others.
	guess $(seq 20000 $((20000 + 500 / rounds - 1))) 12345 $(seq 30000 $((30000 + 500 / rounds - 2)))
}

@test "capf-serve: 1,000 guesses on a full disk are answered alike, and with room string-tries of them lock" {
	serve_small 'string-tries = 5'
	leave_kib 0
	free_guesses 1
	assert_equal "$(answers hung-up)" 1000
	# None was compared, so none can have been answered by how it compared.
	assert_equal "$(grep -c 'device=SEP000000000001.*wrong auth' log)" 0
	[ "$(grep -c 'hung up, for what was done cannot be kept' log)" -eq 1000 ]
	still_pending SEP000000000001
	make_room
	guess $(seq 40000 40019) 12345
	assert_equal "$(answers '15 010001(07)')" 21
	assert_equal "$(grep -c 'failure=bad-auth.*why="wrong' log)" 5
	grep -qx 'wrong-strings = 5' "$SMALL/spool/phone/SEP000000000001.state"
	[[ $(phone-list -s "$SMALL/spool" --name SEP000000000001 | cut -f 3,9) == "failed	locked after 5 wrong"* ]]
	spool-check -s "$SMALL/spool"
}

@test "capf-serve: 1,000 guesses, a full disk that comes and goes, and a kill for each hundred" {
	serve_small 'string-tries = 5'
	local i verdicts
	for i in 1 2 3 4 5 6 7 8 9 10; do
		leave_kib 0
		free_guesses 10
		# In the middle of a guess, with room: it counts, whether it was compared or not.
		make_room
		guess 5000$((i - 1)) 3>&- &
		local guesser=$!
		until_true grep -qE "^wrong-strings = $((i < 5 ? i : 5))\$" "$SMALL/spool/phone/SEP000000000001.state"
		kill -KILL $(cat /proc/$SERVER/task/$SERVER/children) $SERVER
		wait $SERVER 2>/dev/null || :
		capf-serve -s "$SMALL/spool" -l "$PORT" </dev/null >/dev/null 2>>log 3>&- &
		SERVER=$!
		until_ready() { [ "$(grep -c event=ready log)" -eq $((i + 1)) ]; }
		until_true until_ready
		wait $guesser
	done
	assert_equal "$(wc -l <guesses)" 1010
	assert_equal "$(answers '3 .*')" 0
	verdicts=$(grep -c 'failure=bad-auth.*why="wrong' log || [ $? -eq 1 ])
	[ "$verdicts" -le 5 ]
	grep -qx 'wrong-strings = 5' "$SMALL/spool/phone/SEP000000000001.state"
	[[ $(phone-list -s "$SMALL/spool" --name SEP000000000001 | cut -f 3,9) == "failed	locked after 5 wrong"* ]]
	guess 12345
	[[ $(tail -n 1 guesses) == "12345 15 01000107" ]]
	spool-check -s "$SMALL/spool"
}

@test "capf-serve: with little room there are no traces, phones are served, and it is said once" {
	SIZE=size=8m,nr_inodes=400 serve_small 'issuer = capf' "issuer-certificate = $FIX/root.pem" \
	    "issuer-key = $FIX/root.key" 'trace = messages'
	leave_kib 900
	local device
	for device in SEP000000000001 SEP000000000002; do
		sim $device
		assert_status 0
	done
	until_true grep -q 'event=error what="traces are missing" why="No space left on device"' log
	assert_equal "$(ls "$SMALL/spool/session")" ""
	make_room
	sim SEP000000000003
	assert_status 0
	until_true grep -q 'event=note text="traces are kept again, [0-9]* parts are missing"' log
	assert_equal "$(grep -c 'traces are missing' log)" 1
	until_true grep -q ' end state=store' "$SMALL/spool"/session/SEP000000000003+*.txt
	spool-check -s "$SMALL/spool"
}
