/* SPDX-License-Identifier: ISC */
#include "archive/manifest.h"
#include "quarantine/judge_csr.h"
#include "x509/csr.h"
#include "x509/pem.h"

void judge_csr(void *ctx, struct bytes data, struct verdict *v, struct buf *der)
{
	struct csr *csr = csr_parse(data.p, data.len, ctx, &v->reason);

	if (csr == NULL) {
		v->other = pem_kind(data) == DER_CERT;
		return;
	}
	v->good = v->read = true;
	csr_facts(csr, &v->facts);
	buf_put(der, csr->der, csr->der_len);
	csr_free(csr);
}

enum inspect_admission judge_csr_admit(void *ctx, const struct untar_item *e, struct reason *why)
{
	(void)ctx, (void)why;
	return manifest_is_part(e->name) ? INSPECT_SKIP : INSPECT_JUDGE;
}
