/* SPDX-License-Identifier: ISC */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "x509/der.h"
#include "x509/name.h"
#include "x509/openssl_error.h"

int name_cn(const X509_NAME *name, char out[FACTS_CN_MAX + 1], struct reason *r)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1), len;
	unsigned char *utf8 = NULL;

	out[0] = '\0';
	if (at < 0)
		return 0;
	if (X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return reason_set(r, "has two common names");
	len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len < 0 || len > FACTS_CN_MAX || memchr(utf8, '\0', (size_t)len) != NULL) {
		OPENSSL_free(utf8);
		return reason_set(r, "has a common name that is too long or not text");
	}
	memcpy(out, utf8, (size_t)len);
	out[len] = '\0';
	OPENSSL_free(utf8);
	return 1;
}

void name_put_cn(struct buf *b, const char *cn)
{
	static const unsigned char oid[] = {0x55, 4, 3};	/* id-at-commonName, 2.5.4.3 */
	size_t rdn = b->len;

	der_put(b, DER_OID, oid, sizeof oid);
	der_put(b, DER_UTF8_STRING, cn, strlen(cn));
	der_wrap(b, rdn, DER_SEQUENCE);
	der_wrap(b, rdn, DER_SET);
}

static char *print(const X509_NAME *name, unsigned long less)
{
	unsigned long flags = (XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_DN_REV &
	    ~(unsigned long)XN_FLAG_SEP_MASK & ~less) | XN_FLAG_SEP_CPLUS_SPC;
	BIO *bio = BIO_new(BIO_s_mem());
	char *line = NULL, *data;
	long n;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, flags) >= 0 &&
	    (n = BIO_get_mem_data(bio, &data)) >= 0)
		line = strndup(n > 0 ? data : "", (size_t)n);
	BIO_free(bio);
	ERR_clear_error();
	return line;
}

char *name_line(const X509_NAME *name)
{
	/* RFC 2253's escapes leave nothing but printable ASCII, whatever stands in the name. */
	return print(name, 0);
}

int name_matches(const X509_NAME *name, const char *pattern)
{
	char cn[FACTS_CN_MAX + 1], *line;
	struct reason why;
	int result;

	if (name_cn(name, cn, &why) > 0 && fnmatch(pattern, cn, 0) == 0)
		return 1;
	if ((line = name_line(name)) == NULL)
		return -1;
	result = fnmatch(pattern, line, 0) == 0;
	free(line);
	return result;
}

char *name_utf8(const X509_NAME *name)
{
	return print(name, ASN1_STRFLGS_ESC_MSB);
}

static void put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

/* The type of an attribute, RFC 4514 2.3: a name of the table in 3, or else the dotted numbers; then its value is in
 * hex. */
static bool put_type(struct buf *b, const ASN1_OBJECT *type)
{
	static const struct {
		int nid;
		const char *name;
	} known[] = {
	    {NID_commonName, "CN"}, {NID_localityName, "L"}, {NID_stateOrProvinceName, "ST"},
	    {NID_organizationName, "O"}, {NID_organizationalUnitName, "OU"}, {NID_countryName, "C"},
	    {NID_streetAddress, "STREET"}, {NID_domainComponent, "DC"}, {NID_userId, "UID"},
	};
	char dotted[128];
	int nid = OBJ_obj2nid(type);

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].nid == nid) {
			put_text(b, known[i].name);
			return true;
		}
	if (OBJ_obj2txt(dotted, sizeof dotted, type, 1) >= (int)sizeof dotted)
		b->failed = true;
	put_text(b, dotted);
	return false;
}

/* A value as text, with the escapes of RFC 4514 2.4. */
static void put_escaped(struct buf *b, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.p[i];

		if (c == '\0') {
			put_text(b, "\\00");
			continue;
		}
		if (strchr("\"+,;<>\\", c) != NULL || (c == ' ' && (i == 0 || i + 1 == text.len)) || (c == '#' && i == 0))
			buf_put_u8(b, '\\');
		buf_put_u8(b, c);
	}
}

/* A value as "#" and its DER in hex. */
static int put_hex(struct buf *b, const ASN1_STRING *value, struct reason *r)
{
	ASN1_TYPE *any = ASN1_TYPE_new();
	unsigned char *der = NULL;
	char digits[3];
	int len = -1;

	if (any != NULL && ASN1_TYPE_set1(any, ASN1_STRING_type(value), value))
		len = i2d_ASN1_TYPE(any, &der);
	buf_put_u8(b, '#');
	for (int i = 0; i < len; i++) {
		bytes_hex(der + i, 1, digits);
		buf_put(b, digits, 2);
	}
	ASN1_TYPE_free(any);
	OPENSSL_free(der);
	return len > 0 ? 0 : openssl_error_set(r, "has a name that cannot be written as text");
}

int name_put_rfc4514(struct buf *b, const X509_NAME *name, struct reason *r)
{
	int n = X509_NAME_entry_count(name), last = -1, result = 0;

	for (int i = 0; i < n && result == 0; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		unsigned char *utf8 = NULL;
		bool short_name;
		int len;

		/* Attributes of one RDN have its number. */
		if (i > 0)
			put_text(b, X509_NAME_ENTRY_set(entry) == last ? "+" : ",");
		last = X509_NAME_ENTRY_set(entry);
		short_name = put_type(b, X509_NAME_ENTRY_get_object(entry));
		buf_put_u8(b, '=');
		if (short_name && (len = ASN1_STRING_to_UTF8(&utf8, value)) >= 0)
			put_escaped(b, (struct bytes){utf8, (size_t)len});
		else
			result = put_hex(b, value, r);
		OPENSSL_free(utf8);
	}
	if (result == 0 && b->failed)
		result = reason_memory(r);
	return openssl_error_end(result, r);
}
