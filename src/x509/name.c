/* SPDX-License-Identifier: ISC */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <string.h>

#include "x509/der.h"
#include "x509/name.h"

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

char *name_line(const X509_NAME *name)
{
	/* RFC 2253's escapes leave nothing but printable ASCII, whatever stands in the name. */
	unsigned long flags = (XN_FLAG_RFC2253 & ~(unsigned long)XN_FLAG_DN_REV &
	    ~(unsigned long)XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC;
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
