/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "online/transfer.h"

#define PROTOCOLS "ftp,ftps,tftp"
#define CONNECT_SECONDS 30

struct log_output {
	int fd;
	uint64_t left;		/* how many bytes may still come */
	bool too_much;
};

bool transfer_is_url(const char *text)
{
	return strncasecmp(text, "ftp://", 6) == 0 || strncasecmp(text, "ftps://", 7) == 0 ||
	    strncasecmp(text, "tftp://", 7) == 0;
}

char *transfer_public(const char *url)
{
	const char *host = strstr(url, "://"), *at, *slash;
	char *out;

	if (host == NULL)
		return strdup(url);
	host += 3;
	slash = host + strcspn(host, "/");
	at = memrchr(host, '@', (size_t)(slash - host));
	if (asprintf(&out, "%.*s%s", (int)(host - url), url, at != NULL ? at + 1 : host) < 0)
		return NULL;
	return out;
}

int transfer_buffer(void)
{
	return memfd_create("archive", MFD_CLOEXEC);
}

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
	struct log_output *sink = ctx;

	if (size * n > sink->left) {
		sink->too_much = true;
		return 0;
	}
	sink->left -= size * n;
	return fileio_write_all(sink->fd, data, size * n) == 0 ? size * n : 0;
}

static size_t give(char *data, size_t size, size_t n, void *ctx)
{
	ssize_t got = fileio_read_full(*(int *)ctx, data, size * n);

	return got >= 0 ? (size_t)got : CURL_READFUNC_ABORT;
}

/* A handle for one transfer: no other protocol, no proxy from the environment, no signals; user and
 * password from the address or, better, from ~/.netrc. NULL when it cannot be made. */
static CURL *prepare(const char *url, const struct transfer_limits *limits, char error[CURL_ERROR_SIZE])
{
	CURL *c;

	error[0] = '\0';
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (c = curl_easy_init()) == NULL)
		return NULL;
	if (curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, PROTOCOLS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_TIMEOUT, limits->seconds) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, limits->speed) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, limits->stall_seconds) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK)
		return c;
	curl_easy_cleanup(c);
	return NULL;
}

/* What ended it, when that was one of our limits; libcurl's own words may be about something else. 0 when they are
 * better. */
static int exceeded(CURL *c, const struct transfer_limits *limits, struct reason *why)
{
	curl_off_t us = 0, down = 0, up = 0;

	curl_easy_getinfo(c, CURLINFO_TOTAL_TIME_T, &us);
	curl_easy_getinfo(c, CURLINFO_SIZE_DOWNLOAD_T, &down);
	curl_easy_getinfo(c, CURLINFO_SIZE_UPLOAD_T, &up);
	/* libcurl's clock and its timer are not quite the same. */
	if (us / 1000 + 500 >= (curl_off_t)limits->seconds * 1000)
		return reason_set(why, "takes longer than %ld s (transfer-timeout)", limits->seconds);
	if (down + up > 0)
		return reason_set(why, "moves fewer than %ld bytes a second for %ld s (transfer-min-speed, "
		    "transfer-stall)", limits->speed, limits->stall_seconds);
	return 0;
}

/* Does it; -1 with what libcurl says. */
static int perform(CURL *c, const struct transfer_limits *limits, const char *error, struct reason *why)
{
	CURLcode code = curl_easy_perform(c);

	if (code == CURLE_OK)
		return 0;
	if (code == CURLE_OPERATION_TIMEDOUT && exceeded(c, limits, why) != 0)
		return -1;
	return reason_set(why, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
}

int transfer_fetch(const char *url, uint64_t cap, const struct transfer_limits *limits, struct reason *why)
{
	struct log_output sink = {transfer_buffer(), cap, false};
	char error[CURL_ERROR_SIZE];
	CURL *c = prepare(url, limits, error);
	int result = reason_memory(why);

	if (c == NULL || sink.fd < 0)
		; /* said already */
	else if (curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_WRITEDATA, &sink) == CURLE_OK)
		result = perform(c, limits, error, why);
	if (sink.too_much)
		result = reason_set(why, "is larger than %llu bytes", (unsigned long long)cap);
	if (result == 0 && lseek(sink.fd, 0, SEEK_SET) != 0)
		result = reason_errno(why);
	curl_easy_cleanup(c);
	curl_global_cleanup();
	if (result == 0)
		return sink.fd;
	if (sink.fd >= 0)
		close(sink.fd);
	return -1;
}

/* For FTP: the commands that give the file its name once it is there. NULL for TFTP, which has none. */
static struct curl_slist *renaming(const char *url, char **temporary)
{
	const char *name = strrchr(url, '/') + 1;
	struct curl_slist *list = NULL, *more;
	char from[512], to[512];

	if (strncasecmp(url, "tftp", 4) == 0 || *name == '\0' || strpbrk(name, "%;?#\r\n") != NULL ||
	    strlen(name) > sizeof from - 16 || asprintf(temporary, "%s.part", url) < 0)
		return NULL;
	snprintf(from, sizeof from, "RNFR %s.part", name);
	snprintf(to, sizeof to, "RNTO %s", name);
	if ((list = curl_slist_append(NULL, from)) != NULL && (more = curl_slist_append(list, to)) != NULL)
		return more;
	curl_slist_free_all(list);
	return NULL;
}

int transfer_send(const char *url, int fd, const struct transfer_limits *limits, struct reason *why)
{
	char error[CURL_ERROR_SIZE], *temporary = NULL;
	struct curl_slist *rename = renaming(url, &temporary);
	CURL *c = prepare(rename != NULL ? temporary : url, limits, error);
	int result = reason_memory(why);
	struct stat st;

	if (c != NULL && (fstat(fd, &st) != 0 || lseek(fd, 0, SEEK_SET) != 0))
		reason_errno(why);
	else if (c != NULL && curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READFUNCTION, give) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_READDATA, &fd) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size) == CURLE_OK &&
	    curl_easy_setopt(c, CURLOPT_POSTQUOTE, rename) == CURLE_OK)
		result = perform(c, limits, error, why);
	curl_easy_cleanup(c);
	curl_slist_free_all(rename);
	curl_global_cleanup();
	free(temporary);
	return result;
}
