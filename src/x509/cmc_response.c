/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "x509/cmc_response.h"
#include "x509/der.h"

#define DER_CONTEXT_1 0xa1
#define CONTROLS_MAX 32		/* that are looked at */
#define NO_STATUS 255

static const unsigned char signed_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
static const unsigned char pki_response[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x0c, 0x03};
static const unsigned char status_info[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x07, 0x01};
static const unsigned char status_info_v2[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x07, 0x19};

/* RFC 5272 6.1.4. */
static const char *const fails[] = {
	"badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId", "unsupportedExt", "mustArchiveKeys",
	"badIdentity",
	"popRequired", "popFailed", "noKeyReuse", "internalCAError", "tryLater", "authDataFail",
};

static bool expect_oid(struct bytes *in, const unsigned char *oid, size_t len)
{
	struct bytes body;

	return der_expect(in, DER_OID, &body) && body.len == len && memcmp(body.p, oid, len) == 0;
}

/* A small number that is not negative; NO_STATUS for any other. */
static bool take_number(struct bytes *in, unsigned *out)
{
	struct bytes body;

	if (!der_expect(in, DER_INTEGER, &body))
		return false;
	*out = body.len == 1 && body.p[0] < 0x80 ? body.p[0] : NO_STATUS;
	return true;
}

/* The SignedData's certificates and its PKIResponse. */
static bool open_signed(struct bytes der, struct bytes *certificates, struct bytes *content)
{
	struct bytes info, data, outer, skip, encap;

	*certificates = (struct bytes){0};
	if (!der_expect(&der, DER_SEQUENCE, &info) || der.len > 0 ||
	    !expect_oid(&info, signed_data, sizeof signed_data) ||
	    !der_expect(&info, DER_CONTEXT_0, &outer) || info.len > 0 || !der_expect(&outer, DER_SEQUENCE, &data) ||
	    outer.len > 0 || !der_expect(&data, DER_INTEGER, &skip) || !der_expect(&data, DER_SET, &skip) ||
	    !der_expect(&data, DER_SEQUENCE, &encap))
		return false;
	der_expect(&data, DER_CONTEXT_0, certificates);
	der_expect(&data, DER_CONTEXT_1, &skip);
	return der_expect(&data, DER_SET, &skip) && data.len == 0 &&
	    expect_oid(&encap, pki_response, sizeof pki_response) && der_expect(&encap, DER_CONTEXT_0, &outer) &&
	    encap.len == 0 && der_expect(&outer, DER_OCTET_STRING, content) && outer.len == 0;
}

/* CMCStatusInfo and CMCStatusInfoV2 begin alike: status, bodies, text, and a number when it failed. */
static bool read_status(struct bytes value, struct cmc_response *out)
{
	struct bytes info, skip, text = {0};
	unsigned status, fail;

	if (!der_expect(&value, DER_SEQUENCE, &info) || !take_number(&info, &status) ||
	    !der_expect(&info, DER_SEQUENCE, &skip))
		return false;
	/* What went wrong counts more than what went well. */
	if (out->status != CMC_SUCCESS)
		return true;
	der_expect(&info, DER_UTF8_STRING, &text);
	out->status = status;
	out->text = text;
	if (take_number(&info, &fail) && fail < sizeof fails / sizeof fails[0])
		out->fail = fails[fail];
	return true;
}

int cmc_response_read(struct bytes der, struct cmc_response *out, struct reason *why)
{
	struct bytes content, response, controls, control, id, values, kind;

	*out = (struct cmc_response){.status = CMC_SUCCESS, .fail = ""};
	if (!open_signed(der, &out->certificates, &content) || !der_expect(&content, DER_SEQUENCE, &response) ||
	    content.len > 0 || !der_expect(&response, DER_SEQUENCE, &controls))
		return reason_set(why, "is no CMC response");
	for (int n = 0; controls.len > 0; n++) {
		if (n == CONTROLS_MAX || !der_expect(&controls, DER_SEQUENCE, &control) ||
		    !der_expect(&control, DER_INTEGER, &id) || !der_expect(&control, DER_OID, &kind) ||
		    !der_expect(&control, DER_SET, &values))
			return reason_set(why, "is a CMC response with broken controls");
		if (kind.len == sizeof status_info && (memcmp(kind.p, status_info, kind.len) == 0 ||
		    memcmp(kind.p, status_info_v2, kind.len) == 0) && !read_status(values, out))
			return reason_set(why, "is a CMC response with a broken status");
	}
	return 0;
}
