"""The tools that turn a float face network into .tflite files, as command lines, and the rounds that measure them."""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from process import failure_text, run_once

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """What every tool gets. `floats` is the float .tflite that a quantiser of .tflite files starts from."""

    model: Path
    onnx: Path | None
    floats: Path
    input_name: str
    calibration: Path  # npy f32[count, H, W, 3], normalised as the network wants it
    calibration_folder: Path  # with one npy f32[count, 3, H, W], the same crops


@dataclass(frozen=True)
class Tool:
    """One command, run in an empty folder. `rows` says which file of that folder is judged under which name."""

    rows: dict[str, str]
    command: Callable[[Job, Path], list[str]]


def onnx2tf_bin() -> Path:
    """The environment that setup.sh makes beside the one that runs this."""
    return Path(f"{sys.prefix}-onnx2tf") / "bin"


def _onnx2tf(*arguments: str, integer: bool = True) -> Callable[[Job, Path], list[str]]:
    def command(job: Job, folder: Path) -> list[str]:
        tool = onnx2tf_bin() / "onnx2tf"
        if not tool.exists():
            raise ValueError("onnx2tf is not installed: setup.sh found no Python 3.12 or newer")
        if job.onnx is None:
            raise ValueError("onnx2tf reads ONNX alone: give the network as ONNX too, with --onnx")
        # The crops are normalised already, so the mean taken off is 0 and the deviation divided by is 1.
        data = ["-oiqt", "-cind", job.input_name, str(job.calibration), "[[[[0,0,0]]]]", "[[[[1,1,1]]]]"]
        # It writes the simplified network over the file that it is given, read-only or not: never give it the original.
        # The copy is outside the folder whose files are judged, and new for every run.
        source = Path(f"{folder}.{job.onnx.name}")
        shutil.copyfile(job.onnx, source)
        # It calls onnxsim by name, which is in the same environment.
        path = f"PATH={onnx2tf_bin()}{os.pathsep}{os.environ.get('PATH', '')}"
        line = ["env", path, "TF_CPP_MIN_LOG_LEVEL=2", str(tool), "-i", str(source), "-o", str(folder), "-v", "info"]
        return [*line, *arguments, *(data if integer else [])]

    return command


def _litert_quantizer(recipe: str) -> Callable[[Job, Path], list[str]]:
    def command(job: Job, folder: Path) -> list[str]:
        builder = str(HERE / "tflite_build.py")
        return [sys.executable, builder, recipe, str(job.floats), str(job.calibration), str(folder / "out.tflite")]

    return command


# onnx2tf has two ways: since 2.x it writes the file itself, the older way goes through TensorFlow's converter. With
# calibration data either writes every kind at once (float, dynamic, int8, 16x8); there is no switch for one alone.
TOOLS = {
    "onnx2tf-float": Tool({"onnx2tf-float": "*_float32.tflite"}, _onnx2tf(integer=False)),
    "onnx2tf-direct": Tool({"onnx2tf-direct-int8": "*_full_integer_quant.tflite"}, _onnx2tf("-qt", "per-channel")),
    "onnx2tf-direct-pertensor": Tool(
        {"onnx2tf-direct-int8-pertensor": "*_full_integer_quant.tflite"}, _onnx2tf("-qt", "per-tensor")
    ),
    "onnx2tf-tf": Tool(
        {
            "onnx2tf-tf-float": "*_float32.tflite",
            "onnx2tf-tf-int8": "*_full_integer_quant.tflite",
        },
        _onnx2tf("-tb", "tf_converter", "-qt", "per-channel"),
    ),
    "litert-quantizer": Tool({"litert-quantizer-int8": "out.tflite"}, _litert_quantizer("int8")),
    "litert-quantizer-octav": Tool({"litert-quantizer-int8-octav": "out.tflite"}, _litert_quantizer("int8-octav")),
    "litert-quantizer-mse": Tool({"litert-quantizer-int8-mse": "out.tflite"}, _litert_quantizer("int8-mse")),
    "litert-quantizer-int16x8": Tool({"litert-quantizer-int16x8": "out.tflite"}, _litert_quantizer("int16x8")),
}
USUAL = ("onnx2tf-float", "onnx2tf-direct", "onnx2tf-direct-pertensor", "onnx2tf-tf", "litert-quantizer", "litert-quantizer-octav")


def command_tool(name: str, line: str) -> Tool:
    """`COMMAND {in} {out}` as a tool, `{calib}` being the folder of crops to calibrate on and `{onnx}` the network as ONNX."""

    def command(job: Job, folder: Path) -> list[str]:
        places = {
            "{in}": job.model,
            "{onnx}": job.onnx,
            "{calib}": job.calibration_folder,
            "{out}": folder / "out.tflite",
        }
        words = shlex.split(line)
        for mark, place in places.items():
            words = [word.replace(mark, str(place)) for word in words]
        return words

    return Tool({name: "out.tflite"}, command)


def measure(tools: dict[str, Tool], job: Job, folder: Path, rounds: int, budget: float) -> dict[str, dict]:
    """Runs every tool once a round, each in a fresh process and an emptied folder, and gives the medians by tool.

    A tool that has used `budget` seconds sits out the later rounds. Of several runs the first is not counted: it fills
    the file cache and Python's compiled modules. `untilMs` is when a judged file was there, counted from the start.
    """
    samples: dict[str, list[dict]] = {name: [] for name in tools}
    results: dict[str, dict] = {}
    for index in range(rounds):
        for name, tool in tools.items():
            if name in results or sum(sample["wallMs"] for sample in samples[name]) > budget * 1e3:
                continue
            place = folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            try:
                command = tool.command(job, place)
            except ValueError as problem:
                results[name] = {"failed": str(problem)}
                continue
            start = time.time()
            sample = run_once(command, folder / f"{name}.log")
            found = {row: next(iter(place.glob(pattern)), None) for row, pattern in tool.rows.items()}
            sample["untilMs"] = {row: (file.stat().st_mtime - start) * 1e3 for row, file in found.items() if file}
            samples[name].append(sample)
            print(f"{name}: {sample['wallMs'] / 1e3:.1f} s, exit {sample['exitCode']}", file=sys.stderr)
    for name, runs in samples.items():
        if name not in results:
            results[name] = summary(runs, folder / f"{name}.log")
    return results


def summary(runs: list[dict], log: Path) -> dict:
    counted = runs[1:] or runs
    result = {key: statistics.median(run[key] for run in counted) for key in ("wallMs", "cpuMs", "peakRssBytes")}
    result["untilMs"] = {
        row: statistics.median(run["untilMs"][row] for run in counted if row in run["untilMs"])
        for row in counted[-1]["untilMs"]
    }
    result |= {"exitCode": runs[-1]["exitCode"], "wallMsAll": [round(run["wallMs"], 1) for run in runs]}
    if result["exitCode"] != 0:
        result["message"] = failure_text(log)
    return result
