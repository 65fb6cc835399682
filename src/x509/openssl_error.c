/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x509/openssl_error.h"

/* OpenSSL was short of memory once. It does not always say so, or says that something is wrong with what it looked
 * at; and it keeps what it could make half of, a table without EC keys say, and fails for that later, with
 * memory enough. So we look ourselves, and keep it in mind: the one variable of the library. */
static bool lacked;

static void *get(size_t size, const char *file, int line)
{
	void *p = size > 0 ? malloc(size) : NULL;

	(void)file, (void)line;
	lacked = lacked || (size > 0 && p == NULL);
	return p;
}

static void put(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static void *change(void *p, size_t size, const char *file, int line)
{
	void *changed;

	if (size == 0) {
		put(p, file, line);
		return NULL;
	}
	changed = realloc(p, size);
	lacked = lacked || changed == NULL;
	return changed;
}

/* Before main(), because it is too late once OpenSSL has allocated anything. */
__attribute__((constructor)) static void look(void)
{
	CRYPTO_set_mem_functions(get, change, put);
}

/* Returns -1. The first error in the queue is the deepest one: the cause, not its consequences. */
int openssl_error_set(struct reason *r, const char *fmt, ...)
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
	return openssl_error_end(-1, r);
}

void openssl_error_forget(void)
{
	lacked = false;
}

bool openssl_error_lack(void)
{
	return lacked;
}

int openssl_error_end(int result, struct reason *r)
{
	ERR_clear_error();
	return result < 0 && lacked ? reason_memory(r) : result;
}
