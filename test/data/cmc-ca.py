#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A small CA that takes CMC requests as public documents say that Microsoft's does (MS-WCCE 2.2.2.6.5, 3.2.1.4.2.1.4.1.3,
3.2.2.6.2.1.2.1.2; RFC 5272, RFC 5652). Nobody has compared it with that one. It shares no code with capfkit: it reads DER
itself, and has openssl verify signatures and make certificates.
usage: cmc-ca.py show FILE
           each field, a line each, after all that the standards say about the form holds
       cmc-ca.py issue CA.PEM CA.KEY EXTENSIONS DIR TEMPLATES none|agent|behalf AGENT-CA.PEM FILE...
           DIR/DEVICE.der for each; TEMPLATES are names with commas between them
       cmc-ca.py spoil WHAT FILE
           FILE with one fault and everything else in order, for a request that no agent signed, DER, to stdout
Exit status 1: something was refused, "FILE: why" on stderr."""
import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile

SIGNED_DATA = "1.2.840.113549.1.7.2"
PKI_DATA = "1.3.6.1.5.5.7.12.2"
REG_INFO = "1.3.6.1.5.5.7.7.18"
NO_SIGNATURE = "1.3.6.1.5.5.7.6.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
NAME_VALUE_PAIR = "1.3.6.1.4.1.311.13.2.1"
AGENT = "1.3.6.1.4.1.311.20.2.1"
EKU = "2.5.29.37"
DIGESTS = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
NAMES = {"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU"}
INTEGER, BITS, OCTETS, NULL, OID, PRINTABLE, BMP, SEQUENCE, SET = 2, 3, 4, 5, 6, 0x13, 0x1e, 0x30, 0x31


class Refused(Exception):
    pass


def want(claim, why):
    if not claim:
        raise Refused(why)


class Node:
    """One element of DER: its tag, its body, and all of its bytes."""

    def __init__(self, data, at=0):
        want(len(data) >= at + 2, "DER is cut short")
        self.tag = data[at]
        length, head = data[at + 1], 2
        if length >= 0x80:
            n = length & 0x7f
            want(1 <= n <= 4 and len(data) >= at + 2 + n, "DER has a bad length")
            length, head = int.from_bytes(data[at + 2:at + 2 + n], "big"), 2 + n
            want(length >= 0x80 and data[at + 2] != 0, "DER has a long length")
        self.whole = data[at:at + head + length]
        self.body = self.whole[head:]
        want(len(self.whole) == head + length, "DER is cut short")

    def parts(self):
        out, at = [], 0
        while at < len(self.body):
            out.append(Node(self.body, at))
            at += len(out[-1].whole)
        return out


def only(data, tag):
    node = Node(data)
    want(node.whole == data and node.tag == tag, "one element of tag %#x is wanted" % tag)
    return node


def sequence(node, *tags):
    """The parts of a SEQUENCE, which must have these tags."""
    parts = node.parts()
    want([p.tag for p in parts] == list(tags), "tags are %s, not %s" % ([p.tag for p in parts], list(tags)))
    return parts


def ordered(node):
    """The parts of a SET OF, which DER orders by their bytes."""
    parts = node.parts()
    width = max((len(p.whole) for p in parts), default=0)
    keys = [p.whole.ljust(width, b"\0") for p in parts]
    want(keys == sorted(keys), "a SET OF is not in the order of DER")
    return parts


def oid(node):
    want(node.tag == OID and node.body and not node.body[-1] & 0x80, "no OBJECT IDENTIFIER")
    numbers, value = [], 0
    for byte in node.body:
        value = value << 7 | byte & 0x7f
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(n) for n in [first, numbers[0] - 40 * first] + numbers[1:])


def integer(node):
    want(node.tag == INTEGER and node.body, "no INTEGER")
    return int.from_bytes(node.body, "big", signed=True)


def algorithm(node):
    parts = node.parts()
    want(node.tag == SEQUENCE and 1 <= len(parts) <= 2, "no AlgorithmIdentifier")
    return oid(parts[0]), parts[1].whole.hex() if len(parts) == 2 else "absent"


def name(node):
    want(node.tag == SEQUENCE, "no Name")
    out = []
    for rdn in node.parts():
        for pair in ordered(rdn):
            kind, value = pair.parts()
            out.append((NAMES.get(oid(kind), oid(kind)), value.body.decode(), value.tag))
    return out


def text_of(pairs):
    return ",".join("%s=%s" % pair[:2] for pair in pairs)


class Request:
    """PKCS#10, RFC 2986."""

    def __init__(self, node):
        self.der = node.whole
        info, algo, signature = sequence(node, SEQUENCE, SEQUENCE, BITS)
        version, subject, spki, _ = sequence(info, INTEGER, SEQUENCE, SEQUENCE, 0xa0)
        want(integer(version) == 0, "the request's version is not 1")
        want(signature.body[:1] == b"\0", "the request's signature has unused bits")
        self.info, self.subject, self.spki = info.whole, name(subject), spki.whole
        self.algorithm, self.parameters = algorithm(algo)
        self.signature = signature.body[1:]

    def null_signed(self):
        digest = DIGESTS.get(self.algorithm)
        return digest is not None and hashlib.new(digest, self.info).digest() == self.signature

    def self_signed(self):
        with tempfile.TemporaryDirectory() as place:
            path = write(place, "request", self.der)
            said = openssl("req", "-inform", "DER", "-in", path, "-noout", "-verify")
            return said.returncode == 0 and b"verify OK" in said.stderr + said.stdout


class Signer:
    """SignerInfo, RFC 5652 5.3."""

    def __init__(self, node, content):
        self.der = node.whole
        parts = node.parts()
        self.version = integer(parts[0])
        self.key_id = parts[1].tag == 0x80
        want(self.key_id or parts[1].tag == SEQUENCE, "a signer has no name")
        want(self.version == (3 if self.key_id else 1), "a signer's version does not fit its name")
        if self.key_id:
            self.name, self.serial, self.issuer = parts[1].body.hex(), None, None
        else:
            issuer, serial = sequence(parts[1], SEQUENCE, INTEGER)
            self.issuer, self.serial = issuer.whole, integer(serial)
            self.name = text_of(name(issuer))
        self.digest = DIGESTS.get(algorithm(parts[2])[0])
        want(self.digest is not None, "a signer's digest is not SHA-2")
        want([p.tag for p in parts[3:]] == [0xa0, SEQUENCE, OCTETS], "a signer is not attributes, algorithm, signature")
        self.attributes = {}
        for a in ordered(parts[3]):
            kind, values = sequence(a, OID, SET)
            want(oid(kind) not in self.attributes and len(values.parts()) == 1, "an attribute is there twice")
            self.attributes[oid(kind)] = values.parts()[0]
        # What is signed: the attributes, as a SET.
        self.signed = b"\x31" + parts[3].whole[1:]
        self.algorithm, self.parameters = algorithm(parts[4])
        self.signature = parts[5].body
        # RFC 5652 5.3 and 11: these two, since the content is not plain data.
        want(CONTENT_TYPE in self.attributes and oid(self.attributes[CONTENT_TYPE]) == PKI_DATA,
             "a signer's content-type is not PKIData")
        want(MESSAGE_DIGEST in self.attributes and
             self.attributes[MESSAGE_DIGEST].body == hashlib.new(self.digest, content).digest(),
             "a signer's message-digest is not that of the content")

    def requester(self):
        pair = self.attributes.get(NAME_VALUE_PAIR)
        if pair is None:
            return None
        key, value = sequence(pair, BMP, BMP)
        want(key.body.decode("utf-16-be").lower() == "requestername", "the agent's pair is not requestername")
        return value.body.decode("utf-16-be")


class Message:
    """ContentInfo with SignedData with PKIData."""

    def __init__(self, data):
        kind, content = sequence(only(data, SEQUENCE), OID, 0xa0)
        want(oid(kind) == SIGNED_DATA, "is no SignedData")
        parts = only(content.body, SEQUENCE).parts()
        want([p.tag for p in parts] in ([INTEGER, SET, SEQUENCE, SET], [INTEGER, SET, SEQUENCE, 0xa0, SET]),
             "SignedData has other parts")
        want(integer(parts[0]) == 3, "SignedData is not of version 3, as content of its own kind demands")
        self.digests = [algorithm(d)[0] for d in ordered(parts[1])]
        self.encap = parts[2]
        kind, content = sequence(self.encap, OID, 0xa0)
        want(oid(kind) == PKI_DATA, "its content is no PKIData")
        self.content = only(content.body, OCTETS).body
        self.certificates = [c.whole for c in ordered(parts[3])] if len(parts) == 5 else []
        self.signers = [Signer(s, self.content) for s in ordered(parts[-1])]
        want(len(self.signers) > 0, "nobody has signed it")
        want({s.digest for s in self.signers} == {DIGESTS.get(d) for d in self.digests},
             "digestAlgorithms are not those of the signers")
        self.read_data()

    def read_data(self):
        controls, requests, cms, other = sequence(only(self.content, SEQUENCE), *[SEQUENCE] * 4)
        want(not cms.body and not other.body, "PKIData has more than controls and a request")
        self.ids, self.controls, self.request = [], {}, None
        for control in controls.parts():
            number, kind, values = sequence(control, INTEGER, OID, SET)
            self.ids.append(integer(number))
            want(len(values.parts()) == 1 and oid(kind) not in self.controls, "a control is there twice")
            self.controls[oid(kind)] = (integer(number), values.parts()[0])
        want(len(requests.parts()) == 1, "PKIData has not exactly one request")
        number, request = sequence(only(requests.body, 0xa0), INTEGER, SEQUENCE)
        self.ids.append(integer(number))
        self.number, self.request = integer(number), Request(request)
        # RFC 5272 3.2.2: 0 is for the whole, and none is there twice.
        want(len(set(self.ids)) == len(self.ids) and all(0 < i < 2 ** 32 for i in self.ids), "body part ids are bad")
        # A control that a server does not know is an error, RFC 5272 3.2.1.1.
        want(set(self.controls) <= {REG_INFO}, "there is a control that nobody knows")

    def reg_info(self):
        if REG_INFO not in self.controls:
            return None
        value = self.controls[REG_INFO][1]
        want(value.tag == OCTETS, "RegInfo is no OCTET STRING")
        return value.body.decode()

    def pairs(self):
        """RegInfo's names and values, MS-WCCE 2.2.2.6.3."""
        out = {}
        for pair in (self.reg_info() or "").split("&"):
            if pair:
                key, equals, value = pair.partition("=")
                want(equals and key.lower() not in out, "RegInfo has a bad pair")
                out[key.lower()] = re.sub("%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), value)
        return out


def openssl(*words):
    return subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def write(place, leaf, data):
    path = os.path.join(place, leaf)
    with open(path, "wb") as file:
        file.write(data)
    return path


def pem(label, der):
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label, base64.encodebytes(der), label)


def put(tag, *bodies):
    body = b"".join(bodies)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith(b"-----BEGIN"):
        found = re.fullmatch(b"-----BEGIN ([A-Z0-9 ]+)-----\n(([A-Za-z0-9+/=]{1,64}\n)+)-----END \\1-----\n", data)
        want(found, "is no PEM")
        data = base64.b64decode(found[2].replace(b"\n", b""), validate=True)
    return Message(data)


def check_first(message):
    """MS-WCCE 3.1.1.4.3.1.3: the first signer is No-Signature, or the key of the request, which the CA verifies."""
    first = message.signers[0]
    want(first.algorithm == NO_SIGNATURE, "the first signer is not No-Signature")
    want(first.parameters == "0500", "No-Signature has not the parameters NULL")
    want(not first.key_id, "No-Signature has the name of a key")
    want(hashlib.new(first.digest, first.signed).digest() == first.signature, "No-Signature's digest does not hold")
    want(all(s.algorithm != NO_SIGNATURE for s in message.signers[1:]), "No-Signature is there twice")


def agent_certificate(message, signer):
    for der in message.certificates:
        tbs = Node(der).parts()[0].parts()
        if tbs[3].whole == signer.issuer and integer(tbs[1]) == signer.serial:
            return der, tbs
    raise Refused("the agent's certificate is not there")


def check_agent(message, signer, agent_ca):
    """The signature and the chain, by openssl, without the first signer, whom it does not know."""
    _, tbs = agent_certificate(message, signer)
    usages = []
    for part in tbs:
        if part.tag == 0xa3:
            for extension in only(part.body, SEQUENCE).parts():
                if oid(extension.parts()[0]) == EKU:
                    usages = [oid(u) for u in only(extension.parts()[-1].body, SEQUENCE).parts()]
    want(AGENT in usages, "the agent's certificate is not for an enrolment agent")
    lone = put(SEQUENCE, bytes.fromhex("06092a864886f70d010702"), put(0xa0, put(
        SEQUENCE, b"\x02\x01\x03", put(SET, put(SEQUENCE, bytes.fromhex("0609608648016503040201"))),
        message.encap.whole, put(0xa0, *message.certificates), put(SET, signer.der))))
    with tempfile.TemporaryDirectory() as place:
        path = write(place, "lone", lone)
        said = openssl("cms", "-verify", "-inform", "DER", "-in", path, "-CAfile", agent_ca, "-purpose", "any",
                       "-binary", "-out", os.path.join(place, "data"))
        want(said.returncode == 0, "the agent's signature does not hold")
        with open(os.path.join(place, "data"), "rb") as file:
            want(file.read() == message.content, "openssl has verified something else")


def check(message, templates, shape, agent_ca):
    request = message.request
    want(request.null_signed() or request.self_signed(),
         "the request has neither its own key's signature nor a null signature")
    check_first(message)
    agents = message.signers[1:]
    want(shape == "none" or len(agents) >= 1, "the template wants an enrolment agent's signature")
    for agent in agents:
        check_agent(message, agent, agent_ca)
    pairs = message.pairs()
    want(pairs.get("certificatetemplate") in templates, "the template is not known")
    if shape == "behalf":
        want("requestername" in pairs, "RegInfo has no requestername")
        want(agents[0].requester() == pairs["requestername"], "the agent has not signed the requestername")


def issue(ca, key, extensions, place, message):
    request = message.request
    subject = "".join("/%s=%s" % (k, v.replace("\\", "\\\\").replace("/", "\\/")) for k, v, _ in request.subject)
    device = [v for k, v, _ in request.subject if k == "CN"][-1]
    want(re.fullmatch("[A-Za-z0-9._-]+", device), "the name is no name of a file")
    with tempfile.TemporaryDirectory() as work:
        public = write(work, "public", pem(b"PUBLIC KEY", request.spki))
        said = openssl("x509", "-new", "-force_pubkey", public, "-subj", subject, "-CA", ca, "-CAkey", key, "-days", "365",
                       "-sha256", "-extfile", extensions, "-outform", "DER", "-out", os.path.join(place, device + ".der"))
    want(said.returncode == 0, "openssl does not issue: " + said.stderr.decode(errors="replace"))


def show(message):
    request = message.request
    print("digests", *message.digests)
    for kind, (number, value) in message.controls.items():
        print("control", number, kind, value.body.decode())
    print("request", message.number, text_of(request.subject), hashlib.sha256(request.spki).hexdigest())
    print("signature", request.algorithm, request.parameters,
          "null" if request.null_signed() else "own" if request.self_signed() else "bad")
    for certificate in message.certificates:
        print("certificate", hashlib.sha256(certificate).hexdigest())
    check_first(message)
    for signer in message.signers:
        print("signer", signer.name, signer.serial, signer.algorithm, signer.parameters, signer.requester() or "-")


def spoil(what, message):
    """The same message with one fault, and digests as if there were none."""
    info, algo, signature = only(message.request.der, SEQUENCE).parts()
    want(len(message.signers) == 1, "an agent has signed it")
    algo, signature, bits = algo.whole, bytearray(signature.whole), bytearray(info.whole)
    requests, controls = 1, Node(message.content).parts()[0].whole
    if what == "null-signature":
        signature[-1] ^= 1
    elif what == "null-algorithm":
        algo = algo.replace(bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040202"))
    elif what == "key":
        bits[-20] ^= 1
    elif what == "two-requests":
        requests = 2
    elif what == "unknown-control":
        controls = controls.replace(bytes.fromhex("2b06010505070712"), bytes.fromhex("2b06010505070763"))
    request = put(SEQUENCE, bytes(bits), algo, bytes(signature))
    tagged = [put(0xa0, put(INTEGER, bytes([1 + 2 * n])), request) for n in range(requests)]
    content = put(SEQUENCE, controls, put(SEQUENCE, *tagged), put(SEQUENCE), put(SEQUENCE))
    if what == "content-type":
        kind = bytes.fromhex("06082b06010505070c03")
    else:
        kind = bytes.fromhex("06082b06010505070c02")
    parts = only(message.signers[0].der, SEQUENCE).parts()
    digest = hashlib.sha256(content if what != "message-digest" else b"other").digest()
    attributes = put(SEQUENCE, bytes.fromhex("06092a864886f70d010903"), put(SET, bytes.fromhex("06082b06010505070c02"))) + \
        put(SEQUENCE, bytes.fromhex("06092a864886f70d010904"), put(SET, put(OCTETS, digest)))
    value = bytearray(hashlib.sha256(put(SET, attributes)).digest())
    no_signature = parts[4].whole
    if what == "no-signature":
        value[0] ^= 1
    elif what == "first-signer":
        no_signature = put(SEQUENCE, bytes.fromhex("06092a864886f70d01010b0500"))
    signer = put(SEQUENCE, parts[0].whole, parts[1].whole, parts[2].whole, put(0xa0, attributes), no_signature,
                 put(OCTETS, bytes(value)))
    sys.stdout.buffer.write(put(SEQUENCE, bytes.fromhex("06092a864886f70d010702"), put(0xa0, put(
        SEQUENCE, b"\x02\x01\x03", put(SET, parts[2].whole), put(SEQUENCE, kind, put(0xa0, put(OCTETS, content))),
        put(SET, signer)))))


def main(words):
    if words[:1] == ["show"] and len(words) == 2:
        show(load(words[1]))
    elif words[:1] == ["spoil"] and len(words) == 3:
        spoil(words[1], load(words[2]))
    elif words[:1] == ["issue"] and len(words) > 8:
        ca, key, extensions, place, templates, shape, agent_ca = words[1:8]
        bad = False
        for path in words[8:]:
            try:
                message = load(path)
                check(message, templates.split(","), shape, agent_ca)
                issue(ca, key, extensions, place, message)
            except Refused as why:
                print("%s: %s" % (path, why), file=sys.stderr)
                bad = True
        return 1 if bad else 0
    else:
        print(__doc__, file=sys.stderr)
        return 100
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as why:
        print("%s: %s" % (sys.argv[-1], why), file=sys.stderr)
        sys.exit(1)
