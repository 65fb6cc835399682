#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Hostile zips for the tests: make-zips.py OUTDIR GOOD.der

OUTDIR/*.zip: one bad entry, then a good one, "good.der", which must still be taken.
OUTDIR/fine/*.zip: an odd one, then the good one; both are the same, and taken.
OUTDIR/whole/*.zip: to be refused as a whole; most hold a good.der first, which must not be taken.
The tables at the end name them all. Only the standard library.
"""
import os
import struct
import sys
import zlib

MIB = 1 << 20
STORED, DEFLATED = 0, 8


def deflate(data):
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush()


class Entry:
    """One entry. What is set differs from the truth: in front of the data, or in the directory."""

    def __init__(self, name, data, method=DEFLATED, flags=0, packed=None, extra=b"", central_extra=b"", attributes=0,
                 behind=None, local=None, central=None, host=3):
        self.name, self.method, self.flags, self.extra, self.host = name, method, flags, extra, host
        self.central_extra, self.attributes, self.behind = central_extra, attributes, behind
        self.packed = packed if packed is not None else deflate(data) if method == DEFLATED else data
        self.truth = {"name": name, "crc": zlib.crc32(data), "packed": len(self.packed), "size": len(data),
                      "flags": flags, "method": method}
        self.local = {**self.truth, **(local or {})}
        self.central = {**self.truth, **(central or {})}

    def front(self):
        h = self.local
        return struct.pack("<4sHHHIIIIHH", b"PK\3\4", 20, h["flags"], h["method"], 0x5A210000, h["crc"], h["packed"],
                           h["size"], len(h["name"]), len(self.extra)) + h["name"] + self.extra + self.packed + \
            (self.behind if self.behind is not None else b"")

    def directory(self, offset):
        h = self.central
        return struct.pack("<4sBBHHHIIIIHHHHHII", b"PK\1\2", 20, self.host, 20, h["flags"], h["method"], 0x5A210000,
                           h["crc"], h["packed"], h["size"], len(h["name"]), len(self.central_extra), 0,
                           h.get("disk", 0), 0, self.attributes, h.get("offset", offset)) + h["name"] + self.central_extra


def end(entries, size, offset, comment=b"", disk=0):
    return struct.pack("<4sHHHHIIH", b"PK\5\6", disk, disk, entries, entries, size, offset, len(comment)) + comment


def end64(entries, size, offset, at):
    return struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset) + \
        struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)


def archive(*entries, between=b"", before_directory=b"", comment=b"", listed=None, order=None, **numbers):
    out, places = b"", []
    for e in entries:
        places.append(len(out))
        out += e.front() + between
    out += before_directory
    listing = [(e, at) for e, at in zip(entries, places)]
    if order:
        listing = [listing[i] for i in order]
    directory = b"".join(e.directory(at) for e, at in listing[:listed])
    n = numbers.get("entries", len(listing[:listed]))
    return out + directory + end(n, numbers.get("size", len(directory)), numbers.get("offset", len(out)), comment,
                                 numbers.get("disk", 0))


def behind(data, packed=None, crc=None, size=None, signature=b"PK\7\x08"):
    return signature + struct.pack("<III", zlib.crc32(data) if crc is None else crc,
                                   len(deflate(data)) if packed is None else packed, len(data) if size is None else size)


def streamed(name, data, after, **more):
    return Entry(name, data, flags=8, behind=after, local={"crc": 0, "packed": 0, "size": 0}, **more)


def zeros(n):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [z.compress(bytes(MIB)) for _ in range(n)]
    return b"".join(parts) + z.flush()


def bomb(g):
    """64 MiB that the headers call 64 MiB."""
    packed, crc = zeros(64), 0
    for _ in range(64):
        crc = zlib.crc32(bytes(MIB), crc)
    truth = {"crc": crc, "size": 64 * MIB}
    return archive(g, Entry(b"x.der", b"", packed=packed, local=truth, central=truth))


def bomb_lies(g):
    """The same, called 1000 bytes."""
    small = {"crc": 0, "size": 1000}
    return archive(g, Entry(b"x.der", b"", packed=zeros(64), local=small, central=small))


def overlapping(g, good):
    """Two names in the directory for the data of one entry."""
    second = Entry(b"y.der", good).directory(0)
    first = g.front()
    directory = g.directory(0) + second
    return first + directory + end(2, len(directory), len(first))


def million(g):
    """A directory and an end that name a million entries, as zip64 has them."""
    front, one = g.front(), g.directory(0)
    directory = one * 1000000
    at = len(front) + len(directory)
    return front + directory + end64(1000000, len(directory), len(front), at) + \
        end(0xffff, len(directory), len(front))


def million_hidden(g):
    """The same, with an end that tells of one."""
    front, one = g.front(), g.directory(0)
    return front + one * 1000000 + end(1, len(one), len(front))


def quoted(g, good):
    """An entry in whose data another zip stands, as it is: readers that look for headers find it."""
    return archive(Entry(b"x.der", archive(Entry(b"y.der", good)), method=STORED), g)


def extra(kind, data=b""):
    return struct.pack("<HH", kind, len(data)) + data


def tables(good):
    g = Entry(b"good.der", good)
    x = Entry(b"x.der", good)
    aes = extra(0x9901, struct.pack("<H2sBH", 2, b"AE", 3, 8))
    big = struct.pack("<QQ", len(good), len(deflate(good)))
    ones = {"packed": 0xffffffff, "size": 0xffffffff}
    whole = archive(g)
    entries = {
        "dotdot": archive(Entry(b"../x.der", good), g), "absolute": archive(Entry(b"/tmp/x.der", good), g),
        "backslash": archive(Entry(b"..\\x.der", good), g), "drive": archive(Entry(b"C:\\x.der", good), g),
        "control": archive(Entry(b"x\n\x1b[2J.der", good), g), "toolong": archive(Entry(b"x" * 300, good), g),
        "toolarge": archive(Entry(b"x.der", good + bytes(65536)), g), "zeros": archive(Entry(b"x.der", bytes(60000)), g), "empty": archive(Entry(b"x.der", b""), g),
        "junk": archive(Entry(b"x.der", b"junk"), g), "nested": archive(Entry(b"x.zip", whole), g),
        "quoted": quoted(g, good),
        "many": archive(*[Entry(b"x%d" % i, b"") for i in range(1000)], g),
    }
    fine = {
        "folder": archive(Entry(b"certs/", b"", method=STORED), Entry(b"certs/x.der", good), g),
        "stored": archive(Entry(b"x.der", good, method=STORED), g),
        "streamed": archive(streamed(b"x.der", good, behind(good)), g),
        "comment": archive(x, g, comment=b"from the CA, with regards"),
        "padded": archive(x, g) + bytes(9000),
        "utf8": archive(Entry("x\u00fc\u202e.der".encode(), good, flags=1 << 11), g),
    }
    wrong = {
        "bomb": bomb(g), "bomb-lies": bomb_lies(g), "overlapping": overlapping(g, good),
        "symlink": archive(g, Entry(b"x.der", b"/etc/passwd", attributes=0o120777 << 16)),
        "device": archive(g, Entry(b"x.der", good, attributes=0o020666 << 16)),
        "encrypted": archive(g, Entry(b"x.der", good, flags=1)),
        "encrypted-strong": archive(g, Entry(b"x.der", good, flags=1 | 1 << 6)),
        "encrypted-aes": archive(g, Entry(b"x.der", good, method=99, flags=1, extra=aes, central_extra=aes)),
        "masked": archive(g, Entry(b"x.der", good, flags=1 << 13)),
        "aes-unflagged": archive(g, Entry(b"x.der", good, extra=aes)),
        "zip64-entry": archive(g, Entry(b"x.der", good, extra=extra(1, big), central_extra=extra(1, big),
                                        local=ones, central=ones)),
        "zip64-lie": archive(g, Entry(b"x.der", good, central_extra=extra(1, struct.pack("<QQ", 1, 1 << 62)),
                                      central=ones)),
        "zip64-offset": archive(g, Entry(b"x.der", good, central_extra=extra(1, struct.pack("<Q", 0)),
                                         central={"offset": 0xffffffff})),
        "zip64-end": whole[:-22] + end64(2, len(g.directory(0)), len(g.front()), len(whole) - 22) + whole[-22:],
        "zip64-elsewhere": whole[:-22] + end64(1, len(g.directory(0)), len(g.front()), 0) + whole[-22:],
        "name-differs": archive(g, Entry(b"x.der", good, central={"name": b"y.der"})),
        "name-unicode": archive(g, Entry(b"x.der", good, extra=extra(0x7075, b"\1" + bytes(4) + b"y.der"))),
        "name-nul": archive(g, Entry(b"x.der\0.txt", good)), "name-none": archive(g, Entry(b"", good)),
        "size-differs": archive(g, Entry(b"x.der", good, central={"size": 4})),
        "packed-differs": archive(g, Entry(b"x.der", good, central={"packed": 4})),
        "crc-differs": archive(g, Entry(b"x.der", good, central={"crc": 4})),
        "crc-wrong": archive(g, Entry(b"x.der", good, central={"crc": 4}, local={"crc": 4})),
        "size-wrong": archive(g, Entry(b"x.der", good, central={"size": 4}, local={"size": 4})),
        "packed-long": archive(g, Entry(b"x.der", good, packed=deflate(good) + b"more")),
        "packed-broken": archive(g, Entry(b"x.der", good, packed=b"\xff" * 40)),
        "method-differs": archive(g, Entry(b"x.der", good, central={"method": STORED})),
        "flags-differ": archive(g, Entry(b"x.der", good, central={"flags": 1 << 11})),
        "descriptor-lies": archive(g, streamed(b"x.der", good, behind(good, size=4))),
        "descriptor-crc": archive(g, streamed(b"x.der", good, behind(good, crc=4))),
        "descriptor-unsigned": archive(g, streamed(b"x.der", good, behind(good, signature=b""))),
        "descriptor-64": archive(g, streamed(b"x.der", good, b"PK\7\x08" + struct.pack(
            "<IQQ", zlib.crc32(good), len(deflate(good)), len(good)))),
        "descriptor-stored": archive(g, streamed(b"x.der", good, behind(good, packed=len(good)), method=STORED)),
        "truncated": archive(g, x)[:-30], "truncated-end": archive(g, x)[:-1], "truncated-data": g.front()[:-20],
        "in-front": b"MZ this extracts itself\r\n" + whole, "behind": whole + b"junk",
        "behind-zip": whole + archive(x), "between": archive(g, x, between=b"junk"),
        "before-directory": archive(g, x, before_directory=b"junk"),
        "unlisted": archive(g, x, listed=1), "reversed": archive(g, x, order=[1, 0]),
        "listed-twice": archive(g, x, order=[0, 0]),
        "end-entries": archive(g, x, entries=1), "end-size": archive(g, x, size=4), "end-offset": archive(g, x, offset=0),
        "end-disk": archive(g, x, disk=1), "entry-disk": archive(g, Entry(b"x.der", good, central={"disk": 1})),
        "second-end": archive(g, comment=end(0, 0, 0)), "nothing": end(0, 0, 0),
        "folder-only": archive(Entry(b"certs/", b"", method=STORED)), "folder-data": archive(g, Entry(b"x/", good)),
        "spanned": b"PK\7\x08" + whole, "extra-cut": archive(g, Entry(b"x.der", good, extra=b"\1\2\3")),
        "million": million(g), "million-hidden": million_hidden(g),
    }
    for n in (1, 6, 9, 12, 14, 95, 98):
        wrong[f"method-{n}"] = archive(g, Entry(b"x.der", good, method=n))
    return entries, fine, wrong


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: make-zips.py OUTDIR GOOD.der")
    with open(sys.argv[2], "rb") as f:
        good = f.read()
    for kind, table in zip(("", "fine", "whole"), tables(good)):
        os.makedirs(os.path.join(sys.argv[1], kind), exist_ok=True)
        for name, data in table.items():
            with open(os.path.join(sys.argv[1], kind, name + ".zip"), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
