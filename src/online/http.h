/* SPDX-License-Identifier: ISC */
/* HTTP exchanges with CAs: the one place for TLS, authentication, limits and what went wrong. With transfer.c the only
 * file that knows libcurl. One after the other; a connection is kept for the next. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/bytes.h"
#include "base/reason.h"

struct http_settings {
	const char *ca_file;		/* CAs that a server's certificate comes from, PEM; NULL: the system's */
	const char *certificate, *key;	/* ours, PEM files or pkcs11: URIs; NULL: none */
	const char *pass;		/* of that key; NULL: none */
	const char *user, *password;	/* NULL: none. By Basic or Digest, and only over TLS */
	bool ntlm;			/* by NTLM or Negotiate as well, which belong to a connection */
	bool plain;			/* http:// is allowed, for protocols that protect themselves */
	const char *agent;		/* User-Agent; NULL: capfkit */
	long connect_seconds, seconds;	/* to connect; for all of an exchange */
	size_t most;			/* bytes of an answer's body */
};

struct http_ask {
	const char *url;
	const char *type;		/* of the body, which is posted; NULL: GET */
	const char *encoding;		/* Content-Transfer-Encoding; NULL: none */
	const char *accept;		/* NULL: anything */
	struct bytes body;
	bool fresh;			/* on a connection of its own: some servers end the last one, whatever they said */
};

struct http_answer {
	long status;
	char type[128];			/* in small letters, with what stands behind a ';' */
	time_t wait;			/* Retry-After, in seconds from now; 0: not said, or not to be understood */
	struct buf body;		/* the caller frees */
};

enum http_result {
	HTTP_ANSWERED,			/* a whole answer, whatever its status */
	HTTP_NOT_SENT,			/* nothing of the request left: there is no such host, nobody listens, no TLS */
	HTTP_NO_ANSWER,			/* the request may have arrived, and no whole answer came back */
	HTTP_UNTRUSTED,			/* nothing left: the server's certificate, or ours, or a setting has to change */
	HTTP_TROUBLE,			/* nothing left: memory is short */
};

struct http;

/* What it points to must stay. NULL with a reason. */
struct http *http_open(const struct http_settings *, struct reason *);
void http_close(struct http *);

/* One exchange: never a redirect, never another protocol. All but HTTP_ANSWERED come with a reason,
 * which is trouble when another try may help. */
enum http_result http_exchange(struct http *, const struct http_ask *, struct http_answer *, struct reason *);

#endif
