# SPDX-License-Identifier: ISC
# For Bats run by hand; test/run makes the fixtures once and sets CAPFKIT_FIX.
setup_suite() {
	if [ -z "${CAPFKIT_FIX:-}" ]; then
		export CAPFKIT_FIX=$BATS_SUITE_TMPDIR/fix
		"${BASH_SOURCE[0]%/*}/fixtures" "$CAPFKIT_FIX" >"$BATS_SUITE_TMPDIR/fix.log" 2>&1 || {
			cat "$BATS_SUITE_TMPDIR/fix.log" >&2
			return 1
		}
	fi
}
