/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "archive/entry_name.h"

bool entry_name_ok(const char *name, bool flat, struct reason *why)
{
	const char *p;
	size_t n;

	if (*name == '\0') {
		reason_set(why, "has no name");
		return false;
	}
	for (p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			reason_set(why, "has control characters in its name");
			return false;
		}
		if (*p == '\\') {
			reason_set(why, "has a backslash in its name");
			return false;
		}
	}
	if (p - name > ENTRY_NAME_MAX) {
		reason_set(why, "has a name longer than %d bytes", ENTRY_NAME_MAX);
		return false;
	}
	if (*name == '/') {
		reason_set(why, "has an absolute path as its name");
		return false;
	}
	for (p = name;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 2 && memcmp(p, "..", 2) == 0) {
			reason_set(why, "has \"..\" in its name");
			return false;
		}
		if (p[n] == '\0')
			break;
	}
	if (flat && strchr(name, '/') != NULL) {
		reason_set(why, "has a path in its name");
		return false;
	}
	return true;
}
