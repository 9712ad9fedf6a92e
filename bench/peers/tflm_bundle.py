"""Runs a model for TensorFlow Lite for Microcontrollers beside the file it was made from, on the interpreter's own wheel.

    python tflm_bundle.py ORIGINAL.tflite BUNDLE.tflite [--inputs 1000] [--seed 1] [--out JSON]

Tells on how many random inputs all outputs are the same, the arena that each file needs (the smallest one in which it is prepared and
runs, found by halving; each trial in a process of its own, for a small arena may abort it), and the planned part of it: with an offline
plan in force that is what the plan says. Sizes are those of a 64-bit processor; a 32-bit one needs less for pointers.

The exit code is 1 when an output differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TRIAL = """
import sys, numpy as np
from tflite_micro import runtime
i = runtime.Interpreter.from_bytes(open(sys.argv[1], "rb").read(), arena_size=int(sys.argv[2]))
d = i.get_input_details(0)
i.set_input(np.zeros(d["shape"], d["dtype"]), 0)
i.invoke()
"""


def smallest_arena(path: Path) -> int:
    low, high = 0, 1 << 22
    while high - low > 16:
        middle = (low + high) // 32 * 16
        command = [sys.executable, "-c", TRIAL, str(path), str(middle)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            high = middle
        else:
            low = middle
    return high


@contextlib.contextmanager
def words_of_the_library():
    """What the library writes to the process's own standard error."""
    with tempfile.TemporaryFile("w+") as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def planned_part(path: Path) -> int | None:
    from tflite_micro import runtime

    with words_of_the_library() as said:
        recording = runtime.InterpreterConfig.kAllocationRecording
        interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 22, intrepreter_config=recording)
        interpreter.print_allocations()
        said.seek(0)
        found = re.search(r"allocation head (\d+) bytes", said.read())
    return int(found.group(1)) if found else None


def outputs(path: Path, feeds: np.ndarray) -> list[bytes]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 22)
    answers = []
    for feed in feeds:
        interpreter.reset()
        interpreter.set_input(feed, 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0).tobytes())
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    from tflite_micro import runtime

    detail = runtime.Interpreter.from_bytes(options.original.read_bytes(), arena_size=1 << 22).get_input_details(0)
    random = np.random.default_rng(options.seed)
    feeds = random.integers(-128, 128, (options.inputs, *detail["shape"])).astype(detail["dtype"])
    both = [options.original, options.bundle]
    answers = [outputs(path, feeds) for path in both]
    same = sum(a == b for a, b in zip(*answers, strict=True))
    rows = [
        {"file": path.name, "bytes": path.stat().st_size, "arena": smallest_arena(path), "planned": planned_part(path)}
        for path in both
    ]
    report = {"inputs": options.inputs, "same": same, "files": rows}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    print(json.dumps(report))
    print(f"{'file':40} {'bytes':>9} {'arena':>9} {'planned':>9}")
    for row in rows:
        print(f"{row['file']:40} {row['bytes']:>9} {row['arena']:>9} {row['planned']!s:>9}")
    print(f"the same outputs on {same} of {options.inputs} inputs; arena {100 * (1 - rows[1]['arena'] / rows[0]['arena']):.1f} % smaller")
    return 0 if same == options.inputs else 1


if __name__ == "__main__":
    sys.exit(main())
