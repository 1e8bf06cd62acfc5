"""What a program sees, and what a person sees, when output is masked on a pseudo-terminal."""
import fcntl, os, pty, re, select, struct, sys, termios, time

program = sys.argv[1]

def start(command, **redirected):
    """Runs it on a terminal of 30 lines and 100 columns."""
    pid, fd = pty.fork()
    if pid == 0:
        for name, path in redirected.items():
            number = {"stdin": 0, "stdout": 1, "stderr": 2}[name]
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
        time.sleep(0.1)
        os.execv(program, [program, "run", "-secret", "one", "--", "bash", "-c", command])
    resize(fd, 30, 100)
    return pid, fd

def resize(fd, lines, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

def until(fd, pattern, seen=b"", patience=30):
    end = time.time() + patience
    while not re.search(pattern, seen):
        if time.time() > end:
            sys.exit(f"not seen: {pattern}\n{seen!r}")
        if select.select([fd], [], [], 0.1)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:
                more = b""
            if not more:
                break
            seen += more
    if not re.search(pattern, seen):
        sys.exit(f"not seen before the end: {pattern}\n{seen!r}")
    if b"swordfish-77!" in seen:
        sys.exit(f"a value was seen: {seen!r}")
    return seen

def code(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

NAME = "‹secret:secret/one@1›".encode()

# All three are terminals, of our size; a new size is told; keys come one by one; the value is
# masked, coloured in the middle or not; the exit code is the program's.
pid, fd = start(r"""
[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo ter""minals
stty size
trap 'stty size; touch /tmp/resized-$$' WINCH
echo wai""ting
while ! [ -e /tmp/resized-$$ ]; do sleep 0.1; done
rm /tmp/resized-$$
cat $one_FILE; echo
sed 's/fish/\x1b[31mfish\x1b[0m/' $one_FILE; echo ' coloured'
stty -icanon -echo
printf 'key? '; key=$(dd bs=1 count=1 2>/dev/null); printf 'got <%s>\n' "$key"
exit 9
""")
seen = until(fd, rb"waiting\r")
assert b"terminals" in seen and b"30 100" in seen, seen
resize(fd, 40, 120)
seen = until(fd, rb"key\? ")
assert b"40 120" in seen and seen.count(NAME) == 2 and b"\x1b[31m" in seen, seen
os.write(fd, b"x")
until(fd, rb"got <x>")
assert code(pid) == 9

# Only stderr is a terminal: it stays one, with its size, and stdout is what it was.
path = f"/tmp/masked-{os.getpid()}"
pid, fd = start("[ -t 2 ] && ! [ -t 1 ] && echo yes >&2; stty size <&2 >&2; cat $one_FILE; cat $one_FILE >&2; exit 4", stdout=path)
seen = until(fd, NAME)
assert b"yes" in seen and b"30 100" in seen, seen
assert code(pid) == 4
assert open(path, "rb").read() == NAME
os.unlink(path)

# stdin is none: Ctrl-C comes from the real terminal all the same.
pid, fd = start("[ -t 1 ] && trap 'echo int; exit 5' INT; echo rea''dy; while :; do sleep 0.1; done", stdin="/dev/null")
until(fd, rb"ready")
os.write(fd, b"\x03")
until(fd, rb"int")
assert code(pid) == 5

# The terminal goes away: so does the program.
pid, fd = start("trap 'touch /tmp/hung-up-$PPID; exit' HUP; echo rea''dy $PPID; while :; do sleep 0.1; done")
seen = until(fd, rb"ready \d+\r")
parent = int(re.search(rb"ready (\d+)", seen).group(1))
os.close(fd)
os.waitpid(pid, 0)
for _ in range(100):
    if os.path.exists(f"/tmp/hung-up-{parent}"):
        break
    time.sleep(0.1)
else:
    sys.exit("the program was not told that its terminal went away")
os.unlink(f"/tmp/hung-up-{parent}")
