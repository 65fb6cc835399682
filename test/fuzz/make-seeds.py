# SPDX-License-Identifier: ISC
# The second half of make-seeds: seeds from the keys in data/. Those that are there stay as they are.
import base64
import gzip
import hashlib
import importlib.util
import io
import os
import struct
import subprocess
import tarfile


def run(*args, data=None):
    return subprocess.run(args, input=data, check=True, stdout=subprocess.PIPE).stdout


def read(name):
    with open("data/" + name, "rb") as f:
        return f.read()


def seed(harness, name, data):
    path = "seeds/%s/%s" % (harness, name)
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())


# Certificates and requests.
for name in ("sep.der", "sepec.der", "csf.der", "root.pem", "ec.pem"):
    seed("cert", name, read(name))
seed("cert", "bundle.pem", read("root.pem") + b"text\r\n" + read("ec.pem"))
seed("cert", "sepec.pem", run("openssl", "x509", "-inform", "DER", data=read("sepec.der")))
seed("cert", "root.der", run("openssl", "x509", "-outform", "DER", data=read("root.pem")))
for key, form in (("sep", "DER"), ("sepec", "DER"), ("sepec", "PEM")):
    seed("request", key + "." + form.lower(), run("openssl", "req", "-new", "-key", "data/%s.key" % key,
         "-subj", "/CN=SEP001122334455", "-outform", form))
seed("request", "extensions.der", run("openssl", "req", "-new", "-key", "data/csf.key", "-subj",
     "/C=DE/CN=X-CSF123", "-addext", "keyUsage=digitalSignature", "-addext",
     "subjectAltName=DNS:a.example", "-outform", "DER"))
for key in ("sep", "sepec", "csf"):
    seed("spki", key, run("openssl", "pkey", "-in", "data/%s.key" % key, "-pubout", "-outform", "DER"))
for name, made in (("p384", ("EC", "ec_paramgen_curve:P-384")), ("p521", ("EC", "ec_paramgen_curve:P-521")),
                   ("rsa1024", ("RSA", "rsa_keygen_bits:1024")), ("k1", ("EC", "ec_paramgen_curve:secp256k1"))):
    seed("spki", name, run("openssl", "pkey", "-pubout", "-outform", "DER", data=run(
         "openssl", "genpkey", "-algorithm", made[0], "-pkeyopt", made[1])))


# CAPF.
def element(tag, value):
    return struct.pack(">BH", tag, len(value)) + value


def message(command, *elements):
    body = b"".join(elements)
    return struct.pack(">BBIH", 0x55, command, 0x2A, len(body)) + body


def certificate(der):
    return element(4, b"\1" + struct.pack(">HH", len(der) + 2, 1) + der)


def raw_signature(key, digest, data):
    """The bare hash under the padding, no DigestInfo."""
    md = run("openssl", "dgst", "-" + digest, "-binary", data=data)
    with open("/tmp/md.%d" % os.getpid(), "wb") as f:
        f.write(md)
    try:
        return run("openssl", "pkeyutl", "-sign", "-inkey", "data/%s.key" % key, "-in", f.name)
    finally:
        os.unlink(f.name)


def name(text):
    return element(13, text.encode() + b"\0")


VERSION, DONE = element(7, b"\3"), element(1, b"\1")


def proof(key, sudi):
    der, device = read(key + ".der"), b"SEP001122334455\0"
    out = [VERSION, name("SEP001122334455"), DONE, certificate(der),
           element(6, raw_signature(key, "sha1", device + der))]
    sha2 = raw_signature(key, "sha512", device + der)
    out.append(element(20, b"\3" + struct.pack(">H", len(sha2)) + sha2))
    if sudi:
        first = struct.pack("<I", 0x2A)
        items = ((0, der), (1, raw_signature(key, "sha1", first + der)),
                 (3, raw_signature(key, "sha512", first + der)))
        out.append(element(16, b"".join(element(i, v) for i, v in items)))
    return message(2, *out)


MESSAGES = {
    "auth-request": message(1, VERSION),
    "auth-response": message(2, VERSION, name("CSF123"), DONE),
    "auth-string": message(2, VERSION, name("CSF123"), element(11, b"1234\0")),
    "key-request": message(3, element(10, b"\x08\0"), element(17, b"\0")),
    "key-request-ec": message(3, element(17, b"\1"), element(18, b"\1")),
    "key-response": message(4, element(9, b"\xaa\xbb")),
    "store-request": message(9, element(3, b"\1"), certificate(b"\x30\0")),
    "store-response": message(10, DONE),
    "fetch-response": message(12, DONE, certificate(b"\x30\0")),
    "end": message(15, DONE),
    "retry-later": message(16, element(12, struct.pack(">I", 60))),
    "sign-request": message(22, element(19, b"\2"), element(6, b"\x31\1\0")),
    "sign-response": message(23, DONE, element(20, b"\2\0\4abcd")),
    "info": message(4, element(1, b"\7"), element(2, b"no key\0\0"), element(5, b"id"), element(8, b"\1")),
    "sudi": message(2, element(16, b"\0\0\2DE\1\0\1A\3\0\1B\7\0\0")),
    "unknown": message(2, element(99, b"?"), element(14, b"")),
}
for key, value in MESSAGES.items():
    seed("capfmsg", key, value)
    seed("trace_text", key, value)
for key, value in {
    "cut": message(2, b"\x0b\0\x10" + b"1234"),
    "twice": message(2, element(11, b"1234\0"), name("CSF123"), element(11, b"5678\0")),
    "unheard": message(77, element(11, b"1234\0"), element(99, b"a1234b"), element(2, b"1\0002\0003\0004\0")),
    "packet": b"\0" + struct.pack(">Q", 7) + struct.pack(">I", 6) + b"CSF123" + struct.pack(">I", 9) + b"one\n two\n",
    "strange": b"\3" + struct.pack(">Q", 0) + struct.pack(">I", 0) + struct.pack(">I", 4) + b"one\n",
}.items():
    seed("trace_text", key, value)
seed("phone_auth", "rsa", proof("sep", False))
seed("phone_auth", "rsa-sudi", proof("sep", True))
seed("phone_auth", "ec", proof("sepec", False))
seed("phone_auth", "string", MESSAGES["auth-string"])

# Answers of a phone that was asked to sign a request: the key, then the elements.
for which, key in enumerate(("sep", "sepec")):
    whole = run("openssl", "req", "-new", "-key", "data/%s.key" % key, "-subj", "/CN=SEP001122334455", "-outform", "DER")
    info = whole[4:8 + struct.unpack(">H", whole[6:8])[0]] if whole[5] == 0x82 else None
    if info is None:
        start = 2 + (whole[1] & 0x7F if whole[1] > 0x80 else 0)
        info = whole[start:start + 3 + whole[start + 2]]
    plain = {md: run("openssl", "dgst", "-" + md, "-sign", "data/%s.key" % key, data=info)
             for md in ("sha1", "sha256", "sha512")}
    answers = {
        "good": element(20, b"\2" + element(0, plain["sha256"])[1:]),
        "sha512": element(6, plain["sha512"]),
        "sha1": element(15, plain["sha1"]),
        "hashed-twice": element(14, run("openssl", "dgst", "-sha256", "-sign", "data/%s.key" % key,
                                        data=hashlib.sha256(info).digest())),
        "whole": certificate(whole),
        "bare": element(20, b"\2" + element(0, raw_signature(key, "sha256", info))[1:]),
    }
    for name, value in answers.items():
        seed("sign_answer", key + "-" + name, bytes([which]) + DONE + value)

# Sessions: the order, then the awaited event again and again.
ORDERS = {"install": b"\3\0\0\x08\0", "install-ec": b"\x13\1\1\x08\0", "ec-rsa": b"\x23\2\4\x08\0",
          "signs": b"\3\x60\1\x08\0", "resume": b"\3\x0c\2\x08\0", "fetch": b"\4\x80\0\0\0", "delete": b"\5\0\0\0\0",
          "nothing": b"\1\0\0\0\0", "reject": b"\2\0\0\0\0", "unknown": b"\0\0\0\0\0"}
for key, order in ORDERS.items():
    seed("session", key, order + b"\x0b" * 10)
install = ORDERS["install"] + b"\x0b" * 5
seed("session", "key-refused", ORDERS["ec-rsa"] + b"\x0b" * 4 + b"\x0a\4\0\4\1\0\1\7" + b"\x0b" * 5)
seed("session", "not-stored", install + b"\x0d\x30\0" + (b"\x0a\x0a\0\4\1\0\1\7") * 2)
seed("session", "progress", ORDERS["install"] + b"\x0b" * 4 + b"\x0a\x11\0\0\x0a\x12\0\0" + b"\x0b" * 5)
seed("session", "timeout", install + b"\x08\0\0\x08\0\0" + b"\x0b" * 3)
seed("session", "closed", install + b"\x09\0\0")
seed("session", "stopped", ORDERS["install"] + b"\x0b" * 4 + b"\x0a\x14\0\0")
seed("session", "refused", install + b"\x07\0\0")
seed("session", "bad-auth", ORDERS["install"] + b"\x0b" * 3 + b"\4\0\0")
seed("session", "raw", ORDERS["install"] + b"\x0b\1" + struct.pack(">H", len(MESSAGES["auth-string"])) +
     MESSAGES["auth-string"] + b"\x0b" * 6)

# The simulator: a plan, then what a good server sends.
def good(*steps):
    return bytes(7 | s << 3 for s in steps)


PLAN = bytes([3, 1, 0, 1, 0, 0, 10, 10, 10, 10])
seed("sim_phone", "install", PLAN + good(0, 1, 0, 3, 15))
seed("sim_phone", "install-ec", bytes([3, 3, 0, 6, 2, 3, 10, 10, 10, 10]) + good(0, 9, 0, 2, 3, 15))
seed("sim_phone", "fetch", bytes([3, 2, 0, 6, 0, 0, 10, 10, 10, 10]) + good(0, 4, 7))
seed("sim_phone", "delete", PLAN + good(0, 5, 15))
seed("sim_phone", "slow", bytes([3, 1, 0, 0x81, 3, 3, 10, 10, 10, 10]) + good(0, 1, 0, 0, 0, 0, 0, 3, 15))
seed("sim_phone", "again", PLAN + good(0, 1, 0) + b"\5\6" + good(0, 14, 6, 3))
seed("sim_phone", "raw", PLAN + b"\3\1\4" + VERSION + b"\3\x0f\4" + DONE)

# Phone records, settings, tables.
RECORD = ("description = Desk \\x3b 12\noperation = install\nauth = string\nstring = 1234567890\n"
          "key-order = ec-rsa\nrsa = 2048\nec = 384\ncomplete-by = 2027-01-31T08:00:00Z\n"
          "template = lobby\nscheduled = 2026-01-31T08:00:00Z\n")
seed("phone", "record", "\0" + RECORD)
seed("phone", "idle", "\0operation = none\n")
seed("phone", "state", "\1scheduled = 2026-01-31T08:00:00Z\nstatus = failed\nreason = it said: no\n"
     "when = 2026-02-01T08:00:00Z\nattempts = 3\nwrong-strings = 1\nversion = 3\n")
seed("phone", "change", "\2operation=install\nauth=string\nstring=1234\ndescription=  Desk; \\ [1]\n--\n"
     "key-order=ec\nec=521\ncomplete-by=+7d\n--\noperation=none\n--\nauth=null\noperation=delete\n")
seed("settings", "all", "import-max-entries = 500000\nimport-max-entry-bytes = 65536\n"
     "import-max-total-bytes = 2147483648\nimport-max-ratio = 200\nkeep-done = 30d\nkeep-superseded = 90d\n"
     "keep-trace = 30d\n"
     "keepalive = 15\noperation-expires = 10d\nstring-digits = 10\n")
seed("settings", "serve", "# x\nlisten = 0.0.0.0:3804 [::]:3804\nissuer = capf\nissuer-certificate = /a/b.pem\n"
     "issuer-key = /a/b.key ; why\nlegacy-tls = yes\nenable-ipv6 = no\nhandshake-timeout = 20s\nkey-timeout = 45m\n"
     "max-connections = 0\nstring-tries = 5\n")
seed("settings", "template", "template.default.auth = string\ntemplate.lobby.rsa = 2048\n")
seed("csv", "plain", "device,description,operation\r\nSEP001122334455,\"a \"\"b\"\", c\",install\r\n\r\n"
     "CSF1,=1+1,\n,,\n")
seed("csv", "bom", "\ufeffdevice\nSEP001122334455\n\"two\nlines\"")
seed("csv", "semicolons", b"\xffsep=;\r\ndevice;string\r\nSEP001122334455;'0123\r\n;\r\n")
seed("csv", "tabs", b"\xffdevice\tdescription\n'=1\t\"a\tb\"\n''1-2\t0815\n")
TABLE = "Device Name;Beschreibung\r\nSEP001122334455;Z\u00fcrich \u20ac\r\n"
for i, (code, bom) in enumerate((("utf-8", ""), ("utf-16-le", ""), ("utf-16-be", ""), ("cp1252", ""), ("utf-8", "\ufeff"),
                                 ("utf-16-le", "\ufeff"))):
    seed("text_encoding", "%d" % i, bytes([i]) + (bom + TABLE).encode(code))
seed("text_encoding", "pair", b"\1" + "a\U0001f4de\n".encode("utf-16-le"))
KNOCKS = "CSFjdoe\t1\t2026-01-31T08:00:00Z\t2026-01-31T08:00:00Z\t2001:db8::1\n" \
    "SEP001122334455\t12\t2026-01-30T08:00:00Z\t2026-01-31T08:00:00Z\t192.0.2.1\n"
seed("unknown_devices", "two", "\0" + KNOCKS)
seed("unknown_devices", "flood", b"\xff" + KNOCKS.encode())
seed("unknown_devices", "bad", "\0" + KNOCKS + "SEP1\t0\tx\t-\n")
for i, text in enumerate(("Operation Completes By\n2026:12:31:08", "complete-by\n31.12.2026 08:00",
                          "Authentication Mode\nBy Existing Certificate (Precedence to LSC)",
                          "Device Pool\nDP_Z\u00fcrich", "MAC Address\n00:11:22:33:44:55", "Key Size (bits)\n2048")):
    seed("columns", "%d" % i, text)
seed("csv", "bad", "a\"b,c\n\"open\n")

# Names.
STEM = "SEP001122334455+20260131T080000Z+" + "0123456789abcdef" * 4
for i, text in enumerate((STEM + ".csr", STEM + ".ra", STEM + ".der", "2026-01-31", "2026-01-31T08:00:00Z", "@1234",
                          "+7d", "90d", "all", "SEP001122334455\nCSFx\nSEP001122334455",
                          "CP-8841-SEP001122334455", "X-CSFjdoe",
                          "SEP001122334455+20260131T080000Z.lsc.der", "2026-12-31 10:00", "2026-12-31Z",
                          "B\u00fcro \u202e\u6771e\u0301", "sep00:11:22:33:44:55",
                          "0011.2233.4455", "SPE001122334455", "phones.csv")):
    seed("names", "%02d" % i, text)

# What a child tells.
def counted(data):
    return struct.pack(">I", len(data)) + data


seed("verdict", "refused", b"\0" + counted(b"a.der") + counted(b"is not a certificate") + b"\0")
facts = bytes(64) + counted(b"SEP001122334455") + counted(b"01ab") + struct.pack(">Q", 1800000000)
seed("verdict", "good", b"\1" + counted(b"a.der") + counted(b"") + b"\1" + facts + counted(b"\x30\0"))
seed("verdict", "read", b"\0" + counted(b"a.der") + counted(b"expired") + b"\1" + facts + counted(b""))

# What a worker asks: a type, a number, a device, an order, a version, a string, a status, flags, a reason.
def asked(kind, device=b"SEP001122334455", string=b"", status=0, flags=0, why=b""):
    return bytes([kind]) + struct.pack(">Q", 7) + counted(device) + struct.pack(">QI", 1800000000, 1) + \
        counted(string) + bytes([status, flags]) + counted(why)


seed("records_packet", "look", asked(0))
seed("records_packet", "guess", asked(1, string=b"12345"))
seed("records_packet", "change", asked(2, status=1, flags=9, why=b"the phone hung up in state key"))
seed("records_packet", "note", asked(3, why=b"wrong"))
seed("records_packet", "unknown", asked(4, why=b"192.0.2.1"))
seed("records_packet", "stage", asked(7, device=b""))
seed("records_packet", "reply", struct.pack(">II", 0, 28) + b"\3" + bytes(4) + counted(b"") + counted(b"SEP001122334455") +
     counted(b"cannot lock its record") + counted(b"No locks available") + counted(bytes(17)))

# What an unpacking process tells: a kind, an errno, a name, a reason, data.
def told(kind, name=b"", reason=b"", data=b"", error=0):
    return struct.pack(">BI", kind, error) + counted(name) + counted(reason) + counted(data)


seed("unpack", "archive", told(2, b"a.der", data=b"\x30\0") + told(3, b"../x", b"has \"..\" in its name") + told(6))
seed("unpack", "files", told(0) + told(1, reason=b"cannot open", error=2) + told(0) + told(2, data=b"junk") + told(6))
seed("unpack", "damaged", told(2, b"a.der", data=b"\x30\0") + told(4, reason=b"is cut off"))
seed("unpack", "trouble", told(5, error=12))

# Manifests.
TEXT = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a.csr\n"
seed("manifest", "text", "\1" + TEXT + TEXT.replace("a.csr", "b.csr"))
seed("manifest", "names", "\2a.csr\nb.csr\nSEP001122334455.csr")
seed("manifest", "twice", "\2a\na")
for extra in ((), ("-noattr",)):
    seed("manifest", "signature" + "".join(extra), b"\0" + run("openssl", "cms", "-sign", "-binary", "-outform",
         "DER", "-signer", "data/capf.pem", "-inkey", "data/capf.key", *extra, data=TEXT.encode()))


# Archives: the first byte is how.
def tar(form, *entries, **pax):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for path, kind, data in entries:
            info = tarfile.TarInfo(path)
            info.type, info.size, info.pax_headers = kind, len(data), dict(pax)
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = "x"
            t.addfile(info, io.BytesIO(data))
    # Blocks enough for an end, not a whole record.
    data = out.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


F = tarfile.REGTYPE
two = (("a.der", F, b"x" * 40), ("./b.der", F, b"y" * 600))
ARCHIVES = {
    "ustar": (1, tar(tarfile.USTAR_FORMAT, *two)),
    "gnu": (1, tar(tarfile.GNU_FORMAT, ("n" * 150, F, b"z"), *two)),
    "pax": (1, tar(tarfile.PAX_FORMAT, ("\u00e9" * 60, F, b"z"), ("m" * 120, F, b"z"), comment="hi")),
    "links": (1, tar(tarfile.GNU_FORMAT, ("s", tarfile.SYMTYPE, b""), ("l", tarfile.LNKTYPE, b""),
                     ("d", tarfile.DIRTYPE, b""), ("f", tarfile.FIFOTYPE, b""), ("b", tarfile.BLKTYPE, b""))),
    "paths": (5, tar(tarfile.USTAR_FORMAT, ("d/e.der", F, b"x"), ("../f", F, b"x"), ("/g", F, b"x"), ("a\\b", F, b"x"))),
    "sparse": (1, tar(tarfile.PAX_FORMAT, ("sp", F, b"x" * 512), **{"GNU.sparse.major": "0", "GNU.sparse.minor": "1",
               "GNU.sparse.map": "0,512", "GNU.sparse.size": "1024"})),
    "packed": (3, tar(tarfile.USTAR_FORMAT, *two)),
    "members": (11, tar(tarfile.USTAR_FORMAT, *two)),
    "low": (19, tar(tarfile.USTAR_FORMAT, *two, *two)),
    "gzip": (0, gzip.compress(tar(tarfile.USTAR_FORMAT, *two), mtime=0)),
    "empty": (1, bytes(1024)),
}
for key, (how, data) in ARCHIVES.items():
    seed("untar", key, bytes([how]) + data)

# Zips: the hostile ones of the tests, which are small with a small certificate, and what crl2pkcs7 makes.
loader = importlib.util.spec_from_file_location("zips", "../data/make-zips.py")
zips = importlib.util.module_from_spec(loader)
loader.loader.exec_module(zips)
for table in zips.tables(b"a certificate"):
    for key, data in table.items():
        if len(data) < 2000:
            seed("unzip", key, b"\1" + data)
seed("pkcs7", "two", run("openssl", "crl2pkcs7", "-nocrl", "-certfile", "data/root.pem", "-certfile", "data/ec.pem",
     "-outform", "DER"))
seed("pkcs7", "none", run("openssl", "crl2pkcs7", "-nocrl", "-outform", "DER"))
seed("pkcs7", "pem", run("openssl", "crl2pkcs7", "-nocrl", "-certfile", "data/ec.pem"))
seed("pkcs7", "signed", run("openssl", "cms", "-sign", "-binary", "-nodetach", "-signer", "data/root.pem", "-inkey",
     "data/root.key", "-outform", "DER", data=b"text"))

def der(tag, *values):
    value = b"".join(values)
    n = len(value)
    size = bytes([n]) if n < 128 else b"\x81" + bytes([n]) if n < 256 else b"\x82" + struct.pack(">H", n)
    return bytes([tag]) + size + value


# Answers of EST servers: lists in DER, in BER and in base64, responses of CMC, attributes. The harness wants them bare.
def cmc_response(info):
    control = der(0x30, b"\x02\x01\x01", bytes.fromhex("06082b06010505070719"), der(0x31, der(0x30, info)))
    data = der(0x30, der(0x30, control), der(0x30), der(0x30))
    encap = der(0x30, bytes.fromhex("06082b06010505070c03"), der(0xa0, der(4, data)))
    signed = der(0x30, b"\x02\x01\x03", der(0x31), encap, der(0xa0, read("sepec.der")), der(0x31))
    return der(0x30, bytes.fromhex("06092a864886f70d010702"), der(0xa0, signed))


one = run("openssl", "crl2pkcs7", "-nocrl", "-certfile", "data/ec.pem", "-outform", "DER")
seed("est", "list", one)
seed("est", "base64", base64.encodebytes(one))
seed("est", "pem", run("openssl", "crl2pkcs7", "-nocrl", "-certfile", "data/ec.pem"))
seed("est", "ber", bytes.fromhex("308006092a864886f70d010702a0803080020101") + one[26:] + bytes(6))
seed("est", "granted", cmc_response(bytes.fromhex("0201003003020101")))
seed("est", "refused", cmc_response(bytes.fromhex("02010230030201010c026e6f020109")))
seed("est", "attributes", bytes.fromhex("301f06092a864886f70d010907301206072b060101010116310706052b81040022"))

# CMP: a byte says what is asked, then the bodies of the answers, each with its length.
def number(n):
    return der(2, bytes([n & 0xff]))


def status(n, text=None, bits=None):
    return der(0x30, number(n), *([der(0x30, der(12, text))] if text else []), *([der(3, bits)] if bits else []))


def cmp_body(tag, *values):
    return der(0xa0 | tag, der(0x30, *values))


def certificates(tag, *inside):
    return cmp_body(tag, der(0x30, der(0x30, number(0), *inside)))


def answers(how, *bodies):
    return bytes([how]) + b"".join(struct.pack(">H", len(b)) + b for b in bodies)


issued = status(0) + der(0x30, der(0xa0, read("sep.der")))
confirmed = der(0xb3, b"\5\0")
told = der(0x30, der(6, bytes.fromhex("2b06010505070411")), der(0x30, run(
    "openssl", "x509", "-outform", "DER", data=read("root.pem"))))
later = cmp_body(26, der(0x30, number(0), number(60)))
refusal = status(2, b"no \x1b[2J", b"\6\x20\x40")
seed("cmp", "issued", answers(1, certificates(3, issued), confirmed))
seed("cmp", "vouched", answers(5, certificates(1, issued), confirmed))
seed("cmp", "waits", answers(1, certificates(3, status(3)), later))
seed("cmp", "polled", answers(0x11, later))
seed("cmp", "ready", answers(0x11, certificates(3, issued), confirmed))
seed("cmp", "still", answers(0x11, *[certificates(3, status(3))] * 8))
seed("cmp", "refused", answers(1, certificates(3, refusal)))
seed("cmp", "error", answers(1, cmp_body(23, refusal, number(5), der(0x30, der(12, b"really")))))
seed("cmp", "unconfirmed", answers(1, certificates(3, issued), cmp_body(23, refusal)))
seed("cmp", "greeting", answers(3, cmp_body(23, refusal)))
seed("cmp", "told", answers(0x33, cmp_body(22, told)))
seed("cmp", "raw", answers(0x32, cmp_body(22, told)))
seed("cmp", "ticket", b"00112233445566778899aabbccddeeff.-1.00112233445566778899aabbccddeeff.00112233")
# Pages of certsrv, with the elements that its parser looks for.
errors = ("<HTML><Head><Title>7</Title></Head><Body><DL><DT ID=locDispLabel><B>x:</B></DT><DD>\n\t%s <LocID ID=locDispSpacer>"
          "-</LocID> (3)</DD><DT ID=locDispMsgLabel>x</DT><DD>x &quot;y&quot;</DD><DT ID=locResultLabel>x</DT><DD>0x0</DD>"
          "<DT ID=locLastStatLabel>x</DT><DD>x 0x80094014 (-2146877420)</DD></DL><!-- 1 --></Body></HTML>")
for name, page in (("issued", '<Table><TR><TD>CA 7</TD></TR></Table><A Href="certnew.cer?ReqID=25&amp;Enc=bin">x</A><Script>'
                    'location="certnew.cer?ReqID=25&"+x();</Script>'),
                   ("pending", '<P ID=locInfoReqID>\n\u8981\u6c42 ID \u306f 25 \u3067\u3059\n</P><P ID="locTimeoutWarning">10</P>'),
                   ("denied", '<P ID=locDenied>x</P><P ID=locInfoReqIDandReason>x 26. x "x 0x80094800, &quot;y&quot;".</P>'),
                   ("errors5", errors % "5"), ("errors2", errors % "2"), ("never", errors % "<LocID>x</LocID>"),
                   ("number", "<P Class='a>b'>x 25.</P>"), ("renewals", "<Script>\nvar nRenewals=3;\n</Script>"),
                   ("base", "https://[::1]:1/certsrv/")):
    seed("certsrv", name, page)
seed("certsrv", "pem", read("ec.pem").replace(b"\n", b"\r\n"))
seed("certsrv", "der", read("sepec.der"))
# What SCEP servers answer: capabilities, certificates, a signed message, and what a CA signs.
certs = run("openssl", "crl2pkcs7", "-nocrl", "-certfile", "data/root.pem", "-certfile", "data/ec.pem", "-outform", "DER")
seed("scep", "caps", b"cPOSTPKIOperation\r\nSHA-256\nAES\nSCEPStandard")
seed("scep", "one", b"l" + run("openssl", "x509", "-in", "data/root.pem", "-outform", "DER"))
seed("scep", "list", b"l" + certs)
for name, cipher in (("aes", "-aes128"), ("des3", "-des3")):
    seed("scep", "envelope-" + name, b"e" + run("openssl", "cms", "-encrypt", cipher, "-binary", "-outform", "DER",
         "-recip", "data/sep.der", data=certs))
    seed("scep", "stream-" + name, b"e" + run("openssl", "cms", "-encrypt", cipher, "-binary", "-stream", "-outform",
         "DER", "-recip", "data/sep.der", data=certs))
seed("scep", "signed", b"r" + run("openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer",
     "data/ec.pem", "-inkey", "data/ec.key", data=certs))


# Trust lists of phones, by the forger of the tests; those that it signs now are good at the time of the harness, too.
def trust_list(seed_name, fault, key, *certs):
    path = "/tmp/list.%d" % os.getpid()
    run("python3", "../data/ctl-forge.py", path, "data/%s.key" % key, fault, *certs)
    with open(path, "rb") as f:
        seed("ctl", seed_name, f.read())
    os.unlink(path)


for fault in ("none", "1.1", "sha1", "more", "hash", "record-order", "signed", "no-records", "twice", "record-long", "element-length"):
    trust_list(fault, fault, "root", "0=data/root.pem", "4=data/capf.pem" if fault == "1.1" else "4=data/root.pem")
