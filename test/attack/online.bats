# SPDX-License-Identifier: ISC
# CAs that lie, stall, hang up and send what nobody can hold, one after the other, asked by csr-submit: nothing wrong is
# accepted, each ends within its time, with little memory, and each request of the batch has its verdict.
load ../helper
load ../serving
load ../online

setup_file() {
	online_once
}
setup() {
	setup_server
	local i
	for i in 1 2 3; do
		csr-add "$FIX/csr/SEP00000000000$i.csr" >/dev/null
	done
	csr-dump -o requests.tgz
	cp -a "$SPOOL" asked
}

# measured COMMAND...: its exit status, and in peak how many KiB its largest process had; the children of its children
# count as well.
measured() {
	python3 - "$@" <<-'PY'
	import resource, subprocess, sys
	rc = subprocess.run(sys.argv[1:]).returncode
	with open("peak", "w") as f:
	    f.write("%d\n" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
	sys.exit(rc if rc >= 0 else 128 - rc)
	PY
}
# lie KIND SWITCH...: that CA is asked for three certificates. GOOD of them, 0 where it is not set, are good in the end.
lie() {
	echo "$*"
	rm -rf "$SPOOL" c.tgz est ca cmp.log scep.log
	cp -a asked "$SPOOL"
	ca "$@"
	setting timeout $([ "${GOOD:-0}" -eq 0 ] && echo 1s || echo 30s)
	SECONDS=0
	run --separate-stderr measured csr-submit -o c.tgz requests.tgz
	[ $SECONDS -le 20 ] || fail "took $SECONDS s" "$(show_run)"
	[ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 100 ] || [ "$status" -eq 111 ] || fail "$(show_run)"
	assert_printable
	sanitized || [ "$(cat peak)" -lt 65536 ] || fail "$(cat peak) KiB"
	# Of each something is said in the end.
	[[ $stderr =~ ([0-9]+)\ issued,\ ([0-9]+)\ pending,\ ([0-9]+)\ refused,\ ([0-9]+)\ lost ]] || fail "$(show_run)"
	local said=$((BASH_REMATCH[1] + BASH_REMATCH[2] + BASH_REMATCH[3] + BASH_REMATCH[4])) pending=${BASH_REMATCH[2]}
	local unasked=0
	if [[ $stderr =~ ([0-9]+)\ were\ not\ asked\ for ]]; then
		unasked=${BASH_REMATCH[1]}
	fi
	[ $((said + unasked)) -eq 3 ] || fail "$(show_run)"
	# Who is at once sure of a lie goes on; a CA that is away or unusable may end a run.
	[ "$status" -ge 100 ] || [ $((pending + unasked)) -eq 0 ] || [ -n "${WAITS:-}" ] || fail "$(show_run)"
	if [ -e c.tgz ]; then
		cert-import c.tgz >imported 2>&1 || true
		refute grep -q '^stale\|^elsewhere' imported
	fi
	assert_equal "$(ls "$SPOOL/lsc" | wc -l)" "${GOOD:-0}"
	# No key was asked for twice.
	assert_equal "$(keys_issued | sort | uniq -d)" ""
}

@test "est: every lie" {
	local how
	for how in "slow --seconds 30" trickle trickle-headers gigabyte headers hundreds long-header redirect hang-up middle \
	    garbage empty html cut no-certificates early; do
		lie est --misbehave $how
	done
	lie est --other-key
	lie est --other-name
	lie est --status 500 --retry-after 99999999999999999999
	lie est --status 400 --say $'\e[2J'
	WAITS=1 lie est --pending 1 --retry-after 99999999999999999999
	GOOD=3 lie est --wrap ber
}

@test "certsrv: every lie" {
	local how
	for how in slow trickle other-key other-ca other-name huge garbage cut redirect retry hang-up lost fails-after \
	    two-links unavailable many-headers thinks; do
		WAITS=1 lie certsrv --odd $how
	done
	WAITS=1 lie certsrv --odd no-number --pending 1
	WAITS=1 lie certsrv --odd fails-fetch
	GOOD=3 lie certsrv --odd html-type
}

@test "cmp: every lie" {
	local how
	for how in hang-up slow trickle gigabyte garbage redirect retry-after unavailable; do
		WAITS=1 lie cmp -m $how
	done
	for how in hang-up slow gigabyte; do
		WAITS=1 lie cmp -m $how -M
	done
	WAITS=1 lie cmp -o unprotected -r no -f 2
	for how in other-key other-name; do
		lie cmp -o $how
	done
}

@test "scep: every lie" {
	local how
	openssl crl2pkcs7 -nocrl -certfile <(openssl x509 -inform DER -in "$FIX/der/SEP000000000009.der") -outform DER -out list
	for how in nonce transaction type garbage empty huge slow redirect status=400 status=500 "signer=$FIX/ec.pem,$FIX/ec.key" \
	    send=list send=/etc/passwd; do
		WAITS=1 lie scep "$how"
	done
	GOOD=3 lie scep lose=1
	GOOD=3 lie scep hangup=1
}
