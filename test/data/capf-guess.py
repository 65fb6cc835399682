# SPDX-License-Identifier: ISC
"""Guesses authentication strings, for the tests of capf-serve, a connection for each.

usage: capf-guess.py HOST:PORT DEVICE STRING...

Prints a line for each: the string and what came after it: "hung-up", or the command and its body in hex.
Waits for a server that is not there at the moment.
"""
import socket, ssl, struct, sys, time

host, port = sys.argv[1].rsplit(':', 1)
device = sys.argv[2].encode()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def read(conn, n):
    data = b''
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def message(conn):
    magic, command, session, size = struct.unpack('>BBIH', read(conn, 8))
    return command, session, read(conn, size)


def guess(string):
    """What the server says to it; None when it could not be sent."""
    sent = False
    try:
        with context.wrap_socket(socket.create_connection((host, int(port)), timeout=60)) as conn:
            command, session, _ = message(conn)
            body = b''.join(struct.pack('>BH', tag, len(value)) + value for tag, value in (
                (7, b'\x02'), (13, device + b'\0'), (1, b'\x01'), (11, string.encode() + b'\0')))
            sent = True
            conn.sendall(struct.pack('>BBIH', 0x55, 2, session, len(body)) + body)
            command, _, body = message(conn)
            return '%d %s' % (command, body.hex())
    except OSError:
        return 'hung-up' if sent else None


for string in sys.argv[3:]:
    for _ in range(600):
        answer = guess(string)
        if answer is not None:
            break
        time.sleep(0.1)
    print(string, answer, flush=True)
