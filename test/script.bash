# SPDX-License-Identifier: ISC
# For scripts that use helper.bash without Bats, as `. .../test/script.bash`. They have a folder of their own in
# $work, below $place when that is set, which is gone in the end, and the fixtures.
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
work=$(mktemp -d "${TMPDIR:-${place:-/tmp}}/capfkit.XXXXXX") || exit 111
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export TMPDIR=$work

if [ -z "${CAPFKIT_FIX:-}" ]; then
	export CAPFKIT_FIX=$work/fix
	if ! "$root/test/fixtures" "$CAPFKIT_FIX" >"$work/log" 2>&1; then
		cat "$work/log"
		echo "0 passed, 1 failed"
		exit 1
	fi
fi
bats_require_minimum_version() { :; }
. "$root/test/helper.bash"
