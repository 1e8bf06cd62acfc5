"""Types at an interactive shell on a pseudo-terminal, as a person would."""
import os, pty, re, select, sys, time

program = sys.argv[1]
pid, fd = pty.fork()
if pid == 0:
    os.environ["PS1"] = "$ "
    os.execvp("bash", ["bash", "--norc", "-i"])
screen = ""

def until(pattern, patience=30):
    """Reads until the pattern is on the screen, and takes everything up to it away."""
    global screen
    end = time.time() + patience
    while True:
        found = re.search(pattern, screen)
        if found:
            seen, screen = screen[: found.end()], screen[found.end():]
            return seen
        if time.time() > end:
            sys.exit(f"not seen: {pattern}\n{screen!r}")
        if select.select([fd], [], [], 0.1)[0]:
            screen += os.read(fd, 65536).decode(errors="replace")

def type_(keys):
    os.write(fd, keys.encode())

def result():
    # Nothing is typed ahead: keys get lost while the shell changes the terminal's mode.
    until(r"\$ ")
    type_("echo rc=$?\n")
    until(r"rc=\$\?")
    return int(re.search(r"rc=(\d+)", until(r"rc=\d+\r")).group(1))

until(r"\$ ")
type_(program + """ run -secret one -- bash -c 'trap "echo INT-$((++n))" INT; echo rea""dy; until [ -e $0 ]; do sleep 0.1; done; echo en""d-$n; exit 3' /tmp/never-$$\n""")
until(r"\bready\r")
type_("\x03")
until(r"INT-1")
type_("\x1a")
until(r"Stopped")
until(r"\$ ")
type_("jobs\n")
until(r"Stopped")
until(r"\$ ")
type_("touch /tmp/never-$$; fg\n")
ending = until(r"end-(\d)\r")
assert ending.rstrip().endswith("end-1"), "the key came more than once"
assert result() == 3
until(r"\$ ")
type_("rm -f /tmp/never-$$; " + program + """ run -secret one -- sh -c 'echo rea""dy; exec cat'\n""")
until(r"\bready\r")
type_("word\n")
until(r"word\r\n.*word\r")
type_("\x03")
assert result() == 130
until(r"\$ ")
type_("echo wo''rd | " + program + " run -secret one -- cat | cat\n")
until(r"\bword\r")
assert result() == 0
