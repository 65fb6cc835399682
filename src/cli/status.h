/* SPDX-License-Identifier: ISC */
/* The four exit codes, usage, and messages on stderr, as capf(7) has them for every program. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>

/* The worst of several is the largest, so programs keep a maximum. */
enum status {
	STATUS_OK = 0,		/* done */
	STATUS_REFUSED = 1,	/* ran, but an item was refused or the answer is no */
	STATUS_USAGE = 100,	/* wrong usage or configuration: do not retry */
	STATUS_TROUBLE = 111,	/* system trouble: retry */
};

/* Each program defines these three; nobody looks at argv[0]. */
extern const char program[];
extern const char purpose[];	/* what it does, the .Nd of its manual page; for --help */
extern const char synopsis[];	/* "[-hV] [-s spool] file ...", without the name */

int status_worst(int, int);

/* The exit status for an errno about something the user named: what does not exist, or is a terminal, is
 * wrong usage, the rest is trouble. */
int status_of(int error);
/* The one for an errno about one file of several: what cannot be had is refused, the rest is trouble. */
int status_of_one(int error);
/* The one for something that the user gave: it is wrong, or the system has trouble with it. */
int status_of_input(bool trouble);
/* The one for an item among several: it is refused, or the system has trouble with it. */
int status_of_item(bool trouble);

/* "program: object: text" on stderr, one line, whatever bytes are in it; object may be NULL. */
void status_warn(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": " and the text of the present errno behind it. */
void status_warn_errno(const char *object, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A message and the end, for main() only. status_usage prints the synopsis as well, and names --help. */
_Noreturn void status_die(int status, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void status_die_errno(const char *object, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a file or spool that the user named: one that does not exist is wrong usage. */
_Noreturn void status_die_path(const char *path, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void status_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The end of a program that has nothing more to do in the midst of its work. */
_Noreturn void status_end(int status);
/* The end of a program that only had to print an answer: exit 0, or trouble when stdout cannot be written. */
_Noreturn void status_answered(void);
/* For -V: answer on stdout, exit 0. */
_Noreturn void status_version(void);

/* Flush stdout and look at it; returns status, or STATUS_TROUBLE after a message. */
int status_flush(int status);

/* text with everything that is not printable ASCII as \xHH; always NUL-terminated. */
const char *status_escape(const char *text, char *out, size_t size);

#endif
