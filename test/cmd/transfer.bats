# SPDX-License-Identifier: ISC
# Archives over FTP and TFTP, with the servers that people have: vsftpd and tftpd-hpa, on loopback.
load ../helper

# The servers need root, or a user namespace that looks like it.
setup_file() {
	export PORT=$((20000 + RANDOM % 20000)) DROP=$BATS_FILE_TMPDIR/drop
	mkdir -p "$DROP" "$BATS_FILE_TMPDIR/empty"
	chmod 777 "$DROP"
	cat >"$BATS_FILE_TMPDIR/vsftpd.conf" <<EOF
listen=YES
listen_address=127.0.0.1
listen_port=$PORT
background=NO
run_as_launching_user=YES
anonymous_enable=YES
no_anon_password=YES
anon_root=$DROP
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
allow_writeable_chroot=YES
seccomp_sandbox=NO
secure_chroot_dir=$BATS_FILE_TMPDIR/empty
pasv_address=127.0.0.1
xferlog_enable=NO
EOF
	vsftpd "$BATS_FILE_TMPDIR/vsftpd.conf" >"$BATS_FILE_TMPDIR/vsftpd.log" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pids"
	if [ "$(id -u)" -eq 0 ]; then
		/usr/sbin/in.tftpd --foreground --create --permissive --user root --secure \
		    --address "127.0.0.1:$((PORT + 1))" "$DROP" 3>&- &
		echo $! >>"$BATS_FILE_TMPDIR/pids"
	fi
	listens() { (exec 9<>"/dev/tcp/127.0.0.1/$PORT"); }
	until_true listens || {
		cat "$BATS_FILE_TMPDIR/vsftpd.log"
		return 1
	}
}

teardown_file() {
	kill $(cat "$BATS_FILE_TMPDIR/pids") 2>/dev/null || true
}

# What a round trip over an address needs: two pending requests, and their certificates in c.tgz.
prepare() {
	trust_lab
	make_csr SEP000000000001
	make_csr SEP000000000002
	csr-add -s "$SPOOL" ./*.csr >/dev/null
	csr-dump -s "$SPOOL" -o r.tgz
	csr-sign -c "$FIX/root.pem" -k "$FIX/root.key" -o c.tgz r.tgz
}

# round_trip URL: dump there, fetch the dump as the CA would, import the answer from there.
round_trip() {
	run --separate-stderr csr-dump -s "$SPOOL" -o "$1/dump.tgz"
	assert_silent
	cmp "$DROP/dump.tgz" r.tgz
	cp c.tgz "$DROP/certs.tgz"
	run --separate-stderr cert-import -s "$SPOOL" "$1/certs.tgz"
	assert_status 0
	assert_line_count 2
	assert_equal "$(csr-count -s "$SPOOL")" 0
}

@test "a dump goes to an FTP server and certificates come from it" {
	prepare
	round_trip "ftp://127.0.0.1:$PORT"
	[ ! -e "$DROP/dump.tgz.part" ]
}

@test "the same over TFTP" {
	[ "$(id -u)" -eq 0 ] || skip "tftpd wants root"
	prepare
	: >"$DROP/dump.tgz"
	chmod 666 "$DROP/dump.tgz"
	round_trip "tftp://127.0.0.1:$((PORT + 1))"
}

@test "a file that the server does not have is one line and 111" {
	trust_lab
	run --separate-stderr cert-import -s "$SPOOL" "ftp://127.0.0.1:$PORT/none.tgz"
	assert_status 111
	assert_stderr_line_count 1
	assert_stderr_has "cannot fetch"
}

@test "a server that is not there is one line and 111, and no request is lost" {
	prepare
	run --separate-stderr csr-dump -s "$SPOOL" -o "ftp://127.0.0.1:1/dump.tgz"
	assert_status 111
	assert_stderr_line_count 1
	assert_equal "$(csr-count -s "$SPOOL")" 2
}

@test "user and password of an address are not printed, whatever happens" {
	prepare
	local at=ftp://caller:hush-hush@127.0.0.1
	# No server, and one that does not know this user.
	for port in 1 "$PORT"; do
		run --separate-stderr csr-dump -s "$SPOOL" -o "$at:$port/dump.tgz"
		assert_status 111
		assert_stderr_has "csr-dump: ftp://127.0.0.1:$port/dump.tgz: cannot send"
		refute_stderr_has caller
		refute_stderr_has hush
		run --separate-stderr cert-import -s "$SPOOL" "$at:$port/none.tgz"
		assert_status 111
		assert_stderr_has "cert-import: ftp://127.0.0.1:$port/none.tgz: cannot fetch"
		refute_stderr_has caller
		refute_stderr_has hush
	done
	refute grep -rE 'caller|hush' "$SPOOL"
}

@test "an archive that was damaged on its way imports nothing" {
	prepare
	cp c.tgz "$DROP/damaged.tgz"
	printf 'x' | dd of="$DROP/damaged.tgz" bs=1 seek=700 conv=notrunc status=none
	run --separate-stderr cert-import -s "$SPOOL" "ftp://127.0.0.1:$PORT/damaged.tgz"
	assert_status 1
	assert_output ""
	assert_equal "$(csr-count -s "$SPOOL")" 2
}

@test "an archive that is larger than import-max-total-bytes is not fetched to its end" {
	prepare
	echo "import-max-total-bytes = 1000" >>"$SPOOL/capf.conf"
	cp c.tgz "$DROP/certs.tgz"
	run --separate-stderr cert-import -s "$SPOOL" "ftp://127.0.0.1:$PORT/certs.tgz"
	assert_status 111
	assert_stderr_line_count 1
	assert_stderr_has "cannot fetch"
	assert_equal "$(csr-count -s "$SPOOL")" 2
}

@test "no other protocol is spoken" {
	trust_lab
	run --separate-stderr cert-import -s "$SPOOL" "http://127.0.0.1:$PORT/c.tgz"
	assert_status 100
	run --separate-stderr cert-import -s "$SPOOL" "file:///etc/passwd"
	assert_status 100
}

# slow ftp|tftp: a server that never ends, at $SLOW; what it does is in drips.
slow() {
	rm -f port drips
	python3 "$TESTDIR/data/slow-server.py" "$1" port drips >slow.log 2>&1 3>&- &
	SLOW_PID=$!
	until_true [ -s port ]
	SLOW=$1://127.0.0.1:$(cat port)
}

# given_up WORD PROGRAM ARGUMENT...: ends with 111 and one line, which has the word, and not for want of a server.
given_up() {
	run --separate-stderr timeout 100 "${@:2}"
	assert_status 111
	assert_stderr_line_count 1
	assert_stderr_has "$1"
}

teardown() {
	[ -z "${SLOW_PID-}" ] || kill "$SLOW_PID" 2>/dev/null || true
}

@test "a server that sends a byte at a time is given up: the time for all of it" {
	local kind
	prepare
	printf '%s\n' 'transfer-timeout = 3s' 'transfer-min-speed = 1' >>"$SPOOL/capf.conf"
	for kind in ftp tftp; do
		slow $kind
		given_up "(transfer-timeout)" cert-import -s "$SPOOL" "$SLOW/c.tgz"
		# It did come, and more would have.
		[ "$(grep -c dripped drips)" -ge 2 ] || fail "$kind: $(cat drips)"
		kill $SLOW_PID
	done
	assert_equal "$(csr-count -s "$SPOOL")" 2
}

@test "a server that takes an archive and never says so is given up" {
	local kind
	prepare
	printf '%s\n' 'transfer-timeout = 3s' 'transfer-min-speed = 1' 'transfer-stall = 1h' >>"$SPOOL/capf.conf"
	for kind in ftp tftp; do
		slow $kind
		# TFTP's own count of tries may end it first.
		given_up "cannot send" csr-dump -s "$SPOOL" -o "$SLOW/r.tgz"
		grep -q taken drips
		kill $SLOW_PID
	done
	assert_equal "$(csr-count -s "$SPOOL")" 2
}

@test "a server that is slower than the least speed is given up, long before the time is over" {
	local kind
	prepare
	printf '%s\n' 'transfer-min-speed = 2000' 'transfer-stall = 2s' >>"$SPOOL/capf.conf"
	for kind in ftp tftp; do
		slow $kind
		given_up "(transfer-min-speed, transfer-stall)" cert-import -s "$SPOOL" "$SLOW/c.tgz"
		grep -q dripped drips
		kill $SLOW_PID
	done
	slow ftp
	given_up "(transfer-min-speed, transfer-stall)" csr-dump -s "$SPOOL" -o "$SLOW/r.tgz"
	grep -q taken drips
}

@test "what is slow and not too slow arrives" {
	prepare
	printf '%s\n' 'transfer-timeout = 1m' 'transfer-min-speed = 1' 'transfer-stall = 1m' >>"$SPOOL/capf.conf"
	round_trip "ftp://127.0.0.1:$PORT"
}
