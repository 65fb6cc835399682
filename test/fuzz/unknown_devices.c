/* SPDX-License-Identifier: ISC */
/* The list of devices without a record: what is read can be written, and read again as the same; a damaged list adds
 * nothing; and however many come, it stays within its bounds and every place keeps one. */
#include "fuzz.h"
#include "site/unknown_devices.h"

static char *formatted(struct unknown_devices *u, size_t *len)
{
	struct buf b = {0};

	unknown_devices_format(u, &b);
	law(!b.failed);
	*len = b.len;
	buf_put_u8(&b, 0);
	law(!b.failed);
	return (char *)b.p;
}

static void round_trip(struct unknown_devices *u)
{
	struct unknown_devices again = {0};
	struct reason why;
	size_t len, twice_len;
	char *text = formatted(u, &len), *twice;

	law(len <= UNKNOWN_DEVICES_BYTES);
	law(unknown_devices_parse(&again, text, len, &why) == 0 && again.n == u->n);
	twice = formatted(&again, &twice_len);
	law(twice_len == len && memcmp(text, twice, len) == 0);
	free(text);
	free(twice);
	unknown_devices_free(&again);
}

/* So many more from one address. */
static void flood(struct unknown_devices *u, unsigned n)
{
	char name[DEVICE_MAX + 1];
	size_t before = u->n;

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "X%u", i);
		law(unknown_devices_add(u, name, "198.51.100.1", 1, 1700000000 + i, 1700000000 + i));
	}
	unknown_devices_trim(u);
	law(u->n <= UNKNOWN_DEVICES_MAX && u->n >= (before < UNKNOWN_DEVICES_MAX ? before : UNKNOWN_DEVICES_MAX));
	round_trip(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *own = size > 0 ? copy(data + 1, size - 1) : NULL;
	struct unknown_devices u = {0};
	struct reason why = {.text = ""};

	if (own == NULL)
		return 0;
	if (unknown_devices_parse(&u, (char *)own, size - 1, &why) == 0) {
		law(u.n <= UNKNOWN_DEVICES_MAX);
		for (size_t i = 0; i < u.n; i++)
			law(device_ok(u.p[i].device, strlen(u.p[i].device)) && u.p[i].count > 0 &&
			    u.p[i].first <= u.p[i].last);
		round_trip(&u);
		if (data[0] == 0xff)
			flood(&u, 3000);
	} else {
		law(why.text[0] != '\0' && !why.trouble && u.n == 0);
	}
	unknown_devices_free(&u);
	free(own);
	return 0;
}
