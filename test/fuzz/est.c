/* SPDX-License-Identifier: ISC */
/* Answers of EST servers: what is taken is whole elements, and what is refused has a reason that can be printed. */
#include "fuzz.h"
#include "online/est_message.h"
#include "x509/ber.h"
#include "x509/der.h"
#include "x509/pkcs7.h"

static bool printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text >= 0x7f)
			return false;
	return true;
}

static void read_answer(struct bytes body)
{
	struct buf out = {0};
	struct reason why = {.text = ""};
	struct bytes all, one;
	enum est_kind kind = est_read(body, &out, &why);

	if (kind == EST_CERTIFICATES) {
		law(out.len > 0);
		all = (struct bytes){out.p, out.len};
		while (pkcs7_next(&all, &one))
			law(der_kind_of(one.p, one.len) == DER_CERT);
		law(all.len == 0);
	} else {
		law(why.text[0] != '\0' && printable(why.text));
	}
	buf_free(&out);
}

/* What was written again is written again as the same. */
static void write_again(struct bytes in)
{
	struct buf once = {0}, twice = {0};

	if (ber_to_der(in, &once)) {
		law(ber_to_der((struct bytes){once.p, once.len}, &twice));
		law(same((struct bytes){once.p, once.len}, (struct bytes){twice.p, twice.len}));
	}
	buf_free(&once);
	buf_free(&twice);
}

/* The bytes as an answer, and as what its base64 stands for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	struct bytes in = {own, size};
	struct buf text = {0}, out = {0};
	struct reason why = {.text = ""};

	read_answer(in);
	est_encode(in, &text);
	law(!text.failed);
	if (size > 0)
		read_answer((struct bytes){text.p, text.len});
	if (est_attributes(in, &out, &why) == 0)
		law(out.len > 0 && memchr(out.p, '\n', out.len) == NULL);
	out.len = 0;
	if (size > 0)
		est_attributes((struct bytes){text.p, text.len}, &out, &why);
	write_again(in);
	buf_free(&text);
	buf_free(&out);
	free(own);
	return 0;
}
