/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/bytes.h"
#include "base/escape.h"

size_t escape_put(unsigned char byte, char *out)
{
	char text[ESCAPE_LEN + 1] = "\\x";

	bytes_hex(&byte, 1, text + 2);
	memcpy(out, text, ESCAPE_LEN);
	return ESCAPE_LEN;
}

bool escape_get(const char *text, unsigned char *byte)
{
	return strncmp(text, "\\x", 2) == 0 && strnlen(text, ESCAPE_LEN) == ESCAPE_LEN &&
	    bytes_unhex(text + 2, 1, byte);
}
