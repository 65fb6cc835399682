# SPDX-License-Identifier: ISC
# Rules for the tests themselves: what Bats would not notice must not be written.
load ../helper

# check_lists FILE...: a line for each list "A && B", and each "! A", whose failure ends no test: Bats goes on
# when anything but the last part of a list fails. The last command of a function is judged by its caller, and
# one with "||" has said what to do. What is in quotes, in parentheses, in a here-document or behind a # is no
# list of the test.
check_lists() {
	awk '
	# The line without what is quoted or in parentheses; both may go on in the next line.
	function bare(text,    out, i, c, before) {
		before = " "
		for (i = 1; i <= length(text); i++) {
			c = substr(text, i, 1)
			if (quote == "" && c == "#" && before ~ /[[:space:]]/)
				break
			if (c == "\\" && quote != "\x27")
				i++
			else if (quote != "")
				quote = c == quote ? "" : quote
			else if (c == "\x27" || c == "\"")
				quote = c
			else if (c == "(")
				depth++
			else if (c == ")")
				depth -= depth > 0
			else if (depth == 0)
				out = out c
			before = c
		}
		return out
	}
	function judge(next_line) {
		if (list != "" && next_line !~ /^}/)
			print list
		list = ""
	}
	FNR == 1 {
		judge("}")
		quote = document = whole = ""
		depth = 0
	}
	document != "" {
		line = $0
		sub(/^\t+/, "", line)
		if (line == document)
			document = ""
		next
	}
	{
		if (whole == "")
			from = FNR
		if (quote == "" && match($0, /<<-?[\x27"]?[A-Z]+/)) {
			document = substr($0, RSTART, RLENGTH)
			gsub(/[^A-Z]/, "", document)
		}
		goes_on = $0 ~ /\\$/
		whole = whole bare($0)
		if (quote != "" || depth > 0 || goes_on || whole ~ /(&&|\|\||\|)[[:space:]]*$/)
			next
		sub(/^[[:space:]]+/, "", whole)
		if (whole == "")
			next
		judge($0)
		if (whole !~ /\|\|/ && whole !~ /^(if|elif|while|until) / && whole !~ /; *}$/ &&
		    (whole ~ /&&/ || whole ~ /^! /))
			list = FILENAME ":" from ": " whole
		whole = ""
	}
	END { judge("}") }' "$@"
}

@test "no test ignores a failure in the middle of a list" {
	run check_lists "$TESTDIR"/*/*.bats "$TESTDIR"/*.bash
	assert_status 0
	assert_output ""
}

@test "a list that ignores a failure is found, wherever it stands, and no other is" {
	cat >bad.bats <<-'EOT'
	first() {
		[ -e one ] && [ -e two ]
		[ -e three ]
		! grep -q one two
		(cd here && ls)
		run bash -c 'a && b'
		grep -q "a && b" \
		    file && grep -q c file	# behind it
		if [ -e one ] && [ -e two ]; then
			ls one && ls two
		fi
		[ -e one ] && [ -e two ] || fail "none"
		awk '/a/ && /b/ {
			x = 1 && 2
		}' file
		python3 - <<-'PY'
		a && b
		PY
		last() { ls && ls; }
		x=$(cd a && ls)
		[ -e one ] && [ -e two ]
	}
	it() {
		for i in 1 2; do
			[ $i = 1 ] && [ $i = 2 ]
		done
		! [ -e one ]
	}
	EOT
	run check_lists bad.bats
	assert_equal "$(cut -d: -f2 <<<"$output" | xargs)" "2 4 7 10 25"
	# An attempt on a real file.
	sed '0,/^	has installed 1$/s//	has installed 1 \&\& has lsc 0/' "$TESTDIR/cmd/serve.bats" >serve.bats
	run check_lists serve.bats
	assert_line_count 1
	assert_output_has "has installed 1 && has lsc 0"
}
