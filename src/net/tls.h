/* SPDX-License-Identifier: ISC */
/* TLS between capf-serve and phones, over a socket that does not block: the only file with openssl/ssl.h. The caller
 * ignores SIGPIPE and closes the socket. */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/x509.h>

#include "base/reason.h"

struct tls_context;
struct tls;

enum tls_result {
	TLS_DONE,
	TLS_WANT_READ,		/* call again with the same arguments when the socket can be read, */
	TLS_WANT_WRITE,		/* or written */
	TLS_CLOSED,		/* the other side hung up, whether politely or not */
	TLS_FAILED,		/* the reason says why */
};

/* Reads what OpenSSL wants to read once, now: later its files may be out of reach. */
void tls_init(void);

/* With this certificate and its key, TLS 1.2 and up; legacy: TLS 1.0 and up, with RSA key exchange, SHA-1
 * and short keys, for old phones. References are kept. NULL with a reason. */
struct tls_context *tls_server(X509 *, EVP_PKEY *, bool legacy, struct reason *);
/* As a phone: believes any server, or, when one is given, only that with this certificate. */
struct tls_context *tls_client(X509 *server, bool legacy, struct reason *);
/* Connections that use it go on. */
void tls_context_free(struct tls_context *);

/* A connection over a connected socket. NULL with a reason. */
struct tls *tls_open(struct tls_context *, int fd, struct reason *);
/* Says good-bye if that takes no time, and frees it. */
void tls_close(struct tls *);

/* Each of these reads the socket a few times at most, and may then want to read although the socket has more: the
 * caller waits by level, not by edge. A peer that sends many records and no data makes them fail. */
enum tls_result tls_handshake(struct tls *, struct reason *);
/* The start of it, for a client that may want to leave it at that: nothing is read. */
enum tls_result tls_hello(struct tls *, struct reason *);
/* Reads up to size bytes; *len is how many. It may want to write, since a peer can ask for an answer of TLS itself. */
enum tls_result tls_read(struct tls *, void *, size_t size, size_t *len, struct reason *);
/* All of it, in one record when it is no longer than 16384 bytes. When it has to be called again the
 * bytes may have moved, but must be the same. */
enum tls_result tls_write(struct tls *, const void *, size_t, struct reason *);

/* Has a record come, or the start of one? */
bool tls_heard(const struct tls *);
/* Is a part of a record there, and the rest has not come? */
bool tls_halfway(const struct tls *);

/* "TLSv1.3": for logs, after the handshake. */
const char *tls_version(const struct tls *);

#endif
