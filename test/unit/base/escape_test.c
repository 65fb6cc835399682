/* SPDX-License-Identifier: ISC */
#include "base/escape.h"
#include "../tap.h"

int main(void)
{
	char out[] = "....!";
	unsigned char byte = 0;
	int back = 0;

	ok(escape_put(0x0a, out) == ESCAPE_LEN && strcmp(out, "\\x0a!") == 0, "a byte, and nothing behind it");
	for (int i = 0; i < 256; i++) {
		escape_put((unsigned char)i, out);
		back += escape_get(out, &byte) && byte == i;
	}
	ok(back == 256, "every byte comes back");
	ok(!escape_get("", &byte) && !escape_get("\\", &byte) && !escape_get("\\x", &byte) &&
	    !escape_get("\\x0", &byte), "none that is cut short");
	ok(!escape_get("x0a", &byte) && !escape_get("\\0a0", &byte) && !escape_get("\\x0A", &byte) &&
	    !escape_get("\\xg0", &byte), "nothing else is one");
	return tap_done();
}
