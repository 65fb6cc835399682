/* SPDX-License-Identifier: ISC */
/* phone-sim: a phone that asks a CAPF server for its certificate, or a fleet of them, good or bad as
 * told. It is for tests: it believes any server unless told which, and its keys may be anybody's. It
 * stores no certificate that is not for its own key and name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/auth_string.h"
#include "capf/sign_layout.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "phone-sim/fleet.h"
#include "phone-sim/sim_files.h"
#include "phone-sim/sim_options.h"
#include "phone-sim/sim_words.h"
#include "x509/key.h"

const char program[] = "phone-sim";
const char purpose[] = "simulate phones that ask a CAPF server for certificates";
const char synopsis[] =
    "--server host:port[,...] --device name [-46hVv] [--mode null|string|existing-lsc|existing-mic]\n"
    "                 [--string file|digits] [--mic cert --mic-key key] [--lsc cert --lsc-key key]\n"
    "                 [--lsc-out file] [--key-dir dir] [option ...]\n"
    "       phone-sim --server host:port[,...] --fleet n [--pattern pattern] [--first k] [--rate r]\n"
    "                 [--parallel n] [--each] [--mic dir] [--lsc dir] [--lsc-out dir] [option ...]\n"
    "       options: [--again span] [--byte-at-a-time] [--byte-delay ms] [--claim-long]\n"
    "                [--delay step=ms,...] [--drop step] [--hang step] [--in-progress n] [--keep-key]\n"
    "                [--keys file|dir] [--legacy-tls] [--manners polite|strict] [--never-speak]\n"
    "                [--patience span] [--protocol-version 1|2|3] [--refuse step]\n"
    "                [--report file] [--retry n] [--reversed] [--rubbish bytes] [--server-cert cert]\n"
    "                [--sign-answer sha2|bare|signed-data|unknown-tag|request] [--sign-layout n]\n"
    "                [--source address] [--stop step] [--sudi]\n"
    "                [--tamper sha1|sha2|sudi|replay|session|certificate] [--time-scale n]\n"
    "                [--timeout span] [--whole-records]";

#define RETRY_MS 30000	/* what a phone waits between its tries */
#define STRICT_MS 8000	/* what those wait for an answer that strict phones are like: 8 to 10 seconds */
#define STRICT_MORE_MS 2000

struct output {
	struct sim_files files;
	FILE *report;
	bool each;
	struct progress progress;
	size_t ended;
	int status;
};

/* 0, or -1 after the one line about what went wrong. */
static int told(const struct sim *s, int result, const struct reason *why)
{
	if (result != 0)
		status_warn(s->device, "%s", why->text);
	return result;
}

static int wakes(void *ctx, struct sim *s)
{
	const struct output *o = ctx;
	struct reason why;

	return told(s, sim_files_hand(&o->files, s, &why), &why);
}

/* On the disk before the server has its other half. */
static int made_key(void *ctx, const struct sim *s, EVP_PKEY *key)
{
	const struct output *o = ctx;
	struct reason why;

	return told(s, sim_files_keep_key(&o->files, s, key, &why), &why);
}

static int stored(void *ctx, const struct sim *s, struct bytes der)
{
	const struct output *o = ctx;
	struct reason why;

	return told(s, sim_files_keep_lsc(&o->files, s, der, &why), &why);
}

/* A line for each message, whole, but for what proves the phone's identity. */
static void saw(void *ctx, const struct sim *s, bool sent, struct bytes message)
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
	status_warn(s->device, "%s %s %s%s", sent ? ">" : "<", capfmsg_name(command), hex,
	    n < message.len ? "..." : "");
	free(hex);
}

/* Prints what the phone knows of a connection, to be compared with the server's records. */
static void left(void *ctx, const struct sim *s, double seconds)
{
	FILE *to = ((const struct output *)ctx)->report;
	struct timespec now;

	if (to == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(to, "%s\t%u\t%s\t%s\t%s\t%lld.%03ld\t%.3f\n", s->device, s->connections,
	    sim_outcome_name(s->outcome), s->stored ? s->spki : "-", s->stored ? s->serial : "-",
	    (long long)now.tv_sec, now.tv_nsec / 1000000, seconds);
}

static void ended(void *ctx, const struct sim *s, double seconds)
{
	struct output *o = ctx;
	int status = sim_good(s->outcome) ? STATUS_OK : STATUS_REFUSED;

	if (s->outcome == SIM_NO_CONNECTION || s->outcome == SIM_TROUBLE)
		status = STATUS_TROUBLE;
	o->status = status_worst(o->status, status);
	if (o->each)
		printf("%s\t%s\t%.3f\n", s->device, sim_outcome_name(s->outcome), seconds);
	if (o->each && s->why.text[0] != '\0')
		status_warn(s->device, "%s", s->why.text);
	progress_show(&o->progress, ++o->ended);
}

static void print_summary(size_t phones, const struct fleet_summary *sum)
{
	printf("phones=%zu done=%zu failed=%zu unfinished=%zu seconds=%.3f rate=%.1f", phones,
	    sum->good, sum->bad, sum->outcomes[SIM_RUNNING], sum->seconds,
	    sum->seconds > 0 ? (double)sum->good / sum->seconds : 0);
	printf(" p50_ms=%.1f p95_ms=%.1f p99_ms=%.1f max_ms=%.1f", sum->p50 * 1000, sum->p95 * 1000,
	    sum->p99 * 1000, sum->max * 1000);
	for (int i = SIM_RUNNING + 1; i < SIM_OUTCOMES; i++)
		if (sum->outcomes[i] > 0)
			printf(" %s=%zu", sim_outcome_name((enum sim_outcome)i), sum->outcomes[i]);
	putchar('\n');
}

/* Digits as they stand, or the first line of a file. Whatever it says is sent: a phone may be wrong. */
static const char *read_string(const char *text, struct secret *to)
{
	struct reason why;

	if (text == NULL || auth_string_ok(text))
		return text;
	if (strcmp(text, "-") == 0)
		text = "/dev/stdin";
	if (secret_read(to, text, &why) != 0)
		status_die(status_of_input(why.trouble), text, "%s", why.text);
	return to->text;
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

static X509 *load_server(const char *path, struct cert **c)
{
	struct reason why;

	if (path == NULL)
		return NULL;
	if ((*c = cert_load(path, &why)) == NULL)
		status_die(status_of_input(why.trouble), path, "%s", why.text);
	return (*c)->x509;
}

static FILE *open_report(const char *path)
{
	FILE *f;

	if (path == NULL || strcmp(path, "-") == 0)
		return path != NULL ? stdout : NULL;
	if ((f = fopen(path, "we")) == NULL)
		status_die_errno(path, "cannot write it");
	/* Flushed at once: a line is on stdout also when this process is killed. */
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	return f;
}

/* Options that do not go straight into the plan. */
struct asked {
	const char *server, *device, *string, *source, *report, *server_cert, *keys;
	bool v4, v6, verbose, legacy, mute;
	long version, progress, count, first, scale, rubbish, layout;
	time_t again, patience, timeout;
	struct sim_options options;
};

static void read_options(int argc, char *argv[], struct asked *a, struct fleet_plan *plan,
    struct output *o)
{
	struct sim_socket_plan *phone = &plan->phone;
	struct sim_files *w = &o->files;
	const struct option_spec options[] = {
		OPT_FLAG('4', "ipv4", &a->v4, "use IPv4 only"),
		OPT_FLAG('6', "ipv6", &a->v6, "use IPv6 only"),
		OPT_FLAG('v', "verbose", &a->verbose, "print each message to stderr, in hex"),
		OPT_SPAN(0, "again", &a->again,
		    "connect again this long after each end, until --timeout or a signal"),
		OPT_FLAG(0, "byte-at-a-time", &phone->by_bytes,
		    "send each byte in a TLS record of its own"),
		OPT_NUMBER(0, "byte-delay", "MS", &phone->byte_ms, 0, 3600000,
		    "milliseconds between two bytes of --byte-at-a-time"),
		OPT_FLAG(0, "claim-long", &phone->sim.claim_long,
		    "answer with the start of a message of 65,535 bytes, then hang"),
		OPT_TEXT(0, "delay", "STEP=MS,...", &a->options.delay,
		    "take this many milliseconds at these steps"),
		OPT_TEXT(0, "device", "DEVICE", &a->device, "device name of a single phone"),
		OPT_WORD(0, "drop", "STEP", &a->options.drop, sim_steps, "hang up at this step"),
		OPT_FLAG(0, "each", &o->each, "print the line of each phone of a fleet too"),
		OPT_NUMBER(0, "first", "N", &a->first, 0, 0xffffffffffff,
		    "number of the first phone of a fleet"),
		OPT_NUMBER(0, "fleet", "N", &a->count, 1, FLEET_MAX, "simulate this many phones"),
		OPT_WORD(0, "hang", "STEP", &a->options.hang, sim_steps,
		    "say nothing more at this step, until the server hangs up"),
		OPT_NUMBER(0, "in-progress", "N", &a->progress, 0, SIM_PROGRESS_MAX,
		    "REQUEST_IN_PROGRESS messages before the public key"),
		OPT_FLAG(0, "keep-key", &phone->sim.keep_key,
		    "keep the key when the connection is lost"),
		OPT_TEXT(0, "key-dir", "DIR", &w->key_dir,
		    "keep keys over runs too, as DIR/DEVICE.key"),
		OPT_TEXT(0, "keys", "FILE|DIR", &a->keys,
		    "take ready private keys from there; by default make them"),
		OPT_FLAG(0, "legacy-tls", &a->legacy,
		    "allow TLS 1.0 and up, with the ciphers of old phones"),
		OPT_TEXT(0, "lsc", "FILE|DIR", &w->lsc,
		    "the LSC that the phone has; a directory has DEVICE.pem and DEVICE.key"),
		OPT_TEXT(0, "lsc-key", "FILE", &w->lsc_key, "private key of the LSC"),
		OPT_TEXT(0, "lsc-out", "FILE|DIR", &w->lsc_out,
		    "write the certificate that was stored there; a directory gets the key too"),
		OPT_INDEX(0, "manners", "HOW", &a->options.manners, sim_manners,
		    "answer messages that are not expected, or hang up"),
		OPT_TEXT(0, "mic", "FILE|DIR", &w->mic,
		    "the MIC that the phone has; a directory has DEVICE.pem and DEVICE.key"),
		OPT_TEXT(0, "mic-key", "FILE", &w->mic_key, "private key of the MIC"),
		OPT_INDEX(0, "mode", "MODE", &a->options.mode, sim_modes,
		    "how the phone proves who it is; by default string with --string, else null"),
		OPT_FLAG(0, "never-speak", &a->mute, "the same as --hang connect"),
		OPT_NUMBER(0, "parallel", "N", &plan->parallel, 1, FLEET_MAX,
		    "phones of a fleet at the same time; by default all"),
		OPT_SPAN(0, "patience", &a->patience,
		    "hang up when the server's next message takes longer; by default never, or "
		    "with --manners strict after 8 to 10 seconds"),
		OPT_TEXT(0, "pattern", "PATTERN", &plan->pattern,
		    "device names of a fleet, with one %X, %x, %d or %u"),
		OPT_NUMBER(0, "protocol-version", "N", &a->version, 0, 255,
		    "protocol version that the phone says it speaks"),
		OPT_NUMBER(0, "rate", "N", &plan->rate, 1, 1000000,
		    "start this many phones a second; by default all at once"),
		OPT_WORD(0, "refuse", "STEP", &a->options.refuse, sim_asked_steps,
		    "answer that this step cannot be done, each time"),
		OPT_TEXT(0, "report", "FILE", &a->report,
		    "write a line for each connection to this file; - is stdout"),
		OPT_NUMBER(0, "retry", "N", &phone->retries, 0, 1000000,
		    "tries after a lost connection, 30 seconds apart"),
		OPT_FLAG(0, "reversed", &phone->sim.reversed,
		    "send the elements of each message in the opposite order"),
		OPT_NUMBER(0, "rubbish", "BYTES", &a->rubbish, 1, 1L << 40,
		    "send this many bytes that are no message"),
		OPT_TEXT(0, "server", "HOST:PORT,...", &a->server,
		    "the server, or several to try in turn; required"),
		OPT_TEXT(0, "server-cert", "FILE", &a->server_cert,
		    "trust only a server with this certificate; by default any"),
		OPT_INDEX(0, "sign-answer", "HOW", &a->options.sign_answer, sim_sign_answers,
		    "where the signature of the request goes"),
		OPT_NUMBER(0, "sign-layout", "N", &a->layout, 1, SIGN_LAYOUTS,
		    "sign the request only when it is asked for in this layout"),
		OPT_TEXT(0, "source", "ADDRESS", &a->source, "connect from this address"),
		OPT_WORD(0, "stop", "STEP", &a->options.stop, sim_steps + SIM_AUTH,
		    "the user stops the operation at this step"),
		OPT_TEXT(0, "string", "FILE|DIGITS", &a->string,
		    "the authentication string, or a file with it; - is stdin"),
		OPT_FLAG(0, "sudi", &phone->sim.sudi, "send SUDI_DATA, made with the MIC"),
		OPT_INDEX(0, "tamper", "WHAT", &a->options.tamper, sim_tampers,
		    "spoil this signature, session id or certificate; replay signs for another "
		    "session"),
		OPT_NUMBER(0, "time-scale", "N", &a->scale, 1, 1000000,
		    "let the seconds of --retry pass this many times as fast"),
		OPT_SPAN(0, "timeout", &a->timeout,
		    "end each phone after this long; by default never"),
		OPT_FLAG(0, "whole-records", &phone->whole_records,
		    "end the session if a message is not one whole TLS record"),
		{0},
	};

	if (options_parse(argc, argv, options) != argc)
		status_usage("takes no arguments");
	if (a->server == NULL || (a->device == NULL) == (a->count == 0))
		status_usage("wants --server, and --device or --fleet");
	if (a->v4 && a->v6)
		status_usage("-4 and -6 leave no address");
	if (a->mute && a->options.hang != NULL)
		status_usage("--never-speak is --hang connect");
	if (phone->sim.sudi && w->mic == NULL)
		status_usage("--sudi wants --mic");
	if (a->device != NULL)
		plan->pattern = a->device;
	if (a->mute)
		a->options.hang = "connect";
	if (a->options.mode < 0 && a->string != NULL)
		a->options.mode = SIM_STRING;
	o->each |= a->device != NULL;
	w->many = a->count > 0;
}

/* All but what has to be opened. */
static void make_plan(const struct asked *a, struct fleet_plan *plan, const struct sim_files *w)
{
	struct sim_socket_plan *phone = &plan->phone;
	char name[DEVICE_MAX + 1];
	struct reason why;

	plan->count = a->count > 0 ? (size_t)a->count : 1;
	plan->first = (unsigned long long)a->first;
	phone->sim.version = (uint8_t)a->version;
	phone->sim.progress = (unsigned)a->progress;
	phone->sim.sign_layout = (unsigned)a->layout;
	phone->sim.keep_key |= w->key_dir != NULL;
	phone->rubbish = a->rubbish;
	phone->retry_ms = RETRY_MS / a->scale;
	phone->again_ms = (long)a->again * 1000;
	phone->patience_ms = (long)a->timeout * 1000;
	phone->answer_ms = (long)a->patience * 1000;
	phone->saw = a->verbose ? saw : NULL;
	if (sim_options_read(&a->options, &phone->sim, &why) != 0)
		status_usage("%s", why.text);
	if (phone->sim.strict && a->patience == 0) {
		phone->answer_ms = STRICT_MS;
		phone->answer_more_ms = STRICT_MORE_MS;
	}
	if (fleet_device(plan->pattern, plan->first, name, &why) != 0 ||
	    fleet_device(plan->pattern, plan->first + plan->count - 1, name, &why) != 0)
		status_die(status_of_input(why.trouble), plan->pattern, "%s", why.text);
	if (dial_resolve(&phone->to, a->server, a->v4 ? AF_INET : a->v6 ? AF_INET6 : AF_UNSPEC,
	    &why) != 0)
		status_die(status_of_input(why.trouble), a->server, "%s", why.text);
	if (a->source != NULL && dial_from(&phone->to, a->source, &why) != 0)
		status_die(status_of_input(why.trouble), NULL, "%s", why.text);
}

int main(int argc, char *argv[])
{
	struct asked asked = {.version = CAPFMSG_VERSION, .progress = 1, .first = 1, .scale = 1,
	    .options = {.mode = -1}};
	struct output o = {0};
	struct spare_keys ring = {0};
	struct fleet_plan plan = {.pattern = "SEP%012X", .phone = {.keys = &ring, .wakes = wakes,
	    .made_key = made_key, .stored = stored, .left = left, .ended = ended, .ctx = &o}};
	struct cert *only = NULL;
	struct secret secret = {0};
	struct fleet_summary sum;
	struct reason why;
	int result;

	read_options(argc, argv, &asked, &plan, &o);
	make_plan(&asked, &plan, &o.files);
	if (sim_files_open(&o.files, &plan.phone.sim, &why) != 0)
		status_die(status_of_input(why.trouble), NULL, "%s", why.text);
	if (asked.keys != NULL && spare_keys_load(&ring, asked.keys, &why) != 0)
		status_die(status_of_input(why.trouble), asked.keys, "%s", why.text);
	plan.phone.sim.string = read_string(asked.string, &secret);
	plan.phone.tls = tls_client(load_server(asked.server_cert, &only), asked.legacy, &why);
	if (plan.phone.tls == NULL)
		status_die(STATUS_TROUBLE, NULL, "%s", why.text);
	o.report = open_report(asked.report);
	raise_limit();

	progress_start(&o.progress, "phones", plan.count);
	if (asked.count == 0)
		progress_end(&o.progress);
	result = fleet_run(&plan, &sum, &why);
	progress_end(&o.progress);
	if (result != 0)
		status_die(STATUS_TROUBLE, NULL, "%s", why.text);
	if (sum.outcomes[SIM_RUNNING] > 0)
		o.status = status_worst(o.status, STATUS_REFUSED);
	if (asked.count > 0)
		print_summary(plan.count, &sum);
	if (o.report != NULL && o.report != stdout && (ferror(o.report) | fclose(o.report)) != 0)
		status_die(STATUS_TROUBLE, asked.report, "cannot write all of it");

	tls_context_free(plan.phone.tls);
	spare_keys_free(&ring);
	secret_wipe(&secret);
	sim_files_close(&o.files, &plan.phone.sim);
	cert_free(only);
	return status_flush(o.status);
}
