/* SPDX-License-Identifier: ISC */
/* Lists of certificates: what is taken lies in the file, one certificate behind the other. */
#include "fuzz.h"
#include "x509/der.h"
#include "x509/pem.h"
#include "x509/pkcs7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size}, rest, one;
	struct reason why = {.text = ""};
	const unsigned char *before;
	size_t n = 0;

	pem_kind(in);
	if (pkcs7_certificates(in, &rest, &why) != 0) {
		law(why.text[0] != '\0');
		free(own);
		return 0;
	}
	law(der_kind_of(own, size) == DER_PKCS7);
	law(rest.len > 0 && rest.p > own && rest.p + rest.len <= own + size);
	for (before = rest.p; pkcs7_next(&rest, &one); n++) {
		law(one.p == before && one.len >= 2 && one.p + one.len == rest.p);
		before = rest.p;
	}
	law(n > 0 || rest.len > 0);
	free(own);
	return 0;
}
