/* SPDX-License-Identifier: ISC */
/* Parses the options of a program, which it gives as a table. -h, -V and --require-sandbox are in every
 * program and need no line. For main() only: wrong usage ends the program. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>

enum option_kind {
	OPTION_FLAG,		/* bool: set to true */
	OPTION_TEXT,		/* const char * */
	OPTION_TEXTS,		/* struct option_texts: one more each time */
	OPTION_MAYBE,		/* const char *, "" when nothing stands behind an = */
	OPTION_NUMBER,		/* long, between least and most */
	OPTION_CLOCK,		/* time_t: seconds since 1970, the argument of -P */
	OPTION_TIME,		/* time_t: a date, or a date and time */
	OPTION_SPAN,		/* time_t: 30s, 5m, 2h, 7d, 4w */
};

#define OPTION_TEXTS_MAX 64

struct option_texts {
	const char *text[OPTION_TEXTS_MAX];
	size_t n;
};

struct option_spec {
	int letter;		/* 0: it has only a name */
	const char *name;
	enum option_kind kind;
	void *into;
	long least, most;	/* of a number */
};

/* Takes the options off the command line; the table ends with a line of zeros. Returns the place of the
 * first argument that is none. */
int options_parse(int argc, char *argv[], const struct option_spec *);

#endif
