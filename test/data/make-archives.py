#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Hostile archives for the tests: make-archives.py OUTDIR GOOD.der

OUTDIR/*.tgz: one bad entry, then a good one, "good.der", which must still be taken.
OUTDIR/fine/*.tgz: an odd one, then the good one; both are the same, and taken.
OUTDIR/whole/*.tgz: to be refused as a whole; most hold a good.der first, which must not be taken.
The tables at the end name them all. Only the standard library; no file is ever made large in memory.
"""
import gzip
import os
import struct
import sys
import zlib

BLOCK = 512
MIB = 1 << 20
END = bytes(2 * BLOCK)
GNU = b"ustar  \0"
USTAR = b"ustar\x0000"


# The pieces of a tar.

def pad(data):
    return data + bytes(-len(data) % BLOCK)


def checksum(block):
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


def header(name, size=0, kind=b"0", link=b"", magic=USTAR, rest=b""):
    """One header block. rest is what stands behind the device numbers, at 345."""
    block = struct.pack("100s8s8s8s12s12s8sc100s8s32s32s8s8s", name, b"0000644", b"0000000",
                        b"0000000", b"%011o" % size, b"14000000000", b"", kind, link, magic,
                        b"", b"", b"0000001", b"0000003")
    return checksum((block + rest).ljust(BLOCK, b"\0"))


def member(name, data, kind=b"0", **more):
    return header(name, len(data), kind, **more) + pad(data)


def pax(records, kind=b"x"):
    """An extended header. The length before each record counts its own digits too."""
    body = b""
    for key, value in records:
        record = b" " + key + b"=" + value + b"\n"
        length = len(record)
        while len(b"%d" % length) + len(record) != length:
            length = len(b"%d" % length) + len(record)
        body += b"%d" % length + record
    return member(b"PaxHeaders/x", body, kind)


# The pieces of a gzip, to write what no compressor would.

def squeeze(data):
    """data deflated alone, ending on a byte: such pieces can be repeated and put in any order."""
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return z.compress(data) + z.flush(zlib.Z_FULL_FLUSH)


def repeat_crc(data, times, crc):
    """zlib.crc32(data * times, crc). What data does to a CRC is linear but for a constant, so after 33
    readings of data it is known for good."""
    base = zlib.crc32(data)
    column = [zlib.crc32(data, 1 << i) ^ base for i in range(32)] if times > 33 else []
    for _ in range(times):
        if column:
            before, crc = crc, base
            for i in range(32):
                if before >> i & 1:
                    crc ^= column[i]
        else:
            crc = zlib.crc32(data, crc)
    return crc


def write_pieces(path, pieces):
    """A gzip from (data, how often). Deflates each once, however often it comes."""
    crc = length = 0
    with open(path, "wb") as f:
        f.write(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")
        for data, times in pieces:
            f.write(squeeze(data) * times)
            length += len(data) * times
            crc = repeat_crc(data, times, crc)
        f.write(b"\x03\0" + struct.pack("<II", crc, length & 0xffffffff))


def tgz(tar):
    return gzip.compress(tar, 6, mtime=0)


# Bad entries: each returns the blocks of one.

def dotdot(good):
    return member(b"../x.der", good)


def dotdot_inside(good):
    return member(b"a/../../x.der", good)


def absolute(good):
    return member(b"/tmp/x.der", good)


def newline(good):
    return member(b"x\naccepted\tgood.der\x1b[2J\x1b[31m.der", good)


def backslash(good):
    return member(b"..\\x.der", good)


def slash(good):
    return member(b"a/b.der", good)


def directory(good):
    return header(b"certificates/", kind=b"5")


def noname(good):
    return member(b"", good)


def toolong(good):
    name = b"x" * 300 + b".der"
    return member(b"././@LongLink", name + b"\0", b"L", magic=GNU) + member(name[:100], good)


def longname_gnu(good):
    return member(b"././@LongLink", b"../x.der\0", b"L", magic=GNU) + member(b"x.der", good)


def longname_pax(good):
    """Longer than a plain header can say, or it would be refused for having two names."""
    return pax([(b"path", b"../" + 120 * b"x" + b".der")]) + member(b"x.der", good)


def badutf8(good):
    return pax([(b"path", b"x\xff\xfe\xc0\xaf.der")]) + member(b"x.der", good)


def bidi(good):
    """Shown as x<reversed>, a name seems to end otherwise than it does."""
    return pax([(b"path", "x\u202ered.exe".encode())]) + member(b"x.der", good)


def double(good):
    """The name of the good one, with something else in it."""
    return member(b"good.der", b"junk")


def double_case(good):
    return member(b"GOOD.der", b"junk")


def symlink(good):
    return header(b"x.der", kind=b"2", link=b"/etc/passwd")


def hardlink(good):
    return header(b"x.der", kind=b"1", link=b"good.der")


def chardev(good):
    return header(b"x.der", kind=b"3")


def blockdev(good):
    return header(b"x.der", kind=b"4")


def fifo(good):
    return header(b"x.der", kind=b"6")


def multivolume(good):
    return member(b"x.der", good, b"M", magic=GNU)


def unknown(good):
    return member(b"x.der", good, b"Z")


def empty(good):
    return header(b"x.der")


def manyempty(good):
    return b"".join(header(b"x%d.der" % i) for i in range(1000))


def manynames(good):
    """What is said of them, with each such byte as four, is far more than they take here."""
    return b"".join(header(b"%05d" % i + b"\1" * 90) for i in range(60000))


def toolarge(good):
    return member(b"x.der", good + bytes(65536))


def sparse(good):
    """GNU tar's old kind: 1 TiB of which only the last block is there."""
    far = (1 << 40) - BLOCK
    place = b"\x80" + far.to_bytes(11, "big") + b"%011o\0" % BLOCK
    rest = bytes(41) + place + bytes(96 - len(place)) + b"\0" + \
        b"\x80" + (1 << 40).to_bytes(11, "big")
    return header(b"x.der", BLOCK, b"S", magic=GNU, rest=rest) + bytes(BLOCK)


def sparse_pax(good):
    """The newer kind, with the map before the data."""
    places = pad(b"1\n1099511627264\n512\n")
    return pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", b"x.der"), (b"GNU.sparse.realsize", b"1099511627776")]) + \
        member(b"GNUSparseFile.0/x.der", places + bytes(BLOCK))


# Bad archives: each writes one to path; tar is a whole good tar.

def truncated(path, tar):
    data = tgz(tar)
    write(path, data[:-100])


def notrailer(path, tar):
    write(path, tgz(tar)[:-8])


def badcrc(path, tar):
    data = bytearray(tgz(tar))
    data[-8] ^= 1
    write(path, data)


def badlen(path, tar):
    data = bytearray(tgz(tar))
    data[-4] ^= 1
    write(path, data)


def gzip_in_gzip(path, tar):
    write(path, tgz(tgz(tar)))


def text(path, tar):
    write(path, b"550 pending.tgz: no such file or directory\r\n" * 30)


def text_gz(path, tar):
    write(path, tgz(b"This is not a tar.\n" * 100))


def nothing(path, tar):
    write(path, b"")


def zero(path, tar):
    write(path, tgz(END + bytes(8 * 1024 + BLOCK * 2)))


def only_directory(path, tar):
    write(path, tgz(header(b"./", kind=b"5") + END))


def zeros_4g(path, tar):
    """What head -c 4G /dev/zero | gzip makes."""
    write_pieces(path, [(bytes(MIB), 4096)])


def padding_4g(path, tar):
    write_pieces(path, [(tar, 1), (bytes(MIB), 4096)])


def entry_4g(path, tar):
    write_pieces(path, [(tar[:-len(END)] + header(b"big.der", 4096 * MIB), 1),
                        (bytes(MIB), 4096), (END, 1)])


def million(path, tar):
    piece = b"".join(header(b"x%d.der" % i) for i in range(1000))
    write_pieces(path, [(tar[:-len(END)], 1), (piece, 1000), (END, 1)])


def junk(path, tar):
    write(path, tgz(tar) + b"<html>226 Transfer complete</html>")


def junk_in_tar(path, tar):
    write(path, tgz(tar + pad(b"junk") + END))


def no_end(path, tar):
    write(path, tgz(tar[:-len(END)]))


def half_end(path, tar):
    write(path, tgz(tar[:-len(END)] + bytes(BLOCK)))


def badheader(path, tar):
    bad = bytearray(header(b"x.der"))
    bad[0] ^= 1
    write(path, tgz(tar[:-len(END)] + bad + tar))


def pax_100m(path, tar):
    size = 100 * MIB
    write_pieces(path, [(tar[:-len(END)] + header(b"PaxHeaders/x", size, b"x"), 1),
                        (b"104857600 comment=" + b"x" * (MIB - 18), 1), (b"x" * MIB, 98),
                        (b"x" * (MIB - 1) + b"\n", 1), (tar, 1)])


def longname_1m(path, tar):
    name = member(b"././@LongLink", b"x" * (MIB - 1) + b"\0", b"L", magic=GNU)
    write_pieces(path, [(tar[:-len(END)], 1), (name + tar[:-len(END)], 50), (END, 1)])


def chain_10000(path, tar):
    link = pax([(b"comment", b"x" * 400)])
    write_pieces(path, [(tar[:-len(END)], 1), (link * 100, 100), (tar, 1)])


def acl(path, tar):
    """Access control lists, for whose lines a reader may search all lines before."""
    lines = b",".join(b"user:u%d:r--:%d" % (i, i) for i in range(40000))
    write(path, tgz(tar[:-len(END)] + pax([(b"SCHILY.acl.access", lines)]) + tar))


def sparse_map(path, tar):
    """A sparse file whose map is 1 GiB of places, each of no length."""
    head = pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", b"x.der"), (b"GNU.sparse.realsize", b"0")])
    start = (b"268435456\n" + b"0\n" * 251)[:BLOCK]
    write_pieces(path, [(tar[:-len(END)] + head + header(b"x.der", 1024 * MIB + BLOCK) + start, 1),
                        (b"0\n" * (MIB // 2), 1024), (END, 1)])


def binary(number):
    """A size as GNU tar writes one that does not fit in octal."""
    return bytes([0x80 if number >= 0 else 0xff]) + number.to_bytes(11, "big", signed=True)


def sized(tar, size):
    block = bytearray(header(b"x.der"))
    block[124:136] = size
    return tgz(tar[:-len(END)] + checksum(bytes(block)) + tar)


def size_negative(path, tar):
    write(path, sized(tar, binary(-512)))


def size_2_62(path, tar):
    write(path, sized(tar, binary(1 << 62)))


def size_octal(path, tar):
    write(path, sized(tar, b"-0000001000\0"))


def pax_size_2_62(path, tar):
    write(path, tgz(tar[:-len(END)] + pax([(b"size", b"%d" % (1 << 62))]) + member(b"x.der", b"junk") + tar))


def pax_size_negative(path, tar):
    write(path, tgz(tar[:-len(END)] + pax([(b"size", b"-512")]) + member(b"x.der", b"junk") + tar))


def pax_size_more(path, tar):
    """The extended header claims more than the old field: whoever goes by the one sees other entries
    than who goes by the other."""
    write(path, tgz(tar[:-len(END)] + pax([(b"size", b"1024")]) + member(b"x.der", b"junk") + tar))


def nested(path, tar):
    """A folder in a folder, five thousand times."""
    write(path, tgz(tar[:-len(END)] + pax([(b"path", b"a/" * 5000 + b"x.der")]) + member(b"x.der", b"junk") +
                    tar))


def gzip_deep(path, tar):
    for _ in range(100):
        tar = tgz(tar)
    write(path, tar)


def many_members(path, tar):
    """A gzip of nothing, a million times: 20 MB that never become a byte of tar."""
    write(path, gzip.compress(b"", mtime=0) * 1000000 + b"junk")


def git(good):
    """A global header as git archive writes it."""
    return pax([(b"comment", b"0123456789abcdef0123456789abcdef01234567")], b"g") + member(b"y.der", good)


def label(good):
    """A volume's label, as tar -V writes it."""
    return header(b"label", kind=b"V", magic=GNU) + member(b"y.der", good)


# What one reader understands so, and another otherwise. The good one comes last.

def strange(*blocks):
    return lambda path, tar: write(path, tgz(b"".join(blocks) + tar))


JUNK = member(b"x.der", b"junk")
READERS = {
    # Ignored by libarchive, obeyed by GNU tar and Python: all entries behind it get this name, or size.
    "global-path": strange(pax([(b"path", b"other.der")], b"g")),
    "global-size": strange(pax([(b"size", b"0")], b"g")),
    "global-linkpath": strange(pax([(b"linkpath", b"/etc/passwd")], b"g")),
    "global-charset": strange(pax([(b"hdrcharset", b"BINARY")], b"g")),
    "global-sparse": strange(pax([(b"GNU.sparse.name", b"other.der")], b"g")),
    "global-later": strange(pax([(b"mtime", b"1")]), pax([(b"mtime", b"2")], b"g")),
    # busybox passes over extended headers.
    "two-names": strange(pax([(b"path", b"other.der")]), JUNK),
    "two-sizes": strange(pax([(b"size", b"4")]), header(b"x.der", 1 << 30), pad(b"junk")),
    "sizes-twice": strange(pax([(b"size", b"4"), (b"size", b"1024")]), JUNK),
    "paths-twice": strange(pax([(b"path", b"x.der"), (b"path", b"y.der")]), JUNK),
    "path-empty": strange(pax([(b"path", b"")]), JUNK),
    "path-nul": strange(pax([(b"path", b"x.der\0/../../y.der")]), JUNK),
    "pax-twice": strange(pax([(b"path", b"x.der")]), pax([(b"path", b"y.der")]), JUNK),
    "pax-and-long": strange(pax([(b"path", b"x" * 120)]), member(b"././@LongLink", b"y.der\0", b"L", magic=GNU), JUNK),
    "long-and-pax": strange(member(b"././@LongLink", b"y.der\0", b"L", magic=GNU), pax([(b"path", b"x" * 120)]), JUNK),
    "long-twice": strange(member(b"././@LongLink", b"y.der\0", b"L", magic=GNU),
                          member(b"././@LongLink", b"z.der\0", b"L", magic=GNU), JUNK),
    "linkpath": strange(pax([(b"linkpath", b"/etc/passwd")]), JUNK),
    "record-length": strange(member(b"p", b"99 path=y.der\n", b"x"), JUNK),
    "record-zero": strange(member(b"p", b"015 path=y.derr\n", b"x"), JUNK),
    "record-rest": strange(member(b"p", b"14 path=y.der\n\0\0\0", b"x"), JUNK),
    "solaris": strange(pax([(b"path", b"y.der")], b"X"), JUNK),
    "acl": strange(member(b"p", b"1000000\0user::rwx\0", b"A"), JUNK),
    # Is what follows its data, or the next header?
    "link-data": strange(member(b"x.der", JUNK, b"1", link=b"y.der")),
    "symlink-data": strange(member(b"x.der", JUNK, b"2", link=b"y.der")),
    "device-data": strange(member(b"x.der", JUNK, b"3")),
    "fifo-data": strange(member(b"x.der", JUNK, b"6")),
    "directory-data": strange(member(b"x/", JUNK, b"5")),
    "slash-data": strange(member(b"x/", JUNK)),
    "slash-long": strange(member(b"././@LongLink", b"x/\0", b"L", magic=GNU), member(b"x", JUNK)),
    "label-data": strange(member(b"label", JUNK, b"V", magic=GNU)),
    # A name in the place of times.
    "gnu-prefix": strange(checksum(header(b"x.der", 4, magic=GNU, rest=b"prefix")), pad(b"junk")),
    "magic": strange(header(b"x.der", 4, magic=b"ustarX00"), pad(b"junk")),
    # Octal to some, and binary, or nothing, to others.
    "size-binary": strange(checksum(header(b"x.der")[:124] + binary(4) + header(b"x.der")[136:]), pad(b"junk")),
    "size-junk": strange(checksum(header(b"x.der")[:124] + b"00000000004x" + header(b"x.der")[136:]), pad(b"junk")),
}


ENTRIES = {
    "dotdot": dotdot, "dotdot-inside": dotdot_inside, "absolute": absolute, "newline": newline,
    "backslash": backslash, "slash": slash, "directory": directory, "noname": noname,
    "toolong": toolong, "longname-gnu": longname_gnu, "longname-pax": longname_pax,
    "badutf8": badutf8, "symlink": symlink, "hardlink": hardlink, "chardev": chardev,
    "blockdev": blockdev, "fifo": fifo, "multivolume": multivolume, "unknown": unknown,
    "empty": empty, "manyempty": manyempty, "manynames": manynames, "toolarge": toolarge, "sparse": sparse,
    "sparse-pax": sparse_pax, "double": double,
    "double-case": double_case,
}

WHOLE = {
    "truncated": truncated, "notrailer": notrailer, "badcrc": badcrc, "badlen": badlen,
    "gzip-in-gzip": gzip_in_gzip, "text": text, "text-gz": text_gz, "nothing": nothing,
    "zero": zero, "only-directory": only_directory, "zeros-4g": zeros_4g,
    "padding-4g": padding_4g, "entry-4g": entry_4g, "million": million, "junk": junk,
    "junk-in-tar": junk_in_tar, "no-end": no_end, "half-end": half_end, "badheader": badheader,
    "pax-100m": pax_100m, "longname-1m": longname_1m, "chain-10000": chain_10000, "acl": acl,
    "sparse-map": sparse_map, "many-members": many_members,
    "size-negative": size_negative, "size-2-62": size_2_62, "size-octal": size_octal,
    "pax-size-2-62": pax_size_2_62, "pax-size-negative": pax_size_negative,
    "pax-size-more": pax_size_more, "gzip-deep": gzip_deep, "nested": nested,
}


# Names mean nothing, so odd ones that lead nowhere need no more than to be printed with care.
FINE = {"bidi": bidi, "git": git, "label": label}


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: make-archives.py OUTDIR GOOD.der")
    out = sys.argv[1]
    with open(sys.argv[2], "rb") as f:
        good = f.read()
    for kind in ("fine", "whole"):
        os.makedirs(os.path.join(out, kind), exist_ok=True)
    tar = member(b"good.der", good) + END
    for name, make in ENTRIES.items():
        write(os.path.join(out, name + ".tgz"), tgz(make(good) + tar))
    for name, make in FINE.items():
        write(os.path.join(out, "fine", name + ".tgz"), tgz(make(good) + tar))
    os.makedirs(os.path.join(out, "whole", "readers"), exist_ok=True)
    for name, make in READERS.items():
        make(os.path.join(out, "whole", "readers", name + ".tgz"), tar)
    for name, make in WHOLE.items():
        make(os.path.join(out, "whole", name + ".tgz"), tar)


if __name__ == "__main__":
    main()
