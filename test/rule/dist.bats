# SPDX-License-Identifier: ISC
# What --version says of the commit, and the tarball of `make dist`.
load ../helper

setup() {
	setup_each
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2026-01-02T03:04:05 +0000'
	export GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org GIT_COMMITTER_DATE='2026-01-02T03:04:05 +0000'
	# Of the make that runs the tests: nothing is to reach those that they run.
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES O BIN CC CFLAGS HARDEN WERROR
	VERSION=$(sed -n 's/^VERSION = //p' "$ROOT/Makefile")
}

# tree DIR: the files that this tree has, without git.
tree() {
	mkdir -p "$1"
	tar -C "$ROOT" --exclude=./obj --exclude=./.git --exclude='./bin/*-*' -cf - . | tar -C "$1" -xf -
	# Where the tests run from a tarball, its commit is another one.
	printf '$Format:%%H$\n' >"$1/share/commit"
}
# repository DIR: the same, in a git of its own.
repository() {
	tree "$1"
	git -C "$1" init -q -b main
	git -C "$1" add -A
	git -C "$1" commit -q -m "one"
}
commit_of() { git -C "$1" rev-parse --short=12 HEAD; }
# version DIR [ARGUMENT...]: what the programs of that tree would say.
version() {
	make -s -C "$1" O=obj obj/version "${@:2}" && cat "$1/obj/version"
}

@test "--version says the commit, and whether there are changes beside it" {
	repository here
	assert_equal "$(version here)" "$VERSION, commit $(commit_of here)"
	echo >>here/README.md
	assert_equal "$(version here)" "$VERSION, commit $(commit_of here)-dirty"
	git -C here tag -a -m nine v9
	assert_equal "$(version here)" "$VERSION, commit $(commit_of here)-dirty"
}

@test "--version says no commit where there is no git, or only one above" {
	local file
	tree plain
	assert_equal "$(version plain)" "$VERSION"
	mkdir above
	git -C above init -q
	tree above/below
	git -C above add below
	git -C above commit -q -m "not ours"
	assert_equal "$(version above/below)" "$VERSION"
	repository here
	mkdir programs
	for file in make sh cat sed mkdir; do
		ln -s "$(command -v $file)" programs
	done
	assert_equal "$(PATH=$PWD/programs version here)" "$VERSION"
}

@test "a new commit compiles one object, and none where nothing changed" {
	repository here
	make -s -C here obj/cli/version.o obj/cli/status.o
	run make -C here obj/cli/version.o obj/cli/status.o
	assert_status 0
	[[ $output != *" CC "* ]] || fail "$output"
	git -C here commit -q --allow-empty -m two
	run make -C here obj/cli/version.o obj/cli/status.o
	assert_status 0
	assert_equal "$(grep -o 'CC .*' <<<"$output")" 'CC  obj/cli/version.o'
	grep -q "commit $(commit_of here)" here/obj/cli/version.o
}

@test "the built programs say it" {
	run --separate-stderr csr-count -V
	assert_status 0
	assert_output "csr-count (capfkit) $(cat "$OBJ/version")"
}

@test "make dist: the same bytes from two clones in other places, by users with other habits" {
	local name=capfkit-$VERSION
	repository here
	git clone -q here one
	mkdir -p another/place
	(umask 077 && git clone -q here another/place/two)
	git -C another/place/two config tar.umask user
	git -C another/place/two config core.autocrlf true
	git -C another/place/two config core.abbrev 40
	touch -d '2001-01-01' another/place/two/README.md
	run --separate-stderr make -s -C one dist
	assert_status 0
	assert_output "obj/$name.tar.gz"
	[ -z "$stderr" ] || fail "$stderr"
	(cd another/place/two && umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 make -s dist)
	cmp "one/obj/$name.tar.gz" "another/place/two/obj/$name.tar.gz"
	tar --numeric-owner -tvf "one/obj/$name.tar.gz" >list
	refute grep -v '^[-d]rw.r.[-x]r.[-x] 0/0 .* 2026-01-02 03:04 capfkit-' list
	assert_equal "$(grep -c '^-' list)" "$(git -C one ls-files | wc -l)"
}

@test "make dist leaves out what is not committed, and says so" {
	repository here
	echo more >>here/README.md
	run --separate-stderr make -s -C here dist
	assert_status 0
	[[ $stderr == *"what is not committed is left out"* ]] || fail "$stderr"
	tar -xOf "here/obj/capfkit-$VERSION.tar.gz" "capfkit-$VERSION/README.md" | cmp - "$ROOT/README.md"
}

@test "the tarball knows its commit, also in a git of others" {
	repository here
	make -s -C here dist
	tar -xf "here/obj/capfkit-$VERSION.tar.gz"
	assert_equal "$(version "capfkit-$VERSION")" "$VERSION, commit $(commit_of here)"
	git -C "capfkit-$VERSION" init -q
	git -C "capfkit-$VERSION" add -A
	git -C "capfkit-$VERSION" commit -q -m "imported"
	assert_equal "$(version "capfkit-$VERSION")" "$VERSION, commit $(commit_of here)"
}
