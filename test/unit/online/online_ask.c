/* SPDX-License-Identifier: ISC */
/* One CA asked once or several times, by the kinds of src/online, for Bats files; csr-submit does the same with a spool.
 * usage: online_ask [-r RA-KEY] -o FILE TYPE JOB REQUEST [TICKET] FIELD=VALUE...
 * JOB is submit, poll, lost or check. A line: the outcome, the ticket ("-": none), the seconds to wait, the reason; the
 * certificates go to FILE, DER, one behind the other. The most memory it had goes to stderr. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cli/status.h"
#include "online/online_ca.h"
#include "x509/key.h"

const char program[] = "online_ask", synopsis[] = "";

static const char *const words[] = {
	[ONLINE_ISSUED] = "issued", [ONLINE_PENDING] = "pending", [ONLINE_REFUSED] = "refused", [ONLINE_LATER] = "later",
	[ONLINE_LOST] = "lost", [ONLINE_NEVER] = "never", [ONLINE_BROKEN] = "broken",
};

static _Noreturn void give_up(const char *what, const struct reason *why)
{
	printf("%s: %s\n", what, why->text);
	exit(1);
}

static struct csr *load(const char *path, EVP_PKEY *const *ra)
{
	unsigned char *data = NULL;
	size_t len;
	struct reason why = {.text = "cannot be read"};
	struct csr *c = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fileio_read_all(fd, CSR_MAX_BYTES, &data, &len) == 0)
		c = csr_parse(data, len, ra, &why);
	if (c == NULL)
		give_up("request", &why);
	close(fd);
	free(data);
	return c;
}

static void save(const char *path, const struct buf *certificates)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fwrite(certificates->p, 1, certificates->len, f) != certificates->len || fclose(f) != 0)
		exit(111);
}

static void take_settings(struct online_settings *s, char **words_given)
{
	struct reason why;
	char *value;

	for (; *words_given != NULL; words_given++) {
		if ((value = strchr(*words_given, '=')) == NULL)
			exit(100);
		*value++ = '\0';
		if (online_settings_take(s, *words_given, value, &why) != 0)
			give_up("settings", &why);
	}
	if (online_settings_check(s, &why) != 0)
		give_up("settings", &why);
}

static void check(struct online_ca *ca, const char *path)
{
	struct online_report report = {0};
	struct reason why;

	if (ca->kind->check(ca, &report, &why) != 0)
		give_up("check", &why);
	printf("%.*s", (int)report.text.len, (char *)report.text.p);
	save(path, &report.certificates);
	buf_free(&report.text);
	buf_free(&report.certificates);
}

static void ask(struct online_ca *ca, const char *job, const char *request, const char *ticket, EVP_PKEY *const *ra,
    const char *path)
{
	struct csr *c = load(request, ra);
	struct online_answer answer = {.outcome = ONLINE_BROKEN};
	char own[ONLINE_TICKET_MAX + 1];
	struct reason why;

	if (ca->kind->allows(ca->settings, c->proof, &why) != 0)
		give_up("allows", &why);
	if (strcmp(job, "submit") == 0) {
		if (ca->kind->ticket(ca, c, own, &why) != 0)
			give_up("ticket", &why);
		ca->kind->submit(ca, c, own, &answer);
	} else
		ca->kind->poll(ca, c, ticket, strcmp(job, "lost") == 0, &answer);
	printf("%s %s %lld %s\n", words[answer.outcome], *answer.ticket != '\0' ? answer.ticket : "-",
	    (long long)answer.wait, answer.why.text);
	if (answer.outcome == ONLINE_ISSUED)
		save(path, &answer.certificates);
	buf_free(&answer.certificates);
	csr_free(c);
}

int main(int argc, char **argv)
{
	EVP_PKEY *ra[2] = {NULL, NULL};
	const char *path = "/dev/null", *ticket = "";
	struct online_settings settings;
	struct online_ca ca = {.kind = NULL};
	struct secret none = {NULL};
	struct reason why = {.text = ""};
	struct rusage used;
	int c;

	while ((c = getopt(argc, argv, "o:r:")) != -1) {
		if (c == 'o')
			path = optarg;
		else if (c != 'r' || (ra[0] = key_load(optarg, &none, &why)) == NULL)
			return 100;
	}
	argv += optind;
	if (argc - optind < 3)
		return 100;
	online_settings_init(&settings, "lab");
	if (online_settings_take(&settings, "type", argv[0], &why) != 0)
		give_up("settings", &why);
	if (argv[3] != NULL && strchr(argv[3], '=') == NULL)
		ticket = argv[3];
	take_settings(&settings, argv + (*ticket != '\0' ? 4 : 3));
	if (online_open(&ca, &settings, time(NULL), &why) != 0)
		give_up("open", &why);
	if (strcmp(argv[1], "check") == 0)
		check(&ca, path);
	else
		ask(&ca, argv[1], argv[2], ticket, ra, path);
	online_close(&ca);
	EVP_PKEY_free(ra[0]);
	getrusage(RUSAGE_SELF, &used);
	fprintf(stderr, "memory %ld\n", used.ru_maxrss);
	return 0;
}
