/* SPDX-License-Identifier: ISC */
/* CAPF's messages: what is read can be written, and read again as the same. */
#include "capf/capfmsg.h"
#include "fuzz.h"

/* All that there was room for. */
static bool same_unknown(const struct capfmsg *a, const struct capfmsg *b)
{
	if (b->unknowns != (a->unknowns < CAPFMSG_UNKNOWN_MAX ? a->unknowns : CAPFMSG_UNKNOWN_MAX))
		return false;
	for (size_t i = 0; i < b->unknowns; i++)
		if (a->unknown[i].tag != b->unknown[i].tag || !same(a->unknown[i].value, b->unknown[i].value))
			return false;
	return true;
}

static bool same_message(const struct capfmsg *a, const struct capfmsg *b)
{
	return a->command == b->command && a->session == b->session && a->has == b->has &&
	    a->reason == b->reason && a->cert_type == b->cert_type && a->version == b->version &&
	    a->auth_type == b->auth_type && a->key_type == b->key_type && a->curve == b->curve &&
	    a->key_size == b->key_size && a->digest_type == b->digest_type &&
	    a->retry_delay == b->retry_delay && strcmp(a->device, b->device) == 0 &&
	    same(a->reason_info, b->reason_info) && same(a->cert_id, b->cert_id) &&
	    same(a->password, b->password) && same(a->certificate, b->certificate) &&
	    same(a->public_key, b->public_key) && same(a->signed_data, b->signed_data) &&
	    a->sha2_digest == b->sha2_digest && same(a->sha2_signature, b->sha2_signature) &&
	    same(a->sudi_certificate, b->sudi_certificate) && same(a->sudi_sha1, b->sudi_sha1) &&
	    same(a->sudi_sha512, b->sudi_sha512) && same_unknown(a, b);
}

static void round_trip(struct capfmsg m, size_t len, bool reversed)
{
	struct buf b = {0};
	struct capfmsg again;
	struct reason r;

	m.reversed = reversed;
	if (capfmsg_encode(&m, &b, &r) != 0) {
		/* A number can grow to its usual width, and SUDI_DATA to its three items. */
		law(len > CAPFMSG_BODY_MAX - 64 && b.len == 0);
		buf_free(&b);
		return;
	}
	law(capfmsg_decode((struct bytes){b.p, b.len}, &again, &r) == 0);
	law(same_message(&m, &again));
	buf_free(&b);
}

/* Bytes that come singly: the answer is "more" up to the header, and then stays what it is. */
static void lengths(struct bytes in, int whole)
{
	struct reason r;

	law(whole < 0 || whole == 0 ||
	    (whole >= CAPFMSG_HEADER && whole <= CAPFMSG_HEADER + CAPFMSG_BODY_MAX));
	for (size_t i = 0; i <= in.len && i <= CAPFMSG_HEADER; i++) {
		int now = capfmsg_length((struct bytes){in.p, i}, &r);

		law(now == 0 || now == whole);
		law(now != 0 || i < CAPFMSG_HEADER);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct reason r = {.text = ""};
	struct capfmsg m;
	int len = capfmsg_length(in, &r);

	lengths(in, len);
	law((len < 0) == (r.text[0] != '\0'));
	if (capfmsg_decode(in, &m, &r) == 0) {
		law(len >= 0 && (size_t)len == size);
		law(!capfmsg_has(&m, CAPFMSG_DEVICE_NAME) || device_ok(m.device, strlen(m.device)));
		law(capfmsg_name(m.command) != NULL);
		round_trip(m, size, false);
		round_trip(m, size, true);
		law(size == 0 || capfmsg_decode((struct bytes){own, size - 1}, &m, &r) != 0);
	} else {
		law(r.text[0] != '\0');
	}
	free(own);
	return 0;
}
