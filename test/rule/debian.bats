# SPDX-License-Identifier: ISC
# debian/, without Debian's tools: what is where; and the manual pages as HTML. test/debian/packages builds and installs.
load ../helper

setup() {
	setup_each
	make -s -C "$ROOT" O="$OBJ" BIN="$BIN" -o all DESTDIR="$PWD/dest" PREFIX=/usr install
}

# The programs of capfkit-server, as debian/rules reads them.
server() {
	sed -n 's|^usr/bin/||p' "$ROOT/debian/capfkit-server.install"
}

@test "every program and every page is in one package" {
	local file pattern name n bad=
	(cd dest && find usr/bin usr/share/man -type f) >files
	for file in $(cat files); do
		n=0
		if grep -qxF "$file" "$ROOT/debian/capfkit-server.install"; then
			n=1
		fi
		for pattern in $(cut -d' ' -f1 "$ROOT/debian/capfkit.install"); do
			[[ $file == $pattern ]] || continue
			# dh_install -X leaves out whatever has the name somewhere in its own.
			for name in $(server); do
				[[ $file != *"$name"* ]] || continue 2
			done
			n=$((n + 1))
		done
		[ $n -eq 1 ] || bad+="$file is in $n packages"$'\n'
	done
	[ -z "$bad" ] || fail "$bad"
	[ "$(wc -l <files)" -gt 50 ]
}

@test "what capfkit-server names is there, each program with its page, and has a unit" {
	local file
	while read -r file; do
		[ -f "dest/$file" ] || fail "$file is not installed"
	done <"$ROOT/debian/capfkit-server.install"
	[ -n "$(server)" ]
	for file in $(server); do
		grep -qx "usr/share/man/man[18]/$file\.[18]" "$ROOT/debian/capfkit-server.install" || fail "$file: no page"
		grep -q "^ExecStart=/usr/bin/$file " "dest/usr/share/capfkit/systemd/$file.service" || fail "$file: no unit"
	done
}

@test "every unit is known to debian/rules, runs a program that is installed, and waits for capf-init" {
	local unit program bad=
	for unit in dest/usr/share/capfkit/systemd/*; do
		grep -qE "dh_installsystemd .* ${unit##*/}( |$)|^	    .* ${unit##*/}$" "$ROOT/debian/rules" ||
		    bad+="${unit##*/}: not in debian/rules"$'\n'
		[[ $unit == *.timer ]] || grep -q '^ConditionPathExists=/var/spool/capf/capf.conf$' "$unit" ||
		    bad+="${unit##*/}: does not wait"$'\n'
		for program in $(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit"); do
			[ -x "dest$program" ] || bad+="${unit##*/}: $program is not installed"$'\n'
		done
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "every folder of share/ goes into a package" {
	local folder bad=
	for folder in dest/usr/share/capfkit/*/; do
		folder=$(basename "$folder")
		grep -qE "(SHARED\)|[ ;])/?$folder/|usr/share/capfkit/$folder " "$ROOT/debian/rules" "$ROOT/debian/capfkit.install" ||
		    bad+="$folder"$'\n'
	done
	[ -z "$bad" ] || fail "$bad"
}

@test "every link of the HTML leads to something that is there, or to a page of others" {
	make -s -C "$ROOT" O="$PWD" html
	python3 - html "$ROOT/man" <<-'END'
		import html.parser, os, sys, urllib.parse
		names, links, bad, inside = {}, {}, [], 0
		for page in os.listdir(sys.argv[1]):
		    ids, hrefs = set(), []
		    class Parser(html.parser.HTMLParser):
		        def handle_starttag(self, tag, attrs):
		            attrs = dict(attrs)
		            ids.add(attrs.get("id"))
		            if "href" in attrs: hrefs.append(attrs["href"])
		            elif tag == "a": bad.append(page + ": a link to nowhere")
		    if page.endswith(".html"):
		        Parser().feed(open(os.path.join(sys.argv[1], page), encoding="utf-8").read())
		    names[page], links[page] = ids, hrefs
		for page, hrefs in links.items():
		    for href in hrefs:
		        if href.startswith("https://manpages.debian.org/"):
		            if os.path.exists(os.path.join(sys.argv[2], href.rpartition("/")[2])): bad.append(page + ": " + href)
		            continue
		        target, _, name = href.partition("#")
		        inside += 1
		        if (target or page) not in names or name and urllib.parse.unquote(name) not in names[target or page]:
		            bad.append(page + ": " + href)
		for page in os.listdir(sys.argv[2]):
		    if page[-1].isdigit() and page + ".html" not in links["index.html"]: bad.append(page + ": not in the index")
		print("\n".join(bad))
		sys.exit(bool(bad) or inside < 1000)
	END
}
