/* SPDX-License-Identifier: ISC */
#include "base/hash.h"
#include "../tap.h"

int main(void)
{
	/* From the tables of the draft. Servers of two versions must lock the same place of a file for a phone. */
	ok(hash_name("", 0) == 0xcbf29ce484222325, "FNV-1a of nothing");
	ok(hash_name("a", 0) == 0xaf63dc4c8601ec8c, "of a letter");
	ok(hash_name("foobar", 0) == 0x85944171f73967e8, "of a word");
	ok(hash_name("foobar", 1) != hash_name("foobar", 0), "with a seed it is another");
	return tap_done();
}
