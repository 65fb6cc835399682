/* SPDX-License-Identifier: ISC */
/* usage: NAME FILE... One harness over files, without libFuzzer: the cases that are kept, with any
 * compiler. Says last how many there were; a broken law ends it with SIGABRT. */
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

int main(int argc, char **argv)
{
	static unsigned char data[1 << 20];

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "re");
		unsigned char *exact;
		size_t len;

		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		len = fread(data, 1, sizeof data, f);
		fclose(f);
		/* What comes last before a crash names the case. */
		fprintf(stderr, "%s\n", argv[i]);
		exact = copy(data, len);
		LLVMFuzzerTestOneInput(exact, len);
		free(exact);
	}
	printf("%d cases\n", argc - 1);
	return 0;
}
