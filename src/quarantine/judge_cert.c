/* SPDX-License-Identifier: ISC */
#include "quarantine/judge_cert.h"
#include "x509/cert.h"
#include "x509/pem.h"

void judge_cert(void *ctx, struct bytes data, struct verdict *v, struct buf *der)
{
	const struct judge_cert *rules = ctx;
	struct cert *c = cert_parse(data.p, data.len, &v->reason);

	if (c == NULL) {
		v->other = pem_kind(data) == DER_REQUEST;
		return;
	}
	v->read = true;
	cert_facts(c, &v->facts);
	if (cert_is_ca(c)) {
		v->ca = true;
		reason_set(&v->reason, trust_has(rules->trust, c) ? "is in capf-trust" : "is not in capf-trust");
	} else if (cert_check_phone(c, &v->reason) == 0 &&
	    trust_verify(rules->trust, c, rules->now != 0 ? rules->now : time(NULL) + rules->clock, &v->reason) >= 0) {
		if (c->pem && v->reason.text[0] == '\0')
			reason_set(&v->reason, "is PEM, taken as DER");
		v->good = true;
		buf_put(der, c->der, c->der_len);
	}
	cert_free(c);
}
