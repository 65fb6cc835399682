/* SPDX-License-Identifier: ISC */
/* The files of a TLS client: the CAs that it trusts, its certificate and its key. They are read and checked once,
 * before anything is connected: a fault is told by the name of its file, and a confined process need not open them. */
#ifndef CLIENT_FILES_H
#define CLIENT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "x509/secret.h"

struct client_files {
	unsigned char *cas;		/* PEM; NULL: the system's */
	size_t cas_len;
	unsigned char *certificate;	/* PEM, with its chain; NULL: none, or in a token */
	size_t certificate_len;
	char *key;			/* PEM, not encrypted; NULL: none, or in a token */
	size_t key_len;
	struct secret pass;		/* the PIN of a key in a token */
};

/* A certificate or a key that libcurl has to fetch from a token. */
bool client_files_token(const char *name);

/* Reads those that are named; NULL: none. pass is that of the key, NULL: none. A key that is not named is in the file
 * of the certificate. -1 with a reason that names the file, and nothing to free. */
int client_files_read(struct client_files *, const char *cas, const char *certificate, const char *key,
    const char *pass, struct reason *);
/* Wipes and frees. */
void client_files_free(struct client_files *);

#endif
