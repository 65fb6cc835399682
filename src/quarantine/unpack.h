/* SPDX-License-Identifier: ISC */
/* Unpacks the archives and files of cert-import, csr-add and csr-sign in a process that can do nothing else: it has
 * no file system, since it opens its files before it reads any, no network, and bounded memory and time. What it says
 * is as hostile as what it reads: the parent checks its form and its limits. */
#ifndef UNPACK_H
#define UNPACK_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/untar.h"
#include "base/bytes.h"
#include "base/reason.h"

#define UNPACK_NAME_MAX 255	/* an entry's name: what a file system takes */
/* A file that is no archive may hold many requests in PEM; 10,000 of them have 12 MB. */
#define UNPACK_FILE_MAX ((size_t)256 << 20)
#define UNPACK_PIECES_MAX 500000	/* so many in it */

struct unpack_task {
	int fd;				/* an archive, or with files what "-" among them means */
	const char *const *file;	/* names: archives, or PEM and DER, one after the other */
	size_t files;			/* 0: the archive behind fd */
	bool apart;			/* each file is an archive and has a process of its own, so that none can speak
					 * for another; if it dies, its archive is damaged, and the next follows */
	bool flat;			/* as for untar_open */
	struct untar_limits limits;
	bool certificates;		/* fd may also be a zip, or no archive, and each file or entry hold
					 * several certificates, PEM or PKCS#7: they come one by one */
	size_t most;			/* bytes of an entry that are handed on: one more, and the judge of
					 * the entry sees that it is too large */
};

enum unpack_kind {
	UNPACK_FILE,		/* the next of the files begins */
	UNPACK_UNREADABLE,	/* and cannot be opened or read: what, in reason, and the errno in error */
	UNPACK_ENTRY,		/* name and data, or a piece of it; no name: the file itself, or a piece of it */
	UNPACK_REFUSED,		/* an entry that is refused, the reason says why */
	UNPACK_DAMAGED,		/* the archive is refused, the reason says why; the next file follows */
	UNPACK_TROUBLE,		/* error says why: no more will come */
	UNPACK_END,		/* all is read and sound, but for what was said before */
	UNPACK_DIED,		/* by what it had to read, the reason says how: no more will come */
};

struct unpacked {
	enum unpack_kind kind;
	int error;
	char name[UNPACK_NAME_MAX + 1];	/* as in the archive: print it escaped */
	struct reason reason;
	struct bytes data;
};

struct unpack;

/* Starts the process, or, for more files than one can open, several. What the task points to must stay. NULL with
 * errno. */
struct unpack *unpack_start(const struct unpack_task *);
/* The next of what it says; data is valid until the next call. After END, DIED and TROUBLE only
 * TROUBLE comes. */
void unpack_next(struct unpack *, struct unpacked *);
/* Reads no more of this archive, whose process has no other; the next follows. */
void unpack_skip(struct unpack *);
void unpack_stop(struct unpack *);

void unpack_encode(const struct unpacked *, struct buf *);
/* Cuts one off. False when the bytes do not begin with one. */
bool unpack_decode(struct bytes *, struct unpacked *);

/* Did a process that parses die of this signal by what it had to read? Then another try ends alike, and
 * the reason says so. */
bool unpack_death(int signal, struct reason *);

#endif
