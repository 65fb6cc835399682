# SPDX-License-Identifier: ISC
# Manual pages: there, clean, in step with the programs, and the commands that they show run.
load ../helper
load ../serving
load ../online_cmp
load ../pages
setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
}

# another_site: b.tgz, the requests of two phones of a site that has its own CAPF, whose certificate is B.cer.
another_site() {
	local CAPF_SPOOL=$PWD/b SPOOL=$PWD/b
	export CAPF_SPOOL
	capf-init
	phones 2
	stop
	cp b/ca/CAPF.cer B.cer
	csr-dump --manifest -o b.tgz 2>said
}

# installed_one: a phone that none of the others is has stored its certificate.
installed_one() {
	make_csr SEP000000000020
	csr-add SEP000000000020.csr
	sign_openssl SEP000000000020.csr SEP000000000020.der
	cert-import SEP000000000020.der
	mv "$CAPF_SPOOL"/lsc/SEP000000000020* "$CAPF_SPOOL/installed"
}

# What an example may use: a spool of its own that trusts the lab CA, where the requests of ten phones wait that came
# through a server, and one phone has its certificate, the CA, both archives, requests that signed themselves; and the CA on the network `office`, which takes
# what CAPF vouches for. `ssh HOST command` runs the command here.
prepare() {
	phones 10
	stop
	installed_one
	cp "$FIX/root.pem" ca.pem
	cp "$FIX/root.key" ca.key
	cp "$CAPF_SPOOL/ca/CAPF.cer" CAPF.cer
	csr-dump --manifest -o requests.tgz 2>said
	csr-sign -c ca.pem -k ca.key --ra CAPF.cer -o certificates.tgz requests.tgz
	cp "$FIX/csr.tgz" elsewhere.tgz
	another_site
	make_csr SEP000000000011 ec256
	mv SEP000000000011.csr phone.csr
	sign_openssl phone.csr phone.der
	openssl x509 -in phone.der -out phone.pem
	cp "$FIX/key/rsa10.pem" agent.key
	openssl req -new -key agent.key -subj /CN=Agent -out agent.csr
	sign_openssl agent.csr agent.pem root -extfile <(echo 'extendedKeyUsage = 1.3.6.1.4.1.311.20.2.1')
	online_cmp office
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

# online_fields: those of a CA on the network, with their defaults, as the program has them.
online_fields() {
	sed -nE 's/^\t\{"([a-z-]+)", "([^"]*)", .*/\1 \2/p' "$ROOT/src/online/online_settings.c"
}

@test "capf.conf(5) has every field of a CA on the network, with its default, and so has completion" {
	local field initial text bad=
	page "$ROOT/man/capf.conf.5" | section 'CAs on the network' >online
	bash -c '. "$1" && printf "%s\n" $_capf_fields' - "$OBJ/completion/capf.bash" >offered
	[ "$(online_fields | wc -l)" -ge 29 ] || fail "$(online_fields)"
	while read -r field initial; do
		text=$(awk -v f="$field" '/^     [^ ]/ { on = (" " $0 " ") ~ "[ ,]" f "[ ,]" } on' online)
		[ -n "$text" ] || bad+="$field: not in the page"$'\n'
		[ -z "$initial" ] || [[ $text == *"default is $initial."* || $text == *"default is $initial,"* || \
		    $text == *"$initial, which is the default"* ]] || bad+="$field: another default than $initial"$'\n'
		grep -q "^$field=" offered || bad+="$field: not completed"$'\n'
	done < <(online_fields)
	[ -z "$bad" ] || fail "$bad"
}

@test "the CAs on the network that capf.conf(5) shows are understood, each" {
	local conf n=0
	mkdir etc
	cp "$FIX/root.pem" etc/ca.pem
	cp "$FIX/root.key" etc/ca.key
	echo secret >etc/secret
	page "$ROOT/man/capf.conf.5" | section EXAMPLES | sed -n 's/^ *ca\.office\./ca.office./p' >all
	csplit -sz -f block all '/type = /' '{*}'
	for conf in block*; do
		cp "$FIX/spool/capf.conf" "$SPOOL/capf.conf"
		sed -E "s#(agent|ra-certificate|ca-file|issuer-file) = .*#\1 = $PWD/etc/ca.pem#
		    s#(agent-key|ra-key) = .*#\1 = $PWD/etc/ca.key#; s#(password-file|secret-file) = .*#\1 = $PWD/etc/secret#
		    s#ca\.example\.com(:[0-9]+)?#127.0.0.1:1#" "$conf" >>"$SPOOL/capf.conf"
		run --separate-stderr csr-submit --test
		# All is there but the CA, or a certificate for an agent.
		[[ $stderr == *"Failed to connect to 127.0.0.1 port 1 "* || $stderr == *"is no enrolment agent's"* ]] ||
		    fail "$(cat "$conf")" "$(show_run)"
		n=$((n + 1))
	done
	assert_equal $n 5
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
		right=$("$BIN/$name" -h | sed '/^$/,$d' | options)
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
	cp -a spool ca.pem ca.key CAPF.cer B.cer b.tgz requests.tgz certificates.tgz elsewhere.tgz phone.csr phone.der phone.pem agent.* template
	for page in $(pages); do
		name=${page##*/}
		name=${name%.1}
		dir=$BATS_TEST_TMPDIR/$name
		cp -a template "$dir"
		page "$page" | section EXAMPLES | commands >"$dir.sh"
		[ -s "$dir.sh" ] || bad+="$name: no example"$'\n'
		(cd "$dir" && CAPF_SPOOL=$dir/spool timeout -k 5 120 bash -o pipefail "$dir.sh" </dev/null) \
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

# stored: every phone has stored its certificate, and ended well.
stored() {
	wait $PHONES || fail "not all phones ended well" "$(cat fleet log)"
	assert_equal "$(count installed)" 10
}
# another DEVICE: its request, which was made elsewhere, waits.
another() {
	make_csr "$1"
	csr-add "$1.csr"
}

# runs N [M] <text: the Nth command that it shows, or up to the Mth.
runs() {
	commands "$@" >script
	[ -s script ] || fail "no command $*"
	bash -o pipefail script >said 2>&1 || fail "$(cat said)"
}

@test "the overview's commands run, one after the other, while phones wait" {
	PATH=$TESTDIR/data/bin:$PATH
	page "$ROOT/man/capf.7" | section 'The loop' >overview
	cp "$FIX/root.pem" ca.pem
	cp "$FIX/root.key" ca.key
	rm -r "$SPOOL"
	runs 1 2 <overview
	cp "$SPOOL/ca/CAPF.cer" .
	phones 10
	mkdir requests
	make_csr SEP0000000000A1
	mv SEP0000000000A1.csr requests
	runs 3 7 <overview
	stored
	another SEP0000000000A2
	runs 8 <overview
	another SEP0000000000A3
	runs 9 10 <overview
	[ -s november.tgz ]
	runs 11 20 <overview
}

@test "the overview's commands for a CA on the network run" {
	phones 10
	stop
	rm "$SPOOL"/trust/capf/*
	online_cmp office
	page "$ROOT/man/capf.7" | section 'CAs on the network' | timeout 120 bash -c "$(declare -f commands runs fail); runs"
	assert_equal "$(lsc-list | wc -l)" 10
	assert_equal "$(csr-submit --status | cut -f 1-5)" $'office\t0\t10\t0\t0'
}

@test "README: the pipeline runs while phones wait, and is the only one" {
	PATH=$TESTDIR/data/bin:$PATH
	phones 10
	cp "$FIX/root.pem" ca.pem
	cp "$FIX/root.key" ca.key
	cp "$SPOOL/ca/CAPF.cer" .
	grep -E '^    [a-z]+-[a-z]+ .*\|' "$ROOT/README.md" >pipelines
	assert_equal "$(wc -l <pipelines)" 1
	run --separate-stderr bash -o pipefail pipelines
	assert_status 0
	stored
}

@test "no pipeline of our programs stands in a page without the sign by which it is run" {
	local page bad=
	for page in "$ROOT"/man/*; do
		bad+=$(page "$page" | grep -E '^ +[a-z]+-[a-z]+ [^[]*\|' | sed "s!^!${page##*/}: !")
	done
	[ -z "$bad" ] || fail "$bad"
}
