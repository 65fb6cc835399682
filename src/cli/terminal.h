/* SPDX-License-Identifier: ISC */
/* What a terminal can show: how much, which characters, whether colours. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Columns and lines of the terminal behind fd, or of COLUMNS and LINES when it does not know, or 80 and 24. */
void terminal_size(int fd, unsigned *columns, unsigned *lines);

/* Does the terminal understand that a part of a line is to be erased, and colours? By TERM: all do that are not "dumb". */
bool terminal_is_able(void);

/* Looks at the locale, once, before the sandbox forbids to read its files. Is it one of UTF-8? In another nothing but
 * ASCII is shown. */
bool terminal_is_utf8(void);

/* --color: NULL when it was not there; "" when nothing stood behind it. Ends the program for a word that is not always,
 * auto or never. Whether there shall be colours: by default when it is a terminal that has them, and NO_COLOR is unset
 * or empty. */
bool terminal_color(const char *when, bool is_terminal);

/* How many columns a character takes; -1: it is not shown as it is. */
int terminal_width(uint32_t c);
/* Appends a text as a terminal may have it, and returns how many columns it takes: all that does not show what it is
 * becomes \xHH, byte by byte, and without utf8 all that is not ASCII. */
size_t terminal_put(struct buf *, const char *text, bool utf8);
/* How many bytes of such a text fit into so many columns. *columns becomes how many they take. */
size_t terminal_cut(const char *text, size_t *columns);

#endif
