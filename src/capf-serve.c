/* SPDX-License-Identifier: ISC */
/* capf-serve: speaks CAPF with phones. What it knows of them, and all that it promises, is in the spool:
 * it says nothing to a phone that is not on the disk. It signs nothing itself: a process of its own does,
 * or a CA, through csr/ and lsc/. It never logs an authentication string. This process only keeps the others
 * going: it opens the sockets, and gives up what rights it has, before anything that comes from a phone. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "cli/open_spool.h"
#include "cli/options.h"
#include "cli/status.h"
#include "server/load.h"
#include "server/master.h"

const char program[] = "capf-serve";
const char purpose[] = "give phones their certificates, over CAPF";
const char synopsis[] = "[-hV] [-L log] [-l address:port[,address:port ...]] [-P seconds] [-s spool]\n"
    "                  [-u user] [-w workers]";

/* Becomes a user, for good. */
static void become(const char *name)
{
	struct passwd *user = getpwnam(name);

	if (user == NULL)
		status_die(STATUS_USAGE, name, "there is no such user");
	if (user->pw_uid == 0)
		status_die(STATUS_USAGE, name, "has all rights, and would keep them");
	if (geteuid() == user->pw_uid && getuid() == user->pw_uid)
		return;
	if (initgroups(name, user->pw_gid) != 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
		status_die_errno(name, "cannot become this user");
	if (setuid(0) == 0 || setgid(0) == 0)
		status_die(STATUS_TROUBLE, name, "could become root again");
}

/* Before the spool is opened, and by whoever may open sockets. */
static void read_settings(const char *path, struct settings *settings)
{
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct reason why;

	if (root < 0 || faccessat(root, SPOOL_CONF, F_OK, 0) != 0)
		open_spool_failed(path);
	if (settings_load(settings, root, &why) != 0)
		status_die(status_of_input(why.trouble), path, SPOOL_CONF ": %s", why.text);
	close(root);
}

/* Problems that we and our workers would find later, one by one. */
static void check_rights(const char *path, const char *user)
{
	const char *whom = user != NULL ? user : "this user";
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 && errno == EACCES)
		status_die(STATUS_USAGE, path, "has to be readable for %s", whom);
	for (int d = 0; d < SPOOL_DIRS; d++) {
		const char *name = spool_dir_name((enum spool_dir)d);
		bool change = d != SPOOL_CA && d != SPOOL_TRUST_CAPF && d != SPOOL_TRUST_CALLMANAGER;

		if (faccessat(root, name, R_OK | X_OK | (change ? W_OK : 0), 0) != 0 && errno == EACCES)
			status_die(STATUS_USAGE, path, "%s/ has to be readable%s for %s", name,
			    change ? " and writable" : "", whom);
	}
	if (faccessat(root, SPOOL_JOURNAL, R_OK | W_OK, 0) != 0 &&
	    (errno == EACCES || faccessat(root, ".", W_OK, 0) != 0))
		status_die(STATUS_USAGE, path, SPOOL_JOURNAL " has to be readable and writable for %s",
		    whom);
	close(root);
}

/* Where to listen when neither -l nor systemd says it: 3804 is CAPF's port. */
static const char *addresses(const struct settings *settings)
{
	return *settings->listen != '\0' ? settings->listen :
	    settings->enable_ipv6 ? "0.0.0.0:3804 [::]:3804" : "0.0.0.0:3804";
}

int main(int argc, char *argv[])
{
	const char *path = spool_default(), *listen_where = NULL, *log = NULL, *user = NULL;
	time_t start = time(NULL), now = start;
	long workers = 0;
	const struct option_spec options[] = {
		OPT_TEXT('L', "log", "LOG", &log,
		    "log to stderr, syslog or syslog:SOCKET instead of the setting log"),
		OPT_TEXT('l', "listen", "ADDRESS:PORT", &listen_where,
		    "listen there instead of at the setting listen; separate several with commas"),
		OPT_CLOCK(&now),
		OPT_SPOOL(&path),
		OPT_TEXT('u', "user", "USER", &user, "become this user when the sockets are open"),
		OPT_NUMBER('w', "workers", "N", &workers, 1, LOAD_MAX,
		    "number of workers, instead of the setting workers"),
		{0},
	};
	int arg = options_parse(argc, argv, options), result;
	struct listen listen = {.n = 0};
	struct master_task task;
	struct systemd notify;
	struct reason why;
	struct log_output sink;
	struct settings settings;
	struct spool *s;

	if (arg < argc)
		status_usage("takes no arguments");
	systemd_open(&notify);
	read_settings(path, &settings);
	if ((listen_where != NULL ? listen_at(&listen, listen_where, settings.enable_ipv6, &why) :
	    listen_default(&listen, addresses(&settings), settings.enable_ipv6, &why)) != 0 ||
	    log_output_open(&sink, log != NULL ? log : settings.log, program, &why) != 0)
		status_die(status_of_input(why.trouble), NULL, "%s", why.text);
	if (user != NULL)
		become(user);
	check_rights(path, user);
	s = open_spool_to_change(path, now);
	task = (struct master_task){s, &settings, &sink, &listen, &notify, now - start,
	    workers > 0 ? (unsigned)workers : settings.workers};
	if ((result = master_run(&task, &why)) != 0)
		status_warn(path, "%s", why.text);
	spool_close(s);
	return status_flush(result == 0 ? STATUS_OK : result > 0 ? STATUS_USAGE : STATUS_TROUBLE);
}
