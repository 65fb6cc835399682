#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# usage: rival.py verify CA ARCHIVE REQUESTS	each certificate of one archive against the requests of the other
#        rival.py sign CA KEY ARCHIVE		a certificate for each request
# The work of cert-import and csr-sign as somebody would write it with Python's cryptography library,
# in the quickest way that it offers: one CA, no chain, all in memory, nothing kept. Prints how many were
# good, and the seconds of the clock and of the processors from the opening of the archive on, without
# the start of Python. JOBS=n does it in n processes.
import datetime
import os
import sys
import tarfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NEW = hasattr(x509.Certificate, "verify_directly_issued_by")
AWARE = hasattr(x509.Certificate, "not_valid_before_utc")


def clock():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now if AWARE else now.replace(tzinfo=None)


def entries(path):
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                yield tar.extractfile(member).read()


def load_ca(path):
    with open(path, "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


def make_verify(ca, archive, requests):
    ca = load_ca(ca)
    ca_key, now = ca.public_key(), clock()
    pending = {x509.load_pem_x509_csr(pem).public_key().public_numbers() for pem in entries(requests)}

    def verify(der):
        cert = x509.load_der_x509_certificate(der)
        if NEW:
            cert.verify_directly_issued_by(ca)
        else:
            ca_key.verify(cert.signature, cert.tbs_certificate_bytes, padding.PKCS1v15(),
                          cert.signature_hash_algorithm)
            if cert.issuer != ca.subject:
                return False
        if AWARE:
            valid = cert.not_valid_before_utc <= now <= cert.not_valid_after_utc
        else:
            valid = cert.not_valid_before <= now <= cert.not_valid_after
        return valid and cert.public_key().public_numbers() in pending

    return verify, archive


def make_sign(ca, key, archive):
    ca = load_ca(ca)
    with open(key, "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    now = clock()
    end = now + datetime.timedelta(days=1825)
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    eku = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH,
                                 x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5")])
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)

    def sign(pem):
        csr = x509.load_pem_x509_csr(pem)
        if not csr.is_signature_valid:
            return False
        public = csr.public_key()
        cn = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        cert = (x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
                .issuer_name(ca.subject).public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now).not_valid_after(end)
                .add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(usage, True).add_extension(eku, False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
                .add_extension(aki, False).sign(key, hashes.SHA256()))
        return len(cert.public_bytes(serialization.Encoding.DER)) > 0

    return sign, archive


def count(work, items, jobs):
    if jobs == 1:
        return sum(1 for item in items if work(item))
    items, pids = list(items), []
    for i in range(jobs):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if all(work(item) for item in items[i::jobs]) else 1)
        pids.append(pid)
    # No short cut: each must be waited for.
    bad = sum(1 for pid in pids if os.waitpid(pid, 0)[1] != 0)
    return len(items) if bad == 0 else 0


def main():
    work, archive = {"verify": make_verify, "sign": make_sign}[sys.argv[1]](*sys.argv[2:])
    start, cpu = time.monotonic(), sum(os.times()[:4])
    good = count(work, entries(archive), int(os.environ.get("JOBS", "1")))
    print(good, "%.6f %.6f" % (time.monotonic() - start, sum(os.times()[:4]) - cpu))


main()
