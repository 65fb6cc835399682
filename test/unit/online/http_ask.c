/* SPDX-License-Identifier: ISC */
/* HTTP exchanges by src/online/http.c, for test/fail/http.bats: one for each address, one after the other, by one
 * struct http.
 * usage: http_ask [-pns] [-a cas] [-b bytes] [-c certificate] [-k key] [-P pass] [-u user:password] [-t seconds]
 *            [-w ms] [-m type -f file] URL...
 * A line for each: the result, the status, the type, the seconds of Retry-After, the size of the body, and a short body; or the
 * result and the reason. -s confines it as the programs are; -w waits before each but the first. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fileio.h"
#include "cli/confine.h"
#include "cli/status.h"
#include "online/http.h"

#include <fcntl.h>
#include <unistd.h>

const char program[] = "http_ask", synopsis[] = "";

static const char *const words[] = {
	[HTTP_ANSWERED] = "answered", [HTTP_NOT_SENT] = "not-sent", [HTTP_NO_ANSWER] = "no-answer",
	[HTTP_UNTRUSTED] = "untrusted", [HTTP_TROUBLE] = "trouble",
};

static void one(struct http *h, struct http_ask *ask)
{
	struct http_answer answer;
	struct reason why = {.text = ""};
	enum http_result result = http_exchange(h, ask, &answer, &why);

	if (result == HTTP_ANSWERED)
		printf("answered %ld [%s] %lld %zu %.*s\n", answer.status, answer.type, (long long)answer.wait,
		    answer.body.len, (int)(answer.body.len < 60 ? answer.body.len : 0), (char *)answer.body.p);
	else
		printf("%s: %s\n", words[result], why.text);
	fflush(stdout);
	buf_free(&answer.body);
}

/* As csr-submit is confined; below the directory nothing, which is empty. */
static void confine(void)
{
	int dirfd = open("nothing", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0) {
		perror("nothing");
		exit(111);
	}
	confine_online(SANDBOX_READ, dirfd, false);
}

int main(int argc, char **argv)
{
	struct http_settings s = {.connect_seconds = 10, .seconds = 60, .most = 1024 * 1024};
	struct http_ask ask = {.accept = NULL};
	struct reason why = {.text = ""};
	unsigned char *body = NULL;
	long ms = 0;
	bool confined = false;
	struct http *h;
	struct rusage used;
	int c, fd;

	while ((c = getopt(argc, argv, "a:b:c:f:k:m:nP:pst:u:w:")) != -1) {
		switch (c) {
		case 'a': s.ca_file = optarg; break;
		case 'b': s.most = strtoul(optarg, NULL, 10); break;
		case 'c': s.certificate = optarg; break;
		case 'f':
			if ((fd = open(optarg, O_RDONLY)) < 0 || fileio_read_all(fd, 1 << 24, &body, &ask.body.len) != 0)
				return 111;
			ask.body.p = body;
			close(fd);
			break;
		case 'k': s.key = optarg; break;
		case 'm': ask.type = optarg; break;
		case 'n': s.ntlm = true; break;
		case 'P': s.pass = optarg; break;
		case 'p': s.plain = true; break;
		case 's': confined = true; break;
		case 't': s.seconds = strtol(optarg, NULL, 10); break;
		case 'u':
			s.user = optarg;
			if ((s.password = strchr(optarg, ':')) == NULL)
				return 100;
			*strchr(optarg, ':') = '\0';
			s.password++;
			break;
		case 'w': ms = strtol(optarg, NULL, 10); break;
		default: return 100;
		}
	}
	if ((h = http_open(&s, &why)) == NULL) {
		printf("open: %s\n", why.text);
		return 1;
	}
	if (confined)
		confine();
	for (int i = optind; i < argc; i++) {
		ask.url = argv[i];
		one(h, &ask);
		if (ms > 0 && i + 1 < argc)
			nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
	}
	http_close(h);
	free(body);
	getrusage(RUSAGE_SELF, &used);
	fprintf(stderr, "memory %ld\n", used.ru_maxrss);
	return 0;
}
