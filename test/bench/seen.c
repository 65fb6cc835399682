/* SPDX-License-Identifier: ISC */
/* seen: says when files appear in folders: a line "SECONDS FOLDER/NAME" for each, by CLOCK_MONOTONIC. The first line, "ready",
 * says that it watches. It ends when it is killed.
 *
 * usage: seen folder ... */
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	_Alignas(struct inotify_event) char room[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	int fd = inotify_init1(IN_CLOEXEC);
	const struct inotify_event *e;
	struct timespec now;
	ssize_t len;

	/* The n-th watch has the number n. */
	for (int i = 1; i < argc; i++)
		if (inotify_add_watch(fd, argv[i], IN_CREATE | IN_MOVED_TO) != i) {
			perror(argv[i]);
			return 111;
		}
	puts("ready");
	fflush(stdout);
	while ((len = read(fd, room, sizeof room)) > 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		for (const char *p = room; p < room + len; p += sizeof *e + e->len) {
			e = (const struct inotify_event *)p;
			if (e->wd >= 1 && e->wd < argc && e->len > 0)
				printf("%ld.%06ld %s/%s\n", (long)now.tv_sec, now.tv_nsec / 1000, argv[e->wd], e->name);
		}
		fflush(stdout);
	}
	perror("seen");
	return 111;
}
