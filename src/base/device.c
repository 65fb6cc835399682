/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "base/device.h"

static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* Is it a word of csr-delete, csr-dump, phone-del, phone-set or stale-lsc? A phone chooses its name, and
 * administrators pipe names into these commands: a phone called "all" must not delete everything. In any
 * case of letters, since a reader would not see the difference. */
static bool is_word(const char *name, size_t len)
{
	static const char *const words[] = {"all", "delete", "list", "view"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i]) == len && strncasecmp(words[i], name, len) == 0)
			return true;
	return false;
}

bool device_ok(const char *name, size_t len)
{
	/* A name that begins with '-' would be an option. */
	if (len < 1 || len > DEVICE_MAX || name[0] == '.' || name[0] == '-' || is_word(name, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] == '\0' || strchr(legal, name[i]) == NULL)
			return false;
	return true;
}

/* Three capitals and a MAC address, or a soft-phone's prefix and a text. */
static bool looks_like_phone(const char *name)
{
	static const char soft[][4] = {"CSF", "BOT", "TCT", "TAB"};

	if (strlen(name) == 15 && strspn(name, upper) >= 3 && strspn(name + 3, "0123456789ABCDEF") == 12)
		return true;
	for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
		if (strncmp(name, soft[i], 3) == 0 && name[3] != '\0')
			return true;
	return false;
}

bool device_from_cn(const char *cn, char out[DEVICE_MAX + 1])
{
	const char *dash = strrchr(cn, '-');
	size_t len;

	if (dash != NULL && looks_like_phone(dash + 1) && device_ok(dash + 1, strlen(dash + 1)))
		cn = dash + 1;
	len = strlen(cn);
	if (!device_ok(cn, len))
		return false;
	memcpy(out, cn, len + 1);
	return true;
}

bool device_named_by(const char *device, const char *cn)
{
	size_t len = strlen(device), cn_len = strlen(cn);

	if (cn_len < len || strcmp(cn + cn_len - len, device) != 0)
		return false;
	return cn_len == len || cn[cn_len - len - 1] == '-';
}
