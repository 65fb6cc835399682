# SPDX-License-Identifier: ISC
# Manual pages: there, clean, in step with the programs, and the commands that they show run.
load ../helper
load ../serving
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
}

# The page as plain text, without line breaks of its own.
page() {
	mandoc -T ascii -O width=500 "$1" | sed 's/.\x08//g'
}

# section NAME <text: the lines of a section.
section() {
	awk -v name="$1" '/^[A-Z]/ { on = $0 == name; next } on'
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

# What an example may use: a spool of its own that trusts the lab CA, where the requests of ten phones wait that came
# through a server, the CA, both archives, requests that signed themselves. `ssh HOST command` runs the command here.
prepare() {
	phones 10
	stop
	cp "$FIX/root.pem" ca.pem
	cp "$FIX/root.key" ca.key
	cp "$CAPF_SPOOL/ca/CAPF.cer" CAPF.cer
	csr-dump --manifest -o requests.tgz 2>said
	csr-sign -c ca.pem -k ca.key --ra CAPF.cer -o certificates.tgz requests.tgz
	cp "$FIX/csr.tgz" elsewhere.tgz
	make_csr SEP000000000011 ec256
	mv SEP000000000011.csr phone.csr
	sign_openssl phone.csr phone.der
	openssl x509 -in phone.der -out phone.pem
}

# The commands in a page's EXAMPLES as one script. A command is a line "$ ..." with the lines that
# continue it: after a backslash, or "> ...". It must exit 0, or N when "# exits N" stands behind it
# or on the next line.
examples() {
	page "$1" | section EXAMPLES | awk '
	function flush() {
		if (command != "")
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
		exits()
	}
	END { flush() }'
}

pages() {
	echo "$ROOT"/man/*.1
}

@test "every program has a page, and every page a program" {
	local name
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1) capf; do
		[ -f "$ROOT/man/$name.1" ] || fail "$name: no page"
	done
	for name in $(pages); do
		name=${name##*/}
		[ -x "$BIN/${name%.1}" ] || fail "$name: no program"
	done
}

@test "every page is clean by mandoc" {
	local page bad=
	for page in "$ROOT"/man/*.[157]; do
		# From warnings up: mandoc calls it bad style that our pages are not installed here.
		bad+=$(mandoc -T lint -W warning "$page" 2>&1 || true)
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "every page is clean by groff: it fits 80 columns, but for commands that are too long" {
	local page bad=
	for page in "$ROOT"/man/*.[157]; do
		bad+=$(groff -ww -mandoc -Tutf8 "$page" 2>&1 >/dev/null)
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "no page shows a macro as text" {
	local page bad=
	for page in "$ROOT"/man/*.[157]; do
		bad+=$(mandoc -T ascii -O width=500 "$page" | sed 's/.\x08//g' |
		    grep -E '(^| )\.(Ar|Cm|Ev|Fl|Ic|Nm|No|Op|Pa|Pp|Sq|Sx|Sy|Xr)( |$)' | sed "s|^|${page##*/}: |")
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "every page has the sections that a user looks for" {
	local page name bad=
	for page in $(pages); do
		for name in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
			grep -qxE "\.Sh \"?$name\"?" "$page" || bad+="${page##*/}: no $name"$'\n'
		done
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "synopsis and usage name the same options" {
	local page name bad= left right
	for page in $(pages); do
		name=${page##*/}
		name=${name%.1}
		left=$(page "$page" | section SYNOPSIS | options)
		right=$("$BIN/$name" -h | options)
		[ "$left" = "$right" ] ||
		    bad+="$name: $(diff <(echo "$left") <(echo "$right") | grep '^[<>]' | xargs -0)"
	done
	[ -z "$bad" ] || fail "< is the page, > the usage text" "$bad"
}

@test "every example in every page runs" {
	local page name bad= dir
	export PATH=$TESTDIR/data/bin:$PATH
	prepare
	mkdir template
	cp -a spool ca.pem ca.key CAPF.cer requests.tgz certificates.tgz elsewhere.tgz phone.csr phone.der phone.pem template
	for page in $(pages); do
		name=${page##*/}
		name=${name%.1}
		dir=$BATS_TEST_TMPDIR/$name
		cp -a template "$dir"
		examples "$page" >"$dir.sh"
		[ -s "$dir.sh" ] || bad+="$name: no example"$'\n'
		(cd "$dir" && CAPF_SPOOL=$dir/spool bash -o pipefail "$dir.sh" </dev/null) \
		    >"$dir.log" 2>&1 || bad+="$name: $(cat "$dir.log")"$'\n'
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "the overview names every program" {
	local name
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1); do
		grep -q "$name" "$ROOT/man/capf.7" || fail "$name: not in capf(7)"
	done
}
