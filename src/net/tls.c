/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "net/tls.h"
#include "x509/openssl_error.h"

/* OpenSSL reads for as long as there is something to read, and a peer can send without end. No known flight of a
 * handshake takes more; a record takes two. */
#define READS_A_CALL 16
/* Handshake messages, alerts and empty records that a peer may send besides data. A record with data makes up
 * for one of them, since TLS 1.0 stacks send an empty one before each. */
#define IDLE_RECORDS 64

struct tls_context {
	SSL_CTX *ctx;
	X509 *only;		/* of a client: the one server */
	bool server;
};

struct tls {
	SSL *ssl;
	X509 *only;
	BIO_METHOD *paced;
	bool up;
	unsigned reads;		/* of the socket, that the present call may still make */
	unsigned idle;		/* records without data that nothing has made up for */
	bool heard;
};

/* Static RSA has no forward secrecy, and old phones have nothing else. */
static const char modern_ciphers[] = "HIGH:!aNULL:!eNULL:!kRSA:!PSK:!SRP:@SECLEVEL=2";
static const char legacy_ciphers[] = "HIGH:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0";

static struct tls_context *context_new(const SSL_METHOD *method, bool server, bool legacy,
    struct reason *r)
{
	struct tls_context *c = calloc(1, sizeof *c);

	if (c == NULL) {
		reason_memory(r);
		return NULL;
	}
	c->server = server;
	if ((c->ctx = SSL_CTX_new(method)) == NULL ||
	    !SSL_CTX_set_min_proto_version(c->ctx, legacy ? TLS1_VERSION : TLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(c->ctx, 0) ||
	    !SSL_CTX_set_cipher_list(c->ctx, legacy ? legacy_ciphers : modern_ciphers) ||
	    !SSL_CTX_set_num_tickets(c->ctx, 0)) {
		openssl_error_set(r, "cannot set up TLS");
		tls_context_free(c);
		return NULL;
	}
	/* Empty fragments are records of their own, on which old phones stall; phones hang up with a
	 * reset. */
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	    SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS | SSL_OP_IGNORE_UNEXPECTED_EOF |
	    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* So that OpenSSL returns after a KeyUpdate, and after a ClientHello that wants to renegotiate. */
	SSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	return c;
}

void tls_init(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
	    OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
}

struct tls_context *tls_server(X509 *cert, EVP_PKEY *key, bool legacy, struct reason *r)
{
	struct tls_context *c = context_new(TLS_server_method(), true, legacy, r);

	if (c == NULL)
		return NULL;
	if (SSL_CTX_use_certificate(c->ctx, cert) != 1 || SSL_CTX_use_PrivateKey(c->ctx, key) != 1 ||
	    SSL_CTX_check_private_key(c->ctx) != 1) {
		openssl_error_set(r, "cannot use the certificate and its key for TLS");
		tls_context_free(c);
		return NULL;
	}
	return c;
}

struct tls_context *tls_client(X509 *server, bool legacy, struct reason *r)
{
	struct tls_context *c = context_new(TLS_client_method(), false, legacy, r);

	if (c != NULL && server != NULL) {
		X509_up_ref(server);
		c->only = server;
	}
	return c;
}

void tls_context_free(struct tls_context *c)
{
	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	X509_free(c->only);
	free(c);
}

static int paced_read(BIO *b, char *to, int size)
{
	struct tls *t = BIO_get_data(b);
	int n;

	BIO_clear_retry_flags(b);
	if (t->reads == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	t->reads--;
	n = BIO_read(BIO_next(b), to, size);
	BIO_copy_next_retry(b);
	return n;
}

static long paced_ctrl(BIO *b, int what, long n, void *p)
{
	return BIO_next(b) != NULL ? BIO_ctrl(BIO_next(b), what, n, p) : 0;
}

/* Reads of the socket go through a filter that ends them when the call has had enough. It answers as a socket
 * with nothing to read does, so the caller comes back when the others have had their turn. */
static bool set_socket(struct tls *t, int fd)
{
	BIO *in, *out, *filter;

	t->paced = BIO_meth_new(BIO_TYPE_FILTER, "paced");
	if (t->paced == NULL || !BIO_meth_set_read(t->paced, paced_read) ||
	    !BIO_meth_set_ctrl(t->paced, paced_ctrl))
		return false;
	in = BIO_new_socket(fd, BIO_NOCLOSE);
	out = BIO_new_socket(fd, BIO_NOCLOSE);
	filter = BIO_new(t->paced);
	if (in == NULL || out == NULL || filter == NULL) {
		BIO_free(in);
		BIO_free(out);
		BIO_free(filter);
		return false;
	}
	BIO_set_data(filter, t);
	SSL_set0_rbio(t->ssl, BIO_push(filter, in));
	SSL_set0_wbio(t->ssl, out);
	return true;
}

static void on_message(int sent, int version, int type, const void *p, size_t len, SSL *ssl, void *ctx)
{
	struct tls *t = ctx;

	(void)version;
	(void)p;
	(void)len;
	(void)ssl;
	if (sent || type != SSL3_RT_HEADER)
		return;
	t->heard = true;
	t->idle++;
}

struct tls *tls_open(struct tls_context *c, int fd, struct reason *r)
{
	struct tls *t = calloc(1, sizeof *t);

	if (t == NULL) {
		reason_memory(r);
		return NULL;
	}
	if ((t->ssl = SSL_new(c->ctx)) == NULL || !set_socket(t, fd)) {
		openssl_error_set(r, "cannot set up TLS");
		tls_close(t);
		return NULL;
	}
	SSL_set_msg_callback(t->ssl, on_message);
	SSL_set_msg_callback_arg(t->ssl, t);
	if (c->only != NULL) {
		X509_up_ref(c->only);
		t->only = c->only;
	}
	if (c->server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

void tls_close(struct tls *t)
{
	if (t == NULL)
		return;
	if (t->up)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	SSL_free(t->ssl);
	BIO_meth_free(t->paced);
	X509_free(t->only);
	free(t);
}

/* The result of a call of OpenSSL. */
static enum tls_result outcome(struct tls *t, int result, const char *what, struct reason *r)
{
	int error = errno, kind = SSL_get_error(t->ssl, result);

	if (t->idle > IDLE_RECORDS && kind != SSL_ERROR_NONE) {
		t->up = false;
		ERR_clear_error();
		reason_set(r, "%s: more than %d records without data", what, IDLE_RECORDS);
		return TLS_FAILED;
	}
	switch (kind) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		reason_set(r, "%s: the other side hung up", what);
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		t->up = false;
		ERR_clear_error();
		reason_set(r, "%s: %s", what, error != 0 ? strerror(error) : "the other side hung up");
		return TLS_CLOSED;
	default:
		/* No good-bye after this: OpenSSL forbids it. */
		t->up = false;
		openssl_error_set(r, "%s", what);
		return TLS_FAILED;
	}
}

/* The certificate alone counts, not its dates or its name. */
static enum tls_result check_server(struct tls *t, struct reason *r)
{
	if (t->only == NULL)
		return TLS_DONE;
	if (SSL_get0_peer_certificate(t->ssl) != NULL &&
	    X509_cmp(SSL_get0_peer_certificate(t->ssl), t->only) == 0)
		return TLS_DONE;
	reason_set(r, "TLS handshake: the server has another certificate");
	return TLS_FAILED;
}

static enum tls_result handshake(struct tls *t, unsigned reads, struct reason *r)
{
	enum tls_result result;

	ERR_clear_error();
	errno = 0;
	t->reads = reads;
	result = outcome(t, SSL_do_handshake(t->ssl), "TLS handshake", r);
	if (result != TLS_DONE)
		return result;
	t->up = true;
	t->idle = 0;
	return check_server(t, r);
}

enum tls_result tls_hello(struct tls *t, struct reason *r)
{
	return handshake(t, 0, r);
}

enum tls_result tls_handshake(struct tls *t, struct reason *r)
{
	return handshake(t, READS_A_CALL, r);
}

enum tls_result tls_read(struct tls *t, void *to, size_t size, size_t *len, struct reason *r)
{
	enum tls_result result;

	*len = 0;
	ERR_clear_error();
	errno = 0;
	t->reads = READS_A_CALL;
	result = outcome(t, SSL_read_ex(t->ssl, to, size, len), "reading", r);
	/* Its own record, and one that came before. */
	if (result == TLS_DONE)
		t->idle -= t->idle < 2 ? t->idle : 2;
	return result;
}

enum tls_result tls_write(struct tls *t, const void *from, size_t len, struct reason *r)
{
	size_t written;

	ERR_clear_error();
	errno = 0;
	t->reads = READS_A_CALL;
	return outcome(t, SSL_write_ex(t->ssl, from, len, &written), "writing", r);
}

bool tls_heard(const struct tls *t)
{
	return t->heard;
}

bool tls_halfway(const struct tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

const char *tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}
