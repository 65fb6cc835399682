/* SPDX-License-Identifier: ISC */
/* SCEP against a server in the same process: http_exchange is here. */
#include <openssl/provider.h>

#include <openssl/pem.h>

#include <unistd.h>

#include "scep_answer.h"
#include "../mint.h"
#include "online/online_ca.h"
#include "online/scep.h"
#include "online/scep_ca.h"
#include "online/scep_message.h"
#include "site/asked.h"
#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/pkcs7.h"

#define DAY 86400
#define NOW ((time_t)1800000000)

static const char *const ca_ext[] = {"basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", NULL};
static const char *const leaf_ext[] = {"basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment", NULL};
static const char *const ra_ext[] = {"keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=1.3.6.1.4.1.311.20.2.1", NULL};
static const char *const sign_ext[] = {"keyUsage=critical,digitalSignature",
    "extendedKeyUsage=1.3.6.1.4.1.311.20.2.1", NULL};

static EVP_PKEY *ca_key, *ra_key, *phone_key, *other_key, *ec_key;
static struct cert *ca, *sub, *forged, *ra, *ra_sign, *leaf, *other, *ec_ca, *expired, *phone;
static struct csr *request;
static const char *dir;
static OSSL_LIB_CTX *legacy;

/* What the server does. */
static struct {
	const char *caps;
	long status;			/* of every answer; 0: 200 */
	enum http_result result;	/* of PKIOperation, */
	bool answers_polls;		/* but only to the first, */
	long pki_operation_status;	/* and its own; 0: 200 */
	const char *type, *pki_status, *fail, *text, *transaction;
	const unsigned char *nonce;
	X509 *shown[4], *signer;
	EVP_PKEY *decrypt, *key;
	const char *digest, *cipher;
	const unsigned char *list;
	long list_len;
	bool garbled;			/* the first answer to a message is a web page */
	bool bent;			/* a bit of what is signed is another */
	struct bytes raw;		/* in place of everything */
	/* What it saw. */
	int asked;
	char url[4096], body_type[64];
	struct scep_question question;
} server;

struct http { int dummy; };

struct http *http_open(const struct http_settings *settings, struct reason *why)
{
	static struct http http;

	(void)why;
	return settings->plain ? &http : NULL;
}

void http_close(struct http *http)
{
	(void)http;
}

static void show(struct http_answer *answer)
{
	unsigned char *der = NULL;
	size_t n = 0;
	long len;

	while (n < 4 && server.shown[n] != NULL)
		n++;
	len = n == 1 ? i2d_X509(server.shown[0], &der) : scep_list(server.shown, n, &der);
	buf_put(&answer->body, der, (size_t)len);
	OPENSSL_free(der);
}

static void operate(const struct http_ask *ask, struct http_answer *answer)
{
	struct scep_question *q = &server.question;
	unsigned char message[20000], *der = NULL;
	struct bytes in = ask->body;
	const char *query = strstr(ask->url, "&message=");
	struct scep_say say;
	long len;

	server.asked++;
	if (query != NULL) {
		char text[30000], *to = text;

		for (query += 9; *query != '\0'; query++) {
			unsigned c = (unsigned char)*query;

			if (c == '%' && sscanf(query + 1, "%2x", &c) == 1)
				query += 2;
			*to++ = (char)c;
		}
		in.p = message;
		in.len = (size_t)EVP_DecodeBlock(message, (unsigned char *)text, (int)(to - text));
		in.len -= (to[-1] == '=') + (to[-2] == '=');
	}
	X509_free(q->signer);
	free(q->content);
	must(scep_read(in.p, (long)in.len, server.decrypt, q), "the server reads our message");
	say = (struct scep_say){
		.type = server.type, .status = server.pki_status, .fail = server.fail, .text = server.text,
		.transaction = server.transaction != NULL ? server.transaction : q->transaction,
		.nonce = server.nonce != NULL ? server.nonce : q->nonce, .nonce_len = q->nonce_len,
		.signer = server.signer, .key = server.key, .digest = EVP_get_digestbyname(server.digest),
		.cipher = EVP_get_cipherbyname(server.cipher), .list = server.list, .list_len = server.list_len,
		.context = legacy,
		.recipient = strcmp(server.pki_status, "0") == 0 ? q->signer : NULL,
	};
	len = scep_say(&say, &der);
	if (server.bent)
		der[200] ^= 1;
	if (server.garbled)
		buf_put_text(&answer->body, "<html>");
	else if (server.raw.p != NULL)
		buf_put(&answer->body, server.raw.p, server.raw.len);
	else
		buf_put(&answer->body, der, (size_t)len);
	OPENSSL_free(der);
	server.garbled = false;
}

enum http_result http_exchange(struct http *http, const struct http_ask *ask, struct http_answer *answer,
    struct reason *why)
{
	(void)http;
	*answer = (struct http_answer){.status = server.status != 0 ? server.status : 200};
	snprintf(server.url, sizeof server.url, "%s", ask->url);
	snprintf(server.body_type, sizeof server.body_type, "%s", ask->type != NULL ? ask->type : "");
	if (strstr(ask->url, "operation=GetCACaps") != NULL) {
		if (server.caps == NULL)
			answer->status = 404;
		else
			buf_put_text(&answer->body, server.caps);
	} else if (strstr(ask->url, "operation=GetCACert") != NULL)
		show(answer);
	else if (server.result != HTTP_ANSWERED) {
		enum http_result result = server.result;

		reason_set(why, "no answer");
		if (server.answers_polls)
			server.result = HTTP_ANSWERED;
		return result;
	} else if (server.pki_operation_status != 0)
		answer->status = server.pki_operation_status;
	else
		operate(ask, answer);
	return HTTP_ANSWERED;
}

static void reset(void)
{
	static unsigned char *list;
	X509 *both[] = {phone->x509, ca->x509};
	long len;

	OPENSSL_free(list);
	len = scep_list(both, 2, &list);
	X509_free(server.question.signer);
	free(server.question.content);
	memset(&server, 0, sizeof server);
	server.caps = "POSTPKIOperation\r\nSHA-256\r\nAES\r\n";
	server.type = "3";
	server.pki_status = "0";
	server.shown[0] = server.signer = ca->x509;
	server.key = server.decrypt = ca_key;
	server.digest = "SHA256";
	server.cipher = "AES-128-CBC";
	server.list = list;
	server.list_len = len;
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void write_certs(const char *name, X509 *one, X509 *two)
{
	FILE *f = fopen(path_of(name), "w");

	must(f != NULL, "a file");
	PEM_write_X509(f, one);
	if (two != NULL)
		PEM_write_X509(f, two);
	fclose(f);
}

static void write_text(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	must(f != NULL, "a file");
	fputs(text, f);
	fclose(f);
}

static struct online_settings defaults(void)
{
	struct online_settings s;

	online_settings_init(&s, "it");
	s.type = ONLINE_SCEP;
	snprintf(s.url, sizeof s.url, "http://ca.example/scep");
	snprintf(s.issuer_file, sizeof s.issuer_file, "%s", path_of("ca.pem"));
	return s;
}

/* Submits, or polls, with a client that is opened for it. */
static struct online_answer once(const struct online_settings *s, bool poll, bool lost, const char *ticket)
{
	struct online_ca it = {.kind = &scep_kind, .settings = s, .http = (struct http *)"", .now = NOW};
	struct online_answer answer = {0};
	char own[ONLINE_TICKET_MAX + 1];
	struct reason why;

	must(scep_kind.open(&it, &why) == 0, why.text);
	if (ticket == NULL && scep_kind.ticket(&it, request, own, &why) != 0 && !poll) {
		online_say(&answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
		scep_kind.close(&it);
		return answer;
	}
	if (ticket == NULL)
		ticket = own;
	if (poll)
		scep_kind.poll(&it, request, ticket, lost, &answer);
	else
		scep_kind.submit(&it, request, ticket, &answer);
	scep_kind.close(&it);
	return answer;
}

static void expect(struct online_answer answer, enum online_outcome want, const char *why, const char *what)
{
	bool good = answer.outcome == want && (why == NULL || strstr(answer.why.text, why) != NULL);

	ok(good, "%s", what);
	if (!good)
		printf("# outcome %d, not %d: %s\n", answer.outcome, want, answer.why.text);
	buf_free(&answer.certificates);
}

/* Submits with the default settings. */
static void submitted(enum online_outcome want, const char *why, const char *what)
{
	struct online_settings s = defaults();

	expect(once(&s, false, false, NULL), want, why, what);
	reset();
}

static void polled(bool lost, enum online_outcome want, const char *why, const char *what)
{
	struct online_settings s = defaults();

	expect(once(&s, true, lost, NULL), want, why, what);
	reset();
}

static void test_caps(void)
{
	struct scep_caps c;
	const char text[] = "Renewal\nsha-256\r\nAES\nX\n\n\x00\nPOSTPKIOperation";

	scep_caps_parse((struct bytes){(const unsigned char *)text, sizeof text - 1}, &c);
	ok(c.aes && c.sha256 && c.post && !c.des3 && !c.sha1 && !c.sha512, "capabilities, in whatever case, ended or not");
	scep_caps_parse((struct bytes){(const unsigned char *)"SCEPStandard", 12}, &c);
	ok(c.aes && c.sha256 && c.post && !c.des3, "SCEPStandard stands for AES, SHA-256 and POST");
	scep_caps_parse((struct bytes){(const unsigned char *)"AESX DES", 8}, &c);
	ok(!c.aes && !c.des3, "a part of a word is none");
}

static void test_issued(void)
{
	struct online_settings s = defaults();
	struct online_answer a;
	struct bytes rest, one;
	const unsigned char *p;
	X509_REQ *seen;

	a = once(&s, false, false, NULL);
	rest = (struct bytes){a.certificates.p, a.certificates.len};
	ok(a.outcome == ONLINE_ISSUED && pkcs7_next(&rest, &one) && one.len == phone->der_len &&
	    memcmp(one.p, phone->der, one.len) == 0 && pkcs7_next(&rest, &one) && one.len == ca->der_len && rest.len == 0,
	    "a certificate comes, and the CA's behind it");
	buf_free(&a.certificates);
	ok(strcmp(server.url, "http://ca.example/scep?operation=PKIOperation") == 0 &&
	    strcmp(server.body_type, "application/x-pki-message") == 0, "by POST");
	p = server.question.content;
	seen = d2i_X509_REQ(NULL, &p, server.question.content_len);
	ok(seen != NULL && (size_t)server.question.content_len == request->der_len &&
	    strcmp(server.question.type, "19") == 0 && strlen(server.question.transaction) == 64 &&
	    server.question.nonce_len == 16, "of a PKCSReq with our request in it");
	X509_REQ_free(seen);
	ok(X509_NAME_cmp(X509_get_subject_name(server.question.signer), X509_REQ_get_subject_name(request->req)) == 0 &&
	    X509_self_signed(server.question.signer, 1) == 1, "signed by a certificate of the same name that signs itself");
	reset();
	server.caps = "SHA-512\nDES3\n";
	snprintf(s.url, sizeof s.url, "http://ca.example/scep?x=1");
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "a certificate comes by GET, 3DES and SHA-512");
	ok(strncmp(server.url, "http://ca.example/scep?x=1&operation=PKIOperation&message=MI", 60) == 0 &&
	    strpbrk(server.url + 60, "+/ \n") == NULL, "and the message is a part of the address");
	reset();
}

static void test_http(void)
{
	server.status = 500;
	submitted(ONLINE_LATER, "500", "a server in trouble: later");
	server.status = 404;
	submitted(ONLINE_BROKEN, "404", "nothing at this address: a wrong setting");
	server.status = 418;
	submitted(ONLINE_BROKEN, "418", "a server that refuses to tell its certificate has refused no request");
	server.result = HTTP_NO_ANSWER;
	submitted(ONLINE_LOST, "no answer", "no answer to the request: lost");
	server.result = HTTP_NO_ANSWER;
	server.answers_polls = true;
	submitted(ONLINE_ISSUED, NULL, "unless the CA can be asked what became of it");
	server.result = HTTP_NO_ANSWER;
	server.answers_polls = true;
	server.pki_status = "2";
	server.fail = "4";
	submitted(ONLINE_LATER, "badCertId", "or says that it has nothing of it");
	server.result = HTTP_NOT_SENT;
	submitted(ONLINE_LATER, "no answer", "a request that did not leave: later");
	server.result = HTTP_NOT_SENT;
	polled(false, ONLINE_LATER, "no answer", "a poll that did not leave: again later");
	server.result = HTTP_NO_ANSWER;
	polled(true, ONLINE_LATER, "no answer", "nor does one without an answer decide anything");
	server.pki_operation_status = 500;
	polled(false, ONLINE_LATER, "500", "a pending request outlives a server in trouble");
	server.pki_operation_status = 503;
	polled(true, ONLINE_LATER, "503", "a lost one as well");
	server.pki_operation_status = 500;
	polled(true, ONLINE_LOST, "500", "but a CA that has no polls leaves it lost");
	server.pki_operation_status = 400;
	polled(true, ONLINE_LOST, "400", "whatever it calls that");
	server.raw = (struct bytes){(const unsigned char *)"garbage", 7};
	polled(true, ONLINE_LATER, "no CMS", "an answer to a poll that nobody signed decides nothing");
}

static void test_verdicts(void)
{
	struct online_settings s = defaults();
	struct online_answer a;

	server.pki_status = "3";
	a = once(&s, false, false, "my-ticket");
	ok(a.outcome == ONLINE_PENDING && strcmp(a.ticket, "my-ticket") == 0, "a request that waits keeps its ticket");
	a = once(&s, true, false, "my-ticket");
	ok(a.outcome == ONLINE_PENDING && strcmp(a.ticket, "my-ticket") == 0, "and again when asked for");
	ok(strcmp(server.question.type, "20") == 0 && server.question.content_len > 20 && server.question.content[0] == 0x30,
	    "by CertPoll, with names in it");
	server.pki_status = "2";
	server.fail = "2";
	server.text = "not on\n\x1b[2J my list";
	submitted(ONLINE_REFUSED, "badRequest: not permitted, or not supported: not on\\x0a\\x1b[2J my list",
	    "a refusal, with what the CA says, escaped");
	server.pki_status = "2";
	server.fail = "3";
	submitted(ONLINE_BROKEN, "badTime", "badTime concerns every request");
	server.pki_status = "2";
	submitted(ONLINE_REFUSED, "without a reason", "a refusal without a reason");
	server.pki_status = "2";
	server.fail = "4";
	polled(true, ONLINE_NEVER, "badCertId", "a lost request that the CA does not know can be asked for anew");
	server.pki_status = "2";
	server.fail = "2";
	polled(true, ONLINE_LOST, "badRequest", "a CA that only does not know polls leaves it lost");
	server.pki_status = "2";
	server.fail = "2";
	polled(false, ONLINE_REFUSED, "badRequest", "a request that waited and is refused");
	server.pki_status = "2";
	server.fail = "1";
	polled(false, ONLINE_LOST, "without ra-key each process has a key of its own",
	    "a poll whose signature is not taken says that the transport key has changed");
	polled(true, ONLINE_ISSUED, NULL, "a lost answer is asked for again");
}

static void test_lies(void)
{
	server.nonce = (const unsigned char *)"0123456789abcdef";
	submitted(ONLINE_LOST, "its nonce is not ours", "an old answer");
	server.transaction = "abc";
	submitted(ONLINE_LOST, "another transaction", "an answer to another");
	server.type = "19";
	submitted(ONLINE_LOST, "no CertRep", "a message that is no answer");
	server.pki_status = "7";
	submitted(ONLINE_LOST, "no status", "an unknown status");
	server.signer = other->x509;
	server.key = other_key;
	submitted(ONLINE_LOST, "neither by the CA nor by its RA", "an answer signed by somebody else");
	server.signer = leaf->x509;
	server.key = phone_key;
	submitted(ONLINE_LOST, "neither by the CA nor by its RA", "an answer signed by a phone of the same CA");
	server.bent = true;
	submitted(ONLINE_LOST, "is not what was signed", "an answer in which a bit is another");
	server.list = (const unsigned char *)"nothing";
	server.list_len = 7;
	polled(false, ONLINE_LOST, "asked what became of it: what the CA sent as certificates is no CMS",
	    "or in an answer to a poll: the CA itself sent that");
	server.list = (const unsigned char *)"nothing";
	server.list_len = 7;
	submitted(ONLINE_LOST, "is no CMS", "something else in the envelope");
	server.raw = (struct bytes){(const unsigned char *)"\x30\x80garbage", 9};
	submitted(ONLINE_LOST, "the answer is no CMS", "garbage");
	server.garbled = true;
	submitted(ONLINE_ISSUED, NULL, "garbage from somebody on the way, when the CA can be asked again");
	server.raw = (struct bytes){(const unsigned char *)"", 0};
	submitted(ONLINE_LOST, "the answer is empty", "nothing");
	server.raw = (struct bytes){ca->der, ca->der_len};
	submitted(ONLINE_LOST, "the answer is no CMS", "a certificate in the place of a message");
	server.raw = (struct bytes){server.list, (size_t)server.list_len};
	submitted(ONLINE_LOST, "does not have one signer", "bare certificates, which nobody signed");
}

/* One answer is lost for an algorithm that is not allowed, and no other request is sent after it. */
static void twice(void)
{
	struct online_settings s = defaults();
	struct online_ca it = {.kind = &scep_kind, .settings = &s, .http = (struct http *)"", .now = NOW};
	struct online_answer answer = {0};
	struct reason why;

	must(scep_kind.open(&it, &why) == 0, why.text);
	scep_kind.submit(&it, request, "t", &answer);
	expect(answer, ONLINE_LOST, "only with allow-des", "single DES is not taken");
	scep_kind.submit(&it, request, "t", &answer);
	expect(answer, ONLINE_BROKEN, "only with allow-des", "and the next request is not sent");
	ok(server.asked == 1, "so that no other certificate is lost");
	scep_kind.close(&it);
}

static void test_old(void)
{
	struct online_settings s = defaults();

	server.cipher = "DES-CBC";
	twice();
	reset();
	server.digest = "SHA1";
	submitted(ONLINE_LOST, "allow-des", "nor a signature with SHA-1");
	server.digest = "MD5";
	submitted(ONLINE_LOST, "allow-des", "nor with MD5");
	server.caps = "AES\nSHA-1\n";
	submitted(ONLINE_BROKEN, "allow-des", "a CA that takes no better digest is not asked");
	server.caps = NULL;
	submitted(ONLINE_BROKEN, "allow-des", "nor one that has no GetCACaps");
	s.des = 1;
	server.cipher = "DES-CBC";
	server.digest = "SHA1";
	server.caps = NULL;
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "with allow-des all of it is taken");
	reset();
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "and AES as well");
	reset();
}

static void test_trust(void)
{
	struct online_settings s = defaults();

	*s.issuer_file = '\0';
	expect(once(&s, false, false, NULL), ONLINE_BROKEN, "set issuer-file", "plain http without issuer-file is not trusted");
	ok(server.asked == 0, "and nothing is asked");
	snprintf(s.url, sizeof s.url, "https://ca.example/scep");
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "over https the server's word will do");
	reset();
	server.shown[0] = other->x509;
	submitted(ONLINE_BROKEN, "is not in issuer-file: compare its SHA-256, and add it: ", "another CA");
	server.shown[0] = ra->x509;
	server.shown[1] = ca->x509;
	server.decrypt = server.key = ra_key;
	server.signer = ra->x509;
	submitted(ONLINE_ISSUED, NULL, "an RA that the CA has made one");
	server.shown[0] = ra_sign->x509;
	server.shown[1] = ca->x509;
	server.shown[2] = ra->x509;
	server.decrypt = ra_key;
	server.signer = ra_sign->x509;
	server.key = other_key;
	submitted(ONLINE_ISSUED, NULL, "an RA with one certificate to sign and one to encrypt");
	server.shown[0] = leaf->x509;
	server.shown[1] = ca->x509;
	server.decrypt = ca_key;
	submitted(ONLINE_ISSUED, NULL, "a phone that the server shows as an RA gets no request");
	server.shown[0] = forged->x509;
	server.shown[1] = ca->x509;
	submitted(ONLINE_ISSUED, NULL, "nor does an RA that only says who made it one");
	server.shown[0] = ca->x509;
	server.shown[1] = sub->x509;
	server.decrypt = server.key = ra_key;
	server.signer = sub->x509;
	submitted(ONLINE_ISSUED, NULL, "a CA below the one in issuer-file gets the request");
	server.shown[0] = ec_ca->x509;
	snprintf(s.issuer_file, sizeof s.issuer_file, "%s", path_of("ec.pem"));
	expect(once(&s, false, false, NULL), ONLINE_BROKEN, "no RSA key that may encrypt",
	    "a CA with an EC key and no RA");
	reset();
	server.shown[0] = expired->x509;
	snprintf(s.issuer_file, sizeof s.issuer_file, "%s", path_of("expired.pem"));
	expect(once(&s, false, false, NULL), ONLINE_BROKEN, "not valid now", "a CA that has expired");
	reset();
	snprintf(s.issuer_file, sizeof s.issuer_file, "%s", path_of("both.pem"));
	server.shown[0] = leaf->x509;
	server.shown[1] = ca->x509;
	server.decrypt = phone_key;
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "an RA without a sign of it is one when issuer-file has it");
	reset();
}

/* An RA that has changed its certificate since it was asked for. */
static void test_rollover(void)
{
	struct online_settings s = defaults();
	struct online_ca it = {.kind = &scep_kind, .settings = &s, .http = (struct http *)"", .now = NOW};
	struct online_answer answer = {0};
	struct reason why;

	must(scep_kind.open(&it, &why) == 0, why.text);
	server.signer = ra->x509;
	server.key = ra_key;
	scep_kind.submit(&it, request, "t", &answer);
	expect(answer, ONLINE_LOST, "neither by the CA nor by its RA", "an answer that an unknown RA signs");
	server.shown[0] = ra->x509;
	server.shown[1] = ca->x509;
	server.decrypt = ra_key;
	answer = (struct online_answer){0};
	scep_kind.submit(&it, request, "t", &answer);
	expect(answer, ONLINE_ISSUED, NULL, "makes us ask for the CA's certificates again");
	scep_kind.close(&it);
	reset();
}

/* The same key and the same subject: the certificate of the poll is that of the request, whichever run asks. */
static void test_transport(void)
{
	struct online_settings s = defaults();
	struct online_answer a;
	X509 *before;
	struct reason why;
	struct secret none = {NULL};
	EVP_PKEY *key = key_make("rsa:2048", &why);
	size_t len;
	char *pem = key_pem(key, &none, &len, &why), ticket[ONLINE_TICKET_MAX + 1];
	struct online_ca it = {.kind = &scep_kind, .settings = &s, .now = NOW};

	write_text("ra.key", pem);
	secret_free(pem, len);
	EVP_PKEY_free(key);
	snprintf(s.ra_key, sizeof s.ra_key, "%s", path_of("ra.key"));
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "with a transport key in a file");
	before = server.question.signer;
	X509_up_ref(before);
	expect(once(&s, true, true, NULL), ONLINE_ISSUED, NULL, "a lost answer is asked for");
	ok(X509_cmp(before, server.question.signer) == 0, "with the very same certificate");
	X509_free(before);
	must(scep_kind.open(&it, &why) == 0 && scep_kind.ticket(&it, request, ticket, &why) == 0, "a ticket");
	scep_kind.close(&it);
	ok(strlen(ticket) == 64 + 1 + 16 && strncmp(ticket, server.question.transaction, 64) == 0,
	    "the ticket has the transaction, and which key it was");
	server.pki_status = "2";
	server.fail = "1";
	strcpy(ticket + 65, "0000000000000000");
	a = once(&s, true, true, ticket);
	expect(a, ONLINE_LOST, "it was asked with another ra-key", "a poll with another key says so when it fails");
	reset();
	write_text("ra.key", "nonsense");
	ok(scep_kind.open(&it, &why) == -1 && strncmp(why.text, "ra-key ", 7) == 0, "a key that is none");
	scep_kind.close(&it);
}

static struct csr *with_challenge(const char *text)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	struct reason why;
	struct csr *c;
	int n = 0;

	X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(req), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)"SEP001122334455", -1, -1, 0);
	X509_REQ_set_pubkey(req, phone_key);
	if (text != NULL)
		X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_UTF8, (const unsigned char *)text, -1);
	must(X509_REQ_sign(req, phone_key, EVP_sha256()) > 0 && (n = i2d_X509_REQ(req, &der)) > 0, "a request");
	c = csr_parse(der, (size_t)n, NULL, &why);
	must(c != NULL, why.text);
	OPENSSL_free(der);
	X509_REQ_free(req);
	return c;
}

static void test_challenge(void)
{
	struct online_settings s = defaults();
	struct csr *before = request;

	write_text("challenge", "secret\n");
	snprintf(s.challenge_file, sizeof s.challenge_file, "%s", path_of("challenge"));
	expect(once(&s, false, false, NULL), ONLINE_REFUSED, "has no challenge password", "a request without the password");
	ok(server.asked == 0, "is not sent");
	request = with_challenge("wrong");
	expect(once(&s, false, false, NULL), ONLINE_REFUSED, "another challenge password", "nor one with another");
	csr_free(request);
	request = with_challenge("secret");
	expect(once(&s, false, false, NULL), ONLINE_ISSUED, NULL, "one with the right one is");
	csr_free(request);
	request = before;
	reset();
}

static void test_allows(void)
{
	struct online_settings s = defaults();
	struct reason why;

	ok(scep_kind.allows(&s, CSR_OWN, &why) == 0, "requests that their own key signed are sent");
	ok(scep_kind.allows(&s, CSR_RA, &why) == -1 && strlen(why.text) <= ASKED_REASON_MAX && strstr(why.text, "ca-init --request") != NULL &&
	    strstr(why.text, "CMP") != NULL && strstr(why.text, "certsrv") != NULL && strstr(why.text, "capf-probe") != NULL &&
	    strstr(why.text, "send-unproved = yes") != NULL, "others are not, and the ways out are named");
	s.unproved = 1;
	ok(scep_kind.allows(&s, CSR_RA, &why) == 0, "unless one wants it");
}

static void test_check(void)
{
	struct online_settings s = defaults();
	struct online_ca it = {.kind = &scep_kind, .settings = &s, .now = NOW};
	struct online_report report = {0};
	struct reason why;
	int result;

	*s.issuer_file = '\0';
	snprintf(s.jurisdiction, sizeof s.jurisdiction, "my CA/1");
	must(scep_kind.open(&it, &why) == 0, why.text);
	result = scep_kind.check(&it, &report, &why);
	buf_put_u8(&report.text, 0);
	ok(result == 0 && report.certificates.len == ca->der_len && strstr((char *)report.text.p, "\nuntrusted\t") != NULL &&
	    strstr((char *)report.text.p, "\ntrusted") == NULL && strstr((char *)report.text.p, "problem\tover plain http") != NULL,
	    "the CA's certificate can be looked at before it is trusted");
	ok(strcmp(server.url, "http://ca.example/scep?operation=GetCACert&message=my%20CA%2F1") == 0,
	    "the CA is called by its name");
	buf_free(&report.text);
	buf_free(&report.certificates);
	scep_kind.close(&it);
	reset();
}

static void prepare(void)
{
	struct reason why;

	ca_key = key_make("rsa:2048", &why);
	ra_key = key_make("rsa:2048", &why);
	phone_key = key_make("rsa:2048", &why);
	other_key = key_make("rsa:2048", &why);
	ec_key = key_make("ec:256", &why);
	ca = mint("Lab CA", ca_key, NULL, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, ca_ext);
	other = mint("Lab CA", other_key, NULL, other_key, EVP_sha256(), NOW - DAY, NOW + DAY, ca_ext);
	expired = mint("Lab CA", ca_key, NULL, ca_key, EVP_sha256(), NOW - 2 * DAY, NOW - DAY, ca_ext);
	ec_ca = mint("EC CA", ec_key, NULL, ec_key, EVP_sha256(), NOW - DAY, NOW + DAY, ca_ext);
	sub = mint("Lab sub CA", ra_key, ca, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, ca_ext);
	forged = mint("RA", other_key, ca, other_key, EVP_sha256(), NOW - DAY, NOW + DAY, ra_ext);
	ra = mint("RA", ra_key, ca, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, ra_ext);
	ra_sign = mint("RA 2", other_key, ca, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, sign_ext);
	leaf = mint("SEP000000000001", phone_key, ca, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, leaf_ext);
	phone = mint("SEP001122334455", phone_key, ca, ca_key, EVP_sha256(), NOW - DAY, NOW + DAY, leaf_ext);
	request = with_challenge(NULL);
	dir = tap_dir();
	write_certs("ca.pem", ca->x509, NULL);
	write_certs("ec.pem", ec_ca->x509, NULL);
	write_certs("expired.pem", expired->x509, NULL);
	write_certs("both.pem", ca->x509, leaf->x509);
	/* For the server; what is tested has one of its own. */
	legacy = OSSL_LIB_CTX_new();
	must(OSSL_PROVIDER_load(legacy, "default") != NULL && OSSL_PROVIDER_load(legacy, "legacy") != NULL, "single DES");
	reset();
}

static void clean(void)
{
	static const char *const names[] = {"ca.pem", "ec.pem", "expired.pem", "both.pem", "ra.key", "challenge"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]));
	rmdir(dir);
}

int main(void)
{
	prepare();
	test_caps();
	test_issued();
	test_http();
	test_verdicts();
	test_lies();
	test_old();
	test_trust();
	test_rollover();
	test_transport();
	test_challenge();
	test_allows();
	test_check();
	clean();
	return tap_done();
}
