# SPDX-License-Identifier: ISC
# The options of every program: what it parses, what --help prints, and what its manual page has, are the same.
load ../helper
load ../serving
load ../pages

programs() {
	make -s -C "$ROOT" links | cut -d' ' -f1
}

# parsed PROGRAM: the options that it knows, with one hyphen or two, one a line.
parsed() {
	"$BIN/$1" --list-options | awk -F '\t' '{ if ($1 != "-") print "-" $1; print "--" $2 }' | sort
}

# shown PROGRAM: those that have a line in --help.
shown() {
	"$BIN/$1" --help | sed -nE '1,/^$/d; s/^  (-.|  )[, ] (--[a-z0-9-]+).*/\1\n\2/p' | grep -v '^ *$' | sort
}

# documented PROGRAM: those that a list in its manual page describes.
documented() {
	grep -E '^\.It Fl' "$ROOT/man/$1.1" | grep -oE '\bFl [[:alnum:]-]+' | sed 's/^Fl /-/' | sort
}

# same NAME LEFT RIGHT: what one of the two lists lacks.
same() {
	diff <(echo "$2") <(echo "$3") | sed -n "s/^[<>]/$1: &/p"
}

@test "every option that a program knows is in --help" {
	local program bad=
	for program in $(programs); do
		bad+=$(same "$program" "$(parsed "$program")" "$(shown "$program")")
	done
	[ -z "$bad" ] || fail "< is parsed, > is in --help" "$bad"
}

@test "every option that a program knows is in its manual page, and no other" {
	local program bad=
	for program in $(programs); do
		bad+=$(same "$program" "$(parsed "$program")" "$(documented "$program")")
	done
	[ -z "$bad" ] || fail "< is parsed, > is in the page" "$bad"
}

@test "every option that a program knows is in its usage lines, and no other" {
	local program bad= left
	for program in $(programs); do
		left=$("$BIN/$program" --list-options | awk -F '\t' '{ print $1 != "-" ? "-" $1 : "--" $2 }' | sort)
		bad+=$(same "$program" "$left" "$("$BIN/$program" --help | sed '/^$/,$d' | options | sort)")
	done
	[ -z "$bad" ] || fail "< is parsed, > is in the usage lines" "$bad"
}

@test "every option has a text: lower case, no full stop, and --help prints it" {
	local program name help text bad=
	for program in $(programs); do
		bad+=$("$BIN/$program" --list-options |
		    awk -F '\t' -v p="$program" 'NF != 6 || $6 !~ /^[^ ].* .*[^ .]$/ || $6 ~ /^[A-Z][a-z]/ { print p ": " $0 }')
		text=$("$BIN/$program" --help | xargs -d '\n' | tr -s ' ')
		while IFS=$'\t' read -r _ name _ _ _ help; do
			[[ $text == *"$help"* ]] || bad+="$program: --$name: $help"$'\n'
		done < <("$BIN/$program" --list-options)
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "--help says what the program does, as the page's first line, names the page, and fits 80 columns" {
	local program bad= help
	for program in $(programs); do
		help=$("$BIN/$program" --help | sed '1,/^$/d')
		[ "$(head -1 <<<"$help")" = "$(sed -n 's/^\.Nd //p' "$ROOT/man/$program.1")" ] || bad+="$program: $(head -1 <<<"$help")"$'\n'
		[[ $help == *"The manual page is $program(1)." ]] || bad+="$program: no page is named"$'\n'
		bad+=$(awk -v p="$program" 'length > 80 { print p ": " $0 }' <<<"$help")
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "capf --help says of each program what the program's own --help says" {
	local words runs text n=0 bad=
	while IFS='|' read -r words runs text; do
		[ -f "$ROOT/man/$runs.1" ] && [ -n "$text" ] || continue
		[ "$text" = "$(sed -n 's/^\.Nd //p' "$ROOT/man/$runs.1")" ] || bad+="capf $words: $text"$'\n'
		n=$((n + 1))
	done < <(sed -n "/<<'EOT'/,/^EOT/p" "$ROOT/bin/capf" | grep '|')
	[ $n -ge 25 ] || fail "only $n programs"
	[ -z "$bad" ] || fail "$bad"
}

@test "an option that takes a word, a number or a time refuses what is none, and names what it takes" {
	local program name kind words said n=0
	for program in $(programs); do
		while IFS=$'\t' read -r _ name kind _ words _; do
			case $kind in
			word) said="--$name: nonsense is not one of ${words//,/, }" ;;
			number) said="--$name wants a number from " ;;
			clock | time | span) said="--$name wants " ;;
			*) continue ;;
			esac
			run --separate-stderr "$program" "--$name=nonsense"
			[ "$status" -eq 100 ] && [ -z "$output" ] && [[ $stderr == "$program: $said"*"try: $program --help" ]] ||
			    fail "$program --$name" "$(show_run)"
			n=$((n + 1))
		done < <("$BIN/$program" --list-options)
	done
	[ $n -ge 60 ] || fail "$n"
}

# says PROGRAM TEXT: in --help, whose lines are joined.
says() {
	[[ $(tr -s ' \n' ' ' <<<"$output") == *"$1"* ]] || fail "$1" "$(show_run)"
}

@test "--help prints values and defaults, also behind other options" {
	run --separate-stderr csr-dump -z 9 -F der --since 2026-01-31 --help
	assert_status 0
	assert_equal "$stderr" ""
	says "9 is smallest (1 to 9; default 6)"
	says "(pem, der, cmc, cmc-der, spki; default pem)"
	says "(own, ra)"
	says "(such as 2026-01-31)"
	CAPF_SPOOL=/some/where run csr-count -h
	says "the spool (default /some/where)"
	run csr-submit -h
	says "(up to 64 times)"
	says "since 1970 (default now)"
	run capf-probe --help
	says "(such as 12h or 7d; default 60s)"
	# Nobody's default is what cannot be given.
	run ca-init --help
	says "below this one (0 to 16)"
	says "days that the certificate is valid (1 to 14600; default 3650)"
}

@test "--help: a wrong option before it is wrong usage; what cannot be written is told" {
	run --separate-stderr csr-count --rubbish --help
	assert_status 100
	assert_equal "$output" ""
	run --separate-stderr bash -c 'csr-count --help >/dev/full'
	assert_status 111
	assert_one_line "stdout: cannot write"
	run --separate-stderr bash -c 'csr-count --list-options >/dev/full'
	assert_status 111
	run --separate-stderr csr-count -s . --list-options
	assert_status 100
}
