# SPDX-License-Identifier: ISC
# A Debian that is made for a test, in namespaces of its own. Needs root, debootstrap and a Debian mirror. Sourced by
# systemd/run, debian/run and debian/packages.
# MIRROR is where packages come from, the one of apt's own sources where it is not set.

# debian_begin NAME: checks what is needed, and makes the directory $debian_work, which end() removes.
debian_begin() {
	if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
		echo "$1: needs root and debootstrap" >&2
		exit 100
	fi
	# Security updates, backports and strangers have other addresses or suites.
	: "${MIRROR:=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)' \
	    'Created-By: Packages' | awk '$1 == "Debian" && $2 !~ /-/ && $3 == "main" { print $4; exit }')}"
	if [ -z "$MIRROR" ]; then
		echo "$1: apt knows no Debian mirror: set MIRROR" >&2
		exit 100
	fi
	debian_work=$(mktemp -d)
	trap end EXIT
	trap 'exit 130' INT TERM
}

# debian_make SUITE TREE PACKAGES: a minimal Debian in the directory TREE, with these packages (a,b,c).
debian_make() {
	debootstrap --variant=minbase ${3:+--include="$3"} "$1" "$2" "$MIRROR" >"$debian_work/log" 2>&1 || debian_trouble
}

debian_trouble() {
	tail "$debian_work/log" >&2
	exit 111
}

# debian_enter NAMESPACES TREE COMMAND...: becomes the command, in the directory TREE as its root. It is the first process
# in namespaces for mounts and processes, and in those that unshare's options NAMESPACES name; all ends with it, and it
# with this. To be called in a subshell.
debian_enter() {
	cat >"$debian_work/boot" <<'BOOT'
set -e
cd "$1"
mount --make-rprivate / && mount --bind . . && cd "$1"
mount -t proc proc proc && mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run && mount -t tmpfs -o mode=755 tmpfs dev && mkdir -p dev/pts dev/shm old
chmod 1777 dev/shm && ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin && ln -s fd/1 dev/stdout && ln -s fd/2 dev/stderr
mount -t devpts -o newinstance devpts dev/pts && ln -s pts/ptmx dev/ptmx
for node in 'null c 1 3' 'zero c 1 5' 'full c 1 7' 'random c 1 8' 'urandom c 1 9' 'tty c 5 0'; do
	mknod -m 666 dev/$node
done
pivot_root . old && umount -l /old
shift
exec env -i container=other PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
BOOT
	exec unshare --mount --pid $1 --fork --kill-child sh "$debian_work/boot" "${@:2}"
}

# debian_boot TREE: boots the Debian in it, which has systemd, with no network but a loopback; sets $first, which
# debian_halt ends with all that it started.
debian_boot() {
	local init i
	debian_group=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)/capfkit.$$
	mkdir "$debian_group"
	(echo $BASHPID >"$debian_group/cgroup.procs" &&
	    debian_enter '--uts --ipc --net --cgroup' "$1" /sbin/init) >>"$debian_work/log" 2>&1 &
	first=$!
	until init=$(pgrep -P $first "systemd|init"); do
		kill -0 $first && sleep 0.1 || debian_trouble
	done
	debian_init=$init
	for ((i = 0; i < 300; i++)); do
		[[ $(debian_inside systemctl is-system-running 2>/dev/null) != @(running|degraded) ]] || break
		sleep 0.2
	done
}

# debian_inside COMMAND...: there.
debian_inside() {
	nsenter -t "$debian_init" -m -p -u -i -n -C env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin "$@"
}

debian_halt() {
	[ -z "$first" ] || kill -KILL "$first" 2>/dev/null || true
	wait
	[ -z "${debian_group:-}" ] || find "$debian_group" -depth -type d -exec rmdir {} + 2>/dev/null || true
}
