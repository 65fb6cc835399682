/* SPDX-License-Identifier: ISC */
/* The operation install: the phone makes a key, may be asked to sign a request for it, waits for the CA, and stores
 * the certificate. */
#ifndef SESSION_INSTALL_H
#define SESSION_INSTALL_H

#include "capf/session_inside.h"

/* With a new key, or with the one that it has. */
void session_install_begin(struct session *, struct session_actions *);
/* KEY_RESPONSE. */
void session_install_on_key(struct session *, struct session_actions *);
/* The request that the phone is to sign. */
void session_install_on_request(struct session *, struct session_actions *, struct bytes);
/* SIGN_CERTIFICATE_RESPONSE, as it came. */
void session_install_on_signature(struct session *, struct session_actions *, struct bytes whole);
void session_install_on_certificate(struct session *, struct session_actions *, struct bytes der);
/* STORE_RESPONSE. */
void session_install_on_stored(struct session *, struct session_actions *);
/* In KEY, SIGN and WAIT: the time for a key or a signature is over, or a sign of life is due. */
void session_install_on_timeout(struct session *, struct session_actions *);
/* In SIGN and STORE: changes how it ends, where that is not as in other states. */
void session_install_lost(struct session *, struct session_actions *, struct session_loss *);

#endif
