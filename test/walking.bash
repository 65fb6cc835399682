# SPDX-License-Identifier: ISC
# What test/crash/walk and test/oom/walk have in common: a case is run again and again, disturbed in one place after
# another, and each time what is left and what the next run makes of it is looked at.
#
# Each case has a folder $dir; in it run/ is a copy of $template, with the spool, made anew each time. Who
# sources this defines
#	disturbed	runs the action with a library before it; leaves $rc, $dir/err
#	same TO		does the spool look as it did at "end"? Says how not in $dir/diff
# and a case may define all that is below.

# In memory, where there is such a place: nothing here needs a real disk.
place=/dev/shm
[ -w $place ] && [ $(($(stat -f -c '%a * %S' $place) / 1048576)) -ge 256 ] || place=/tmp
. "${BASH_SOURCE[0]%/*}/script.bash"
NOW=$(date +%s)

# Exit statuses of an undisturbed run, and of a run after another.
first=0
again=0
# "repair": the next run leaves tmp/ to spool-check --repair.
sweeper=

one_of() {
	[[ " $2 " == *" $1 "* ]]
}
fresh() {
	rm -rf "$dir/run"
	cp -a "$template" "$dir/run"
	cd "$dir/run" || exit 111
	SPOOL=$dir/run/spool
}
undisturbed() {
	action >/dev/null 2>"$dir/err" </dev/null
	rc=$?
}
check() {
	spool-check -v -s "$SPOOL" -P "$NOW" >"$dir/check" 2>&1
}
checked() {
	check && [ ! -s "$dir/check" ]
}
legal() {
	check
}
# Where the next program that comes by would bring it, not this one again.
finished() {
	cp -a "$SPOOL" "$dir/copy"
	(SPOOL=$dir/copy && spool-check -r -s "$SPOOL" -P "$NOW" >/dev/null 2>&1 && same end)
	local rc=$?
	rm -rf "$dir/copy"
	return $rc
}
# problem WHAT [FILE]: only the first ones are told, with what the file says.
problem() {
	problems=$((problems + 1))
	if [ $problems -le ${PROBLEMS:-8} ]; then
		printf '# %s\n' "$1"
		[ $# -lt 2 ] || sed 's/^/#\t/' "$2" | head -n 12
	fi | sed -E "s!$work/case/[^[:space:]]*/run/(spool/)?!!g"
}
# What must hold after the second run.
converged() {
	one_of $rc "$again" || problem "$1: then the next run exits $rc" "$dir/err"
	[ "$sweeper" != repair ] || spool-check -r -s "$SPOOL" -P "$NOW" >/dev/null 2>&1
	checked || problem "$1: then, after the next run, spool-check complains" "$dir/check"
	same end || problem "$1: the next run ends elsewhere" "$dir/diff"
	[ -z "$(ls -A "$SPOOL/tmp")" ] || problem "$1: tmp/ is not empty after the next run"
}
# prepared NAME: fills the template, or says that it cannot.
prepared() {
	mkdir -p "$template"
	cd "$template" || exit 111
	SPOOL=$template/spool
	if [ -d "$FIX/spool" ]; then
		new_spool "$SPOOL"
	fi
	if ! prepare >"$dir/prepare" 2>&1; then
		echo "not ok - $1: the case cannot be prepared"
		sed 's/^/#\t/' "$dir/prepare"
		return 1
	fi
}
# tally FILE: the last line, and the exit status, from lines "ok" and "not ok".
tally() {
	awk '/^ok /{ passed++ } /^not ok /{ failed++ }
		END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$1"
}
