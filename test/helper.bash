# SPDX-License-Identifier: ISC
# For every Bats file: `load ../helper`. Each test starts in its own empty directory, with a fresh spool
# in $SPOOL, the fixtures in $FIX (test/fixtures says what they are) and the programs first in PATH, before
# those of the system: what a user has put before these, as another python3, does not take part.
# A skipped test is a failure in CI, so skip only what the machine cannot do.
bats_require_minimum_version 1.5.0

TESTDIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
ROOT=${TESTDIR%/*}
BIN=${CAPFKIT_BIN:-$ROOT/bin}
OBJ=${CAPFKIT_OBJ:-$ROOT/obj}
FIX=${CAPFKIT_FIX:?"is not set: run this by test/run FILE"}
PATH=$BIN:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C TZ=UTC PATH

# setup_each [SPOOL]: a file with a setup of its own calls this first. SPOOL is one of the fixtures'.
setup_each() {
	cd "$BATS_TEST_TMPDIR" || return 1
	unset CAPF_SPOOL
	SPOOL=$BATS_TEST_TMPDIR/spool
	if [ -d "$FIX/spool" ]; then
		[ ! -e "$SPOOL" ] || rm -rf "$SPOOL"
		cp -a "$FIX/${1:-spool}" "$SPOOL"
	fi
}
setup() {
	setup_each
}

# new_spool DIR: as capf-init leaves it, nothing trusted.
new_spool() {
	cp -a "$FIX/spool" "$1"
}

# trust_lab [SPOOL]: the three lab CAs may issue.
trust_lab() {
	trust-add -s "${1:-$SPOOL}" capf "$FIX/root.pem" "$FIX/sub.pem" "$FIX/ec.pem"
}

# ten_wait [SPOOL]: the same, and the ten requests of the fixtures wait.
ten_wait() {
	trust_lab "$@" 2>/dev/null
	csr-add -s "${1:-$SPOOL}" "$FIX/csr.tgz" >/dev/null
}

# make_csr DEVICE [KEY]: DEVICE.csr here. KEY is a name under $FIX/key (rsa1 to rsa10, ec256 ...) or
# a file; by default one of the ten, by the last digit of the name.
make_csr() {
	local last=${1: -1} key
	[[ $last == [1-9] ]] || last=10
	key=${2:-rsa$last}
	[ -f "$key" ] || key=$FIX/key/$key.pem
	openssl req -new -key "$key" -subj "/CN=$1" -out "$1.csr"
}

# make_key FILE: a new RSA-2048 key, for when ten are not enough.
make_key() {
	openssl genrsa -out "$1" 2048 2>/dev/null
}

# sign_openssl CSR DER [CA [ARGUMENT...]]: signs as an outside CA would; CA is root, sub or ec.
sign_openssl() {
	openssl x509 -req -in "$1" -out "$2" -outform DER -CA "$FIX/${3:-root}.pem" \
	    -CAkey "$FIX/${3:-root}.key" -days 365 -extfile "$FIX/phone.ext" "${@:4}" 2>/dev/null
}

# bend FILE: its last bit is the other one from now on; of something signed, the signature.
bend() {
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-1] ^= 1
open(sys.argv[1], "wb").write(data)' "$1"
}

# What `run --separate-stderr` left, and what it should have been.
show_run() {
	echo "exit status: $status"
	echo "stdout: $output"
	echo "stderr: ${stderr:-}"
}
fail() {
	printf '%s\n' "$@" >&2
	return 1
}
assert_status() {
	[ "$status" -eq "$1" ] || fail "wanted exit status $1" "$(show_run)"
}
assert_output() {
	[ "$output" = "$1" ] || fail "wanted stdout: $1" "$(show_run)"
}
assert_output_has() {
	[[ $output == *"$1"* ]] || fail "wanted in stdout: $1" "$(show_run)"
}
refute_output_has() {
	[[ $output != *"$1"* ]] || fail "not wanted in stdout: $1" "$(show_run)"
}
assert_stderr_has() {
	[[ $stderr == *"$1"* ]] || fail "wanted in stderr: $1" "$(show_run)"
}
refute_stderr_has() {
	[[ $stderr != *"$1"* ]] || fail "not wanted in stderr: $1" "$(show_run)"
}
# Success with nothing said.
assert_silent() {
	assert_status 0 && [ -z "$output$stderr" ] || fail "wanted silence" "$(show_run)"
}
# Lines on stdout, on stderr.
assert_line_count() {
	[ "${#lines[@]}" -eq "$1" ] || fail "wanted $1 lines of stdout" "$(show_run)"
}
assert_stderr_line_count() {
	[ "${#stderr_lines[@]}" -eq "$1" ] || fail "wanted $1 lines of stderr" "$(show_run)"
}
# assert_one_line TEXT: one line on stderr, "program: ... TEXT ...".
assert_one_line() {
	assert_stderr_line_count 1
	assert_stderr_has "$1"
	[[ $stderr =~ ^[a-z-]+:\  ]] || fail "wanted \"program: what\"" "$(show_run)"
}
assert_equal() {
	[ "$1" = "$2" ] || fail "wanted: $2" "got: $1"
}
# refute COMMAND...: it must fail, by its own exit status and not by a signal or a sanitizer (99).
refute() {
	local rc=0
	"$@" || rc=$?
	[ "$rc" -gt 0 ] && [ "$rc" -lt 126 ] && [ "$rc" -ne 99 ] || fail "wanted a failure, got $rc: $*"
}

# until_true COMMAND...: it comes true within a minute, or TRIES twentieths of a second.
until_true() {
	local i
	for ((i = 0; i < ${TRIES:-1200}; i++)); do
		if "$@" >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.05
	done
	tail -n 100 log >&2 2>/dev/null || true
	fail "never came true: $*"
}

# spool_state [SPOOL]: every file with its mode and the hash of its bytes. Laws compare two of these.
spool_state() {
	(cd "${1:-$SPOOL}" && find . -printf '%m %y %p\n' | sort -k3 &&
	    find . -type f -exec sha256sum {} + | sort -k2)
}
# The same without the journal, where the order of events shows.
spool_end() {
	spool_state "$@" | grep -v ' ./journal$'
}
# key_hash KEY: what the spool calls a key: SHA-256 of its public half.
key_hash() {
	openssl pkey -in "$1" -pubout -outform DER | sha256sum | cut -d' ' -f1
}
# has_ipv6: can one listen at ::1 here?
has_ipv6() {
	grep -q '^0*1 ' /proc/net/if_inet6 2>/dev/null
}
# sanitized: are these programs built with ASan? It takes terabytes of address space, and more time.
sanitized() {
	grep -qa __asan_init "$BIN/cert-import"
}
# Standard output and error of the last run hold nothing that a terminal would obey.
assert_printable() {
	[[ $output$stderr != *[^[:print:]$'\t\n']* ]] || fail "control characters" "$(show_run | cat -v)"
}
