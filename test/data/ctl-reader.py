# SPDX-License-Identifier: ISC
"""Reads a trust list of phones, CTLFile.tlv or ITLFile.tlv, and checks it; for the tests of ctl-make.

usage: ctl-reader.py FILE [DIR]

Written from a description of the format, before there was a ctl-make, and without a look at its code: it shares nothing
with it, and asks the command openssl about certificates and signatures. Prints what it read, tab-separated, a line each:

	version 1.1 | file CTLFile.tlv | time SECONDS | digest sha512 | modulus 256 | signer SUBJECT ISSUER SERIAL
	record NUMBER ROLE SUBJECT ISSUER SERIAL SHA256-OF-THE-CERTIFICATE

With a DIR it leaves there signed (the bytes that are signed), signature, and NUMBER.der, each record's certificate.
Exits 0, or 1 with the reason on standard error. Knows only the layout that its description gives: no records without a
certificate.
"""
import hashlib, os, subprocess, sys, tempfile

ROLES = {0: 'SAST', 1: 'CCM', 2: 'CCM+TFTP', 3: 'TFTP', 4: 'CAPF', 7: 'APP-SERVER', 21: 'TVS'}
DIGESTS = {1: 'sha1', 3: 'sha512'}
MODULI = {0: 64, 1: 128, 2: 256, 3: 512}
SIGNER_INFO, SIGNATURE_INFO, SIGNATURE, PADDING = 3, 7, 12, 13


class Refused(Exception):
    pass


def need(condition, reason):
    if not condition:
        raise Refused(reason)


class Elements:
    """Takes elements, a tag of a byte and a length of two before the value, from data[at:end]."""

    def __init__(self, data, at, end, what):
        self.data, self.at, self.end, self.what = data, at, end, what

    def peek(self):
        return self.data[self.at] if self.at < self.end else None

    def take(self, tag, name, size=None):
        need(self.at < self.end, f'{self.what}: ends before {name}')
        need(self.data[self.at] == tag, f'{self.what}: tag {self.data[self.at]} at byte {self.at}, not {tag}, {name}')
        need(self.at + 3 <= self.end, f'{self.what}: {name} ends in its length')
        length = int.from_bytes(self.data[self.at + 1:self.at + 3], 'big')
        start = self.at + 3
        need(start + length <= self.end, f'{self.what}: {name} of {length} bytes reaches past its end')
        need(size is None or length == size, f'{self.what}: {name} has {length} bytes, not {size}')
        self.at = start + length
        return self.data[start:self.at]

    def number(self, tag, name, size):
        return int.from_bytes(self.take(tag, name, size), 'big')

    def text(self, tag, name):
        value = self.take(tag, name)
        need(value and value[-1] == 0, f'{self.what}: {name} does not end with a NUL')
        need(0 not in value[:-1], f'{self.what}: {name} has a NUL in it')
        try:
            return value[:-1].decode()
        except UnicodeDecodeError:
            raise Refused(f'{self.what}: {name} is not UTF-8')

    def serial(self, tag, name):
        value = self.take(tag, name)
        need(value and value[0], f'{self.what}: {name} is empty or begins with a zero')
        return value.hex()

    def done(self):
        need(self.at == self.end, f'{self.what}: {self.end - self.at} bytes too many')


# ---- a certificate, as far as a record repeats it

def der(data, at=0):
    """Tag, start and end of the value of the DER element at data[at]."""
    need(at + 2 <= len(data), 'certificate: cut short')
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7f
        length, at = int.from_bytes(data[at:at + size], 'big'), at + size
    need(at + length <= len(data), 'certificate: cut short')
    return tag, at, at + length


def children(data, start, end):
    found = []
    while start < end:
        tag, inner, stop = der(data, start)
        found.append((tag, start, inner, stop))
        start = stop
    return found


SHORT = {'2.5.4.3': 'CN', '2.5.4.7': 'L', '2.5.4.8': 'ST', '2.5.4.10': 'O', '2.5.4.11': 'OU', '2.5.4.6': 'C',
         '2.5.4.9': 'STREET', '0.9.2342.19200300.100.1.25': 'DC', '0.9.2342.19200300.100.1.1': 'UID'}
CODES = {0x0c: 'utf-8', 0x13: 'ascii', 0x16: 'ascii', 0x14: 'latin-1', 0x1e: 'utf-16-be', 0x1c: 'utf-32-be'}


def dotted(value):
    numbers, number = [], 0
    for byte in value:
        number = number << 7 | byte & 0x7f
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return '.'.join(map(str, [first, numbers[0] - 40 * first] + numbers[1:]))


def escaped(text):
    """RFC 4514, 2.4."""
    out = ''
    for i, c in enumerate(text):
        if c in '"+,;<>\\' or (c == ' ' and i in (0, len(text) - 1)) or (c == '#' and i == 0):
            out += '\\' + c
        elif c == '\0':
            out += '\\00'
        else:
            out += c
    return out


def name(data, start, end):
    """A name as one line: its RDNs as in RFC 4514, joined by commas, in the order of the certificate."""
    rdns = []
    for _, _, rdn_start, rdn_end in children(data, start, end):
        pairs = []
        for _, _, pair_start, pair_end in children(data, rdn_start, rdn_end):
            (_, _, oid_start, oid_end), (tag, whole, value_start, value_end) = children(data, pair_start, pair_end)
            oid = dotted(data[oid_start:oid_end])
            if oid in SHORT and tag in CODES:
                pairs.append(SHORT[oid] + '=' + escaped(data[value_start:value_end].decode(CODES[tag])))
            else:
                pairs.append(oid + '=#' + data[whole:value_end].hex())
        rdns.append('+'.join(pairs))
    return ','.join(rdns)


def bits(data, start, end):
    need(end > start and data[start] == 0, 'certificate: a bit string with odd bits')
    return data[start + 1:end]


class Certificate:
    def __init__(self, data):
        tag, start, end = der(data)
        need(tag == 0x30 and end == len(data), 'certificate: not one DER sequence')
        parts = children(data, start, end)
        need(len(parts) == 3, 'certificate: not three parts')
        fields = children(data, parts[0][2], parts[0][3])
        if fields[0][0] == 0xa0:
            fields = fields[1:]
        serial, _, issuer, _, subject, key = fields[:6]
        self.serial = data[serial[2]:serial[3]].lstrip(b'\0').hex()
        self.issuer = name(data, issuer[2], issuer[3])
        self.subject = name(data, subject[2], subject[3])
        algorithm, point = children(data, key[2], key[3])[:2]
        oid = children(data, algorithm[2], algorithm[3])[0]
        self.rsa = dotted(data[oid[2]:oid[3]]) == '1.2.840.113549.1.1.1'
        self.key = bits(data, point[2], point[3])        # for RSA what is in the bits is RSAPublicKey
        self.signature = bits(data, parts[2][2], parts[2][3])


def openssl(*args, data=None):
    return subprocess.run(['openssl', *args], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


# ---- the list

def record(data, at, number):
    what = f'record {number}'
    head = Elements(data, at, len(data), what)
    length = head.number(1, 'its length', 2)
    need(length >= 5 and at + length <= len(data), f'{what}: a length of {length}, of {len(data) - at} that are left')
    e = Elements(data, head.at, at + length, what)

    def others():       # they are met in others' lists; nothing is known of their values
        while e.peek() in (2, 10, 11, 12):
            e.take(e.peek(), 'an element')

    others()
    subject = e.text(3, 'the subject')
    others()
    issuer = e.text(5, 'the issuer')
    others()
    serial = e.serial(6, 'the serial number')
    others()
    role = e.number(4, 'the role', 2)
    others()
    key = e.take(7, 'the public key')
    others()
    signature = e.take(8, "the certificate's signature")
    others()
    cert = e.take(9, 'the certificate')
    others()
    e.done()

    need(role in ROLES, f'{what}: unknown role {role}')
    need(openssl('x509', '-inform', 'DER', '-noout', data=cert).returncode == 0, f'{what}: openssl cannot read the certificate')
    c = Certificate(cert)
    need(subject == c.subject, f'{what}: subject {subject!r}, the certificate has {c.subject!r}')
    need(issuer == c.issuer, f'{what}: issuer {issuer!r}, the certificate has {c.issuer!r}')
    need(serial == c.serial, f'{what}: serial number {serial}, the certificate has {c.serial}')
    need(key == c.key, f"{what}: the public key is not the certificate's")
    need(c.rsa or key[:1] == b'\4', f'{what}: not an uncompressed point')
    need(signature == c.signature, f"{what}: the signature is not the certificate's")
    return at + length, (ROLES[role], subject, issuer, serial, cert, c.rsa)


def read(data):
    header = Elements(data, 0, len(data), 'header')
    need(header.take(1, 'version', 2) == b'\1\2', 'header: not version 1.2')
    length = header.number(2, 'header length', 2)
    need(header.at <= length <= len(data), f'header: a length of {length}, the file has {len(data)}')
    need(length % 4 == 0, f'header: a length of {length}, not a multiple of 4')
    header.end = length
    version = header.take(28, 'file version', 2)
    need(version in (b'\1\0', b'\1\1'), f'header: file version {version[0]}.{version[1]}')

    at = header.at
    inside = header.take(SIGNER_INFO, 'signer info')
    signer = Elements(data, at + 3, at + 3 + len(inside), 'signer info')
    subject = signer.text(4, "the signer's subject")
    issuer = signer.text(6, "the signer's issuer")
    serial = signer.serial(5, 'the serial number')
    signer.done()

    at = header.at
    header.take(SIGNATURE_INFO, 'signature info', 15)
    info = Elements(data, at + 3, at + 18, 'signature info')
    digest = info.number(8, 'the digest algorithm', 1)
    at = info.at
    info.take(9, 'signature algorithm info', 8)
    algorithm = Elements(data, at + 3, at + 11, 'signature algorithm info')
    need(algorithm.number(10, 'algorithm', 1) == 0, 'header: unknown signature algorithm')
    modulus = algorithm.number(11, 'modulus', 1)
    algorithm.done()
    info.done()
    need(digest in DIGESTS, f'header: unknown digest algorithm {digest}')
    need(modulus in MODULI, f'header: unknown modulus {modulus}')

    cut = header.at
    signature = header.take(SIGNATURE, 'the signature', MODULI[modulus])
    signed = data[:cut] + data[header.at:]
    file = header.text(14, 'the file name')
    need(file in ('CTLFile.tlv', 'ITLFile.tlv'), f'header: unknown file name {file!r}')
    time = header.number(15, 'the time stamp', 4)
    padding = data[header.at:length]
    need(len(padding) < 4 and not padding.strip(bytes([PADDING])), 'header: padding that is none')

    records, at = [], length
    while at < len(data):
        at, found = record(data, at, len(records) + 1)
        records.append(found)
    need(records, 'no records')
    need(len({(r[0], r[4]) for r in records}) == len(records), 'two records are the same')
    need(sum(r[0] == 'SAST' for r in records) <= 2, 'more than two SAST records')
    need(version == b'\1\1' or all(r[5] for r in records), 'an EC key in a list of version 1.0')
    own = [r for r in records if r[0] == 'SAST' and r[1:4] == (subject, issuer, serial)]
    need(own, 'the signer has no SAST record')
    need(own[0][5], "the signer's key is not RSA")

    with tempfile.TemporaryDirectory() as tmp:
        for leaf, content in (('signed', signed), ('signature', signature)):
            with open(f'{tmp}/{leaf}', 'wb') as f:
                f.write(content)
        public = openssl('x509', '-inform', 'DER', '-noout', '-pubkey', data=own[0][4]).stdout
        with open(f'{tmp}/public', 'wb') as f:
            f.write(public)
        answer = openssl('dgst', '-' + DIGESTS[digest], '-verify', f'{tmp}/public', '-signature', f'{tmp}/signature',
                         f'{tmp}/signed')
        need(answer.returncode == 0 and answer.stdout.strip() == b'Verified OK', 'openssl: the signature is wrong')
    return version, file, time, DIGESTS[digest], MODULI[modulus], (subject, issuer, serial), records, signed, signature


def main():
    path = sys.argv[1]
    try:
        with open(path, 'rb') as f:
            data = f.read()
        version, file, time, digest, modulus, signer, records, signed, signature = read(data)
    except Refused as reason:
        sys.exit(f'{path}: {reason}')
    print(f'version\t{version[0]}.{version[1]}\nfile\t{file}\ntime\t{time}\ndigest\t{digest}\nmodulus\t{modulus}')
    print('signer', *signer, sep='\t')
    for n, (role, subject, issuer, serial, cert, _) in enumerate(records, 1):
        print('record', n, role, subject, issuer, serial, hashlib.sha256(cert).hexdigest(), sep='\t')
    if len(sys.argv) > 2:
        leaves = {'signed': signed, 'signature': signature}
        leaves.update((f'{n}.der', r[4]) for n, r in enumerate(records, 1))
        for leaf, content in leaves.items():
            with open(os.path.join(sys.argv[2], leaf), 'wb') as f:
                f.write(content)


if __name__ == '__main__':
    main()
