/* SPDX-License-Identifier: ISC */
/* A SCEP CA that does what it is told, good or bad:
 *
 *	scep-server PORTFILE LOG CA.pem CA.key [switch...]
 *
 * It listens on a free port of 127.0.0.1, which it writes to PORTFILE, and writes to LOG what comes: "GetCACert", "message",
 * "PKCSReq ID", "CertPoll ID", and "issued SHA256-OF-SPKI" for each certificate. One client at a time. It ends after ten
 * minutes in any case.
 *
 *	ra=CERT,KEY	an RA, which encrypts and signs, and is shown with the CA
 *	signer=CERT,KEY	signs answers, and is not shown
 *	caps=TEXT	of GetCACaps; a comma ends a line. "none": 404
 *	pending=N	the first N messages of each transaction are answered with PENDING
 *	fail=N[,TEXT]	PKCSReq is refused with this failInfo
 *	pollfail=N	so is CertPoll
 *	send=DER	the file is sent in place of the certificate
 *	cipher=NAME, digest=NAME
 *	noproof		the request's own signature is not checked
 *	lose=N		the first N answers to PKCSReq are not sent: hangs up when all is done
 *	stall=N		nor are these, but the connection stays
 *	hangup=N	hangs up N times before anything is done
 *	nonce, transaction, type, garbage, empty, huge, slow, redirect, status=N
 *			what is wrong with answers to PKIOperation */
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scep_answer.h"

#define MESSAGE_MAX 200000

static struct transaction {
	char id[256];
	int pending;
	X509 *cert;
} transactions[1000];

static X509 *ca, *ra, *signer;
static EVP_PKEY *ca_key, *ra_key, *signer_key;
static const char *log_path;
static char *const *switches;
static int lost, stalled, hung;

/* What stands behind "name=", "" for a bare name, NULL when it is not given. */
static const char *option(const char *name)
{
	size_t len = strlen(name);

	for (char *const *p = switches; *p != NULL; p++)
		if (strncmp(*p, name, len) == 0 && ((*p)[len] == '=' || (*p)[len] == '\0'))
			return *p + len + ((*p)[len] == '=');
	return NULL;
}

static int number(const char *name)
{
	return option(name) != NULL ? atoi(option(name)) : 0;
}

static void note(const char *word, const char *value)
{
	FILE *f = fopen(log_path, "a");

	scep_need(f != NULL);
	fprintf(f, "%s%s%s\n", word, *value != '\0' ? " " : "", value);
	fclose(f);
}

static X509 *load_cert(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	scep_need(x != NULL);
	fclose(f);
	return x;
}

static EVP_PKEY *load_key(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	scep_need(key != NULL);
	fclose(f);
	return key;
}

static void load_pair(const char *pair, X509 **cert, EVP_PKEY **key)
{
	char path[512];
	const char *comma = strchr(pair, ',');

	scep_need(comma != NULL);
	snprintf(path, sizeof path, "%.*s", (int)(comma - pair), pair);
	*cert = load_cert(path);
	*key = load_key(comma + 1);
}

static void extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	scep_need(e != NULL && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static X509 *issue(X509_REQ *req)
{
	X509 *x = X509_new();
	unsigned char serial[8], digest[32], *spki = NULL;
	int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &spki);
	char hex[65];
	BIGNUM *n;

	RAND_bytes(serial, sizeof serial);
	n = BN_bin2bn(serial, sizeof serial, NULL);
	X509_set_version(x, 2);
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 365);
	X509_set_subject_name(x, X509_REQ_get_subject_name(req));
	X509_set_issuer_name(x, X509_get_subject_name(ca));
	X509_set_pubkey(x, X509_REQ_get0_pubkey(req));
	extend(x, NID_key_usage, "critical, digitalSignature, keyEncipherment");
	extend(x, NID_basic_constraints, "critical, CA:FALSE");
	scep_need(X509_sign(x, ca_key, EVP_sha256()) > 0);
	EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	note("issued", hex);
	OPENSSL_free(spki);
	return x;
}

static struct transaction *find(const char *id)
{
	struct transaction *t = transactions;

	while (*t->id != '\0' && strcmp(t->id, id) != 0)
		scep_need(++t < transactions + 1000);
	return t;
}

/* Decides: status "0", "2" or "3" and, for "2", the failInfo. */
static const char *decide(const struct scep_question *q, struct transaction *t, const char **fail)
{
	const unsigned char *p = q->content;
	X509_REQ *req = NULL;

	*fail = NULL;
	if (strcmp(q->type, "20") == 0) {
		note("CertPoll", q->transaction);
		*fail = option("pollfail");
		if (*fail == NULL && *t->id == '\0')
			*fail = "4";
		return *fail != NULL ? "2" : t->pending-- > 0 ? "3" : "0";
	}
	note("PKCSReq", q->transaction);
	*fail = option("fail");
	if (*fail == NULL && (strcmp(q->type, "19") != 0 || (req = d2i_X509_REQ(NULL, &p, q->content_len)) == NULL ||
	    (option("noproof") == NULL && X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) != 1)))
		*fail = "2";
	if (*fail != NULL)
		return "2";
	if (*t->id == '\0') {
		strcpy(t->id, q->transaction);
		t->pending = number("pending");
		t->cert = issue(req);
	}
	X509_REQ_free(req);
	return t->pending-- > 0 ? "3" : "0";
}

static long answer(const struct scep_question *q, unsigned char **der)
{
	struct transaction *t = find(q->transaction);
	const char *fail, *status = decide(q, t, &fail), *send = option("send"), *comma;
	struct scep_say say = {.type = option("type") != NULL ? "19" : "3", .status = status,
	    .transaction = option("transaction") != NULL ? "another" : q->transaction,
	    .nonce = option("nonce") != NULL ? (const unsigned char *)"another nonce..." : q->nonce, .nonce_len = q->nonce_len,
	    .signer = signer, .key = signer_key, .digest = EVP_get_digestbyname(option("digest") ? option("digest") : "SHA256"),
	    .cipher = EVP_get_cipherbyname(option("cipher") ? option("cipher") : "AES-128-CBC")};
	unsigned char *list = NULL, file[20000];
	char digit[2] = "";

	if (fail != NULL) {
		digit[0] = *fail;
		say.fail = digit;
		say.text = (comma = strchr(fail, ',')) != NULL ? comma + 1 : NULL;
	} else if (*status == '0') {
		say.recipient = q->signer;
		if (send != NULL) {
			FILE *f = fopen(send, "r");

			scep_need(f != NULL);
			say.list_len = (long)fread(file, 1, sizeof file, f);
			say.list = file;
			fclose(f);
		} else {
			X509 *both[] = {t->cert, ca};

			say.list_len = scep_list(both, 2, &list);
			say.list = list;
		}
	}
	return scep_say(&say, der);
}

static void say(int fd, int status, const char *type, const void *body, long len)
{
	dprintf(fd, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %ld\r\nConnection: close\r\n%s\r\n", status, type, len,
	    status / 100 == 3 ? "Location: http://127.0.0.1:1/\r\n" : "");
	for (long n, done = 0; done < len; done += n)
		if ((n = send(fd, (const char *)body + done, (size_t)(len - done), MSG_NOSIGNAL)) <= 0)
			return;
}

/* Percent-decoding and base64. */
static long from_query(char *text, unsigned char *out)
{
	char *to = text;
	long len;

	for (char *p = text; *p != '\0' && *p != ' ' && *p != '&'; p++) {
		unsigned c = (unsigned char)*p;

		if (c == '%' && sscanf(p + 1, "%2x", &c) == 1)
			p += 2;
		*to++ = (char)c;
	}
	*to = '\0';
	len = EVP_DecodeBlock(out, (unsigned char *)text, (int)(to - text));
	return len - (to > text && to[-1] == '=') - (to > text + 1 && to[-2] == '=');
}

static void operate(int fd, const unsigned char *message, long len)
{
	static char zeros[1 << 20];
	struct scep_question q;
	unsigned char *der = NULL;
	long n;

	note("message", "");
	if (hung++ < number("hangup"))
		return;
	if (option("status") != NULL || option("redirect") != NULL) {
		say(fd, option("redirect") != NULL ? 302 : number("status"), "text/html", "<p>no</p>", 9);
		return;
	}
	if (option("slow") != NULL)
		sleep(600);
	if (option("huge") != NULL) {
		dprintf(fd, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
		for (int i = 0; i < 1024 && send(fd, zeros, sizeof zeros, MSG_NOSIGNAL) > 0; i++)
			;
		return;
	}
	if (!scep_read(message, len, ra_key, &q)) {
		note("unreadable", "");
		say(fd, 400, "text/plain", "what?", 5);
		return;
	}
	n = answer(&q, &der);
	if (strcmp(q.type, "19") == 0 && lost < number("lose"))
		lost++;
	else if (strcmp(q.type, "19") == 0 && stalled < number("stall")) {
		stalled++;
		note("stalled", "");
		while (recv(fd, zeros, sizeof zeros, 0) > 0)
			;
	} else if (option("garbage") != NULL)
		say(fd, 200, "application/x-pki-message", "\x30\x82\xff\xff garbage", 12);
	else if (option("empty") != NULL)
		say(fd, 200, "application/x-pki-message", "", 0);
	else
		say(fd, 200, "application/x-pki-message", der, n);
	OPENSSL_free(der);
	X509_free(q.signer);
	free(q.content);
}

static void show_certificates(int fd)
{
	X509 *both[] = {ra, ca};
	unsigned char *der = NULL;
	long n = ra != ca ? scep_list(both, 2, &der) : i2d_X509(ca, &der);

	note("GetCACert", "");
	say(fd, 200, ra != ca ? "application/x-x509-ca-ra-cert" : "application/x-x509-ca-cert", der, n);
	OPENSSL_free(der);
}

static void show_caps(int fd)
{
	char text[512];

	snprintf(text, sizeof text, "%s", option("caps") ? option("caps") : "AES,POSTPKIOperation,SHA-256,SCEPStandard");
	for (char *p = text; *p != '\0'; p++)
		*p = *p == ',' ? '\n' : *p;
	say(fd, strcmp(text, "none") == 0 ? 404 : 200, "text/plain", text, (long)strlen(text));
}

static void serve(int fd)
{
	static char in[MESSAGE_MAX + 1];
	static unsigned char message[MESSAGE_MAX];
	size_t len = 0, body = 0;
	char *head = NULL, *p;
	ssize_t n;

	while (len < MESSAGE_MAX && (head == NULL || len < (size_t)(head - in) + 4 + body) &&
	    (n = recv(fd, in + len, MESSAGE_MAX - len, 0)) > 0) {
		in[len += (size_t)n] = '\0';
		if (head == NULL && (head = strstr(in, "\r\n\r\n")) != NULL)
			body = (p = strcasestr(in, "\r\nContent-Length:")) != NULL && p < head ? (size_t)atol(p + 17) : 0;
		if (head != NULL && strcasestr(in, "Expect: 100-continue") != NULL && len == (size_t)(head - in) + 4 && body > 0)
			dprintf(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	if (head == NULL)
		return;
	if (strstr(in, "operation=GetCACaps") != NULL)
		show_caps(fd);
	else if (strstr(in, "operation=GetCACert") != NULL)
		show_certificates(fd);
	else if (strncmp(in, "POST", 4) == 0)
		operate(fd, (unsigned char *)head + 4, (long)(len - (size_t)(head - in) - 4));
	else if ((p = strstr(in, "&message=")) != NULL) {
		note("GET", "");
		operate(fd, message, from_query(p + 9, message));
	} else
		say(fd, 404, "text/plain", "nothing", 7);
}

int main(int argc, char *argv[])
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	FILE *f;

	scep_need(argc >= 5);
	alarm(600);
	log_path = argv[2];
	switches = argv + 5;
	OSSL_PROVIDER_load(NULL, "default");
	OSSL_PROVIDER_load(NULL, "legacy");
	signer = ra = ca = load_cert(argv[3]);
	signer_key = ra_key = ca_key = load_key(argv[4]);
	if (option("ra") != NULL) {
		load_pair(option("ra"), &ra, &ra_key);
		signer = ra;
		signer_key = ra_key;
	}
	if (option("signer") != NULL)
		load_pair(option("signer"), &signer, &signer_key);
	scep_need(bind(s, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(s, 64) == 0 &&
	    getsockname(s, (struct sockaddr *)&addr, &len) == 0);
	/* By another name first: who waits for the file finds a whole one. */
	char temporary[512];

	snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
	scep_need((f = fopen(temporary, "w")) != NULL);
	fprintf(f, "%d\n", ntohs(addr.sin_port));
	fclose(f);
	scep_need(rename(temporary, argv[1]) == 0);
	while ((fd = accept(s, NULL, NULL)) >= 0) {
		serve(fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return 0;
}
