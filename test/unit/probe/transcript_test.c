/* SPDX-License-Identifier: ISC */
/* What a phone puts into DEVICE_NAME makes no line of its own in the transcript, and takes no string there; and a
 * session has a bound. */
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

/* A phone that never stops: what a session adds has an end, and the next one is shown. */
static void test_bound(void)
{
	static unsigned char message[8 + 3 + 10000] = {0x55, CAPFMSG_STATUS_RESPONSE};
	struct transcript t = {.string = ""};
	char path[300];
	off_t end;

	snprintf(path, sizeof path, "%s/long", tap_dir());
	t.fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
	must(t.fd >= 0, "no transcript");
	message[6] = (unsigned char)((sizeof message - 8) >> 8);
	message[7] = (unsigned char)(sizeof message - 8);
	message[8] = 99;
	message[9] = 10000 >> 8;
	message[10] = 10000 & 0xff;
	transcript_begin(&t);
	for (int i = 0; i < 1000; i++)
		transcript_message(&t, false, (struct bytes){message, sizeof message});
	end = lseek(t.fd, 0, SEEK_END);
	ok(end > 256 << 10 && end < 300 << 10, "a session has a bound");
	transcript_begin(&t);
	transcript_message(&t, false, (struct bytes){message, sizeof message});
	ok(lseek(t.fd, 0, SEEK_END) > end + 20000, "the next one begins anew");
	close(t.fd);
}

int main(void)
{
	test_bound();
	write_down("SEP000000000001", "8675309");
	ok(strstr(text, "(SEP000000000001)") != NULL && lines() == 2, "a name is shown");
	write_down("x\n  verdict: works", "8675309");
	ok(lines() == 2 && strstr(text, "verdict") == NULL, "one that is none cannot add a line");
	write_down("SEP8675309", "8675309");
	ok(strstr(text, "left out") != NULL && strstr(text, "8675309") == NULL, "the string is in no name either");
	return tap_done();
}
