/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "osslerr.h"

/* Returns -1. The first error in the queue is the deepest one: the cause, not its consequences. */
int osslerr_set(struct reason *r, const char *fmt, ...)
{
	char text[REASON_MAX], own[REASON_MAX];
	const char *why = NULL;
	unsigned long e = ERR_peek_error();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (e != 0) {
		if (ERR_SYSTEM_ERROR(e))
			why = strerror((int)ERR_GET_REASON(e));
		else if ((why = ERR_reason_error_string(e)) == NULL) {
			ERR_error_string_n(e, own, sizeof own);
			why = own;
		}
	}
	if (why != NULL)
		reason_set(r, "%s: %s", text, why);
	else
		reason_set(r, "%s", text);
	ERR_clear_error();
	return -1;
}
