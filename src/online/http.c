/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <openssl/x509.h>

#include <ctype.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/monotime.h"
#include "online/client_files.h"
#include "online/http.h"

#define HEADERS_MAX 65536	/* bytes of all header lines in one exchange, with those of 100 Continue and 401 */
#define WAIT_MAX 86400		/* a Retry-After beyond a day is taken as a day */
#define IDLE_SECONDS 3		/* a connection idle for longer is not used again; servers end one after five or more */
#define STALL_MS 30000		/* an answer that brings fewer than STALL_BYTES in so long is given up, once it began */
#define STALL_BYTES 1024
#define TICKET_MS 1000		/* how long a server that has asked for our certificate may look at it */

enum end { END_NONE, END_REFUSED, END_BODY, END_HEADERS, END_STALLED, END_TWICE, END_MEMORY };

struct http {
	CURL *curl;
	struct http_settings settings;	/* without passwords: libcurl has copies */
	struct client_files files;
	OSSL_LIB_CTX *context;		/* OpenSSL's, when it was opened: TLS may have keys of any kind, and ours is read anew */
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	char host[256];			/* of the address, for messages */
	/* Of this exchange: */
	struct bytes body;
	size_t at;			/* how much of the body was given */
	struct http_answer *answer;
	char retry_after[64], date[64];
	size_t header_bytes;
	bool sent;			/* something of the request has left */
	bool heard;			/* an answer has begun since the last header of a request left */
	bool answered;			/* an answer has begun at all */
	bool tls13, wants_ours;		/* this handshake is TLS 1.3's; the server asks for our certificate */
	curl_socket_t fd[2];		/* connections that were begun; the one that stays is left when it stands */
	uint8_t alert;			/* the last fatal alert of TLS that came; 0: none */
	enum end end;			/* why we ended it */
	long long stall_since;
	size_t stall_bytes, came;
};

/* libcurl keeps passwords in its memory, and does not wipe them. */
static void wiping_free(void *p)
{
	if (p != NULL)
		secret_free(p, malloc_usable_size(p));
}

static void *wiping_realloc(void *p, size_t size)
{
	size_t had = p != NULL ? malloc_usable_size(p) : 0;
	void *new = malloc(size);

	if (new != NULL && p != NULL) {
		memcpy(new, p, had < size ? had : size);
		wiping_free(p);
	}
	return new;
}

/* What comes is told us in every phase; only what matters for the result is looked at. */
static int watch(CURL *curl, curl_infotype type, char *data, size_t size, void *ctx)
{
	struct http *h = ctx;

	(void)curl;
	/* To a proxy goes CONNECT first, which is not the request. */
	if (type == CURLINFO_HEADER_OUT && (size < 8 || strncmp(data, "CONNECT ", 8) != 0)) {
		h->sent = true;
		h->heard = false;
	}
	/* A message of TLS with two bytes can only be an alert, RFC 8446 6: level 2 is fatal. */
	if (type == CURLINFO_SSL_DATA_IN && size == 2 && data[0] == 2)
		h->alert = (uint8_t)data[1];
	/* Messages of a handshake have four bytes before their bodies, RFC 8446 4. */
	if (type == CURLINFO_SSL_DATA_IN && size > 5) {
		h->tls13 |= data[0] == 8;	/* encrypted_extensions */
		h->wants_ours |= data[0] == 13;	/* certificate_request */
	}
	return 0;
}

/* libcurl tells its socket only when all is over. It tries two families of addresses at a time at most. */
static int opened(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	struct http *h = ctx;

	(void)purpose;
	h->fd[1] = h->fd[0];
	h->fd[0] = fd;
	return CURL_SOCKOPT_OK;
}

static int closing(void *ctx, curl_socket_t fd)
{
	struct http *h = ctx;

	if (h->fd[0] == fd)
		h->fd[0] = h->fd[1];
	if (h->fd[0] == h->fd[1] || h->fd[1] == fd)
		h->fd[1] = CURL_SOCKET_BAD;
	return close(fd);
}

/* Before a request leaves. In TLS 1.3 we have ended the handshake before the server has looked at our certificate, and
 * a request may be lost with what it says about that. So wait for its next record: a session's ticket when all is well;
 * one of 19 bytes is an alert, encrypted (RFC 8446 5.2). */
static int before(void *ctx, char *peer, char *us, int peer_port, int our_port)
{
	struct http *h = ctx;
	unsigned char head[5];
	struct pollfd p = {.fd = h->fd[0], .events = POLLIN};

	(void)peer;
	(void)us;
	(void)peer_port;
	(void)our_port;
	if (!h->tls13 || !h->wants_ours || p.fd == CURL_SOCKET_BAD)
		return CURL_PREREQFUNC_OK;
	h->tls13 = h->wants_ours = false;
	if (poll(&p, 1, TICKET_MS) != 1 || recv(p.fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT) != sizeof head ||
	    head[0] != 23 || head[3] != 0 || head[4] != 19)
		return CURL_PREREQFUNC_OK;
	h->end = END_REFUSED;
	return CURL_PREREQFUNC_ABORT;
}

static size_t give(char *out, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;
	size_t left = h->body.len - h->at, room = size * n;

	if (left > room)
		left = room;
	if (left > 0)
		memcpy(out, h->body.p + h->at, left);
	h->at += left;
	return left;
}

/* The body is wanted again: for the next step of an authentication, after an answer. libcurl also sends a request again
 * by itself when a connection that it has kept ends without one. But then the server may have issued already. */
static int rewind_body(void *ctx, curl_off_t offset, int origin)
{
	struct http *h = ctx;

	if (!h->heard || origin != SEEK_SET || offset < 0 || (size_t)offset > h->body.len) {
		h->end = END_TWICE;
		return CURL_SEEKFUNC_FAIL;
	}
	h->at = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;

	h->came += size * n;
	if (size * n > h->settings.most - h->answer->body.len)
		h->end = END_BODY;
	else {
		buf_put(&h->answer->body, data, size * n);
		if (h->answer->body.failed)
			h->end = END_MEMORY;
	}
	return h->end == END_NONE ? size * n : 0;
}

/* The value of a header line, when it has this name: without white space around it, cut to fit. */
static bool value(const char *line, size_t len, const char *name, char *out, size_t room)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	for (line += n + 1, len -= n + 1; len > 0 && isspace((unsigned char)*line); line++)
		len--;
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	snprintf(out, room, "%.*s", (int)(len < room ? len : room - 1), line);
	return true;
}

static size_t take_header(char *line, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;
	size_t len = size * n;
	char *type = h->answer->type;

	h->came += len;
	h->header_bytes += len;
	if (h->header_bytes > HEADERS_MAX) {
		h->end = END_HEADERS;
		return 0;
	}
	if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		*type = h->retry_after[0] = h->date[0] = '\0';
		h->heard = h->answered = true;
	} else if (value(line, len, "Content-Type", type, sizeof h->answer->type))
		for (; *type != '\0'; type++)
			*type = (char)(*type >= ' ' && *type < 0x7f ? tolower((unsigned char)*type) : '?');
	else if (!value(line, len, "Retry-After", h->retry_after, sizeof h->retry_after))
		value(line, len, "Date", h->date, sizeof h->date);
	return len;
}

/* Ends an answer that trickles. One that has not begun is waited for until the time is over: CAs may think. */
static int progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct http *h = ctx;
	long long ms = monotime_ms();

	(void)total;
	(void)now;
	(void)up_total;
	(void)up_now;
	if (!h->answered || h->stall_since == 0) {
		h->stall_since = ms;
		h->stall_bytes = h->came;
	} else if (ms - h->stall_since >= STALL_MS) {
		if (h->came - h->stall_bytes < STALL_BYTES)
			h->end = END_STALLED;
		h->stall_since = ms;
		h->stall_bytes = h->came;
	}
	return h->end != END_NONE;
}

#define SET(option, value) (curl_easy_setopt(c, (option), (value)) == CURLE_OK)

static bool set_blob(CURL *c, CURLoption option, void *data, size_t len)
{
	struct curl_blob blob = {data, len, CURL_BLOB_NOCOPY};

	return data == NULL || curl_easy_setopt(c, option, &blob) == CURLE_OK;
}

/* Our certificate and key, from memory or from a token: by the engine where there is one, else by the provider. */
static bool set_identity(struct http *h)
{
	const char *certificate = h->settings.certificate, *key = h->settings.key, *by = "ENG";
	CURL *c = h->curl;

	if (certificate == NULL)
		return true;
	if (key == NULL)
		key = certificate;
	if ((client_files_token(certificate) || client_files_token(key)) && !SET(CURLOPT_SSLENGINE, "pkcs11"))
		by = "PROV";
	if (client_files_token(certificate)) {
		if (!SET(CURLOPT_SSLCERT, certificate) || !SET(CURLOPT_SSLCERTTYPE, by))
			return false;
	} else if (!set_blob(c, CURLOPT_SSLCERT_BLOB, h->files.certificate, h->files.certificate_len))
		return false;
	if (client_files_token(key))
		return SET(CURLOPT_SSLKEY, key) && SET(CURLOPT_SSLKEYTYPE, by) &&
		    (h->files.pass.text == NULL || SET(CURLOPT_KEYPASSWD, h->files.pass.text));
	return set_blob(c, CURLOPT_SSLKEY_BLOB, h->files.key, h->files.key_len);
}

/* Without CAs of our own libcurl's default stays: the system's. Its directory of CAs would count beside ours. */
static bool set_tls(struct http *h)
{
	CURL *c = h->curl;

	return SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
	    SET(CURLOPT_SSL_VERIFYHOST, 2L) && (h->files.cas == NULL || (SET(CURLOPT_CAINFO, NULL) &&
	    SET(CURLOPT_CAPATH, NULL) && set_blob(c, CURLOPT_CAINFO_BLOB, h->files.cas, h->files.cas_len)));
}

static bool set_user(CURL *c, const struct http_settings *s)
{
	long schemes = (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST);

	if (s->ntlm)
		schemes |= (long)(CURLAUTH_NTLM | CURLAUTH_NEGOTIATE);
	return s->user == NULL || (SET(CURLOPT_USERNAME, s->user) &&
	    SET(CURLOPT_PASSWORD, s->password != NULL ? s->password : "") && SET(CURLOPT_HTTPAUTH, schemes));
}

/* HTTP/1.1 alone: NTLM needs it, and nothing here gains by more. */
static bool set_limits(struct http *h)
{
	const struct http_settings *s = &h->settings;
	CURL *c = h->curl;

	return SET(CURLOPT_PROTOCOLS_STR, s->plain ? "https,http" : "https") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
	    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_NOSIGNAL, 1L) &&
	    SET(CURLOPT_CONNECTTIMEOUT, s->connect_seconds) && SET(CURLOPT_TIMEOUT, s->seconds) &&
	    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)s->most) && SET(CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS) &&
	    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) && SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) &&
	    SET(CURLOPT_USERAGENT, s->agent != NULL ? s->agent : "capfkit") && SET(CURLOPT_ERRORBUFFER, h->error);
}

static bool set_calls(struct http *h)
{
	CURL *c = h->curl;

	return SET(CURLOPT_WRITEFUNCTION, take) && SET(CURLOPT_WRITEDATA, h) &&
	    SET(CURLOPT_HEADERFUNCTION, take_header) && SET(CURLOPT_HEADERDATA, h) &&
	    SET(CURLOPT_READFUNCTION, give) && SET(CURLOPT_READDATA, h) &&
	    SET(CURLOPT_SEEKFUNCTION, rewind_body) && SET(CURLOPT_SEEKDATA, h) &&
	    SET(CURLOPT_XFERINFOFUNCTION, progress) && SET(CURLOPT_XFERINFODATA, h) && SET(CURLOPT_NOPROGRESS, 0L) &&
	    SET(CURLOPT_SOCKOPTFUNCTION, opened) && SET(CURLOPT_SOCKOPTDATA, h) &&
	    SET(CURLOPT_CLOSESOCKETFUNCTION, closing) && SET(CURLOPT_CLOSESOCKETDATA, h) &&
	    SET(CURLOPT_PREREQFUNCTION, before) && SET(CURLOPT_PREREQDATA, h) &&
	    SET(CURLOPT_DEBUGFUNCTION, watch) && SET(CURLOPT_DEBUGDATA, h) && SET(CURLOPT_VERBOSE, 1L);
}

struct http *http_open(const struct http_settings *settings, struct reason *why)
{
	struct http *h = calloc(1, sizeof *h);

	if (h == NULL) {
		reason_memory(why);
		return NULL;
	}
	if (client_files_read(&h->files, settings->ca_file, settings->certificate, settings->key, settings->pass,
	    why) != 0) {
		free(h);
		return NULL;
	}
	h->fd[0] = h->fd[1] = CURL_SOCKET_BAD;
	h->settings = *settings;
	h->settings.password = h->settings.pass = NULL;
	h->context = OSSL_LIB_CTX_set0_default(NULL);
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup,
	    calloc) != CURLE_OK) {
		client_files_free(&h->files);
		free(h);
		reason_memory(why);
		return NULL;
	}
	if ((h->curl = curl_easy_init()) != NULL && set_limits(h) && set_calls(h) && set_tls(h) &&
	    set_user(h->curl, settings) && set_identity(h))
		return h;
	reason_set(why, "libcurl cannot be set up for it");
	http_close(h);
	return NULL;
}

/* Who writes to a connection that has ended gets SIGPIPE, and libcurl leaves that to us. */
static void quiet(struct sigaction *before)
{
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, before);
}

void http_close(struct http *h)
{
	struct sigaction before;

	if (h == NULL)
		return;
	quiet(&before);
	curl_easy_cleanup(h->curl);
	sigaction(SIGPIPE, &before, NULL);
	curl_slist_free_all(h->headers);
	curl_global_cleanup();
	client_files_free(&h->files);
	free(h);
}

/* Takes the address apart. HTTP_ANSWERED, or with a reason what it cannot be. */
static enum http_result check_address(struct http *h, const char *url, struct reason *why)
{
	enum http_result result = HTTP_UNTRUSTED;
	char *scheme = NULL, *host = NULL, *user = NULL;
	CURLU *u = curl_url();
	CURLUcode code = u != NULL ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;

	if (code == CURLUE_OK && (code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0)) == CURLUE_OK)
		code = curl_url_get(u, CURLUPART_HOST, &host, 0);
	if (code == CURLUE_OUT_OF_MEMORY) {
		result = HTTP_TROUBLE;
		reason_memory(why);
	} else if (code != CURLUE_OK)
		reason_set(why, "the url is no address such as https://host/path");
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		reason_set(why, "a user does not belong into the url: use user and password-file");
	else if (strcasecmp(scheme, "http") == 0 && !h->settings.plain)
		reason_set(why, "the url has to begin with https://");
	else if (strcasecmp(scheme, "http") == 0 && h->settings.user != NULL)
		reason_set(why, "a user and a password are sent only to an url that begins with https://");
	else if (strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0)
		reason_set(why, "the url has to begin with https://%s", h->settings.plain ? " or http://" : "");
	else {
		snprintf(h->host, sizeof h->host, "%s", host);
		result = HTTP_ANSWERED;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(u);
	return result;
}

/* Adds "name: value"; nothing for NULL. */
static bool add_header(struct http *h, const char *name, const char *text)
{
	struct curl_slist *more = NULL;
	char *line = NULL;

	if (text == NULL)
		return true;
	if (asprintf(&line, *text != '\0' ? "%s: %s" : "%s:%s", name, text) >= 0) {
		more = curl_slist_append(h->headers, line);
		free(line);
	}
	if (more != NULL)
		h->headers = more;
	return more != NULL;
}

static bool set_request(struct http *h, const struct http_ask *ask)
{
	CURL *c = h->curl;

	curl_slist_free_all(h->headers);
	h->headers = NULL;
	/* Expect: 100-continue costs a second with servers that do not know it. */
	if (!add_header(h, "Content-Type", ask->type) || !add_header(h, "Content-Transfer-Encoding", ask->encoding) ||
	    !add_header(h, "Accept", ask->accept) || !add_header(h, "Expect", ""))
		return false;
	if (ask->type == NULL ? !SET(CURLOPT_HTTPGET, 1L) :
	    !SET(CURLOPT_POST, 1L) || !SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len))
		return false;
	return SET(CURLOPT_FRESH_CONNECT, (long)ask->fresh) && SET(CURLOPT_URL, ask->url) &&
	    SET(CURLOPT_HTTPHEADER, h->headers);
}

/* Why the server's certificate, or a proxy's, does not do. */
static void tell_certificate(struct http *h, struct reason *why)
{
	long ours = 0, proxys = 0, v;
	const char *whose;

	curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &ours);
	curl_easy_getinfo(h->curl, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxys);
	v = proxys != X509_V_OK ? proxys : ours;
	whose = proxys != X509_V_OK ? "proxy" : "server";
	switch (v) {
	case X509_V_OK:
	case X509_V_ERR_UNSPECIFIED:	/* libcurl's first value, until it has compared the names itself, after the chain */
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		reason_set(why, "the %s's certificate is not for the name %s", whose,
		    proxys == X509_V_OK ? h->host : "that https_proxy has");
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		reason_set(why, "the %s's certificate has expired, or one above it, or this host's clock is wrong",
		    whose);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		reason_set(why, "the %s's certificate is not valid yet, or this host's clock is wrong", whose);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		if (h->settings.ca_file != NULL && proxys == X509_V_OK)
			reason_set(why, "the server's certificate does not come from a CA in %s",
			    h->settings.ca_file);
		else
			reason_set(why, "the %s's certificate does not come from a CA that this system trusts%s", whose,
			    proxys == X509_V_OK ? ": name its CA by ca-file" : "");
		break;
	default:
		reason_set(why, "the %s's certificate is refused: %s", whose, X509_verify_cert_error_string(v));
	}
}

/* Does this alert (RFC 8446 6) say that settings have to change, here or there? */
static bool tell_alert(const struct http *h, struct reason *why)
{
	bool have = h->settings.certificate != NULL;

	switch (h->alert) {
	case 116:	/* certificate_required */
		reason_set(why, "the server wants a certificate of ours%s", have ? "" : ": set certificate and key");
		return true;
	case 42: case 43: case 44: case 45: case 46: case 48: case 49:	/* about certificates, and access_denied */
		reason_set(why, "the server %s (TLS alert %u)", have ? "does not accept our certificate" :
		    "wants a certificate of ours: set certificate and key", h->alert);
		return true;
	case 40: case 70: case 71:	/* handshake_failure, protocol_version, insufficient_security */
		/* Before TLS 1.3 a server that misses our certificate says handshake_failure. */
		reason_set(why, "the server agrees to no TLS with us (TLS alert %u)%s", h->alert,
		    have ? "" : "; perhaps it wants a certificate of ours: set certificate and key");
		return true;
	case 112:	/* unrecognized_name */
		reason_set(why, "the server does not know the name %s (TLS alert 112)", h->host);
		return true;
	}
	return false;
}

/* libcurl's words, printable: some are a server's. */
static void tell_curl(const struct http *h, CURLcode code, struct reason *why)
{
	const char *text = h->error[0] != '\0' ? h->error : curl_easy_strerror(code);
	char shown[200 + ESCAPE_LEN + 1];
	size_t n = 0;

	for (; *text != '\0' && n < 200; text++) {
		if (*text >= ' ' && *text < 0x7f)
			shown[n++] = *text;
		else
			n += escape_put((unsigned char)*text, shown + n);
	}
	reason_set(why, "%.*s", (int)n, shown);
}

/* What we ended ourselves. */
static void tell_end(const struct http *h, struct reason *why)
{
	switch (h->end) {
	case END_BODY:
		reason_set(why, "the server's answer has more than %zu bytes", h->settings.most);
		break;
	case END_HEADERS:
		reason_set(why, "the server's answer has more than %d bytes of header lines", HEADERS_MAX);
		break;
	case END_STALLED:
		reason_set(why, "the server's answer began and came to a stop");
		break;
	case END_TWICE:
		reason_set(why, "the server ended the connection without an answer");
		break;
	default:
		reason_memory(why);
	}
}

/* What the end of an exchange without a whole answer means. */
static enum http_result judge(struct http *h, CURLcode code, struct reason *why)
{
	long proxy = 0;

	curl_easy_getinfo(h->curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (h->end == END_REFUSED) {
		reason_set(why, "the server %s", h->settings.certificate != NULL ? "does not accept our certificate" :
		    "wants a certificate of ours: set certificate and key");
		return HTTP_UNTRUSTED;
	}
	if (h->end != END_NONE) {
		tell_end(h, why);
		return h->sent ? HTTP_NO_ANSWER : HTTP_TROUBLE;
	}
	if (code == CURLE_PEER_FAILED_VERIFICATION && !h->sent) {
		tell_certificate(h, why);
		return HTTP_UNTRUSTED;
	}
	/* In TLS 1.3 the server looks at our certificate when we have begun to speak; then it has read nothing. */
	if (!h->answered && tell_alert(h, why))
		return HTTP_UNTRUSTED;
	if (!h->sent && proxy == 407) {
		reason_set(why, "the proxy wants a user and a password: name them in https_proxy");
		return HTTP_UNTRUSTED;
	}
	if (code == CURLE_FILESIZE_EXCEEDED)
		reason_set(why, "the server's answer has more than %zu bytes", h->settings.most);
	else if (code == CURLE_OPERATION_TIMEDOUT && h->sent)
		reason_set(why, "the server did not answer within %ld s", h->settings.seconds);
	else if (code == CURLE_OUT_OF_MEMORY)
		reason_memory(why);
	else
		tell_curl(h, code, why);
	if (h->sent)
		return HTTP_NO_ANSWER;
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		return HTTP_TROUBLE;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_SSL_CERTPROBLEM:	/* ours, from a token */
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
		return HTTP_UNTRUSTED;
	default:
		return HTTP_NOT_SENT;
	}
}

/* Retry-After, RFC 9110 10.2.3: seconds, or a date, by the server's clock when that is told. */
static time_t wait_of(const struct http *h)
{
	const char *text = h->retry_after;
	time_t at, from, wait;

	if (*text == '\0')
		return 0;
	if (text[strspn(text, "0123456789")] == '\0') {
		wait = strlen(text) < 10 ? (time_t)strtol(text, NULL, 10) : WAIT_MAX;
		return wait < WAIT_MAX ? wait : WAIT_MAX;
	}
	if ((at = curl_getdate(text, NULL)) < 0)
		return 0;
	if (h->date[0] == '\0' || (from = curl_getdate(h->date, NULL)) < 0)
		from = time(NULL);
	if (at <= from)
		return 0;
	return at - from < WAIT_MAX ? at - from : WAIT_MAX;
}

static CURLcode perform(const struct http *h)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_set0_default(h->context);
	struct sigaction before;
	CURLcode code;

	quiet(&before);
	code = curl_easy_perform(h->curl);
	sigaction(SIGPIPE, &before, NULL);
	OSSL_LIB_CTX_set0_default(context);
	return code;
}

enum http_result http_exchange(struct http *h, const struct http_ask *ask, struct http_answer *answer,
    struct reason *why)
{
	enum http_result result;
	CURLcode code;

	*answer = (struct http_answer){0};
	if ((result = check_address(h, ask->url, why)) != HTTP_ANSWERED)
		return result;
	h->answer = answer;
	h->body = ask->body;
	h->at = h->header_bytes = h->came = h->stall_bytes = 0;
	h->sent = h->heard = h->answered = h->tls13 = h->wants_ours = false;
	h->retry_after[0] = h->date[0] = h->error[0] = '\0';
	h->alert = 0;
	h->end = END_NONE;
	h->stall_since = 0;
	if (!set_request(h, ask)) {
		reason_memory(why);
		return HTTP_TROUBLE;
	}
	code = perform(h);
	h->answer = NULL;
	h->body = (struct bytes){0};
	if (code == CURLE_OK && h->end == END_NONE) {
		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &answer->status);
		answer->wait = wait_of(h);
		return HTTP_ANSWERED;
	}
	buf_free(&answer->body);
	result = judge(h, code, why);
	/* It may come by itself, unless a setting has to change. */
	why->trouble = result != HTTP_UNTRUSTED;
	return result;
}
