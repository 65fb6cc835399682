/* SPDX-License-Identifier: ISC */
#include "cli/devices_from_args.h"
#include "cli/status.h"

void devices_from_args(struct devices *names, int argc, char *const argv[], const char *path, bool zero)
{
	struct reason why;
	const char *object;

	if (devices_read(names, argc, argv, path, zero, &object, &why) != 0)
		status_die(status_of_input(why.trouble), object, "%s", why.text);
}

int devices_from_args_unused(const struct devices *names, const char *what, int status)
{
	const char *device;
	size_t i = 0;

	while ((device = devices_unused(names, &i)) != NULL) {
		status_warn(device, "%s", what);
		status = status_worst(status, STATUS_REFUSED);
	}
	return status;
}
