# SPDX-License-Identifier: ISC
# make install and uninstall, with PREFIX and DESTDIR.
load helper

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
	[ -x dest/opt/capfkit/share/doc/capfkit/examples/demo ]
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
