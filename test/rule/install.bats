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
	for name in cron/capfkit systemd/capf-{enroll,serve}.service; do
		name=dest/opt/capfkit/share/capfkit/$name
		assert_equal "$(stat -c %a "$name")" 644
		grep -q /opt/capfkit/ "$name" || fail "$name does not know where we are"
		refute grep -q /usr/local "$name"
	done
	for name in bash-completion/completions/capf fish/vendor_completions.d/capf.fish zsh/site-functions/_capf; do
		assert_equal "$(stat -c %a "dest/opt/capfkit/share/$name")" 644
	done
	# Bash and fish look for a file that is named after the command.
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1); do
		cmp "dest/opt/capfkit/share/bash-completion/completions/"{"$name",capf}
		cmp "dest/opt/capfkit/share/fish/vendor_completions.d/"{"$name",capf}.fish
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
	run bash -o pipefail -c 'find dest ! -type d | sort'
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
