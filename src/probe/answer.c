/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "capf/capfmsg.h"
#include "probe/answer.h"
#include "x509/request_proof.h"

/* Why capf-serve takes this message for a refusal, or not at all; NULL: it takes it. */
static const char *objection(struct bytes whole, uint32_t session, struct reason *why)
{
	struct capfmsg m;

	if (capfmsg_decode(whole, &m, why) != 0)
		return why->text;
	if (m.command != CAPFMSG_SIGN_RESPONSE)
		return "is no SIGN_CERTIFICATE_RESPONSE";
	if (m.session != session)
		return "has another session id";
	if (capfmsg_has(&m, CAPFMSG_REASON) && m.reason != CAPFMSG_DONE)
		return "has a REASON that is not 1";
	if (capfmsg_has(&m, CAPFMSG_SHA2_SIGNED_DATA) &&
	    (m.sha2_digest < CAPFMSG_SHA1 || m.sha2_digest > CAPFMSG_SHA512))
		return "has an unknown digest";
	return NULL;
}

/* The best of all elements, and which of them it was in. */
static int look(const struct request_proof *p, struct bytes whole, struct request_proof_found *best, uint8_t *tag,
    struct reason *why)
{
	struct sign_answer answer;
	struct bytes one;

	sign_answer_open(&answer, (struct bytes){whole.p + CAPFMSG_HEADER, whole.len - CAPFMSG_HEADER});
	while (sign_answer_next(&answer, &one)) {
		enum request_proof_kind before = best->kind;

		if (request_proof_look(p, one, best, why) != 0)
			return -1;
		if (best->kind > before)
			*tag = answer.tag;
	}
	return 0;
}

static void tag_text(uint8_t tag, char out[32])
{
	if (capfmsg_tag_name(tag) == NULL)
		snprintf(out, 32, "tag %u", tag);
	else
		snprintf(out, 32, "%s", capfmsg_tag_name(tag));
}

/* Answered, but nothing in it has to do with the key. */
static void other_answer(struct bytes whole, char *text, size_t size)
{
	char reason[16] = "no REASON";
	struct capfmsg m;
	struct reason why;

	if (capfmsg_decode(whole, &m, &why) != 0)
		snprintf(text, size, "answered with %u %s, which %s", whole.p[1], capfmsg_name(whole.p[1]), why.text);
	else {
		if (capfmsg_has(&m, CAPFMSG_REASON))
			snprintf(reason, sizeof reason, "REASON %u", m.reason);
		snprintf(text, size, "answered with %u %s, %s, and no signature by its key", m.command,
		    capfmsg_name(m.command), reason);
	}
}

int answer_judge(struct bytes spki, const char *device, struct bytes info, uint32_t session, struct bytes whole,
    enum trial_verdict *verdict, char *text, size_t size, struct reason *r)
{
	struct request_proof *p = request_proof_open(spki, device, info, r);
	struct request_proof_found best = {.kind = REQUEST_PROOF_NONE};
	struct reason why;
	const char *no;
	struct csr *csr;
	uint8_t tag = 0;
	char name[32];

	if (p == NULL || look(p, whole, &best, &tag, r) != 0) {
		request_proof_free(p);
		return -1;
	}
	if (best.kind == REQUEST_PROOF_NONE) {
		*verdict = TRIAL_ANSWERED;
		other_answer(whole, text, size);
	} else {
		no = objection(whole, session, &why);
		csr = request_proof_request(p, &best, r);
		*verdict = csr != NULL && no == NULL ? TRIAL_WORKS : TRIAL_USELESS;
		tag_text(tag, name);
		snprintf(text, size, "%s, in %s%s%s", best.text, name,
		    csr != NULL && no != NULL ? "; but the message " : "", csr != NULL && no != NULL ? no : "");
		csr_free(csr);
	}
	request_proof_free(p);
	return 0;
}
