/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/device.h"
#include "../tap.h"

static void from(const char *cn, const char *want)
{
	char out[DEVICE_MAX + 1];
	bool found = device_from_cn(cn, out);

	ok(want != NULL ? found && strcmp(out, want) == 0 : !found, "%s", cn);
}

/* What a typed name becomes: NULL when it is refused, and then it has to be said what else it may be. */
static void typed(const char *text, const char *want, const char *hint)
{
	char out[DEVICE_MAX + 1];
	struct reason why = {.text = ""};
	bool taken = device_typed(text, false, out, &why) == 0;

	ok(want != NULL ? taken && strcmp(out, want) == 0 : !taken && strstr(why.text, hint) != NULL, "typed: %s", text);
}

int main(void)
{
	struct reason why;
	char out[DEVICE_MAX + 1], mac[DEVICE_MAC + 1];
	char fifty[52];

	memset(fifty, 'a', 51);
	fifty[51] = '\0';
	ok(device_ok("SEP001122334455", 15), "a hardware phone's name");
	ok(device_ok("CSFj.doe_2-x", 12), "letters, digits, dot, dash, underscore");
	ok(device_ok(fifty, 50), "fifty characters");
	ok(!device_ok(fifty, 51), "not fifty-one");
	ok(!device_ok("", 0), "not empty");
	ok(!device_ok(".hidden", 7), "no dot in front");
	ok(!device_ok("-n", 2) && !device_ok("-0", 2) && !device_ok("--dry-run", 9) && !device_ok("-", 1),
	    "no dash in front, which would be an option");
	ok(!device_ok("all", 3) && !device_ok("ALL", 3) && !device_ok("list", 4) && !device_ok("view", 4) &&
	    !device_ok("delete", 6), "no word that commands take in a name's place");
	ok(device_ok("all1", 4) && device_ok("al", 2) && device_ok("x-all", 5),
	    "but what only begins or ends like one");
	ok(!device_ok("a/b", 3) && !device_ok("a+b", 3) && !device_ok("a b", 3), "no slash, plus, blank");
	ok(!device_ok("a\0b", 3), "no NUL");
	ok(!device_ok("\xc3\xa4", 2), "no letters beyond ASCII");

	from("SEP001122334455", "SEP001122334455");
	from("CP-8841-SEP001122334455", "SEP001122334455");
	from("CSFjdoe", "CSFjdoe");
	from("Jabber-CSFjdoe", "CSFjdoe");
	from("branch-office", "branch-office");
	from("CP-8841-SEP00112233445g", "CP-8841-SEP00112233445g");
	from("CP-8841-sep001122334455", "CP-8841-sep001122334455");
	from("", NULL);
	from("../../etc/passwd", NULL);
	from("Two Words", NULL);
	from("all", NULL);
	from("--dry-run", NULL);
	from("-n", NULL);
	from("CP-8841-all", "CP-8841-all");
	from("-SEP001122334455", "SEP001122334455");

	ok(device_named_by("SEP001122334455", "SEP001122334455"), "named by its name");
	ok(device_named_by("SEP001122334455", "CP-7965G-SEP001122334455"), "named behind a dash");
	ok(!device_named_by("SEP001122334455", "XSEP001122334455"), "not named without the dash");
	ok(!device_named_by("SEP001122334455", "SEP001122334456"), "not named by another");
	ok(!device_named_by("SEP001122334455", "SEP001122334455-x"), "not named in front");
	ok(!device_named_by("SEP001122334455", ""), "not named by nothing");

	ok(device_mac("00:11-22.33aAbB", mac) && strcmp(mac, "00112233AABB") == 0, "a MAC address");
	ok(!device_mac("00::1122334455", mac) && !device_mac(":001122334455", mac) && !device_mac("001122334455-", mac) &&
	    !device_mac("00112233445", mac) && !device_mac("0011223344556", mac) && !device_mac("00112233445g", mac) &&
	    !device_mac("", mac), "none");
	typed("sep001122334455", "SEP001122334455", "");
	typed(" Sep-00:11:22:33:44:55\r", "SEP001122334455", "");
	typed("ata0011.2233.4455", "ATA001122334455", "");
	typed("CSFjdoe", "CSFjdoe", "");
	typed("Jabber-1", "Jabber-1", "");
	typed("ATAlobby", "ATAlobby", "");
	typed("XYZ001122334455", "XYZ001122334455", "");
	typed("SEP00:11:22:33:44", NULL, "is not a device name");
	typed("SEP0011", NULL, "12 hexadecimal digits");
	typed("001122334455", NULL, "SEP001122334455");
	typed("SE001122334455", NULL, "SEP001122334455");
	typed("ESP001122334455", NULL, "SEP001122334455");
	typed("tabjdoe", NULL, "TAB in capitals");
	typed("PHONES.CSV", NULL, "file");
	typed("devices", NULL, "heading");
	typed("42", NULL, "number");
	typed("", NULL, "no device name");
	typed(" \t ", NULL, "no device name");
	typed("all", NULL, "not a device name");
	ok(device_typed("sep001122334455", true, out, &why) == 0 && strcmp(out, "sep001122334455") == 0, "any name stands");
	ok(device_typed("SEP00:11:22:33:44:55", true, out, &why) == 0 && strcmp(out, "SEP001122334455") == 0,
	    "unless it is none");
	ok(device_typed("a b", true, out, &why) != 0 && !device_tidy("a b", out), "none at all");
	ok(device_tidy("SEP0011", out) && strcmp(out, "SEP0011") == 0, "tidy asks nothing");
	return tap_done();
}
