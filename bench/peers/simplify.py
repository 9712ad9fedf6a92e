"""Measures onnxsim and onnxslim as a user runs them: whole commands in fresh processes, on every .onnx of a folder.

    python simplify.py --models DIR --out simplify.json --table simplify.txt [--runs 5] [--keep DIR]
        [--also "tessera=COMMAND {in} {out}"]

`--also` measures a further command in the same rounds: each round runs every tool once, so that a busy moment of the
machine hits all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import onnx
from graphs import compare_outputs, describe_counts, dump_lines
from process import failure_text, run_once

BIN = Path(sys.executable).parent

# name -> the command line. The checked variants are what a careful user types: both tools skip their check by default.
VARIANTS = {
    "onnxsim": lambda source, target: [BIN / "onnxsim", source, target],
    "onnxsim-check3": lambda source, target: [BIN / "onnxsim", source, target, "3"],
    "onnxslim": lambda source, target: [BIN / "onnxslim", source, target],
    "onnxslim-check": lambda source, target: [BIN / "onnxslim", source, target, "--model-check"],
}

# Networks fed with pixels of 0..255 are compared with inputs of that size.
PIXEL_INPUTS = {"yunet-n-320", "minifasnet-v2-2.7-80"}

# Models small and odd enough that the whole graph is worth reading, before and after.
DUMPED = {"silero-vad-16k-op15", "typenet-triplet-m50-128", "tinysv-dvector-256"}


def extra_variant(text: str) -> tuple[str, Callable]:
    """`NAME=COMMAND {in} {out}` as a row of VARIANTS."""
    name, _, command = text.partition("=")
    words = shlex.split(command)
    return name, lambda source, target: [w.replace("{in}", str(source)).replace("{out}", str(target)) for w in words]


def summary(samples: list[dict], target: Path, log: Path) -> dict:
    result = {
        key: statistics.median(sample[key] for sample in samples) for key in ("wallMs", "cpuMs", "peakRssBytes")
    }
    result["wallMsAll"] = [round(sample["wallMs"], 1) for sample in samples]
    result["exitCode"] = samples[-1]["exitCode"]
    if result["exitCode"] != 0 or not target.exists():
        return {**result, "failed": failure_text(log)}
    return {**result, **describe_counts(target)}


def model_report(source: Path, variants: dict[str, Callable], runs: int, folder: Path) -> dict:
    report = {"model": source.stem, "before": describe_counts(source), "tools": {}}
    targets = {variant: folder / f"{source.stem}.{variant}.onnx" for variant in variants}
    logs = {variant: folder / f"{source.stem}.{variant}.log" for variant in variants}
    commands = {v: [str(part) for part in line(source, targets[v])] for v, line in variants.items()}
    samples: dict[str, list[dict]] = {variant: [] for variant in variants}
    for target in targets.values():
        target.unlink(missing_ok=True)  # a file kept from an earlier run must not hide a failure
    for index in range(runs + 1):
        for variant, command in commands.items():
            sample = run_once(command, logs[variant])
            if index > 0:  # the first round fills the file cache and compiled modules; not counted
                samples[variant].append(sample)
    scale = 255.0 if source.stem in PIXEL_INPUTS else 1.0
    for variant in variants:
        entry = summary(samples[variant], targets[variant], logs[variant])
        if "failed" not in entry:
            entry["outputs"] = compare_outputs(source, targets[variant], scale=scale)
        report["tools"][variant] = entry
        print(f"{source.stem} {variant}: {entry.get('nodes', 'failed')} in {entry['wallMs']:.0f} ms", file=sys.stderr)
    peers = [report["tools"][variant] for variant in VARIANTS if "failed" not in report["tools"][variant]]
    report["bestPeerNodes"] = min((entry["nodes"] for entry in peers), default=None)
    report["bestPeerWallMs"] = min((entry["wallMs"] for entry in peers), default=None)
    if source.stem in DUMPED:
        files = {"before": source, **{v: file for v, file in targets.items() if "check" not in v}}
        report["dumps"] = {k: dump_lines(onnx.load(str(f)).graph) for k, f in files.items() if f.exists()}
    return report


def table_lines(reports: list[dict]) -> list[str]:
    head = f"{'model':30} {'tool':15} {'nodes':>6} {'top':>5} {'wall ms':>8} {'cpu ms':>8} {'RSS MB':>7} {'max rel':>8}  result"
    lines = [head, "-" * len(head)]
    for report in reports:
        b = report["before"]
        lines.append(f"{report['model']:30} {'(before)':15} {b['nodes']:6} {b['nodesTopLevel']:5}")
        for name, e in report["tools"].items():
            ok = "failed" not in e
            counts = f"{e['nodes']:6} {e['nodesTopLevel']:5}" if ok else f"{'-':>6} {'-':>5}"
            same = e["outputs"].get("maxRelDiff", float("nan")) if ok else float("nan")
            end = ("same" if e["outputs"]["same"] else f"DIFFERS {e['outputs']}") if ok else e["failed"][:120]
            rss = e["peakRssBytes"] / 2**20
            lines.append(f"{'':30} {name:15} {counts} {e['wallMs']:8.0f} {e['cpuMs']:8.0f} {rss:7.0f} {same:8.1e}  {end}")
    for report in reports:
        histograms = {"before": report["before"]["ops"]}
        histograms |= {k: e["ops"] for k, e in report["tools"].items() if "ops" in e and "check" not in k}
        lines += ["", f"{report['model']}: operators in all graphs", f"  {'':22}" + "".join(f"{k:>12}" for k in histograms)]
        for op in sorted(set().union(*histograms.values())):
            lines.append(f"  {op:22}" + "".join(f"{h.get(op, 0):12}" for h in histograms.values()))
    for report in reports:
        for name, dump in report.get("dumps", {}).items():
            lines += ["", f"==== {report['model']} {name}", *dump]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder searched for .onnx files, all levels")
    parser.add_argument("--out", type=Path, required=True, help="JSON report")
    parser.add_argument("--table", type=Path, help="readable report")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command (median)")
    parser.add_argument("--keep", type=Path, help="keep the simplified files and logs here")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=COMMAND {in} {out}")
    options = parser.parse_args()

    variants = VARIANTS | dict(extra_variant(text) for text in options.also)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tessera-peers-"))
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(options.models.rglob("*.onnx"))
    reports = [model_report(source, variants, options.runs, folder) for source in sources]
    if not options.keep:
        shutil.rmtree(folder)
    versions = {name: version(name) for name in ("onnx", "onnxruntime", "onnxsim", "onnxslim", "numpy")}
    host = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    options.out.write_text(json.dumps({"versions": versions, "host": host, "models": reports}, indent=1))
    text = "\n".join(table_lines(reports)) + "\n"
    if options.table:
        options.table.write_text(text)
    print(text.split("\n\n")[0])


if __name__ == "__main__":
    main()
