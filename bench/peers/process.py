"""Runs one command as a user would and measures the whole process."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path


def run_once(command: list[str], log: Path) -> dict:
    """Wall and CPU time and peak resident memory of one process, with whatever it started and waited for."""
    with log.open("wb") as out:
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
    return " ".join(lines[max(first, 0) : first + 5])[:600]
