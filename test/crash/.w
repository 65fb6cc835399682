#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# usage: [FULL=1|KILLS=1|ONLY=how] [JOBS=n] test/crash/walk [CASE...]
# Kills a program before each call that changes the disk and before each line that it prints, and in the
# middle of each write; lets each call that changes or reads the disk fail, once, and from there on. After
# each, the spool must be legal by spool-check, and one more run of the same command must end where an
# undisturbed one ends, with nothing left in tmp/. After a failure the exit status is 111, with a message,
# or the work is done all the same. The order of the calls is looked at as well (test/crash/order): of the
# undisturbed run, of each that failed, and over each kill and the run that follows it.
#
# What a kill leaves must be in the table of capf-spool(5); when all cases are walked, each row of the table
# must have been seen.
#
# With FULL each call fails in every way. Without it one that changes the disk fails in one way, of those that
# read each sixth; of a case that takes time each each_kill-th kill is walked, and each each_failure-th failure.
# With KILLS nothing fails. With ONLY all is walked, but in one way (see every_way).
#
# A case is a file in test/crash/cases, or one with a slash in its name, that defines
#	prepare		fills $SPOOL (fresh from capf-init) and the present directory
#	action		the command, one program, with -P $NOW; it is run where prepare was
# and, where it is not as usual,
#	program		the one that is disturbed; its name begins the case's
#	state		prints what two runs must have in common; otherwise the whole spool but journal and tmp/
#	legal		what must hold after a kill; $dir/check says what does not
#	leaves		prints more words of the table, for what spool-check does not see
#	each_kill each_failure	see above; usually 1
#	first again	exit statuses of an undisturbed run, and of a run after another
#	sweeper		=repair: the next run leaves tmp/ to spool-check --repair
set -u

. "$(dirname "$0")/../walking.bash"
preload=$OBJ/crash/crash.so
full=${FULL:-${ONLY:-}}
jobs=${JOBS:-$(nproc)}

# What is compared: all of the spool, unless the case says otherwise.
state() {
	(cd "$SPOOL" && diff -r -x journal -x tmp -x .lock "$dir/$1" .)
}
keep() {
	rm -rf "$dir/$1"
	if [ "$own_state" ]; then
		state >"$dir/$1"
	else
		cp -a "$SPOOL" "$dir/$1"
	fi
}
# same TO: does the spool look as it did when that was kept? Says how not in $dir/diff.
same() {
	if [ "$own_state" ]; then
		state | diff "$dir/$1" - >"$dir/diff"
	else
		state "$1" >"$dir/diff" 2>&1
	fi
}
# disturbed HOW N: the action with the library before it. Exit status in $rc, messages in $dir/err, calls
# in $dir/log.
disturbed() {
	rm -f "$dir/file"
	(
		export CRASH_FILE=$dir/file CRASH_PROGRAM=$program CRASH_UNDER=$dir/run
		export CRASH_HOW=$1 CRASH_AT=$2 LD_PRELOAD=$preload
		ulimit -t 60
		action
	) >/dev/null 2>"$dir/err" </dev/null
	rc=$?
	calls "$(ended "$1")" >"$dir/log"
}
calls() {
	[ ! -e "$dir/file" ] || tail -c +65 "$dir/file" | tr -d '\0'
	printf 'end\t%s\n' "$1"
}
ended() {
	if [ $rc -ge 128 ]; then
		echo killed
	elif one_of $rc "$first"; then
		echo good
	else
		echo bad
	fi
}
leaves() {
	:
}

# The words of the table for what a kill has left; $dir/check is spool-check's view of it.
classify() {
	local words
	words=$(awk -F '\t' '
		/left by a program that died/ { next }
		/its certificate is here already/ { print /^csr/ ? "answered" : "late"; next }
		/the device has a newer request/ { print /^csr/ ? "outrun" : "overtaken"; next }
		/it is installed, or stale, already/ { print "twice"; next }
		/of a phone that is gone/ { print "orphan"; next }
		/are not the certificate of/ { print "copies" }' "$dir/check")
	[ -z "$words" ] || echo "$words"
	[ -z "$(ls -A "$SPOOL/tmp" 2>/dev/null)" ] || echo folder
	[ ! -s "$SPOOL/journal" ] || [ -z "$(tail -c 1 "$SPOOL/journal")" ] || echo line
	leaves
	[ -z "$words" ] || return
	if same begin; then
		echo untouched
	elif [ "$serving" ]; then
		# Names have times and keys, so no two ends are the same.
		if wanted >/dev/null 2>&1; then
			echo complete
		else
			echo session
		fi
	elif same end; then
		echo complete
	else
		echo part
	fi
}

# ways KIND CALL: how it is disturbed.
ways() {
	every_way "$@" | tr ' ' '\n' | grep -xE "${ONLY:-.*}"
}
every_way() {
	case $1 in
	say) echo before; return ;;
	change) echo before ;;
	esac
	case $2 in
	write) echo half short once:ENOSPC on:ENOSPC once:EIO on:EIO once:EINTR ;;
	make) echo once:ENOSPC on:ENOSPC once:EMFILE on:EMFILE once:EIO once:EINTR ;;
	mkdir|rename|link|ftruncate) echo once:ENOSPC on:ENOSPC once:EIO on:EIO ;;
	fsync|syncfs) echo once:EIO on:EIO once:ENOSPC once:EINTR ;;
	unlink|fchmod|fchown|readdir|stat) echo once:EIO on:EIO ;;
	open) echo once:EMFILE on:EMFILE once:EIO on:EIO once:EINTR ;;
	read|close) echo once:EIO on:EIO once:EINTR ;;
	esac
}

# One disturbance and what follows.
point() {
	local how=$1 n=$2 call=$3 what=$4
	fresh
	if [ "${serving:-}" ]; then
		serving_point "$@"
		return
	fi
	disturbed "$how" "$n"
	awk -F '\t' -v n="$n" -v call="$call" '$1 == n && $3 == call { found = 1 } END { exit !found }' \
	    "$dir/log" || problem "$what: not reached the second time"
	case $how in
	before|half)
		[ $rc -eq 137 ] || problem "$what, $how: exit $rc instead of a kill" "$dir/err"
		legal || problem "$what, $how: spool-check complains" "$dir/check"
		classify | sort -u | sed "s/^/$program /" >>"$dir/seen" ;;
	short)
		one_of $rc "$first" || problem "$what, $how: exit $rc" "$dir/err"
		same end || problem "$what, $how: it ends elsewhere" "$dir/diff" ;;
	*)	# Trouble, and said to be; or nothing that matters: what is published is safe, and cleaning
		# up behind may be left to whoever comes next.
		if one_of $rc "$first" && [[ $call != *sync* ]]; then
			finished || problem "$what, $how: exit $rc, but the work is not done" "$dir/diff"
		elif [ $rc -ne 111 ]; then
			problem "$what, $how: exit $rc" "$dir/err"
		elif [ "$(wc -l <"$dir/err")" -lt 1 ]; then
			problem "$what, $how: it does not say what failed"
		fi
		legal || problem "$what, $how: spool-check complains" "$dir/check" ;;
	esac
	mv "$dir/log" "$dir/before"
	disturbed none 0
	"$root/test/crash/order" "$SPOOL" "$dir/before" "$dir/log" >"$dir/order" ||
	    problem "$what, $how: the order of calls" "$dir/order"
	converged "$what, $how"
	return 0
}

# The same for the server: afterwards it is started again, undisturbed, and the phones come again.
serving_point() {
	local how=$1 n=$2 what=$4
	whom=all
	[ $((n % 3)) -ne 0 ] || [[ $what == *journal ]] || whom=worker
	disturbed "$how" "$n"
	reached || return 1
	[ ! -e "$dir/illegal" ] || problem "$what, $how, $whom: spool-check complains" "$dir/illegal"
	legal || problem "$what, $how, $whom: spool-check complains in the end" "$dir/check"
	agree || problem "$what, $how, $whom: a phone was told what is not so" <(cat SEP???????????? "$dir/served")
	"$root/test/crash/order" "$SPOOL" "$dir/log" >"$dir/order" ||
	    problem "$what, $how, $whom: the order of calls" "$dir/order"
	undisturbed
	converged "$what, $how, $whom"
	return 0
}

# walk_share CALLS I OF: every OFth call.
walk_share() {
	local n kind call rest how what some turn kills=0 failures=0 problems=0 missed=0
	dir=$dir/$2
	while IFS=$'\t' read -r n kind call rest; do
		[ "$n" != end ] && [ $((n % $3)) -eq "$2" ] || continue
		what="call $n, $call $rest"
		some=$(ways "$kind" "$call" | grep -v '^before$\|^half$')
		turn=$((n / $3))
		if [ "${KILLS:-}" ]; then
			some=
		elif [ ! "$full" ] && { [ $((turn % each_failure)) -ne 0 ] ||
		    { [ "$kind" = read ] && [ $((turn % 6)) -ne 0 ]; }; }; then
			some=
		elif [ -n "$some" ] && [ ! "$full" ]; then
			some=$(sed -n "$((n % $(wc -l <<<"$some") + 1))p" <<<"$some")
		fi
		# Lines that are cut off are in the table, and a server has few of them.
		[ "$full" ] || [ $((turn % each_kill)) -eq 0 ] || [[ $rest == *journal ]] || continue
		for how in $(ways "$kind" "$call" | grep '^before$\|^half$') $some; do
			if ! point "$how" "$n" "$call" "$what"; then
				missed=$((missed + 1))
			elif [ $how = before ] || [ $how = half ]; then
				kills=$((kills + 1))
			else
				failures=$((failures + 1))
			fi
		done
	done <"$1"
	echo "$kills $failures $problems $missed" >"$dir/count"
}

walk_case() {
	local name=${1##*/} problems=0 kills=0 failures=0 missed=0 k f p m share own_state
	local dir=$work/case/$name template=$work/case/$name/template
	own_state=
	program=
	serving=
	each_kill=1
	each_failure=1
	whom=all
	. "$1"
	if [ "$(declare -f state | cksum)" != "$usual_state" ]; then
		own_state=yes
	fi
	for p in "$BIN"/*; do
		p=${p##*/}
		[[ $name != "$p"* ]] || [ ${#p} -le ${#program} ] || program=$p
	done
	prepared "$name" || return

	fresh
	keep begin
	disturbed none 0
	one_of $rc "$first" || problem "undisturbed: exit $rc" "$dir/err"
	checked || problem "undisturbed: spool-check complains" "$dir/check"
	keep end
	mv "$dir/log" "$dir/calls"
	"$root/test/crash/order" "$SPOOL" "$dir/calls" >"$dir/order" ||
	    problem "undisturbed: the order of calls" "$dir/order"
	undisturbed
	converged "undisturbed"

	for ((share = 0; share < jobs; share++)); do
		mkdir "$dir/$share"
		cp -a "$dir/begin" "$dir/end" "$dir/$share"
		(walk_share "$dir/calls" $share "$jobs") >"$dir/$share/said" 2>&1 &
	done
	wait
	for ((share = 0; share < jobs; share++)); do
		cat "$dir/$share/said"
		read -r k f p m <"$dir/$share/count" || p=1
		[ "${m:-0}" -eq 0 ] || missed=$((missed + m))
		kills=$((kills + k))
		failures=$((failures + f))
		problems=$((problems + p))
		cat "$dir/$share/seen" >>"$work/seen" 2>/dev/null
	done
	echo "$program $kills $failures" >>"$work/points"
	if [ $((kills + failures)) -eq 0 ]; then
		problem "the action changes nothing"
	fi
	if [ $problems -eq 0 ]; then
		echo "ok - $name: $kills kill points, $failures failure points, all legal, all converge" \
		    "$([ $missed -eq 0 ] || echo "($missed not reached)")"
	else
		echo "not ok - $name: $problems problems at $kills kill points and $failures failure points"
	fi
	rm -rf "$dir"
}

usual_state=$(declare -f state | cksum)
all=
if [ $# -eq 0 ]; then
	all=yes
	set -- "$root"/test/crash/cases/*
fi
for file in "$@"; do
	[[ $file == */* ]] || file=$root/test/crash/cases/$file
	(walk_case "$(realpath "$file")") >"$work/said" 2>&1
	cat "$work/said"
	grep -qE '^(not )?ok ' "$work/said" || echo "not ok - ${file##*/}: ended early"
done | tee "$work/tap"
if [ "$all" ]; then
	echo "program, kill points, failure points$([ "$full" ] || echo " (a part; all with FULL=1)"):"
	awk '{ kills[$1] += $2; failures[$1] += $3; all_kills += $2; all_failures += $3 }
		END {
			for (p in kills)
				printf "  %-12s %5d %5d\n", p, kills[p], failures[p] | "sort"
			close("sort")
			printf "  %-12s %5d %5d\n", "total", all_kills, all_failures
		}' "$work/points"
fi
if [ "$all" ]; then
	# Each row of the table: ".It Sy WORD", and then ".Pq" with the programs.
	awk '/^\.Ss /{ inside = /after a kill/ }
		inside && /^\.It Sy /{ word = $3 }
		inside && /^\.Pq /{
			for (i = 2; i < NF; i++)
				if ($i == "Xr")
					print $(i + 1), word
		}' "$root/man/capf-spool.5" | sort -u >"$work/table"
	sort -u "$work/seen" >"$work/left"
	comm -13 "$work/table" "$work/left" | sed 's/^/# not in the table: /' >"$work/differs"
	# This one wants a phone that comes twice within one turn of the server, which no kill brings about for sure.
	comm -23 "$work/table" "$work/left" | grep -vx 'capf-serve outrun' |
	    sed 's/^/# in the table, but never seen: /' >>"$work/differs"
	if [ ! -s "$work/differs" ]; then
		echo "ok - what a kill leaves is what capf-spool(5) says: $(wc -l <"$work/left") rows"
	else
		cat "$work/differs"
		echo "not ok - what a kill leaves is not what capf-spool(5) says"
	fi | tee -a "$work/tap"
fi
sort "$work/seen" | uniq -c; tally "$work/tap"
