/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/nearest.h"
#include "../tap.h"

static const char *nearest(const char *written)
{
	static const char *const words[] = {"keepalive", "key-tries", "rsa", "listen", "import-max-entries"};
	struct nearest n = {.word = NULL};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		nearest_try(&n, written, words[i]);
	return n.word != NULL ? n.word : "";
}

int main(void)
{
	char text[200];

	ok(strcmp(nearest("keep_alive"), "keepalive") == 0, "hyphens of any sort do not count");
	ok(strcmp(nearest("KeepAlife"), "keepalive") == 0, "nor does case; a wrong letter");
	ok(strcmp(nearest("key-tires"), "key-tries") == 0, "two in the wrong order");
	ok(strcmp(nearest("lisen"), "listen") == 0 && strcmp(nearest("llisten"), "listen") == 0, "one too few, one too many");
	ok(strcmp(nearest("import_max_entrees"), "import-max-entries") == 0, "a long word");
	ok(*nearest("colour") == '\0' && *nearest("key") == '\0' && *nearest("") == '\0' && *nearest("-") == '\0',
	    "what is like none of them");
	memset(text, 'k', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	ok(*nearest(text) == '\0', "what is longer than any word");
	return tap_done();
}
