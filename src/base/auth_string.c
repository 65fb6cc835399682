/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/auth_string.h"

bool auth_string_ok(const char *text)
{
	size_t len = strlen(text);

	return len >= AUTH_STRING_MIN && len <= AUTH_STRING_MAX && strspn(text, "0123456789") == len;
}
