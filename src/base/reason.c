/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/reason.h"

__attribute__((format(printf, 3, 0)))
static void fill(struct reason *r, bool trouble, const char *fmt, va_list ap)
{
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	r->trouble = trouble;
}

int reason_set(struct reason *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(r, false, fmt, ap);
	va_end(ap);
	return -1;
}

int reason_trouble(struct reason *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(r, true, fmt, ap);
	va_end(ap);
	return -1;
}

int reason_memory(struct reason *r)
{
	return reason_trouble(r, "out of memory");
}

int reason_because(struct reason *r, const struct reason *cause, const char *fmt, ...)
{
	bool trouble = cause->trouble;	/* it may be r itself */
	va_list ap;

	va_start(ap, fmt);
	fill(r, trouble, fmt, ap);
	va_end(ap);
	return -1;
}

static bool is_trouble(int error)
{
	switch (error) {
	case EAGAIN:
	case EDQUOT:
	case EINTR:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOSPC:
	case ESTALE:
		return true;
	}
	return false;
}

int reason_errno(struct reason *r)
{
	int error = errno;

	reason_set(r, "%s", strerror(error));
	r->trouble = is_trouble(error);
	errno = error;
	return -1;
}

int reason_errno_of(struct reason *r, const char *object)
{
	int error = errno;

	reason_set(r, "%.100s: %s", object, strerror(error));
	r->trouble = is_trouble(error);
	errno = error;
	return -1;
}
