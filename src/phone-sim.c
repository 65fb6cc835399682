/* SPDX-License-Identifier: ISC */
/* phone-sim: a phone that asks a CAPF server for its certificate, or a fleet of them, good or bad as
 * told. It is for tests: it believes any server unless told which, and its keys may be anybody's. It
 * stores no certificate that is not for its own key and name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bytes.h"
#include "cert.h"
#include "fileio.h"
#include "fleet.h"
#include "key.h"
#include "options.h"
#include "outfile.h"
#include "proof.h"
#include "status.h"

const char program[] = "phone-sim";
const char synopsis[] =
    "--server host:port[,...] --device name [-46hVv] [--mode null|string|existing-lsc|existing-mic]\n"
    "                 [--string file|digits] [--mic cert --mic-key key] [--lsc cert --lsc-key key]\n"
    "                 [--lsc-out file] [--key-dir dir] [option ...]\n"
    "       phone-sim --server host:port[,...] --fleet n [--pattern pattern] [--first k] [--rate r]\n"
    "                 [--parallel n] [--each] [option ...]\n"
    "       options: [--byte-at-a-time] [--byte-delay ms] [--claim-long] [--delay step=ms,...]\n"
    "                [--drop step] [--hang step] [--in-progress n] [--keep-key] [--keys file|dir]\n"
    "                [--legacy-tls] [--never-speak] [--protocol-version 1|2|3] [--refuse step]\n"
    "                [--retry n] [--reversed] [--rubbish bytes] [--server-cert cert] [--stop step]\n"
    "                [--sudi] [--tamper sha1|sha2|sudi|replay|session] [--time-scale n]\n"
    "                [--timeout span] [--whole-records]";

#define RETRY_MS 30000	/* what a phone waits between its tries */

struct output {
	const char *lsc_out, *key_dir;
	bool each, fleet;
	struct progress progress;
	size_t ended;
	int status;
};

static EVP_PKEY *load_key(const char *path)
{
	struct secret none = {0};
	struct reason why;
	EVP_PKEY *key = key_load(path, &none, &why);

	if (key == NULL)
		status_die(STATUS_USAGE, path, "%s", why.text);
	secret_wipe(&none);
	return key;
}

static struct cert *load_cert(const char *path)
{
	struct reason why;
	struct cert *c = cert_load(path, &why);

	if (c == NULL)
		status_die(STATUS_USAGE, path, "%s", why.text);
	return c;
}

/* A certificate that the phone has, and its key, if one is named; the caller frees what it gives. */
static struct cert *load_pair(const char *cert, const char *key, struct sim_cert *to)
{
	struct cert *c;

	if (cert == NULL && key != NULL)
		status_usage("a key without its certificate");
	if (cert == NULL)
		return NULL;
	c = load_cert(cert);
	to->der = (struct bytes){c->der, c->der_len};
	to->key = key != NULL ? load_key(key) : NULL;
	return c;
}

/* One of these names, or wrong usage. */
static size_t choose(const char *option, const char *text, const char *const names[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	status_usage("%s: %s is none of its words", option, text);
}

/* A step between first and last; SIM_STEPS without a name. */
static enum sim_step step_of(const char *option, const char *name, enum sim_step first)
{
	enum sim_step step = name != NULL ? sim_step_of(name, strlen(name)) : SIM_STEPS;

	if (name != NULL && (step == SIM_STEPS || step < first))
		status_usage("%s: %s is no step that it can have", option, name);
	return step;
}

/* "auth=100,key=5000" */
static void read_delays(const char *text, long delay[SIM_STEPS])
{
	while (*text != '\0') {
		size_t len = strcspn(text, "=,");
		enum sim_step step = sim_step_of(text, len);
		char *end = NULL;
		long ms = text[len] == '=' ? strtol(text + len + 1, &end, 10) : -1;

		if (step == SIM_STEPS || end == text + len + 1 || ms < 0 || ms > 86400000 ||
		    (*end != '\0' && *end != ','))
			status_usage("--delay wants STEP=MILLISECONDS, with a comma between two");
		delay[step] = ms;
		text = *end == ',' ? end + 1 : end;
	}
}

/* Digits as they stand, or the first line of a file. Whatever it says is sent: a phone may be wrong. */
static const char *read_string(const char *text, struct secret *to)
{
	struct reason why;

	if (text == NULL)
		return NULL;
	if (proof_string_ok(text))
		return text;
	if (strcmp(text, "-") == 0)
		text = "/dev/stdin";
	if (secret_read(to, text, &why) != 0)
		status_die(STATUS_USAGE, text, "%s", why.text);
	return to->text;
}

static int write_file(const char *path, mode_t mode, const void *data, size_t len)
{
	struct outfile out;
	int res, saved;

	if (outfile_open(&out, path, mode) != 0)
		return -1;
	res = fileio_write_all(out.fd, data, len) != 0 ? -1 : outfile_commit(&out);
	saved = errno;
	outfile_abort(&out);
	errno = saved;
	return res;
}

static void key_path(const char *dir, const char *device, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.key", dir, device);
}

/* On the disk before the server has its other half. */
static int made_key(void *ctx, const char *device, EVP_PKEY *key)
{
	const struct output *o = ctx;
	char path[4096];
	struct reason why;
	size_t len;
	char *pem;
	int res = -1;

	if (o->key_dir == NULL)
		return 0;
	key_path(o->key_dir, device, path, sizeof path);
	if ((pem = key_pem(key, NULL, &len, &why)) == NULL)
		status_warn(path, "%s", why.text);
	else if ((res = write_file(path, 0600, pem, len)) != 0)
		status_warn_errno(path, "cannot keep the key");
	key_pem_free(pem, len);
	return res;
}

/* DER when the file's name says so, else PEM. */
static int stored(void *ctx, const char *device, struct bytes der)
{
	const char *path = ((const struct output *)ctx)->lsc_out;
	const char *dot = path != NULL ? strrchr(path, '.') : NULL;
	struct reason why;
	struct cert *c;
	size_t len;
	char *pem;
	int res;

	(void)device;
	if (path == NULL)
		return 0;
	if (dot != NULL && strcmp(dot, ".der") == 0) {
		res = write_file(path, 0644, der.p, der.len);
	} else {
		c = cert_parse(der.p, der.len, &why);
		pem = c != NULL ? cert_pem(c->x509, &len) : NULL;
		res = pem != NULL ? write_file(path, 0644, pem, len) : -1;
		free(pem);
		cert_free(c);
	}
	if (res != 0)
		status_warn_errno(path, "cannot write the certificate");
	return res;
}

static int status_of_outcome(enum sim_outcome outcome)
{
	if (outcome == SIM_NO_CONNECTION || outcome == SIM_TROUBLE)
		return STATUS_TROUBLE;
	return sim_good(outcome) ? STATUS_OK : STATUS_REFUSED;
}

static void ended(void *ctx, const char *device, enum sim_outcome outcome, double seconds, const char *why)
{
	struct output *o = ctx;

	o->status = status_worst(o->status, status_of_outcome(outcome));
	if (!o->fleet || o->each)
		printf("%s\t%s\t%.3f\n", device, sim_outcome_name(outcome), seconds);
	if ((!o->fleet || o->each) && *why != '\0')
		status_warn(device, "%s", why);
	progress_show(&o->progress, ++o->ended);
}

/* A line for each message, whole, but for what proves the phone's identity. */
static void saw(void *ctx, const char *device, bool sent, struct bytes message)
{
	uint8_t command = message.len > 1 ? message.p[1] : 0;
	size_t n = message.len < 4096 ? message.len : 4096;
	char *hex = malloc(2 * n + 1);

	(void)ctx;
	if (hex == NULL)
		return;
	if (sent && command == CAPFMSG_AUTH_RESPONSE && n > CAPFMSG_HEADER)
		n = CAPFMSG_HEADER;
	bytes_hex(message.p, n, hex);
	status_warn(device, "%s %s %s%s", sent ? ">" : "<", capfmsg_name(command), hex,
	    n < message.len ? "..." : "");
	free(hex);
}

static void print_summary(const struct fleet_plan *plan, const struct fleet_summary *sum)
{
	printf("phones=%zu done=%zu failed=%zu unfinished=%zu seconds=%.3f rate=%.1f", plan->count,
	    sum->good, sum->bad, sum->outcomes[SIM_RUNNING], sum->seconds,
	    sum->seconds > 0 ? (double)sum->good / sum->seconds : 0);
	printf(" p50_ms=%.1f p95_ms=%.1f p99_ms=%.1f max_ms=%.1f", sum->p50 * 1000, sum->p95 * 1000,
	    sum->p99 * 1000, sum->max * 1000);
	for (int i = SIM_RUNNING + 1; i < SIM_OUTCOMES; i++)
		if (sum->outcomes[i] > 0)
			printf(" %s=%zu", sim_outcome_name((enum sim_outcome)i), sum->outcomes[i]);
	putchar('\n');
}

/* A descriptor for each phone: as many as the system allows. */
static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* The phone's key of an earlier run, if there is one. */
static EVP_PKEY *old_key(const char *dir, const char *device)
{
	char path[4096];
	struct stat st;

	if (dir == NULL)
		return NULL;
	key_path(dir, device, path, sizeof path);
	return stat(path, &st) == 0 ? load_key(path) : NULL;
}

int main(int argc, char *argv[])
{
	static const char *const modes[] = {"null", "string", "existing-lsc", "existing-mic"};
	static const char *const tampers[] = {"none", "sha1", "sha2", "sudi", "replay", "session"};
	const char *server = NULL, *device = NULL, *mode = NULL, *string = NULL, *tamper = "none";
	const char *lsc = NULL, *lsc_key = NULL, *mic = NULL, *mic_key = NULL, *server_cert = NULL;
	const char *keys = NULL, *delay = "", *drop = NULL, *hang = NULL, *refuse = NULL, *stop = NULL;
	bool v4 = false, v6 = false, verbose = false, legacy = false, mute = false;
	long version = CAPFMSG_VERSION, progress = 1, count = 0, first = 1, scale = 1, rubbish = 0;
	time_t timeout = 0;
	struct output o = {0};
	struct fleet_plan plan = {.pattern = "SEP%012X", .made_key = made_key, .stored = stored,
	    .ended = ended, .ctx = &o};
	const struct option_spec options[] = {
		{'4', "ipv4", OPTION_FLAG, &v4, 0, 0},
		{'6', "ipv6", OPTION_FLAG, &v6, 0, 0},
		{'v', "verbose", OPTION_FLAG, &verbose, 0, 0},
		{0, "byte-at-a-time", OPTION_FLAG, &plan.by_bytes, 0, 0},
		{0, "byte-delay", OPTION_NUMBER, &plan.byte_ms, 0, 3600000},
		{0, "claim-long", OPTION_FLAG, &plan.sim.claim_long, 0, 0},
		{0, "delay", OPTION_TEXT, &delay, 0, 0},
		{0, "device", OPTION_TEXT, &device, 0, 0},
		{0, "drop", OPTION_TEXT, &drop, 0, 0},
		{0, "each", OPTION_FLAG, &o.each, 0, 0},
		{0, "first", OPTION_NUMBER, &first, 0, 0xffffffffffff},
		{0, "fleet", OPTION_NUMBER, &count, 1, FLEET_MAX},
		{0, "hang", OPTION_TEXT, &hang, 0, 0},
		{0, "in-progress", OPTION_NUMBER, &progress, 0, SIM_PROGRESS_MAX},
		{0, "keep-key", OPTION_FLAG, &plan.sim.keep_key, 0, 0},
		{0, "key-dir", OPTION_TEXT, &o.key_dir, 0, 0},
		{0, "keys", OPTION_TEXT, &keys, 0, 0},
		{0, "legacy-tls", OPTION_FLAG, &legacy, 0, 0},
		{0, "lsc", OPTION_TEXT, &lsc, 0, 0},
		{0, "lsc-key", OPTION_TEXT, &lsc_key, 0, 0},
		{0, "lsc-out", OPTION_TEXT, &o.lsc_out, 0, 0},
		{0, "mic", OPTION_TEXT, &mic, 0, 0},
		{0, "mic-key", OPTION_TEXT, &mic_key, 0, 0},
		{0, "mode", OPTION_TEXT, &mode, 0, 0},
		{0, "never-speak", OPTION_FLAG, &mute, 0, 0},
		{0, "parallel", OPTION_NUMBER, &plan.parallel, 1, FLEET_MAX},
		{0, "pattern", OPTION_TEXT, &plan.pattern, 0, 0},
		{0, "protocol-version", OPTION_NUMBER, &version, 0, 255},
		{0, "rate", OPTION_NUMBER, &plan.rate, 1, 1000000},
		{0, "refuse", OPTION_TEXT, &refuse, 0, 0},
		{0, "retry", OPTION_NUMBER, &plan.retries, 0, 1000000},
		{0, "reversed", OPTION_FLAG, &plan.sim.reversed, 0, 0},
		{0, "rubbish", OPTION_NUMBER, &rubbish, 1, 1L << 40},
		{0, "server", OPTION_TEXT, &server, 0, 0},
		{0, "server-cert", OPTION_TEXT, &server_cert, 0, 0},
		{0, "stop", OPTION_TEXT, &stop, 0, 0},
		{0, "string", OPTION_TEXT, &string, 0, 0},
		{0, "sudi", OPTION_FLAG, &plan.sim.sudi, 0, 0},
		{0, "tamper", OPTION_TEXT, &tamper, 0, 0},
		{0, "time-scale", OPTION_NUMBER, &scale, 1, 1000000},
		{0, "timeout", OPTION_SPAN, &timeout, 0, 0},
		{0, "whole-records", OPTION_FLAG, &plan.whole_records, 0, 0},
		{0},
	};
	int arg = options_parse(argc, argv, options), res;
	struct cert *lsc_cert, *mic_cert, *only;
	struct keyring ring = {0};
	struct secret secret = {0};
	struct fleet_summary sum;
	char name[DEVICE_MAX + 1];
	struct reason why;

	if (arg != argc)
		status_usage("takes no arguments");
	if (server == NULL || (device == NULL) == (count == 0))
		status_usage("wants --server, and --device or --fleet");
	if (count > 0 && (o.lsc_out != NULL || o.key_dir != NULL))
		status_usage("--lsc-out and --key-dir are for one phone");
	if (v4 && v6)
		status_usage("-4 and -6 leave no address");
	if (mute && hang != NULL)
		status_usage("--never-speak is --hang connect");

	o.fleet = count > 0;
	plan.count = o.fleet ? (size_t)count : 1;
	plan.first = (unsigned long long)first;
	if (!o.fleet)
		plan.pattern = device;
	plan.sim.version = (uint8_t)version;
	plan.sim.mode = mode != NULL ? (enum sim_mode)choose("--mode", mode, modes, 4) :
	    string != NULL ? SIM_STRING : SIM_NULL;
	plan.sim.tamper = (enum sim_tamper)choose("--tamper", tamper, tampers, 6);
	plan.sim.progress = (unsigned)progress;
	plan.sim.keep_key |= o.key_dir != NULL;
	plan.sim.drop = step_of("--drop", drop, SIM_CONNECT);
	plan.sim.hang = step_of("--hang", mute ? "connect" : hang, SIM_CONNECT);
	plan.sim.refuse = step_of("--refuse", refuse, SIM_AUTH);
	plan.sim.stop = step_of("--stop", stop, SIM_AUTH);
	read_delays(delay, plan.sim.delay);
	plan.rubbish = rubbish;
	plan.retry_ms = RETRY_MS / scale;
	plan.patience_ms = (long)timeout * 1000;
	plan.saw = verbose ? saw : NULL;
	if (fleet_device(plan.pattern, plan.first, name, &why) < 0 ||
	    fleet_device(plan.pattern, plan.first + plan.count - 1, name, &why) < 0)
		status_die(STATUS_USAGE, plan.pattern, "%s", why.text);
	if (dial_resolve(&plan.to, server, v4 ? AF_INET : v6 ? AF_INET6 : AF_UNSPEC, &why) < 0)
		status_die(STATUS_USAGE, server, "%s", why.text);

	lsc_cert = load_pair(lsc, lsc_key, &plan.sim.lsc);
	mic_cert = load_pair(mic, mic_key, &plan.sim.mic);
	if (plan.sim.sudi && plan.sim.mic.key == NULL)
		status_usage("--sudi wants --mic and --mic-key");
	plan.sim.string = read_string(string, &secret);
	if (keys != NULL && keyring_load(&ring, keys, &why) < 0)
		status_die(STATUS_USAGE, keys, "%s", why.text);
	plan.keys = &ring;
	plan.key = o.fleet ? NULL : old_key(o.key_dir, device);
	only = server_cert != NULL ? load_cert(server_cert) : NULL;
	if ((plan.tls = tls_client(only != NULL ? only->x509 : NULL, legacy, &why)) == NULL)
		status_die(STATUS_TROUBLE, NULL, "%s", why.text);
	raise_limit();

	progress_start(&o.progress, "phones");
	if (!o.fleet)
		o.progress.tty = 0;
	res = fleet_run(&plan, &sum, &why);
	progress_end(&o.progress);
	if (res < 0)
		status_die(STATUS_TROUBLE, NULL, "%s", why.text);
	if (sum.outcomes[SIM_RUNNING] > 0)
		o.status = status_worst(o.status, STATUS_REFUSED);
	if (o.fleet)
		print_summary(&plan, &sum);
	else if (sum.outcomes[SIM_RUNNING] > 0)
		printf("%s\t%s\t%.3f\n", device, sim_outcome_name(SIM_RUNNING), sum.seconds);

	tls_context_free(plan.tls);
	keyring_free(&ring);
	secret_wipe(&secret);
	EVP_PKEY_free(plan.key);
	EVP_PKEY_free(plan.sim.lsc.key);
	EVP_PKEY_free(plan.sim.mic.key);
	cert_free(lsc_cert);
	cert_free(mic_cert);
	cert_free(only);
	return status_flush(o.status);
}
