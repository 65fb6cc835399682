# SPDX-License-Identifier: ISC
"""Makes trust lists of phones for the tests of ctl-show: good ones, by none of our code, and bad ones.

usage: ctl-forge.py OUT KEY FAULT ROLE=CERT...

The key signs, for the first certificate. ROLE is a number, CERT a file, PEM. FAULT is "none" or says what is to be wrong;
but for "signed" the signature is right all the same. Reads certificates with the parts of ctl-reader.py.
"""
import importlib.util, os, struct, subprocess, sys, time

spec = importlib.util.spec_from_file_location('reader', os.path.join(os.path.dirname(__file__), 'ctl-reader.py'))
sys.dont_write_bytecode = True
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)

out, key, fault = sys.argv[1:4]
digest = 'sha1' if fault == 'sha1' else 'sha512'


def openssl(*args, data=None):
    return subprocess.run(['openssl', *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def element(tag, value):
    return struct.pack('>BH', tag, len(value)) + value


def text(tag, value):
    return element(tag, value.encode() + b'\0')


def number(tag, size, value):
    return element(tag, value.to_bytes(size, 'big'))


def record(n, role, der):
    c = reader.Certificate(der)
    here = fault if n == 2 else 'none'      # what is wrong is wrong in the second record
    parts = [
        text(3, 'CN=other' if here == 'subject' else c.subject),
        text(5, 'CN=other' if here == 'issuer' else c.issuer),
        element(6, bytes.fromhex(c.serial)),
        number(4, 2, role),
        element(7, c.key),
        element(8, c.signature),
        element(9, der),
    ]
    if here == 'no-nul':
        parts[0] = element(3, c.subject.encode())
    elif here == 'nul-inside':
        parts[0] = text(3, c.subject[:3] + '\0' + c.subject[3:])
    elif here == 'serial':
        parts[2] = element(6, bytes.fromhex(c.serial)[:-1] + b'x')
    elif here == 'serial-zero':
        parts[2] = element(6, b'\0' + bytes.fromhex(c.serial))
    elif here == 'role-long':
        parts[3] = number(4, 4, role)
    elif here == 'role-unknown':
        parts[3] = number(4, 2, 99)
    elif here == 'role-none':
        del parts[3]
    elif here == 'subject-none':
        del parts[0]
    elif here == 'key':
        parts[4] = element(7, c.key[:-1] + b'x')
    elif here == 'certificate-signature':
        parts[5] = element(8, c.signature[:-1] + bytes([c.signature[-1] ^ 1]))
    elif here == 'certificate':
        parts[6] = element(9, der[:-1])
    elif here == 'certificate-none':
        del parts[6]
    elif here == 'hash':
        parts[6:] = [number(12, 1, 1), element(11, bytes(20))]
    elif here == 'more':
        parts[1:1] = [text(2, 'a.example'), element(10, bytes([192, 0, 2, 1]))]
    elif here == 'record-order':
        parts.reverse()
    elif here == 'tag':
        parts.append(element(13, b''))
    elif here == 'twice':
        parts.append(parts[3])
    elif here == 'length-twice':
        parts.append(number(1, 2, 7))
    elif here == 'element-length':
        parts[6] = struct.pack('>BH', 9, len(der) + 1) + der
    body = b''.join(parts)
    lie = {'record-long': 1, 'record-short': -1, 'record-tiny': -len(body) - 1}.get(here, 0)
    return number(1, 2, len(body) + 5 + lie) + body


def load(arg):
    role, path = arg.split('=', 1)
    return int(role), openssl('x509', '-in', path, '-outform', 'DER')


certs = [load(arg) for arg in sys.argv[4:]]
signer = reader.Certificate(certs[0][1])
records = b''.join(record(n, role, der) for n, (role, der) in enumerate(certs, 1))
modulus = len(openssl('dgst', '-sha1', '-sign', key, data=b''))
code = {64: 0, 128: 1, 256: 2, 512: 3}.get(modulus, 2)

version = element(1, b'\1\3' if fault == 'version' else b'\1\2')
file_version = element(28, {'1.1': b'\1\1', 'file-version': b'\1\2', 'file-major': b'\2\0'}.get(fault, b'\1\0'))
names = [text(4, signer.subject), text(6, signer.issuer), element(5, bytes.fromhex(signer.serial))]
if fault == 'signer-order':
    names[1:] = names[:0:-1]
elif fault == 'signer-more':
    names.append(b'\0')
info = element(7, number(8, 1, {'sha1': 1, 'digest': 2}.get(fault, 3)) + element(9,
    number(10, 1, fault == 'algorithm') + number(11, 1, {'modulus': 4, 'modulus-other': 1}.get(fault, code))))
head = [version, None, file_version, element(3, b''.join(names)), info, None,
        text(14, {'inside': 'XTLFile.tlv', 'ctl': 'CTLFile.tlv'}.get(fault, 'ITLFile.tlv')),
        number(15, 4, int(time.time()) + (86400 if fault == 'future' else -10))]
if fault == 'time':
    head[7] = number(15, 2, 1)
elif fault == 'order':
    head[6:8] = head[7:5:-1]
elif fault == 'no-file-version':
    head[2] = b''
length = sum(len(e) for e in head if e is not None) + 5 + 3 + modulus
padding = b'\x0d' * (-length % 4)
if fault == 'padding':
    padding = padding[:-1] + b'\0' if padding else b'\0' * 4
elif fault == 'padding-more':
    padding += b'\x0d' * 4
elif fault == 'padding-none':
    padding = b'\x0d' * ((-length + 1) % 4)
length += len(padding) + {'header-long': 4, 'header-short': -4, 'header-tiny': -length, 'header-huge': 60000}.get(fault, 0)
head[1] = number(2, 2, length // 4 * 4 if fault.startswith('header-') else length)
behind = b''.join(head[6:]) + padding + (b'' if fault == 'no-records' else records)
before = b''.join(head[:5])
signature = openssl('dgst', '-' + digest, '-sign', key, data=before + behind)
if fault == 'signed':
    signature = signature[:-1] + bytes([signature[-1] ^ 1])
with open(out, 'wb') as f:
    f.write(before + element(12, signature) + behind)
