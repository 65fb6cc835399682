#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""press-tab.py bash|zsh FILE LINE: types LINE and Tab at an interactive shell that has read FILE, the shell's completion,
and prints what it shows then, and the line as it is, behind "line:". The shell reads no file of the user's."""
import os
import pty
import re
import sys

SETUP = {
    "bash": r"""
PS1='READY> '
bind 'set show-all-if-ambiguous on' 'set bell-style none' 'set page-completions off' 'set completion-query-items 0'
bind 'set enable-bracketed-paste off'
shown() { printf '\nline:%s|\n' "$READLINE_LINE"; exit; }
bind -x '"\C-g": shown'
. "$COMPLETION"
""",
    "zsh": r"""
PROMPT='READY> ' LISTMAX=10000
fpath=("${COMPLETION:h}" $fpath)
autoload -U compinit
compinit -D -u
autoload -U +X "${COMPLETION:t}"
setopt no_beep no_always_last_prompt no_list_beep auto_list no_list_ambiguous
unsetopt prompt_cr prompt_sp
shown() { print -r -- ""; print -r -- "line:$BUFFER|"; exit }
zle -N shown
bindkey '^G' shown
""",
}


def main():
    shell, completion, line = sys.argv[1:]
    rc = os.path.abspath("press-tab.d")
    os.makedirs(rc, exist_ok=True)
    with open(os.path.join(rc, ".zshrc"), "w") as f:
        f.write(SETUP[shell])
    env = dict(os.environ, TERM="dumb", ZDOTDIR=rc, HOME=rc, COMPLETION=os.path.abspath(completion), COLUMNS="200")
    env.pop("PROMPT_COMMAND", None)
    pid, fd = pty.fork()
    if pid == 0:
        arguments = {"bash": ["bash", "--noprofile", "--rcfile", os.path.join(rc, ".zshrc"), "-i"],
                     "zsh": ["zsh", "-d", "-i"]}
        os.execvpe(shell, arguments[shell], env)
    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
    said = b""
    typed = False
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        said += data
        # The keys wait their turn: the shell takes Ctrl-G when it has done what Tab asks for.
        if not typed and b"READY> " in said:
            typed = True
            said = b""
            os.write(fd, line.encode() + b"\t\x07")
    os.waitpid(pid, 0)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x07\r]", "", said.decode(errors="replace"))
    print(text)


main()
