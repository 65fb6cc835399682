# SPDX-License-Identifier: ISC
# For what measures capf-serve: bench.bash, a server and what it uses.
. "$(dirname "${BASH_SOURCE[0]}")/bench.bash"

server= running=()
tidy() {
	[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null
	[ -z "$server" ] || kill -KILL -- "-$server" 2>/dev/null
	wait
	rm -rf "$w"
}
# A descriptor for each phone.
ulimit -S -n "$(ulimit -H -n)"

# new_spool NAME PHONES: all of them may have a certificate.
new_spool() {
	spool=$w/$1
	export CAPF_SPOOL=$spool
	"$bin/capf-init" && "$bin/trust-add" capf "$w/ca.pem" &&
		seq -f 'SEP%012.0f' 1 "$2" >"$w/$1.names" && "$bin/phone-add" -f "$w/$1.names" &&
		"$bin/phone-set" --operation install --auth null all || die "cannot make a spool"
}
by_itself() {
	printf '%s\n' 'issuer = capf' "issuer-certificate = $w/ca.pem" "issuer-key = $w/ca.key"
}

# until_true SECONDS COMMAND...: it comes true while the server lives.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] && kill -0 $server 2>/dev/null || die "never came true: $*"
		sleep 0.05
	done
}
# start [ARGUMENT...]
start() {
	: >"$w/log"
	setsid "$bin/capf-serve" -l 127.0.0.1:0 "$@" </dev/null >/dev/null 2>"$w/log" &
	server=$!
	until_true 30 grep -q event=ready "$w/log"
	at=$(sed -n 's/.*event=listening address=//p' "$w/log")
}
stop() {
	kill $server
	wait $server || die "the server did not end well"
	server=
}
reload() {
	local before
	before=$(grep -c event=reloaded "$w/log")
	kill -HUP $server
	reloaded() {
		[ "$(grep -c event=reloaded "$w/log")" -gt "$before" ]
	}
	until_true 30 reloaded
}
# Its processes are a session of their own. Milliseconds of CPU, of those that have ended too; KiB of memory.
used_ms() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v sid=$server -v tick="$(getconf CLK_TCK)" '
	    $6 == sid { s += $14 + $15 + $16 + $17 } END { printf "%.0f\n", s * 1000 / tick }'
}
rss_kib() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v sid=$server -v page="$(getconf PAGESIZE)" '
	    $6 == sid { s += $24 } END { printf "%.0f\n", s * page / 1024 }'
}
load() {
	cut -d' ' -f1 /proc/loadavg
}
# field NAME FILE: from a fleet's summary.
field() {
	sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" "$2"
}
