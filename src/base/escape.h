/* SPDX-License-Identifier: ISC */
/* \xHH, as messages, logs and the files of phone/ show a byte that they cannot show as it is. */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#define ESCAPE_LEN 4	/* of \xHH */

/* Writes \xHH, without a NUL. Returns ESCAPE_LEN. */
size_t escape_put(unsigned char byte, char *out);
/* The byte that \xHH at the beginning of a text stands for. False when there is no \xHH with lower-case digits. */
bool escape_get(const char *text, unsigned char *byte);

#endif
