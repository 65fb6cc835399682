/* SPDX-License-Identifier: ISC */
/* Messages with OpenSSL's own reason behind them. What fails after OpenSSL lacked memory is reported as lack of memory,
 * so that no good certificate is refused for it. */
#ifndef OPENSSL_ERROR_H
#define OPENSSL_ERROR_H

#include <stdbool.h>

#include "base/reason.h"

/* As reason_set, followed by ": " and the first reason in OpenSSL's queue, if there is one. */
int openssl_error_set(struct reason *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends a check that used OpenSSL: empties its queue of errors, and returns the result. When that is negative and memory
 * was short, the reason is that. Every check of a certificate, request, key or signature ends here. */
int openssl_error_end(int result, struct reason *);
/* Forgets that memory was short. capf-serve calls it for each phone: what OpenSSL makes once it has since its start. */
void openssl_error_forget(void);
/* Was memory short? For what OpenSSL leaves out without an error. */
bool openssl_error_lack(void);

#endif
