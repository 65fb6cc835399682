/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "online/certsrv.h"
#include "online/certsrv_message.h"
#include "x509/cmc.h"
#include "x509/pem.h"
#include "x509/pkcs7.h"

#define ADDRESS_MAX (CERTSRV_URL_MAX + 64)
#define REVOKED 6	/* CR_DISP_REVOKED */
#define FAILED 1	/* CR_DISP_ERROR */
#define UNREACHABLE "the CA behind the web server is not running (0x%08x)"
#define UNKNOWN_PAGE "the CA's page is not understood: look there for the request; is url right?"

struct certsrv {
	char base[CERTSRV_URL_MAX + 1];
	struct cmc cmc;
};

/* The shape of CMC that the settings want. -1 with a reason. */
static int find_shape(const struct online_settings *s, enum cmc_shape *shape, struct reason *why)
{
	bool agent = *s->agent != '\0';

	*shape = agent ? CMC_AGENT : CMC_NONE;
	if (*s->shape != '\0' && !cmc_shape_named(s->shape, shape))
		return reason_set(why, "shape is not one of none, agent, behalf");
	if (agent != (*shape != CMC_NONE))
		return reason_set(why, agent ? "shape none has no agent: leave agent out, or shape" :
		    "shape %s wants agent and agent-key", s->shape);
	return 0;
}

/* Does a request go as CMC? One with its own key's signature needs none. */
static bool as_cmc(const struct online_settings *s, enum csr_proof proof)
{
	return proof != CSR_OWN && (*s->agent != '\0' || *s->shape != '\0');
}

static int allows(const struct online_settings *s, enum csr_proof proof, struct reason *why)
{
	if (proof == CSR_OWN || as_cmc(s, proof) || s->unproved)
		return 0;
	return reason_set(why, "CAPF signed it, not its phone. Ways out: agent and agent-key; CMP; "
	    "a subordinate CA (ca-init --request); capf-probe; send-unproved = yes; see csr-submit(1)");
}

static int load_agent(struct online_ca *ca, struct cmc *cmc, struct reason *why)
{
	const struct online_settings *s = ca->settings;
	struct secret pass = {NULL};
	struct reason cause;
	bool of_key;
	int result = 0;

	if (*s->pass_file != '\0')
		result = secret_read(&pass, s->pass_file, why);
	if (result == 0 && cmc_load_agent(cmc, s->agent, s->agent_key, &pass, ca->now, &of_key, &cause) != 0)
		result = reason_because(why, &cause, "%.60s: %s", of_key ? s->agent_key : s->agent, cause.text);
	secret_wipe(&pass);
	return result;
}

static int open_certsrv(struct online_ca *ca, struct reason *why)
{
	const struct online_settings *s = ca->settings;
	struct certsrv *own = calloc(1, sizeof *own);
	struct reason cause;

	if ((ca->own = own) == NULL)
		return reason_memory(why);
	if (certsrv_base(s->url, own->base, why) != 0 || find_shape(s, &own->cmc.shape, why) != 0)
		return -1;
	if (*s->template != '\0') {
		if (cmc_check_template(s->template, &cause) != 0)
			return reason_because(why, &cause, "template: %s", cause.text);
		own->cmc.template = s->template;
	}
	return *s->agent != '\0' ? load_agent(ca, &own->cmc, why) : 0;
}

static void close_certsrv(struct online_ca *ca)
{
	struct certsrv *own = ca->own;

	if (own != NULL)
		cmc_free_agent(&own->cmc);
	free(own);
	ca->own = NULL;
}

/* The CA chooses the number of a request, and says it in its answer. */
static int no_ticket(struct online_ca *ca, const struct csr *c, char out[ONLINE_TICKET_MAX + 1], struct reason *why)
{
	(void)ca;
	(void)c;
	(void)why;
	out[0] = '\0';
	return 0;
}

static struct bytes body_of(const struct http_answer *http)
{
	return (struct bytes){http->body.p, http->body.len};
}

/* The request as the form takes it: PKCS#10 as PEM, CMC as base64 alone, for which no label is known. NULL with a
 * reason; the caller frees all, of which text is a part. */
static char *request_text(const struct online_ca *ca, const struct csr *c, struct bytes *text, struct reason *why)
{
	const struct certsrv *own = ca->own;
	struct buf der = {0};
	size_t len = 0;
	char *pem = NULL, *first, *last;

	if (!as_cmc(ca->settings, c->proof))
		pem = csr_pem(c, &len);
	else if (cmc_put(&own->cmc, c, &der, why) != 0)
		return buf_free(&der), NULL;
	else
		pem = pem_make("CMS", der.p, der.len, &len);
	buf_free(&der);
	if (pem == NULL) {
		reason_memory(why);
		return NULL;
	}
	*text = (struct bytes){(unsigned char *)pem, len};
	if (as_cmc(ca->settings, c->proof) && (first = strchr(pem, '\n')) != NULL &&
	    (last = strstr(first, "-----END")) != NULL)
		*text = (struct bytes){(unsigned char *)first + 1, (size_t)(last - first) - 1};
	return pem;
}

static enum http_result get(struct online_ca *ca, const char *page, const char *query, struct http_answer *http,
    struct reason *why)
{
	const struct certsrv *own = ca->own;
	char url[ADDRESS_MAX];

	*http = (struct http_answer){0};
	snprintf(url, sizeof url, "%s/%s%s", own->base, page, query);
	return http_exchange(ca->http, &(struct http_ask){.url = url}, http, why);
}

static void say_denied(struct online_answer *answer, const struct certsrv_page *page, const char *id)
{
	const char *means = certsrv_code_text(page->code);
	char code[16] = "";

	if (page->code != 0)
		snprintf(code, sizeof code, " (0x%08x)", page->code);
	online_say(answer, ONLINE_REFUSED, "the CA %s %s%s%s%s%s%s%s",
	    page->disposition == REVOKED ? "has revoked the certificate of" : "denies",
	    *id != '\0' ? "request " : "the request", id, code, means != NULL ? ": " : "", means != NULL ? means : "",
	    page->said[0] != '\0' ? ": " : "", page->said);
}

static void judge_page(struct online_answer *answer, const struct certsrv_page *page, const char *id,
    const struct reason *why)
{
	if (page->state == CERTSRV_DENIED)
		say_denied(answer, page, id);
	else if (page->state == CERTSRV_PENDING)
		online_say(answer, ONLINE_PENDING, "request %s waits for a manager of the CA", id);
	else if (page->state == CERTSRV_FAILED && certsrv_code_unreachable(page->code))
		online_say(answer, ONLINE_LATER, "request %s: " UNREACHABLE, id, page->code);
	else if (page->state == CERTSRV_FAILED)
		/* [unknown] what a CA says of a request that it does not have, so this is no verdict. */
		online_say(answer, ONLINE_PENDING, "request %s: the CA cannot say (disposition %d, 0x%08x): %s", id,
		    page->disposition, page->code, page->said);
	else
		online_say(answer, ONLINE_PENDING, "request %s: the CA's answer %s, and is no page that we know", id,
		    why->text);
}

/* Fetches the certificate of a request, or what the CA says instead. A certificate is known by itself, not by its
 * Content-Type: that is application/pkix-cert only for a User-Agent that begins with "Mozilla". [public] */
static void fetch(struct online_ca *ca, const char *id, struct online_answer *answer)
{
	char query[64];
	struct http_answer http;
	struct certsrv_page page;
	struct reason why = {.text = ""};
	enum http_result result;

	snprintf(query, sizeof query, "?ReqID=%s&Enc=b64", id);
	snprintf(answer->ticket, sizeof answer->ticket, "%s", id);
	result = get(ca, "certnew.cer", query, &http, &why);
	if (result != HTTP_ANSWERED)
		online_say(answer, result == HTTP_UNTRUSTED ? ONLINE_BROKEN : ONLINE_LATER, "%s", why.text);
	else if (http.status != 200) {
		/* A status is no verdict on a request that was taken. */
		online_say_status(answer, &http);
		if (answer->outcome != ONLINE_BROKEN)
			answer->outcome = ONLINE_LATER;
	} else if (certsrv_put_certificate(body_of(&http), &answer->certificates, &why) == 0)
		answer->outcome = ONLINE_ISSUED;
	else if (why.trouble)
		online_say(answer, ONLINE_LATER, "%s", why.text);
	else {
		certsrv_read_page(body_of(&http), &page);
		judge_page(answer, &page, id, &why);
	}
	buf_free(&http.body);
}

/* The page says that there is a certificate. A fetch that fails loses nothing: the number is the ticket. */
static void fetch_issued(struct online_ca *ca, const char *id, struct online_answer *answer)
{
	struct reason why;

	fetch(ca, id, answer);
	if (answer->outcome != ONLINE_BROKEN && answer->outcome != ONLINE_LATER)
		return;
	why = answer->why;
	online_say(answer, ONLINE_PENDING, "request %s is issued, and not fetched yet: %s", id, why.text);
}

/* The number stands in a page that we do not know, and may be that of something else. The CA's word about it decides,
 * and of a certificate its key. */
static void fetch_numbered(struct online_ca *ca, const struct csr *c, const char *id, struct online_answer *answer)
{
	struct reason why;
	struct cert *cert;

	fetch(ca, id, answer);
	if (answer->outcome == ONLINE_ISSUED) {
		cert = cert_parse(answer->certificates.p, answer->certificates.len, &why);
		if (cert != NULL && memcmp(cert->spki, c->spki, sizeof c->spki) == 0)
			return cert_free(cert);
		cert_free(cert);
		buf_free(&answer->certificates);
	}
	answer->ticket[0] = '\0';
	online_say(answer, ONLINE_LOST, UNKNOWN_PAGE);
}

/* A page of errors instead of a verdict. */
static void judge_failed(struct online_answer *answer, const struct certsrv_page *page)
{
	if (certsrv_code_unreachable(page->code))
		online_say(answer, ONLINE_LATER, UNREACHABLE, page->code);
	else if (page->disposition == FAILED)
		online_say(answer, ONLINE_REFUSED, "the CA failed with the request (0x%08x): %s", page->code, page->said);
	else
		online_say(answer, ONLINE_LOST, "the CA says neither a verdict nor the request's number (0x%08x): %s",
		    page->code, page->said);
}

static void judge_submit(struct online_ca *ca, const struct csr *c, struct bytes body,
    struct online_answer *answer)
{
	struct certsrv_page page;

	certsrv_read_page(body, &page);
	snprintf(answer->ticket, sizeof answer->ticket, "%s", page.id);
	switch (page.state) {
	case CERTSRV_ISSUED:
		fetch_issued(ca, page.id, answer);
		break;
	case CERTSRV_PENDING:
		/* The page of errors has no number: nothing could ask for this request again. */
		if (page.id[0] != '\0')
			judge_page(answer, &page, page.id, NULL);
		else
			online_say(answer, ONLINE_LOST, "the CA has the request and does not say its number");
		break;
	case CERTSRV_DENIED:
		say_denied(answer, &page, page.id);
		break;
	case CERTSRV_FAILED:
		judge_failed(answer, &page);
		break;
	case CERTSRV_NUMBERED:
		fetch_numbered(ca, c, page.id, answer);
		break;
	case CERTSRV_UNREADABLE:
		online_say(answer, ONLINE_LOST, UNKNOWN_PAGE);
	}
}

static void submit(struct online_ca *ca, const struct csr *c, const char *ticket, struct online_answer *answer)
{
	const struct certsrv *own = ca->own;
	char url[ADDRESS_MAX];
	struct buf form = {0};
	struct bytes text;
	struct http_answer http = {0};
	struct reason why = {.text = ""};
	enum http_result result;
	char *request = request_text(ca, c, &text, &why);

	(void)ticket;
	*answer = (struct online_answer){.outcome = ONLINE_LATER};
	if (request != NULL)
		certsrv_put_form(&form, text, ca->settings->template);
	free(request);
	if (request == NULL || form.failed) {
		online_say(answer, form.failed || why.trouble ? ONLINE_LATER : ONLINE_REFUSED, "%s",
		    form.failed ? "out of memory" : why.text);
		buf_free(&form);
		return;
	}
	snprintf(url, sizeof url, "%s/certfnsh.asp", own->base);
	result = http_exchange(ca->http, &(struct http_ask){.url = url, .type = "application/x-www-form-urlencoded",
	    .body = {form.p, form.len}}, &http, &why);
	buf_free(&form);
	if (result != HTTP_ANSWERED)
		online_say_unanswered(answer, result, &why);
	else if (http.status == 200)
		judge_submit(ca, c, body_of(&http), answer);
	else {
		online_say_status(answer, &http);
		/* The script may have failed behind the CA's answer. */
		if (http.status == 500)
			answer->outcome = ONLINE_LOST;
	}
	buf_free(&http.body);
}

static void poll_certsrv(struct online_ca *ca, const struct csr *c, const char *ticket, bool lost,
    struct online_answer *answer)
{
	(void)c;
	(void)lost;
	*answer = (struct online_answer){.outcome = ONLINE_LOST};
	if (certsrv_is_id(ticket))
		fetch(ca, ticket, answer);
	else if (ca->settings->lost == ONLINE_LOST_ASK)
		online_say(answer, ONLINE_NEVER, "the CA's answer was lost, and lost-answer is ask");
	else
		online_say(answer, ONLINE_LOST,
		    "the CA's answer was lost, and certsrv cannot be asked for it: look there for the request");
}

/* Is this one of those already there? */
static bool has(const struct buf *all, struct bytes one)
{
	struct bytes rest = {all->p, all->len}, next;

	while (pkcs7_next(&rest, &next))
		if (next.len == one.len && memcmp(next.p, one.p, one.len) == 0)
			return true;
	return false;
}

/* Gets one page for check. -1 with a reason. */
static int get_page(struct online_ca *ca, const char *page, const char *query, struct http_answer *http,
    struct reason *why)
{
	struct online_answer status = {0};
	enum http_result result = get(ca, page, query, http, why);

	if (result != HTTP_ANSWERED)
		return -1;
	if (http->status == 200)
		return 0;
	online_say_status(&status, http);
	return online_fail(why, page, &status);
}

/* The chain of the CA's certificate, which is a list of certificates, DER. Without it the CA's own has to do. */
static int get_chain(struct online_ca *ca, const char *renewals, struct online_report *report, struct reason *why)
{
	char query[64];
	struct http_answer http;
	struct bytes all, one;
	int result;

	snprintf(query, sizeof query, "?ReqID=CACert&Renewal=%s&Enc=bin", renewals);
	if ((result = get_page(ca, "certnew.p7b", query, &http, why)) == 0 &&
	    (result = pkcs7_certificates(body_of(&http), &all, why)) == 0)
		while (pkcs7_next(&all, &one))
			if (!has(&report->certificates, one))
				buf_put(&report->certificates, one.p, one.len);
	buf_free(&http.body);
	return result;
}

static void put_line(struct buf *b, const char *word, const char *value)
{
	buf_put(b, word, strlen(word));
	buf_put(b, "\t", 1);
	buf_put(b, value, strlen(value));
	buf_put(b, "\n", 1);
}

/* What was used to get here. Which of several the server chose is not known. */
static void put_authentication(struct buf *b, const struct online_settings *s)
{
	if (*s->certificate != '\0')
		put_line(b, "authentication", "a TLS client certificate");
	if (*s->user != '\0')
		put_line(b, "authentication", s->ntlm ? "Basic, NTLM or Negotiate" : "Basic");
}

static int check(struct online_ca *ca, struct online_report *report, struct reason *why)
{
	char renewals[CERTSRV_ID_MAX + 1] = "0", query[64];
	struct http_answer http;
	struct reason cause;
	bool known;

	if (get_page(ca, "certcarc.asp", "", &http, why) != 0)
		return buf_free(&http.body), -1;
	known = certsrv_renewals(body_of(&http), renewals);
	buf_free(&http.body);
	snprintf(query, sizeof query, "?ReqID=CACert&Renewal=%s&Enc=b64", renewals);
	if (get_page(ca, "certnew.cer", query, &http, why) != 0)
		return buf_free(&http.body), -1;
	if (certsrv_put_certificate(body_of(&http), &report->certificates, &cause) != 0) {
		buf_free(&http.body);
		return reason_because(why, &cause, "the CA's certificate, certnew.cer, %s: is url that of certsrv?",
		    cause.text);
	}
	buf_free(&http.body);
	put_line(&report->text, "renewals", known ? renewals : "not said");
	if (get_chain(ca, renewals, report, &cause) != 0)
		put_line(&report->text, "chain", cause.text);
	put_authentication(&report->text, ca->settings);
	return report->text.failed || report->certificates.failed ? reason_memory(why) : 0;
}

const struct online_kind certsrv_kind = {
	.type = ONLINE_CERTSRV, .name = "certsrv", .plain = false, .allows = allows, .open = open_certsrv,
	.close = close_certsrv, .ticket = no_ticket, .submit = submit, .poll = poll_certsrv, .check = check,
};
