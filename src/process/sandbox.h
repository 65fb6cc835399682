/* SPDX-License-Identifier: ISC */
/* Confines a program, for good, to what it still needs: no new privileges, Landlock for paths, TCP and
 * scopes, seccomp for system calls, resource limits. The only file that knows these. Whatever is open
 * already stays open and usable; a child inherits everything and can confine itself further.
 *
 * A system call that is not in the profile ends in one of three ways.
 * - It kills the process with SIGSYS when no honest code here makes it (exec, ptrace, a new socket,
 *   mount, io_uring ...): that is somebody else's code at work, and must be loud.
 * - It is EACCES for an open that the profile has not: libraries ask for files they can live without.
 * - The rest is ENOSYS, as on a kernel without such a call. A later libc that tries something new falls
 *   back from that, or gives an error that our code reports. A killed process would break every import
 *   after an update of libc; EPERM is an answer that libc does not fall back from. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

/* Each profile has all of the one before it, except that only a client opens sockets. */
enum sandbox_profile {
	SANDBOX_COMPUTE,	/* reads and writes pipes and files that are open; memory, clock, end */
	SANDBOX_READER,		/* opens files for reading, lists directories */
	SANDBOX_WRITER,		/* makes, links, renames and removes files, makes them durable */
	SANDBOX_SERVER,		/* waits (epoll, inotify), accepts and serves connections on the listeners
				 * it has, passes descriptors over sockets it has, takes signals */
	SANDBOX_CLIENT,		/* connects to other hosts: sockets, names, threads, plug-ins of libc */
};

/* Rights below a path. */
#define SANDBOX_READ 1u
#define SANDBOX_WRITE 2u	/* make, change, link, rename, remove files; no directories */
#define SANDBOX_DIRS 4u		/* make and remove directories as well */

struct sandbox_path {
	int dirfd;		/* an open directory or file, or AT_FDCWD */
	const char *path;	/* below it; NULL: dirfd itself. What does not exist gives no right */
	unsigned rights;
};

struct sandbox {
	enum sandbox_profile profile;
	bool mute;			/* says nothing more on stderr, where it would be taken for us */
	bool forks;			/* starts children of its own later: each inherits all of this */
	const struct sandbox_path *path;	/* nothing else can be opened */
	size_t paths;
	uint64_t memory;	/* bytes of private memory it may still add; 0: no limit */
	unsigned seconds;	/* of processor time from the start of the process; 0: no limit */
};

/* Confines the calling process. -1 with errno: something that this kernel has did not work, and the process must end.
 * What the kernel does not have is left out; sandbox_missing tells that before. */
int sandbox_enter(const struct sandbox *);

/* From now on so much processor time and no more, whatever was left; then SIGPROF ends the process. For each of the
 * things that it works on in turn, within the seconds for all of them. Whether the machine is slow to give it any, was
 * suspended, or the process stopped, does not count. -1 with errno. */
int sandbox_renew(unsigned seconds);

/* Which layers this kernel lacks, as words for a message; "" for none. Landlock before Linux 5.19 counts
 * as none, since a spool needs links between directories. Later Landlock adds TCP (6.7) and scopes
 * (6.12), which are not missed: seccomp forbids the same calls. */
void sandbox_missing(struct reason *);

#endif
