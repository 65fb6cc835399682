# SPDX-License-Identifier: ISC
# make install and uninstall, with PREFIX and DESTDIR.
load ../helper

make_here() {
	make -s -C "$ROOT" O="$OBJ" BIN="$BIN" -o all DESTDIR="$PWD/dest" PREFIX=/opt/capfkit "$@"
}

@test "install puts every program, page and example under DESTDIR and PREFIX" {
	local name
	make_here install
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1) capf; do
		[ -x "dest/opt/capfkit/bin/$name" ] || fail "$name is not installed"
		[ "$(stat -c %a "dest/opt/capfkit/bin/$name")" = 755 ]
	done
	for name in "$ROOT"/man/*.[157]; do
		name=${name##*/}
		[ -f "dest/opt/capfkit/share/man/man${name##*.}/$name" ] || fail "$name is not installed"
	done
	for name in "$ROOT"/examples/*; do
		name=dest/opt/capfkit/share/doc/capfkit/examples/${name##*/}
		[[ $name == *.md || -x $name ]] && [ -e "$name" ] || fail "$name is not installed"
	done
	diff -r "$ROOT/examples/asterisk" dest/opt/capfkit/share/doc/capfkit/examples/asterisk
	for name in completion/capf.bash cron/capfkit systemd/capf-{enroll,serve}.service; do
		name=dest/opt/capfkit/share/capfkit/$name
		assert_equal "$(stat -c %a "$name")" 644
		grep -q /opt/capfkit/ "$name" || fail "$name does not know where we are"
		refute grep -q /usr/local "$name"
	done
	for name in systemd/capf-serve.socket logrotate/capfkit; do
		assert_equal "$(stat -c %a "dest/opt/capfkit/share/capfkit/$name")" 644
	done
	assert_equal "$(ls dest dest/opt)" $'dest:\nopt\n\ndest/opt:\ncapfkit'
}

@test "an installed program runs" {
	make_here install
	run --separate-stderr dest/opt/capfkit/bin/csr-count -V
	assert_status 0
	assert_output_has "$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")"
}

@test "uninstall takes away what install brought, and nothing else" {
	mkdir -p dest/opt/capfkit/bin dest/opt/capfkit/share/man/man1
	touch dest/opt/capfkit/bin/other dest/opt/capfkit/share/man/man1/other.1
	make_here install
	make_here uninstall
	run bash -o pipefail -c 'find dest -type f | sort'
	assert_output "$(printf '%s\n' dest/opt/capfkit/bin/other \
	    dest/opt/capfkit/share/man/man1/other.1)"
}

# The commands of the cron file, a line each, for a spool and directories of this test.
jobs_here() {
	sed -n "s/^[^#A-Z]*  capf  //p" dest/opt/capfkit/share/capfkit/cron/capfkit |
	    sed "s| /srv| $PWD/srv|; s|/opt/capfkit|$PWD/dest&|"
}

@test "the jobs of the cron file run: out with the night's dump, in with the drop, and a check" {
	local job
	make_here install
	assert_equal "$(jobs_here | wc -l)" 3
	refute grep -q '^[^#].*%' dest/opt/capfkit/share/capfkit/cron/capfkit
	trust_lab
	csr-add -s "$SPOOL" "$FIX"/csr/*.csr >/dev/null
	mkdir -p srv/from-ca/incoming
	cp "$FIX/der.tgz" srv/from-ca/incoming
	while read -r job; do
		run --separate-stderr env -i PATH="$PWD/dest/opt/capfkit/bin:/usr/bin:/bin" DROP_QUIET=0 \
		    CAPF_SPOOL="$SPOOL" /bin/sh -c "$job"
		assert_status 0
		[ -z "$stderr" ] || fail "$job" "$(show_run)"
	done < <(jobs_here)
	assert_equal "$(tar tzf srv/to-ca/requests-*.tgz | wc -l)" 12
	[ -e srv/from-ca/accepted/der.tgz ]
	assert_equal "$(csr-count -s "$SPOOL")" 0
}

# complete LINE: what bash offers for the last word of it.
complete_here() {
	bash -c '. dest/opt/capfkit/share/capfkit/completion/capf.bash
		read -ra COMP_WORDS <<<"$1"
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_capf "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" ""
		echo "${COMPREPLY[@]}"' - "$1"
}

@test "completion knows every program, its options, and the names in the spool" {
	local name option
	export CAPF_SPOOL=$SPOOL
	make_here install
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1) capf; do
		run bash -c '. dest/opt/capfkit/share/capfkit/completion/capf.bash && complete -p "$1"' - "$name"
		assert_status 0
		[ "$name" != capf ] || continue
		for option in $(complete_here "$name -"); do
			# A server with one good option runs for ever.
			run --separate-stderr timeout 2 "$name" "$option"
			[[ $stderr != *"invalid option"* && $stderr != *unrecognized* ]] || fail "$name $option"
		done
		[ -n "$option" ] || fail "$name: no options"
		option=
	done
	csr-add "$FIX"/csr/SEP00000000000{1,2}.csr >/dev/null
	assert_equal "$(complete_here 'capf ')" 'init ca trust phone csr cert lsc stale-lsc ctl spool enroll probe set -h -s -V'
	assert_equal "$(complete_here 'capf csr d')" 'dump delete'
	assert_equal "$(complete_here 'capf csr dump --si')" '--since'
	assert_equal "$(complete_here 'csr-delete SEP')" 'SEP000000000001 SEP000000000002'
	assert_equal "$(complete_here 'csr-dump -o ')" "$(complete_here 'csr-dump ')"
	assert_equal "$(complete_here 'csr-dump --format ')" 'pem der cmc cmc-der spki'
	assert_equal "$(complete_here 'capf csr dump -m --shape a')" 'agent'
	assert_equal "$(CAPF_SPOOL=/nowhere complete_here "capf -s $SPOOL csr delete SEP")" \
	    'SEP000000000001 SEP000000000002'
	assert_equal "$(CAPF_SPOOL=/nowhere complete_here "csr-delete -s $SPOOL SEP")" \
	    'SEP000000000001 SEP000000000002'
	assert_equal "$(complete_here 'trust-add ca')" 'capf callmanager'
	printf '%s\n' 'ca.office.type = est' 'ca.office.url = https://ca.example.com' 'ca.lab.type = cmp' >>"$SPOOL/capf.conf"
	assert_equal "$(complete_here 'csr-submit -c ')" 'lab office'
	assert_equal "$(complete_here 'capf csr submit --ca o')" office
	assert_equal "$(complete_here 'capf-enroll -O type=c')" 'type=cmp type=certsrv'
	assert_equal "$(complete_here 'stale-lsc delete ')" all
	assert_equal "$(complete_here 'capf make up -')" ''
}
