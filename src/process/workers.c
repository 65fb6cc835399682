/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/child.h"
#include "process/workers.h"

#define MAX_WORKERS 256
/* A parcel goes to a worker when it holds so many jobs or bytes: large enough that the system calls
 * do not count, small enough that all workers have something to do. */
#define PARCEL_JOBS 32
#define PARCEL_BYTES (256 * 1024)

struct worker {
	pid_t pid;
	int to, from;
	size_t jobs;		/* of the parcel whose answers we have not read */
	int status;		/* of wait, when pid is 0 */
};

/* Parcels go round the workers in turn and their answers are read in the same turn, which keeps the
 * order. A worker has one parcel at a time: it reads all of it before it answers, and we read
 * its answer before we send the next, so neither can wait for the other. */
struct workers {
	struct worker *worker;
	size_t n, most;
	size_t next_send, next_read;
	struct buf parcel;
	size_t jobs;
	bool flushed;
	struct buf answers;	/* of one parcel */
	size_t expected;	/* how many are still in unread */
	struct bytes unread;
	struct worker *broken;	/* whose pipe ended */
	atomic_uint *begun;	/* shared with them: how many jobs of its parcel each has begun */
};

static void give_up(int sig)
{
	(void)sig;
	_exit(1);
}

/* The life of a worker: a parcel of jobs in, a parcel of answers out. */
static int work(const struct workers_task *task, int in, int out, atomic_uint *begun)
{
	struct buf parcel = {0}, answers = {0}, one = {0};
	int result;

	/* A worker that crashes before it has read a job was not made to by one: OpenSSL crashes when it loads a key
	 * and memory is short. That must not look like an attack. */
	signal(SIGSEGV, give_up);
	if (task->init != NULL && task->init(task->ctx) != 0)
		return 1;
	signal(SIGSEGV, SIG_DFL);
	while ((result = child_read_parcel(in, &parcel, UINT32_MAX)) > 0) {
		struct bytes jobs = {parcel.p, parcel.len}, job;

		answers.len = 0;
		while (bytes_get_sized(&jobs, &job.p, &job.len)) {
			one.len = 0;
			atomic_fetch_add_explicit(begun, 1, memory_order_relaxed);
			if (task->work(task->ctx, job, &one) != 0 || one.failed)
				return 1;
			buf_put_sized(&answers, one.p, one.len);
		}
		atomic_store_explicit(begun, 0, memory_order_relaxed);
		if (child_write_parcel(out, &answers) != 0)
			return 1;
	}
	buf_free(&parcel);
	buf_free(&answers);
	buf_free(&one);
	return result == 0 ? 0 : 1;
}

/* For a new worker. */
struct life {
	const struct workers_task *task;
	atomic_uint *begun;
};

static int live(void *ctx, int out)
{
	const struct life *life = ctx;

	return work(life->task, STDIN_FILENO, out, life->begun);
}

static int start_worker(struct workers *p, size_t i, const struct workers_task *task)
{
	struct life life = {task, &p->begun[i]};
	int to[2], from;
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) != 0)
		return -1;
	from = child_start(live, &life, to[0], &pid);
	close(to[0]);
	if (from < 0) {
		close(to[1]);
		return -1;
	}
	p->worker[i] = (struct worker){.pid = pid, .to = to[1], .from = from};
	p->n = i + 1;
	return 0;
}

struct workers *workers_start(size_t n, const struct workers_task *task)
{
	struct workers *p;
	long cpus;

	/* One more than there are processors, so that none is idle while a worker waits for its turn. */
	if (n == 0)
		n = (cpus = sysconf(_SC_NPROCESSORS_ONLN)) > 0 ? (size_t)cpus + 1 : 2;
	if (n > MAX_WORKERS)
		n = MAX_WORKERS;
	if ((p = calloc(1, sizeof *p)) == NULL)
		return NULL;
	p->worker = calloc(n, sizeof *p->worker);
	p->begun = mmap(NULL, MAX_WORKERS * sizeof *p->begun, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->worker == NULL || p->begun == MAP_FAILED) {
		workers_stop(p);
		errno = ENOMEM;
		return NULL;
	}
	p->most = task->most;
	for (size_t i = 0; i < n; i++) {
		if (start_worker(p, i, task) != 0) {
			int saved = errno;

			workers_stop(p);
			errno = saved;
			return NULL;
		}
	}
	return p;
}

/* Sends the parcel to the worker whose turn it is; it must not be busy. */
static int send_parcel(struct workers *p)
{
	struct worker *w = &p->worker[p->next_send];

	if (p->jobs == 0)
		return 0;
	if (child_write_parcel(w->to, &p->parcel) != 0) {
		p->broken = w;
		return -1;
	}
	w->jobs = p->jobs;
	p->next_send = (p->next_send + 1) % p->n;
	p->parcel.len = 0;
	p->jobs = 0;
	return 0;
}

static bool parcel_full(const struct workers *p)
{
	return p->jobs >= PARCEL_JOBS || p->parcel.len >= PARCEL_BYTES;
}

int workers_put(struct workers *p, const void *job, size_t len)
{
	buf_put_sized(&p->parcel, job, len);
	p->jobs++;
	if (parcel_full(p) && p->worker[p->next_send].jobs == 0)
		return send_parcel(p);
	return 0;
}

int workers_flush(struct workers *p)
{
	p->flushed = true;
	return p->worker[p->next_send].jobs > 0 ? 0 : send_parcel(p);
}

/* The next answer of those that were read. 1; -1 when the worker gave fewer than it had jobs, or more. */
static int take_answer(struct workers *p, struct bytes *answer)
{
	p->expected--;
	if (bytes_get_sized(&p->unread, &answer->p, &answer->len) && (p->expected > 0 || p->unread.len == 0))
		return 1;
	errno = EPROTO;
	return -1;
}

int workers_next(struct workers *p, struct bytes *answer)
{
	struct worker *w = &p->worker[p->next_read];
	int result;

	if (p->expected > 0)
		return take_answer(p, answer);
	/* Wait for an answer only when a full parcel waits for this worker, or at the end. */
	if (w->jobs == 0 || (!p->flushed && !parcel_full(p)))
		return 0;
	if ((result = child_read_parcel(w->from, &p->answers, w->jobs * (p->most + 4))) <= 0) {
		p->broken = w;
		if (result == 0)
			errno = EPIPE;
		return -1;
	}
	p->expected = w->jobs;
	w->jobs = 0;
	p->next_read = (p->next_read + 1) % p->n;
	p->unread = (struct bytes){p->answers.p, p->answers.len};
	if ((parcel_full(p) || p->flushed) && p->worker[p->next_send].jobs == 0 && send_parcel(p) != 0)
		return -1;
	return take_answer(p, answer);
}

/* Ends one worker. Its status. */
static int end_worker(struct worker *w)
{
	if (w->pid > 0) {
		close(w->to);
		w->status = child_end(w->pid, w->from);
		w->pid = 0;
	}
	return w->status;
}

int workers_signal(struct workers *p)
{
	int status = p->broken != NULL ? end_worker(p->broken) : 0;

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

size_t workers_culprit(const struct workers *p)
{
	const struct worker *w = p->broken;
	size_t begun = w != NULL ? atomic_load_explicit(&p->begun[w - p->worker], memory_order_relaxed) : 0;

	return w != NULL && begun <= w->jobs ? begun : 0;
}

int workers_stop(struct workers *p)
{
	int result = 0;

	if (p == NULL)
		return 0;
	/* All pipes first, so that they end side by side. */
	for (size_t i = 0; i < p->n; i++) {
		if (p->worker[i].pid > 0) {
			close(p->worker[i].to);
			close(p->worker[i].from);
			p->worker[i].to = p->worker[i].from = -1;
		}
	}
	for (size_t i = 0; i < p->n; i++)
		if (end_worker(&p->worker[i]) != 0)
			result = -1;
	if (p->begun != MAP_FAILED)
		munmap(p->begun, MAX_WORKERS * sizeof *p->begun);
	buf_free(&p->parcel);
	buf_free(&p->answers);
	free(p->worker);
	free(p);
	return result;
}
