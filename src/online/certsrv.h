/* SPDX-License-Identifier: ISC */
/* Microsoft's CA, asked through its web enrolment pages, certsrv. What is known of them is in certsrv_message.h. */
#ifndef CERTSRV_H
#define CERTSRV_H

#include "online/online_ca.h"

extern const struct online_kind certsrv_kind;

#endif
