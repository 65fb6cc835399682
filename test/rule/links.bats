# SPDX-License-Identifier: ISC
# The link table in the Makefile is what the finished programs need, no more and no less.
load ../helper

# The libraries a program needs, one line, sorted, without libc's family and the sanitizers. Some have
# their version in the name.
needed() {
	readelf -d "$BIN/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p' |
	    sed 's/-[0-9.]*$//' | grep -vxE 'libc|libm|ld-linux-.*|libgcc_s|libasan|libubsan' | sort | xargs
}

@test "every program needs exactly what the link table says" {
	local bad= name libs
	[ "$(make -s -C "$ROOT" links | wc -l)" -gt 0 ]
	while read -r name libs; do
		libs=$(printf '%s\n' ${libs//-l/lib} | sort | xargs)
		[ "$(needed "$name")" = "$libs" ] ||
		    bad+="$name: needs '$(needed "$name")', the table says '$libs'"$'\n'
	done < <(make -s -C "$ROOT" links)
	[ -z "$bad" ] || fail "$bad"
}

@test "without libtar, libarchive writes archives" {
	make -s -C "$ROOT" LIBTAR= links >without
	refute grep -w -e -ltar without
	grep '^csr-dump .*-larchive' without
	make -s -C "$ROOT" LIBTAR=yes links >with
	grep '^csr-dump .*-ltar' with
	refute grep '^csr-dump .*-larchive' with
}

@test "every line of the link table is for a program" {
	local name
	for name in $(sed -n 's/^LIBS_\([^ ]*\) =.*/\1/p' "$ROOT/Makefile"); do
		[ -f "$ROOT/src/$name.c" ] || fail "$name: in the link table, but not in src/"
	done
}

@test "counting, listing and deleting requests take no crypto" {
	local name
	for name in csr-count csr-list csr-delete; do
		[ -x "$BIN/$name" ] || fail "$name is not built"
		[[ $(needed "$name") != *libcrypto* ]] || fail "$name links libcrypto"
	done
}

@test "only the three that speak CAPF link libssl" {
	local name
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1 | grep -vx -e capf-serve -e capf-probe -e phone-sim); do
		[[ $(needed "$name") != *libssl* ]] || fail "$name links libssl"
	done
}

# So there is nothing for a thread sanitizer to look at. libcurl resolves names in a thread of its own, which sees
# nothing of ours.
@test "no program starts a thread" {
	local name n=0
	for name in $(make -s -C "$ROOT" links | cut -d' ' -f1); do
		n=$((n + 1))
		nm -D --undefined-only "$BIN/$name" >symbols
		refute grep -wE 'pthread_create|thrd_create|evthread_use_pthreads' symbols
	done
	[ "$n" -gt 20 ]
	refute grep -rlE 'pthread_create|thrd_create|<threads.h>' "$ROOT/src"
}
