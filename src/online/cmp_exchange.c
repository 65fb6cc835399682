/* SPDX-License-Identifier: ISC */
#include <openssl/cmp.h>
#include <openssl/crmf.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "online/cmp_exchange.h"
#include "x509/cert.h"
#include "x509/der.h"
#include "x509/key.h"
#include "x509/openssl_error.h"
#include "x509/trust.h"

#define FILE_MAX (1024 * 1024)	/* bytes of issuer_file and ra_certificate */

/* Takes a certificate of a file, with OpenSSL's own context: cert_parse has one that checks requests alone. */
struct reading {
	STACK_OF(X509) *list;
	struct reason *why;
};

static int take(void *ctx, size_t number, const struct cert *c, const struct reason *r)
{
	struct reading *reading = ctx;
	const unsigned char *p;
	X509 *x;

	if (c == NULL)
		return reason_because(reading->why, r, "its certificate %zu %.150s", number, r->text);
	p = c->der;
	x = d2i_X509(NULL, &p, (long)c->der_len);
	if (x != NULL && sk_X509_push(reading->list, x) > 0)
		return 0;
	X509_free(x);
	return reason_memory(reading->why);
}

/* The certificates of a file, PEM or one DER, in their order. NULL with a reason. */
static STACK_OF(X509) *read_certificates(const char *path, struct reason *why)
{
	struct reading reading = {sk_X509_new_null(), why};
	struct reason inner = {.text = ""};
	unsigned char *data = NULL;
	size_t len = 0;
	int fd = fileio_open_input(path), result = -1;

	if (fd < 0 || fileio_read_all(fd, FILE_MAX, &data, &len) != 0)
		reason_errno_of(why, path);
	else if (reading.list == NULL)
		reason_memory(why);
	else
		result = trust_each(data, len, take, &reading);
	if (result == 0 && sk_X509_num(reading.list) == 0)
		result = reason_set(why, "there is no certificate in it");
	if (result != 0 && fd >= 0 && data != NULL) {
		inner = *why;
		reason_because(why, &inner, "%.100s: %s", path, inner.text);
	}
	if (fd >= 0)
		close(fd);
	free(data);
	if (result == 0)
		return reading.list;
	sk_X509_pop_free(reading.list, X509_free);
	return NULL;
}

/* The RA's certificate and key. -1 with a reason. */
static int load_ra(struct cmp *cmp, const struct online_settings *settings, time_t now, struct reason *why)
{
	struct secret pass = {NULL};
	struct reason inner = {.text = ""};
	int result = 0;

	if (*settings->ra_certificate == '\0' || *settings->ra_key == '\0')
		return reason_set(why, "give both of ra-certificate and ra-key");
	if ((cmp->own = read_certificates(settings->ra_certificate, why)) == NULL)
		return -1;
	if (X509_cmp_time(X509_get0_notAfter(sk_X509_value(cmp->own, 0)), &now) < 0)
		return reason_set(why, "%.100s: the certificate has expired", settings->ra_certificate);
	if (*settings->pass_file != '\0')
		result = secret_read(&pass, settings->pass_file, why);
	if (result == 0 && (cmp->key = key_load(settings->ra_key, &pass, &inner)) == NULL)
		result = reason_because(why, &inner, "%.100s: %s", settings->ra_key, inner.text);
	secret_wipe(&pass);
	if (result == 0 && X509_check_private_key(sk_X509_value(cmp->own, 0), cmp->key) != 1) {
		ERR_clear_error();
		result = reason_set(why, "ra-key is not the key of ra-certificate");
	}
	return result;
}

int cmp_load(struct cmp *cmp, const struct online_settings *settings, time_t now, struct reason *why)
{
	bool ra = *settings->ra_certificate != '\0' || *settings->ra_key != '\0';
	bool secret = *settings->secret_file != '\0';
	struct reason cause = {.text = ""};

	if (ra && secret)
		return reason_set(why, "give ra-certificate and ra-key, or reference and secret-file, not both");
	if (!ra && !secret)
		return reason_set(why, "CMP needs ra-certificate and ra-key, or reference and secret-file");
	if (secret && *settings->reference == '\0')
		return reason_set(why, "a secret needs its name: give reference");
	if (ra && *settings->issuer_file == '\0')
		return reason_set(why, "the answers have to be checked: give issuer-file");
	if (*settings->issuer_file == '\0')
		cmp->issuers = sk_X509_new_null();
	else
		cmp->issuers = read_certificates(settings->issuer_file, why);
	if (cmp->issuers == NULL)
		return *settings->issuer_file == '\0' ? reason_memory(why) : -1;
	if (ra)
		return load_ra(cmp, settings, now, why);
	secret_guard();
	if (secret_read(&cmp->secret, settings->secret_file, &cause) != 0)
		return reason_because(why, &cause, "secret-file %.100s: %s", settings->secret_file, cause.text);
	return *cmp->secret.text != '\0' ? 0 : reason_set(why, "%.100s: the secret is empty", settings->secret_file);
}

void cmp_free(struct cmp *cmp)
{
	EVP_PKEY_free(cmp->key);
	sk_X509_pop_free(cmp->own, X509_free);
	sk_X509_pop_free(cmp->issuers, X509_free);
	secret_wipe(&cmp->secret);
	*cmp = (struct cmp){0};
}

/* May the owner of this certificate answer for the CA? Phones have certificates of the same CA, which can sign. So it has
 * to be in issuer_file itself, or be a CA's, or have the extended key usage id-kp-cmcCA or id-kp-cmcRA (RFC 9483). */
static bool may_speak(X509 *x, STACK_OF(X509) *issuers)
{
	EXTENDED_KEY_USAGE *usages;
	bool found = X509_check_ca(x) == 1;

	for (int i = 0; !found && i < sk_X509_num(issuers); i++)
		found = X509_cmp(x, sk_X509_value(issuers, i)) == 0;
	if (found)
		return true;
	usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; !found && i < sk_ASN1_OBJECT_num(usages); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i));

		found = nid == NID_cmcCA || nid == NID_cmcRA;
	}
	sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
	return found;
}

/* OpenSSL's X509_STORE_CTX_verify_cb. */
static int judge_speaker(int good, X509_STORE_CTX *c)
{
	if (!good || X509_STORE_CTX_get_error_depth(c) > 0)
		return good;
	if (may_speak(X509_STORE_CTX_get_current_cert(c), X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(c), 0)))
		return 1;
	X509_STORE_CTX_set_error(c, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* The CA's certificates as OpenSSL wants them; each may be the last of a chain. NULL when out of memory. */
static X509_STORE *make_store(STACK_OF(X509) *issuers, time_t now)
{
	X509_STORE *store = X509_STORE_new();
	bool good = store != NULL && X509_STORE_set_ex_data(store, 0, issuers) &&
	    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);

	for (int i = 0; good && i < sk_X509_num(issuers); i++)
		good = X509_STORE_add_cert(store, sk_X509_value(issuers, i));
	if (!good) {
		X509_STORE_free(store);
		return NULL;
	}
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), now);
	X509_STORE_set_verify_cb(store, judge_speaker);
	return store;
}

static int quiet(const char *func, const char *file, int line, OSSL_CMP_severity level, const char *text)
{
	(void)func, (void)file, (void)line, (void)level, (void)text;
	return 1;
}

/* OpenSSL's certConf_cb: is it the right key? All else is judged when it is imported. */
static int accept_certificate(OSSL_CMP_CTX *ctx, X509 *x, int fail_info, const char **text)
{
	struct cmp_exchange *e = OSSL_CMP_CTX_get_certConf_cb_arg(ctx);

	(void)x, (void)text;
	e->other_key = fail_info != 0;
	return fail_info;
}

/* A message of DER. NULL, and it is not in OpenSSL's queue why. */
static OSSL_CMP_MSG *decode(struct bytes der)
{
	const unsigned char *p = der.p;
	OSSL_CMP_MSG *message = d2i_OSSL_CMP_MSG(NULL, &p, (long)der.len);

	if (message != NULL && p != der.p + der.len) {
		OSSL_CMP_MSG_free(message);
		message = NULL;
	}
	return message;
}

/* Appends the message's protection: SEQUENCE of header and body, which key signs, and the signature. */
static bool sign(struct buf *out, EVP_PKEY *key)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct buf whole = {0};
	unsigned char signature[256] = {0};	/* its first byte: no unused bits */
	size_t len = sizeof signature - 1;
	bool good;

	buf_put(&whole, out->p, out->len);
	der_wrap(&whole, 0, DER_SEQUENCE);
	good = md != NULL && !whole.failed && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(md, signature + 1, &len, whole.p, whole.len) == 1;
	if (good) {
		size_t from = out->len;

		der_put(out, DER_BIT_STRING, signature, len + 1);
		der_wrap(out, from, DER_CONTEXT_0);
		der_wrap(out, 0, DER_SEQUENCE);
	}
	EVP_MD_CTX_free(md);
	buf_free(&whole);
	return good && !out->failed;
}

/* A certificate for a key that is forgotten right away. */
static X509 *make_stand_in(EVP_PKEY *key)
{
	X509 *x = X509_new();

	if (x != NULL && X509_set_version(x, X509_VERSION_3) && X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x), 60) != NULL && X509_set_pubkey(x, key) &&
	    X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* The answer that the request waits, which came in another process. It is signed with a key that OpenSSL takes for the
 * CA's until the next message leaves. NULL when out of memory. */
static OSSL_CMP_MSG *say_again(struct cmp_exchange *e, OSSL_CMP_CTX *ctx, enum cmp_body request)
{
	static const unsigned char ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
	    0x02};
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *x = key != NULL ? make_stand_in(key) : NULL;
	ASN1_OCTET_STRING *nonce = ASN1_OCTET_STRING_new();
	OSSL_CMP_MSG *message = NULL;
	struct buf der = {0};

	/* The one request of an ir is 0 for us, also when the CA postponed it by an error, which names none. */
	if (request == CMP_IR)
		e->ticket.request = 0;
	cmp_message_put_waiting(&der, &e->ticket, request == CMP_IR ? CMP_IP : CMP_CP,
	    (struct bytes){ecdsa_sha256, sizeof ecdsa_sha256});
	/* The request that counts had this nonce, not the one that was made now. */
	if (x != NULL && nonce != NULL && ASN1_OCTET_STRING_set(nonce, e->ticket.first, CMP_ID) &&
	    OSSL_CMP_CTX_set1_senderNonce(ctx, nonce) && OSSL_CMP_CTX_set1_srvCert(ctx, x) && sign(&der, key))
		message = decode((struct bytes){der.p, der.len});
	ASN1_OCTET_STRING_free(nonce);
	X509_free(x);
	EVP_PKEY_free(key);
	buf_free(&der);
	return message;
}

/* OpenSSL's form of what came, or NULL with e->trouble. */
static OSSL_CMP_MSG *read_answer(struct cmp_exchange *e, struct bytes body)
{
	OSSL_CMP_MSG *message;
	unsigned char *der = NULL;
	int len;

	e->trouble = CMP_UNREADABLE;
	if (body.len > CMP_MESSAGE_MAX) {
		reason_set(&e->why, "the answer has more than %d bytes", CMP_MESSAGE_MAX);
		return NULL;
	}
	reason_set(&e->why, "the answer is no message of CMP");
	if ((message = decode(body)) == NULL)
		return NULL;
	/* It may have come as BER. */
	len = i2d_OSSL_CMP_MSG(message, &der);
	if (len > 0)
		buf_put(&e->der, der, (size_t)len);
	OPENSSL_free(der);
	if (len > 0 && !e->der.failed && cmp_message_read((struct bytes){e->der.p, e->der.len}, &e->message)) {
		e->trouble = CMP_FINE;
		return message;
	}
	OSSL_CMP_MSG_free(message);
	return NULL;
}

/* Keeps what a later process needs to ask again: our first nonce, the CA's last one, the number of the request. */
static void note(struct cmp_exchange *e, const struct cmp_message *ours)
{
	const struct bytes *nonce = &e->message.nonce;

	if (ours->body == CMP_POLLREQ) {
		e->ticket.waits = true;
		e->ticket.request = ours->request;
	} else if (ours->body != CMP_CERTCONF && ours->nonce.len == CMP_ID)
		memcpy(e->ticket.first, ours->nonce.p, CMP_ID);
	if (e->trouble != CMP_FINE)
		return;
	e->ticket.nonce_len = nonce->len <= CMP_NONCE_MAX ? nonce->len : 0;
	if (e->ticket.nonce_len > 0)
		memcpy(e->ticket.nonce, nonce->p, nonce->len);
}

/* Some CAs answer the last question with the nonce of the request itself (RFC 9483 4.4), which OpenSSL 3.0 does not
 * know. Both are ours and used once. */
static void take_first_nonce(struct cmp_exchange *e, OSSL_CMP_CTX *ctx)
{
	const struct bytes *nonce = &e->message.recipient_nonce;
	ASN1_OCTET_STRING *first;

	if (e->sent != CMP_POLLREQ || (e->message.body != CMP_IP && e->message.body != CMP_CP) ||
	    nonce->len != CMP_ID || memcmp(nonce->p, e->ticket.first, CMP_ID) != 0 ||
	    (first = ASN1_OCTET_STRING_new()) == NULL)
		return;
	if (ASN1_OCTET_STRING_set(first, nonce->p, CMP_ID))
		OSSL_CMP_CTX_set1_senderNonce(ctx, first);
	ASN1_OCTET_STRING_free(first);
}

/* One message there and one back. */
static OSSL_CMP_MSG *converse(struct cmp_exchange *e, OSSL_CMP_CTX *ctx, struct bytes der)
{
	/* Many servers end the connection with the transaction; what is sent on it then is lost. */
	struct http_ask ask = {.url = e->ca->settings->url, .type = "application/pkixcmp", .body = der,
	    .fresh = e->messages == 1};
	struct http_answer answer = {0};
	struct cmp_message ours;
	OSSL_CMP_MSG *message = NULL;

	buf_free(&e->der);
	e->message = (struct cmp_message){.request = -1};
	e->http = http_exchange(e->ca->http, &ask, &answer, &e->why);
	e->left = e->left || e->http == HTTP_ANSWERED || e->http == HTTP_NO_ANSWER;
	if (e->http != HTTP_ANSWERED)
		e->trouble = CMP_UNANSWERED;
	/* An error of CMP may come with an error of HTTP (RFC 9811 3.6). */
	else if (answer.status / 100 != 2 && strncmp(answer.type, "application/pkixcmp", 19) != 0)
		e->trouble = CMP_STATUS;
	else
		message = read_answer(e, (struct bytes){answer.body.p, answer.body.len});
	buf_free(&e->answer.body);
	e->answer = answer;
	if (cmp_message_read(der, &ours))
		note(e, &ours);
	if (message != NULL)
		take_first_nonce(e, ctx);
	return message;
}

/* OpenSSL's transfer_cb. */
static OSSL_CMP_MSG *transfer(OSSL_CMP_CTX *ctx, const OSSL_CMP_MSG *request)
{
	struct cmp_exchange *e = OSSL_CMP_CTX_get_transfer_cb_arg(ctx);
	int body = OSSL_CMP_MSG_get_bodytype(request), len;
	OSSL_CMP_MSG *message = NULL;
	unsigned char *der = NULL;

	if (e->resuming) {
		e->resuming = false;
		return say_again(e, ctx, (enum cmp_body)body);
	}
	/* Newer versions wait, as long as the CA says, when it postpones something else than a certificate. */
	if (body == CMP_POLLREQ && (e->sent == CMP_CERTCONF || e->sent == CMP_GENM))
		return NULL;
	e->sent = body;
	if (++e->messages > CMP_MESSAGES_MAX) {
		e->trouble = CMP_UNREADABLE;
		reason_set(&e->why, "the CA wants to be asked again and again at once");
		return NULL;
	}
	if (OSSL_CMP_CTX_set1_srvCert(ctx, NULL) && (len = i2d_OSSL_CMP_MSG(request, &der)) > 0)
		message = converse(e, ctx, (struct bytes){der, (size_t)len});
	OPENSSL_free(der);
	return message;
}

/* The protection of what we send, and the CA's. */
static bool set_protection(OSSL_CMP_CTX *ctx, const struct cmp *cmp, const struct online_settings *settings)
{
	const unsigned char *secret = (const unsigned char *)cmp->secret.text;
	const unsigned char *reference = (const unsigned char *)settings->reference;

	if (cmp->key == NULL)
		return OSSL_CMP_CTX_set1_secretValue(ctx, secret, (int)strlen(cmp->secret.text)) &&
		    OSSL_CMP_CTX_set1_referenceValue(ctx, reference, (int)strlen(settings->reference));
	return OSSL_CMP_CTX_set1_cert(ctx, sk_X509_value(cmp->own, 0)) && OSSL_CMP_CTX_set1_pkey(ctx, cmp->key) &&
	    OSSL_CMP_CTX_set1_untrusted(ctx, cmp->own);
}

static bool set_trust(OSSL_CMP_CTX *ctx, const struct cmp *cmp, time_t now)
{
	X509_STORE *store;

	/* Without any, only the secret counts. */
	if (sk_X509_num(cmp->issuers) == 0)
		return true;
	if (!OSSL_CMP_CTX_set1_recipient(ctx, X509_get_subject_name(sk_X509_value(cmp->issuers, 0))) ||
	    (store = make_store(cmp->issuers, now)) == NULL)
		return false;
	if (OSSL_CMP_CTX_set0_trustedStore(ctx, store))
		return true;
	X509_STORE_free(store);
	return false;
}

/* Errors without protection are believed when TLS has told who says them. */
static bool set_options(OSSL_CMP_CTX *ctx, struct cmp_exchange *e)
{
	return OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_LOG_VERBOSITY, OSSL_CMP_LOG_EMERG) &&
	    OSSL_CMP_CTX_set_log_cb(ctx, quiet) &&
	    OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_IMPLICIT_CONFIRM, 1) &&
	    OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_SUBJECTALTNAME_NODEFAULT, 1) &&
	    OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_UNPROTECTED_ERRORS,
	    strncasecmp(e->ca->settings->url, "https:", 6) == 0) &&
	    OSSL_CMP_CTX_set_transfer_cb(ctx, transfer) && OSSL_CMP_CTX_set_transfer_cb_arg(ctx, e) &&
	    OSSL_CMP_CTX_set_certConf_cb(ctx, accept_certificate) && OSSL_CMP_CTX_set_certConf_cb_arg(ctx, e);
}

int cmp_exchange_open(struct cmp_exchange *e, struct online_ca *ca, const struct cmp_ticket *ticket,
    struct reason *why)
{
	const struct cmp *cmp = ca->own;
	ASN1_OCTET_STRING *id;
	bool good;

	ERR_clear_error();
	openssl_error_forget();
	id = ASN1_OCTET_STRING_new();
	*e = (struct cmp_exchange){.ca = ca, .ticket = *ticket, .resumed = ticket->waits, .resuming = ticket->waits,
	    .sent = -1, .ctx = OSSL_CMP_CTX_new(NULL, NULL)};
	good = e->ctx != NULL && id != NULL && ASN1_OCTET_STRING_set(id, ticket->id, CMP_ID) &&
	    OSSL_CMP_CTX_set1_transactionID(e->ctx, id) && set_options(e->ctx, e) &&
	    set_protection(e->ctx, cmp, ca->settings) && set_trust(e->ctx, cmp, ca->now);
	ASN1_OCTET_STRING_free(id);
	return good ? 0 : openssl_error_set(why, "OpenSSL does not take the settings for CMP");
}

void cmp_exchange_close(struct cmp_exchange *e)
{
	OSSL_CMP_CTX_free(e->ctx);
	buf_free(&e->der);
	buf_free(&e->answer.body);
	e->ctx = NULL;
	ERR_clear_error();
}

/* Its key, name and extensions, for a request without a signature of its own. */
static bool put_vouched(OSSL_CMP_CTX *ctx, X509_REQ *request)
{
	EVP_PKEY *key = X509_REQ_get_pubkey(request);
	STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
	X509_NAME *nobody = X509_NAME_new();
	bool good = key != NULL && nobody != NULL && OSSL_CMP_CTX_set0_newPkey(ctx, 0, key);

	if (!good)
		EVP_PKEY_free(key);
	/* Of the issuer nothing is said: it need not be that of the RA's certificate. */
	good = good && OSSL_CMP_CTX_set1_subjectName(ctx, X509_REQ_get_subject_name(request)) &&
	    OSSL_CMP_CTX_set1_issuer(ctx, nobody) &&
	    OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_POPO_METHOD, OSSL_CRMF_POPO_RAVERIFIED);
	X509_NAME_free(nobody);
	if (good && sk_X509_EXTENSION_num(extensions) > 0)
		return OSSL_CMP_CTX_set0_reqExtensions(ctx, extensions);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return good;
}

int cmp_exchange_put(struct cmp_exchange *e, const struct csr *csr, struct reason *why)
{
	const unsigned char *p = csr->der;
	/* With OpenSSL's own context, which csr_parse does not use. */
	X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)csr->der_len);
	/* Without its key, for lack of memory, OpenSSL could not copy it and would crash. */
	bool good = request != NULL && X509_REQ_get0_pubkey(request) != NULL && (csr->proof == CSR_OWN ?
	    OSSL_CMP_CTX_set1_p10CSR(e->ctx, request) :
	    put_vouched(e->ctx, request));

	X509_REQ_free(request);
	return good ? 0 : openssl_error_set(why, "OpenSSL does not take the request for CMP");
}
