/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "capf/sign_layout.h"

/* The element with the data: 6 has a name that fits; 14 and 15 were seen, and must be for something; 4 is where other
 * messages have DER. */
static const uint8_t tags[] = {CAPFMSG_SIGNED_DATA, 14, 15, CAPFMSG_CERTIFICATE};
#define TAGS (sizeof tags / sizeof tags[0])

/* The rest of a layout, each with the four tags in turn. First come SHA-256, which is what CAs take, and
 * DIGEST_TYPE, which no other message has a use for; then the same without it; then with KEY_TYPE, which phones of
 * version 3 get in message 3. SHA-512 is for signatures only in what is known, and with SHA-1 no CA issues: such
 * an answer would still say where the data goes. A DIGEST_TYPE that contradicts the data is in no row. */
static const struct row {
	enum sign_form form;
	uint8_t digest;
	bool key_type;
} rows[] = {
	{SIGN_INFO, CAPFMSG_SHA256, false},
	{SIGN_SHA256, CAPFMSG_SHA256, false},
	{SIGN_DIGEST_INFO, CAPFMSG_SHA256, false},
	{SIGN_INFO, 0, false},
	{SIGN_SHA256, 0, false},
	{SIGN_DIGEST_INFO, 0, false},
	{SIGN_INFO, CAPFMSG_SHA256, true},
	{SIGN_SHA256, CAPFMSG_SHA256, true},
	/* 33: no longer likely */
	{SIGN_DIGEST_INFO, CAPFMSG_SHA256, true},
	{SIGN_INFO, 0, true},
	{SIGN_SHA256, 0, true},
	{SIGN_DIGEST_INFO, 0, true},
	{SIGN_INFO, CAPFMSG_SHA512, false},
	{SIGN_SHA512, CAPFMSG_SHA512, false},
	{SIGN_SHA512, 0, false},
	{SIGN_INFO, CAPFMSG_SHA512, true},
	{SIGN_SHA512, CAPFMSG_SHA512, true},
	{SIGN_SHA512, 0, true},
	{SIGN_INFO, CAPFMSG_SHA1, false},
	{SIGN_SHA1, CAPFMSG_SHA1, false},
	{SIGN_SHA1, 0, false},
	{SIGN_INFO, CAPFMSG_SHA1, true},
	{SIGN_SHA1, CAPFMSG_SHA1, true},
	{SIGN_SHA1, 0, true},
};
_Static_assert(sizeof rows / sizeof rows[0] * TAGS == SIGN_LAYOUTS, "each row with each tag");

static const struct {
	const char *text, *hash;
	size_t len;		/* 0: any, but more than a DigestInfo */
} forms[SIGN_FORMS] = {
	[SIGN_INFO] = {"the request", NULL, 0},
	[SIGN_SHA256] = {"SHA-256 of the request", "SHA256", 32},
	[SIGN_DIGEST_INFO] = {"DigestInfo of the request", "SHA256", 51},
	[SIGN_SHA512] = {"SHA-512 of the request", "SHA512", 64},
	[SIGN_SHA1] = {"SHA-1 of the request", "SHA1", 20},
};
#define INFO_MIN 65		/* no request is shorter than a hash */

bool sign_layout_get(unsigned number, struct sign_layout *l)
{
	const struct row *row;

	if (number < 1 || number > SIGN_LAYOUTS)
		return false;
	row = &rows[(number - 1) / TAGS];
	*l = (struct sign_layout){tags[(number - 1) % TAGS], row->form, row->digest, row->key_type};
	return true;
}

const char *sign_form_text(enum sign_form form)
{
	return forms[form].text;
}

const char *sign_form_hash(enum sign_form form)
{
	return forms[form].hash;
}

const char *sign_layout_text(const struct sign_layout *l, char out[SIGN_LAYOUT_TEXT])
{
	char where[32], digest[24] = "no DIGEST_TYPE";

	if (capfmsg_tag_name(l->tag) == NULL)
		snprintf(where, sizeof where, "tag %u", l->tag);
	else
		snprintf(where, sizeof where, "%s", capfmsg_tag_name(l->tag));
	if (l->digest != 0)
		snprintf(digest, sizeof digest, "DIGEST_TYPE %u", l->digest);
	snprintf(out, SIGN_LAYOUT_TEXT, "%s in %s, %s%s", forms[l->form].text, where, digest,
	    l->key_type ? ", KEY_TYPE" : "");
	return out;
}

void sign_layout_put(const struct sign_layout *l, bool ec, struct bytes data, struct capfmsg *m)
{
	*m = (struct capfmsg){.command = CAPFMSG_SIGN_REQUEST, .digest_type = l->digest,
	    .key_type = ec ? CAPFMSG_EC : CAPFMSG_RSA};
	if (l->digest != 0)
		capfmsg_add(m, CAPFMSG_DIGEST_TYPE);
	if (l->key_type)
		capfmsg_add(m, CAPFMSG_KEY_TYPE);
	switch (l->tag) {
	case CAPFMSG_SIGNED_DATA:
		m->signed_data = data;
		capfmsg_add(m, CAPFMSG_SIGNED_DATA);
		break;
	case CAPFMSG_CERTIFICATE:
		m->certificate = data;
		capfmsg_add(m, CAPFMSG_CERTIFICATE);
		break;
	default:
		m->unknown[0] = (struct capfmsg_unknown){l->tag, data};
		m->unknowns = 1;
	}
}

bool sign_layout_match(const struct sign_layout *l, const struct capfmsg *m, struct bytes *data)
{
	struct capfmsg same;
	size_t len = forms[l->form].len;

	*data = l->tag == CAPFMSG_SIGNED_DATA ? m->signed_data : l->tag == CAPFMSG_CERTIFICATE ?
	    m->certificate : m->unknown[0].value;
	sign_layout_put(l, false, *data, &same);
	return m->command == same.command && m->has == same.has && m->unknowns == same.unknowns &&
	    m->digest_type == same.digest_type && (m->unknowns == 0 || m->unknown[0].tag == l->tag) &&
	    (len > 0 ? data->len == len : data->len >= INFO_MIN);
}

void sign_answer_open(struct sign_answer *a, struct bytes body)
{
	*a = (struct sign_answer){.body = body, .taken = 2};
}

/* What is behind an id and a length, when that is the rest of the value. */
static bool inside(struct bytes value, struct bytes *out)
{
	if (value.len < 3 || (size_t)(value.p[1] << 8 | value.p[2]) != value.len - 3)
		return false;
	*out = (struct bytes){value.p + 3, value.len - 3};
	return true;
}

bool sign_answer_next(struct sign_answer *a, struct bytes *candidate)
{
	for (;;) {
		switch (a->taken++) {
		case 0:
			/* SHA2_SIGNED_DATA: digest, length, signature. */
			if (inside(a->element, candidate) && candidate->len > 0)
				return true;
			break;
		case 1:
			/* CERTIFICATE has two more bytes before its DER. */
			if (inside(a->element, candidate) && candidate->len > 2) {
				*candidate = (struct bytes){candidate->p + 2, candidate->len - 2};
				return true;
			}
			break;
		default:
			if (!capfmsg_next(&a->body, &a->tag, &a->element))
				return false;
			a->taken = 0;
			if (a->element.len > 0) {
				*candidate = a->element;
				return true;
			}
		}
	}
}
