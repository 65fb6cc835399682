/* SPDX-License-Identifier: ISC */
/* Authentication strings, which people type on a phone: what counts as one, phone-set(1). */
#ifndef AUTH_STRING_H
#define AUTH_STRING_H

#include <stdbool.h>

#define AUTH_STRING_MIN 4
#define AUTH_STRING_MAX 15	/* 10 by the phones' manuals; some clients allow more */

/* Digits, AUTH_STRING_MIN to AUTH_STRING_MAX of them? */
bool auth_string_ok(const char *);

#endif
