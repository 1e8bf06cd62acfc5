#!/usr/bin/env python3
"""Which functions of a program run, for the order in which they are linked (`daemon.order`, `server.order`).

`order.py PROGRAM FUNCTIONS ARGUMENT...` runs PROGRAM (static, position independent, with symbols) with
a breakpoint on each function, which goes when it is met, and appends the functions' names to the file
FUNCTIONS, without what differs from build to build. x86-64 only; needs `nm`.

The lists in use were made of a program of the `fast` profile:

* the host daemon, from its start to a volume that was mounted and renewed (`cargo run -p flows
  --example daemon_memory`, with a script as COFFERDAM_BIN that starts `plugin` by this and everything
  else as it is);
* the server, from its start through initialization, all that `cargo xtask bench` prepares and one
  request of each of its loads, to its end by SIGTERM.
"""

import ctypes
import os
import re
import subprocess
import sys

TRACE_ME, CONT, GET_REGS, SET_REGS, SET_OPTIONS = 0, 7, 12, 13, 0x4200
OPTIONS = 0x8 | 0x10 | 0x100000  # clone, exec, end with the tracer
RIP = 16  # the register's place in user_regs_struct
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def lasting(name):
    """A function's name without the crates' hashes, places that depend on their length, and marks of LLVM."""
    name = re.sub(r"\.llvm\.[0-9]+$", "", name)
    if not name.startswith("_R"):
        return re.sub(r"17h[0-9a-f]{16}E$", "E", name)
    return re.sub(r"B[0-9A-Za-z]*_", "B_", re.sub(r"Cs[0-9A-Za-z]+_", "C", name))


def functions(program):
    """Address of each function and its lasting name."""
    found = {}
    listed = subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        address, kind, name = line.split(maxsplit=2)
        if kind in "tTwW":
            found.setdefault(int(address, 16), lasting(name))
    return found


def main():
    program, out, *arguments = sys.argv[1:]
    names = functions(program)
    child = os.fork()
    if child == 0:
        libc.ptrace(TRACE_ME, 0, None, None)
        os.kill(os.getpid(), 19)
        os.execv(program, [program, *arguments])
    os.waitpid(child, 0)
    libc.ptrace(SET_OPTIONS, child, None, OPTIONS)
    libc.ptrace(CONT, child, None, None)
    os.waitpid(child, 0)
    with open(f"/proc/{child}/maps") as maps:
        base = next(int(line.split("-")[0], 16) for line in maps if program in line)
    memory = os.open(f"/proc/{child}/mem", os.O_RDWR)
    saved = {}
    for address in names:
        saved[address] = os.pread(memory, 1, base + address)
        os.pwrite(memory, b"\xcc", base + address)
    libc.ptrace(CONT, child, None, None)
    registers = (ctypes.c_ulonglong * 27)()
    met = set()
    with open(out, "a", buffering=1) as file:
        while True:
            thread, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if thread == child:
                    return
                continue
            signal = os.WSTOPSIG(status)
            if signal == 5 and status >> 16 == 0:
                libc.ptrace(GET_REGS, thread, None, registers)
                address = registers[RIP] - 1 - base
                if address in saved:
                    if address not in met:
                        met.add(address)
                        os.pwrite(memory, saved[address], base + address)
                        file.write(names[address] + "\n")
                    registers[RIP] -= 1
                    libc.ptrace(SET_REGS, thread, None, registers)
                    signal = 0
            elif signal in (5, 19):
                signal = 0
            libc.ptrace(CONT, thread, None, signal)


main()
