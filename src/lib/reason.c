/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>

#include "reason.h"

int reason_set(struct reason *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	va_end(ap);
	return -1;
}
