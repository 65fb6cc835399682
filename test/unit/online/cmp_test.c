/* SPDX-License-Identifier: ISC */
/* CMP with a CA in this process: http_exchange is ours, so each message can be looked at, lost or changed. */
#include <sys/wait.h>
#include <unistd.h>

#include "../fault.h"
#include "../mint.h"
#include "cmp_ca.h"
#include "online/cmp.h"
#include "online/cmp_message.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/pem.h"

FAULT(void *, malloc, (size_t n), (n), NULL)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), NULL)
FAULT(void *, realloc, (void *p, size_t n), (p, n), NULL)

#define DEVICE "SEP001122334455"

enum fault {
	NONE,
	LOST_REQUEST,		/* a request arrives, its answer does not */
	LOST_GREETING, LOST_POLL, LOST_CONFIRMATION,
	GARBAGE, HUGE_ANSWER, REPLAY, UNAVAILABLE,
	ERASED,			/* the answer's protection */
};

static struct cmp_ca ca;
static enum fault fault;
static unsigned exchanges;
static int last_body;
static struct buf former;	/* the last answer with a certificate */

/* The HTTP of this test. */

struct http *http_open(const struct http_settings *s, struct reason *why)
{
	(void)s, (void)why;
	return malloc(1);
}

void http_close(struct http *h)
{
	free(h);
}

static enum http_result lose(struct reason *why)
{
	reason_set(why, "the connection ended before the answer");
	return HTTP_NO_ANSWER;
}

static enum http_result exchange(const struct http_ask *ask, struct http_answer *answer, struct reason *why)
{
	static const unsigned char blank[HUGE_ANSWER * 40000];
	struct cmp_message message = {0};
	struct buf out = {0};

	exchanges++;
	must(strcmp(ask->type, "application/pkixcmp") == 0 && cmp_message_read(ask->body, &message), "what leaves is CMP");
	last_body = message.body;
	if (fault == UNAVAILABLE && message.body != CMP_GENM) {
		answer->status = 503;
		answer->wait = 77;
		strcpy(answer->type, "text/html");
		buf_put(&answer->body, "<p>back soon", 12);
		return HTTP_ANSWERED;
	}
	must(cmp_ca_answer(&ca, ask->body, &out), "the CA answers");
	answer->status = 200;
	strcpy(answer->type, "application/pkixcmp");
	if ((fault == LOST_GREETING && message.body == CMP_GENM) || (fault == LOST_POLL && message.body == CMP_POLLREQ) ||
	    (fault == LOST_CONFIRMATION && message.body == CMP_CERTCONF) ||
	    (fault == LOST_REQUEST && (message.body == CMP_P10CR || message.body == CMP_IR))) {
		buf_free(&out);
		return lose(why);
	}
	if (message.body != CMP_GENM && fault == REPLAY && former.len > 0)
		buf_put(&answer->body, former.p, former.len);
	else if (message.body != CMP_GENM && fault == GARBAGE)
		buf_put(&answer->body, "<html>\x1b[2Jlogin", 15);
	else if (message.body != CMP_GENM && fault == HUGE_ANSWER)
		buf_put(&answer->body, blank, sizeof blank);
	else if (fault == ERASED && message.body != CMP_GENM) {
		out.p[out.len - 5] ^= 1;
		buf_put(&answer->body, out.p, out.len);
	} else
		buf_put(&answer->body, out.p, out.len);
	if (fault == NONE && (message.body == CMP_P10CR || message.body == CMP_IR)) {
		buf_free(&former);
		buf_put(&former, out.p, out.len);
	}
	buf_free(&out);
	return HTTP_ANSWERED;
}

/* The CA has memory enough, whatever we have. */
enum http_result http_exchange(struct http *h, const struct http_ask *ask, struct http_answer *answer,
    struct reason *why)
{
	unsigned at = fault_at;
	enum http_result result;

	(void)h;
	fault_at = 0;
	result = exchange(ask, answer, why);
	fault_at = at;
	return result;
}

/* Who takes part. */

static const char *const ca_ext[] = {"basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,digitalSignature,keyCertSign", "subjectKeyIdentifier=hash", NULL};
static const char *const leaf_ext[] = {"basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
    "subjectKeyIdentifier=hash", NULL};
static const char *const server_ext[] = {"basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
    "subjectKeyIdentifier=hash", "extendedKeyUsage=1.3.6.1.5.5.7.3.28", NULL};

struct party {
	EVP_PKEY *key;
	struct cert *cert;
	X509 *x509;		/* with OpenSSL's own context */
	char pem[300], key_pem[300];
};

static const char *dir;

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(data, 1, len, f) == len && fclose(f) == 0, path);
}

static void make_party(struct party *p, const char *name, const struct party *issuer, const char *const *ext)
{
	struct reason why;
	const unsigned char *der;
	size_t len;
	char *pem;

	p->key = key_make("ec:256", &why);
	p->cert = mint(name, p->key, issuer != NULL ? issuer->cert : NULL, issuer != NULL ? issuer->key : p->key,
	    EVP_sha256(), time(NULL) - 100, time(NULL) + 100000, ext);
	der = p->cert->der;
	must((p->x509 = d2i_X509(NULL, &der, (long)p->cert->der_len)) != NULL, "a certificate");
	snprintf(p->pem, sizeof p->pem, "%s/%s.pem", dir, name);
	snprintf(p->key_pem, sizeof p->key_pem, "%s/%s.key", dir, name);
	must((pem = cert_pem(p->cert->x509, &len)) != NULL, "PEM");
	write_file(p->pem, pem, len);
	free(pem);
	must((pem = key_pem(p->key, NULL, &len, &why)) != NULL, "PEM");
	write_file(p->key_pem, pem, len);
	secret_free(pem, len);
}

static void free_party(struct party *p)
{
	EVP_PKEY_free(p->key);
	cert_free(p->cert);
	X509_free(p->x509);
}

static struct party root, other_root, ra, phone, server, stranger;
static EVP_PKEY *device_key;
static struct csr *own, *vouched;
static char secret_path[300], wrong_path[300];

static void make_requests(void)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_NAME_new();
	unsigned char *der = NULL, *spki = NULL;
	EVP_PKEY *vouchers[] = {ra.key, NULL};
	struct csr *made;
	struct reason why = {.text = ""};
	int len;

	device_key = key_make("rsa:2048", &why);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)DEVICE, -1, -1, 0);
	X509_REQ_set_subject_name(req, name);
	X509_REQ_set_pubkey(req, device_key);
	X509_REQ_sign(req, device_key, EVP_sha256());
	len = i2d_X509_REQ(req, &der);
	must((own = csr_parse(der, (size_t)len, NULL, &why)) != NULL, why.text);
	OPENSSL_free(der);
	len = i2d_PUBKEY(device_key, &spki);
	must((made = csr_make((struct bytes){spki, (size_t)len}, DEVICE, ra.key, &why)) != NULL, why.text);
	must((vouched = csr_parse(made->der, made->der_len, vouchers, &why)) != NULL, why.text);
	must(vouched->proof == CSR_RA, "the RA vouches");
	csr_free(made);
	OPENSSL_free(spki);
	X509_REQ_free(req);
	X509_NAME_free(name);
}

/* A CA as it is by itself. */
static void reset(void)
{
	cmp_ca_free(&ca);
	ca = (struct cmp_ca){.cert = root.x509, .key = root.key, .ra = ra.x509, .check_after = 9};
	fault = NONE;
	exchanges = 0;
}

static struct online_settings by_ra(void)
{
	struct online_settings s = {.type = ONLINE_CMP, .url = "http://ca.example/cmp"};

	strcpy(s.ra_certificate, ra.pem);
	strcpy(s.ra_key, ra.key_pem);
	strcpy(s.issuer_file, root.pem);
	return s;
}

static struct online_settings by_secret(void)
{
	struct online_settings s = {.type = ONLINE_CMP, .url = "http://ca.example/cmp", .reference = "ra-1"};

	strcpy(s.secret_file, secret_path);
	return s;
}

/* Submits in a process of its own, or polls with a ticket. */
static struct online_answer attempt(const struct online_settings *s, const struct csr *csr, const char *ticket)
{
	struct online_answer a = {.outcome = ONLINE_BROKEN};
	char fresh[ONLINE_TICKET_MAX + 1];
	struct online_ca online;
	struct reason why = {.text = ""};

	if (online_open(&online, s, time(NULL), &why) != 0) {
		online_say(&a, ONLINE_BROKEN, "%s", why.text);
		return a;
	}
	if (ticket != NULL)
		online.kind->poll(&online, csr, ticket, false, &a);
	else if (online.kind->ticket(&online, csr, fresh, &why) != 0)
		online_say(&a, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
	else
		online.kind->submit(&online, csr, fresh, &a);
	online_close(&online);
	return a;
}

static bool printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* The outcome, and words of its reason. Frees. */
static bool is(struct online_answer *a, enum online_outcome outcome, const char *words)
{
	bool good = a->outcome == outcome && (outcome == ONLINE_ISSUED || strstr(a->why.text, words) != NULL) &&
	    printable(a->why.text) && (a->certificates.len > 0) == (outcome == ONLINE_ISSUED);

	if (!good)
		printf("# outcome %d: %s\n", a->outcome, a->why.text);
	buf_free(&a->certificates);
	return good;
}

/* Is it one certificate for the device's key and name? Frees. */
static bool is_certificate(struct online_answer *a)
{
	struct reason why;
	struct cert *c = cert_parse(a->certificates.p, a->certificates.len, &why);
	bool good = a->outcome == ONLINE_ISSUED && c != NULL && memcmp(c->spki, own->spki, 32) == 0 &&
	    strcmp(c->cn, DEVICE) == 0;

	if (!good)
		printf("# outcome %d: %s\n", a->outcome, a->why.text);
	cert_free(c);
	buf_free(&a->certificates);
	return good;
}

static void try_tickets(void)
{
	struct cmp_ticket t = {.waits = true, .request = -1, .nonce_len = CMP_NONCE_MAX}, back;
	static const char *const bad[] = {"", "0", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdefx",
	    "0123456789abcdef0123456789abcdef.", "0123456789abcdef0123456789abcdef.1",
	    "0123456789abcdef0123456789abcdef.1.0123456789abcdef0123456789abcdef",
	    "0123456789abcdef0123456789abcdef.99999999999.0123456789abcdef0123456789abcdef.",
	    "0123456789abcdef0123456789abcdef.1.0123456789abcdef0123456789abcdef.0",
	    "0123456789abcdef0123456789abcdef.1.0123456789abcdef0123456789abcdef.0g"};
	char text[ONLINE_TICKET_MAX + 1], again[ONLINE_TICKET_MAX + 1];
	bool refused = true;

	for (size_t i = 0; i < sizeof t.nonce; i++)
		t.nonce[i] = (unsigned char)i;
	memset(t.id, 0xab, sizeof t.id);
	cmp_ticket_write(&t, text);
	ok(cmp_ticket_read(text, &back) && back.waits && back.request == -1 && back.nonce_len == t.nonce_len &&
	    memcmp(back.nonce, t.nonce, t.nonce_len) == 0 && memcmp(back.id, t.id, CMP_ID) == 0,
	    "the longest ticket is read as it was written");
	cmp_ticket_write(&back, again);
	ok(strcmp(text, again) == 0 && strlen(text) < ONLINE_TICKET_MAX, "and it fits");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refused = refused && !cmp_ticket_read(bad[i], &back);
	ok(refused, "what is no ticket is not taken for one");
}

/* The answer that we give ourselves says what it shall: certReqId has each length of an INTEGER. */
static void try_waiting(void)
{
	static const long ids[] = {0, -1, 1, 127, 128, 255, 256, -128, -129, 65535, 2147483647, -2147483647L - 1};
	struct cmp_ticket t = {.waits = true, .nonce_len = 3};
	struct cmp_message m;
	bool good = true;

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		struct buf b = {0};

		t.request = ids[i];
		cmp_message_put_waiting(&b, &t, CMP_CP, (struct bytes){(const unsigned char *)"\x05", 2});
		der_wrap(&b, 0, DER_SEQUENCE);
		good = good && der_exact(b.p, b.len, false) && cmp_message_read((struct bytes){b.p, b.len}, &m) &&
		    m.request == ids[i] && m.body == CMP_CP && m.nonce.len == 3 && m.protected && !m.refuses;
		buf_free(&b);
	}
	ok(good, "the answer that a request waits is DER, and is read as it was written");
}

static void try_issue(void)
{
	struct online_settings s = by_ra(), m = by_secret();
	struct online_answer a;

	reset();
	a = attempt(&s, own, NULL);
	ok(is_certificate(&a) && ca.issued == 1 && ca.confirmed == 1 && ca.greeted == 1, "p10cr, signed, confirmed");
	reset();
	ca.implicit = true;
	a = attempt(&s, own, NULL);
	ok(is_certificate(&a) && ca.confirmed == 0 && exchanges == 2, "no confirmation when the CA wants none");
	reset();
	a = attempt(&s, vouched, NULL);
	ok(is_certificate(&a) && ca.confirmed == 1, "ir with raVerified for a request that CAPF vouches for");
	reset();
	ca.secret = "s3cret";
	a = attempt(&m, own, NULL);
	ok(is_certificate(&a) && ca.confirmed == 1, "p10cr with a secret");
	reset();
	ca.secret = "s3cret";
	a = attempt(&m, vouched, NULL);
	ok(is_certificate(&a), "ir with a secret");
	reset();
	ca.signer = server.x509;
	ca.signer_key = server.key;
	a = attempt(&s, own, NULL);
	ok(is_certificate(&a), "answers by a CMP server that the CA has certified for it");
	reset();
	ca.no_genm = true;
	a = attempt(&s, own, NULL);
	ok(is_certificate(&a), "a CA that does not know genm");
}

static void try_pending(void)
{
	struct online_settings s = by_ra(), m = by_secret();
	char ticket[ONLINE_TICKET_MAX + 1];
	struct online_answer a;

	for (int vouches = 0; vouches < 2; vouches++)
		for (int secret = 0; secret < 2; secret++) {
			const struct csr *csr = vouches ? vouched : own;
			bool waited = true;
			unsigned n = 0;

			reset();
			ca.waits = 4;
			ca.secret = secret ? "s3cret" : NULL;
			a = attempt(secret ? &m : &s, csr, NULL);
			/* submit asks once at once, and each process that follows does. */
			for (; a.outcome == ONLINE_PENDING && n < 9; n++) {
				waited = waited && a.wait == 9;
				strcpy(ticket, a.ticket);
				buf_free(&a.certificates);
				a = attempt(secret ? &m : &s, csr, ticket);
			}
			ok(is_certificate(&a) && waited && n == 3 && ca.issued == 1 && ca.confirmed == 1,
			    "%s, %s: a request that waits is asked for by later processes", vouches ? "ir" : "p10cr",
			    secret ? "with a secret" : "signed");
		}
	reset();
	ca.waits = 3;
	fault = LOST_POLL;
	a = attempt(&s, own, NULL);
	strcpy(ticket, a.ticket);
	ok(is(&a, ONLINE_PENDING, "ended"), "waiting, and then nothing: it is known that it waits");
	fault = UNAVAILABLE;
	a = attempt(&s, own, ticket);
	ok(is(&a, ONLINE_LATER, "503") && a.wait == 77, "a CA that cannot be asked is asked again");
	reset();
	ca.waits = 2;
	a = attempt(&s, own, NULL);
	strcpy(ticket, a.ticket);
	ca.refusal = "not today";
	ca.failure = OSSL_CMP_PKIFAILUREINFO_badRequest;
	a = attempt(&s, own, ticket);
	ok(is(&a, ONLINE_REFUSED, "badRequest: not today"), "a request that waited and is refused");
	reset();
	a = attempt(&s, own, ticket);
	ok(is(&a, ONLINE_LOST, "refuses"), "the CA does not know the transaction any more");
	reset();
	ca.waits = 2;
	ca.waits_at_once = true;
	a = attempt(&s, own, NULL);
	/* OpenSSL 3.0 asks again at once; since 3.4 it tells the CA that this was an error, and ends the transaction. */
	ok(exchanges < 12 && (a.outcome == ONLINE_PENDING ? is(&a, ONLINE_PENDING, "again and again") :
	    is(&a, ONLINE_LOST, "its status is no answer")), "a CA that always says that it waits keeps nobody busy");
}

static void try_refusals(void)
{
	struct online_settings s = by_ra();
	struct online_answer a;

	reset();
	ca.refusal = "no\x1b[31m such \\ device";
	ca.failure = OSSL_CMP_PKIFAILUREINFO_badCertTemplate;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_REFUSED, "badCertTemplate: no\\x1b[31m such \\x5c device"), "a refusal says why, escaped");
	ca.failure = OSSL_CMP_PKIFAILUREINFO_systemUnavail;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LATER, "systemUnavail"), "a CA that is not ready is asked later");
	ca.failure = OSSL_CMP_PKIFAILUREINFO_notAuthorized;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "notAuthorized"), "a CA that does not take this RA");
	reset();
	ca.ra = NULL;
	strcpy(s.ra_certificate, phone.pem);
	strcpy(s.ra_key, phone.key_pem);
	a = attempt(&s, vouched, NULL);
	ok(is(&a, ONLINE_REFUSED, "vouch") && ca.issued == 0, "who is no RA must not vouch");
}

static void try_settings(void)
{
	struct online_settings s = by_ra(), m = by_secret();
	struct online_answer a;

	reset();
	ca.secret = "s3cret";
	strcpy(m.secret_file, wrong_path);
	a = attempt(&m, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "secret-file") && ca.issued == 0, "a wrong secret, and nothing is asked for");
	reset();
	strcpy(s.issuer_file, other_root.pem);
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "issuer-file") && ca.issued == 0, "a wrong issuer-file, and nothing is asked for");
	s = by_ra();
	strcpy(s.ra_certificate, stranger.pem);
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "not the key of"), "the key of another certificate");
	strcpy(s.ra_key, stranger.key_pem);
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "refuses us") && ca.issued == 0, "a certificate that the CA does not know");
	s = by_ra();
	*s.issuer_file = '\0';
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "issuer-file"), "signatures need an issuer-file");
	strcpy(s.secret_file, secret_path);
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "not both"), "a key and a secret");
	s = by_ra();
	strcpy(s.issuer_file, ra.key_pem);
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, ".key"), "an issuer-file without a certificate");
	reset();
	s = by_ra();
	ca.signer = phone.x509;
	ca.signer_key = phone.key;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_BROKEN, "issuer-file") && ca.issued == 0, "a phone of this CA does not speak for it");
}

static void try_lost(void)
{
	struct online_settings s = by_ra(), tls = by_ra();
	struct online_ca online;
	struct online_answer a = {.outcome = ONLINE_ISSUED};
	struct reason why;

	strcpy(tls.url, "https://ca.example/cmp");
	reset();
	fault = LOST_GREETING;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LATER, "ended") && ca.issued == 0, "an answer that is lost before anything was asked for");
	reset();
	fault = LOST_REQUEST;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "ended") && ca.issued == 1, "an answer that is lost");
	must(online_open(&online, &s, time(NULL), &why) == 0, why.text);
	a = (struct online_answer){.outcome = ONLINE_ISSUED};
	online.kind->poll(&online, own, "00112233445566778899aabbccddeeff", true, &a);
	ok(is(&a, ONLINE_LOST, "00112233445566778899aabbccddeeff") && exchanges == 2, "and CMP cannot ask for it again");
	online_close(&online);
	reset();
	fault = LOST_CONFIRMATION;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "confirmation"), "a confirmation whose answer is lost");
	reset();
	ca.refuse_confirmation = true;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "confirmation"), "a confirmation that the CA does not take");
	reset();
	a = attempt(&s, own, NULL);
	must(is(&a, ONLINE_ISSUED, ""), "an answer to repeat");
	fault = REPLAY;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "another"), "the answer to another request");
	reset();
	fault = ERASED;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "not believed"), "an answer that was changed on its way");
	reset();
	fault = GARBAGE;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "no message of CMP"), "garbage");
	fault = HUGE_ANSWER;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "more than"), "an answer that is too long");
	reset();
	ca.other_key = true;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_REFUSED, "another key") && ca.rejected_by_client == 1, "a certificate for another key is rejected");
	reset();
	ca.refusal = "no";
	ca.unprotected = true;
	a = attempt(&s, own, NULL);
	ok(is(&a, ONLINE_LOST, "not protected"), "a refusal that anybody may have written");
	a = attempt(&tls, own, NULL);
	ok(is(&a, ONLINE_REFUSED, "no"), "but TLS tells who has");
}

static void try_check(void)
{
	struct online_settings s = by_ra();
	struct online_report report = {0};
	struct online_ca online;
	struct reason why = {.text = ""};

	reset();
	must(online_open(&online, &s, time(NULL), &why) == 0, why.text);
	ok(online.kind->check(&online, &report, &why) == 0 && report.certificates.len == root.cert->der_len &&
	    memcmp(report.certificates.p, root.cert->der, root.cert->der_len) == 0 && ca.issued == 0,
	    "check: the CA's certificates");
	buf_put(&report.text, "", 1);
	ok(strstr((char *)report.text.p, "authentication\tsignature\n") != NULL &&
	    strstr((char *)report.text.p, "genm\tanswered\n") != NULL, "and what works");
	buf_free(&report.certificates);
	buf_free(&report.text);
	reset();
	ca.no_genm = true;
	ca.signer = server.x509;
	ca.signer_key = server.key;
	ok(online.kind->check(&online, &report, &why) == 0 && report.certificates.len == server.cert->der_len,
	    "without genm: those of the answer");
	buf_free(&report.certificates);
	buf_free(&report.text);
	online_close(&online);
}

/* One submit in which an allocation fails. 0; 2 when it was not reached; 3 when the outcome is wrong. */
static int submit_without_memory(const struct online_settings *s, unsigned n, bool vouches)
{
	struct online_answer a = {.outcome = ONLINE_BROKEN};
	struct online_ca online;
	struct reason why = {.text = ""};
	bool struck, waits, good;

	must(online_open(&online, s, time(NULL), &why) == 0, why.text);
	fault_arm(n, ENOMEM);
	online.kind->submit(&online, vouches ? vouched : own, "00112233445566778899aabbccddeeff", &a);
	struck = fault_over();
	waits = ca.waits > 0 && ca.issued == 0 && last_body == CMP_POLLREQ;
	if (a.outcome == ONLINE_ISSUED)
		good = a.certificates.len > 0 && ca.issued == 1;
	else if (a.outcome == ONLINE_LATER)
		good = ca.issued == 0 && !waits;
	else
		good = a.outcome == ONLINE_LOST || a.outcome == ONLINE_PENDING;
	if (!good)
		printf("# allocation %u: outcome %d, %u issued: %s\n", n, a.outcome, ca.issued, a.why.text);
	fflush(stdout);
	buf_free(&a.certificates);
	online_close(&online);
	return !good ? 3 : struck ? 0 : 2;
}

/* Memory is short once. The request is not at fault then, nor are the settings; and what was asked for is not taken for
 * something that was not. OpenSSL 3.0 crashes itself now and then, such as in X509_REQ_dup, so each has its process. */
static void try_memory(void)
{
	struct online_settings s = by_ra();
	unsigned bad = 0, crashed = 0, tried = 0;

	for (int kind = 0; kind < 2; kind++)
		for (unsigned n = 1;; n += getenv("CMP_TEST_ALL") != NULL ? 1 : 61) {
			int status = 0;
			pid_t pid;

			reset();
			ca.waits = 2 * kind;
			fflush(stdout);
			if ((pid = fork()) == 0)
				_exit(submit_without_memory(&s, n, kind == 1));
			must(pid > 0 && waitpid(pid, &status, 0) == pid, "a process");
			tried++;
			/* Under the sanitizers a crash is an exit, with 99. 1: what OpenSSL has made half of keeps the CA in
			 * this process from answering. */
			crashed += WIFSIGNALED(status) || WEXITSTATUS(status) == 1 || WEXITSTATUS(status) > 3;
			bad += WIFEXITED(status) && WEXITSTATUS(status) == 3;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
				break;
		}
	printf("# %u of %u ended OpenSSL\n", crashed, tried);
	ok(bad == 0 && crashed < tried / 20 && tried > 50, "memory that is short is no verdict");
}

int main(void)
{
	dir = tap_dir();
	make_party(&root, "Root", NULL, ca_ext);
	make_party(&other_root, "Other", NULL, ca_ext);
	make_party(&ra, "RA", &root, leaf_ext);
	make_party(&phone, DEVICE, &root, leaf_ext);
	make_party(&server, "CMP", &root, server_ext);
	make_party(&stranger, "Stranger", &other_root, leaf_ext);
	snprintf(secret_path, sizeof secret_path, "%s/secret", dir);
	snprintf(wrong_path, sizeof wrong_path, "%s/wrong", dir);
	write_file(secret_path, "s3cret\n", 7);
	write_file(wrong_path, "secret\n", 7);
	make_requests();
	try_tickets();
	try_waiting();
	try_issue();
	try_pending();
	try_refusals();
	try_settings();
	try_lost();
	try_check();
	try_memory();
	cmp_ca_free(&ca);
	buf_free(&former);
	csr_free(own);
	csr_free(vouched);
	EVP_PKEY_free(device_key);
	free_party(&root);
	free_party(&other_root);
	free_party(&ra);
	free_party(&phone);
	free_party(&server);
	free_party(&stranger);
	return tap_done();
}
