/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/monotime.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/terminal.h"

#define DELAY_MS 1000	/* shorter work needs no line */
#define EVERY_MS 200

void progress_start(struct progress *p, const char *what, size_t total)
{
	*p = (struct progress){.what = what, .total = total, .fd = -1, .is_terminal = isatty(STDERR_FILENO) == 1 && terminal_is_able()};
	p->began = p->is_terminal ? monotime_ms() : 0;
	p->last = p->began + DELAY_MS - EVERY_MS;
}

void progress_of_file(struct progress *p, int fd)
{
	struct stat st;

	p->fd = -1;
	if (!p->is_terminal || fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	p->fd = fd;
	p->size = st.st_size;
}

int progress_archive(const char *name)
{
	struct stat st;

	if (strcmp(name, "-") == 0)
		return STDIN_FILENO;
	/* To open a FIFO is to wait. What cannot be opened is said by who reads it. */
	return stat(name, &st) == 0 && S_ISREG(st.st_mode) ? open(name, O_RDONLY | O_CLOEXEC) : -1;
}

static void step(void *ctx)
{
	struct progress *p = ctx;

	progress_show(p, ++p->steps / p->each);
}

void progress_of_spool(struct progress *p, struct spool *s, size_t each)
{
	p->spool = s;
	p->each = each;
	s->step = step;
	s->step_ctx = p;
}

void progress_part(struct progress *p, uint64_t done, uint64_t all)
{
	/* Of one thing nothing is known before it is done. */
	p->done = done;
	p->all = all > 1 ? all : 0;
}

/* 0 to 1, or -1. */
static double part_of(const struct progress *p, size_t n)
{
	off_t at = p->fd >= 0 ? lseek(p->fd, 0, SEEK_CUR) : -1;
	double part = -1;

	if (p->total > 0)
		part = (double)n / (double)p->total;
	else if (at >= 0)
		part = (double)at / (double)p->size;
	else if (p->all > 0)
		part = (double)p->done / (double)p->all;
	return part > 1 ? 1 : part;
}

static void put_left(char *out, size_t size, double seconds)
{
	unsigned long left = seconds < 1 ? 1 : (unsigned long)(seconds + 0.5);

	if (left < 100)
		snprintf(out, size, ", %lu s left", left);
	else if (left < 6000)
		snprintf(out, size, ", %lu min left", (left + 30) / 60);
	else
		snprintf(out, size, ", %lu h %lu min left", left / 3600, left / 60 % 60);
}

void progress_text(const struct progress *p, size_t n, double part, long long ms, char out[PROGRESS_LINE])
{
	double seconds = (double)ms / 1000, rate = seconds > 0 ? (double)n / seconds : 0;
	char of[48] = "", percent[24] = "", speed[48] = "", left[48] = "";

	if (p->total > 0)
		snprintf(of, sizeof of, " of %zu", p->total);
	else if (part >= 0)
		snprintf(percent, sizeof percent, ", %d %%", (int)(part * 100));
	if (n > 0)
		snprintf(speed, sizeof speed, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
	if (part > 0 && part < 1 && seconds / part < 1e9)
		put_left(left, sizeof left, seconds / part - seconds);
	snprintf(out, PROGRESS_LINE, "%s: %zu%s %s%s%s%s", program, n, of, p->what, percent, speed, left);
}

void progress_show(struct progress *p, size_t n)
{
	char line[PROGRESS_LINE];
	unsigned columns, lines;
	long long now;

	if (!p->is_terminal || (now = monotime_ms()) - p->last < EVERY_MS)
		return;
	p->last = now;
	p->shown = true;
	terminal_size(STDERR_FILENO, &columns, &lines);
	progress_text(p, n, part_of(p, n), now - p->began, line);
	/* One that wraps could not be taken away. */
	fprintf(stderr, "\r%.*s\033[K", (int)columns - 1, line);
}

void progress_end(struct progress *p)
{
	if (p->is_terminal && p->shown)
		fprintf(stderr, "\r\033[K");
	p->is_terminal = false;
	if (p->spool != NULL)
		p->spool->step = NULL;
	p->spool = NULL;
}

void progress_totals(const struct progress_total *total, size_t words)
{
	if (isatty(STDERR_FILENO) != 1)
		return;
	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	for (size_t i = 0; i < words; i++)
		if (i == 0 || total[i].n > 0)
			fprintf(stderr, "%s%zu %s", i > 0 ? ", " : "", total[i].n, total[i].word);
	fputc('\n', stderr);
}
