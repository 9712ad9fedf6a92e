"""Converts a face embedding network to .tflite with the usual tools and judges every result alike, on LiteRT.

    python tflite.py --model FP32.onnx --crops DIR --lfw DIR --out tflite.json \\
        [--table tflite.txt] [--keep DIR] [--tools a,b] [--also "tessera=COMMAND {in} {calib} {out}"] [--rounds 3]

`--model` is ONNX or a float .tflite; it is the reference. `--crops` is what Tessera exports (see crops.py). `--also`
measures a further command in the same rounds, or judges a file that is there already (`NAME=FILE.tflite`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from crops import Crops, read_crops
from embeddings import digest, kept_embeddings
from judge import against_fp32, compare_paired, paired_tar, verification
from latency import session_call, time_interleaved
from litert import FaceModel, outside_delegate
from tables import paired_lines, table_lines
from tflite_file import describe_file
from tflite_tools import TOOLS, USUAL, Job, Tool, command_tool, measure
from verification import normalised


def calibration_files(crops: Crops, folder: Path) -> dict[str, Path]:
    """The crops of role `calib` for tools that want the channels last, and in a folder for those that want them first."""
    nchw = np.ascontiguousarray(crops.tensors[crops.rows("calib")])
    inner = folder / "calib"
    inner.mkdir(exist_ok=True)
    np.save(inner / "crops.npy", nchw)
    last = folder / "calib-nhwc.npy"
    np.save(last, np.ascontiguousarray(nchw.transpose(0, 2, 3, 1)))
    return {"calibration": last, "calibration_folder": inner}


def input_name_of(path: Path) -> str:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    initialized = {tensor.name for tensor in graph.initializer}
    return next(value.name for value in graph.input if value.name not in initialized)


def build_all(tools: dict[str, Tool], job: Job, folder: Path, options: argparse.Namespace) -> dict[str, dict]:
    """The measurements by tool; those of an earlier run are taken from the folder unless told to measure anew."""
    record = folder / "builds.json"
    known = json.loads(record.read_text()) if record.exists() and not options.rebuild else {}
    missing = {name: tool for name, tool in tools.items() if name not in known}
    known |= measure(missing, job, folder, options.rounds, options.budget)
    record.write_text(json.dumps(known, indent=1))
    return {name: known[name] for name in tools}


def rows_of(tools: dict[str, Tool], builds: dict[str, dict], folder: Path) -> dict[str, dict]:
    rows: dict[str, dict] = {}
    for name, tool in tools.items():
        build = builds[name]
        for row, pattern in tool.rows.items():
            file = next(iter(sorted((folder / name).glob(pattern))), None)
            rows[row] = {"tool": name, "build": {key: value for key, value in build.items() if key != "untilMs"}}
            if "failed" in build or file is None:
                rows[row]["failed"] = build.get("failed") or build.get("message") or "the tool wrote no such file"
            else:
                rows[row] |= {"file": file}
                rows[row]["build"]["untilMs"] = build["untilMs"].get(row)
    return rows


def timed_call(file: Path):
    """The call for the clock, and how many crops one run of it takes in."""
    if file.suffix == ".onnx":
        from graphs import one_thread_session

        return session_call(one_thread_session(str(file))), 1
    model = FaceModel(file)
    return model.call, model.batch


def time_all(files: dict[str, Path], crops: Crops, rounds: int, baseline: str) -> dict[str, dict]:
    made = {name: timed_call(file) for name, file in files.items()}
    rows = crops.rows("eval")
    inputs = [crops.batch(row) for row in rows[:: max(len(rows) // 50, 1)]]
    result = time_interleaved({name: call for name, (call, _) in made.items()}, inputs, rounds, baseline)
    for name, entry in result.items():
        ratio = made[name][1] / made[baseline][1]
        for key in entry:
            entry[key] = entry[key] * ratio if key.startswith("speedUp") else entry[key] / made[name][1]
    return result


HEAD = (
    f"{'ops':>4} {'float':>5} {'Transp':>6} {'parts':>5} {'left':>4} {'MB':>6} {'build s':>8} {'to file':>8} {'CPU s':>7}"
    f" {'RSS MB':>7} {'ms':>6} {'x wall':>6} {'x cpu':>6}"
)


def cells(entry: dict) -> str:
    shape, build, t = entry.get("records"), entry.get("build"), entry.get("latency")
    counts = f"{'':>4} {'':>5} {'':>6} {'':>5} {'':>4}"
    if shape:
        left = sum(entry["xnnpack"]["operators"].values())
        counts = (
            f"{shape['operatorCount']:4} {sum(shape['floatOperators'].values()):5} {shape['transposes']:6}"
            f" {entry['xnnpack']['parts']:5} {left:4}"
        )
    cost = f"{'':>8} {'':>8} {'':>7} {'':>7}"
    if build:
        cost = (
            f"{build['wallMs'] / 1e3:8.1f} {(build['untilMs'] or 0) / 1e3:8.1f} {build['cpuMs'] / 1e3:7.1f}"
            f" {build['peakRssBytes'] / 2**20:7.0f}"
        )
    speed = f"{t['wallMedianMs']:6.2f} {t['speedUpWall']:6.2f} {t['speedUpCpu']:6.2f}" if t else ""
    note = f"  exit {build['exitCode']}" if build and build.get("exitCode") else ""
    return f"{counts} {entry['sizeBytes'] / 1e6:6.3f} {cost} {speed}{note}"


def report_lines(report: dict) -> list[str]:
    return [*table_lines("row", HEAD, report["rows"], cells), *paired_lines(report["rows"], report["ours"])]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the FP32 reference, .onnx or .tflite")
    parser.add_argument("--onnx", type=Path, help="the same network as ONNX, for tools that read no .tflite")
    parser.add_argument("--float", type=Path, help="the same network as float .tflite, for quantisers of such files")
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True, help="folder with pairs.csv and aliases.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--keep", type=Path, help="keep built files, measurements and embeddings here, and use them again")
    parser.add_argument("--rebuild", action="store_true", help="measure the tools anew though --keep has them")
    parser.add_argument("--tools", default=",".join(USUAL), help=f"of {', '.join(TOOLS)}; or nothing for none")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=COMMAND {in} {calib} {out} or FILE")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of conversion, the first not counted when more")
    parser.add_argument("--budget", type=float, default=150, help="seconds after which a tool sits out later rounds")
    parser.add_argument("--timing", type=int, default=0, help="timed rounds of inference; 0 for none")
    parser.add_argument("--ours", help="the row that the others are compared with (default: the first of --also)")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of people for the intervals")
    return parser.parse_args()


def main() -> None:
    options = parse()
    scratch = tempfile.TemporaryDirectory(prefix="tessera-peers-")
    folder = (options.keep or Path(scratch.name)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    crops = read_crops(options.crops)
    onnx_file = options.onnx or (options.model if options.model.suffix == ".onnx" else None)
    given = options.float or (options.model if options.model.suffix == ".tflite" else None)
    floats = given or folder / "float.tflite"
    job = Job(
        model=options.model.resolve(),
        onnx=onnx_file and onnx_file.resolve(),
        floats=floats.resolve(),
        input_name=input_name_of(onnx_file) if onnx_file else "",
        **calibration_files(crops, folder),
    )

    before = {file: digest(file) for file in {job.model, job.onnx} if file is not None}
    tools = {name: TOOLS[name] for name in filter(None, options.tools.split(","))}
    files: dict[str, dict] = {"fp32": {"file": options.model}}
    for pair in options.also:
        name, _, value = pair.partition("=")
        if value.endswith(".tflite") and Path(value).exists():
            files[name] = {"file": Path(value)}
        else:
            tools[name] = command_tool(name, value)
    # Where no float .tflite is given, its quantisers start from what onnx2tf writes, so that comes first, by itself.
    first = {name: tool for name, tool in tools.items() if name == "onnx2tf-float" and given is None}
    builds = build_all(first, job, folder, options)
    for row in rows_of(first, builds, folder).values():
        if "file" in row:
            floats.write_bytes(row["file"].read_bytes())
    builds |= build_all({name: tool for name, tool in tools.items() if name not in first}, job, folder, options)
    for file, was in before.items():
        if digest(file) != was:
            raise SystemExit(f"A tool changed its input {file}: nothing after that can be trusted")
    rows = files | rows_of(tools, builds, folder)

    eval_rows = crops.rows("eval")
    reference = None
    resampled: dict[str, dict] = {}
    for name, entry in rows.items():
        if "failed" in entry:
            continue
        file = entry["file"]
        entry["sizeBytes"] = file.stat().st_size
        try:
            raw = kept_embeddings(name, file, (crops, options.crops), folder)
            if file.suffix == ".tflite":
                entry |= {"records": describe_file(file), "xnnpack": outside_delegate(file)}
        except (ValueError, RuntimeError) as problem:
            entry["failed"] = f"LiteRT: {problem}"[:600]
            continue
        unit = normalised(raw.astype(np.float64))
        report, *pairs = verification(unit, crops, options.lfw)
        entry["verification"] = report
        if reference is None:
            reference = (unit, report, pairs, raw)
        else:
            cosines = np.sum(unit[eval_rows] * reference[0][eval_rows], axis=1)
            entry["againstFp32"] = against_fp32(report, reference[1], pairs, reference[2], cosines)
            entry["againstFp32"]["largestDifference"] = float(np.abs(raw - reference[3]).max())
        if options.resamples > 0:
            resampled[name] = paired_tar(unit, crops, options.lfw, options.resamples)
        print(f"{name}: TAR {[round(at['tar'] * 100, 2) for at in report['tarAtFar']]}", file=sys.stderr)

    named = options.ours or (options.also[0].partition("=")[0] if options.also else None)
    ours = named if named in resampled else None
    compare_paired(rows, resampled, ours)
    working = {name: entry["file"] for name, entry in rows.items() if "failed" not in entry}
    on_litert = [n for n, file in working.items() if file.suffix == ".tflite" and rows[n]["records"]["floatOperators"]]
    baseline = on_litert[0] if on_litert else "fp32"
    if options.timing > 0:
        for name, result in time_all(working, crops, options.timing, baseline).items():
            rows[name]["latency"] = result
    write_report(options, crops, rows, {"latencyBaseline": baseline, "ours": ours})


def write_report(options: argparse.Namespace, crops: Crops, rows: dict[str, dict], about: dict) -> None:
    names = ("ai-edge-litert", "litert-quantizer", "onnx", "onnxruntime", "numpy")
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":?")
    result = {
        "versions": {name: version(name) for name in names},
        "host": {"machine": platform.machine(), "cores": os.cpu_count(), "cpu": cpu.split(":", 1)[1].strip()},
        "threads": 1,
        **about,
        "crops": {"count": len(crops.paths), "calib": len(crops.rows("calib")), "eval": len(crops.rows("eval"))},
        "rows": {name: {**entry, "file": entry["file"].name if "file" in entry else None} for name, entry in rows.items()},
    }
    options.out.write_text(json.dumps(result, indent=1))
    text = "\n".join(report_lines(result)) + "\n"
    if options.table:
        options.table.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
