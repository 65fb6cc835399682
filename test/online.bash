# SPDX-License-Identifier: ISC
# For the files that ask a CA on the network, of any kind: `load ../online` after `load ../helper` and `load ../serving`.
# The CA is the lab's root, and its server is on loopback.

CMP=$OBJ/servers/cmp-server

# online_once: for setup_file. What is dear and alike for all tests of a file: certificates of servers, an RA, an agent.
online_once() {
	cd "$BATS_FILE_TMPDIR" || return 1
	mkdir tls
	self_signed tls/good IP:127.0.0.1
	self_signed tls/name DNS:elsewhere.example
	self_signed tls/old IP:127.0.0.1 -days 1 -not
	issued_to ra /CN=RA
	issued_to agent /O=Example/CN=Agent 'extendedKeyUsage = 1.3.6.1.4.1.311.20.2.1'
	openssl genrsa -out transport.key 2048 2>/dev/null
}
# self_signed NAME SAN: NAME.pem and NAME.key, a web server's; with a third word it has expired.
self_signed() {
	printf '%s\n' '[ca]' 'default_ca = x' '[x]' 'new_certs_dir = .' "database = $1.index" "private_key = $1.key" \
	    'rand_serial = yes' 'default_md = sha256' 'policy = p' 'x509_extensions = e' '[p]' 'commonName = supplied' \
	    '[e]' "subjectAltName = $2" >"$1.cnf"
	: >"$1.index"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj /CN=web -out "$1.req" 2>/dev/null
	openssl ca -batch -selfsign -config "$1.cnf" -in "$1.req" -out "$1.pem" -notext -startdate 20200101000000Z \
	    -enddate "$([ $# -gt 2 ] && echo 20210101000000Z || echo 20490101000000Z)" 2>/dev/null
}
# issued_to NAME SUBJECT [EXTENSION...]: NAME.pem for NAME.key, by the lab's root.
issued_to() {
	printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' \
	    'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' "${@:3}" >"$1.ext"
	openssl genrsa -out "$1.key" 2048 2>/dev/null
	openssl req -new -key "$1.key" -subj "$2" |
	    openssl x509 -req -CA "$FIX/root.pem" -CAkey "$FIX/root.key" -days 30 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}

# ca KIND SWITCH...: the CA starts, and capf.conf has it as "lab". TLS names another of the web server's certificates.
ca() {
	local base=$BATS_FILE_TMPDIR tls=$BATS_FILE_TMPDIR/tls/${TLS:-good}
	KIND=$1
	shift
	ca_gone
	rm -f ca.port ca.said
	case $KIND in
	est)
		mkdir -p est
		cp "$FIX/root.pem" est/ca.pem
		cp "$FIX/root.key" est/ca.key
		cp "$FIX/phone.ext" est/phone.ext
		cp "$tls.pem" est/tls.pem
		cp "$tls.key" est/tls.key
		rm -f est/port
		python3 "$TESTDIR/data/est-server.py" "$@" est >ca.said 2>&1 3>&- &
		PORT_FILE=est/port ;;
	certsrv)
		mkdir -p ca
		cat "$tls.pem" "$tls.key" >web.pem
		rm -f ca/port
		python3 "$TESTDIR/data/certsrv-server.py" "$@" ca "$FIX/root.pem" "$FIX/root.key" "$FIX/phone.ext" web.pem \
		    >ca.said 2>&1 3>&- &
		PORT_FILE=ca/port ;;
	cmp)
		"$CMP" -c "$FIX/root.pem" -k "$FIX/root.key" -l cmp.log -a "$base/ra.pem" "$@" >ca.port 2>ca.said 3>&- &
		PORT_FILE=ca.port ;;
	scep)
		"$OBJ/servers/scep-server" ca.port scep.log "$FIX/root.pem" "$FIX/root.key" "$@" >ca.said 2>&1 3>&- &
		PORT_FILE=ca.port ;;
	esac
	CA_PID=$!
	echo $CA_PID >>pids
	until_true test -s $PORT_FILE
	AT=$(<$PORT_FILE)
	by_$KIND
}
ca_gone() {
	if [ -n "${CA_PID:-}" ]; then
		kill "$CA_PID" 2>/dev/null || true
		wait "$CA_PID" 2>/dev/null || true
	fi
	CA_PID=
}

# settings LINE...: all that capf.conf has of the CA "lab".
settings() {
	sed -i '/^ca\.lab\./d' "$SPOOL/capf.conf"
	printf 'ca.lab.%s\n' "$@" 'timeout = 5s' >>"$SPOOL/capf.conf"
}
# setting FIELD VALUE: one of them.
setting() {
	sed -i "/^ca\.lab\.$1 /d" "$SPOOL/capf.conf"
	echo "ca.lab.$1 = $2" >>"$SPOOL/capf.conf"
}
by_est() {
	settings 'type = est' "url = https://127.0.0.1:$AT" "ca-file = $BATS_FILE_TMPDIR/tls/good.pem"
}
by_certsrv() {
	settings 'type = certsrv' "url = https://127.0.0.1:$AT" 'template = Phone' "ca-file = $BATS_FILE_TMPDIR/tls/good.pem"
}
by_cmp() {
	settings 'type = cmp' "url = http://127.0.0.1:$AT/cmp" "ra-certificate = $BATS_FILE_TMPDIR/ra.pem" \
	    "ra-key = $BATS_FILE_TMPDIR/ra.key" "issuer-file = $FIX/root.pem"
}
by_scep() {
	settings 'type = scep' "url = http://127.0.0.1:$AT/scep" "issuer-file = $FIX/root.pem" \
	    "ra-key = $BATS_FILE_TMPDIR/transport.key"
}
with_agent() {
	setting agent "$BATS_FILE_TMPDIR/agent.pem"
	setting agent-key "$BATS_FILE_TMPDIR/agent.key"
}

# keys_issued: the SHA-256 of the public key of each certificate that the CA has issued.
keys_issued() {
	case $KIND in
	est) cut -d ' ' -f 1 est/issued ;;
	certsrv) cut -d ' ' -f 1 ca/issued ;;
	cmp | scep) sed -n 's/^issued //p' "$KIND.log" | cut -d ' ' -f 1 ;;
	esac 2>/dev/null
}
# issued N: so many certificates were issued, and each for another key.
issued() {
	assert_equal "$(keys_issued | wc -l) $(keys_issued | sort -u | wc -l)" "$1 $1"
}
