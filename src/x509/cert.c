/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fileio.h"
#include "x509/cert.h"
#include "x509/name.h"
#include "x509/openssl_context.h"
#include "x509/openssl_error.h"
#include "x509/pem.h"
#include "x509/public_key.h"

#define CERT_MAX_EXTENSIONS 32	/* each is compared with each; a full certificate has about ten */

/* OpenSSL's form of the certificate. Its bytes are known to be DER. */
static int decode(struct cert *c, struct reason *r)
{
	const unsigned char *p = c->der;
	X509 *x = X509_new_ex(openssl_context(), NULL);

	if (x == NULL || d2i_X509(&x, &p, (long)c->der_len) == NULL)
		/* On failure OpenSSL has freed x. */
		return openssl_error_set(r, "is not a certificate");
	c->x509 = x;
	/* public_key_check refuses a key that OpenSSL cannot read. */
	if (X509_get0_pubkey(x) == NULL && openssl_error_lack())
		return reason_memory(r);
	if (p != c->der + c->der_len)
		return reason_set(r, "has bytes behind the certificate");
	return 0;
}

/* Positive and at most 20 octets, RFC 5280 4.1.2.2. */
static int read_serial(struct cert *c, struct reason *r)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x509);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		return reason_set(r, "has a negative serial number");
	/* OpenSSL leaves out the zero before a highest bit, but it is one of the 20. */
	if (len > FACTS_SERIAL_MAX / 2 || (len == FACTS_SERIAL_MAX / 2 && p[0] >= 0x80))
		return reason_set(r, "has a serial number of more than %d octets",
		    FACTS_SERIAL_MAX / 2);
	bytes_hex(p, (size_t)len, c->serial);
	return 0;
}

static int read_time(const ASN1_TIME *t, time_t *out, struct reason *r)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return openssl_error_set(r, "has a date that is none");
	*out = timegm(&tm);
	return 0;
}

struct cert *cert_parse(const void *data, size_t len, struct reason *r)
{
	struct cert *c;

	if (len > CERT_MAX_BYTES) {
		reason_set(r, "has more than %d bytes", CERT_MAX_BYTES);
		return NULL;
	}
	if ((c = calloc(1, sizeof *c)) == NULL) {
		reason_memory(r);
		return NULL;
	}
	c->der = pem_unwrap(data, len, DER_CERT, false, &c->der_len, &c->pem, r);
	if (c->der == NULL || decode(c, r) < 0 || name_cn(X509_get_subject_name(c->x509), c->cn, r) < 0 ||
	    read_serial(c, r) < 0 ||
	    read_time(X509_get0_notBefore(c->x509), &c->not_before, r) < 0 ||
	    read_time(X509_get0_notAfter(c->x509), &c->not_after, r) < 0 ||
	    public_key_spki_of(X509_get_X509_PUBKEY(c->x509), c->spki, r) < 0 ||
	    openssl_sha256(c->der, c->der_len, c->digest, r) < 0) {
		cert_free(c);
		c = NULL;
	}
	openssl_error_end(c != NULL ? 0 : -1, r);
	return c;
}

void cert_free(struct cert *c)
{
	if (c == NULL)
		return;
	X509_free(c->x509);
	free(c->der);
	free(c);
}

struct cert *cert_load(const char *path, struct reason *why)
{
	unsigned char *data = NULL;
	struct cert *c = NULL;
	int fd = fileio_open_input(path);
	size_t len;

	if (fd < 0 || fileio_read_all(fd, CERT_MAX_BYTES, &data, &len) != 0)
		reason_errno(why);
	else
		c = cert_parse(data, len, why);
	free(data);
	if (fd >= 0)
		close(fd);
	return c;
}

/* None twice, RFC 5280 4.2, none broken, and none critical that OpenSSL does not look at. */
static int check_extensions(const X509 *x, struct reason *r)
{
	int n = X509_get_ext_count(x);
	uint32_t flags = X509_get_extension_flags((X509 *)x);
	char name[80];

	if (n > CERT_MAX_EXTENSIONS)
		return reason_set(r, "has %d extensions, more than %d", n, CERT_MAX_EXTENSIONS);
	for (int i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509_get_ext(x, i);
		const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);

		for (int j = 0; j < i; j++)
			if (OBJ_cmp(oid, X509_EXTENSION_get_object(X509_get_ext(x, j))) == 0) {
				OBJ_obj2txt(name, sizeof name, oid, 0);
				return reason_set(r, "has the extension %s twice", name);
			}
		if (X509_EXTENSION_get_critical(ext) && !X509_supported_extension(ext)) {
			OBJ_obj2txt(name, sizeof name, oid, 0);
			return reason_set(r, "has an unknown critical extension: %s", name);
		}
	}
	if (flags & EXFLAG_INVALID)
		return reason_set(r, "has an extension that is broken");
	return 0;
}

static int check_serial(const struct cert *c, struct reason *r)
{
	if (strspn(c->serial, "0") == strlen(c->serial))
		return reason_set(r, "has the serial number 0");
	return 0;
}

/* RFC 5280 4.2.1.12: no extendedKeyUsage, or one with anyExtendedKeyUsage, allows all. */
static bool allows(X509 *x, uint32_t purposes)
{
	return (X509_get_extended_key_usage(x) & (purposes | XKU_ANYEKU)) != 0;
}

int cert_check_phone(const struct cert *c, struct reason *r)
{
	X509 *x = c->x509;
	EVP_PKEY *key = X509_get0_pubkey(x);
	const X509_ALGOR *algor;
	uint32_t usage;
	int res = -1;

	X509_get0_signature(NULL, &algor, x);
	if (X509_get_version(x) != X509_VERSION_3)
		reason_set(r, "is of version %ld, not 3", X509_get_version(x) + 1);
	else if (X509_ALGOR_cmp(algor, X509_get0_tbs_sigalg(x)) != 0)
		reason_set(r, "names two different signature algorithms");
	else if (public_key_check_signature(algor, r) < 0 || check_serial(c, r) < 0 ||
	    public_key_check(key, r) < 0 || public_key_check_form(X509_get_X509_PUBKEY(x), r) < 0 ||
	    check_extensions(x, r) < 0)
		; /* said already */
	/* CA:TRUE without keyCertSign is no CA to OpenSSL, but it is not a phone either. */
	else if (X509_check_ca(x) != 0 || (X509_get_extension_flags(x) & EXFLAG_CA))
		reason_set(r, "is a CA certificate");
	else if (!(X509_get_extension_flags(x) & EXFLAG_KUSAGE))
		reason_set(r, "has no keyUsage");
	else {
		usage = X509_get_key_usage(x);
		if (!(usage & KU_DIGITAL_SIGNATURE))
			reason_set(r, "has a keyUsage without digitalSignature");
		else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		    !(usage & KU_KEY_ENCIPHERMENT))
			reason_set(r, "has a keyUsage without keyEncipherment");
		/* A phone is a server to some, and a client to others. */
		else if (!allows(x, XKU_SSL_CLIENT | XKU_SSL_SERVER))
			reason_set(r, "has an extendedKeyUsage without clientAuth or serverAuth");
		else
			res = 0;
	}
	return openssl_error_end(res, r);
}

int cert_check_client(const struct cert *c, struct reason *r)
{
	X509 *x = c->x509;
	int res = -1;

	if (X509_get_extension_flags(x) & EXFLAG_CA)
		reason_set(r, "is a CA certificate");
	else if (!(X509_get_extension_flags(x) & EXFLAG_KUSAGE))
		reason_set(r, "has no keyUsage");
	else if (!(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE))
		reason_set(r, "has a keyUsage without digitalSignature");
	else if (!allows(x, XKU_SSL_CLIENT))
		reason_set(r, "has an extendedKeyUsage without clientAuth");
	else
		res = 0;
	return openssl_error_end(res, r);
}

/* Verification asks this of every CA of a chain, and trust.c allows no exception: a CA that passes here can be verified
 * with. trust.c says what a CA may lack. The signature is not checked: the administrator who adds a CA answers for it,
 * and roots of vendors are signed with SHA-1. */
int cert_check_ca(const struct cert *c, struct reason *r)
{
	X509 *x = c->x509;
	const X509_ALGOR *algor;
	int res = -1;

	X509_get0_signature(NULL, &algor, x);
	/* First: OpenSSL 3.5 calls the extensions of other versions damaged. */
	if (X509_get_version(x) != X509_VERSION_3)
		reason_set(r, "is of version %ld, not 3", X509_get_version(x) + 1);
	else if (public_key_check(X509_get0_pubkey(x), r) < 0 || check_extensions(x, r) < 0)
		; /* said already */
	else if (X509_ALGOR_cmp(algor, X509_get0_tbs_sigalg(x)) != 0)
		reason_set(r, "names two different signature algorithms");
	else if (X509_NAME_entry_count(X509_get_subject_name(x)) == 0 ||
	    X509_NAME_entry_count(X509_get_issuer_name(x)) == 0)
		reason_set(r, "has no subject or no issuer");
	else if (!(X509_get_extension_flags(x) & EXFLAG_CA))
		reason_set(r, "is not a CA certificate");
	/* RFC 5280 4.2.1.3: without keyUsage a key may be used for everything. */
	else if (!(X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
		reason_set(r, "has a keyUsage without keyCertSign");
	else
		res = 0;
	return openssl_error_end(res, r);
}

bool cert_is_ca(const struct cert *c)
{
	return (X509_get_extension_flags(c->x509) & EXFLAG_CA) != 0 &&
	    (X509_get_key_usage(c->x509) & KU_KEY_CERT_SIGN) != 0;
}

void cert_facts(const struct cert *c, struct facts *f)
{
	*f = (struct facts){.not_after = c->not_after, .der = c->der, .der_len = c->der_len};
	memcpy(f->spki, c->spki, sizeof f->spki);
	memcpy(f->digest, c->digest, sizeof f->digest);
	memcpy(f->cn, c->cn, sizeof f->cn);
	memcpy(f->serial, c->serial, sizeof f->serial);
}

char *cert_pem(X509 *x, size_t *len)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	char *pem = n > 0 ? pem_make("CERTIFICATE", der, (size_t)n, len) : NULL;

	OPENSSL_free(der);
	ERR_clear_error();
	return pem;
}
