"""The parts that the tables of quantize.py and tflite.py have in common."""

from __future__ import annotations

from collections.abc import Callable

QUALITY_HEAD = f"{'cos mean':>9} {'cos min':>9} {'TAR1e-3':>8} {'TAR1e-4':>8} {'LFW':>12}"


def quality(entry: dict) -> str:
    """Cosines to FP32, TAR at the two FARs in percent over all pairs, accuracy over LFW's folds."""
    found, moved = entry["verification"], entry.get("againstFp32")
    cosines = f"{moved['cosineMean']:9.6f} {moved['cosineMin']:9.6f}" if moved else f"{'':9} {'':9}"
    tars = " ".join(f"{at['tar'] * 100:8.2f}" for at in found["tarAtFar"][:2])
    lfw = f"{found['lfw']['accuracy'] * 100:6.2f}+-{found['lfw']['standardError'] * 100:.2f}"
    return f"{cosines} {tars} {lfw:>12}"


def table_lines(title: str, head: str, entries: dict[str, dict], cells: Callable[[dict], str]) -> list[str]:
    """A line an entry: its name, its quality, then what `cells` says under `head`; of a failed one its message."""
    whole = f"{title:30} {QUALITY_HEAD} {head}"
    lines = [whole, "-" * len(whole)]
    for name, entry in entries.items():
        if "failed" in entry:
            lines.append(f"{name:30} failed: {entry['failed'][:200]}")
        else:
            lines.append(f"{name:30} {quality(entry)} {cells(entry)}")
    return lines


def paired_lines(entries: dict[str, dict], ours: str | None) -> list[str]:
    """TAR by set of people in percent, and in points how far each row is from ours, with the paired 95 % interval."""
    lines = []
    shown = {name: entry["people"] for name, entry in entries.items() if "people" in entry}
    for people in next(iter(shown.values()), {}):
        against = "" if ours is None else f", and (row - {ours}) in points with the 95 % interval over people"
        lines += ["", f"{people}: TAR at FAR{against}"]
        for name, sets in shown.items():
            cells = []
            for far, found in sets[people].items():
                cell = f"{far}: {found['tar'] * 100:6.2f}"
                if (d := found.get("againstOurs")) is not None and name != ours:
                    cell += f" {d['difference'] * 100:+6.2f} [{d['low'] * 100:+.2f}, {d['high'] * 100:+.2f}]"
                cells.append(f"{cell:40}")
            lines.append(f"{name:30} {' '.join(cells)}".rstrip())
    return lines
