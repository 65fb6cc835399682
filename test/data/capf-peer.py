# SPDX-License-Identifier: ISC
"""A CAPF server that follows a script, for the tests of phone-sim, and independent of its code.

usage: capf-peer.py DIR CERT KEY CA CAKEY [--bind ADDRESS] FLOW...

Listens on a free port, whose number it writes to DIR/port when it is ready. The first connection gets
the first FLOW, the last FLOW goes on for ever. DIR/log has a line for each message that came:
"COMMAND TAG=HEX ..." in the order of the elements, "from ADDRESS" for each connection; what goes wrong is a
line "error ...".
"""
import os, socket, ssl, struct, subprocess, sys, tempfile, threading

AUTH, KEY, STORE, FETCH, DELETE, END = 1, 3, 9, 11, 13, 15
args = sys.argv[1:]
directory, cert, key, ca, cakey = args[:5]
flows = args[5:]
bind = '127.0.0.1'
if flows[0] == '--bind':
    bind = flows[1]
    flows = flows[2:]
lock = threading.Lock()
last = {}   # device -> SPKI of its last key
count = 0


def log(line):
    with lock, open(os.path.join(directory, 'log'), 'a') as f:
        f.write(line + '\n')


class Bye(Exception):
    pass


class Peer:
    def __init__(self, conn, number):
        self.conn, self.session, self.split = conn, 0x2a + number, False

    def read(self, n):
        data = b''
        while len(data) < n:
            more = self.conn.recv(n - len(data))
            if not more:
                raise Bye('hung up')
            data += more
        return data

    def get(self, *commands):
        """The next message that is none of a phone at work; it has to be one of these."""
        while True:
            magic, command, session, size = struct.unpack('>BBIH', self.read(8))
            if magic != 0x55 or size > 16384:
                raise Bye('not CAPF')
            body, elements = self.read(size), []
            while body:
                tag, n = struct.unpack('>BH', body[:3])
                elements.append((tag, body[3:3 + n]))
                body = body[3 + n:]
            log(' '.join([str(command)] + ['%d=%s' % (t, v.hex()) for t, v in elements]))
            if session != self.session:
                raise Bye('session %08x' % session)
            if command != 17 or 17 in commands:
                break
        if command not in commands:
            if command == 20:
                self.end(7)
            raise Bye('command %d' % command)
        return dict(elements)

    def put(self, command, *elements, session=None):
        body = b''.join(struct.pack('>BH', t, len(v)) + v for t, v in elements)
        head = struct.pack('>BBIH', 0x55, command, self.session if session is None else session, len(body))
        if self.split:
            self.conn.sendall(head)
            self.conn.sendall(body)
        else:
            self.conn.sendall(head + body)

    def end(self, reason):
        self.put(END, (1, bytes([reason])))

    def hello(self):
        self.put(AUTH, (7, b'\x03'), (8, b'\x00'))
        answer = self.get(2)
        self.device = answer.get(13, b'\0')[:-1].decode()
        self.version = answer.get(7, b'\1')[0]
        if not self.device:
            self.end(7)
            raise Bye('no device')

    def make_key(self, kind):
        if kind.startswith('ec'):
            curve = {'ec256': 0, 'ec384': 1, 'ec521': 2}[kind]
            self.put(KEY, (17, b'\1'), (18, bytes([curve])))
        elif self.version < 3:
            self.put(KEY, (10, struct.pack('>H', int(kind[3:]))))
        else:
            self.put(KEY, (10, struct.pack('>H', int(kind[3:]))), (17, b'\0'))
        answer = self.get(4)
        if 9 not in answer:
            self.end(7)
            raise Bye('no key')
        last[self.device] = answer[9]

    def issue(self, spki, device):
        with tempfile.TemporaryDirectory() as d:
            with open(d + '/spki', 'wb') as f:
                f.write(spki)
            subprocess.run(['openssl', 'pkey', '-pubin', '-inform', 'DER', '-in', d + '/spki', '-out',
                            d + '/pub'], check=True)
            subprocess.run(['openssl', 'x509', '-new', '-force_pubkey', d + '/pub', '-subj', '/CN=' + device,
                            '-CA', ca, '-CAkey', cakey, '-days', '30', '-out', d + '/lsc', '-outform', 'DER'],
                           check=True, stderr=subprocess.DEVNULL)
            with open(d + '/lsc', 'rb') as f:
                return f.read()

    def store(self, der):
        self.put(STORE, (3, b'\1'), (4, b'\1' + struct.pack('>H', 2 + len(der)) + b'\0\1' + der))
        return self.get(10).get(1) == b'\1'

    def install(self, kind='rsa2048'):
        self.make_key(kind)
        self.end(1 if self.store(self.issue(last[self.device], self.device)) else 7)

    # The flows.
    def do_install(self, *kind):
        self.install(*kind)

    def do_typed(self):
        """KEY_TYPE, whatever version the phone has."""
        self.version = 3
        self.install()

    def do_split(self):
        self.split = True
        self.install()

    def do_resume(self):
        """The certificate for the key of an earlier connection; twice, then a new key."""
        der = self.issue(last[self.device], self.device)
        if self.store(der) or self.store(der):
            self.end(1)
        else:
            self.install()

    def do_stranger(self):
        """A certificate for this key, but another phone."""
        self.make_key('rsa2048')
        self.end(1 if self.store(self.issue(last[self.device], 'SEPFFFFFFFFFFFF')) else 7)

    def do_wrong(self):
        """A certificate for another key: the CA's."""
        self.make_key('rsa2048')
        pub = subprocess.run(['openssl', 'pkey', '-in', cakey, '-pubout', '-outform', 'DER'], check=True,
                             capture_output=True).stdout
        self.end(1 if self.store(self.issue(pub, self.device)) else 7)

    def do_sign(self):
        self.make_key('rsa2048')
        self.put(22, (19, b'\2'), (6, b'to be signed'))
        signature = self.get(23).get(20, b'')
        with tempfile.TemporaryDirectory() as d:
            for name, data in ('spki', last[self.device]), ('sig', signature[3:]), ('data', b'to be signed'):
                with open(d + '/' + name, 'wb') as f:
                    f.write(data)
            good = signature[:1] == b'\2' and subprocess.run(
                ['openssl', 'dgst', '-sha256', '-verify', d + '/spki', '-keyform', 'DER', '-signature', d + '/sig',
                 d + '/data'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if not good:
            log('error signature')
            self.end(7)
            return
        self.end(1 if self.store(self.issue(last[self.device], self.device)) else 7)

    def do_keepalive(self):
        self.make_key('rsa2048')
        self.put(17)
        self.put(18)
        self.get(19)
        self.end(1 if self.store(self.issue(last[self.device], self.device)) else 7)

    def do_fetch(self):
        self.put(FETCH)
        one = self.get(12)
        self.put(FETCH, (3, b'\2'))
        two = self.get(12)
        self.end(0 if 4 in one or 4 in two else 7)

    def do_delete(self):
        self.put(DELETE)
        self.end(1 if self.get(14).get(1) == b'\1' else 7)

    def do_nothing(self):
        self.end(0)

    def do_refuse(self):
        self.end(7)

    def do_unknown(self):
        self.end(9)

    def do_liar(self):
        self.end(1)

    def do_later(self):
        self.put(16)

    def do_session(self):
        self.put(DELETE, session=7)
        self.get()

    def do_hangup(self):
        pass

    def do_wait(self):
        """Asks for a key and says nothing any more."""
        self.make_key('rsa2048')
        log('waiting')
        self.get()

    def do_listen(self):
        """As wait, right after AUTH_RESPONSE."""
        log('waiting')
        self.get()


def serve(raw, flow, number):
    name, *rest = flow.split(':')
    raw.settimeout(60)
    try:
        if name == 'mute':      # no TLS, and until the phone hangs up
            log('mute %d' % len(raw.recv(4096)))
            while raw.recv(4096):
                pass
            return
        with context.wrap_socket(raw, server_side=True) as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(conn, number)
            peer.hello()
            getattr(peer, 'do_' + name)(*rest)
    except Exception as e:
        log('error %s' % (e or type(e).__name__))
    finally:
        raw.close()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.socket(socket.AF_INET6 if ':' in bind else socket.AF_INET)
listener.bind((bind, 0))
listener.listen(512)
with open(os.path.join(directory, 'port.new'), 'w') as f:
    f.write('%d\n' % listener.getsockname()[1])
open(os.path.join(directory, 'log'), 'a').close()
os.rename(os.path.join(directory, 'port.new'), os.path.join(directory, 'port'))
while True:
    raw, address = listener.accept()
    log('from ' + address[0])
    threading.Thread(target=serve, args=(raw, flows[min(count, len(flows) - 1)], count), daemon=True).start()
    count += 1
