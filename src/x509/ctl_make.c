/* SPDX-License-Identifier: ISC */
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "x509/ctl_make.h"
#include "x509/name.h"
#include "x509/openssl_error.h"

#define SIGNER_BITS_MIN 2048	/* whoever finds the signer's key can give phones any list */

/* What a record has that is in no certificate as it is. */
struct texts {
	struct buf subject, issuer;
	unsigned char role[2];
};

static bool is_ec(const struct cert *c)
{
	EVP_PKEY *key = X509_get0_pubkey(c->x509);

	return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
}

static void put_element(struct ctl_record *r, enum ctl_tag tag, const void *p, size_t len)
{
	r->element[r->n++] = (struct ctl_element){tag, {p, len}};
}

/* A record of a certificate; the texts must stay. -1 with a reason. */
static int fill_record(struct ctl_record *r, const struct ctl_entry *e, struct texts *t, struct reason *why)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(e->cert->x509);
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(e->cert->x509), *signature;

	X509_get0_signature(&signature, NULL, e->cert->x509);
	if (ASN1_STRING_length(serial) == 0 || ASN1_STRING_get0_data(serial)[0] == 0)
		return reason_set(why, "has the serial number 0, for which the format has no form");
	if (is_ec(e->cert) && (key->length == 0 || key->data[0] != 4))
		return reason_set(why, "its EC key is not an uncompressed point");
	if (name_put_rfc4514(&t->subject, X509_get_subject_name(e->cert->x509), why) != 0 ||
	    name_put_rfc4514(&t->issuer, X509_get_issuer_name(e->cert->x509), why) != 0)
		return -1;
	t->role[0] = (unsigned char)((unsigned)e->role >> 8);
	t->role[1] = (unsigned char)e->role;
	put_element(r, CTL_SUBJECT, t->subject.p, t->subject.len);
	put_element(r, CTL_ISSUER, t->issuer.p, t->issuer.len);
	put_element(r, CTL_SERIAL, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	put_element(r, CTL_ROLE, t->role, sizeof t->role);
	put_element(r, CTL_PUBLIC_KEY, key->data, (size_t)key->length);
	put_element(r, CTL_CERT_SIGNATURE, signature->data, (size_t)signature->length);
	put_element(r, CTL_CERT, e->cert->der, e->cert->der_len);
	return 0;
}

/* Which of the SASTs has this key; n when none. */
static size_t find_signer(const struct ctl_entry *entry, size_t n, const EVP_PKEY *key)
{
	for (size_t i = 0; i < n; i++) {
		EVP_PKEY *own = X509_get0_pubkey(entry[i].cert->x509);

		if (entry[i].role == CTL_SAST && own != NULL && EVP_PKEY_eq(own, key) == 1)
			return i;
	}
	return n;
}

/* The signature over what ctl_put writes without it; its length is known. -1 with a reason. */
static int sign(struct ctl *c, EVP_PKEY *key, struct buf *signature, struct reason *why)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct buf data = {0};
	size_t len = c->signature.len;
	int result = 0;

	ctl_put(&data, c, false);
	for (size_t i = 0; i < len; i++)
		buf_put_u8(signature, 0);
	if (data.failed || signature->failed || md == NULL)
		result = reason_memory(why);
	else if (EVP_DigestSignInit(md, NULL, c->digest == CTL_SHA1 ? EVP_sha1() : EVP_sha512(), NULL, key) != 1 ||
	    EVP_DigestSign(md, signature->p, &len, data.p, data.len) != 1 || len != c->signature.len)
		result = openssl_error_set(why, "cannot sign");
	c->signature.p = signature->p;
	EVP_MD_CTX_free(md);
	buf_free(&data);
	return openssl_error_end(result, why);
}

/* The records. -1 with a reason, which is about *entry. */
static int fill(struct ctl *c, const struct ctl_entry *entry, size_t n, struct texts *texts, size_t *entry_at,
    struct reason *why)
{
	for (*entry_at = 0; *entry_at < n; ++*entry_at) {
		if (fill_record(&c->record[*entry_at], &entry[*entry_at], &texts[*entry_at], why) != 0)
			return -1;
		c->n++;
	}
	return 0;
}

/* Who signs, and how. -1 with a reason. */
static int fill_header(struct ctl *c, const struct ctl_entry *entry, size_t n, const struct ctl_form *form,
    EVP_PKEY *key, struct reason *why)
{
	size_t signer = find_signer(entry, n, key);
	int modulus;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return reason_set(why, "is not an RSA key, and lists are signed with RSA only");
	if (signer == n)
		return reason_set(why, "is not the key of a certificate with the role SAST");
	if (EVP_PKEY_get_bits(key) < SIGNER_BITS_MIN)
		return reason_set(why, "has %d bits, too few to sign with", EVP_PKEY_get_bits(key));
	if ((modulus = ctl_modulus((size_t)EVP_PKEY_get_size(key))) < 0)
		return reason_set(why, "has %d bits, and the format has signatures of 2048 and 4096 bits",
		    EVP_PKEY_get_bits(key));
	c->subject = ctl_value(&c->record[signer], CTL_SUBJECT);
	c->issuer = ctl_value(&c->record[signer], CTL_ISSUER);
	c->serial = ctl_value(&c->record[signer], CTL_SERIAL);
	c->digest = form->digest;
	c->modulus = (uint8_t)modulus;
	c->signature.len = ctl_modulus_bytes(c->modulus);
	c->file = (struct bytes){(const unsigned char *)form->file, strlen(form->file)};
	c->time = (uint32_t)form->time;
	c->minor = form->minor == 1;
	for (size_t i = 0; i < n && form->minor < 0; i++)
		c->minor |= is_ec(entry[i].cert);
	return ctl_fits(c) ? 0 : reason_set(why, "a record or the header would be longer than the format allows");
}

int ctl_make(const struct ctl_entry *entry, size_t n, const struct ctl_form *form, EVP_PKEY *key, struct buf *out,
    size_t *entry_at, struct reason *why)
{
	struct texts *texts = calloc(n + 1, sizeof *texts);
	struct ctl c = {.record = calloc(n + 1, sizeof *c.record)};
	struct buf signature = {0};
	int result = -1;

	*entry_at = n;
	if (texts == NULL || c.record == NULL)
		reason_memory(why);
	else if (form->time < 0 || form->time > UINT32_MAX)
		reason_set(why, "a list cannot have such a time");
	else if (fill(&c, entry, n, texts, entry_at, why) == 0 && fill_header(&c, entry, n, form, key, why) == 0)
		result = sign(&c, key, &signature, why);
	if (result == 0) {
		ctl_put(out, &c, true);
		result = out->failed ? reason_memory(why) : 0;
	}
	for (size_t i = 0; texts != NULL && i < n; i++) {
		buf_free(&texts[i].subject);
		buf_free(&texts[i].issuer);
	}
	buf_free(&signature);
	free(texts);
	ctl_free(&c);
	return result;
}
