#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Runs one program on each hostile archive that make-archives.py or make-zips.py made, for archives.bats:

    judge-archives.py PROGRAM ARCHIVES SPOOL REFERENCE

PROGRAM is cert-import, csr-add or csr-sign; SPOOL is copied for each archive; REFERENCE is a gzip that is inflated to
measure this machine. Each archive gets a line on stdout: exit status and what was kept, the time of processors, the
memory of the largest process, and what was wrong. The exit status is 1 when anything was. One process does it all:
a shell would start thirty programs for each archive.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile

# How many times the work of inflating the reference, and how much memory.
TIMES_MAX = 4
KIB_MAX = 65536
LEAST = 80      # archives there must be


def measured(command, out=subprocess.DEVNULL, err=subprocess.DEVNULL):
    """Exit status, seconds of processors, KiB of memory."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss


def kept(spool):
    """Every file of a spool but the journal, with its mode and the hash of its bytes."""
    found = {}
    for folder, folders, files in os.walk(spool):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            digest = None
            if name in files and not os.path.islink(path):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, spool)] = (status.st_mode, digest)
    found.pop("journal", None)
    return found


def around(places):
    """What lies about, of whatever kind; but for directories with the time of change. Ours is in work/, which is not
    looked at."""
    found = {}
    for place in places:
        for folder, folders, files in os.walk(place):
            if "work" in folders:
                folders.remove("work")
            for name in folders + files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                found[path] = (status.st_mode,) if name in folders else (
                    status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def lines(*paths):
    count = 0
    for path in paths:
        with open(path, "rb") as file:
            count += file.read().count(b"\n")
    return count


def spooled(program, name, archive, spool, run):
    """Wanted, got, and the cost, of a program that keeps in a spool what is good."""
    word, folder = {"cert-import": (b"accepted", "lsc"), "csr-add": (b"added", "csr")}[program]
    shutil.copytree(spool, "work/spool")
    before = kept("work/spool")
    rc, *cost = run([program, "-s", "work/spool", archive])
    with open("work/out", "rb") as file:
        good = sum(line.startswith(word) for line in file)
    got = [f"{rc} {good}"]
    if name.startswith("whole/"):
        wanted = "1 0"
        # One line, however many entries there are: the first of a million is not told before all are refused.
        if lines("work/out", "work/err") != 1:
            got.append(f"{lines('work/out', 'work/err')} lines")
        if kept("work/spool") != before:
            got.append("changed")
    elif name.startswith("fine/") or name in ("directory", "slash"):
        wanted = "0 1"      # what is in a folder is taken
    else:
        wanted = "1 1"
    if len(os.listdir("work/spool/" + folder)) != good:
        got.append("not kept")
    if os.listdir("work/spool/tmp"):
        got.append("litter")
    return wanted, ", ".join(got), cost


def signed(name, archive, run):
    """The same for csr-sign."""
    fix = os.environ["CAPFKIT_FIX"]
    rc, *cost = run(["csr-sign", "-c", fix + "/root.pem", "-k", fix + "/root.key", "-o", "work/out.tgz", archive])
    got = [f"{rc} "]
    if os.path.exists("work/out.tgz"):
        with tarfile.open("work/out.tgz") as tar:
            got[0] += " ".join(tar.getnames())
    # Odd ones that are fine are a second request for the device.
    wanted = "1 SEP000000000009.der"
    if name.startswith("whole/"):
        wanted = "1 "
        if name == "whole/million" and lines("work/err") != 1:
            got.append(f"{lines('work/err')} lines")
    elif name == "directory":
        wanted = "0 SEP000000000009.der"
    return wanted, ", ".join(got), cost


def main():
    program, archives, spool, reference = sys.argv[1:]
    path = shutil.which(program)
    with open(path, "rb") as file:
        sanitized = b"__asan_init" in file.read()
    _, unit, _ = measured(["gzip", "-dc", reference])

    def run(command):
        with open("work/out", "wb") as out, open("work/err", "wb") as err:
            return measured([path] + command[1:], out, err)

    suffix = ".zip" if os.path.exists(archives + "/dotdot.zip") else ".tgz"
    names = sorted(os.path.relpath(os.path.join(folder, file), archives)[:-4]
                   for folder, _, files in os.walk(archives) for file in files if file.endswith(suffix))
    places = (os.path.abspath(".."), os.path.dirname(os.path.abspath(archives)))
    before = around(places)
    bad = 0
    table = []      # stdout may be one of the files that lie about
    for name in names:
        os.mkdir("work")
        archive = f"{archives}/{name}{suffix}"
        wanted, got, (seconds, kib) = signed(name, archive, run) if program == "csr-sign" else \
            spooled(program, name, archive, spool, run)
        complaint = "" if wanted == got else f"  wanted {wanted}"
        if not sanitized and (seconds > TIMES_MAX * unit or kib > KIB_MAX):
            complaint += "  too dear"
        bad += complaint != ""
        table.append(f"{name:28} {got:22} {seconds:6.2f} s {kib:6d} KiB{complaint}")
        shutil.rmtree("work")
    if around(places) != before:
        table.append("something was written elsewhere")
        bad += 1
    print(*table, f"{len(names)} archives, {bad} of them not as they should be", sep="\n")
    return bad > 0 or len(names) < LEAST


sys.exit(main())
