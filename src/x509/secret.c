/* SPDX-License-Identifier: ISC */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fileio.h"
#include "x509/secret.h"

#define SECRET_MAX 512	/* half of what OpenSSL's own prompt takes */

void secret_guard(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

int secret_read(struct secret *s, const char *path, struct reason *r)
{
	char line[SECRET_MAX + 2];
	size_t len, end;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved, res = -1;

	secret_guard();
	if (fd < 0)
		return reason_errno(r);
	n = fileio_read_full(fd, line, sizeof line);
	saved = errno;
	close(fd);
	len = n > 0 ? (size_t)n : 0;
	for (end = 0; end < len && line[end] != '\n' && line[end] != '\0'; end++)
		;
	if (end > 0 && line[end - 1] == '\r')
		end--;
	errno = saved;
	if (n < 0)
		reason_errno(r);
	else if (end == 0)
		reason_set(r, "the first line is empty");
	else if (end > SECRET_MAX)
		reason_set(r, "the first line has more than %d bytes", SECRET_MAX);
	else {
		secret_wipe(s);
		if ((s->text = strndup(line, end)) != NULL)
			res = 0;
		else
			reason_errno(r);
	}
	OPENSSL_cleanse(line, sizeof line);
	return res;
}

int secret_ask(struct secret *s, const char *prompt, struct reason *r)
{
	char line[SECRET_MAX + 1];
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), ok;
	sigset_t child, before;

	secret_guard();
	/* Without a terminal OpenSSL would read stdin, where the archive comes from. */
	if (fd < 0)
		return reason_set(r, "needs a pass phrase, and there is no terminal to ask on");
	close(fd);
	/* OpenSSL catches every signal meanwhile; a child that ends would be taken for an interruption. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &before);
	ok = EVP_read_pw_string_min(line, 1, SECRET_MAX, prompt, 0) == 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (ok) {
		secret_wipe(s);
		s->text = strdup(line);
	}
	OPENSSL_cleanse(line, sizeof line);
	ERR_clear_error();
	if (!ok)
		return reason_set(r, "no pass phrase was given");
	return s->text != NULL ? 0 : reason_memory(r);
}

void secret_wipe(struct secret *s)
{
	if (s->text != NULL) {
		OPENSSL_cleanse(s->text, strlen(s->text));
		free(s->text);
	}
	s->text = NULL;
}

void secret_free(void *p, size_t len)
{
	if (p != NULL)
		OPENSSL_cleanse(p, len);
	free(p);
}
