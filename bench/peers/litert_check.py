"""Runs .tflite files on LiteRT and TFLite Micro and says how far outputs agree, with each other and with given ones.

    python litert_check.py FILE.tflite [FILE.tflite ...] [--given DIR] [--write DIR] [--runs 20] [--seed 1] [--out JSON]

`--given DIR` holds, for `NAME.tflite`, inputs `NAME.input0.npy`, `NAME.input1.npy` ... and outputs of other software
`NAME.output0.WHO.npy` ...; each is one stack [runs, shape of the tensor], in the dtype and layout of the file. Without
such inputs they are random, from the seed. `--write DIR` leaves inputs and outputs in that very form, WHO being the
engine, for others to be compared with. Each file runs in a process of its own for every engine: a crash is a result.

The exit code is 1 if LiteRT, as a user gets it, refuses a file or crashes on it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from litert import RESOLVERS, open_interpreter
from tflite_micro.python.tflite_micro import runtime as micro

ENGINES = (*RESOLVERS, "micro")
Runner = Callable[[list[np.ndarray]], list[np.ndarray]]


def litert_runner(path: Path, kernels: str) -> Runner:
    interpreter = open_interpreter(path, kernels)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(feeds: list[np.ndarray]) -> list[np.ndarray]:
        interpreter.reset_all_variables()
        for detail, value in zip(inputs, feeds, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in outputs]

    return run


def micro_runner(path: Path, output_count: int) -> Runner:
    data = path.read_bytes()
    interpreter = micro.Interpreter.from_bytes(data, arena_size=max(10 * len(data), 32 << 20))

    def run(feeds: list[np.ndarray]) -> list[np.ndarray]:
        interpreter.reset()
        for index, value in enumerate(feeds):
            interpreter.set_input(value, index)
        interpreter.invoke()
        return [np.array(interpreter.get_output(index)) for index in range(output_count)]

    return run


def ports_of(path: Path) -> tuple[list[dict], list[dict]]:
    """Inputs and outputs as LiteRT without a delegate sees them."""
    interpreter = open_interpreter(path, "builtin")
    return interpreter.get_input_details(), interpreter.get_output_details()


def random_feeds(ports: list[dict], runs: int, seed: int) -> list[np.ndarray]:
    """Stacks [runs, shape]: small integers over their whole range, wide ones 0 to 9, reals -1 to 1."""
    rng = np.random.default_rng(seed)
    stacks = []
    for port in ports:
        shape, dtype = (runs, *map(int, port["shape"])), np.dtype(port["dtype"])
        if dtype.kind in "iu" and dtype.itemsize <= 2:
            limits = np.iinfo(dtype)
            stacks.append(rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True))
        elif dtype.kind in "iu":
            stacks.append(rng.integers(0, 10, shape, dtype=dtype))
        elif dtype.kind == "b":
            stacks.append(rng.integers(0, 2, shape).astype(bool))
        else:
            stacks.append(rng.uniform(-1, 1, shape).astype(dtype))
    return stacks


def given_stacks(folder: Path | None, stem: str, ports: list[dict]) -> list[np.ndarray] | None:
    files = [folder / f"{stem}.input{index}.npy" for index in range(len(ports))] if folder else []
    if not files or not all(file.exists() for file in files):
        return None
    stacks = [np.load(file) for file in files]
    for file, stack, port in zip(files, stacks, ports, strict=True):
        if stack.shape[1:] != tuple(port["shape"]) or stack.dtype != port["dtype"]:
            wanted = f"{np.dtype(port['dtype'])} [runs, {', '.join(map(str, port['shape']))}]"
            raise SystemExit(f"Cannot use {file.name}: it is {stack.dtype} {list(stack.shape)}, the file takes {wanted}")
    return stacks


def _work(path: Path, engine: str, output_count: int, feeds: Path, target: Path) -> None:
    """In a process of its own: `target` gets the outputs, or the message, with what the engine wrote of its own."""
    said = target.with_suffix(".log")
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        runner = micro_runner(path, output_count) if engine == "micro" else litert_runner(path, engine)
        with np.load(feeds) as stacks:
            inputs = [stacks[key] for key in stacks.files]
        results = [runner([stack[run] for stack in inputs]) for run in range(len(inputs[0]))]
        np.savez(target, *[np.stack(column) for column in zip(*results, strict=True)])
    except (RuntimeError, ValueError, TypeError) as problem:
        reason = [line for line in said.read_text("utf8", "replace").splitlines() if not line.startswith("INFO")]
        target.with_suffix(".txt").write_text(" | ".join([str(problem) or type(problem).__name__, *reason[-3:]]))


def run_apart(path: Path, engine: str, output_count: int, feeds: Path, folder: Path) -> list[np.ndarray] | str:
    """The outputs as stacks, or why there are none."""
    target = folder / f"{engine}.npz"
    for leftover in (target, target.with_suffix(".txt")):
        leftover.unlink(missing_ok=True)
    process = multiprocessing.get_context("fork").Process(
        target=_work, args=(path, engine, output_count, feeds, target)
    )
    process.start()
    process.join()
    if target.exists():
        with np.load(target) as stacks:
            return [stacks[key] for key in stacks.files]
    message = target.with_suffix(".txt")
    return message.read_text() if message.exists() else f"the process ended with code {process.exitcode}"


def agreement(a: list[np.ndarray], b: list[np.ndarray]) -> dict:
    """Share of elements equal bit by bit, and the largest difference: in steps for integers, absolute for reals."""
    equal = count = 0
    largest = 0.0
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            return {"why": f"{y.dtype} {list(y.shape)} instead of {x.dtype} {list(x.shape)}"}
        bits = f"u{x.dtype.itemsize}"
        equal += int(np.sum(np.ascontiguousarray(x).view(bits) == np.ascontiguousarray(y).view(bits)))
        count += x.size
        difference = np.abs(x.astype(np.float64) - y.astype(np.float64))
        largest = max(largest, float(np.max(difference, initial=0.0)))
    return {"equalShare": equal / max(count, 1), "largest": largest, "elements": count}


def given_outputs(folder: Path | None, stem: str, output_count: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    for first in sorted(folder.glob(f"{stem}.output0.*.npy")) if folder else []:
        who = first.name[len(f"{stem}.output0.") : -len(".npy")]
        files = [folder / f"{stem}.output{index}.{who}.npy" for index in range(output_count)]
        if all(file.exists() for file in files):
            yield f"given {who}", [np.load(file) for file in files]


def check(path: Path, options: argparse.Namespace, folder: Path) -> dict:
    report: dict = {"file": path.name, "engines": {}, "agreement": []}
    try:
        inputs, outputs = ports_of(path)
    except (RuntimeError, ValueError) as problem:
        return {**report, "engines": {"xnnpack": str(problem)}}
    stem = path.name.removesuffix(".tflite")
    stacks = given_stacks(options.given, stem, inputs)
    report["inputs"] = "random" if stacks is None else "given"
    stacks = random_feeds(inputs, options.runs, options.seed) if stacks is None else stacks
    feeds = folder / "feeds.npz"
    np.savez(feeds, *stacks)
    results: dict[str, list[np.ndarray]] = {}
    for engine in ENGINES:
        result = run_apart(path, engine, len(outputs), feeds, folder)
        report["engines"][engine] = "ran" if isinstance(result, list) else result
        if isinstance(result, list):
            results[engine] = result
    others = dict(given_outputs(options.given, stem, len(outputs)))
    pairs = [("reference", engine) for engine in ENGINES if engine != "reference"]
    pairs += [(engine, who) for who in others for engine in ENGINES]
    for a, b in pairs:
        known = results | others
        if a in known and b in known:
            report["agreement"].append({"of": b, "with": a, **agreement(known[a], known[b])})
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        for index, stack in enumerate(stacks):
            np.save(options.write / f"{stem}.input{index}.npy", stack)
        for engine, columns in results.items():
            for index, stack in enumerate(columns):
                np.save(options.write / f"{stem}.output{index}.{engine}.npy", stack)
    return report


def lines_of(report: dict) -> Iterator[str]:
    ran = [engine for engine, text in report["engines"].items() if text == "ran"]
    yield f"{report['file']}: runs on {', '.join(ran) or 'nothing'}; inputs {report.get('inputs', '-')}"
    for engine, text in report["engines"].items():
        if text != "ran":
            yield f"  {engine}: {' '.join(text.split())[:240]}"
    for pair in report["agreement"]:
        if "why" in pair:
            yield f"  {pair['of']} against {pair['with']}: {pair['why']}"
        else:
            share = f"{pair['equalShare'] * 100:.4f} % of {pair['elements']} bit-equal"
            yield f"  {pair['of']} against {pair['with']}: {share}, largest difference {pair['largest']:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--given", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    reports = []
    with tempfile.TemporaryDirectory(prefix="tessera-peers-") as folder:
        for path in options.files:
            reports.append(check(path, options, Path(folder)))
            print("\n".join(lines_of(reports[-1])), flush=True)
    if options.out:
        options.out.write_text(json.dumps(reports, indent=1))
    sys.exit(any(report["engines"].get("xnnpack") != "ran" for report in reports))


if __name__ == "__main__":
    main()
