/* SPDX-License-Identifier: ISC */
/* Parses the options of a program, which it gives as a table, and prints --help from the same table. -h, -V and
 * --require-sandbox are in every program and need no line. For main() only: wrong usage ends the program. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum option_kind {
	OPTION_FLAG,		/* bool: set to true */
	OPTION_TEXT,		/* const char * */
	OPTION_TEXTS,		/* struct option_texts: one more each time */
	OPTION_MAYBE,		/* const char *, "" when nothing stands behind an = */
	OPTION_NUMBER,		/* long, between least and most */
	OPTION_CLOCK,		/* time_t: seconds since 1970, the argument of -P */
	OPTION_TIME,		/* time_t: as when.h has it; a day is its beginning */
	OPTION_SPAN,		/* time_t: 30s, 5m, 2h, 7d, 4w */
	OPTION_WORD,		/* const char *: one of words */
	OPTION_INDEX,		/* int: which of words; set to -1 before when there is no default */
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
	void *into;		/* what is in it before parsing is the default, which --help prints */
	const char *value;	/* what --help calls the value; NULL for a flag */
	const char *help;	/* one line: lower case, no full stop. Limits, words and default are added */
	const char *const *words;	/* NULL behind the last. Of a text, the usual ones: the program judges it */
	long least, most;	/* of a number; most is also how many texts */
};

/* The lines of a table, with a text each: a macro without one does not compile, and an `into` of another type is warned of. */
#define OPT_FLAG(letter, name, into, help) \
	{letter, name, OPTION_FLAG, (bool *){into}, NULL, help, NULL, 0, 0}
#define OPT_TEXT(letter, name, value, into, help) \
	{letter, name, OPTION_TEXT, (const char **){into}, value, help, NULL, 0, 0}
#define OPT_TEXT_OF(letter, name, value, into, words, help) \
	{letter, name, OPTION_TEXT, (const char **){into}, value, help, words, 0, 0}
#define OPT_TEXTS(letter, name, value, into, help) \
	{letter, name, OPTION_TEXTS, (struct option_texts *){into}, value, help, NULL, 0, OPTION_TEXTS_MAX}
#define OPT_FEW_TEXTS(letter, name, value, into, most, help) \
	{letter, name, OPTION_TEXTS, (struct option_texts *){into}, value, help, NULL, 0, most}
#define OPT_MAYBE(letter, name, value, into, help) \
	{letter, name, OPTION_MAYBE, (const char **){into}, value, help, NULL, 0, 0}
#define OPT_NUMBER(letter, name, value, into, least, most, help) \
	{letter, name, OPTION_NUMBER, (long *){into}, value, help, NULL, least, most}
#define OPT_TIME(letter, name, into, help) \
	{letter, name, OPTION_TIME, (time_t *){into}, "TIME", help, NULL, 0, 0}
#define OPT_SPAN(letter, name, into, help) \
	{letter, name, OPTION_SPAN, (time_t *){into}, "SPAN", help, NULL, 0, 0}
#define OPT_WORD(letter, name, value, into, words, help) \
	{letter, name, OPTION_WORD, (const char **){into}, value, help, words, 0, 0}
#define OPT_INDEX(letter, name, value, into, words, help) \
	{letter, name, OPTION_INDEX, (int *){into}, value, help, words, 0, 0}
/* Most programs have these two. */
#define OPT_CLOCK(into) \
	{'P', "clock", OPTION_CLOCK, (time_t *){into}, "SECONDS", \
	 "present time, in seconds since 1970", NULL, 0, 0}
#define OPT_SPOOL(into) OPT_TEXT('s', "spool", "DIR", into, "the spool")

/* Takes the options off the command line; the table ends with a line of zeros. Returns the place of the
 * first argument that is none.
 *
 * "PROGRAM --list-options", with nothing else, is for what completes command lines. It prints a line for each option,
 * with six columns and a tab between two: the letter, the long name, the kind (flag, text, texts, maybe, number, clock,
 * time, span, word: the names above, and index is a word too), what the value is called, the words that it can be with a
 * comma between two, and the help. A column that has nothing is "-". Letter and name come without their hyphens.
 * share/make-completion makes completion of it. What it offers for a text goes by what the value is called: files for
 * FILE, KEY, FILE|URL and so on, directories for DIR, and for DEVICE, CA and TEMPLATE the names that are in the spool. */
int options_parse(int argc, char *argv[], const struct option_spec *);

#endif
