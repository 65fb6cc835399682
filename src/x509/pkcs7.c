/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "x509/der.h"
#include "x509/pkcs7.h"

#define DER_CONTEXT_1 0xa1	/* revocation lists, constructed */

static const unsigned char signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};

/* ContentInfo: an OID and, in [0], the one thing that it names. */
static bool open_content(struct bytes der, struct bytes *out)
{
	struct bytes info, oid, content;

	return der_expect(&der, DER_SEQUENCE, &info) && der.len == 0 && der_expect(&info, DER_OID, &oid) &&
	    oid.len == sizeof signed_data && memcmp(oid.p, signed_data, oid.len) == 0 &&
	    der_expect(&info, DER_CONTEXT_0, &content) && info.len == 0 && der_expect(&content, DER_SEQUENCE, out) &&
	    content.len == 0;
}

int pkcs7_certificates(struct bytes der, struct bytes *certificates, struct reason *why)
{
	struct bytes data, version, digests, content, oid, lists, signers;

	if (!open_content(der, &data) || !der_expect(&data, DER_INTEGER, &version) ||
	    !der_expect(&data, DER_SET, &digests) || !der_expect(&data, DER_SEQUENCE, &content) ||
	    !der_expect(&content, DER_OID, &oid))
		return reason_set(why, "is a PKCS#7 file that is no list of certificates");
	*certificates = (struct bytes){0};
	der_expect(&data, DER_CONTEXT_0, certificates);
	der_expect(&data, DER_CONTEXT_1, &lists);
	if (!der_expect(&data, DER_SET, &signers) || data.len > 0)
		return reason_set(why, "is a PKCS#7 file that is no list of certificates");
	if (content.len > 0 || digests.len > 0 || signers.len > 0)
		return reason_set(why, "is a signed message, not a list of certificates");
	if (certificates->len == 0)
		return reason_set(why, "is a PKCS#7 file without certificates");
	return 0;
}

bool pkcs7_next(struct bytes *certificates, struct bytes *one)
{
	struct bytes body;
	uint8_t tag;

	one->p = certificates->p;
	if (!der_take(certificates, &tag, &body))
		return false;
	one->len = (size_t)(certificates->p - one->p);
	return true;
}
