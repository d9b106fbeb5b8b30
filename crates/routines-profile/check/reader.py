#!/usr/bin/env python3
"""Owns the reading of published labels from outside: ptrace and /proc only, after the specifications and not after our code.

Starts the program it is given (as its parent it may trace it), stops its threads at random moments and then lets them go on by
single instructions. At every stop it reads the thread's labels by each of the two formats and compares them with what the program
says of that thread in its table (see examples/published.rs):

- a thread that says `inner = n` must show exactly the labels task=n and check=f(n);
- a thread that says `outer = 0` runs no task and must show no labels;
- else labels are just being changed: none, or a consistent pair of the task that `outer` names.

Exit status: 0 all right, 1 a wrong record, 77 tracing is forbidden here.
"""

import argparse
import collections
import ctypes
import json
import os
import platform
import random
import struct
import subprocess
import sys
import time

# --- ptrace(2) ----------------------------------------------------------------------------------------------------------------

SEIZE, INTERRUPT, CONT, SINGLESTEP, GETREGSET = 0x4206, 0x4207, 7, 9, 0x4204
NT_PRSTATUS, NT_ARM_TLS = 1, 0x401
WALL = 0x40000000
SIGTRAP, EVENT_STOP = 5, 128

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Gone(Exception):
    """The thread has ended."""


def ptrace(request, tid, address=None, data=None):
    if libc.ptrace(request, tid, address, data) == -1:
        error = ctypes.get_errno()
        raise (ProcessLookupError if error == 3 else OSError)(error, os.strerror(error))


def regset(tid, kind):
    buffer = ctypes.create_string_buffer(1024)
    iovec = Iovec(ctypes.addressof(buffer), len(buffer))
    ptrace(GETREGSET, tid, kind, ctypes.addressof(iovec))
    return buffer.raw[: iovec.len]


X86 = platform.machine() == "x86_64"
SYSCALL = b"\x0f\x05" if X86 else b"\x01\x00\x00\xd4"


def registers(tid):
    """The instruction and the thread pointer of a stopped thread."""
    general = regset(tid, NT_PRSTATUS)
    if X86:
        return struct.unpack_from("<Q", general, 16 * 8)[0], struct.unpack_from("<Q", general, 21 * 8)[0]
    return struct.unpack_from("<Q", general, 32 * 8)[0], struct.unpack("<Q", regset(tid, NT_ARM_TLS)[:8])[0]


class Thread:
    def __init__(self, tid):
        self.tid = tid
        ptrace(SEIZE, tid)

    def wait(self):
        """Waits for a stop of ours, and hands other signals on."""
        while True:
            try:
                _, status = os.waitpid(self.tid, WALL)
            except ChildProcessError:
                raise Gone from None
            if not os.WIFSTOPPED(status):
                raise Gone
            if status >> 16 == EVENT_STOP or os.WSTOPSIG(status) == SIGTRAP:
                return
            ptrace(CONT, self.tid, None, os.WSTOPSIG(status))

    def interrupt(self):
        ptrace(INTERRUPT, self.tid)

    def step(self):
        """One instruction on, which must be no system call: that may block."""
        ptrace(SINGLESTEP, self.tid)
        self.wait()

    def go_on(self):
        ptrace(CONT, self.tid)


# --- the process: memory, symbols, thread-local storage -----------------------------------------------------------------------


class Process:
    def __init__(self, pid):
        self.pid = pid
        self.memory = open(f"/proc/{pid}/mem", "rb", buffering=0)

    def read(self, address, size):
        data = os.pread(self.memory.fileno(), size, address)
        if len(data) != size:
            raise OSError(f"short read at {address:#x}")
        return data

    def u64(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def maps(self):
        """(start, end, offset, name) of each mapping."""
        with open(f"/proc/{self.pid}/maps") as maps:
            for line in maps:
                fields = line.split(maxsplit=5)
                start, end = (int(side, 16) for side in fields[0].split("-"))
                yield start, end, int(fields[2], 16), fields[5].rstrip("\n") if len(fields) > 5 else ""

    def threads(self):
        return [int(tid) for tid in os.listdir(f"/proc/{self.pid}/task")]


class Program:
    """The main executable's dynamic symbols and block of thread-local storage."""

    def __init__(self, process):
        with open(f"/proc/{process.pid}/exe", "rb") as file:
            elf = file.read()
        assert elf[:6] == b"\x7fELF\x02\x01", "a 64-bit little-endian program"
        self.type, phoff, shoff = struct.unpack_from("<H", elf, 16)[0], *struct.unpack_from("<QQ", elf, 32)
        phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", elf, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", elf, phoff + i * phsize) for i in range(phnum)]
        self.tls = next((h for h in headers if h[0] == 7), None)
        first = min(h[3] for h in headers if h[0] == 1)
        path = os.readlink(f"/proc/{process.pid}/exe")
        base = min(start for start, _, _, name in process.maps() if name == path)
        self.bias = base - (first & ~0xFFF) if self.type == 3 else 0
        sections = [struct.unpack_from("<IIQQQQIIQQ", elf, shoff + i * shsize) for i in range(shnum)]
        table = next(section for section in sections if section[1] == 11)
        names = sections[table[6]][4]
        self.symbols = {}
        for at in range(table[4], table[4] + table[5], 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", elf, at)
            if section != 0:
                text = elf[names + name : elf.index(b"\0", names + name)].decode()
                self.symbols[text] = (info & 15, value, size)

    def thread_local(self, name):
        """Where the symbol is, relative to the thread pointer."""
        kind, value, size = self.symbols[name]
        assert (kind, size) == (6, 8), f"{name}: a thread-local of 8 bytes"
        align = max(self.tls[7], 1)
        round_up = lambda n: -(-n // align) * align
        if X86:
            return value - round_up(self.tls[6])
        return round_up(16) + value


# --- OTEP 4719: process context -----------------------------------------------------------------------------------------------


def protobuf(data):
    """(field, value) of a message: bytes for length-delimited fields."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 2:
            size = varint()
            assert at + size <= len(data), "a length within the message"
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")


def any_value(data):
    for field, value in protobuf(data):
        if field == 1:
            return value.decode()
        if field == 5:
            return [any_value(element) for number, element in protobuf(value) if number == 1]
    return None


def key_values(message, number):
    pairs = {}
    for field, value in protobuf(message):
        if field == number:
            fields = dict(protobuf(value))
            key = fields[1].decode()
            assert key not in pairs, f"attribute {key} twice"
            pairs[key] = any_value(fields.get(2, b""))
    return pairs


CONTEXT_NAMES = ("[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX")


class ProcessContext:
    def __init__(self, process):
        self.process = process
        found = [start for start, _, _, name in process.maps() if name.startswith(CONTEXT_NAMES)]
        found = [start for start in found if process.read(start, 8) == b"OTEL_CTX"]
        assert len(found) == 1, f"{len(found)} process contexts"
        self.address = found[0]
        self.refresh()

    def refresh(self):
        for _ in range(1000):
            signature, version, size, published, payload = struct.unpack("<8sIIQQ", self.process.read(self.address, 32))
            assert (signature, version) == (b"OTEL_CTX", 2), (signature, version)
            if published != 0:
                data = self.process.read(payload, size)
                if self.process.u64(self.address + 16) == published:
                    break
        else:
            raise RuntimeError("the process context keeps changing")
        self.published = published
        self.attributes = key_values(data, 2)
        self.resource = key_values(next((value for field, value in protobuf(data) if field == 1), b""), 1)
        self.schema = self.attributes["threadlocal.schema_version"]
        keys = self.attributes["threadlocal.attribute_key_map"]
        assert keys[: len(getattr(self, "keys", []))] == getattr(self, "keys", []), "the key map only grows"
        self.keys = keys


# --- OTEP 4947: thread context ------------------------------------------------------------------------------------------------


class Wrong(Exception):
    """A record that must not be seen."""


class ThreadContext:
    name = "otel"

    def __init__(self, process, program):
        self.process, self.context = process, ProcessContext(process)
        self.at = program.thread_local("otel_thread_ctx_v1")
        assert self.context.schema in ("tlsdesc_v1_dev", "tls_v1"), self.context.schema

    def labels(self, thread_pointer):
        record = self.process.u64(thread_pointer + self.at)
        if record == 0:
            return None
        if record % 2:
            raise Wrong(f"a record at the odd address {record:#x}")
        head = self.process.read(record, 28)
        trace, span, valid, flags, size = struct.unpack("<16s8sBBH", head)
        if valid != 1:
            raise Wrong(f"valid is {valid:#x}")
        if (any(trace), any(span)) not in ((True, True), (False, False)) or (flags and not any(trace)):
            raise Wrong(f"half a trace: {trace.hex()} {span.hex()} {flags}")
        if size > 640 - 28:
            raise Wrong(f"{size} bytes of attributes")
        labels, data = {}, self.process.read(record + 28, size)
        at = 0
        while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
            if data[at] >= len(self.context.keys):
                self.context.refresh()
            if data[at] < len(self.context.keys):
                labels[self.context.keys[data[at]]] = data[at + 2 : at + 2 + data[at + 1]].decode()
            at += 2 + data[at + 1]
        if at != len(data):
            raise Wrong(f"{len(data) - at} bytes after the last whole attribute")
        return labels


# --- custom-labels, version 1 -------------------------------------------------------------------------------------------------


class CustomLabels:
    name = "custom"

    def __init__(self, process, program):
        self.process = process
        self.at = program.thread_local("custom_labels_current_set")
        kind, value, size = program.symbols["custom_labels_abi_version"]
        assert (kind, size) == (1, 4), "the version: an object of 4 bytes"
        version = struct.unpack("<I", process.read(program.bias + value, 4))[0]
        assert version == 1, f"version {version}"

    def labels(self, thread_pointer):
        labelset = self.process.u64(thread_pointer + self.at)
        if labelset == 0:
            return None
        storage, count, _ = struct.unpack("<QQQ", self.process.read(labelset, 24))
        if count > 64:
            raise Wrong(f"{count} labels")
        labels = {}
        for key_len, key, value_len, value in struct.iter_unpack("<QQQQ", self.process.read(storage, count * 32)):
            if key == 0:
                continue
            if value == 0 or key_len > 64 or value_len > 256:
                raise Wrong(f"label {key:#x}+{key_len} = {value:#x}+{value_len}")
            labels.setdefault(self.process.read(key, key_len).decode(), self.process.read(value, value_len).decode())
        return labels


# --- the comparison -----------------------------------------------------------------------------------------------------------


class Oracle:
    """What the program's threads say of themselves."""

    def __init__(self, process, address, rows, rounds):
        self.process, self.address, self.rows, self.rounds = process, address, rows, rounds
        self.row_of = {}

    def said(self, tid):
        """(outer, inner) of a stopped thread; zeros if it never ran a task."""
        if tid not in self.row_of:
            table = struct.iter_unpack("<QQQ", self.process.read(self.address, self.rows * 24))
            self.row_of |= {row[0]: number for number, row in enumerate(table) if row[0]}
        if tid not in self.row_of:
            return 0, 0
        return struct.unpack("<QQ", self.process.read(self.address + 24 * self.row_of[tid] + 8, 16))


def pair(task):
    return {"task": str(task), "check": f"<{task * 0x9E3779B97F4A7C15 % 2**64:016x}>"}


class Judge:
    def __init__(self, oracle, formats):
        self.oracle, self.formats = oracle, formats
        self.counts = collections.Counter()
        self.threads_of = collections.defaultdict(set)

    def look(self, tid, thread_pointer):
        outer, inner = self.oracle.said(tid)
        for reader in self.formats:
            labels = reader.labels(thread_pointer)
            where = f"{reader.name}: thread {tid} says outer={outer} inner={inner} and shows {labels}"
            if inner:
                if labels != pair(inner):
                    raise Wrong(where)
                self.counts[f"{reader.name}: exactly the running task's"] += 1
                self.threads_of[outer].add(tid)
            elif outer == 0:
                if labels is not None:
                    raise Wrong(where)
                self.counts[f"{reader.name}: none, none running"] += 1
            elif labels is None:
                self.counts[f"{reader.name}: none yet, or no more"] += 1
            else:
                task = int(labels["task"])
                if labels != pair(task) or task // self.oracle.rounds != outer:
                    raise Wrong(where)
                self.counts[f"{reader.name}: the task's, around a change"] += 1


def examine(process, judge, stops, steps):
    """Stops all threads and looks at each; then lets one go on by single instructions, with nobody else in its way."""
    threads = {}

    def each(do):
        for thread in list(threads.values()):
            try:
                do(thread)
            except (Gone, ProcessLookupError):
                del threads[thread.tid]

    def look(thread):
        judge.counts["stops"] += 1
        judge.look(thread.tid, registers(thread.tid)[1])

    def walk(thread):
        for _ in range(steps):
            # A system call may block: the next instruction, or the last one, which a thread stopped within it makes again.
            at = registers(thread.tid)[0]
            if SYSCALL in (process.read(at, len(SYSCALL)), process.read(at - len(SYSCALL), len(SYSCALL))):
                break
            thread.step()
            judge.counts["single instructions"] += 1
            judge.look(thread.tid, registers(thread.tid)[1])

    walks = collections.deque()
    while judge.counts["stops"] < stops:
        for tid in process.threads():
            if tid not in threads:
                threads[tid] = Thread(tid)
        each(Thread.interrupt)
        each(Thread.wait)
        each(look)
        if not walks:
            walks.extend(threads.values())
        walker = walks.popleft()
        each(lambda thread: walk(thread) if thread is walker else None)
        each(Thread.go_on)
        time.sleep(random.random() / 1000)


def reap():
    """Waits for all that was traced: each thread's end is its tracer's to collect."""
    try:
        while True:
            os.waitpid(-1, WALL)
    except ChildProcessError:
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--context", type=int, metavar="PID", help="only print that process's context, as JSON")
    arguments.add_argument("--stops", type=int, default=6000)
    arguments.add_argument("--steps", type=int, default=100, help="single instructions one of the threads then makes")
    arguments.add_argument("--formats", default="otel,custom")
    arguments.add_argument("program", nargs="*")
    options = arguments.parse_args()

    if options.context:
        context = ProcessContext(Process(options.context))
        json.dump({"resource": context.resource, "attributes": context.attributes, "published": context.published}, sys.stdout)
        return 0

    # What is freed is overwritten, so that a pointer to it is seen to be stale.
    environment = os.environ | {"MALLOC_PERTURB_": "90"}
    child = subprocess.Popen(options.program, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        for line in child.stdout:
            words = line.split()
            if words[0] == "table":
                break
        else:
            return 1
        process = Process(child.pid)
        program = Program(process)
        known = {"otel": ThreadContext, "custom": CustomLabels}
        formats = [known[name](process, program) for name in options.formats.split(",")]
        judge = Judge(Oracle(process, *map(int, words[1:])), formats)
        random.seed(1)
        start = time.monotonic()
        try:
            examine(process, judge, options.stops, options.steps)
        except Wrong as wrong:
            print(f"WRONG after {dict(judge.counts)}: {wrong}", file=sys.stderr)
            return 1
        seconds = time.monotonic() - start
    finally:
        child.kill()
        reap()
    for what, count in judge.counts.items():
        print(f"{count:9} {what}")
    moved = sum(len(threads) > 1 for threads in judge.threads_of.values())
    print(f"{moved:9} tasks seen on several threads")
    print(f"{seconds:9.1f} s; no record torn, none stale")
    # A run that saw too little proves nothing.
    enough = judge.counts["stops"] >= options.stops and moved >= 3
    for reader in formats:
        enough = enough and judge.counts[f"{reader.name}: exactly the running task's"] >= options.stops / 10
        enough = enough and judge.counts[f"{reader.name}: none, none running"] >= options.stops / 50
    if not enough:
        print("TOO LITTLE SEEN to prove anything", file=sys.stderr)
    return 0 if enough else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PermissionError as error:
        print(f"tracing is forbidden here: {error}", file=sys.stderr)
        sys.exit(77)
