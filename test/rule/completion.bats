# SPDX-License-Identifier: ISC
# Completion for bash, zsh and fish, which make-completion makes of what the programs say of their options. Bash is always
# there; what zsh and fish offer is tested where they are installed, and what is in their files everywhere.
load ../helper

COMPLETION=$OBJ/completion

setup() {
	setup_each
	export CAPF_SPOOL=$SPOOL
}

programs() {
	make -s -C "$ROOT" links | cut -d' ' -f1
}

# lacks SHELL: it is not here. The test that would press its Tab is none then; to skip it would be a failure in CI, which
# has no need of every shell.
lacks() {
	! command -v "$1" >/dev/null || return 1
	echo "# $1 is not installed: what it offers was not tried" >&3
}

# in_bash LINE: what bash offers for the last word of it. As bash does, it takes = and : for words of their own.
in_bash() {
	bash -c '. "$2/capf.bash"
		read -ra COMP_WORDS <<<"$(sed "s/[=:]/ & /g" <<<"$1")"
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_capf "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" ""
		printf "%s\n" "${COMPREPLY[*]}"' - "$1" "$COMPLETION"
}

# in_fish LINE: the same for fish, sorted, without the descriptions.
in_fish() {
	HOME=$PWD fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$COMPLETION/capf.fish" "$1" | cut -f 1 | sort | xargs
}

# pressed SHELL FILE LINE: the line, and what an interactive shell shows at Tab.
pressed() {
	timeout 120 python3 "$ROOT/test/data/press-tab.py" "$1" "$2" "$3" >shown
	sed -i 's/  *$//' shown
}

# shows WORD...: each is offered, a line or a column that begins with it.
shows() {
	local word
	for word; do
		sed '1d; /^READY> /d; /^line:/d' shown | grep -qE "(^|  )$word(  |\$)" || fail "$word is not shown" "$(cat shown)"
	done
}

# becomes LINE: what stands on the command line.
becomes() {
	grep -qxF "line:$1|" shown || fail "wanted: $1" "$(cat shown)"
}

# names: two requests wait, two phones are known, and two CAs and a template are in capf.conf.
names() {
	csr-add "$FIX"/csr/SEP00000000000{1,2}.csr >/dev/null
	phone-add --any-name SEP1 SEP2
	printf '%s\n' 'ca.office.type = est' 'ca.office.url = https://ca.example.com' 'ca.lab.type = cmp' \
	    'template.desk.rsa = 3072' >>"$SPOOL/capf.conf"
	trust-add capf "$FIX/root.pem" 2>/dev/null
}

@test "every option of every program is in the file of each shell, with its words" {
	local program letter name kind words bad=
	for program in $(programs); do
		in_bash "$program -" | tr ' ' '\n' >offered
		sed -n "/^	($program)\$/,/;;\$/p" "$COMPLETION/_capf" >zsh
		grep "^complete -c $program " "$COMPLETION/capf.fish" >fish
		while IFS=$'\t' read -r letter name kind _ words _; do
			grep -qx -e "--$name" offered || bad+="bash: $program --$name"$'\n'
			grep -qE -e "--$name(=|\\[|\\})" zsh || bad+="zsh: $program --$name"$'\n'
			grep -q -e " -l $name " fish || bad+="fish: $program --$name"$'\n'
			if [ "$letter" != - ]; then
				grep -qx -e "-$letter" offered || bad+="bash: $program -$letter"$'\n'
				grep -q -e "{-$letter[+,]" zsh || bad+="zsh: $program -$letter"$'\n'
				grep -q -e " -s $letter -l $name " fish || bad+="fish: $program -$letter"$'\n'
			fi
			[ "$words" != - ] || continue
			words=${words//,/ }
			[ "$(in_bash "$program --$name ")" = "$words" ] || bad+="bash: $program --$name $words"$'\n'
			grep -F -e "--$name=" zsh | grep -qF "(${words//:/\\:})" || bad+="zsh: $program --$name $words"$'\n'
			grep -q -e " -l $name -x -a '$words' " fish || bad+="fish: $program --$name $words"$'\n'
		done < <("$BIN/$program" --list-options)
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "every command of capf is in the file of each shell, and every program completes" {
	local words runs name
	while IFS=$'\t' read -r words runs _; do
		grep -qxF "$words|$runs" "$COMPLETION/capf.bash" || fail "bash: $words"
		grep -qF "'$words|$runs|" "$COMPLETION/_capf" || fail "zsh: $words"
		grep -qF "'$words|$runs|" "$COMPLETION/capf.fish" || fail "fish: $words"
	done < <(capf --list-commands)
	for name in $(programs) capf; do
		bash -c '. "$1/capf.bash" && complete -p "$2"' - "$COMPLETION" "$name"
		grep -qE "^#compdef( .*)? $name( |\$)" "$COMPLETION/_capf" || fail "zsh: $name"
		grep -q "^complete -c $name " "$COMPLETION/capf.fish" || fail "fish: $name"
	done
}

@test "the files are what make-completion makes, and a shell can read them" {
	local shell file
	for shell in bash:capf.bash zsh:_capf fish:capf.fish; do
		file=$COMPLETION/${shell#*:}
		shell=${shell%:*}
		# shellcheck disable=SC2046
		"$ROOT/share/completion/make-completion" "$shell" "$BIN" "$ROOT/src/online/online_settings.c" $(programs) >made
		cmp "$file" made
		if command -v "$shell" >/dev/null; then
			HOME=$PWD "$shell" -n "$file"
		fi
	done
	bash -n "$COMPLETION/capf.bash"
}

@test "make-completion: a program that does not answer, or a table that is not there, is a failure, not a shorter file" {
	local make=$ROOT/share/completion/make-completion table=$ROOT/src/online/online_settings.c
	mkdir place
	cp "$BIN/csr-list" "$BIN/capf" "$BIN/csr-count" place
	printf '%s\n' '#!/bin/sh' 'exit 1' >place/broken
	chmod +x place/broken
	"$make" bash place "$table" csr-list >made
	[ -s made ]
	run --separate-stderr "$make" bash place "$table" csr-list broken
	[ "$status" -ne 0 ]
	assert_equal "$output" ""
	run --separate-stderr "$make" bash "$BIN" nosuch csr-list
	[ "$status" -ne 0 ]
	assert_equal "$output" ""
	run --separate-stderr "$make" ksh "$BIN" "$table" csr-list
	assert_status 100
	assert_one_line "make-completion: ksh: "
}

@test "bash: words of capf, options, their values, and the names in the spool" {
	names
	assert_equal "$(in_bash 'capf ')" "$(capf --list-commands | cut -f 1 | cut -d' ' -f 1 | awk '!seen[$0]++' | xargs)"
	assert_equal "$(in_bash 'capf -')" '-s --spool -h --help -V --version'
	assert_equal "$(in_bash 'capf csr d')" 'dump delete'
	assert_equal "$(in_bash 'capf utils capf set ')" keepalive
	assert_equal "$(in_bash 'capf help csr d')" 'dump delete'
	assert_equal "$(in_bash 'capf csr dump --si')" '--since'
	assert_equal "$(in_bash 'capf sim --dev')" '--device'
	assert_equal "$(in_bash 'phone-set --operation ')" 'none install delete troubleshoot'
	assert_equal "$(in_bash 'phone-set --operation=i')" install
	assert_equal "$(in_bash 'phone-set --rsa ')" '2048 3072 4096'
	assert_equal "$(in_bash 'csr-sign -D ')" 'SHA256 SHA384 SHA512'
	assert_equal "$(in_bash 'csr-sign -mD ')" 'SHA256 SHA384 SHA512'
	assert_equal "$(in_bash 'csr-dump --format ')" 'pem der cmc cmc-der spki'
	assert_equal "$(in_bash 'capf csr dump -m --shape a')" agent
	assert_equal "$(in_bash 'ca-init -t rsa:2')" 2048
	assert_equal "$(in_bash 'ca-init --type=ec:')" '256 384 521'
	assert_equal "$(in_bash 'csr-delete SEP')" 'SEP000000000001 SEP000000000002'
	assert_equal "$(in_bash 'csr-delete ')" 'all SEP000000000001 SEP000000000002'
	assert_equal "$(in_bash 'phone-set --auth null S')" 'SEP1 SEP2'
	assert_equal "$(in_bash 'phone-sim --device ')" 'SEP1 SEP2'
	assert_equal "$(in_bash 'phone-add -t ')" desk
	assert_equal "$(in_bash 'csr-submit -c ')" 'lab office'
	assert_equal "$(in_bash 'capf csr submit --ca o')" office
	assert_equal "$(in_bash 'capf-enroll -O type=c')" 'cmp certsrv'
	assert_equal "$(in_bash 'capf-enroll --option=shape=')" 'none agent behalf'
	assert_equal "$(in_bash 'capf-enroll -O ur')" 'url='
	assert_equal "$(in_bash 'stale-lsc ')" 'list view delete'
	assert_equal "$(in_bash 'stale-lsc delete ')" all
	assert_equal "$(in_bash 'capf stale-lsc delete ')" all
	assert_equal "$(in_bash 'trust-add ca')" 'capf callmanager'
	assert_equal "$(in_bash 'trust-add -D text ca')" 'capf callmanager'
	assert_equal "$(in_bash 'trust-del capf ')" "$(trust-list | cut -f 6)"
	# Files are readline's; nothing of ours is offered beside them.
	assert_equal "$(in_bash 'trust-add capf ')" ''
	assert_equal "$(in_bash 'csr-dump -o ')" ''
	assert_equal "$(in_bash 'csr-dump -- --')" ''
	assert_equal "$(in_bash 'capf make up -')" ''
	mkdir place
	assert_equal "$(in_bash 'csr-count -s pl')" place
}

@test "bash: the spool is the one that the line names" {
	names
	export CAPF_SPOOL=/nowhere
	for line in "capf -s $SPOOL csr delete SEP" "capf csr delete -s $SPOOL SEP" "csr-delete -s $SPOOL SEP" "csr-delete -s$SPOOL SEP" \
	    "csr-delete --spool=$SPOOL SEP" "csr-delete --spool $SPOOL -n SEP"; do
		assert_equal "$(in_bash "$line")" 'SEP000000000001 SEP000000000002'
	done
	assert_equal "$(in_bash 'csr-delete SEP')" ''
	assert_equal "$(HOME=$PWD in_bash 'csr-delete -s ~/spool SEP')" 'SEP000000000001 SEP000000000002'
}

@test "bash, as a person uses it: Tab" {
	names
	touch answer.tgz
	pressed bash "$COMPLETION/capf.bash" 'capf csr d'
	shows delete dump
	pressed bash "$COMPLETION/capf.bash" 'phone-set --operation=i'
	becomes 'phone-set --operation=install '
	pressed bash "$COMPLETION/capf.bash" 'ca-init -t rsa:20'
	becomes 'ca-init -t rsa:2048 '
	pressed bash "$COMPLETION/capf.bash" 'csr-submit -O ca-fi'
	becomes 'csr-submit -O ca-file='
	pressed bash "$COMPLETION/capf.bash" 'csr-submit -O ca-file=ans'
	becomes 'csr-submit -O ca-file=answer.tgz '
	pressed bash "$COMPLETION/capf.bash" 'cert-import ans'
	becomes 'cert-import answer.tgz '
	pressed bash "$COMPLETION/capf.bash" 'phone-list ans'
	becomes 'phone-list ans'
}

@test "zsh: Tab" {
	! lacks zsh || return 0
	names
	touch answer.tgz
	pressed zsh "$COMPLETION/_capf" 'capf '
	shows csr stale-lsc enroll
	pressed zsh "$COMPLETION/_capf" 'capf csr '
	shows add count list dump delete sign submit
	pressed zsh "$COMPLETION/_capf" 'phone-set --operation '
	shows none install delete troubleshoot
	pressed zsh "$COMPLETION/_capf" 'capf phone set --operation=i'
	becomes 'capf phone set --operation=install '
	pressed zsh "$COMPLETION/_capf" 'csr-sign --'
	shows --cert --no-eku --require-sandbox
	pressed zsh "$COMPLETION/_capf" 'capf sim --d'
	shows --delay --device --drop
	pressed zsh "$COMPLETION/_capf" 'ca-init -t rsa:'
	shows rsa:2048 rsa:3072
	pressed zsh "$COMPLETION/_capf" 'csr-delete '
	shows all SEP000000000001 SEP000000000002
	CAPF_SPOOL=/nowhere pressed zsh "$COMPLETION/_capf" "capf -s $SPOOL phone set "
	shows SEP1 SEP2
	CAPF_SPOOL=/nowhere pressed zsh "$COMPLETION/_capf" "phone-set -s $SPOOL "
	shows SEP1 SEP2
	ln -s "$SPOOL" press-tab.d/spool
	CAPF_SPOOL=/nowhere pressed zsh "$COMPLETION/_capf" 'phone-set -s ~/spool '
	shows SEP1 SEP2
	pressed zsh "$COMPLETION/_capf" 'csr-submit -c '
	shows lab office
	pressed zsh "$COMPLETION/_capf" 'capf-enroll -O type=c'
	shows type=cmp type=certsrv
	pressed zsh "$COMPLETION/_capf" 'capf stale-lsc delete '
	becomes 'capf stale-lsc delete all '
	pressed zsh "$COMPLETION/_capf" 'trust-add ca'
	shows capf callmanager
	pressed zsh "$COMPLETION/_capf" 'cert-import ans'
	becomes 'cert-import answer.tgz '
}

@test "fish: Tab" {
	! lacks fish || return 0
	names
	touch answer.tgz
	assert_equal "$(in_fish 'capf ')" "$(capf --list-commands | cut -f 1 | cut -d' ' -f 1 | sort -u | xargs)"
	assert_equal "$(in_fish 'capf csr d')" 'delete dump'
	assert_equal "$(in_fish 'phone-set --operation ')" 'delete install none troubleshoot'
	assert_equal "$(in_fish 'phone-set --operation=i')" '--operation=install'
	assert_equal "$(in_fish 'capf sim --d')" '--delay --device --drop'
	assert_equal "$(in_fish 'ca-init -t rsa:2')" rsa:2048
	assert_equal "$(in_fish 'csr-delete S')" 'SEP000000000001 SEP000000000002'
	assert_equal "$(CAPF_SPOOL=/nowhere in_fish "capf -s $SPOOL phone set S")" 'SEP1 SEP2'
	assert_equal "$(CAPF_SPOOL=/nowhere in_fish "phone-set --spool=$SPOOL S")" 'SEP1 SEP2'
	assert_equal "$(CAPF_SPOOL=/nowhere in_fish 'phone-set -s ~/spool S')" 'SEP1 SEP2'
	assert_equal "$(in_fish 'capf csr submit --ca o')" office
	assert_equal "$(in_fish 'capf-enroll -O type=c')" 'type=certsrv type=cmp'
	assert_equal "$(in_fish 'capf stale-lsc delete ')" all
	assert_equal "$(in_fish 'trust-add -D text ca')" 'callmanager capf'
	assert_equal "$(in_fish 'trust-add capf ans')" answer.tgz
	assert_equal "$(in_fish 'csr-dump -o ans')" answer.tgz
	assert_equal "$(in_fish 'phone-list ans')" ''
}

@test "names in the spool: nothing where there is no spool, and no kind that is not known runs anything" {
	names
	assert_equal "$(capf --list-names PENDING | xargs)" 'SEP000000000001 SEP000000000002'
	for kind in DEVICE PENDING INSTALLED STALE FINGERPRINT CA TEMPLATE; do
		run --separate-stderr capf -s /nowhere --list-names $kind
		assert_silent
	done
	run --separate-stderr capf --list-names 'x; touch y'
	assert_silent
	run --separate-stderr capf --list-names
	assert_silent
}
