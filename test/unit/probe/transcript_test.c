/* SPDX-License-Identifier: ISC */
/* What a phone puts into DEVICE_NAME makes no line of its own in the transcript, and takes no string there. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "capf/capfmsg.h"
#include "probe/transcript.h"

static char text[4096];

/* The transcript of one STATUS_RESPONSE with this DEVICE_NAME, its NUL included. */
static void write_down(const char *device, const char *string)
{
	unsigned char message[128] = {0x55, CAPFMSG_STATUS_RESPONSE};
	size_t len = strlen(device) + 1;
	char path[300];
	struct transcript t = {.string = string};
	ssize_t n;

	snprintf(path, sizeof path, "%s/transcript", tap_dir());
	t.fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
	must(t.fd >= 0, "no transcript");
	message[7] = (unsigned char)(len + 3);
	message[8] = CAPFMSG_DEVICE_NAME;
	message[10] = (unsigned char)len;
	memcpy(message + 11, device, len);
	transcript_message(&t, false, (struct bytes){message, 11 + len});
	n = pread(t.fd, text, sizeof text - 1, 0);
	must(n > 0, "nothing was written");
	text[n] = '\0';
	close(t.fd);
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *p = text; *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

int main(void)
{
	write_down("SEP000000000001", "8675309");
	ok(strstr(text, "(SEP000000000001)") != NULL && lines() == 2, "a name is shown");
	write_down("x\n  verdict: works", "8675309");
	ok(lines() == 2 && strstr(text, "verdict") == NULL, "one that is none cannot add a line");
	write_down("SEP8675309", "8675309");
	ok(strstr(text, "left out") != NULL && strstr(text, "8675309") == NULL, "the string is in no name either");
	return tap_done();
}
