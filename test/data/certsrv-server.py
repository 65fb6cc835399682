#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A CA that is asked through pages like those of Microsoft's web enrolment. The forms, the IDs of the elements and the
numbers are those that published programs read there; the sentences are ours. Nobody has compared it with the real one.
usage: certsrv-server.py [OPTION...] DIR CA.PEM CA.KEY EXTENSIONS SERVER.PEM
SERVER.PEM has the certificate and the key of the web server. It listens on a free port of 127.0.0.1 and writes it to
DIR/port. DIR/issued gets a line for each certificate, DIR/asked for each request that came, with the SHA-256 of the
public key, and the number; DIR/log a line for each exchange. It ends after 300 s in any case."""
import argparse
import base64
import hashlib
import html
import http.server
import importlib.util
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("cmc_ca", os.path.join(HERE, "cmc-ca.py"))
cmc = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cmc)

WORDS = {
    "en": ("Certificate Pending", "Your Request Id is %s.", "Return within 10 days.", "Denied",
           "The disposition message is", "Certificate Issued", "Taken Under Submission", "Denied by", "Disposition",
           "Error"),
    "de": ("Zertifikat steht aus", "Ihre Anforderungs-ID lautet %s.", "Kehren Sie innerhalb von 10 Tagen zurück.",
           "Verweigert", "Die Dispositionsmeldung lautet", "Zertifikat ausgestellt", "Angenommen", "Verweigert von",
           "Disposition", "Fehler"),
    "ja": ("保留中の証明書", "要求 ID は %s です。", "10 日以内に参照してください。", "拒否",
           "処理メッセージは次のとおりです:", "証明書は発行されました", "送信中", "拒否:", "処理", "エラー"),
}
ODDITIES = ("slow trickle other-key other-ca other-name huge garbage cut redirect retry hang-up lost fails-after fails-fetch "
            "html-type two-links no-number no-ids unavailable many-headers thinks").split()


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--language", choices=WORDS, default="en")
    p.add_argument("--user")
    p.add_argument("--password")
    p.add_argument("--ntlm", action="store_true", help="NTLM alone; whatever the user proves is taken")
    p.add_argument("--client-ca")
    p.add_argument("--templates", default="Phone")
    p.add_argument("--shape", choices=("none", "agent", "behalf"), default="none")
    p.add_argument("--agent-ca", default="/dev/null")
    p.add_argument("--pending", type=int, default=0, help="how many times it says that a request waits; -1: for ever")
    p.add_argument("--deny", choices=("at-once", "later"))
    p.add_argument("--prepared", metavar="DIR", help="DIR/NAME.der was issued before; nothing is verified (for figures)")
    p.add_argument("--renewals", type=int, default=1)
    p.add_argument("--odd", choices=ODDITIES, action="append", default=[])
    p.add_argument("--times", type=int, default=1000000, help="how often it fails with fails-fetch")
    for name in "dir", "ca", "key", "extensions", "server":
        p.add_argument(name)
    return p.parse_args()


ARGS = options()
LOCK = threading.Lock()
REQUESTS = {}           # by number: the DER of a certificate, or None while it waits; and how often it was polled
STARTED = time.monotonic()


def note(leaf, *words):
    with LOCK, open(os.path.join(ARGS.dir, leaf), "a", encoding="utf-8") as f:
        f.write(" ".join(map(str, words)) + "\n")


def frame(title, body):
    return ('<HTML>\r\n<Head>\r\n<Meta HTTP-Equiv="Content-Type" Content="text/html; charset=UTF-8">\r\n'
            '<Title>Lab 1</Title>\r\n</Head>\r\n<Body BgColor=#FFFFFF><Font ID=locPageFont Face="Arial">\r\n'
            '<Table Width=100%% BgColor=#008080><TR><TD><LocID ID=locMSCertSrv>Lab CA 07</LocID></TD>'
            '<TD ID=locHomeAlign Align=Right><A Href="/certsrv">x</A></TD></TR></Table>\r\n'
            '<P ID=locPageTitle> <B> %s </B>\r\n<!-- Green HR --><Table Width=100%%><TR><TD><Img Src="a.gif" Height=2>'
            '</TD></TR></Table>\r\n%s\r\n</Font>\r\n<!-- 99 -->\r\n</Body>\r\n</HTML>\r\n' % (title, body))


def page_pending(number):
    w = WORDS[ARGS.language]
    if "no-number" in ARGS.odd:
        number = "-"
    return frame(w[0], "<P ID=locInfoNewReq> 3 x </P>\r\n<P ID=locInfoReqID>\r\n%s\r\n</P>\r\n"
                 "<P ID=locTimeoutWarning><Font Size=-1>%s</Font></P>" % (w[1] % number, w[2]))


def page_denied(number, message):
    w = WORDS[ARGS.language]
    return frame(w[3], '<P ID=locDenied>%s</P>\r\n<P ID=locInfoReqIDandReason>\r\n%s %s "%s".\r\n</P>' % (
        w[3], w[1] % number, w[4], html.escape(message)))


def page_issued(number):
    links = "".join('<A Href="certnew.%s?ReqID=%d&amp;Enc=%s">x</A>\r\n' % (kind, number, enc)
                    for kind in ("cer", "p7b") for enc in ("bin", "b64"))
    if "two-links" in ARGS.odd:
        links += '<A Href="certnew.cer?ReqID=%d&amp;Enc=b64">x</A>' % (number + 1)
    return frame(WORDS[ARGS.language][5], "<P ID=locInfo> x </P>\r\n" + links +
                 '<Script Language="JavaScript">\r\nlocation="certnew.cer?ReqID=%d&"+enc();\r\n</Script>' % number)


def page_errors(number, message, status):
    """What certnew.cer answers for a request without a certificate."""
    w = WORDS[ARGS.language]
    rows = (("locModeLabel", "<LocID ID=locModeSpacer>-</LocID>"),
            ("locDispLabel", "%s <LocID ID=locDispSpacer>-</LocID> \r\n<LocID ID=locDispUnknown>(3)</LocID>" % number),
            ("locDispMsgLabel", html.escape(message)), ("locResultLabel", "0x0 (WIN32: 0)"), ("locLastStatLabel", status))
    return frame(w[9], "<DL>" + "".join("<DT ID=%s><Font Size=-1><B>%s:</B></Font></DT><DD>\r\n\t\t%s\r\n\t</DD>\r\n" % (
        name, w[8], text) for name, text in rows) + "</DL>")


def other_ca(work):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Other", "-keyout", work + "/k",
                    "-out", work + "/c"], check=True, capture_output=True)
    return work + "/c", work + "/k"


def issue(request, number):
    """The certificate, and a line in DIR/issued: what a test counts."""
    ca, key = ARGS.ca, ARGS.key
    request = types.SimpleNamespace(subject=request.subject, spki=request.spki)
    note("issued", hashlib.sha256(request.spki).hexdigest(), number)
    if ARGS.prepared:
        device = [v for k, v, _ in request.subject if k == "CN"][-1]
        with open(os.path.join(ARGS.prepared, device + ".der"), "rb") as f:
            return f.read()
    with tempfile.TemporaryDirectory() as work:
        if "other-ca" in ARGS.odd:
            ca, key = other_ca(work)
        if "other-name" in ARGS.odd:
            request.subject = [("CN", "SEPFFFFFFFFFFFF", 0)]
        if "other-key" in ARGS.odd:
            subprocess.run(["openssl", "genrsa", "-out", work + "/o", "2048"], check=True, capture_output=True)
            request.spki = cmc.openssl("pkey", "-in", work + "/o", "-pubout", "-outform", "DER").stdout
        cmc.issue(ca, key, ARGS.extensions, work, types.SimpleNamespace(request=request))
        name = [leaf for leaf in os.listdir(work) if leaf.endswith(".der")][0]
        with open(os.path.join(work, name), "rb") as f:
            return f.read()


def read_request(form):
    """The PKCS#10 in a form, with its own key's signature, or in CMC: MS-WCCE's rules, by cmc-ca.py."""
    text = form.get("CertRequest", "")
    text = re.sub(r"-----(BEGIN|END) [A-Z0-9 ]+-----", "", text)
    der = base64.b64decode(re.sub(r"\s", "", text), validate=True)
    outer = cmc.only(der, cmc.SEQUENCE)
    found = re.search(r"CertificateTemplate:([^\r\n]*)", form.get("CertAttrib", ""))
    template = found[1] if found else ""
    if outer.parts()[0].tag == cmc.OID:
        message = cmc.Message(der)
        return message.request, template, lambda: cmc.check(message, ARGS.templates.split(","), ARGS.shape, ARGS.agent_ca)
    request = cmc.Request(outer)
    return request, template, lambda: cmc.want(ARGS.prepared or request.self_signed(), "Error Parsing Request  x 0x80090006 (-2146893818)")


def enrol(form):
    """certfnsh.asp: the page."""
    if "unavailable" in ARGS.odd:
        return page_errors("<LocID ID=locDispNeverSet>(x)</LocID>", "", "x 0x800706BA (WIN32: 1722)")
    for key, value in (("Mode", "newreq"), ("TargetStoreFlags", "0"), ("SaveCert", "yes")):
        if form.get(key) != value:
            return page_errors("1", "no %s" % key, "0x80070057")
    with LOCK:
        number = 25 + len(REQUESTS)
        REQUESTS[number] = state = {"der": None, "polls": 0, "denied": False}
    try:
        request, template, check = read_request(form)
        note("asked", hashlib.sha256(request.spki).hexdigest(), number)
        cmc.want(template in ARGS.templates.split(","), "Denied by Policy Module  0x80094800, x: %s." % template)
        check()
    except (cmc.Refused, ValueError, IndexError) as why:
        state["denied"] = True
        return page_denied(number, str(why) if "0x8" in str(why) else "Error Parsing Request  %s 0x80090006" % why)
    if ARGS.deny == "at-once":
        state["denied"] = True
        return page_denied(number, "Denied by Policy Module  0x80094012, x: Phone.")
    state["request"] = request
    if ARGS.pending != 0 or ARGS.deny:
        return page_pending(number)
    state["der"] = issue(request, number)
    return frame("x", "<P>x %d.</P>" % number) if "no-ids" in ARGS.odd else page_issued(number)


def fetch(number):
    """certnew.cer: the DER of the certificate, or a page."""
    w = WORDS[ARGS.language]
    state = REQUESTS.get(number)
    if state is None:
        return page_errors("<LocID>(x)</LocID>", "", "x 0x80094004 (-2146877436)")
    state["polls"] += 1
    ready = 0 <= ARGS.pending < state["polls"]
    if ready and ARGS.deny == "later":
        state["denied"] = True
    if state["denied"]:
        return page_errors("2", w[7] + " LAB\\admin", "x 0x80094014 (-2146877420 CERTSRV_E_ADMIN_DENIED_REQUEST)")
    if state["der"] is None and ready:
        state["der"] = issue(state["request"], number)
    return state["der"] or page_errors("5", w[6], "0x0 (WIN32: 0)")


def ntlm_challenge():
    """MS-NLMP 2.2.1.2: no target name, one pair of information, the end."""
    info = b"\x02\x00\x06\x00L\0A\0B\0" + b"\0\0\0\0"
    size = len(info).to_bytes(2, "little")
    return (b"NTLMSSP\0\x02\0\0\0" + b"\0\0\0\0\x38\0\0\0" + 0x00828201.to_bytes(4, "little") + b"12345678" +
            b"\0" * 8 + size * 2 + b"\x38\0\0\0" + b"\x0a\0\0\0\0\0\0\x0f" + info)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # the body need not wait for the client to acknowledge the headers
    known = False                   # NTLM: this connection has a user

    def log_message(self, *words):
        pass

    def reply(self, status, kind, body, **headers):
        note("log", self.command, self.path, status)
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "many-headers" in ARGS.odd:
            for _ in range(20000):
                self.send_header("Retry-After", "1000000")
        if "huge" in ARGS.odd:
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for _ in range(1024):
                    self.wfile.write(b"<P>1 " * 200000)
            except OSError:
                pass
            self.close_connection = True
            return
        self.send_header("Content-Length", len(body))
        self.end_headers()
        if "hang-up" in ARGS.odd:
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        if "trickle" in ARGS.odd:
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                self.wfile.flush()
                time.sleep(0.5)
        self.wfile.write(body)

    def allowed(self):
        """Is this one whom we know? If not, he was answered."""
        said = self.headers.get("Authorization", "")
        if not self.headers.get("User-Agent", "").startswith("Mozilla"):
            self.reply(403, "text/html", "Mozilla alone")
            return False
        if ARGS.ntlm:
            if self.known:
                return True
            blob = base64.b64decode(said[5:]) if said.startswith("NTLM ") else b""
            if blob[8:12] == b"\3\0\0\0":
                at = int.from_bytes(blob[40:44], "little")
                name = blob[at:at + int.from_bytes(blob[36:38], "little")]
                self.known = ARGS.user in (name.decode("utf-16-le", "ignore"), name.decode("latin-1"))
                if self.known:
                    return True
            word = "NTLM " + base64.b64encode(ntlm_challenge()).decode() if blob[8:12] == b"\1\0\0\0" else "NTLM"
            self.reply(401, "text/html", "401", WWW_Authenticate=word)
            return False
        if ARGS.user is not None:
            want = "Basic " + base64.b64encode(("%s:%s" % (ARGS.user, ARGS.password)).encode()).decode()
            if said != want:
                self.reply(401, "text/html", "401 - Unauthorized", WWW_Authenticate='Basic realm="ca"')
                return False
        return True

    def odd(self):
        """The oddities that come before anything else. True when that was all."""
        if "slow" in ARGS.odd:
            time.sleep(30)
        for word, status, headers in (("redirect", 302, {"Location": "https://127.0.0.1:9/"}),
                                      ("retry", 503, {"Retry_After": "1000000000000"})):
            if word in ARGS.odd:
                self.reply(status, "text/html", "x", **headers)
                return True
        if "garbage" in ARGS.odd:
            self.reply(200, "text/html", os.urandom(5000))
            return True
        return False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed() or self.odd():
            return
        if self.path != "/certsrv/certfnsh.asp" or self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self.reply(404, "text/html", "404")
            return
        page = enrol(dict(urllib.parse.parse_qsl(body.decode("ascii"), strict_parsing=False, keep_blank_values=True)))
        if "thinks" in ARGS.odd:
            time.sleep(100)
        if "lost" in ARGS.odd:
            self.close_connection = True
        elif "fails-after" in ARGS.odd:
            self.reply(500, "text/html", "ASP 0115")
        else:
            self.reply(200, "text/html", page)

    def do_GET(self):
        if not self.allowed() or self.odd():
            return
        place, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        number = query.get("ReqID", "")
        if place == "/certsrv/certcarc.asp":
            self.reply(200, "text/html", frame("x", "<Script>\r\nvar nRenewals=%d;\r\n</Script>" % ARGS.renewals))
        elif place == "/certsrv/certnew.p7b" and number == "CACert":
            self.reply(200, "application/x-pkcs7-certificates",
                       cmc.openssl("crl2pkcs7", "-nocrl", "-certfile", ARGS.ca, "-outform", "DER").stdout)
        elif place == "/certsrv/certnew.cer" and number == "CACert" and query.get("Renewal") == str(ARGS.renewals):
            self.give(cmc.openssl("x509", "-in", ARGS.ca, "-outform", "DER").stdout, query)
        elif place == "/certsrv/certnew.cer" and number.isdigit():
            with LOCK:
                ARGS.times -= "fails-fetch" in ARGS.odd
            if "fails-fetch" in ARGS.odd and ARGS.times >= 0:
                self.reply(500, "text/html", "x")
                return
            self.give(fetch(int(number)), query)
        else:
            self.reply(404, "text/html", "404")

    def give(self, answer, query):
        if isinstance(answer, str):
            self.reply(200, "text/html", answer)
            return
        if "cut" in ARGS.odd:
            answer = answer[:len(answer) // 2]
        if query.get("Enc") == "b64":
            answer = cmc.pem(b"CERTIFICATE", answer).replace(b"\n", b"\r\n")
        self.reply(200, "text/html" if "html-type" in ARGS.odd else "application/pkix-cert", answer)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        note("log", "error", repr(sys.exc_info()[1]))

    def finish_request(self, request, client_address):
        """TLS in the thread of the connection, so that nobody who is slow with it stops the others."""
        request.settimeout(60)
        try:
            secure = CONTEXT.wrap_socket(request, server_side=True)
        except OSError as why:
            note("log", "tls", why)
            return
        try:
            super().finish_request(secure, client_address)
        finally:
            try:
                secure.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            secure.close()


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain(ARGS.server)
if ARGS.client_ca:
    CONTEXT.load_verify_locations(ARGS.client_ca)
    CONTEXT.verify_mode = ssl.CERT_REQUIRED
SERVER = Server(("127.0.0.1", 0), Handler)
with open(os.path.join(ARGS.dir, "port.new"), "w", encoding="ascii") as out:
    out.write("%d\n" % SERVER.server_address[1])
os.rename(os.path.join(ARGS.dir, "port.new"), os.path.join(ARGS.dir, "port"))
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
time.sleep(300)
