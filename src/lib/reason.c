/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "reason.h"

int reason_set(struct reason *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	va_end(ap);
	r->trouble = false;
	return -1;
}

int reason_errno(struct reason *r)
{
	int error = errno;

	reason_set(r, "%s", strerror(error));
	r->trouble = error == EIO || error == ENOMEM || error == EMFILE || error == ENFILE ||
	    error == EINTR || error == ENOSPC || error == ESTALE;
	errno = error;
	return -1;
}
