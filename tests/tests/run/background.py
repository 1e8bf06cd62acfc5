"""Jobs in the background of an interactive shell, with masked output: they run on as any other would."""
import os, pty, re, select, sys, tempfile, time

program, shell = sys.argv[1], sys.argv[2:]
os.environ["PS1"] = "$ "
os.environ["ENV"] = ""
place = tempfile.mkdtemp()
pid, fd = pty.fork()
if pid == 0:
    os.execvp(shell[0], shell)
screen = ""
everything = ""
NAME = "‹secret:secret/one@1›"

def fail(text):
    sys.exit(f"{text} at line {sys._getframe(2).f_lineno}\nleft on the screen: {screen!r}\nall of it: {everything!r}")

def until(pattern, patience=30):
    """Reads until the pattern is on the screen, and takes everything up to it away."""
    global screen, everything
    end = time.time() + patience
    while True:
        found = re.search(pattern, screen)
        if found:
            seen, screen = screen[: found.end()], screen[found.end():]
            return seen
        if time.time() > end:
            fail(f"not seen: {pattern}")
        if select.select([fd], [], [], 0.1)[0]:
            more = os.read(fd, 65536).decode(errors="replace")
            screen += more
            everything += more
            if "swordfish-77!" in everything:
                fail("a value was seen")

def type_(keys):
    os.write(fd, keys.encode())

def line(command):
    """At the prompt. Nothing is typed ahead: keys get lost while the shell changes the terminal's mode."""
    type_(command + "\n")

def say(word):
    """A word that is seen when the shell ran it and not when it was typed."""
    line(f"echo {word[:2]}''{word[2:]}")
    until(rf"\b{word}\r")
    until(r"\$ ")

def stop():
    type_("\x1a")
    until(r"Stopped")
    until(r"\$ ")

def runs():
    line("jobs")
    seen = until(r"(Running|Stopped|Done)[^\n]*\n")
    if "Running" not in seen:
        fail("the job does not run")
    until(r"\$ ")

def event(name):
    open(f"{place}/{name}", "w").close()

def run(script):
    # Not dash: a key that comes between its vfork and exec stops the new process, and the shell waits for that
    # in the kernel and never stops, with us or without.
    return f"{program} run -secret one -- bash -c '{script}' {place}"

WAIT = "until [ -e $0/{0} ]; do sleep 0.1; done"
# A shell's prompt is not a line of its own where a job writes in between.
until(r"\$ ")

# In the background from the start, on a terminal: it writes, masked, and it ends.
line(run(f"echo rea\"\"dy; {WAIT.format('a')}; cat $one_FILE; echo; echo do\"\"ne; exit 7") + " &")
until(r"\bready\r")
say("first")
runs()
event("a")
until(NAME)
until(r"\bdone\r")
line("wait $!; echo rc=$?")
until(r"\brc=7\r")
until(r"\$ ")

# Brought to the front it reads what is typed, and keys make their signals.
line(run(f"trap \"echo IN\"\"T\" INT; echo rea\"\"dy; {WAIT.format('b')}; read word; echo got-$word; cat $one_FILE; {WAIT.format('c')}; read word; echo last-$word") + " &")
until(r"\bready\r")
runs()
line("fg")
until(r"run -secret one[^\n]*\n")
event("b")
line("north")
until(r"got-north\r")
until(NAME)
type_("\x03")
until(r"INT\r")
event("c")
line("south")
until(r"last-south\r")
until(r"\$ ")

# Begun in front, stopped by its key and sent on: it runs, and what is typed is the shell's.
line(run(f"echo rea\"\"dy; {WAIT.format('d')}; echo wri\"\"tes; cat $one_FILE; {WAIT.format('e')}; read word; echo got-$word; {WAIT.format('f')}; exit 5"))
until(r"\bready\r")
stop()
line("bg")
until(r"\$ ")
runs()
for word in ["second", "third", "fourth"]:
    say(word)
runs()
event("d")
until(r"writes\r")
until(NAME)
say("fifth")
runs()
# Again in front the keys are its own.
line("fg")
until(r"run -secret one[^\n]*\n")
event("e")
time.sleep(0.3)
line("east")
until(r"got-east\r")
stop()
line("bg")
until(r"\$ ")
runs()
event("f")
line("wait $!; wait; echo ended")
until(r"\bended\r")
until(r"\$ ")
# The terminal is the shell's, as it was.
line("stty -a | tr \" ;\" \"\\n\\n\" | grep -x -e icanon -e echo -e isig | sort | tr \"\\n\" +; echo")
until(r"\becho\+icanon\+isig\+")
until(r"\$ ")
line("exit")
