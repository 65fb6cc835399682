/* SPDX-License-Identifier: ISC */
/* Confirmation, RFC 4210 5.2.8: we ask for implicitConfirm. A CA that does not grant it revokes a certificate that is not
 * confirmed, so the confirmation is sent inside submit and poll, before the certificate is durable. When the process dies
 * in between, the request is LOST, as with a lost answer of any other protocol: it is not asked for again by itself. A
 * certificate whose confirmation the CA did not take is not handed on. */
#include <openssl/cmp.h>
#include <openssl/cmperr.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "online/cmp.h"
#include "online/cmp_exchange.h"
#include "online/cmp_message.h"
#include "x509/der.h"
#include "x509/name.h"
#include "x509/openssl_error.h"
#include "x509/pkcs7.h"

#define SHOWN 120	/* characters of what a CA says */

/* PKIFailureInfo, RFC 4210 5.2.3, and what each means for a request that was not yet decided. */
static const struct {
	const char *word;
	enum online_outcome outcome;
} failures[] = {
	{"badAlg", ONLINE_REFUSED}, {"badMessageCheck", ONLINE_BROKEN}, {"badRequest", ONLINE_REFUSED},
	{"badTime", ONLINE_BROKEN}, {"badCertId", ONLINE_REFUSED}, {"badDataFormat", ONLINE_REFUSED},
	{"wrongAuthority", ONLINE_BROKEN}, {"incorrectData", ONLINE_REFUSED}, {"missingTimeStamp", ONLINE_REFUSED},
	{"badPOP", ONLINE_REFUSED}, {"certRevoked", ONLINE_REFUSED}, {"certConfirmed", ONLINE_REFUSED},
	{"wrongIntegrity", ONLINE_BROKEN}, {"badRecipientNonce", ONLINE_REFUSED}, {"timeNotAvailable", ONLINE_LATER},
	{"unacceptedPolicy", ONLINE_REFUSED}, {"unacceptedExtension", ONLINE_REFUSED},
	{"addInfoNotAvailable", ONLINE_REFUSED}, {"badSenderNonce", ONLINE_REFUSED},
	{"badCertTemplate", ONLINE_REFUSED}, {"signerNotTrusted", ONLINE_BROKEN},
	{"transactionIdInUse", ONLINE_LOST}, {"unsupportedVersion", ONLINE_BROKEN}, {"notAuthorized", ONLINE_BROKEN},
	{"systemUnavail", ONLINE_LATER}, {"systemFailure", ONLINE_LATER}, {"duplicateCertReq", ONLINE_REFUSED},
};
#define FAILURES (sizeof failures / sizeof failures[0])

/* What a CA said, on one line and printable. */
struct said {
	char text[SHOWN + ESCAPE_LEN + 32];
	size_t len;
};

static void say_text(struct said *said, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len && said->len < SHOWN; i++) {
		if (p[i] >= ' ' && p[i] < 0x7f && p[i] != '\\')
			said->text[said->len++] = (char)p[i];
		else
			said->len += escape_put(p[i], said->text + said->len);
	}
	said->text[said->len] = '\0';
}

static void say_next(struct said *said, const char *separator)
{
	if (said->len > 0)
		say_text(said, separator, strlen(separator));
}

/* The failures' words, the free text and the details: "badPOP, badRequest: text; text". */
static void say_status(struct said *said, const struct cmp_exchange *e, unsigned failed)
{
	OSSL_CMP_PKIFREETEXT *texts = OSSL_CMP_CTX_get0_statusString(e->ctx);
	struct bytes details = e->message.details, one;
	const char *separator;

	for (size_t i = 0; i < FAILURES; i++) {
		if ((failed & 1U << i) == 0)
			continue;
		say_next(said, ", ");
		say_text(said, failures[i].word, strlen(failures[i].word));
	}
	separator = ": ";
	for (int i = 0; i < sk_ASN1_UTF8STRING_num(texts); i++) {
		const ASN1_UTF8STRING *text = sk_ASN1_UTF8STRING_value(texts, i);

		say_next(said, separator);
		say_text(said, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
		separator = "; ";
	}
	while (der_expect(&details, DER_UTF8_STRING, &one)) {
		say_next(said, separator);
		say_text(said, one.p, one.len);
		separator = "; ";
	}
}

/* The failures that the CA named, a bit each. */
static unsigned failed_of(const struct cmp_exchange *e)
{
	int code = OSSL_CMP_CTX_get_failInfoCode(e->ctx);

	return code > 0 ? (unsigned)code : 0;
}

/* What these failures mean: a request alone is refused, unless one of them is about more. */
static enum online_outcome meaning(unsigned failed)
{
	enum online_outcome outcome = ONLINE_REFUSED;

	for (size_t i = 0; i < FAILURES; i++)
		if ((failed & 1U << i) != 0 && failures[i].outcome != ONLINE_REFUSED)
			outcome = failures[i].outcome;
	return outcome;
}

/* The CA said no, and it was the CA. */
static void judge_rejection(const struct cmp_exchange *e, struct online_answer *answer)
{
	unsigned failed = failed_of(e);
	enum online_outcome outcome = meaning(failed);
	struct said said = {.len = 0};

	say_status(&said, e, failed);
	/* An error, not an answer to the request: the CA does not know it any more, or not by this nonce. */
	if (e->sent == CMP_POLLREQ && e->message.body == CMP_ERROR && outcome == ONLINE_REFUSED &&
	    (failed == 0 || (failed & (1U << OSSL_CMP_PKIFAILUREINFO_badRequest |
	    1U << OSSL_CMP_PKIFAILUREINFO_badRecipientNonce | 1U << OSSL_CMP_PKIFAILUREINFO_badSenderNonce)) != 0))
		outcome = ONLINE_LOST;
	online_say(answer, outcome, "the CA refuses%s%s%s", said.len > 0 ? ": " : "", said.text,
	    failed >> OSSL_CMP_PKIFAILUREINFO_badPOP & 1 ?
	    " (does it let this RA vouch for requests that phones did not sign?)" : "");
}

/* Why OpenSSL does not believe a message. */
static const char *distrust(const struct cmp_exchange *e)
{
	static const struct {
		int reason;
		const char *text;
	} known[] = {
		{CMP_R_MISSING_PROTECTION, "it is not protected"},
		{CMP_R_WRONG_PBM_VALUE, "it was made with another secret: look at reference and secret-file"},
		{CMP_R_MISSING_SECRET, "it is protected by a secret, and we have none"},
		{CMP_R_MISSING_TRUST_ANCHOR, "it is signed: give issuer-file"},
		{CMP_R_TRANSACTIONID_UNMATCHED, "it belongs to another request"},
		{CMP_R_RECIPNONCE_UNMATCHED, "it belongs to another message of ours"},
		{CMP_R_MISSING_KEY_USAGE_DIGITALSIGNATURE, "its certificate has no digitalSignature"},
		{CMP_R_NO_SUITABLE_SENDER_CERT,
		    "it is not signed by the CA or a CMP server that issuer-file vouches for: look at issuer-file"},
		{CMP_R_UNEXPECTED_PKIBODY, "it is no answer to what was asked"},
		{CMP_R_UNEXPECTED_PKISTATUS, "its status is no answer to what was asked"},
		{CMP_R_MULTIPLE_RESPONSES_NOT_SUPPORTED, "it has more than one answer"},
		{CMP_R_UNEXPECTED_PVNO, "its version is not 2"},
	};
	const char *text = "it makes no sense";
	size_t best = sizeof known / sizeof known[0];
	unsigned long error;

	if (!e->message.protected)
		return "it is not protected";
	while ((error = ERR_get_error()) != 0)
		for (size_t i = 0; i < best; i++)
			if (ERR_GET_LIB(error) == ERR_LIB_CMP && ERR_GET_REASON(error) == known[i].reason) {
				text = known[i].text;
				best = i;
			}
	return text;
}

/* There is a message, and OpenSSL does not take it. When only a greeting or a question was sent, the settings have to
 * change. Else nobody knows what the CA did, and somebody between us may have said no in its place. */
static void judge_distrust(const struct cmp_exchange *e, struct online_answer *answer)
{
	struct said said = {.len = 0};

	if (e->message.refuses)
		say_status(&said, e, e->message.failed);
	online_say(answer, e->sent == CMP_GENM || e->sent == CMP_POLLREQ ? ONLINE_BROKEN : ONLINE_LOST,
	    "the CA's %s is not believed%s%s%s: %s", e->message.refuses ? "refusal" : "answer",
	    said.len > 0 ? " (" : "", said.text, said.len > 0 ? ")" : "", distrust(e));
}

/* What ended an exchange without a certificate, apart from what the CA says. False when it was nothing of that kind. */
static bool judge_trouble(const struct cmp_exchange *e, struct online_answer *answer)
{
	if (e->trouble == CMP_FINE)
		return false;
	if (e->trouble == CMP_UNANSWERED)
		online_say_unanswered(answer, e->http, &e->why);
	else if (e->trouble == CMP_STATUS)
		online_say_status(answer, &e->answer);
	else
		online_say(answer, ONLINE_LOST, "%s", e->why.text);
	/* Whatever became of a question, it can be asked again; the CA does not know the request any more when it says
	 * so. */
	if (e->sent == CMP_POLLREQ && answer->outcome == ONLINE_LOST)
		answer->outcome = ONLINE_LATER;
	else if (e->sent == CMP_POLLREQ && answer->outcome == ONLINE_REFUSED)
		answer->outcome = ONLINE_LOST;
	return true;
}

/* There is a certificate, but something went wrong with it or behind it. */
static void judge_unconfirmed(const struct cmp_exchange *e, struct online_answer *answer)
{
	struct online_answer inner = {.outcome = ONLINE_LOST};
	struct reason why;

	answer->wait = 0;
	if (e->other_key) {
		online_say(answer, ONLINE_REFUSED, "the CA's certificate is for another key; we did not accept it");
		return;
	}
	if (!judge_trouble(e, &inner)) {
		if (e->message.refuses && OSSL_CMP_CTX_get_status(e->ctx) == OSSL_CMP_PKISTATUS_rejection)
			judge_rejection(e, &inner);
		else
			judge_distrust(e, &inner);
	}
	why = inner.why;
	online_say(answer, ONLINE_LOST, "a certificate came, but the CA did not take our confirmation, so it may "
	    "revoke it: %.140s", why.text);
}

/* What ended an exchange without success. */
static void judge(const struct cmp_exchange *e, struct online_answer *answer)
{
	bool asked = e->left && e->sent != CMP_GENM && e->sent != CMP_POLLREQ;
	struct reason why = {.text = ""};

	if (openssl_error_lack() || e->der.failed)
		online_say(answer, asked ? ONLINE_LOST : ONLINE_LATER, "out of memory");
	else if (OSSL_CMP_CTX_get0_newCert(e->ctx) != NULL)
		judge_unconfirmed(e, answer);
	else if (judge_trouble(e, answer))
		; /* said already */
	else if (!e->left) {
		openssl_error_set(&why, "no message can be made with these settings");
		online_say(answer, ONLINE_BROKEN, "%s", why.text);
	} else if (OSSL_CMP_CTX_get_status(e->ctx) == OSSL_CMP_PKISTATUS_rejection)
		judge_rejection(e, answer);
	else
		judge_distrust(e, answer);
	/* The request lies at the CA since a moment ago, which then could not be asked about it. */
	if (e->sent == CMP_POLLREQ && !e->resumed &&
	    (answer->outcome == ONLINE_LATER || answer->outcome == ONLINE_BROKEN)) {
		answer->outcome = ONLINE_PENDING;
		cmp_ticket_write(&e->ticket, answer->ticket);
	}
}

/* Makes the certificate that came the answer's. */
static void issue(const struct cmp_exchange *e, struct online_answer *answer)
{
	unsigned char *der = NULL;
	int len = i2d_X509(OSSL_CMP_CTX_get0_newCert(e->ctx), &der);

	if (len > 0)
		buf_put(&answer->certificates, der, (size_t)len);
	OPENSSL_free(der);
	answer->outcome = ONLINE_ISSUED;
	if (len <= 0 || answer->certificates.failed)
		online_say(answer, ONLINE_LOST, "out of memory");
}

/* One exchange for a request: the first one, or when the ticket says that it waits, the question what became of it. */
static void ask(struct online_ca *ca, const struct csr *csr, const struct cmp_ticket *ticket,
    struct online_answer *answer)
{
	int result, after = 0, type = csr->proof == CSR_OWN ? OSSL_CMP_P10CR : OSSL_CMP_IR;
	struct reason why = {.text = ""};
	struct cmp_exchange e;

	if (cmp_exchange_open(&e, ca, ticket, &why) != 0 || cmp_exchange_put(&e, csr, &why) != 0)
		online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
	else {
		result = OSSL_CMP_try_certreq(e.ctx, type, NULL, &after);
		if (result == 1 && !e.other_key)
			issue(&e, answer);
		else if (result == -1) {
			online_say(answer, ONLINE_PENDING, "the CA has not decided yet");
			cmp_ticket_write(&e.ticket, answer->ticket);
			answer->wait = after;
		} else
			judge(&e, answer);
	}
	cmp_exchange_close(&e);
}

/* A transaction's name that nobody has had. -1 with a reason. */
static int name_transaction(struct cmp_ticket *ticket, struct reason *why)
{
	*ticket = (struct cmp_ticket){.request = -1};
	openssl_error_forget();
	return RAND_bytes(ticket->id, CMP_ID) == 1 ? 0 : openssl_error_set(why, "OpenSSL has no random numbers");
}

/* Before the first request of a process: an empty genm. So a wrong secret, a wrong issuer-file, or a CA that is away is
 * noticed before the CA issues a certificate that we cannot take. A CA that does not support genm refuses it: with
 * protection that shows as much, without it shows nothing, and we go on. False with an answer. */
static bool greet(struct online_ca *ca, struct online_answer *answer)
{
	struct reason why = {.text = ""};
	struct cmp_ticket ticket;
	struct cmp *cmp = ca->own;
	STACK_OF(OSSL_CMP_ITAV) *itavs = NULL;
	struct cmp_exchange e = {.ctx = NULL};

	if (cmp->greeted)
		return true;
	if (name_transaction(&ticket, &why) != 0 || cmp_exchange_open(&e, ca, &ticket, &why) != 0) {
		online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "%s", why.text);
		cmp_exchange_close(&e);
		return false;
	}
	itavs = OSSL_CMP_exec_GENM_ses(e.ctx);
	if (itavs == NULL)
		judge(&e, answer);
	cmp->greeted = itavs != NULL || answer->outcome == ONLINE_REFUSED ||
	    (e.trouble == CMP_FINE && e.message.body == CMP_ERROR && !e.message.protected &&
	    meaning(e.message.failed) == ONLINE_REFUSED);
	if (answer->outcome == ONLINE_REFUSED)
		strcpy(cmp->refused, answer->why.text);
	if (!cmp->greeted && answer->outcome == ONLINE_LOST)
		answer->outcome = e.trouble == CMP_UNREADABLE ? ONLINE_BROKEN : ONLINE_LATER;
	sk_OSSL_CMP_ITAV_pop_free(itavs, OSSL_CMP_ITAV_free);
	cmp_exchange_close(&e);
	return cmp->greeted;
}

static int allows(const struct online_settings *settings, enum csr_proof proof, struct reason *why)
{
	(void)settings, (void)proof, (void)why;
	return 0;
}

static int open_cmp(struct online_ca *ca, struct reason *why)
{
	struct cmp *cmp = calloc(1, sizeof *cmp);

	if (cmp == NULL)
		return reason_memory(why);
	ca->own = cmp;
	return cmp_load(cmp, ca->settings, ca->now, why);
}

static void close_cmp(struct online_ca *ca)
{
	if (ca->own != NULL)
		cmp_free(ca->own);
	free(ca->own);
	ca->own = NULL;
}

/* The greeting belongs here: what comes to nothing before the ticket is durable was never asked for. */
static int make_ticket(struct online_ca *ca, const struct csr *csr, char out[ONLINE_TICKET_MAX + 1],
    struct reason *why)
{
	struct online_answer answer = {.outcome = ONLINE_ISSUED};
	struct cmp_ticket ticket;

	(void)csr;
	if (!greet(ca, &answer))
		return answer.outcome == ONLINE_LATER ? reason_trouble(why, "%s", answer.why.text) :
		    reason_set(why, "%s", answer.why.text);
	if (name_transaction(&ticket, why) != 0)
		return -1;
	cmp_ticket_write(&ticket, out);
	return 0;
}

static void submit(struct online_ca *ca, const struct csr *csr, const char *text, struct online_answer *answer)
{
	const struct cmp *cmp = ca->own;
	struct cmp_ticket ticket;
	struct reason why;

	if (!cmp_ticket_read(text, &ticket))
		online_say(answer, ONLINE_BROKEN, "this ticket is not one of CMP: was the type of the CA changed?");
	else if (greet(ca, answer)) {
		ticket.waits = false;
		ask(ca, csr, &ticket, answer);
		/* In the words with which it refused the greeting: then it is about us, not about the request. */
		if (answer->outcome == ONLINE_REFUSED && strcmp(cmp->refused, answer->why.text) == 0) {
			why = answer->why;
			online_say(answer, ONLINE_BROKEN, "the CA refuses us, whatever we ask: %s", why.text);
		}
	}
}

static void poll_cmp(struct online_ca *ca, const struct csr *csr, const char *text, bool lost,
    struct online_answer *answer)
{
	struct cmp_ticket ticket;

	(void)lost;
	if (!cmp_ticket_read(text, &ticket))
		online_say(answer, ONLINE_BROKEN, "this ticket is not one of CMP: was the type of the CA changed?");
	else if (ticket.waits)
		ask(ca, csr, &ticket, answer);
	else
		online_say(answer, ONLINE_LOST, "the CA's answer was lost, and CMP cannot ask for it again (transaction "
		    "%.32s)", text);
}

/* Appends a line "word TAB value", which the CA may have written. */
static void report_line(struct buf *out, const char *word, const char *value)
{
	struct said said = {.len = 0};

	say_text(&said, value, strlen(value));
	buf_put(out, word, strlen(word));
	buf_put(out, "\t", 1);
	buf_put(out, said.text, said.len);
	buf_put(out, "\n", 1);
}

static void report_protection(const struct online_ca *ca, const struct cmp *cmp, struct buf *out)
{
	char *name;

	if (cmp->key == NULL) {
		report_line(out, "authentication", "secret");
		report_line(out, "reference", ca->settings->reference);
		return;
	}
	report_line(out, "authentication", "signature");
	name = name_line(X509_get_subject_name(sk_X509_value(cmp->own, 0)));
	report_line(out, "certificate", name != NULL ? name : "");
	free(name);
}

/* The CA's certificates: those that it told, else what came with the answer. */
static void report_certificates(const struct cmp_exchange *e, struct online_report *report)
{
	struct bytes told = e->message.certificates, one;
	STACK_OF(X509) *sent = OSSL_CMP_CTX_get1_extraCertsIn(e->ctx);
	char count[16];
	int n = 0;

	while (e->message.body == CMP_GENP && pkcs7_next(&told, &one)) {
		buf_put(&report->certificates, one.p, one.len);
		n++;
	}
	for (int i = 0; told.len == 0 && report->certificates.len == 0 && i < sk_X509_num(sent); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(sent, i), &der);

		if (len > 0)
			buf_put(&report->certificates, der, (size_t)len);
		n += len > 0;
		OPENSSL_free(der);
	}
	snprintf(count, sizeof count, "%d", n);
	report_line(&report->text, "certificates", count);
	sk_X509_pop_free(sent, X509_free);
}

/* genm with id-it-caCerts. */
static bool put_question(OSSL_CMP_CTX *ctx)
{
	OSSL_CMP_ITAV *itav = OSSL_CMP_ITAV_create(OBJ_nid2obj(NID_id_it_caCerts), NULL);

	if (itav != NULL && OSSL_CMP_CTX_push0_genm_ITAV(ctx, itav))
		return true;
	OSSL_CMP_ITAV_free(itav);
	return false;
}

static int check(struct online_ca *ca, struct online_report *report, struct reason *why)
{
	struct online_answer answer = {.outcome = ONLINE_ISSUED};
	struct cmp_ticket ticket;
	STACK_OF(OSSL_CMP_ITAV) *itavs;
	struct cmp_exchange e;
	bool good;

	if (name_transaction(&ticket, why) != 0)
		return -1;
	good = cmp_exchange_open(&e, ca, &ticket, why) == 0;
	if (!good || !put_question(e.ctx)) {
		cmp_exchange_close(&e);
		return good ? reason_memory(why) : -1;
	}
	itavs = OSSL_CMP_exec_GENM_ses(e.ctx);
	if (itavs == NULL)
		judge(&e, &answer);
	/* A refusal that is believed shows the same: each knows the other. */
	good = itavs != NULL || answer.outcome == ONLINE_REFUSED;
	if (good) {
		report_protection(ca, ca->own, &report->text);
		report_line(&report->text, "genm", itavs != NULL ? "answered" : answer.why.text);
		report_certificates(&e, report);
	} else
		online_fail(why, "", &answer);
	sk_OSSL_CMP_ITAV_pop_free(itavs, OSSL_CMP_ITAV_free);
	cmp_exchange_close(&e);
	if (report->text.failed || report->certificates.failed)
		return reason_memory(why);
	return good ? 0 : -1;
}

const struct online_kind cmp_kind = {
	.type = ONLINE_CMP, .name = "cmp", .plain = true, .allows = allows, .open = open_cmp, .close = close_cmp,
	.ticket = make_ticket, .submit = submit, .poll = poll_cmp, .check = check,
};
