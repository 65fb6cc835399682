#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A file server that does not want to end: slow-server.py ftp|tftp PORTFILE LOG

Listens on a free port of 127.0.0.1, writes it to PORTFILE, and speaks as much FTP or TFTP as one client needs. What is
fetched comes for ever: over FTP a byte every 0.9 s, over TFTP a block of 512 bytes. What is sent is never
acknowledged to its end. LOG has a line for each piece. It ends after 120 s in any case."""
import os
import socket
import struct
import sys
import threading
import time

PAUSE = 0.9
END = time.monotonic() + 120


def say(word):
    with open(sys.argv[3], "a") as f:
        f.write(word + "\n")


def ftp(port):
    server = socket.create_server(("127.0.0.1", 0))
    port(server.getsockname()[1])
    while True:
        client, _ = server.accept()
        threading.Thread(target=ftp_client, args=(client,), daemon=True).start()


def ftp_client(client):
    data = socket.create_server(("127.0.0.1", 0))
    number = data.getsockname()[1]
    answers = {"USER": "331 go on", "PASS": "230 in", "PWD": '257 "/"', "TYPE": "200 fine", "SIZE": "213 1000000",
               "EPSV": "229 so (|||%d|)" % number}

    def answer(text):
        client.sendall(text.encode() + b"\r\n")

    answer("220 hello")
    for line in client.makefile():
        word = line.split()[0].upper()
        if word in ("RETR", "STOR"):
            answer("150 here")
            there, _ = data.accept()
            while time.monotonic() < END:
                try:
                    if word == "RETR":
                        there.sendall(b"x")
                    elif there.recv(65536):
                        # All of it, but it never says so.
                        say("taken")
                        continue
                except OSError:
                    return
                say("dripped")
                time.sleep(PAUSE)
        answer(answers.get(word, "502 what"))


def tftp(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    port(server.getsockname()[1])
    while True:
        packet, peer = server.recvfrom(2048)
        kind, = struct.unpack(">H", packet[:2])
        if kind == 1:
            server.sendto(struct.pack(">HH", 3, 1) + bytes(512), peer)
            say("dripped")
        elif kind == 4:
            block, = struct.unpack(">H", packet[2:4])
            time.sleep(PAUSE)
            server.sendto(struct.pack(">HH", 3, (block + 1) & 0xffff) + bytes(512), peer)
            say("dripped")
        elif kind == 2:
            # An acknowledgement of what was acknowledged before, time and again.
            for _ in range(200):
                server.sendto(struct.pack(">HH", 4, 0), peer)
                say("taken")
                time.sleep(PAUSE)


def port_file(number):
    with open(sys.argv[2] + ".new", "w") as f:
        f.write("%d\n" % number)
    os.rename(sys.argv[2] + ".new", sys.argv[2])


threading.Thread(target={"ftp": ftp, "tftp": tftp}[sys.argv[1]], args=(port_file,), daemon=True).start()
time.sleep(max(0, END - time.monotonic()))
