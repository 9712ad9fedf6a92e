"""Runs every case of a folder on TensorFlow Lite for Microcontrollers and records the output bytes.

The folder is what `bench/integer-golden.ts write` makes: manifest.json, ID.tflite, and for each input ID.inK with the bytes of all
runs. Written beside them: ID.out with the output bytes of all runs, ID.tensor with those of an inner tensor where the manifest asks
for one, ID.error with the words of the runtime where a file was refused,
and recorded.json with the version of the wheel.

Usage: tflm_golden.py DIR
"""

import argparse
import importlib.metadata
import json
import pathlib
import subprocess
import sys

import numpy as np


def run_case(runtime, folder, case):
    """Output bytes of all runs of one case, and those of the inner tensor that it asks for."""
    model = (folder / f"{case['id']}.tflite").read_bytes()
    inner = case.get("tensor")
    config = runtime.InterpreterConfig
    interpreter = runtime.Interpreter.from_bytes(
        model,
        arena_size=case.get("arena", 1 << 20),
        intrepreter_config=config.kAllocationRecording if inner is None else config.kPreserveAllTensors,
    )
    shapes = [tuple(interpreter.get_input_details(k)["shape"]) for k in range(len(case["inputs"]))]
    data = [
        np.frombuffer((folder / f"{case['id']}.in{k}").read_bytes(), dtype=dtype).reshape((case["runs"], *shapes[k]))
        for k, dtype in enumerate(case["inputs"])
    ]
    outputs, tensors = [], []
    for run in range(case["runs"]):
        if case.get("reset"):
            interpreter.reset()
        for k, values in enumerate(data):
            interpreter.set_input(np.ascontiguousarray(values[run]), k)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).tobytes())
        if inner is not None:
            tensors.append(np.asarray(interpreter.GetTensor(inner, 0)["tensor_data"]).tobytes())
    return b"".join(outputs), b"".join(tensors)


def run_range(folder, start, stop):
    """Runs part of the cases in this process. A file that makes the runtime abort takes the process with it, so `main` goes on behind it."""
    from tflite_micro import runtime

    cases = json.loads((folder / "manifest.json").read_text())[start:stop]
    for case in cases:
        (folder / "current").write_text(case["id"])
        try:
            output, tensor = run_case(runtime, folder, case)
        except Exception as error:  # whatever it says about the file is the record
            (folder / f"{case['id']}.error").write_text(str(error))
        else:
            (folder / f"{case['id']}.out").write_bytes(output)
            if tensor:
                (folder / f"{case['id']}.tensor").write_bytes(tensor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--range", nargs=2, type=int, metavar=("START", "STOP"), help="used by itself")
    options = parser.parse_args()
    if options.range:
        run_range(options.folder, *options.range)
        return
    ids = [case["id"] for case in json.loads((options.folder / "manifest.json").read_text())]
    for old in ids:
        for ending in ("out", "error"):
            (options.folder / f"{old}.{ending}").unlink(missing_ok=True)
    start = 0
    while start < len(ids):
        command = [sys.executable, __file__, str(options.folder), "--range", str(start), str(len(ids))]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            break
        last = (options.folder / "current").read_text()
        (options.folder / f"{last}.error").write_text(f"the runtime ended the process ({done.returncode})\n{done.stderr[-2000:]}")
        start = ids.index(last) + 1
    version = f"tflite-micro {importlib.metadata.version('tflite-micro')}"
    (options.folder / "recorded.json").write_text(json.dumps({"version": version}))
    failed = [name for name in ids if not (options.folder / f"{name}.out").exists()]
    print(f"{version}: {len(ids) - len(failed)} cases recorded, {len(failed)} refused")
    for name in failed[:20]:
        print(name, (options.folder / f"{name}.error").read_text().strip().splitlines()[:1])


if __name__ == "__main__":
    main()
