/* SPDX-License-Identifier: ISC */
#include "cli/given.h"
#include "cli/status.h"

void given_names(struct names *names, int argc, char *const argv[], const char *path, bool zero)
{
	struct reason why;
	const char *object;

	if (names_read(names, argc, argv, path, zero, &object, &why) != 0)
		status_die(status_of_given(why.trouble), object, "%s", why.text);
}

int given_unused(const struct names *names, const char *what, int status)
{
	const char *device;
	size_t i = 0;

	while ((device = names_unused(names, &i)) != NULL) {
		status_warn(device, "%s", what);
		status = status_worst(status, STATUS_REFUSED);
	}
	return status;
}
