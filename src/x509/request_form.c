/* SPDX-License-Identifier: ISC */
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "x509/csr_make.h"
#include "x509/key.h"
#include "x509/name.h"
#include "x509/openssl_error.h"
#include "x509/pem.h"
#include "x509/request_form.h"

const char *const request_form_names[] = {
    [REQUEST_FORM_PEM] = "pem",
    [REQUEST_FORM_DER] = "der",
    [REQUEST_FORM_CMC] = "cmc",
    [REQUEST_FORM_CMC_DER] = "cmc-der",
    [REQUEST_FORM_SPKI] = "spki",
    NULL
};

static const char *const suffixes[] = {
    [REQUEST_FORM_PEM] = ".csr",
    [REQUEST_FORM_DER] = ".csr",
    [REQUEST_FORM_CMC] = ".cmc",
    [REQUEST_FORM_CMC_DER] = ".cmc",
    [REQUEST_FORM_SPKI] = ".pem",
};

int request_form_choose(struct request_form *form, const struct request_form_options *o, struct reason *r)
{
	struct cmc *cmc = &form->cmc;
	bool agent = o->agent != NULL;
	struct reason why;

	form->kind = (enum request_form_kind)o->format;
	if (form->kind != REQUEST_FORM_CMC && form->kind != REQUEST_FORM_CMC_DER &&
	    (agent || o->agent_key != NULL || o->pass_file != NULL || o->shape >= 0 || o->template != NULL))
		return reason_set(r, "--agent, --agent-key, --pass-file, --shape and --template want --format cmc or "
		    "cmc-der");
	if (agent != (o->agent_key != NULL))
		return reason_set(r, "--agent and --agent-key want each other");
	if (o->pass_file != NULL && !agent)
		return reason_set(r, "--pass-file wants --agent-key");
	cmc->shape = o->shape >= 0 ? (enum cmc_shape)o->shape : agent ? CMC_AGENT : CMC_NONE;
	if (agent != (cmc->shape != CMC_NONE))
		return reason_set(r, agent ? "--shape %s excludes --agent" : "--shape %s wants --agent and --agent-key",
		    cmc_shape_names[cmc->shape]);
	cmc->template = o->template;
	if (o->template != NULL && cmc_check_template(o->template, &why) != 0)
		return reason_because(r, &why, "--template: %.200s", why.text);
	return 0;
}

int request_form_load_agent(struct request_form *form, const struct request_form_options *o, time_t now,
    const char **object, struct reason *r)
{
	struct secret secret = {NULL};
	int result = 0;
	bool of_key = false;

	if (o->agent == NULL)
		return 0;
	*object = o->pass_file;
	if (o->pass_file != NULL && secret_read(&secret, o->pass_file, r) != 0)
		return -1;
	result = cmc_load_agent(&form->cmc, o->agent, o->agent_key, &secret, now, &of_key, r);
	secret_wipe(&secret);
	*object = of_key ? o->agent_key : o->agent;
	form->token = key_is_uri(o->agent_key);
	return result;
}

const char *request_form_suffix(enum request_form_kind kind)
{
	return suffixes[kind];
}

bool request_form_checks(enum request_form_kind kind)
{
	return kind != REQUEST_FORM_PEM && kind != REQUEST_FORM_DER;
}

/* Appends PEM with this label. -1 with a reason. */
static int put_pem(struct buf *out, const char *label, const void *der, size_t der_len, struct reason *r)
{
	size_t len;
	char *pem = pem_make(label, der, der_len, &len);

	if (pem == NULL)
		return reason_memory(r);
	buf_put(out, pem, len);
	free(pem);
	return out->failed ? reason_memory(r) : 0;
}

static int put_cmc(const struct request_form *form, const struct csr *c, struct buf *out, struct reason *r)
{
	struct buf der = {0};
	int result;

	if (form->kind == REQUEST_FORM_CMC_DER)
		return cmc_put(&form->cmc, c, out, r);
	/* RFC 7468 has no label for CMC; this is the one for its outer form. */
	if ((result = cmc_put(&form->cmc, c, &der, r)) == 0)
		result = put_pem(out, "CMS", der.p, der.len, r);
	buf_free(&der);
	return result;
}

static int put_key(const struct csr *c, struct buf *out, struct buf *list, struct reason *r)
{
	unsigned char *der = NULL;
	char hex[2 * sizeof c->spki + 1], *subject = name_line(X509_REQ_get_subject_name(c->req));
	int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(c->req), &der), result;

	result = subject == NULL || len <= 0 ? reason_memory(r) : put_pem(out, "PUBLIC KEY", der, (size_t)len, r);
	if (result == 0) {
		bytes_hex(c->spki, sizeof c->spki, hex);
		buf_put(list, c->device, strlen(c->device));
		buf_put(list, "\t", 1);
		buf_put(list, subject, strlen(subject));
		buf_put(list, "\t", 1);
		buf_put(list, hex, strlen(hex));
		buf_put(list, "\n", 1);
		result = list->failed ? reason_memory(r) : 0;
	}
	OPENSSL_free(der);
	free(subject);
	return openssl_error_end(result, r);
}

void request_form_list_head(struct buf *list)
{
	static const char head[] = "device\tsubject\tsha256\n";

	buf_put(list, head, strlen(head));
}

/* What only a checked request may become: its name and key go on without the signature that bound them. */
static int make_checked(const struct request_form *form, const char *device, struct bytes request,
    struct buf *out, struct buf *list, struct reason *r)
{
	struct csr *c = csr_parse(request.p, request.len, form->vouchers, r);
	int result;

	if (c == NULL)
		return -1;
	if (strcmp(c->device, device) != 0)
		result = reason_set(r, "its request is for %s", c->device);
	else if (form->kind == REQUEST_FORM_SPKI)
		result = put_key(c, out, list, r);
	else
		result = put_cmc(form, c, out, r);
	csr_free(c);
	return result;
}

/* In place of what a former certificate of CAPF vouched for: the same, PEM, with today's signature. What nobody of ours
 * vouched for stays as it is, for csr-sign to refuse. 1 when it was signed, 0, or -1 with a reason. */
static int renew(const struct request_form *form, struct bytes request, struct buf *out, struct reason *r)
{
	struct csr *c = csr_parse(request.p, request.len, form->vouchers, r);
	int result = 0;

	if (c == NULL)
		return r->trouble ? -1 : 0;
	if (c->proof == CSR_RA && c->ra != form->vouchers[0])
		result = csr_make_again(c, form->key, r) == 0 &&
		    put_pem(out, "CERTIFICATE REQUEST", c->der, c->der_len, r) == 0 ? 1 : -1;
	csr_free(c);
	return result;
}

/* A request in the form that it has in the spool, which is PEM. */
static int make_plain(const struct request_form *form, struct bytes request, struct buf *out, struct reason *r)
{
	unsigned char *der;
	struct reason why;
	size_t len;
	bool pem;

	if (form->kind == REQUEST_FORM_PEM) {
		buf_put(out, request.p, request.len);
	} else {
		/* Whoever put it there has checked it. */
		if ((der = pem_unwrap(request.p, request.len, DER_REQUEST, true, &len, &pem, &why)) == NULL)
			return reason_trouble(r, "cannot read its request: it %.200s", why.text);
		buf_put(out, der, len);
		free(der);
	}
	return out->failed ? reason_memory(r) : 0;
}

int request_form_make(const struct request_form *form, const char *device, bool vouched, struct bytes request,
    struct buf *out, bool *fresh, struct buf *list, struct reason *r)
{
	struct buf again = {0};
	int result;

	*fresh = form->cmc.agent != NULL;
	if (request_form_checks(form->kind))
		return make_checked(form, device, request, out, list, r);
	if (vouched && form->key != NULL) {
		if ((result = renew(form, request, &again, r)) < 0) {
			buf_free(&again);
			return -1;
		}
		if ((*fresh = result == 1))
			request = (struct bytes){again.p, again.len};
	}
	result = make_plain(form, request, out, r);
	buf_free(&again);
	return result;
}
