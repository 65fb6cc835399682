# SPDX-License-Identifier: ISC
"""A phone that follows orders, for the tests of capf-serve, and independent of its code.

usage: capf-phone.py HOST:PORT DEVICE KEY [NAME=VALUE...]

Prints a line for each message of the server: "COMMAND TAG=HEX ...". Ends with the session.
	version=N
	sign=good|bare|wrong|refuse	what it answers to SIGN_CERTIFICATE_REQUEST
	digest=N			how it calls the digest, which is 2, SHA-256
	alive=COMMAND:N			so many signs of life, a second apart, before it has made its key
	answer=COMMAND			its answer to a keepalive message
	store=yes|no|leave		leave: refuses the first time, and hangs up at the second
"""
import hashlib, socket, ssl, struct, subprocess, sys, time

where, device, key = sys.argv[1:4]
how = {'version': '3', 'sign': 'good', 'digest': '2', 'store': 'yes'}
how.update(a.split('=', 1) for a in sys.argv[4:])
host, port = where.rsplit(':', 1)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
conn = context.wrap_socket(socket.create_connection((host, int(port)), timeout=60))


def read(n):
    data = b''
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            sys.exit('hung up')
        data += more
    return data


def openssl(*args, data=b''):
    return subprocess.run(('openssl',) + args, input=data, stdout=subprocess.PIPE, check=True).stdout


def send(command, *elements):
    body = b''.join(struct.pack('>BH', tag, len(value)) + value for tag, value in elements)
    conn.sendall(struct.pack('>BBIH', 0x55, command, session, len(body)) + body)


def signed(info):
    if how['sign'] == 'refuse':
        return send(23, (1, b'\x07'))
    if how['sign'] == 'bare':
        sig = openssl('pkeyutl', '-sign', '-inkey', key, data=hashlib.sha256(info).digest())
    else:
        what = info + b'x' if how['sign'] == 'wrong' else info
        sig = openssl('dgst', '-sha256', '-sign', key, data=what)
    send(23, (1, b'\x01'), (20, struct.pack('>BH', int(how['digest']), len(sig)) + sig))


stores = 0
while True:
    magic, command, session, size = struct.unpack('>BBIH', read(8))
    body, elements = read(size), []
    while body:
        tag, n = struct.unpack('>BH', body[:3])
        elements.append((tag, body[3:3 + n]))
        body = body[3 + n:]
    print(' '.join([str(command)] + ['%d=%s' % (t, v.hex()) for t, v in elements]), flush=True)
    if command == 1:
        send(2, (7, bytes([int(how['version'])])), (13, device.encode() + b'\0'), (1, b'\x01'))
    elif command == 3:
        if 'alive' in how:
            sign_of_life, n = map(int, how['alive'].split(':'))
            for i in range(n):
                send(sign_of_life)
                time.sleep(0.25)
        send(4, (9, openssl('pkey', '-in', key, '-pubout', '-outform', 'DER')))
    elif command == 22:
        signed(dict(elements)[6])
    elif command == 9:
        stores += 1
        if how['store'] == 'leave' and stores == 2:
            sys.exit(0)
        send(10, (1, b'\x01' if how['store'] == 'yes' else b'\x07'))
    elif command in (17, 18) and 'answer' in how:
        send(int(how['answer']))
    elif command == 15:
        sys.exit(0)
