"""Quantises a face embedding model with the usual tools for ONNX in several settings and judges every result alike.

    python quantize.py --model FP32.onnx --crops DIR --lfw DIR --out quantize.json \\
        [--table quantize.txt] [--keep DIR] [--variants a,b] [--also tessera=INT8.onnx] [--rounds 300]

`--crops` is what Tessera exports (see crops.py). `--also NAME=FILE` judges further ONNX files in the same run, which is
how Tessera's own result is put beside its peers.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from crops import read_crops
from embeddings import kept_embeddings
from graphs import graphs_of, one_thread_session
from judge import against_fp32, compare_paired, paired_tar, verification
from latency import session_call, time_interleaved
from process import failure_text, run_once
from quantize_tools import TOOLS, USUAL, environment
from tables import paired_lines, table_lines
from verification import normalised

COUNTED = (
    "Conv",
    "FusedConv",
    "QLinearConv",
    "Add",
    "QLinearAdd",
    "Transpose",
    "QuantizeLinear",
    "DequantizeLinear",
    "Clip",
)


def runtime_graph(model: Path, level: str, folder: Path) -> dict:
    """What the runtime really runs: operators of the optimised graph that it saves at this level."""
    saved = folder / f"{model.stem}.{level}.optimized.onnx"
    one_thread_session(str(model), level, saved)
    ops = Counter(node.op_type for graph in graphs_of(onnx.load(str(saved)).graph) for node in graph.node)
    saved.unlink()
    return {"counted": {op: ops[op] for op in COUNTED}, "ops": dict(sorted(ops.items()))}


HEAD = (
    f"{'QConv':>6} {'QAdd':>5} {'Transp':>6} {'wall ms':>8} {'p90':>6} {'cpu ms':>7} {'x wall':>6} {'x cpu':>6} {'MB':>5}"
    f" {'build s':>8} {'CPU s':>7} {'RSS MB':>7}"
)


def cells(entry: dict) -> str:
    t, ops = entry["latency"], entry["runtimeGraph"]["all"]["counted"]
    build = entry.get("build", {"wallMs": 0, "cpuMs": 0, "peakRssBytes": 0})
    return (
        f"{ops['QLinearConv']:6} {ops['QLinearAdd']:5} {ops['Transpose']:6}"
        f" {t['wallMedianMs']:8.2f} {t['wallP90Ms']:6.2f} {t['cpuMedianMs']:7.2f}"
        f" {t['speedUpWall']:6.2f} {t['speedUpCpu']:6.2f} {entry['sizeBytes'] / 1e6:5.2f} {build['wallMs'] / 1e3:8.1f}"
        f" {build['cpuMs'] / 1e3:7.1f} {build['peakRssBytes'] / 2**20:7.0f}"
    )


def report_lines(report: dict) -> list[str]:
    return [
        *table_lines("variant", HEAD, report["variants"], cells),
        *paired_lines(report["variants"], report["ours"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True, help="folder with pairs.csv and aliases.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the quantised files here; files already there are used again")
    parser.add_argument("--variants", default=",".join(USUAL), help=f"of {', '.join(TOOLS)}; or nothing for none")
    parser.add_argument("--ours", help="the row that the others are compared with (default: the first of --also)")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of people for the intervals")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--rounds", type=int, default=300, help="timed rounds")
    options = parser.parse_args()

    scratch = tempfile.TemporaryDirectory(prefix="tessera-peers-")
    folder = options.keep or Path(scratch.name)
    folder.mkdir(parents=True, exist_ok=True)
    crops = read_crops(options.crops)
    entries: dict[str, dict] = {"fp32": {"file": options.model}}
    for variant in filter(None, options.variants.split(",")):
        target, log = folder / f"{variant}.onnx", folder / f"{variant}.log"
        kept = folder / f"{variant}.build.json"
        if not (target.exists() and kept.exists()):
            # Tools have been seen to write over the file that they are given.
            source = folder / f"{variant}.source.onnx"
            shutil.copyfile(options.model, source)
            tool = TOOLS[variant]
            given = (source, options.crops, target, options.lfw)
            interpreter = environment(tool)
            if not interpreter.exists():
                entries[variant] = {"file": target, "failed": f"{interpreter} is not there: setup.sh makes it"}
                continue
            builder = str(Path(__file__).with_name(tool.builder))
            build = run_once([str(interpreter), builder, tool.setting, *map(str, given)], log)
            source.unlink()
            kept.write_text(json.dumps(build))
        build = json.loads(kept.read_text())
        entries[variant] = {"file": target, "build": build}
        if build["exitCode"] != 0:
            entries[variant]["failed"] = failure_text(log)
    for pair in options.also:
        name, _, file = pair.partition("=")
        entries[name] = {"file": Path(file)}

    ours = options.ours or (options.also[0].partition("=")[0] if options.also else None)
    working = {name: entry for name, entry in entries.items() if "failed" not in entry}
    resampled: dict[str, dict] = {}
    sessions = {name: one_thread_session(str(entry["file"])) for name, entry in working.items()}
    calls = {name: session_call(session) for name, session in sessions.items()}
    eval_rows = crops.rows("eval")
    reference = None
    for name, entry in working.items():
        unit = normalised(kept_embeddings(name, entry["file"], (crops, options.crops), folder).astype(np.float64))
        report, *pairs = verification(unit, crops, options.lfw)
        entry |= {"sizeBytes": entry["file"].stat().st_size, "verification": report}
        entry["runtimeGraph"] = {
            level: runtime_graph(entry["file"], level, Path(scratch.name)) for level in ("extended", "all")
        }
        if reference is None:
            reference = (unit, report, pairs)
        else:
            cosines = np.sum(unit[eval_rows] * reference[0][eval_rows], axis=1)
            entry["againstFp32"] = against_fp32(report, reference[1], pairs, reference[2], cosines)
        if options.resamples > 0:
            resampled[name] = paired_tar(unit, crops, options.lfw, options.resamples)
        print(f"{name}: TAR {[round(at['tar'] * 100, 2) for at in report['tarAtFar']]}", file=sys.stderr)
    compare_paired(entries, resampled, ours)
    timed = [crops.batch(row) for row in eval_rows[:: max(len(eval_rows) // 50, 1)]]
    for name, result in time_interleaved(calls, timed, options.rounds, "fp32").items():
        entries[name]["latency"] = result

    versions = {name: version(name) for name in ("onnx", "onnxruntime", "numpy")}
    processor = Path("/proc/cpuinfo").read_text()
    cpu = next((line.split(":", 1)[1].strip() for line in processor.splitlines() if line.startswith("model name")), "?")
    result = {
        "versions": versions,
        "host": {"machine": platform.machine(), "cpu": cpu, "vnni": "vnni" in processor},
        "threads": 1,
        "crops": {"count": len(crops.paths), "calib": len(crops.rows("calib")), "eval": len(eval_rows)},
        "ours": ours,
        "variants": {name: {**entry, "file": entry["file"].name} for name, entry in entries.items()},
    }
    options.out.write_text(json.dumps(result, indent=1))
    text = "\n".join(report_lines(result)) + "\n"
    if options.table:
        options.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
