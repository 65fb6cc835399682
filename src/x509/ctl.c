/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x509/ctl.h"

/* The tags of the header. */
#define HEAD_VERSION 1
#define HEAD_LENGTH 2
#define HEAD_SIGNER 3
#define HEAD_SIGNER_SUBJECT 4
#define HEAD_SIGNER_SERIAL 5
#define HEAD_SIGNER_ISSUER 6
#define HEAD_SIGNATURE_INFO 7
#define HEAD_DIGEST 8
#define HEAD_ALGORITHM_INFO 9
#define HEAD_ALGORITHM 10
#define HEAD_MODULUS 11
#define HEAD_SIGNATURE 12
#define HEAD_PADDING 13
#define HEAD_FILE_NAME 14
#define HEAD_TIME 15
#define HEAD_FILE_VERSION 28

#define ELEMENT 3		/* bytes of a tag and a length */
#define PAD_TO 4		/* the header's length is a multiple of it */
#define ALGORITHM_RSA 0
#define SIGNATURE_INFO_LENGTH 15

static const char *const roles[] = {
	[CTL_SAST] = "SAST",
	[CTL_CCM] = "CCM",
	[CTL_CCM_TFTP] = "CCM+TFTP",
	[CTL_TFTP] = "TFTP",
	[CTL_CAPF] = "CAPF",
	[CTL_APP_SERVER] = "APP-SERVER",
	[CTL_TVS] = "TVS",
};

/* What the elements of a record are, for messages. */
static const char *const tags[CTL_TAGS] = {
	[CTL_LENGTH] = "length",
	[CTL_DNS_NAME] = "DNS name",
	[CTL_SUBJECT] = "subject",
	[CTL_ROLE] = "role",
	[CTL_ISSUER] = "issuer",
	[CTL_SERIAL] = "serial number",
	[CTL_PUBLIC_KEY] = "public key",
	[CTL_CERT_SIGNATURE] = "certificate's signature",
	[CTL_CERT] = "certificate",
	[CTL_IP_ADDRESS] = "IP address",
	[CTL_CERT_HASH] = "certificate's hash",
	[CTL_HASH_ALGORITHM] = "hash algorithm",
};

const char *ctl_role_name(int role)
{
	return role >= 0 && (size_t)role < sizeof roles / sizeof roles[0] ? roles[role] : NULL;
}

const char *ctl_tag_name(unsigned tag)
{
	return tag < CTL_TAGS ? tags[tag] : NULL;
}

size_t ctl_modulus_bytes(unsigned modulus)
{
	static const size_t bytes[] = {64, 128, 256, 512};

	return modulus < sizeof bytes / sizeof bytes[0] ? bytes[modulus] : 0;
}

int ctl_modulus(size_t bytes)
{
	for (unsigned i = 0; ctl_modulus_bytes(i) != 0; i++)
		if (ctl_modulus_bytes(i) == bytes)
			return (int)i;
	return -1;
}

static const char *const plain[] = {"CTLFile.tlv", "ITLFile.tlv"};

bool ctl_file_known(struct bytes name)
{
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (name.len == strlen(plain[i]) && memcmp(name.p, plain[i], name.len) == 0)
			return true;
	return false;
}

const char *ctl_file_name(const char *leaf)
{
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
		if (strcmp(leaf, plain[i]) == 0)
			return plain[i];
		/* CTLSEP, twelve digits of the MAC address, .tlv */
		if (strncmp(leaf, plain[i], 3) == 0 && strncmp(leaf + 3, "SEP", 3) == 0 &&
		    strspn(leaf + 6, "0123456789ABCDEF") == 12 && strcmp(leaf + 18, ".tlv") == 0)
			return plain[i];
	}
	return NULL;
}

struct bytes ctl_value(const struct ctl_record *r, enum ctl_tag tag)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->element[i].tag == tag)
			return r->element[i].value;
	return (struct bytes){NULL, 0};
}

int ctl_role(const struct ctl_record *r)
{
	struct bytes role = ctl_value(r, CTL_ROLE);

	return role.p != NULL ? role.p[0] << 8 | role.p[1] : -1;
}

static bool is_text(uint8_t tag)
{
	return tag == CTL_SUBJECT || tag == CTL_ISSUER;
}

/* ---- reading */

/* Takes the next element off, which what is about. -1 with a reason. */
static int next(struct bytes *in, const char *what, uint8_t *tag, struct bytes *value, struct reason *why)
{
	const unsigned char *length;

	if (!bytes_get_u8(in, tag))
		return reason_set(why, "%s: ends too early", what);
	if (!bytes_get(in, &length, 2))
		return reason_set(why, "%s: ends within the length of element %u", what, *tag);
	value->len = (size_t)(length[0] << 8 | length[1]);
	if (!bytes_get(in, &value->p, value->len))
		return reason_set(why, "%s: element %u has %zu bytes, but only %zu are left", what, *tag, value->len, in->len);
	return 0;
}

/* The same, when it must be this one; of any length when size is 0. */
static int expect(struct bytes *in, const char *what, uint8_t want, size_t size, struct bytes *value,
    struct reason *why)
{
	uint8_t tag;

	if (next(in, what, &tag, value, why) != 0)
		return -1;
	if (tag != want)
		return reason_set(why, "%s: element %u stands where element %u should", what, tag, want);
	if (size != 0 && value->len != size)
		return reason_set(why, "%s: element %u has %zu bytes, not %zu", what, tag, value->len, size);
	return 0;
}

/* Takes the NUL off a text. */
static int text(const char *what, const char *which, struct bytes *value, struct reason *why)
{
	if (value->len == 0 || memchr(value->p, '\0', value->len) != value->p + value->len - 1)
		return reason_set(why, "%s: the %s is no text with one NUL at its end", what, which);
	value->len--;
	return 0;
}

static int serial(const char *what, struct bytes value, struct reason *why)
{
	if (value.len == 0 || value.p[0] == 0)
		return reason_set(why, "%s: the serial number is empty or begins with a zero", what);
	return 0;
}

static int signer(struct ctl *c, struct bytes in, struct reason *why)
{
	static const char what[] = "header: signer";

	if (expect(&in, what, HEAD_SIGNER_SUBJECT, 0, &c->subject, why) != 0 ||
	    text(what, "subject", &c->subject, why) != 0 ||
	    expect(&in, what, HEAD_SIGNER_ISSUER, 0, &c->issuer, why) != 0 ||
	    text(what, "issuer", &c->issuer, why) != 0 ||
	    expect(&in, what, HEAD_SIGNER_SERIAL, 0, &c->serial, why) != 0 || serial(what, c->serial, why) != 0)
		return -1;
	return in.len == 0 ? 0 : reason_set(why, "%s: has %zu bytes too many", what, in.len);
}

static int signature_info(struct ctl *c, struct bytes in, struct reason *why)
{
	static const char what[] = "header: signature";
	struct bytes digest, info, algorithm, modulus;

	/* Nothing can be left over: the lengths add up to what the caller has checked. */
	if (expect(&in, what, HEAD_DIGEST, 1, &digest, why) != 0 ||
	    expect(&in, what, HEAD_ALGORITHM_INFO, 8, &info, why) != 0 ||
	    expect(&info, what, HEAD_ALGORITHM, 1, &algorithm, why) != 0 ||
	    expect(&info, what, HEAD_MODULUS, 1, &modulus, why) != 0)
		return -1;
	if (digest.p[0] != CTL_SHA1 && digest.p[0] != CTL_SHA512)
		return reason_set(why, "%s: unknown digest %u", what, digest.p[0]);
	if (algorithm.p[0] != ALGORITHM_RSA)
		return reason_set(why, "%s: unknown algorithm %u", what, algorithm.p[0]);
	if (ctl_modulus_bytes(modulus.p[0]) == 0)
		return reason_set(why, "%s: unknown modulus %u", what, modulus.p[0]);
	c->digest = (enum ctl_digest)digest.p[0];
	c->modulus = modulus.p[0];
	return 0;
}

/* What follows the signature, up to the end of the header. */
static int rest_of_header(struct ctl *c, struct bytes in, struct reason *why)
{
	struct bytes time;

	if (expect(&in, "header", HEAD_FILE_NAME, 0, &c->file, why) != 0 ||
	    text("header", "file name", &c->file, why) != 0 ||
	    expect(&in, "header", HEAD_TIME, 4, &time, why) != 0)
		return -1;
	bytes_get_u32(&time, &c->time);
	if (in.len >= PAD_TO)
		return reason_set(why, "header: has %zu bytes behind the time stamp, more than padding", in.len);
	for (; in.len > 0; in.p++, in.len--)
		if (*in.p != HEAD_PADDING)
			return reason_set(why, "header: has a byte %u in its padding", *in.p);
	return 0;
}

static int header(struct ctl *c, struct bytes file, struct bytes *records, struct reason *why)
{
	struct bytes in = file, value;
	size_t length;

	if (expect(&in, "header", HEAD_VERSION, 2, &value, why) != 0)
		return -1;
	if (value.p[0] != 1 || value.p[1] != 2)
		return reason_set(why, "header: is of version %u.%u, not 1.2", value.p[0], value.p[1]);
	if (expect(&in, "header", HEAD_LENGTH, 2, &value, why) != 0)
		return -1;
	length = (size_t)(value.p[0] << 8 | value.p[1]);
	if (length < file.len - in.len || length > file.len)
		return reason_set(why, "header: says that it has %zu bytes, the file has %zu", length, file.len);
	if (length % PAD_TO != 0)
		return reason_set(why, "header: its %zu bytes are not a multiple of %d", length, PAD_TO);
	*records = (struct bytes){file.p + length, file.len - length};
	in.len -= records->len;
	if (expect(&in, "header", HEAD_FILE_VERSION, 2, &value, why) != 0)
		return -1;
	if (value.p[0] != 1 || value.p[1] > 1)
		return reason_set(why, "header: the file's version is %u.%u, not 1.0 or 1.1", value.p[0], value.p[1]);
	c->minor = value.p[1];
	if (expect(&in, "header", HEAD_SIGNER, 0, &value, why) != 0 || signer(c, value, why) != 0 ||
	    expect(&in, "header", HEAD_SIGNATURE_INFO, SIGNATURE_INFO_LENGTH, &value, why) != 0 || signature_info(c, value, why) != 0)
		return -1;
	c->before = (struct bytes){file.p, (size_t)(in.p - file.p)};
	if (expect(&in, "header", HEAD_SIGNATURE, ctl_modulus_bytes(c->modulus), &c->signature, why) != 0)
		return -1;
	c->behind = (struct bytes){in.p, file.len - (size_t)(in.p - file.p)};
	return rest_of_header(c, in, why);
}

/* One element of a record. */
static int element(struct ctl_record *r, const char *what, uint8_t tag, struct bytes value, struct reason *why)
{
	if (tag == CTL_LENGTH || ctl_tag_name(tag) == NULL)
		return reason_set(why, "%s: unknown element %u", what, tag);
	if (ctl_value(r, (enum ctl_tag)tag).p != NULL)
		return reason_set(why, "%s: has its %s twice", what, tags[tag]);
	if (tag == CTL_ROLE && value.len != 2)
		return reason_set(why, "%s: its role has %zu bytes, not 2", what, value.len);
	if (is_text(tag) && text(what, tags[tag], &value, why) != 0)
		return -1;
	if (tag == CTL_SERIAL && serial(what, value, why) != 0)
		return -1;
	r->element[r->n++] = (struct ctl_element){tag, value};
	return 0;
}

/* The next record. */
static int record(struct ctl *c, struct bytes *in, struct reason *why)
{
	struct ctl_record *r = &c->record[c->n];
	struct bytes start = *in, inside = *in, value;
	char what[32];
	size_t length;
	uint8_t tag;

	snprintf(what, sizeof what, "record %zu", c->n + 1);
	if (expect(&inside, what, CTL_LENGTH, 2, &value, why) != 0)
		return -1;
	length = (size_t)(value.p[0] << 8 | value.p[1]);
	if (length < start.len - inside.len || length > start.len)
		return reason_set(why, "%s: says that it has %zu bytes, %zu are left", what, length, start.len);
	*in = (struct bytes){start.p + length, start.len - length};
	inside.len -= in->len;
	*r = (struct ctl_record){.n = 0};
	c->n++;
	while (inside.len > 0)
		if (next(&inside, what, &tag, &value, why) != 0 || element(r, what, tag, value, why) != 0)
			return -1;
	return 0;
}

int ctl_parse(struct ctl *c, struct bytes file, struct reason *why)
{
	struct bytes records;

	*c = (struct ctl){.record = NULL};
	if (file.len > CTL_MAX_BYTES)
		return reason_set(why, "has more than %d bytes", CTL_MAX_BYTES);
	if (header(c, file, &records, why) != 0)
		return -1;
	if ((c->record = calloc(CTL_RECORDS_MAX, sizeof *c->record)) == NULL)
		return reason_memory(why);
	while (records.len > 0) {
		if (c->n == CTL_RECORDS_MAX)
			return reason_set(why, "has more than %d records", CTL_RECORDS_MAX);
		if (record(c, &records, why) != 0)
			return -1;
	}
	return 0;
}

void ctl_free(struct ctl *c)
{
	free(c->record);
	c->record = NULL;
	c->n = 0;
}

/* ---- writing */

static size_t record_length(const struct ctl_record *r)
{
	size_t length = ELEMENT + 2;

	for (size_t i = 0; i < r->n; i++)
		length += ELEMENT + r->element[i].value.len + is_text(r->element[i].tag);
	return length;
}

static size_t signer_length(const struct ctl *c)
{
	return 3 * ELEMENT + c->subject.len + 1 + c->issuer.len + 1 + c->serial.len;
}

/* With the signature, and with the padding when that is asked for. */
static size_t header_length(const struct ctl *c, bool padding)
{
	size_t length = 3 * (ELEMENT + 2) + ELEMENT + signer_length(c) + ELEMENT + SIGNATURE_INFO_LENGTH +
	    ELEMENT + c->signature.len + ELEMENT + c->file.len + 1 + ELEMENT + 4;

	return padding ? (length + PAD_TO - 1) / PAD_TO * PAD_TO : length;
}

bool ctl_fits(const struct ctl *c)
{
	/* What is inside is shorter. */
	if (header_length(c, true) > UINT16_MAX)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (record_length(&c->record[i]) > UINT16_MAX)
			return false;
	return true;
}

static void put_u16(struct buf *b, size_t n)
{
	buf_put_u8(b, (uint8_t)(n >> 8));
	buf_put_u8(b, (uint8_t)n);
}

static void put(struct buf *b, uint8_t tag, struct bytes value)
{
	buf_put_u8(b, tag);
	put_u16(b, value.len);
	buf_put(b, value.p, value.len);
}

static void put_text(struct buf *b, uint8_t tag, struct bytes value)
{
	buf_put_u8(b, tag);
	put_u16(b, value.len + 1);
	buf_put(b, value.p, value.len);
	buf_put_u8(b, '\0');
}

/* An element whose value is a number. */
static void put_number(struct buf *b, uint8_t tag, size_t size, uint32_t n)
{
	buf_put_u8(b, tag);
	put_u16(b, size);
	while (size-- > 0)
		buf_put_u8(b, (uint8_t)(n >> 8 * size));
}

static void put_signature_info(struct buf *b, const struct ctl *c)
{
	buf_put_u8(b, HEAD_SIGNATURE_INFO);
	put_u16(b, SIGNATURE_INFO_LENGTH);
	put_number(b, HEAD_DIGEST, 1, c->digest);
	buf_put_u8(b, HEAD_ALGORITHM_INFO);
	put_u16(b, 8);
	put_number(b, HEAD_ALGORITHM, 1, ALGORITHM_RSA);
	put_number(b, HEAD_MODULUS, 1, c->modulus);
}

static void put_record(struct buf *b, const struct ctl_record *r)
{
	put_number(b, CTL_LENGTH, 2, (uint32_t)record_length(r));
	for (size_t i = 0; i < r->n; i++)
		(is_text(r->element[i].tag) ? put_text : put)(b, r->element[i].tag, r->element[i].value);
}

void ctl_put(struct buf *b, const struct ctl *c, bool with_signature)
{
	size_t padding = header_length(c, true) - header_length(c, false);

	put_number(b, HEAD_VERSION, 2, 0x0102);
	put_number(b, HEAD_LENGTH, 2, (uint32_t)header_length(c, true));
	put_number(b, HEAD_FILE_VERSION, 2, 0x0100u | c->minor);
	buf_put_u8(b, HEAD_SIGNER);
	put_u16(b, signer_length(c));
	put_text(b, HEAD_SIGNER_SUBJECT, c->subject);
	put_text(b, HEAD_SIGNER_ISSUER, c->issuer);
	put(b, HEAD_SIGNER_SERIAL, c->serial);
	put_signature_info(b, c);
	if (with_signature)
		put(b, HEAD_SIGNATURE, c->signature);
	put_text(b, HEAD_FILE_NAME, c->file);
	put_number(b, HEAD_TIME, 4, c->time);
	for (; padding > 0; padding--)
		buf_put_u8(b, HEAD_PADDING);
	for (size_t i = 0; i < c->n; i++)
		put_record(b, &c->record[i]);
}
