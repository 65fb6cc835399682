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

int main(void)
{
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
	return tap_done();
}
