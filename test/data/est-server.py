#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""An EST server (RFC 7030, RFC 8951) on loopback, well-behaved or not; with --plain it speaks HTTP without TLS.
usage: est-server.py [switches] DIR
DIR has ca.pem, ca.key and phone.ext, which issue, and tls.pem and tls.key, the server's own. It writes there:
    port        the port, once it listens
    requests    a line for each request: METHOD PATH, and the SHA-256 of the body when there is one
    issued      a line for each certificate: the SHA-256 of the public key, and the device
It ends when it gets SIGTERM, and after ten minutes in any case.
As libest does, it answers 400 to base64 in a line of more than 76 characters, or without a newline at its end."""
import argparse
import base64
import hashlib
import http.server
import importlib.util
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
import time
import types

MEBI = 1024 * 1024


def sibling(leaf):
    spec = importlib.util.spec_from_file_location(leaf.replace("-", "_"), os.path.join(os.path.dirname(
        os.path.abspath(__file__)), leaf + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cmc = sibling("cmc-ca")


def arguments():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--plain", action="store_true")
    p.add_argument("--port", type=int, default=0, help="of a server that was away, and is back; 0: any")
    p.add_argument("--client-ca", help="whose certificates a client must have")
    p.add_argument("--tls12", action="store_true", help="nothing newer")
    p.add_argument("--basic", metavar="USER:PASSWORD")
    p.add_argument("--digest", metavar="USER:PASSWORD")
    p.add_argument("--label", default="")
    p.add_argument("--pending", type=int, default=0, help="202 so many times for each key")
    p.add_argument("--retry-after", help="with 202, and with --status")
    p.add_argument("--status", type=int, help="refuse each enrolment with it")
    p.add_argument("--say", default="the CA does not like it")
    p.add_argument("--trusting", action="store_true", help="issue for requests that their key did not sign")
    p.add_argument("--cmc", metavar="TEMPLATES,none|agent|behalf,AGENT-CA.PEM", help="fullcmc")
    p.add_argument("--cmc-status", metavar="STATUS,FAIL,TEXT", help="a CMC response that refuses")
    p.add_argument("--other-key", action="store_true", help="certificates for another key")
    p.add_argument("--other-name", action="store_true")
    p.add_argument("--prepared", metavar="DIR", help="DIR/NAME.der was issued before; nothing is verified (for figures)")
    p.add_argument("--wrap", default="64", choices=["64", "76", "none", "crlf", "pem", "der", "ber"])
    p.add_argument("--misbehave", default="", choices=["", "slow", "trickle", "trickle-headers", "gigabyte", "headers",
                   "hundreds", "long-header", "redirect", "hang-up", "middle", "garbage", "empty", "html", "cut", "no-certificates",
                   "second", "early"])
    p.add_argument("--times", type=int, default=1 << 30, help="misbehave so many times, then no more")
    p.add_argument("--seconds", type=float, default=3, help="of slow")
    p.add_argument("directory")
    return p.parse_args()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    lock = threading.Lock()
    asked = {}
    misbehaved = 0

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # the body need not wait for the client to acknowledge the headers
    count = 0

    def log_message(self, *words):
        pass

    def note(self, leaf, line):
        with self.server.lock, open(leaf, "a") as f:
            f.write(line + "\n")

    def answer(self, status, kind, body, *headers):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, text, *headers):
        self.answer(status, "text/plain", text.encode() + b"\n", *headers)

    # Who may ask.

    def authenticated(self):
        said = self.headers.get("Authorization", "")
        if args.basic and said == "Basic " + base64.b64encode(args.basic.encode()).decode():
            return True
        if args.digest and said.startswith("Digest "):
            return self.digest_holds(dict(re.findall(r'(\w+)="?([^",]*)"?', said)))
        return not args.basic and not args.digest

    def digest_holds(self, said):
        def md5(*words):
            return hashlib.md5(":".join(words).encode()).hexdigest()

        user, password = args.digest.split(":")
        first, second = md5(user, "est", password), md5(self.command, said.get("uri", ""))
        return said.get("username") == user and said.get("nonce") == "abc" and said.get("response") == md5(
            first, "abc", said.get("nc", ""), said.get("cnonce", ""), "auth", second)

    def challenge(self):
        wants = [("WWW-Authenticate", 'Basic realm="est"')] if args.basic else []
        if args.digest:
            wants.append(("WWW-Authenticate", 'Digest realm="est", nonce="abc", qop="auth"'))
        self.refuse(401, "who are you?", *wants)

    # What goes wrong.

    def misbehave(self):
        """True when that was all of the answer."""
        how = args.misbehave
        out = self.wfile
        with self.server.lock:
            self.server.misbehaved += 1
            if self.server.misbehaved > args.times:
                return False
        if how == "slow":
            time.sleep(args.seconds)
        elif how == "hang-up":
            return True
        elif how == "second":
            return self.count == 2
        elif how == "middle":
            out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkcs7-mime\r\nContent-Length: 4000\r\n\r\nMII")
            return True
        elif how == "trickle":
            out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            self.drip(b"M", 0.4)
        elif how == "trickle-headers":
            out.write(b"HTTP/1.1 200 OK\r\n")
            self.drip(b"X: y\r\n", 0.4)
        elif how in ("gigabyte", "headers", "hundreds", "long-header"):
            begin, piece = {
                "gigabyte": (b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n", b"M" * MEBI),
                "headers": (b"HTTP/1.1 202 Accepted\r\n", b"Retry-After: 5\r\n" * 65536),
                "hundreds": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 43690),
                "long-header": (b"HTTP/1.1 200 OK\r\nX: ", b"y" * MEBI)}[how]
            out.write(begin)
            for _ in range(1024):
                out.write(piece)
        elif how == "redirect":
            self.answer(302, "text/plain", b"", ("Location", "https://127.0.0.1:%d/there" % self.server.server_port))
        else:
            return False
        return how not in ("slow", "redirect", "second") or how == "redirect"

    def drip(self, piece, pause):
        for _ in range(1500):
            self.wfile.write(piece)
            time.sleep(pause)

    def bodies(self):
        return {"garbage": b"!!! no base64 !!!\n", "empty": b"", "html": b"<html><b>Welcome</b> to\n the proxy</html>",
                "cut": base64.encodebytes(self.list_of(args.directory + "/ca.pem"))[:200],
                "no-certificates": base64.encodebytes(bytes.fromhex("302306092a864886f70d010702a0163014020101"
                                                                    "3100300b06092a864886f70d0107013100")[:37])}

    # What EST has.

    def do_GET(self):
        self.handle_one(b"")

    def do_POST(self):
        if args.misbehave == "early":
            self.close_connection = True
            return self.refuse(400, "I have not even looked")
        self.handle_one(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def handle_one(self, body):
        self.count += 1
        self.note("requests", "%s %s%s" % (self.command, self.path, " " + hashlib.sha256(body).hexdigest() if body else ""))
        if not self.authenticated():
            return self.challenge()
        if self.path == "/echo":
            if args.misbehave and self.misbehave():
                self.close_connection = True
                return None
            headers = [("Retry-After", args.retry_after)] if args.retry_after else []
            return self.answer(args.status or 200, "Text/Plain; Charset=X", b"%d bytes" % len(body), *headers)
        prefix = "/.well-known/est/" + (args.label + "/" if args.label else "")
        operation = self.path[len(prefix):] if self.path.startswith(prefix) else ""
        wanted = {"cacerts": "GET", "csrattrs": "GET", "simpleenroll": "POST", "fullcmc": "POST"}
        if wanted.get(operation) != self.command or (operation == "fullcmc" and not args.cmc):
            return self.refuse(404, "nothing here")
        if operation == "cacerts":
            return self.certificates(args.directory + "/ca.pem")
        if operation == "csrattrs":
            # RFC 7030 4.5.2: challengePassword, and an attribute with an OID of its own.
            return self.answer(200, "application/csrattrs", base64.encodebytes(bytes.fromhex(
                "301f06092a864886f70d010907301206072b060101010116310706052b81040022")))
        return self.enrol(operation, body)

    def enrol(self, operation, body):
        if args.misbehave and self.misbehave():
            self.close_connection = True
            return None
        if args.misbehave and args.misbehave in self.bodies():
            return self.answer(200, "text/html" if args.misbehave == "html" else "application/pkcs7-mime",
                               self.bodies()[args.misbehave])
        wanted = "application/pkcs7-mime; smime-type=CMC-request" if operation == "fullcmc" else "application/pkcs10"
        if self.headers.get("Content-Type") != wanted:
            return self.refuse(400, "the type is not " + wanted)
        if not body.endswith(b"\n") or any(len(line) > 76 for line in body.split(b"\n")):
            return self.refuse(400, "base64 in one long line")
        headers = [("Retry-After", args.retry_after)] if args.retry_after else []
        if args.status:
            return self.refuse(args.status, args.say, *headers)
        try:
            request = self.read(operation, base64.b64decode(body.replace(b"\n", b""), validate=True))
        except (cmc.Refused, ValueError) as why:
            return self.refuse(400, str(why))
        key = hashlib.sha256(request.spki).hexdigest()
        with self.server.lock:
            seen = self.server.asked.get(key, 0)
            self.server.asked[key] = seen + 1
        if seen < args.pending:
            return self.answer(202, "text/plain", b"later", *headers)
        return self.issue(operation, request, key)

    def read(self, operation, der):
        if operation == "fullcmc":
            message = cmc.Message(der)
            templates, shape, agent_ca = args.cmc.split(",")
            cmc.check(message, [templates], shape, agent_ca)
            return message.request
        request = cmc.Request(cmc.only(der, cmc.SEQUENCE))
        cmc.want(args.trusting or args.prepared or request.self_signed(), "the request's signature does not hold")
        return request

    def issue(self, operation, request, key):
        device = [v for k, v, _ in request.subject if k == "CN"][-1]
        if args.prepared:
            self.note("issued", "%s %s" % (key, device))
            with open("%s/%s.der" % (args.prepared, device), "rb") as f:
                return self.certificates_only(certs_only(f.read()))
        with tempfile.TemporaryDirectory() as place:
            if args.other_key:
                cmc.openssl("genrsa", "-out", place + "/key", "2048")
                request.spki = cmc.openssl("pkey", "-in", place + "/key", "-pubout", "-outform", "DER").stdout
            if args.other_name:
                request.subject = [("CN", "SEP0000DEADBEEF", 0)]
            cmc.issue("ca.pem", "ca.key", "phone.ext", place, types.SimpleNamespace(request=request))
            name = [v for k, v, _ in request.subject if k == "CN"][-1]
            cmc.openssl("x509", "-inform", "DER", "-in", "%s/%s.der" % (place, name), "-out", place + "/new.pem")
            self.note("issued", "%s %s" % (key, device))
            if operation == "fullcmc":
                return self.full_response(place)
            return self.certificates(place + "/new.pem")

    def full_response(self, place):
        status, fail, text = (args.cmc_status or "0,,").split(",")
        info = cmc.put(cmc.SEQUENCE, cmc.put(cmc.INTEGER, bytes([int(status)])), cmc.put(
            cmc.SEQUENCE, cmc.put(cmc.INTEGER, b"\1")), cmc.put(0x0c, text.encode()) if text else b"",
            cmc.put(cmc.INTEGER, bytes([int(fail)])) if fail else b"")
        control = cmc.put(cmc.SEQUENCE, cmc.put(cmc.INTEGER, b"\1"), bytes.fromhex("06082b06010505070719"),
                          cmc.put(cmc.SET, info))
        data = cmc.write(place, "data", cmc.put(cmc.SEQUENCE, cmc.put(cmc.SEQUENCE, control), cmc.put(cmc.SEQUENCE),
                                                cmc.put(cmc.SEQUENCE)))
        certfile = [] if int(status) else ["-certfile", place + "/new.pem"]
        said = cmc.openssl("cms", "-sign", "-binary", "-nodetach", "-econtent_type", "1.3.6.1.5.5.7.12.3", "-in", data,
                           "-signer", "ca.pem", "-inkey", "ca.key", *certfile, "-outform", "DER",
                           *(["-stream"] if args.wrap == "ber" else []))
        return self.answer(400 if int(status) else 200, "application/pkcs7-mime; smime-type=CMC-response",
                           base64.encodebytes(said.stdout))

    def list_of(self, path):
        return cmc.openssl("crl2pkcs7", "-nocrl", "-certfile", path, "-outform", "DER").stdout

    def certificates(self, path):
        return self.certificates_only(self.list_of(path))

    def certificates_only(self, der):
        text = base64.b64encode(der)
        lines = [text[i:i + 64] for i in range(0, len(text), 64)]
        if args.wrap == "ber":
            text = base64.encodebytes(indefinite(der))
        else:
            text = {"64": b"\n".join(lines) + b"\n", "76": base64.encodebytes(der), "none": text, "der": der,
                    "crlf": b"\r\n".join(lines) + b"\r\n",
                    "pem": b"-----BEGIN PKCS7-----\n" + b"\n".join(lines) + b"\n-----END PKCS7-----\n"}[args.wrap]
        # RFC 8951: this header says nothing.
        return self.answer(200, "application/pkcs7-mime; smime-type=certs-only", text,
                           ("Content-Transfer-Encoding", "binary"))


def certs_only(certificate):
    """What list_of has of one, without a process: RFC 5652, SignedData that nobody signed."""
    data = cmc.put(cmc.SEQUENCE, bytes.fromhex("06092a864886f70d010701"))
    signed = cmc.put(cmc.SEQUENCE, cmc.put(cmc.INTEGER, b"\1"), cmc.put(cmc.SET), data, cmc.put(0xa0, certificate),
                     cmc.put(cmc.SET))
    return cmc.put(cmc.SEQUENCE, bytes.fromhex("06092a864886f70d010702"), cmc.put(0xa0, signed))


def indefinite(der):
    """The outer elements with indefinite lengths, as several CAs write CMS; what is in the certificates stays."""
    def loosen(node, depth):
        if depth == 0 or node.tag not in (0x30, 0xa0):
            return node.whole
        return bytes([node.tag, 0x80]) + b"".join(loosen(n, depth - 1) for n in node.parts()) + b"\0\0"

    return loosen(cmc.Node(der), 3)


def main():
    server = Server(("127.0.0.1", args.port), Handler)
    if not args.plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("tls.pem", "tls.key")
        if args.tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if args.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(args.client_ca)
        # The handshake belongs to the connection's thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open("port.new", "w") as f:
        f.write("%d\n" % server.server_port)
    os.rename("port.new", "port")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(600)


if __name__ == "__main__":
    args = arguments()
    args.directory = os.path.abspath(args.directory)
    for leaf in ("client_ca", "prepared"):
        if getattr(args, leaf):
            setattr(args, leaf, os.path.abspath(getattr(args, leaf)))
    os.chdir(args.directory)
    sys.exit(main())
