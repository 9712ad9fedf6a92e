"""Runs one command as a user would and measures the whole process.

A process inherits its parent's peak memory when it is started, as Linux counts it. The measuring is therefore done by a
bare Python between the two, this file run as a program, whose own peak is about 10 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def run_once(command: list[str], log: Path) -> dict:
    """Wall and CPU time and peak resident memory of one process, with whatever it started and waited for."""
    measurer = [sys.executable, "-I", "-S", __file__, str(log), *command]
    return json.loads(subprocess.run(measurer, check=True, stdout=subprocess.PIPE).stdout)


def measure_here(command: list[str], log: str) -> dict:
    with open(log, "wb") as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "wallMs": wall * 1e3,
        "cpuMs": (usage.ru_utime + usage.ru_stime) * 1e3,
        "peakRssBytes": usage.ru_maxrss * 1024,
        "exitCode": process.returncode,
    }


def failure_text(log: Path) -> str:
    """The lines that say what went wrong, without progress and traceback."""
    lines = [line.strip() for line in log.read_text("utf8", "replace").splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if "Error" in line and not line.startswith("File")), len(lines) - 4)
    return " ".join(lines[max(first, 0) : first + 5])[:600] or "no message"


if __name__ == "__main__":
    print(json.dumps(measure_here(sys.argv[2:], sys.argv[1])))
