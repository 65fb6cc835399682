/* SPDX-License-Identifier: ISC */
/* A harness with a law that does not hold: what test/fuzz/run and driver.c must notice. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	law(size == 0 || data[0] != 'x');
	return 0;
}
