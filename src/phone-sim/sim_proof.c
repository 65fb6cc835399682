/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>

#include "phone-sim/sim_proof.h"
#include "x509/phone_auth.h"

/* The last byte is turned over. */
static void spoil(struct buf *b)
{
	if (b->len > 0)
		b->p[b->len - 1] ^= 0xff;
}

void sim_proof_free(struct sim_proof *g)
{
	buf_free(&g->sha1);
	buf_free(&g->sha2);
	buf_free(&g->sudi_sha1);
	buf_free(&g->sudi_sha2);
}

static struct bytes whole(const struct buf *b)
{
	return (struct bytes){b->p, b->len};
}

static int add_sudi(const struct sim *s, struct capfmsg *m, struct sim_proof *g, struct reason *r)
{
	const struct sim_plan *p = s->plan;
	uint32_t session = p->tamper == SIM_REPLAY ? s->session - 1 : s->session;

	if (s->mic.key == NULL)
		return reason_set(r, "has no MIC for SUDI_DATA");
	if (phone_auth_sign_sudi(s->mic.key, session, whole(&s->mic.der), &g->sudi_sha1, &g->sudi_sha2, r) < 0)
		return -1;
	if (p->tamper == SIM_SUDI)
		spoil(&g->sudi_sha2);
	m->sudi_certificate = whole(&s->mic.der);
	m->sudi_sha1 = whole(&g->sudi_sha1);
	m->sudi_sha512 = whole(&g->sudi_sha2);
	capfmsg_add(m, CAPFMSG_SUDI_DATA);
	return 0;
}

int sim_proof_add(const struct sim *s, struct capfmsg *m, struct sim_proof *g, struct reason *r)
{
	const struct sim_plan *p = s->plan;
	const struct sim_own *c = p->mode == SIM_EXISTING_LSC ? &s->lsc : &s->mic;

	if (c->key == NULL)
		c = p->mode == SIM_EXISTING_LSC ? &s->mic : &s->lsc;
	if (c->key == NULL)
		return 0;
	if (phone_auth_sign(c->key, s->device, whole(&c->der), &g->sha1, &g->sha2, r) < 0)
		return -1;
	if (p->tamper == SIM_SHA1)
		spoil(&g->sha1);
	if (p->tamper == SIM_SHA2)
		spoil(&g->sha2);
	m->certificate = whole(&c->der);
	m->signed_data = whole(&g->sha1);
	m->sha2_digest = CAPFMSG_SHA512;
	m->sha2_signature = whole(&g->sha2);
	capfmsg_add(m, CAPFMSG_CERTIFICATE);
	capfmsg_add(m, CAPFMSG_SIGNED_DATA);
	capfmsg_add(m, CAPFMSG_SHA2_SIGNED_DATA);
	return p->sudi ? add_sudi(s, m, g, r) : 0;
}
