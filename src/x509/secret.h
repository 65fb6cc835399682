/* SPDX-License-Identifier: ISC */
/* Pass phrases and PINs: --pass-file, or the terminal; they and keys are wiped from memory. */
#ifndef SECRET_H
#define SECRET_H

#include <stddef.h>

#include "base/reason.h"

/* From now on no other process of this user reads the memory of this one or traces it, and a crash leaves no core.
 * Called before a key or a pass phrase is in memory; children inherit it. */
void secret_guard(void);

struct secret {
	char *text;		/* NULL: none */
};

/* The first line of a file. -1 with a reason. */
int secret_read(struct secret *, const char *path, struct reason *);
/* Asks on the terminal, without echo. -1 with a reason. */
int secret_ask(struct secret *, const char *prompt, struct reason *);
/* Wipes and frees the text. */
void secret_wipe(struct secret *);

/* Wipes and frees memory that has a secret in it, such as a key's PEM. */
void secret_free(void *, size_t);

#endif
