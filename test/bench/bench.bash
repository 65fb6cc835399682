# SPDX-License-Identifier: ISC
# For the scripts beside it: a folder to work in, $w, the tools, a CA. Who sources it has set name, parts, and
# tools: the programs that it wants of those whose source is here.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${here%/*/*}
bin=${CAPFKIT_BIN:-$root/bin} obj=${CAPFKIT_OBJ:-$root/obj}
export LC_ALL=C

w=
die() {
	echo "test/bench/$name: $*" >&2
	[ ! -s "$w/log" ] || tail -n 3 "$w/log" >&2
	exit 111
}
say() {
	if [ -t 2 ]; then
		printf '\r\033[K%s' "$*" >&2
	fi
}
want() {
	case $parts in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

mkdir -p "${BENCH_DIR:-$root/obj}" && w=$(mktemp -d "${BENCH_DIR:-$root/obj}/bench.XXXXXX") ||
	die "no folder to work in"
tidy() {
	rm -rf "$w"
}
trap tidy EXIT
trap 'exit 130' INT TERM
# ext4 walks around each inode that was deleted in the last minutes when it makes a file beside it, and ten
# thousand of them make that many times slower. So nothing is removed before the end, and with this
# flag each folder gets a place of its own, away from what others or an earlier run have removed.
chattr +T "$w" 2>/dev/null

for tool in $tools; do
	libs=
	case $tool in
	fleet) libs=-lcrypto ;;
	flood) libs='-lssl -lcrypto' ;;
	handshake) libs="$obj/libcapfkit.a -lssl -lcrypto" ;;
	esac
	${CC:-cc} -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -iquote "$root/src" -o "$w/$tool" \
	    "$here/$tool.c" $libs || die "cannot build $tool"
done
"$bin/ca-init" -L 0 -n 'CN=Bench CA,O=Example,C=DE' "$w/ca" || die "cannot make a CA"
