# SPDX-License-Identifier: ISC
# csr-submit: an archive of requests in, an archive of certificates out, whatever the CA, the disk and the reader do. The
# kinds of CA have files of their own; this one is asked by EST.
load ../helper
load ../serving
load ../online

setup_file() {
	online_once
}
setup() {
	setup_server
	ca est
}
teardown() {
	local pid
	for pid in $(cat pids 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	if [ -n "${SMALL:-}" ]; then
		"${AS_ROOT[@]}" umount "$SMALL"
	fi
}

# requests N: of so many phones, in requests.tgz.
requests() {
	local i
	for ((i = 1; i <= $1; i++)); do
		csr-add "$FIX/csr/$(printf 'SEP%012d' $i).csr" >/dev/null
	done
	csr-dump -o requests.tgz
}
submit() {
	run --separate-stderr csr-submit -o c.tgz "$@" requests.tgz
}
# counts ISSUED PENDING REFUSED LOST
counts() {
	assert_stderr_has "csr-submit: $1 issued, $2 pending, $3 refused, $4 lost"
}
# posted N: so many requests came to the CA.
posted() {
	assert_equal "$(grep -c POST est/requests 2>/dev/null)" "$1"
}
entries() {
	assert_equal "$(tar tzf "$1" | wc -l)" "$2"
}

@test "csr-dump | csr-submit | cert-import, and the same once more asks for nothing" {
	csr-add "$FIX/csr.tgz" >/dev/null
	csr-dump -o requests.tgz
	run --separate-stderr bash -o pipefail -c 'csr-dump | csr-submit --ca lab | cert-import'
	assert_status 0
	assert_equal "$(grep -c ^accepted <<<"$output")" 10
	issued 10
	# The certificates are there still, for who has lost the archive.
	submit
	assert_status 0
	counts 10 0 0 0
	posted 10
	entries c.tgz 10
	run --separate-stderr cert-import c.tgz
	assert_equal "$(grep -c ^already <<<"$output")" 10
	# Who wants others says so.
	submit --again
	assert_status 0
	counts 10 0 0 0
	posted 20
}

@test "pending: without --wait a run ends, another asks; with it, one run is enough" {
	ca est --pending 2 --retry-after 4
	requests 2
	submit
	assert_status 1
	counts 0 2 0 0
	refute [ -e c.tgz ]
	posted 2
	run --separate-stderr csr-submit --status
	assert_status 0
	[[ $output == $'lab\t2\t0\t0\t0\t'* ]] || fail "$(show_run)"
	submit --wait 20s
	assert_status 0
	counts 2 0 0 0
	posted 6
	issued 2
	run --separate-stderr csr-submit --status
	[[ $output == $'lab\t0\t2\t0\t0\t-\t2'* ]] || fail "$(show_run)"
	# A wait of months is no wait of none.
	ca est --pending 1000 --retry-after 1
	csr-submit --again --wait 60d -o d.tgz requests.tgz 2>err 3>&- &
	pid=$!
	until_true eval '[ "$(grep -c POST est/requests)" -ge 10 ]'
	local before after
	before=$(cut -d ' ' -f 14 /proc/$pid/stat)
	sleep 1
	after=$(cut -d ' ' -f 14 /proc/$pid/stat)
	[ $((after - before)) -lt 30 ]
	kill -TERM $pid
	rc=0
	wait $pid || rc=$?
	assert_equal $rc 111
	grep -q "0 issued, 2 pending" err
}

@test "--again: what was refused is asked for anew, and not without" {
	ca est --status 400 --say no
	requests 2
	submit
	assert_status 1
	counts 0 0 2 0
	assert_stderr_has "SEP000000000001: refused: the CA says 400: no"
	ca est
	submit
	assert_status 1
	counts 0 0 2 0
	posted 2
	submit --again
	assert_status 0
	counts 2 0 0 0
	issued 2
}

@test "a refused one holds up no other, and a request that is none costs nobody anything" {
	requests 3
	mkdir all
	tar xzf requests.tgz -C all
	head -c 300 /dev/urandom >all/SEP0000000000FF.csr
	tar czf requests.tgz -C all .
	submit
	assert_status 1
	assert_stderr_has "SEP0000000000FF.csr: "
	counts 3 0 0 0
	entries c.tgz 3
	issued 3
}

@test "a damaged archive: nothing is sent" {
	requests 10
	head -c $(($(stat -c %s requests.tgz) - 20)) requests.tgz >cut.tgz
	mv cut.tgz requests.tgz
	submit
	[ "$status" -ne 0 ]
	assert_stderr_has "nothing was submitted"
	assert_stderr_line_count 1
	refute [ -e est/requests ]
	refute [ -e c.tgz ]
	assert_equal "$(find "$SPOOL/online" -name '*.asked' | wc -l)" 0
}

@test "--test and --get-ca: what the CA is, as trust-add takes it; nothing is asked for" {
	run --separate-stderr csr-submit --test
	assert_status 0
	assert_output_has $'ca\tlab'
	assert_output_has $'type\test'
	assert_output_has "$(openssl x509 -in "$FIX/root.pem" -outform DER | sha256sum | cut -d ' ' -f 1)"
	rm -rf "$SPOOL"
	new_spool "$SPOOL"
	run --separate-stderr csr-submit --get-ca -O type=est -O url="https://127.0.0.1:$AT" \
	    -O ca-file="$BATS_FILE_TMPDIR/tls/good.pem"
	assert_status 0
	echo "$output" >got.pem
	trust-add capf got.pem
	csr-add "$FIX/csr/SEP000000000001.csr" >/dev/null
	csr-dump | csr-submit -O type=est -O url="https://127.0.0.1:$AT" -O ca-file="$BATS_FILE_TMPDIR/tls/good.pem" 2>err |
	    cert-import
	has lsc 1
	issued 1
	run --separate-stderr bash -c 'csr-submit --get-ca -O type=est -O url=https://127.0.0.1:'"$AT"' \
	    -O ca-file='"$BATS_FILE_TMPDIR"'/tls/good.pem >/dev/full'
	assert_status 111
	run --separate-stderr csr-submit --test -O type=est -O url="https://127.0.0.1:$AT" -O ca-file=nosuch
	assert_status 100
	assert_one_line "nosuch"
}

@test "--test with a CA of any kind: there, and away, which is for later and no wrong usage" {
	local kind
	for kind in est cmp scep certsrv; do
		ca $kind
		echo "$kind"
		run --separate-stderr csr-submit --test
		assert_status 0
		assert_output_has $'type\t'$kind
		ca_gone
		run --separate-stderr csr-submit --test
		assert_status 111
		assert_one_line "csr-submit: lab: "
	done
}

@test "options in place of capf.conf, or beside it; wrong ones" {
	requests 1
	setting url https://127.0.0.1:1
	submit -O "url=https://127.0.0.1:$AT"
	assert_status 0
	local wrong
	while IFS='|' read -r wrong text; do
		echo "$wrong"
		submit --again $wrong
		assert_status 100
		assert_stderr_has "$text"
	done <<-'EOT'
	-O nosuch=1|a CA has no field nosuch
	-O url|"url" is not field=value
	-O parallel=1000|parallel wants a number
	-O rate=-1|rate wants a number
	--ca nosuch|nosuch: there is no such CA
	--test|takes no archive with that option
	--status --test|exclude each other
	EOT
	posted 1
}

@test "its output is closed, full, or a directory: the certificates are there for the same command" {
	requests 3
	run bash -c 'csr-submit requests.tgz 2>err >/dev/full'
	assert_status 111
	grep -q "the certificates are in the spool: submit the same again" err
	posted 3
	run bash -c 'csr-submit requests.tgz 2>err >&-'
	[ "$status" -eq 111 ] || [ "$status" -eq 100 ] || fail "$(show_run)" "$(cat err)"
	run bash -c 'csr-submit requests.tgz 2>err | true; exit ${PIPESTATUS[0]}'
	run --separate-stderr csr-submit -o /nosuch/c.tgz requests.tgz
	[ "$status" -ne 0 ]
	run --separate-stderr csr-submit -o . requests.tgz
	[ "$status" -ne 0 ]
	submit
	assert_status 0
	counts 3 0 0 0
	entries c.tgz 3
	posted 3
	issued 3
}

@test "a CA that wants an hour, or loses every answer, holds no run up" {
	ca est --status 503 --retry-after 3600
	requests 2
	run --separate-stderr timeout 25 csr-submit -o c.tgz requests.tgz
	assert_status 111
	assert_stderr_has "2 were not asked for: submit the same again later"
	counts 0 0 0 0
	ca est --misbehave middle
	setting lost-answer ask
	run --separate-stderr timeout 25 csr-submit -o c.tgz requests.tgz
	assert_status 111
	[ "$(grep -c POST est/requests)" -le 10 ]
}

@test "the spool is full: nothing is sent that is not written down, and nothing is asked twice" {
	AS_ROOT=()
	[ "$(id -u)" -eq 0 ] || AS_ROOT=(sudo -n)
	requests 10
	mkdir small
	"${AS_ROOT[@]}" mount -t tmpfs -o "size=2m,uid=$(id -u),gid=$(id -g),mode=700" tmpfs small ||
	    skip "no right to mount a tmpfs: neither root, nor user namespaces, nor sudo"
	SMALL=$PWD/small
	local kib lost=0
	for kib in 0 16 40; do
		rm -rf small/spool est/issued est/requests
		cp -a "$SPOOL" small/spool
		head -c $((($(stat -f -c '%a * %S' small) - kib * 1024))) /dev/zero >small/full
		run --separate-stderr csr-submit -s small/spool -o c.tgz -O parallel=2 requests.tgz
		echo "$kib: $status $(grep -c POST est/requests)"
		[ "$status" -eq 111 ] || fail "$(show_run)"
		assert_stderr_has "No space left on device"
		rm small/full
		run --separate-stderr csr-submit -s small/spool -o c.tgz requests.tgz
		[ "$status" -le 1 ] || fail "$(show_run)"
		lost=$(grep -c 'look at the CA' <<<"$stderr") || true
		# What was under way when the disk became full, and no more.
		[ "$lost" -le 2 ]
		counts $((10 - lost)) 0 0 $lost
		issued 10
		posted 10
	done
}

# KILLED is how many requests there are; each tenth time that many kills.
@test "killed at random moments: no key is asked for twice, each certificate is there or told by name as lost" {
	local i ms n=${KILLED:-200}
	mkdir many
	for ((i = 1; i <= n; i++)); do
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
		    -subj "/CN=$(printf 'SEP%012d' $i)" -out "many/$i.csr" 2>/dev/null
	done
	tar czf requests.tgz -C many .
	for ((i = 1; i <= n / 10; i++)); do
		ms=$((RANDOM % 400 + 50))
		timeout -s KILL 0.$(printf %03d $ms) csr-submit -o c.tgz requests.tgz >/dev/null 2>&1 3>&- || true
	done
	submit
	[ "$status" -le 1 ] || fail "$(show_run)"
	local lost
	lost=$(grep -c 'look at the CA' <<<"$stderr") || true
	echo "lost: $lost"
	counts $((n - lost)) 0 0 "$lost"
	entries c.tgz $((n - lost))
	# No key twice. One that is lost may have been on its way yet.
	local posts
	posts=$(grep -c POST est/requests)
	[ "$posts" -le $n ]
	[ "$posts" -ge $((n - lost)) ]
	assert_equal "$(awk '/POST/ { print $3 }' est/requests | sort -u | wc -l)" "$posts"
	# At most what was under way each time, of four at once.
	[ "$lost" -le $((n / 10 * 4)) ]
}

@test "a CA's name is one word" {
	run --separate-stderr csr-submit -c $'office\nstate = issued' -O type=est -O url=https://localhost:1 "$FIX/csr.tgz"
	assert_status 100
	assert_stderr_has "a CA's name has letters, digits, '_' and '-'"
}

@test "a CA that is away: what was not asked for is not said to be pending" {
	requests 3
	ca_gone
	submit
	assert_status 111
	assert_stderr_has "3 were not asked for: submit the same again later"
	counts 0 0 0 0
}
