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

bool device_mac(const char *text, char out[DEVICE_MAC + 1])
{
	static const char hex[] = "0123456789ABCDEF0123456789abcdef";
	const char *digit;
	size_t n = 0;

	for (; *text != '\0'; text++) {
		/* Neither at the ends nor twice. */
		if (n > 0 && strchr(":-.", *text) != NULL && strchr(":-.", text[-1]) == NULL && text[1] != '\0')
			continue;
		if ((digit = strchr(hex, *text)) == NULL || n == DEVICE_MAC)
			return false;
		out[n++] = hex[(digit - hex) % 16];
	}
	out[n] = '\0';
	return n == DEVICE_MAC;
}

/* Without the blanks and the carriage return around it. False when it is too long for any name. */
static bool trim(const char *text, char *out, size_t size)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len > 0 && strchr(" \t\r", text[len - 1]) != NULL; len--)
		;
	if (len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* SEP or ATA in any case, perhaps a separator, and a MAC address. */
static bool hardware(const char *text, char out[DEVICE_MAX + 1])
{
	static const char prefix[][4] = {"SEP", "ATA"};
	char mac[DEVICE_MAC + 1];

	for (size_t i = 0; i < sizeof prefix / sizeof prefix[0]; i++) {
		if (strncasecmp(text, prefix[i], 3) != 0 ||
		    !device_mac(text + 3 + (text[3] != '\0' && strchr(":-.", text[3]) != NULL), mac))
			continue;
		memcpy(out, prefix[i], 3);
		memcpy(out + 3, mac, sizeof mac);
		return true;
	}
	return false;
}

/* SEP with one character wrong, missing, doubled, or two in the wrong order. */
static bool almost_sep(const char *text, size_t len)
{
	char capital[5] = "";
	size_t equal = 0;

	if (len < 2 || len > 4)
		return false;
	for (size_t i = 0; i < len; i++)
		capital[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
	for (size_t i = 0; len == 3 && i < 3; i++)
		equal += capital[i] == "SEP"[i];
	if (len == 3)
		return equal == 2 || strcmp(capital, "ESP") == 0 || strcmp(capital, "SPE") == 0;
	for (size_t i = 0; len == 4 && i < 4; i++)
		if (strncmp(capital, "SEP", i) == 0 && strcmp(capital + i + 1, &"SEP"[i]) == 0)
			return true;
	return len == 2 && (strcmp(capital, "SE") == 0 || strcmp(capital, "SP") == 0 || strcmp(capital, "EP") == 0);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* Is this legal name probably another one, or no name? -1 with a reason, which says what else it may be. */
static int doubt(const char *name, struct reason *why)
{
	static const char *const files[] = {".csv", ".txt", ".tsv", ".xls", ".xlsx", ".ods", ".conf", ".pem"};
	static const char *const headings[] = {"device", "devices", "name", "phone", "phones", "mac", "description"};
	static const char soft[][4] = {"CSF", "BOT", "TCT", "TAB", "CTI"};
	const char *again = "; --any-name takes it as it is";
	char mac[DEVICE_MAC + 1];
	size_t len = strlen(name);

	if (device_mac(name, mac))
		return reason_set(why, "\"%s\" is a MAC address; the name of its phone is probably SEP%s%s", name, mac, again);
	if (strncasecmp(name, "SEP", 3) == 0 && !device_mac(name + 3, mac))
		return reason_set(why, "\"%s\" has not 12 hexadecimal digits behind SEP%s", name, again);
	if (len > DEVICE_MAC && device_mac(name + len - DEVICE_MAC, mac) && almost_sep(name, len - DEVICE_MAC))
		return reason_set(why, "\"%s\" is probably SEP%s%s", name, mac, again);
	if (strspn(name, "0123456789") == len)
		return reason_set(why, "\"%s\" is a number, not the name of a device%s", name, again);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (ends_with(name, files[i]))
			return reason_set(why, "\"%s\" is probably the name of a file%s", name, again);
	for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
		if (strcasecmp(name, headings[i]) == 0)
			return reason_set(why, "\"%s\" is probably the heading of a column%s", name, again);
	for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
		if (strncasecmp(name, soft[i], 3) == 0 && strncmp(name, soft[i], 3) != 0)
			return reason_set(why, "\"%s\" probably begins with %s in capitals%s", name, soft[i], again);
	return 0;
}

bool device_tidy(const char *text, char out[DEVICE_MAX + 1])
{
	char name[2 * DEVICE_MAX];

	if (!trim(text, name, sizeof name))
		return false;
	if (hardware(name, out))
		return true;
	if (!device_ok(name, strlen(name)))
		return false;
	strcpy(out, name);
	return true;
}

int device_typed(const char *text, bool any, char out[DEVICE_MAX + 1], struct reason *why)
{
	char name[2 * DEVICE_MAX];
	bool short_enough = trim(text, name, sizeof name);

	if (any && short_enough && device_ok(name, strlen(name))) {
		strcpy(out, name);
		return 0;
	}
	if (!device_tidy(text, out))
		return reason_set(why, short_enough && *name == '\0' ? "has no device name" :
		    "\"%.80s\" is not a device name", text);
	return any ? 0 : doubt(out, why);
}
