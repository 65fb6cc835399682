/* SPDX-License-Identifier: ISC */
/* What certsrv answers. A number is a request's and stands in the page; what is shown is printable; the form holds what
 * was put into it, and nothing that ends a field early. */
#include "fuzz.h"
#include "online/certsrv_message.h"
#include "x509/der.h"

static void check_page(struct bytes in)
{
	struct certsrv_page page, again;

	certsrv_read_page(in, &page);
	law(page.state <= CERTSRV_NUMBERED);
	law(ends(page.id, sizeof page.id) && ends(page.said, sizeof page.said));
	law(page.id[0] == '\0' || certsrv_is_id(page.id));
	law(page.id[0] == '\0' || memmem(in.p, in.len, page.id, strlen(page.id)) != NULL);
	law((page.state != CERTSRV_ISSUED && page.state != CERTSRV_NUMBERED) || page.id[0] != '\0');
	law(page.state != CERTSRV_UNREADABLE || page.id[0] == '\0');
	law(page.code == 0 || page.code >= 0x80000000);
	for (const char *p = page.said; *p != '\0'; p++)
		law(*p >= ' ' && *p < 0x7f);
	certsrv_read_page(in, &again);
	law(page.state == again.state && strcmp(page.id, again.id) == 0 && strcmp(page.said, again.said) == 0);
}

static void check_form(struct bytes in)
{
	struct buf b = {0};
	size_t fields = 0;

	certsrv_put_form(&b, in, "Phone &=%\xc3\xbc");
	law(!b.failed);
	for (size_t i = 0; i < b.len; i++) {
		law(b.p[i] > ' ' && b.p[i] < 0x7f);
		fields += b.p[i] == '&';
	}
	law(fields == 5);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = copy(data, size);
	char *text = text_of(data, size), base[CERTSRV_URL_MAX + 1], number[CERTSRV_ID_MAX + 1];
	struct bytes in = {own, size};
	struct reason why = {.text = ""};
	struct buf der = {0};

	check_page(in);
	check_form(in);
	if (certsrv_renewals(in, number))
		law(ends(number, sizeof number) && strspn(number, "0123456789") == strlen(number) && number[0] != '\0');
	if (certsrv_put_certificate(in, &der, &why) == 0)
		law(der_kind_of(der.p, der.len) == DER_CERT);
	else
		law(why.text[0] != '\0' && der.len == 0);
	if (text != NULL && certsrv_base(text, base, &why) == 0)
		law(ends(base, sizeof base) && strncasecmp(base, "https://", 8) == 0 && base[strlen(base) - 1] != '/');
	buf_free(&der);
	free(text);
	free(own);
	return 0;
}
