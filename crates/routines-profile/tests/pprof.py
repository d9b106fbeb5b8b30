"""Owns an independent look at a CPU profile: decodes the file by the wire format alone, asks `go tool pprof`, and compares both with
what the program's own clocks say.

Usage: pprof.py GO DIRECTORY [URL]    DIRECTORY is what `examples/profile.rs` wrote
"""

import collections
import gzip
import json
import os
import re
import subprocess
import sys

NS = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "mins": 60e9, "hrs": 3600e9}


def fields(data):
    """The fields of a protobuf message as (number, value): integers, or bytes for what has a length."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, varint()
        elif kind == 2:
            size = varint()
            assert at + size <= len(data), "a field that is longer than its message"
            yield number, data[at : at + size]
            at += size
        else:
            raise AssertionError(f"a field of wire type {kind}, which profile.proto has none of")


def group(data):
    """The fields of a message, by number."""
    by_number = collections.defaultdict(list)
    for number, value in fields(data):
        by_number[number].append(value)
    return by_number


def one(message, number):
    return message[number][0] if message[number] else 0


def integers(values):
    """A repeated integer field, packed or not."""
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            yield from (number for _, number in fields(b"".join(b"\x08" + part for part in split(value))))


def split(packed):
    """The varints of a packed field, still encoded."""
    start = 0
    for at, byte in enumerate(packed):
        if byte < 0x80:
            yield packed[start : at + 1]
            start = at + 1


Sample = collections.namedtuple("Sample", "stack values labels")
Profile = collections.namedtuple("Profile", "types period samples duration")


def decode(data):
    raw = group(gzip.decompress(data))
    strings = [text.decode() for text in raw[6]]
    assert strings[0] == "", "the first string is empty"
    functions = {one(f, 1): strings[one(f, 2)] for f in map(group, raw[5])}
    mappings = {one(m, 1): (one(m, 2), one(m, 3)) for m in map(group, raw[3])}
    locations = {}
    for location in map(group, raw[4]):
        address, mapping = one(location, 3), one(location, 2)
        assert not mapping or mappings[mapping][0] <= address < mappings[mapping][1], "an address outside of its mapping"
        locations[one(location, 1)] = [functions[one(group(line), 1)] for line in location[4]] or [hex(address)]
    samples = []
    for sample in map(group, raw[2]):
        stack = [name for location in integers(sample[1]) for name in locations[location]]
        labels = {strings[one(label, 1)]: strings[one(label, 2)] for label in map(group, sample[3])}
        assert len(labels) == len(sample[3]), "a key has one value in a sample"
        samples.append(Sample(stack, list(integers(sample[2])), labels))
    pair = lambda message: (strings[one(message, 1)], strings[one(message, 2)])
    types = [pair(group(kind)) for kind in raw[1]]
    assert all(len(sample.values) == len(types) for sample in samples), "a value for each type"
    return Profile(types, (pair(group(raw[11][0])), one(raw, 12)), samples, one(raw, 10))


def sums(profile, key):
    by_value = collections.Counter()
    for sample in profile.samples:
        by_value[sample.labels.get(key)] += sample.values[1]
    return by_value


def pprof(go, *args):
    env = dict(os.environ, GOFLAGS="", GOTOOLCHAIN="local", PPROF_TMPDIR=os.environ.get("TMPDIR", "/tmp"))
    done = subprocess.run([go, "tool", "pprof", *args], env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"go tool pprof {args}: {done.stderr}"
    return done.stdout


def nanoseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(\S*)", text).groups()
    return float(number) * NS[unit] if unit else float(number)


def tags(go, file):
    """What `-tags` prints: for each key its total and the sum of each of its values."""
    found, key = {}, None
    for line in pprof(go, "-tags", "-unit=ns", file).splitlines():
        if heading := re.match(r"\s*(\S+): Total (\S+)", line):
            key = heading[1]
            found[key] = {}
        elif value := re.match(r"\s*(\S+) \(\s*[\d.]+%\): (.*)", line):
            found[key][value[2].strip()] = nanoseconds(value[1])
    return found


def focused(go, file, focus):
    """The total of the samples that `-tagfocus` leaves, by `-top`."""
    return sum(nanoseconds(line.split()[0]) for line in top(go, file, f"-tagfocus={focus}"))


def top(go, file, *args):
    lines = pprof(go, "-top", "-unit=ns", "-nodecount=100000", "-nodefraction=0", *args, file).splitlines()
    start = next(at for at, line in enumerate(lines) if line.split()[:2] == ["flat", "flat%"])
    return lines[start + 1 :]


def close(what, got, want, tolerance):
    error = abs(got - want) / want
    print(f"  {what}: {got / 1e9:.3f} s, by the thread's clock {want / 1e9:.3f} s: {100 * (got - want) / want:+.1f} %")
    assert error <= tolerance, f"{what} is {100 * error:.1f} % off, at most {100 * tolerance:.0f} % are right"


def same(what, got, want):
    assert abs(got - want) <= 1e-6 * max(want, 1) + 1e6, f"{what}: {got} is not {want}"


def compare(go, directory):
    file = os.path.join(directory, "cpu.pb.gz")
    with open(os.path.join(directory, "truth.json")) as truth:
        truth = json.load(truth)
    with open(file, "rb") as data:
        profile = decode(data.read())
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")], profile.types
    assert profile.period[0] == ("cpu", "nanoseconds")
    total = sum(sample.values[1] for sample in profile.samples)

    print("by `go tool pprof -tags`:")
    shown = tags(go, file)
    for key, tolerance in [("tenant", 0.05), ("job", 0.15)]:
        assert shown[key].keys() == truth[key].keys(), shown[key]
        for value, want in truth[key].items():
            close(f"{key}={value}", shown[key][value], want, tolerance)
    close("all", total, truth["total"], 0.05)

    print("by the wire format alone:")
    for key in ["tenant", "route", "job"]:
        by_value = sums(profile, key)
        same(f"the values of {key} and what has none", sum(by_value.values()), total)
        for value, got in shown[key].items():
            same(f"{key}={value} by both readers", got, by_value[value])
            same(f"-tagfocus {key}={value}", focused(go, file, f"{key}=^{re.escape(value)}$"), by_value[value])
        print(f"  {key}: " + ", ".join(f"{value} {time / 1e9:.3f} s" for value, time in by_value.most_common()))
    same("-top", sum(nanoseconds(line.split()[0]) for line in top(go, file)), total)

    searched = [sample for sample in profile.samples if sample.labels.get("tenant") == "acme"]
    whole = sum(s.values[1] for s in searched if has_all(s.stack, ["profile::work", "profile::search", "profile::serve_requests"]))
    assert whole >= 0.9 * sum(s.values[1] for s in searched), "stacks are whole"
    print(f"  whole stacks: {100 * whole / sum(s.values[1] for s in searched):.0f} % of acme's time")
    assert "checkout" not in " ".join(name for sample in searched for name in sample.stack), "acme only searches"

    traces = pprof(go, "-traces", file)
    assert re.search(r"tenant:\s*initech\s.*?profile::checkout", traces, re.S), "-traces shows labels above their stacks"
    assert "<alloc::boxed::Box<dyn " in traces, "names with angle brackets stay whole"
    assert "profile::search" in pprof(go, "-top", "-tagroot=tenant", file)

    with open(os.path.join(directory, "frames.pb.gz"), "rb") as data:
        frames = decode(data.read())
    assert not any(sample.labels for sample in frames.samples)
    by_frame = collections.Counter()
    for sample in frames.samples:
        for frame in sample.stack:
            if frame.startswith("tenant="):
                by_frame[frame.removeprefix("tenant=")] += sample.values[1]
    for value, time in by_frame.items():
        same(f"labels as frames, {value}", time, sums(profile, "tenant")[value])
    assert by_frame.keys() == truth["tenant"].keys()
    print("  labels as frames: the same sums")


def has_all(stack, names):
    return all(any(name in frame for frame in stack) for name in names)


def over_http(go, url):
    print("by `go tool pprof http://…`:")
    text = pprof(go, "-tags", url + "profile?seconds=1")
    assert "tenant: Total" in text, text
    print("  " + next(line for line in text.splitlines() if "acme" in line).strip())
    text = pprof(go, "-tags", url + "routine")
    assert "tenant: Total" in text and "state: Total" in text, text
    print("  routines: " + next(line for line in text.splitlines() if "acme" in line).strip())


if __name__ == "__main__":
    compare(*sys.argv[1:3])
    for url in sys.argv[3:]:
        over_http(sys.argv[1], url)
