/* SPDX-License-Identifier: ISC */
/* The encodings in which spreadsheets save text: UTF-8, UTF-16 and Windows-1252, read into UTF-8. By hand and not by
 * iconv(3), which loads a module for each encoding that it meets: a confined program cannot open one. */
#ifndef TEXT_ENCODING_H
#define TEXT_ENCODING_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/reason.h"

enum text_encoding { TEXT_UTF8, TEXT_UTF16LE, TEXT_UTF16BE, TEXT_WINDOWS1252 };

/* Their names, NULL behind the last. */
extern const char *const text_encodings[];
/* What a user calls an encoding, in any case: "utf-8", "utf-16", "windows-1252" or "cp1252", ... -1 when it is none. */
int text_encoding_named(const char *);
/* What the first bytes say: a byte order mark, or UTF-16 without one when every other byte is a NUL; else UTF-8. */
enum text_encoding text_encoding_guess(const unsigned char *, size_t len);

/* Appends the text as UTF-8, without its byte order mark. -1 with a reason, which names the line, when that is not text of this
 * encoding, and when memory is short. */
int text_encoding_read(enum text_encoding, const unsigned char *, size_t len, struct buf *out, struct reason *);

#endif
