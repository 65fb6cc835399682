/* SPDX-License-Identifier: ISC */
/* Calls that fail when a test wants them to. FAULTS_NAME in the Makefile says which calls of the
 * library the linker sends to __wrap_CALL; FAULT makes that function. After fault_arm(n, error)
 * the nth of them fails, and with fault_all those that follow too. */
#ifndef FAULT_H
#define FAULT_H

#include <errno.h>
#include <stdbool.h>

static unsigned fault_at;	/* which call from now on; 0: none */
static int fault_error;
static bool fault_all, fault_struck;

__attribute__((unused)) static void fault_arm(unsigned n, int error)
{
	fault_at = n;
	fault_error = error;
	fault_struck = false;
}

/* Ends it. Was the call reached? */
__attribute__((unused)) static bool fault_over(void)
{
	fault_at = 0;
	return fault_struck;
}

static bool fault_now(void)
{
	if (fault_at == 0 || (!fault_struck && --fault_at > 0))
		return false;
	fault_struck = true;
	fault_at = fault_all;
	errno = fault_error;
	return true;
}

#define FAULT(type, call, parameters, arguments, failed)	\
	type __real_##call parameters;				\
	type __wrap_##call parameters;				\
	type __wrap_##call parameters				\
	{							\
		return fault_now() ? failed : __real_##call arguments;	\
	}

#endif
