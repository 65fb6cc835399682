/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "online/est.h"
#include "online/est_message.h"
#include "x509/cmc.h"
#include "x509/pkcs7.h"
#include "x509/secret.h"

#define TICKET "est"		/* EST names no request: who asks again posts it again */
#define CMS_TYPE "application/pkcs7-mime"

/* What est_open loads. */
struct est {
	struct cmc cmc;
};

static int allows(const struct online_settings *settings, enum csr_proof proof, struct reason *why)
{
	if (proof == CSR_OWN || settings->cmc || settings->unproved)
		return 0;
	return reason_set(why, "CAPF signed it, not its phone. Ways out: CMP; an agent (cmc = yes); "
	    "a subordinate CA (ca-init --request); capf-probe; send-unproved = yes; see csr-submit(1)");
}

static int load_agent(struct cmc *cmc, const struct online_ca *ca, struct reason *why)
{
	const struct online_settings *s = ca->settings;
	struct secret pass = {NULL};
	struct reason cause = {.text = ""};
	bool of_key = false;
	int result = 0;

	if (*s->pass_file != '\0' && secret_read(&pass, s->pass_file, &cause) != 0)
		return reason_because(why, &cause, "%s: %s", s->pass_file, cause.text);
	if (cmc_load_agent(cmc, s->agent, s->agent_key, &pass, ca->now, &of_key, &cause) != 0)
		result = reason_because(why, &cause, "%s: %s", of_key ? s->agent_key : s->agent, cause.text);
	secret_wipe(&pass);
	return result;
}

static int est_open(struct online_ca *ca, struct reason *why)
{
	const struct online_settings *s = ca->settings;
	char url[EST_URL_MAX + 1];
	struct est *est;
	bool agent = *s->agent != '\0';

	if (est_url(s->url, s->label, "cacerts", url, why) != 0)
		return -1;
	if ((est = calloc(1, sizeof *est)) == NULL)
		return reason_memory(why);
	ca->own = est;
	if (!s->cmc)
		return 0;
	est->cmc.template = *s->template != '\0' ? s->template : NULL;
	est->cmc.shape = agent ? CMC_AGENT : CMC_NONE;
	if (est->cmc.template != NULL && cmc_check_template(s->template, why) != 0)
		return -1;
	if (*s->shape != '\0' && !cmc_shape_named(s->shape, &est->cmc.shape))
		return reason_set(why, "shape is one of none, agent, behalf");
	if (est->cmc.shape == CMC_NONE)
		return 0;
	if (!agent)
		return reason_set(why, "shape = %s needs an agent and its agent-key", s->shape);
	return load_agent(&est->cmc, ca, why);
}

static void est_close(struct online_ca *ca)
{
	struct est *est = ca->own;

	if (est != NULL)
		cmc_free_agent(&est->cmc);
	free(est);
	ca->own = NULL;
}

static int ticket(struct online_ca *ca, const struct csr *csr, char out[ONLINE_TICKET_MAX + 1], struct reason *why)
{
	(void)ca;
	(void)csr;
	(void)why;
	strcpy(out, TICKET);
	return 0;
}

/* One operation: GET, or POST of this body with this type. */
static enum http_result ask(struct online_ca *ca, const char *operation, const char *type, struct bytes body,
    struct http_answer *http, struct reason *why)
{
	char url[EST_URL_MAX + 1];
	struct http_ask out = {.url = url, .type = type, .encoding = type != NULL ? "base64" : NULL, .body = body};

	if (est_url(ca->settings->url, ca->settings->label, operation, url, why) != 0)
		return HTTP_UNTRUSTED;
	out.accept = CMS_TYPE;
	return http_exchange(ca->http, &out, http, why);
}

/* What a 200 brought, or a CMC server's refusal under another number. False when it is nothing that EST knows. */
static bool read_answer(const struct http_answer *http, struct online_answer *answer)
{
	static const enum online_outcome means[] = {
		[EST_CERTIFICATES] = ONLINE_ISSUED, [EST_FAILED] = ONLINE_REFUSED,
		[EST_PENDING] = ONLINE_LOST, [EST_UNREADABLE] = ONLINE_LOST,
	};
	struct reason why = {.text = ""};
	enum est_kind kind = est_read((struct bytes){http->body.p, http->body.len}, &answer->certificates, &why);

	if (kind == EST_CERTIFICATES && answer->certificates.len > ONLINE_CERTIFICATES_MAX) {
		reason_set(&why, "has more than %d bytes of certificates", ONLINE_CERTIFICATES_MAX);
		kind = EST_UNREADABLE;
	}
	if (kind == EST_UNREADABLE) {
		buf_free(&answer->certificates);
		online_say(answer, ONLINE_LOST, "the CA answered, but its answer %s%s%.60s", why.text,
		    *http->type != '\0' ? "; its type is " : "", http->type);
		return false;
	}
	online_say(answer, means[kind], "%s", why.text);
	return true;
}

/* Posts the request, and says what came of it. The same for the first time and for each that follows a 202. */
static void enrol(struct online_ca *ca, const struct csr *csr, struct online_answer *answer)
{
	const struct est *est = ca->own;
	struct reason why = {.text = ""};
	struct buf cms = {0}, body = {0};
	struct bytes der = {csr->der, csr->der_len};
	struct http_answer http = {.status = 0};
	enum http_result result = HTTP_TROUBLE;
	bool cmc = ca->settings->cmc;

	if (cmc && cmc_put(&est->cmc, csr, &cms, &why) != 0) {
		online_say(answer, why.trouble ? ONLINE_LATER : ONLINE_BROKEN, "no CMC request: %s", why.text);
		buf_free(&cms);
		return;
	}
	if (cmc)
		der = (struct bytes){cms.p, cms.len};
	est_encode(der, &body);
	if (body.failed)
		reason_memory(&why);
	else
		result = ask(ca, cmc ? "fullcmc" : "simpleenroll", cmc ? CMS_TYPE "; smime-type=CMC-request" :
		    "application/pkcs10", (struct bytes){body.p, body.len}, &http, &why);
	if (result != HTTP_ANSWERED)
		online_say_unanswered(answer, result, &why);
	else if (http.status == 202) {
		strcpy(answer->ticket, TICKET);
		answer->wait = http.wait;
		online_say(answer, ONLINE_PENDING, "the CA has yet to decide");
	} else if (http.status == 200)
		read_answer(&http, answer);
	/* RFC 7030 4.3.2: what CMC has to say comes with an error's number as well. */
	else if (!cmc || strncmp(http.type, CMS_TYPE, strlen(CMS_TYPE)) != 0 || !read_answer(&http, answer) ||
	    answer->outcome != ONLINE_REFUSED) {
		buf_free(&answer->certificates);
		online_say_status(answer, &http);
	}
	buf_free(&http.body);
	buf_free(&body);
	buf_free(&cms);
}

static void submit(struct online_ca *ca, const struct csr *csr, const char *known, struct online_answer *answer)
{
	(void)known;
	*answer = (struct online_answer){.outcome = ONLINE_BROKEN};
	enrol(ca, csr, answer);
}

static void poll(struct online_ca *ca, const struct csr *csr, const char *known, bool lost,
    struct online_answer *answer)
{
	(void)known;
	*answer = (struct online_answer){.outcome = ONLINE_BROKEN};
	if (lost && ca->settings->lost != ONLINE_LOST_ASK)
		online_say(answer, ONLINE_LOST, "its answer was lost, and EST has no way to ask for it again");
	else
		enrol(ca, csr, answer);
}

/* The line of the report about csrattrs, which a server may lack, and whose absence is no fault. */
static int report_attributes(struct online_ca *ca, struct buf *text, struct reason *why)
{
	struct http_answer http;
	struct online_answer status = {.outcome = ONLINE_BROKEN};
	enum http_result result = ask(ca, "csrattrs", NULL, (struct bytes){0}, &http, why);

	if (result != HTTP_ANSWERED)
		return -1;
	if (http.status == 401 || http.status == 403) {
		online_say_status(&status, &http);
		buf_free(&http.body);
		return online_fail(why, "csrattrs", &status);
	}
	buf_put(text, "csrattrs\t", 9);
	if (http.status != 200)
		buf_put(text, "none", 4);
	else if (est_attributes((struct bytes){http.body.p, http.body.len}, text, why) != 0)
		buf_put(text, "cannot be read", 14);
	buf_put_u8(text, '\n');
	buf_free(&http.body);
	return 0;
}

static int check(struct online_ca *ca, struct online_report *report, struct reason *why)
{
	struct http_answer http;
	struct online_answer answer = {.outcome = ONLINE_BROKEN};
	enum http_result result = ask(ca, "cacerts", NULL, (struct bytes){0}, &http, why);
	char line[80];
	struct bytes all, one;
	int n = 0;

	*report = (struct online_report){.text = {0}};
	if (result != HTTP_ANSWERED)
		return -1;
	if (http.status == 200)
		read_answer(&http, &answer);
	else
		online_say_status(&answer, &http);
	buf_free(&http.body);
	report->certificates = answer.certificates;
	if (answer.outcome != ONLINE_ISSUED)
		return online_fail(why, "cacerts", &answer);
	all = (struct bytes){report->certificates.p, report->certificates.len};
	while (pkcs7_next(&all, &one))
		n++;
	snprintf(line, sizeof line, "protocol\tEST\ncertificates\t%d\nenrols-by\t%s\n", n,
	    ca->settings->cmc ? "fullcmc" : "simpleenroll");
	buf_put(&report->text, line, strlen(line));
	return report_attributes(ca, &report->text, why);
}

const struct online_kind est_kind = {
	.type = ONLINE_EST, .name = "est", .resends = true, .allows = allows, .open = est_open, .close = est_close, .ticket = ticket,
	.submit = submit, .poll = poll, .check = check,
};
