#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# usage: terminal.py [-c COLUMNS] [-l LINES] [-i TEXT] COMMAND
# Runs a shell command on a terminal of its own, of this size, where an interrupt is typed once this text is seen. Shows what it wrote there, with ESC
# as ^[ and CR as ^M, but for the CR that the terminal puts before a newline. Ends as the command did.
import fcntl, getopt, os, pty, struct, sys, termios

columns, lines = 80, 24
options, arguments = getopt.getopt(sys.argv[1:], "c:l:i:")
awaited = None
for name, value in options:
    if name == "-c":
        columns = int(value)
    elif name == "-l":
        lines = int(value)
    else:
        awaited = value.encode()
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    os.execvp("bash", ["bash", "-c", arguments[0]])
seen = b""
while True:
    try:
        got = os.read(terminal, 65536)
    except OSError:
        break
    if not got:
        break
    seen += got
    if awaited is not None and awaited in seen:
        os.write(terminal, b"\x03")
        awaited = None
seen = seen.replace(b"\r\n", b"\n").replace(b"\r", b"^M").replace(b"\x1b", b"^[")
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
