"""Lets other generators write C for a quantized model, in the shape that bench/mcu-peers.ts builds and runs.

    python mcu_generators.py NAME=QDQ.onnx [NAME=QDQ.onnx ...] --out DIR [--float NAME=FLOAT.onnx ...]

QDQ.onnx is what `tessera convert MODEL.int8.tflite -o QDQ.onnx` writes, FLOAT.onnx the same of a float .tflite. Of each quantized
file the generator is given two forms, both with integer inputs and outputs:

    qdq      the file itself, without the first QuantizeLinear and the last DequantizeLinear
    qlinear  that, its pairs fused to QLinearConv and the like by onnxruntime, with the types of all tensors written down

What goes into the last Softmax becomes an output too: it tells more of the rounding than what the Softmax makes of it.
DIR/NAME-FORM holds the C files and manifest.json; where the generator refuses, the manifest has its words instead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

TOOL = "emx-onnx-cgen"
# Weights in the C text instead of a file to be read at run time; temporaries on the stack instead of the heap: by default the
# function takes them all at its start and gives them back at its end, so that the sum is the same.
# All in one file, as by default: the compiler then sees scales and zero points where they are used.
OPTIONS = ["--large-weight-threshold", "0", "--large-temp-threshold", "0"]


def session(model: onnx.ModelProto, level: ort.GraphOptimizationLevel, save: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = level
    # Without it int8 becomes uint8 on x64.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    if save is not None:
        options.optimized_model_filepath = str(save)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def port(name: str, dtype: int, dims: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, dims)


def shape_of(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def with_integer_ports(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the conversions at the ends, and with the integers before the last Softmax as a second output."""
    done = onnx.ModelProto()
    done.CopyFrom(model)
    graph = done.graph
    (given,), (result,) = graph.input, graph.output
    first = next(node for node in graph.node if given.name in node.input)
    last = next(node for node in graph.node if result.name in node.output)
    assert (first.op_type, last.op_type) == ("QuantizeLinear", "DequantizeLinear"), "the file does not begin and end with a pair"
    softmax = next(node for node in graph.node if node.op_type == "Softmax")
    logits = next(node for node in graph.node if softmax.input[0] in node.output)
    inputs, outputs = shape_of(given), shape_of(result)
    graph.node.remove(first)
    graph.node.remove(last)
    del graph.input[:], graph.output[:]
    graph.input.append(port(first.output[0], TensorProto.INT8, inputs))
    graph.output.append(port(last.input[0], TensorProto.INT8, outputs))
    graph.output.append(port(logits.input[0], TensorProto.INT8, outputs))
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(done)
    return done


def with_float_logits(model: onnx.ModelProto) -> onnx.ModelProto:
    done = onnx.ModelProto()
    done.CopyFrom(model)
    softmax = next(node for node in done.graph.node if node.op_type == "Softmax")
    done.graph.output.append(port(softmax.input[0], TensorProto.FLOAT, shape_of(done.graph.output[0])))
    return done


def fused(model: onnx.ModelProto) -> onnx.ModelProto:
    """What onnxruntime's own optimisation makes of the pairs, with every type: the generator does not infer those of com.microsoft."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "fused.onnx"
        session(model, ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED, path)
        done = onnx.load(path)
    graph = done.graph
    known = {output.name for output in graph.output}
    names = [name for node in graph.node for name in node.output if name and name not in known]
    probe = onnx.ModelProto()
    probe.CopyFrom(done)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    runner = session(probe, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    given = runner.get_inputs()[0]
    values = runner.run(names, {given.name: np.zeros(given.shape, np.int8)})
    del graph.value_info[:]
    for name, value in zip(names, values, strict=True):
        graph.value_info.append(port(name, helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape)))
    return done


def ports_of(values: list[onnx.ValueInfoProto]) -> list[dict]:
    names = {TensorProto.INT8: "int8", TensorProto.FLOAT: "float32"}
    return [{"dtype": names[value.type.tensor_type.elem_type], "shape": shape_of(value)} for value in values]


def generate(model: onnx.ModelProto, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for stale in folder.glob("*.c"):
        stale.unlink()
    command = [str(Path(sys.executable).with_name(TOOL)), "compile", "model.onnx", "model.c", "--model-name", "model", *OPTIONS]
    start = time.perf_counter()
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = round(time.perf_counter() - start, 1)
    said = (run.stdout + run.stderr).strip().splitlines()
    outcome = {"files": sorted(file.name for file in folder.glob("*.c"))} if run.returncode == 0 else {"refused": said[-1]}
    return {
        "tool": f"{TOOL} {version(TOOL)}",
        "options": OPTIONS,
        "operators": dict(Counter(node.op_type for node in model.graph.node)),
        "entry": "model",
        "inputs": ports_of(model.graph.input),
        "outputs": ports_of(model.graph.output),
        "seconds": seconds,
        **outcome,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=QDQ.onnx")
    parser.add_argument("--float", nargs="*", default=[], metavar="NAME=FLOAT.onnx")
    parser.add_argument("--out", type=Path, required=True)
    flags = parser.parse_args()
    work: list[tuple[str, str, onnx.ModelProto]] = []
    for name, path in (given.split("=", 1) for given in flags.models):
        integers = with_integer_ports(onnx.load(path))
        work += [(name, "qdq", integers), (name, "qlinear", fused(integers))]
    work += [(name, "float", with_float_logits(onnx.load(path))) for name, path in (given.split("=", 1) for given in flags.float)]
    for name, form, model in work:
        folder = flags.out / f"{name}-{form}"
        manifest = {"model": name, "form": form, **generate(model, folder)}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        print(f"{folder}: {manifest.get('refused', 'written')} ({manifest['seconds']} s)", file=sys.stderr)


if __name__ == "__main__":
    main()
