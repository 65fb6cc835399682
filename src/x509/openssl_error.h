/* SPDX-License-Identifier: ISC */
/* Our message, then OpenSSL's own reason; the error queue is empty afterwards. Linking this in lets us see when
 * OpenSSL is short of memory: from then on whatever fails with its help fails for that. */
#ifndef OPENSSL_ERROR_H
#define OPENSSL_ERROR_H

#include <stdbool.h>

#include "base/reason.h"

/* As reason_set, followed by ": " and the first reason in OpenSSL's queue, if there is one. */
int openssl_error_set(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends what was decided with OpenSSL's help, and returns the result. The reason of a negative one becomes a shortage
 * of memory when there was one: whoever looks at a certificate, request, key or signature goes through here. */
int openssl_error_end(int result, struct reason *);
/* Not those of before count any more. For a server, which has all that OpenSSL makes once from its start on: what
 * one phone met says nothing of the next. */
void openssl_error_forget(void);
/* Was there one? For what OpenSSL leaves out without an error. */
bool openssl_error_lack(void);

#endif
