/* SPDX-License-Identifier: ISC */
/* UTF-8 (RFC 3629), as texts that people gave are shown on a terminal and written as JSON. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first character of a text, and how many bytes it has. 0 when there is none: at the end, and where the bytes are
 * not UTF-8. */
size_t utf8_get(const char *text, uint32_t *c);

/* Does a character show itself, and nothing else? Control characters do not, nor what turns the direction of the text,
 * has no width, or means something only to those who agreed on it: with these a name can look like another one. */
bool utf8_is_plain(uint32_t c);

#endif
