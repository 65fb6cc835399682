# SPDX-License-Identifier: ISC
"""A phone that sends odd messages with its authentication string in them, for the tests of traces.

usage: capf-odd.py HOST:PORT DEVICE STRING KIND...

Each KIND is a connection. Prints what the server's last command was, or "none".
	plain	AUTH_RESPONSE as it should be
	cut	its PASSWORD reaches past the end
	twice	it has two of them
	command	another command has it
	short	the element before it says a length that is too small
	tag	it stands in a tag that nobody knows
	wide	the same, in UTF-16
	number	its first four digits stand where a number should
	magic	the message begins with a wrong byte
	long	the message says that it is too long
	bare	it is sent without any message
	many	many elements that nobody knows
"""
import socket, ssl, struct, sys

where, device, string = sys.argv[1:4]
host, port = where.rsplit(':', 1)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def element(tag, value):
    return struct.pack('>BH', tag, len(value)) + value


def message(command, session, *elements):
    body = b''.join(elements)
    return struct.pack('>BBIH', 0x55, command, session, len(body)) + body


def make(kind, session):
    name, secret = element(13, device.encode() + b'\0'), string.encode() + b'\0'
    head = (element(7, b'\3'), name)
    return {
        'plain': lambda: message(2, session, *head, element(11, secret)),
        'cut': lambda: message(2, session, *head, b'\x0b\x01\x00' + secret),
        'twice': lambda: message(2, session, *head, element(11, secret), element(11, secret)),
        'command': lambda: message(77, session, *head, element(11, secret)),
        'short': lambda: message(2, session, *head, b'\x05\x00\x01ab' + element(11, secret)),
        'tag': lambda: message(2, session, *head, element(99, b'x' + secret)),
        'wide': lambda: message(2, session, *head, element(99, string.encode('utf-16-be'))),
        'number': lambda: message(2, session, *head, element(10, secret[:4])),
        'magic': lambda: b'\x54' + message(2, session, *head, element(11, secret))[1:],
        'long': lambda: struct.pack('>BBIH', 0x55, 2, session, 0xffff) + element(11, secret),
        'bare': lambda: secret,
        'many': lambda: message(2, session, *head, *([element(99, bytes(range(128, 192)))] * 200)),
    }[kind]()


for kind in sys.argv[4:]:
    last = 'none'
    conn = context.wrap_socket(socket.create_connection((host, int(port)), timeout=60))
    data = conn.recv(8)
    while len(data) == 8:
        magic, command, session, size = struct.unpack('>BBIH', data)
        while size > 0:
            size -= len(conn.recv(size))
        if command == 1:
            conn.sendall(make(kind, session))
        last = str(command)
        try:
            if command != 1:
                break
            data = conn.recv(8)
        except OSError:
            break
    conn.close()
    print(kind, last, flush=True)
