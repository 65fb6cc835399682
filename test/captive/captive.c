/* SPDX-License-Identifier: ISC */
/* Linked into a program in place of nothing: the linker leads some calls through here (--wrap, see the
 * Makefile), so that what runs inside a confined process of the real program does what somebody would do
 * who had taken it over. No program that is installed has any of this.
 *
 * CAPTIVE_IN says where: reader (who unpacks), judge (who parses and signs), checker (of a manifest), parent; worker,
 * issuing, records and traces of capf-serve; asking, who speaks with a CA.
 * CAPTIVE_TRY names attempts, with commas; what became of each goes to stderr when the program ends.
 * CAPTIVE_LATER is how many calls there are let by before that.
 * CAPTIVE_BURN is how many milliseconds of processor time a judge needs for each request.
 * CAPTIVE_TO is a unix socket that a worker has no business with.
 * CAPTIVE_ASK is the device that a worker asks the issuing process for, whatever phone has come, and whose record it
 * wants to change.
 * CAPTIVE_LIE is what a reader or judge says instead of the truth.
 * CAPTIVE_SECONDS is what any thing may take instead of what the program says.
 * CAPTIVE_OFF takes the sandbox away: then the attempts must succeed, or they would prove nothing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "archive/manifest.h"
#include "archive/untar.h"
#include "ca/issue.h"
#include "ca/ledger.h"
#include "process/sandbox.h"
#include "process/child.h"
#include "quarantine/unpack.h"
#include "quarantine/verdict.h"
#include "server/connection.h"
#include "server/control.h"
#include "server/issuer_process.h"
#include "server/load.h"
#include "server/outcome.h"
#include "server/records_packet.h"
#include "server/trace_packet.h"
#include "spool/batch.h"
#include "spool/trace_files.h"
#include "x509/cert.h"
#include "x509/csr.h"
#include "x509/ctl.h"

#define OUT 3		/* where a child of the pool speaks to its parent */

extern const char program[];

#define CONTROL 3	/* a worker's socket to its master; its listener follows */
#define LISTENER 4
#define RECORDS 5	/* its socket to its records process */
#define DESCRIPTORS 64	/* more than a worker has at first */

static struct load *load;	/* of a worker */
static int traces = -1;		/* its socket to the process that writes traces */
static pid_t first;	/* the process that main() is in */
/* All processes write here, since a confined one may have no other way. */
static struct {
	bool begun;
	int calls;
	char text[4096];
} *shared;

/* Attempts. */

static int fd_result(int fd)
{
	return fd >= 0 ? close(fd) : -1;
}
static int passwd(void)
{
	return fd_result(open("/etc/passwd", O_RDONLY));
}
static int make(void)
{
	return fd_result(open("captured", O_WRONLY | O_CREAT, 0600));
}
static int taking_key(void)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/ca/capf.pem", getenv("CAPF_SPOOL"));
	return fd_result(open(path, O_RDONLY));
}
static int inet(void)
{
	return fd_result(socket(AF_INET, SOCK_STREAM, 0));
}
static int local(void)
{
	return fd_result(socket(AF_UNIX, SOCK_STREAM, 0));
}
/* It has no socket to connect: to hear that from the kernel is to have been let through. */
static int connecting(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return connect(-1, (struct sockaddr *)&to, sizeof to) == 0 || errno == EBADF ? 0 : -1;
}
static int spawn(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}
static int signalling(void)
{
	return kill(first, 0);
}
static int tracing(void)
{
	int status;

	if (ptrace(PTRACE_SEIZE, first, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, first, NULL, NULL) != 0 ||
	    waitpid(first, &status, 0) != first)
		return -1;
	return ptrace(PTRACE_DETACH, first, NULL, NULL) == 0 ? 0 : -1;
}
static int memory(void)
{
	pid_t there = 0;
	struct iovec to = {&there, sizeof there}, from = {&first, sizeof first};

	return process_vm_readv(first, &to, 1, &from, 1, 0) == sizeof there ? 0 : -1;
}
static int speaking(void)
{
	static const char line[] = "cert-import: all is well\n";

	return write(STDERR_FILENO, line, sizeof line - 1) == sizeof line - 1 ? 0 : -1;
}
static int executing(void)
{
	return execl("/bin/sh", "sh", "-c", ": >executed", (char *)NULL);
}

static int sleeping(void)
{
	return sleep(2) == 0 ? 0 : -1;
}
static _Noreturn int spinning(void)
{
	for (;;)
		;
}

static int asking(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}
/* Of another process, which would be killed by one of processor time. */
static int limiting(void)
{
	const struct rlimit none = {0, 0};

	return prlimit(first, RLIMIT_CORE, &none, NULL);
}
static int ending_listener(void)
{
	return shutdown(LISTENER, SHUT_RD);
}
static int sent(ssize_t n)
{
	return n >= 0 || errno == EINPROGRESS ? 0 : -1;
}
static const struct sockaddr_in outside = {.sin_family = AF_INET, .sin_port = 0x0900};
/* Out of what was a listener. */
static int fast_open(void)
{
	shutdown(LISTENER, SHUT_RD);
	return sent(sendto(LISTENER, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)&outside,
	    sizeof outside));
}
static int fast_message(void)
{
	char x = 'x';
	struct iovec one = {&x, 1};
	struct msghdr m = {.msg_name = (void *)(uintptr_t)&outside, .msg_namelen = sizeof outside,
	    .msg_iov = &one, .msg_iovlen = 1};

	shutdown(LISTENER, SHUT_RD);
	return sent(sendmsg(LISTENER, &m, MSG_FASTOPEN | MSG_NOSIGNAL));
}
/* No phone would reach it any more. */
static int filtering(void)
{
	struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	const struct sock_fprog all = {1, &nothing};

	return setsockopt(LISTENER, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all);
}
/* The other workers would wait in accept4() for ever. */
static int blocking(void)
{
	return fcntl(LISTENER, F_SETFL, 0);
}
/* The journal, open for writing. */
static int journal(void)
{
	const char *spool = getenv("CAPF_SPOOL");
	struct stat a, b;
	char path[4096];

	snprintf(path, sizeof path, "%s/journal", spool != NULL ? spool : "");
	for (int fd = CONTROL; stat(path, &a) == 0 && fd < DESCRIPTORS; fd++)
		if (fstat(fd, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
			return fd;
	abort();
}
static int emptying(void)
{
	return ftruncate(journal(), 0);
}
static int punching(void)
{
	return fallocate(journal(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8);
}
static int rewriting(void)
{
	return fcntl(journal(), F_SETFL, 0) == 0 && pwrite(journal(), "xxxxxxxx", 8, 0) == 8 ? 0 : -1;
}
static int mapping(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, journal(), 0);

	return p != MAP_FAILED && memset(p, 'x', 8) == p ? 0 : -1;
}
static int forbidding(void)
{
	return fchmod(journal(), 0);
}
/* What others say of themselves: the master would kill them. */
static int silencing(void)
{
	char *all = (char *)(uintptr_t)load->all;

	if (mprotect(all, load->workers * load->page, PROT_READ | PROT_WRITE) != 0)
		return -1;
	memset(all, 0, load->workers * load->page);
	return 0;
}
static int scribbling(void)
{
	memset(load->own, 0, load->workers * load->page);
	return 0;
}
/* Each way to each socket but its master's: what arrives counts. */
static int sending(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[] = "captured";
	struct iovec one = {text, sizeof text - 1};
	struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &one, .msg_iovlen = 1};
	const char *path = getenv("CAPTIVE_TO");
	int result = -1;

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path != NULL ? path : "");
	for (int fd = LISTENER; fd < DESCRIPTORS; fd++) {
		if (sendto(fd, "captured", 8, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to) == 8 ||
		    sendmsg(fd, &m, MSG_NOSIGNAL) == 8)
			result = 0;
	}
	return result;
}
static int wanting(void)
{
	return control_send(CONTROL, CONTROL_WANTED, (struct bytes){NULL, 0}, -1);
}

/* Another device's record. */
static const char *other(void)
{
	const char *device = getenv("CAPTIVE_ASK");

	return device != NULL ? device : "";
}
static const char *in_spool(char path[4096], const char *folder, const char *name, const char *suffix)
{
	const char *spool = getenv("CAPF_SPOOL");

	snprintf(path, 4096, "%s/%s/%s%s", spool != NULL ? spool : "", folder, name, suffix);
	return path;
}
static const char forged[] = "operation = install\nauth = null\nkey-order = rsa\nrsa = 2048\nec = 384\n"
    "scheduled = 2026-01-01T00:00:00Z\n";
/* In a folder that a worker may write to, or the attempts would prove nothing. */
static const char *forgery(char path[4096])
{
	int fd = open(in_spool(path, "csr", "forged", ""), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, forged, sizeof forged - 1) != sizeof forged - 1 || close(fd) != 0)
		abort();
	return path;
}
static int overwrite(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | flags, 0600);

	if (fd < 0)
		return -1;
	return write(fd, forged, sizeof forged - 1) == sizeof forged - 1 && close(fd) == 0 ? 0 : -1;
}
static int reading_record(void)
{
	char path[4096];

	return fd_result(open(in_spool(path, "phone", other(), ".conf"), O_RDONLY));
}
static int writing_record(void)
{
	char path[4096];

	return overwrite(in_spool(path, "phone", other(), ".conf"), O_TRUNC);
}
static int making_record(void)
{
	char path[4096];

	return overwrite(in_spool(path, "phone", "SEP0000000000FF", ".conf"), O_CREAT | O_EXCL);
}
static int renaming_record(void)
{
	char from[4096], to[4096];

	return rename(forgery(from), in_spool(to, "phone", other(), ".conf"));
}
static int linking_record(void)
{
	char from[4096], to[4096];

	return link(forgery(from), in_spool(to, "phone", "SEP0000000000FE", ".conf"));
}
static int unlinking_record(void)
{
	char path[4096];

	return unlink(in_spool(path, "phone", other(), ".conf"));
}
/* What phone-set, trust-add or capf-init is just writing, in a stage of its own. */
static int swapping(void)
{
	char path[4096];

	return overwrite(in_spool(path, "tmp/0123456789abcdef", "record", ""), O_TRUNC);
}
static int staging(void)
{
	char path[4096];

	return mkdir(in_spool(path, "tmp", "fedcba9876543210", ""), 0700);
}

/* One request and its answer. */
static int converse(const struct records_request *q, struct records_reply *r)
{
	static unsigned char packet[RECORDS_PACKET_MAX];
	struct buf b = {0};
	ssize_t n;

	records_request_put(q, &b);
	n = send(RECORDS, b.p, b.len, MSG_NOSIGNAL);
	buf_free(&b);
	if (n > 0)
		n = recv(RECORDS, packet, sizeof packet, 0);
	if (n > 0 && records_reply_get((struct bytes){packet, (size_t)n}, r))
		return 0;
	errno = EPIPE;
	return -1;
}
static int request(struct records_request q, struct records_reply *r)
{
	snprintf(q.device, sizeof q.device, "%s", other());
	return converse(&q, r);
}
static int commit(struct records_reply *r)
{
	return converse(&(struct records_request){.type = RECORDS_STAGE}, r) == 0 && r->result == 0 &&
	    converse(&(struct records_request){.type = RECORDS_PUBLISH}, r) == 0 ? r->result : -1;
}
static int look_at(struct phone *p, struct phone_state *st)
{
	struct records_reply r;

	return request((struct records_request){.type = RECORDS_LOOK}, &r) == 0 && r.result == 1 &&
	    bytes_get_copy(&r.body, p, sizeof *p) && bytes_get_copy(&r.body, st, sizeof *st) ? 0 : -1;
}
static int denied(void)
{
	errno = EPERM;
	return -1;
}
static int learning(void)
{
	struct phone_state st;
	struct phone p;

	return look_at(&p, &st) != 0 ? -1 : *p.string != '\0' ? 0 : denied();
}
/* An order that has ended. */
static int reviving(void)
{
	struct records_reply r;
	struct phone_state st;
	struct phone p;

	if (look_at(&p, &st) != 0 || request((struct records_request){.type = RECORDS_CHANGE, .order = p.order,
	    .change = {.status = PHONE_PENDING}, .why = "revived"}, &r) != 0 || commit(&r) != 0 || look_at(&p, &st) != 0)
		return -1;
	return st.status == PHONE_PENDING ? 0 : denied();
}
/* Changes of an order that was never given. */
static int ordering(void)
{
	struct records_reply r;
	struct phone_state st;
	struct phone p;

	if (look_at(&p, &st) != 0 || request((struct records_request){.type = RECORDS_CHANGE, .order = p.order + 1,
	    .change = {.status = PHONE_PENDING}, .why = "ordered"}, &r) != 0 || commit(&r) != 0)
		return -1;
	return look_at(&p, &st) == 0 && strcmp(st.reason, "ordered") == 0 ? 0 : denied();
}
/* Many strings, each in a commit of its own, or all in one. */
static int guess_strings(bool together)
{
	struct records_reply r;
	struct phone_state st;
	unsigned compared = 0;
	char string[16];
	struct phone p;

	if (look_at(&p, &st) != 0)
		return -1;
	for (int i = 0; i < 50; i++) {
		snprintf(string, sizeof string, "%d", 700000 + i);
		if (request((struct records_request){.type = RECORDS_GUESS, .number = 1u << 20, .order = p.order,
		    .password = {(unsigned char *)string, strlen(string)}}, &r) != 0)
			return -1;
		if (together && i < 49)
			continue;
		if (commit(&r) != 0)
			return -1;
		compared += (unsigned)(r.body.len / 9);
	}
	/* As many as string-tries has by default: that it was so many shows that they were tried. */
	return compared == 50 ? 0 : compared == 3 ? denied() : -1;
}
static int guessing(void)
{
	return guess_strings(false);
}
static int guessing_at_once(void)
{
	return guess_strings(true);
}
/* What is no request ends the process. */
static int publishing(void)
{
	struct records_reply r;

	return converse(&(struct records_request){.type = RECORDS_PUBLISH}, &r);
}
static int escaping(void)
{
	struct records_request q = {.type = RECORDS_LOOK, .device = "../ca/capf"};
	struct records_reply r;

	return converse(&q, &r);
}
static int inventing(void)
{
	struct records_reply r;

	return request((struct records_request){.type = RECORDS_REQUESTS}, &r);
}

/* Traces. */
static int tracing_as(enum trace_packet_type type, uint64_t number, const char *device, const char *text, size_t len)
{
	struct trace_packet t = {.type = type, .number = number, .text = {(const unsigned char *)text, len}};
	struct buf out = {0};
	ssize_t n;

	snprintf(t.device, sizeof t.device, "%s", device);
	trace_packet_put(&t, &out);
	n = send(traces, out.p, out.len, MSG_NOSIGNAL);
	buf_free(&out);
	return n > 0 ? 0 : -1;
}
static int opening_trace(void)
{
	char path[4096];

	return fd_result(open(in_spool(path, "session", "captured", ""), O_WRONLY | O_CREAT, 0600));
}
static int flooding_traces(void)
{
	static char text[TRACE_CHUNK_MAX];
	char device[24];
	int result = 0;

	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	for (int i = 0; i < 600 && result == 0; i++) {
		snprintf(device, sizeof device, "SEPF%d", i);
		result = tracing_as(TRACE_BEGIN, 1, device, text, sizeof text);
		for (int j = 0; j < 6 && result == 0; j++)
			result = tracing_as(TRACE_MORE, 1, device, text, sizeof text);
		if (result == 0)
			result = tracing_as(TRACE_STRANGER, 0, "", text, sizeof text);
	}
	return result;
}
static int misnaming_trace(void)
{
	return tracing_as(TRACE_BEGIN, 1, "../csr/captured", "captured\n", 9);
}
static int lying_trace(void)
{
	return tracing_as(TRACE_BEGIN, 1, "SEPcaptured", "cap\033[2Jtured\n", 13);
}

static void try_one(const char *what, size_t len)
{
	static const struct {
		const char *name;
		int (*attempt)(void);
	} attempts[] = {
		{"passwd", passwd}, {"capf-key", taking_key}, {"make", make}, {"inet", inet}, {"unix", local},
		{"connect", connecting}, {"fork", spawn}, {"signal", signalling},
		{"ptrace", tracing}, {"speak", speaking}, {"memory", memory}, {"exec", executing},
		{"sleep", sleeping}, {"spin", spinning}, {"stat", asking}, {"limit", limiting},
		{"fast-open", fast_open}, {"fast-message", fast_message}, {"listener", ending_listener},
		{"filter", filtering}, {"block", blocking}, {"empty", emptying}, {"punch", punching},
		{"rewrite", rewriting}, {"map", mapping}, {"chmod", forbidding}, {"silence", silencing},
		{"scribble", scribbling}, {"send", sending}, {"wanted", wanting},
		{"read-record", reading_record}, {"write-record", writing_record}, {"make-record", making_record},
		{"rename-record", renaming_record}, {"link-record", linking_record},
		{"unlink-record", unlinking_record}, {"swap", swapping}, {"stage", staging}, {"learn", learning},
		{"revive", reviving}, {"order", ordering}, {"guess", guessing}, {"guess-at-once", guessing_at_once},
		{"open-trace", opening_trace}, {"flood-traces", flooding_traces}, {"misname-trace", misnaming_trace},
		{"lie-trace", lying_trace},
		{"publish", publishing}, {"escape", escaping}, {"invent", inventing},
	};
	char *end = shared->text + strlen(shared->text);
	size_t room = sizeof shared->text - strlen(shared->text);

	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		if (strlen(attempts[i].name) != len || memcmp(attempts[i].name, what, len) != 0)
			continue;
		/* Stays so, when the attempt is its end. */
		snprintf(end, room, "captive: %s: tried\n", attempts[i].name);
		errno = 0;
		snprintf(end, room, "captive: %s: %s\n", attempts[i].name,
		    attempts[i].attempt() == 0 ? "done" : strerror(errno));
	}
}

/* Lies. */

static void put_entry(struct buf *b, enum unpack_kind kind, const char *name, const void *data,
    size_t len)
{
	struct unpacked u = {.kind = kind, .data = {data, len}};

	snprintf(u.name, sizeof u.name, "%s", name);
	unpack_encode(&u, b);
}

static void lie_of_reader(const char *what)
{
	static const unsigned char huge[4] = {255, 255, 255, 255}, torn[8] = {0, 0, 1, 0, 7, 7, 7, 7};
	static char large[1 << 17];
	struct unpacked escape = {.kind = UNPACK_REFUSED, .name = "x\naccepted\t\x1b[2J",
	    .reason = {.text = "y\naccepted\t\x1b[2J"}};
	struct buf b = {0};
	ssize_t n = 0;

	/* The others are given their archives by name. */
	if (strcmp(program, "cert-import") != 0)
		put_entry(&b, UNPACK_FILE, "", NULL, 0);
	if (strcmp(what, "huge") == 0)
		n = write(OUT, huge, sizeof huge);
	else if (strcmp(what, "torn") == 0)
		n = write(OUT, torn, sizeof torn);
	else if (strcmp(what, "kind") == 0)
		put_entry(&b, (enum unpack_kind)99, "x", "", 0);
	else if (strcmp(what, "data") == 0)
		put_entry(&b, UNPACK_REFUSED, "x", "junk", 4);
	else if (strcmp(what, "files") == 0)
		for (int i = 0; i < 2; i++)
			put_entry(&b, UNPACK_FILE, "", NULL, 0);
	else if (strcmp(what, "large") == 0)
		put_entry(&b, UNPACK_ENTRY, "x", large, sizeof large);
	else if (strcmp(what, "early") == 0)
		b.len = 0;
	else if (strcmp(what, "escape") == 0)
		unpack_encode(&escape, &b);
	else if (strcmp(what, "long-name") == 0) {
		buf_put_u8(&b, UNPACK_ENTRY);
		buf_put_u32(&b, 0);
		buf_put_sized(&b, large, 300);
	} else if (strcmp(what, "nul-name") == 0) {
		buf_put_u8(&b, UNPACK_ENTRY);
		buf_put_u32(&b, 0);
		buf_put_sized(&b, "x\0y", 3);
		buf_put_text(&b, "");
		buf_put_sized(&b, "", 0);
	}
	for (int i = 0; strcmp(what, "many") == 0 && i < 10; i++)
		put_entry(&b, UNPACK_ENTRY, "x", "junk", 4);
	for (int i = 0; strcmp(what, "bytes") == 0 && i < 10; i++)
		put_entry(&b, UNPACK_ENTRY, "x", large, 60000);
	/* As long as anybody listens. */
	while (strcmp(what, "unnamed") == 0 && child_write_parcel(OUT, &b) == 0) {
		b.len = 0;
		while (b.len < 60000)
			put_entry(&b, UNPACK_ENTRY, "", "", 0);
	}
	put_entry(&b, UNPACK_END, "", NULL, 0);
	if (n == 0)
		child_write_parcel(OUT, &b);
	_exit(0);
}

void __real_verdict_encode(const struct verdict *, struct buf *);

/* The truth, which is good, with one thing changed. */
static void lie_of_judge(const char *what, struct verdict v, struct buf *out)
{
	static const unsigned char huge[4] = {255, 255, 255, 255};
	size_t at = out->len;

	if (strcmp(what, "slash") == 0)
		strcpy(v.facts.cn, "../../x");
	else if (strcmp(what, "newline") == 0)
		strcpy(v.facts.cn, "SEP000000000001\n\x1b[2J");
	else if (strcmp(what, "escape") == 0) {
		v = (struct verdict){.good = false};
		strcpy(v.reason.text, "y\naccepted\t\x1b[2J");
	} else if (strcmp(what, "entry") == 0)
		strcpy(v.entry, "other.der");
	else if (strcmp(what, "serial") == 0)
		strcpy(v.facts.serial, "1\t2");
	else if (strcmp(what, "time") == 0)
		v.facts.not_after = INT64_MAX;
	else if (strcmp(what, "frame") == 0)
		v.facts.der_len--;
	else if (strcmp(what, "unread") == 0)
		v.read = false;
	else if (strcmp(what, "huge") == 0)
		_exit(write(OUT, huge, sizeof huge) != sizeof huge);
	else if (strcmp(what, "fewer") == 0)
		_exit(child_write_parcel(OUT, &(struct buf){0}) != 0);
	__real_verdict_encode(&v, out);
	if (strcmp(what, "tail") == 0)
		buf_put_u8(out, 0);
	else if (strcmp(what, "bool") == 0)
		out->p[at] = 7;
	else if (strcmp(what, "spki") == 0)
		out->len--, memmove(out->p + out->len - v.facts.der_len - 100, out->p + out->len - v.facts.der_len - 99,
		    v.facts.der_len + 100);
	else if (strcmp(what, "more") == 0) {
		/* Four answers, and no program asked more than three. */
		struct buf four = {0};

		for (int i = 0; i < 4; i++)
			buf_put_sized(&four, out->p, out->len);
		_exit(child_write_parcel(OUT, &four) != 0);
	}
}

/* Where it is at work. */

static bool is_place(const char *place)
{
	const char *in = getenv("CAPTIVE_IN");

	return in != NULL && strcmp(in, place) == 0 && (getpid() == first) == (strcmp(place, "parent") == 0);
}

static void at(const char *place)
{
	const char *list = getenv("CAPTIVE_TRY"), *later = getenv("CAPTIVE_LATER");

	if (!is_place(place) || list == NULL || shared->begun ||
	    (later != NULL && shared->calls++ < atoi(later)))
		return;
	shared->begun = true;
	while (*list != '\0') {
		size_t len = strcspn(list, ",");

		try_one(list, len);
		list += len + (list[len] == ',');
	}
}

__attribute__((constructor)) static void begin(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
	first = getpid();
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);	/* where a child must be let */
}

__attribute__((destructor)) static void end(void)
{
	if (getpid() == first)
		fputs(shared->text, stderr);
}

enum untar_result __real_untar_next(struct untar *, struct untar_item *, struct reason *);
enum untar_result __wrap_untar_next(struct untar *, struct untar_item *, struct reason *);
enum untar_result __wrap_untar_next(struct untar *r, struct untar_item *item,
    struct reason *why)
{
	const char *lie = getenv("CAPTIVE_LIE");

	at("reader");
	if (lie != NULL && is_place("reader"))
		lie_of_reader(lie);
	return __real_untar_next(r, item, why);
}

struct cert *__real_cert_parse(const void *, size_t, struct reason *);
struct cert *__wrap_cert_parse(const void *, size_t, struct reason *);
struct cert *__wrap_cert_parse(const void *p, size_t len, struct reason *why)
{
	at("judge");
	return __real_cert_parse(p, len, why);
}

struct csr *__real_csr_parse(const void *, size_t, EVP_PKEY *const *, struct reason *);
struct csr *__wrap_csr_parse(const void *, size_t, EVP_PKEY *const *, struct reason *);
struct csr *__wrap_csr_parse(const void *p, size_t len, EVP_PKEY *const *ra, struct reason *why)
{
	const char *burn = getenv("CAPTIVE_BURN");
	clock_t end = clock() + (burn != NULL && is_place("judge") ? atol(burn) * CLOCKS_PER_SEC / 1000 : 0);
	char name[16] = "";

	prctl(PR_GET_NAME, name, 0, 0, 0);
	if (strcmp(name, "capf-asking") == 0)
		at("asking");
	else
		at("judge");
	while (clock() < end)
		;
	return __real_csr_parse(p, len, ra, why);
}

struct manifest *__real_manifest_verify(const void *, size_t, const void *, size_t, const struct cert *,
    struct reason *);
struct manifest *__wrap_manifest_verify(const void *, size_t, const void *, size_t, const struct cert *,
    struct reason *);
struct manifest *__wrap_manifest_verify(const void *text, size_t len, const void *sig, size_t sig_len,
    const struct cert *ra, struct reason *why)
{
	at("checker");
	return __real_manifest_verify(text, len, sig, sig_len, ra, why);
}

void __wrap_verdict_encode(const struct verdict *, struct buf *);
void __wrap_verdict_encode(const struct verdict *v, struct buf *out)
{
	const char *lie = getenv("CAPTIVE_LIE");

	if (lie != NULL && is_place("judge"))
		lie_of_judge(lie, *v, out);
	else
		__real_verdict_encode(v, out);
}

int __real_batch_commit(struct batch *);
int __wrap_batch_commit(struct batch *);
int __wrap_batch_commit(struct batch *b)
{
	at("parent");
	return __real_batch_commit(b);
}

int __real_ctl_parse(struct ctl *, struct bytes, struct reason *);
int __wrap_ctl_parse(struct ctl *, struct bytes, struct reason *);
int __wrap_ctl_parse(struct ctl *c, struct bytes file, struct reason *why)
{
	at("parent");
	return __real_ctl_parse(c, file, why);
}

enum ledger_result __real_ledger_end(struct ledger *);
enum ledger_result __wrap_ledger_end(struct ledger *);
enum ledger_result __wrap_ledger_end(struct ledger *l)
{
	at("parent");
	return __real_ledger_end(l);
}

void __real_connection_new(struct connection_home *, int, const struct sockaddr_storage *);
void __wrap_connection_new(struct connection_home *, int, const struct sockaddr_storage *);
void __wrap_connection_new(struct connection_home *home, int fd, const struct sockaddr_storage *peer)
{
	traces = home->traces.fd;
	at("worker");
	__real_connection_new(home, fd, peer);
}

int __real_trace_files_begin(struct trace_files *, const struct trace_key *, time_t, const void *, size_t);
int __wrap_trace_files_begin(struct trace_files *, const struct trace_key *, time_t, const void *, size_t);
int __wrap_trace_files_begin(struct trace_files *t, const struct trace_key *k, time_t now, const void *p, size_t len)
{
	at("traces");
	return __real_trace_files_begin(t, k, now, p, len);
}

int __real_issue_phone(const struct issuer *, const struct csr *, time_t, struct issued *, struct reason *);
int __wrap_issue_phone(const struct issuer *, const struct csr *, time_t, struct issued *, struct reason *);
int __wrap_issue_phone(const struct issuer *issuer, const struct csr *csr, time_t now, struct issued *out,
    struct reason *why)
{
	at("issuing");
	return __real_issue_phone(issuer, csr, now, out, why);
}

int __real_issuer_ask(struct issuer *, uint64_t, const char *, struct bytes, struct bytes);
int __wrap_issuer_ask(struct issuer *, uint64_t, const char *, struct bytes, struct bytes);
int __wrap_issuer_ask(struct issuer *i, uint64_t number, const char *device, struct bytes spki, struct bytes proof)
{
	return __real_issuer_ask(i, number, *other() != '\0' ? other() : device, spki, proof);
}

int __real_outcome_load(struct records *, const char *, struct phone *, struct phone_state *, struct reason *);
int __wrap_outcome_load(struct records *, const char *, struct phone *, struct phone_state *, struct reason *);
int __wrap_outcome_load(struct records *o, const char *device, struct phone *p, struct phone_state *st,
    struct reason *why)
{
	at("records");
	return __real_outcome_load(o, device, p, st, why);
}

void __real_load_put(struct load *, unsigned, unsigned, unsigned);
void __wrap_load_put(struct load *, unsigned, unsigned, unsigned);
void __wrap_load_put(struct load *b, unsigned worker, unsigned connections, unsigned operations)
{
	load = b;
	__real_load_put(b, worker, connections, operations);
}

/* What keeps others from tracing it is part of what is taken away. */
int __wrap_prctl(int, ...);
int __wrap_prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_DUMPABLE && getenv("CAPTIVE_OFF") != NULL)
		return 0;
	return (int)syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

int __real_sandbox_enter(const struct sandbox *);
int __wrap_sandbox_enter(const struct sandbox *);
int __wrap_sandbox_enter(const struct sandbox *sb)
{
	return getenv("CAPTIVE_OFF") != NULL ? 0 : __real_sandbox_enter(sb);
}

int __real_sandbox_renew(unsigned);
int __wrap_sandbox_renew(unsigned);
int __wrap_sandbox_renew(unsigned seconds)
{
	const char *other = getenv("CAPTIVE_SECONDS");

	return __real_sandbox_renew(other != NULL ? (unsigned)atoi(other) : seconds);
}
