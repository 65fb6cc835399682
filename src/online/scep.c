/* SPDX-License-Identifier: ISC */
#include <openssl/provider.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/utc.h"
#include "online/scep.h"
#include "online/scep_ca.h"
#include "online/scep_message.h"
#include "x509/key.h"
#include "x509/openssl_error.h"
#include "x509/secret.h"
#include "x509/trust.h"

#define MESSAGE "application/x-pki-message"
#define RUN_KEY "rsa:2048"
#define MARK 16			/* hex digits in a ticket that tell one transport key from another */
#define ISSUERS_MAX 262144	/* bytes of issuer-file */

struct scep {
	EVP_PKEY *key;			/* the transport key; NULL: not made yet */
	X509 *certificate;		/* its certificate; NULL: one is made for each request */
	char mark[MARK + 1];		/* of a key that is in a file; "": it is only of this process */
	struct secret challenge;
	STACK_OF(X509) *pinned;		/* issuer-file; NULL: none */
	struct scep_old old;
	OSSL_PROVIDER *providers[2];	/* of old.context */
	bool too_old;			/* its answers cannot be read, for the reason in unreadable, */
	struct reason unreadable;	/* which concerns each of them */
	long status;			/* of the last answer to a message; 0: none came */
	bool met;			/* what follows is known */
	struct scep_caps caps;
	struct scep_ca ca;
	struct buf shown;		/* the server's certificates, DER, one behind the other */
};

static int allows(const struct online_settings *settings, enum csr_proof proof, struct reason *why)
{
	if (proof == CSR_OWN || settings->unproved)
		return 0;
	return reason_set(why, "CAPF signed it, not its phone. Ways out: CMP; an agent (certsrv, EST); "
	    "a subordinate CA (ca-init --request); capf-probe; send-unproved = yes; see csr-submit(1)");
}

/* Decodes each with OpenSSL's whole context: the one that cert_parse has cannot check every signature. */
static int pin(void *ctx, size_t number, const struct cert *c, const struct reason *bad)
{
	STACK_OF(X509) *list = ctx;
	const unsigned char *p = c != NULL ? c->der : NULL;
	X509 *x = c != NULL ? d2i_X509(NULL, &p, (long)c->der_len) : NULL;

	(void)number, (void)bad;
	if (x != NULL && sk_X509_push(list, x) > 0)
		return 0;
	X509_free(x);
	return -1;
}

static int load_pinned(struct scep *own, const char *path, struct reason *why)
{
	unsigned char *data = NULL;
	int fd = fileio_open_input(path), result;
	size_t len;

	if (fd < 0 || fileio_read_all(fd, ISSUERS_MAX, &data, &len) != 0) {
		reason_errno_of(why, path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	own->pinned = sk_X509_new_null();
	result = own->pinned == NULL ? reason_memory(why) : trust_each(data, len, pin, own->pinned);
	free(data);
	if (result != 0 || sk_X509_num(own->pinned) == 0)
		result = reason_set(why, "issuer-file %s has something that is no certificate", path);
	return openssl_error_end(result, why);
}

/* The transport key of the settings. -1 with a reason. */
static int load_key(struct scep *own, const struct online_settings *settings, struct reason *why)
{
	struct secret pass = {NULL};
	struct reason bad;
	struct cert *c = NULL;
	unsigned char *spki = NULL, digest[32];
	const unsigned char *p;
	int result = -1, len;

	if (*settings->pass_file != '\0' && secret_read(&pass, settings->pass_file, &bad) != 0)
		return reason_because(why, &bad, "pass-file %s: %s", settings->pass_file, bad.text);
	own->key = key_load(settings->ra_key, &pass, &bad);
	secret_wipe(&pass);
	if (own->key == NULL)
		return reason_because(why, &bad, "ra-key %s: %s", settings->ra_key, bad.text);
	if (EVP_PKEY_get_base_id(own->key) != EVP_PKEY_RSA)
		return reason_set(why, "ra-key %s: is no RSA key, for which the CA could encrypt", settings->ra_key);
	if (*settings->ra_certificate != '\0' && (c = cert_load(settings->ra_certificate, &bad)) == NULL)
		return reason_because(why, &bad, "ra-certificate %s: %s", settings->ra_certificate, bad.text);
	p = c != NULL ? c->der : NULL;
	if (c != NULL && (own->certificate = d2i_X509(NULL, &p, (long)c->der_len)) == NULL)
		openssl_error_set(why, "ra-certificate %s: is no certificate", settings->ra_certificate);
	else if (c != NULL && EVP_PKEY_eq(X509_get0_pubkey(own->certificate), own->key) != 1)
		reason_set(why, "ra-certificate %s: is not for ra-key", settings->ra_certificate);
	else if ((len = i2d_PUBKEY(own->key, &spki)) <= 0 ||
	    !EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL))
		openssl_error_set(why, "ra-key %s: has no public half", settings->ra_key);
	else {
		bytes_hex(digest, MARK / 2, own->mark);
		result = 0;
	}
	OPENSSL_free(spki);
	cert_free(c);
	return openssl_error_end(result, why);
}

/* A context of its own for single DES, which OpenSSL 3 has only in its legacy provider. It is a file, so it is loaded
 * before a process confines itself. -1 with a reason. */
static int load_legacy(struct scep *own, struct reason *why)
{
	own->old.allowed = true;
	if ((own->old.context = OSSL_LIB_CTX_new()) != NULL &&
	    (own->providers[0] = OSSL_PROVIDER_load(own->old.context, "default")) != NULL &&
	    (own->providers[1] = OSSL_PROVIDER_load(own->old.context, "legacy")) != NULL)
		return 0;
	return openssl_error_set(why, "allow-des: OpenSSL's legacy provider cannot be loaded");
}

static int scep_open(struct online_ca *ca, struct reason *why)
{
	const struct online_settings *settings = ca->settings;
	struct scep *own = calloc(1, sizeof *own);
	struct reason bad;

	if ((ca->own = own) == NULL)
		return reason_memory(why);
	if (*settings->challenge_file != '\0' && secret_read(&own->challenge, settings->challenge_file, &bad) != 0)
		return reason_because(why, &bad, "challenge-file %s: %s", settings->challenge_file, bad.text);
	if (*settings->issuer_file != '\0' && load_pinned(own, settings->issuer_file, why) != 0)
		return -1;
	if (*settings->ra_key != '\0' && load_key(own, settings, why) != 0)
		return -1;
	return settings->des ? load_legacy(own, why) : 0;
}

static void scep_close(struct online_ca *ca)
{
	struct scep *own = ca->own;

	if (own == NULL)
		return;
	EVP_PKEY_free(own->key);
	X509_free(own->certificate);
	secret_wipe(&own->challenge);
	sk_X509_pop_free(own->pinned, X509_free);
	for (size_t i = 0; i < 2; i++)
		if (own->providers[i] != NULL)
			OSSL_PROVIDER_unload(own->providers[i]);
	OSSL_LIB_CTX_free(own->old.context);
	scep_ca_free(&own->ca);
	buf_free(&own->shown);
	free(own);
	ca->own = NULL;
}

/* Text into a query, RFC 3986 2. */
static void put_escaped(struct buf *b, const char *text, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
	char hex[4];

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\0' && strchr(plain, text[i]) != NULL)
			buf_put(b, text + i, 1);
		else {
			snprintf(hex, sizeof hex, "%%%02X", (unsigned char)text[i]);
			buf_put(b, hex, 3);
		}
	}
}

/* Asks for one operation; a message is posted, or else is a part of the address, RFC 8894 4.1. */
static enum http_result ask(struct online_ca *ca, const char *operation, const struct buf *message, bool post,
    struct http_answer *answer, struct reason *why)
{
	const char *url = ca->settings->url, *name = ca->settings->jurisdiction;
	struct http_ask http = {.type = post ? MESSAGE : NULL};
	struct buf b = {0};
	unsigned char *text = NULL;
	enum http_result result = HTTP_TROUBLE;

	*answer = (struct http_answer){0};
	buf_put(&b, url, strlen(url));
	buf_put(&b, strchr(url, '?') != NULL ? "&operation=" : "?operation=", 11);
	buf_put(&b, operation, strlen(operation));
	if (message != NULL && post)
		http.body = (struct bytes){message->p, message->len};
	else if (message != NULL && (text = malloc(message->len / 3 * 4 + 5)) != NULL) {
		int len = EVP_EncodeBlock(text, message->p, (int)message->len);

		buf_put(&b, "&message=", 9);
		put_escaped(&b, (char *)text, (size_t)len);
	} else if (message == NULL && *name != '\0') {
		buf_put(&b, "&message=", 9);
		put_escaped(&b, name, strlen(name));
	}
	buf_put_u8(&b, 0);
	if (b.failed || (message != NULL && !post && text == NULL))
		reason_memory(why);
	else {
		http.url = (char *)b.p;
		result = http_exchange(ca->http, &http, answer, why);
	}
	free(text);
	buf_free(&b);
	return result;
}

/* The server said nothing useful about itself. Nothing has been asked for yet, so nothing is lost, and no request was
 * refused. */
static void say_not_met(struct online_answer *answer)
{
	if (answer->outcome == ONLINE_LOST)
		answer->outcome = ONLINE_LATER;
	else if (answer->outcome == ONLINE_REFUSED)
		answer->outcome = ONLINE_BROKEN;
}

/* GetCACaps, which old servers do not have: then nothing of it is supported, RFC 8894 3.5.1. False with an answer. */
static bool ask_caps(struct online_ca *ca, struct online_answer *answer)
{
	struct scep *own = ca->own;
	struct http_answer http;
	struct reason why;
	enum http_result result = ask(ca, "GetCACaps", NULL, false, &http, &why);
	bool none = http.status == 400 || http.status == 404 || http.status == 405 || http.status == 501;

	if (result != HTTP_ANSWERED)
		online_say_unanswered(answer, result, &why);
	else if (http.status / 100 != 2 && !none)
		online_say_status(answer, &http);
	else
		scep_caps_parse((struct bytes){http.body.p, none ? 0 : http.body.len}, &own->caps);
	buf_free(&http.body);
	return result == HTTP_ANSWERED && (http.status / 100 == 2 || none);
}

static void keep(struct scep *own, STACK_OF(X509) *shown)
{
	buf_free(&own->shown);
	for (int i = 0; i < sk_X509_num(shown); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(shown, i), &der);

		if (len > 0)
			buf_put(&own->shown, der, (size_t)len);
		OPENSSL_free(der);
	}
}

/* GetCACert. False with an answer. */
static bool ask_certificates(struct online_ca *ca, struct online_answer *answer)
{
	struct scep *own = ca->own;
	struct http_answer http;
	struct reason why;
	enum http_result result = ask(ca, "GetCACert", NULL, false, &http, &why);
	STACK_OF(X509) *shown = NULL;
	bool good = false;

	if (result != HTTP_ANSWERED)
		online_say_unanswered(answer, result, &why);
	else if (http.status / 100 != 2)
		online_say_status(answer, &http);
	else if ((shown = scep_certificates((struct bytes){http.body.p, http.body.len}, &why)) == NULL)
		online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s: look at url and jurisdiction",
		    why.text);
	else {
		keep(own, shown);
		scep_ca_free(&own->ca);
		good = scep_ca_choose(&own->ca, shown, own->pinned, ca->now, &why) == 0;
		if (!good)
			online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
	}
	sk_X509_pop_free(shown, X509_free);
	buf_free(&http.body);
	return good;
}

/* What the server is and can do, once. False with an answer. */
static bool meet(struct online_ca *ca, struct online_answer *answer)
{
	struct scep *own = ca->own;

	if (own->met)
		return true;
	own->met = ask_caps(ca, answer) && ask_certificates(ca, answer);
	if (!own->met)
		say_not_met(answer);
	return own->met;
}

/* Over plain http the server's certificates are whatever somebody on the way wants. */
static bool vouched(const struct online_ca *ca, struct online_answer *answer)
{
	const struct scep *own = ca->own;

	if (own->pinned != NULL || strncasecmp(ca->settings->url, "https://", 8) == 0)
		return true;
	online_say(answer, ONLINE_BROKEN, "over plain http nothing vouches for the CA's certificate: set issuer-file to "
	    "it (csr-submit --get-ca writes it; compare its SHA-256 first), or use https");
	return false;
}

/* Can a request be sent, and will its answer be read? False with an answer. */
static bool ready(struct online_ca *ca, struct online_answer *answer)
{
	const struct scep *own = ca->own;

	/* One answer was lost for this; the next would be, too. */
	if (own->too_old) {
		online_say(answer, ONLINE_BROKEN, "%s", own->unreadable.text);
		return false;
	}
	return vouched(ca, answer) && meet(ca, answer);
}

/* The transaction id, and which transport key the answer will be encrypted for. The server is asked about itself first:
 * when that fails, no request is in doubt. */
static int scep_ticket(struct online_ca *ca, const struct csr *csr, char out[ONLINE_TICKET_MAX + 1], struct reason *why)
{
	const struct scep *own = ca->own;
	size_t len = 2 * sizeof csr->spki;
	struct online_answer answer = {0};

	bytes_hex(csr->spki, sizeof csr->spki, out);
	if (*own->mark != '\0')
		snprintf(out + len, ONLINE_TICKET_MAX + 1 - len, ".%s", own->mark);
	if (ready(ca, &answer))
		return 0;
	*why = answer.why;
	why->trouble = answer.outcome == ONLINE_LATER;
	return -1;
}

/* AES and SHA-2 where the server has them. Triple DES still hides what it encrypts; SHA-1 wants allow-des. False with
 * an answer. */
static bool choose_algorithms(const struct scep *own, struct scep_ask *question, struct online_answer *answer)
{
	question->cipher = own->caps.aes ? EVP_aes_128_cbc() : EVP_des_ede3_cbc();
	question->digest = own->caps.sha256 ? EVP_sha256() : own->caps.sha512 ? EVP_sha512() : EVP_sha1();
	if (own->caps.sha256 || own->caps.sha512 || own->old.allowed)
		return true;
	online_say(answer, ONLINE_BROKEN, "the CA names no digest better than SHA-1, which is taken only with allow-des");
	return false;
}

/* Sends one message, and reads the reply. False with an answer; in it LOST means that the CA may have decided. */
static bool exchange(struct online_ca *ca, enum scep_type type, const struct csr *csr, struct scep_reply *reply,
    struct online_answer *answer)
{
	struct scep *own = ca->own;
	struct scep_ask question;
	struct buf message = {0};
	struct http_answer http = {0};
	struct reason why;
	X509 *made = NULL;
	enum http_result result;
	bool good = false;

	if ((own->key == NULL && (own->key = key_make(RUN_KEY, &why)) == NULL) ||
	    scep_ask_init(&question, type, csr, &why) != 0 || (own->certificate == NULL &&
	    (made = scep_transport(own->key, X509_REQ_get_subject_name(csr->req), &why)) == NULL)) {
		online_say(answer, ONLINE_LATER, "%s", why.text);
		return false;
	}
	question.key = own->key;
	question.certificate = made != NULL ? made : own->certificate;
	question.recipient = own->ca.recipient;
	own->status = 0;
	if (!choose_algorithms(own, &question, answer))
		;
	else if (scep_put(&question, csr, own->ca.issuer, &message, &why) != 0)
		online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
	else if ((result = ask(ca, "PKIOperation", &message, own->caps.post, &http, &why)) != HTTP_ANSWERED)
		online_say_unanswered(answer, result, &why);
	else if ((own->status = http.status) / 100 != 2)
		online_say_status(answer, &http);
	else if (scep_parse((struct bytes){http.body.p, http.body.len}, &question, own->ca.signers, &own->old, reply,
	    &why) != 0) {
		online_say(answer, ONLINE_LOST, "%s", why.text);
		own->met = false;	/* its certificates may be others by now */
		own->too_old = reply->old;
		own->unreadable = why;
	} else
		good = true;
	buf_free(&http.body);
	buf_free(&message);
	X509_free(made);
	return good;
}

static void say_failure(struct online_answer *answer, enum online_outcome outcome, const struct scep_reply *reply)
{
	online_say(answer, outcome, "the CA says %s%s%s", scep_fail_text(reply->fail), *reply->text != '\0' ? ": " : "",
	    reply->text);
}

static void say_issued(struct online_answer *answer, struct scep_reply *reply)
{
	answer->outcome = ONLINE_ISSUED;
	answer->certificates = reply->certificates;
	reply->certificates = (struct buf){0};
}

/* Why a poll may come to nothing: the request was made with a transport key that we do not have. */
static const char *key_remark(const struct scep *own, const char *ticket)
{
	const char *mark = strchr(ticket, '.');

	if (mark != NULL && strcmp(mark + 1, own->mark) != 0)
		return "; it was asked with another ra-key";
	return mark == NULL && *own->mark == '\0' ? "; without ra-key each process has a key of its own" : "";
}

static void say_pending(struct online_answer *answer, const struct scep *own, const char *ticket)
{
	snprintf(answer->ticket, sizeof answer->ticket, "%s", ticket);
	online_say(answer, ONLINE_PENDING, "the CA has not decided yet%s", key_remark(own, ticket));
}

/* A CA that keeps no transactions answers a poll with badRequest, whatever became of the request. badCertId says that
 * it looked, and that there is no certificate. */
static void say_poll_failure(struct online_answer *answer, const struct scep *own, const char *ticket, bool lost,
    const struct scep_reply *reply)
{
	if (reply->fail == SCEP_BAD_TIME)
		say_failure(answer, ONLINE_BROKEN, reply);
	else if (lost && reply->fail == SCEP_BAD_CERT_ID)
		online_say(answer, ONLINE_NEVER, "the CA has neither this request nor a certificate for it (badCertId)");
	else if (lost || reply->fail == SCEP_BAD_MESSAGE_CHECK || reply->fail == SCEP_BAD_ALG)
		online_say(answer, ONLINE_LOST, "asked what became of it, the CA says %s%s%s%s",
		    scep_fail_text(reply->fail), *reply->text != '\0' ? ": " : "", reply->text, key_remark(own, ticket));
	else
		say_failure(answer, ONLINE_REFUSED, reply);
}

/* A poll that brought no verdict: the request is asked about again. But a CA that does not know polls at all refuses
 * each with some status. */
static void say_no_verdict(struct online_answer *answer, const struct scep *own, const char *ticket, bool lost,
    const struct scep_reply *reply)
{
	struct reason why = answer->why;
	bool never = lost && (own->status == 500 || own->status == 501 || answer->outcome == ONLINE_REFUSED);

	if (answer->outcome == ONLINE_BROKEN)
		return;
	/* Without a signature of the CA's it may be anybody's answer, which decides nothing. */
	if (never || reply->signed_by_ca)
		online_say(answer, ONLINE_LOST, "asked what became of it: %s%s", why.text, key_remark(own, ticket));
	else
		answer->outcome = ONLINE_LATER;
}

static void scep_poll(struct online_ca *ca, const struct csr *csr, const char *ticket, bool lost,
    struct online_answer *answer)
{
	const struct scep *own = ca->own;
	struct scep_reply reply = {0};

	if (!vouched(ca, answer) || !meet(ca, answer))
		return;
	if (!exchange(ca, SCEP_CERT_POLL, csr, &reply, answer))
		say_no_verdict(answer, own, ticket, lost, &reply);
	else if (reply.status == SCEP_SUCCESS)
		say_issued(answer, &reply);
	else if (reply.status == SCEP_FAILURE)
		say_poll_failure(answer, own, ticket, lost, &reply);
	else
		say_pending(answer, own, ticket);
}

/* No answer of the CA's came to a request that may have arrived: the transaction can be asked about at once. */
static void ask_again(struct online_ca *ca, const struct csr *csr, const char *ticket, struct online_answer *answer)
{
	const struct reason why = answer->why;

	scep_poll(ca, csr, ticket, true, answer);
	if (answer->outcome == ONLINE_NEVER)
		answer->outcome = ONLINE_LATER;
	else if (answer->outcome == ONLINE_LATER || answer->outcome == ONLINE_BROKEN)
		online_say(answer, ONLINE_LOST, "%s", why.text);
}

static void scep_submit(struct online_ca *ca, const struct csr *csr, const char *ticket, struct online_answer *answer)
{
	const struct scep *own = ca->own;
	struct scep_reply reply = {0};
	struct reason why;

	if (own->challenge.text != NULL && scep_check_challenge(csr, own->challenge.text, &why) != 0) {
		online_say(answer, ONLINE_REFUSED, "%s", why.text);
		return;
	}
	if (!ready(ca, answer))
		return;
	if (!exchange(ca, SCEP_PKCS_REQ, csr, &reply, answer)) {
		if (answer->outcome == ONLINE_LOST && !reply.signed_by_ca && !reply.old)
			ask_again(ca, csr, ticket, answer);
	} else if (reply.status == SCEP_SUCCESS)
		say_issued(answer, &reply);
	else if (reply.status == SCEP_FAILURE)
		say_failure(answer, reply.fail == SCEP_BAD_TIME ? ONLINE_BROKEN : ONLINE_REFUSED, &reply);
	else
		say_pending(answer, own, ticket);
}

static void put_line(struct buf *b, const char *word, const char *value)
{
	buf_put(b, word, strlen(word));
	buf_put(b, "\t", 1);
	buf_put(b, value, strlen(value));
	buf_put(b, "\n", 1);
}

/* A line for each certificate that the server shows, which csr-submit prints besides. */
static void put_trust(struct buf *b, const struct scep *own, bool vouched_for, X509 *x)
{
	const char *word = "untrusted";
	unsigned char digest[32];
	char hex[65];

	for (int i = 0; i < sk_X509_num(own->ca.signers); i++)
		if (vouched_for && X509_cmp(sk_X509_value(own->ca.signers, i), x) == 0)
			word = "trusted";
	if (!X509_digest(x, EVP_sha256(), digest, NULL))
		b->failed = true;
	else {
		bytes_hex(digest, sizeof digest, hex);
		put_line(b, word, hex);
	}
}

static int scep_check(struct online_ca *ca, struct online_report *report, struct reason *why)
{
	struct scep *own = ca->own;
	struct online_answer answer = {0};
	const unsigned char *p;
	X509 *x;
	bool met = meet(ca, &answer) && vouched(ca, &answer);

	/* What is not trusted is shown, too: it is what one has to compare. */
	if (!met && own->shown.len == 0)
		return online_fail(why, "", &answer);
	put_line(&report->text, "method", own->caps.post ? "POST" : "GET");
	put_line(&report->text, "cipher", own->caps.aes ? "AES" : "3DES");
	put_line(&report->text, "digest", own->caps.sha256 ? "SHA-256" : own->caps.sha512 ? "SHA-512" : "SHA-1");
	put_line(&report->text, "transport-key", *own->mark != '\0' ? "ra-key" :
	    "one for each process, as ra-key is not set: a CA may not know it again when it is asked later");
	for (p = own->shown.p; p < own->shown.p + own->shown.len && (x = d2i_X509(NULL, &p,
	    (long)(own->shown.p + own->shown.len - p))) != NULL; X509_free(x))
		put_trust(&report->text, own, met, x);
	if (!met)
		put_line(&report->text, "problem", answer.why.text);
	buf_put(&report->certificates, own->shown.p, own->shown.len);
	return report->text.failed || report->certificates.failed ? reason_memory(why) : 0;
}

const struct online_kind scep_kind = {
	.type = ONLINE_SCEP,
	.name = "scep",
	.plain = true,
	.allows = allows,
	.open = scep_open,
	.close = scep_close,
	.ticket = scep_ticket,
	.submit = scep_submit,
	.poll = scep_poll,
	.check = scep_check,
};
