# SPDX-License-Identifier: ISC
# For the files that read manual pages and do what they say: `load ../pages` after `load ../helper` and `../serving`.

# page FILE: as plain text, without line breaks of its own.
page() {
	mandoc -T ascii -O width=500 "$1" | sed 's/.\x08//g'
}

# section NAME <text: what stands below this heading, up to the next.
section() {
	awk -v name="$1" '/^ ? ? ?[^ ]/ { heading = $0; sub(/^ +/, "", heading); on = heading == name; next } on'
}

# Option letters and long options in a synopsis or usage text, one a line.
options() {
	grep -oE '(^|[^[:alnum:]_-])--?[[:alnum:]][[:alnum:]-]*' | sed 's/^[^-]*//' |
	    while read -r word; do
		case $word in
		--*) echo "$word" ;;
		*) sed 's/^-//; s/./-&\n/g' <<<"$word" | grep . ;;
		esac
	    done | sort -u
}

# commands [N [M]] <text: those that it shows, as one script; the Nth alone, or from there to the Mth. A command is a line "$ ..." with the lines that continue it: after a
# backslash, or "> ...", or up to END behind <<'END'. It must exit 0, or N when "# exits N" stands behind it or on the
# next line.
commands() {
	awk -v from="${1:-1}" -v to="${2:-${1:-1000}}" '
	function flush() {
		n += command != ""
		if (command != "" && n >= from && n <= to)
			printf "%s\nrc=$?\n[ $rc -eq %d ] || { echo \"exit $rc from:\"; cat <<\"-EOC-\"\n%s\n-EOC-\nexit 1; }\n",
			    command, want, command
		command = ""
		want = 0
	}
	function exits() {
		if (match($0, /# exits [0-9]+/))
			want = substr($0, RSTART + 8, RLENGTH - 8) + 0
	}
	{ sub(/^ +/, "") }
	document {
		command = command "\n" $0
		document = $0 != "END"
		next
	}
	more || (command != "" && /^> /) {
		sub(/^> /, "")
		command = command "\n" $0
		more = /\\$/
		exits()
		next
	}
	command != "" && /^# exits/ { exits() }
	{ flush() }
	/^\$ / {
		command = substr($0, 3)
		more = /\\$/
		document = /<<.END.$/
		exits()
	}
	END { flush() }'
}

# phones N: so many phones ask a server, by their own keys, and wait.
phones() {
	trust-add capf "$FIX/root.pem"
	seq -f 'SEP%012.0f' "$1" | phone-add -f -
	phone-set --operation install --auth null all
	start
	phone-sim --server "$PORT" --keys "$FIX/key" --timeout 90s --fleet "$1" --pattern 'SEP%012d' >fleet 2>&1 3>&- &
	PHONES=$!
	echo $PHONES >>pids
	until_true has csr "$1"
}
