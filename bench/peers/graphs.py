"""Counting, describing and comparing ONNX graphs, for the peers' side of the comparison benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

ONE_THREAD_LEVELS = {
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}

DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph itself and every graph inside its nodes' attributes, outermost first."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs_of(attribute.g)
            for inner in attribute.graphs:
                yield from graphs_of(inner)


def describe_counts(path: Path) -> dict:
    """Node counts (top level, and with subgraphs), the same without Constant nodes, histograms and file size."""
    graph = onnx.load(str(path)).graph
    top = Counter(node.op_type for node in graph.node)
    every = Counter(node.op_type for inner in graphs_of(graph) for node in inner.node)
    return {
        "nodes": sum(every.values()),
        "nodesTopLevel": sum(top.values()),
        "nodesWithoutConstant": sum(every.values()) - every["Constant"],
        "nodesTopLevelWithoutConstant": sum(top.values()) - top["Constant"],
        "initializers": sum(len(inner.initializer) for inner in graphs_of(graph)),
        "initializersThatAreInputs": len({i.name for i in graph.input} & {i.name for i in graph.initializer}),
        "sizeBytes": path.stat().st_size,
        "ops": dict(sorted(every.items())),
        "opsTopLevel": dict(sorted(top.items())),
    }


def _tensor_text(tensor: onnx.TensorProto) -> str:
    array = numpy_helper.to_array(tensor)
    shape = f"{array.dtype}[{','.join(map(str, array.shape))}]"
    return f"{shape}={array.tolist()}" if array.size <= 8 else shape


def _attribute_text(attribute: onnx.AttributeProto) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return f"{attribute.name}={_tensor_text(value)}"
    if isinstance(value, bytes):
        value = value.decode("utf8", "replace")
    if isinstance(value, list) and len(value) > 12:
        value = f"{len(value)} values"
    return f"{attribute.name}={value}"


def dump_lines(graph: onnx.GraphProto, indent: str = "") -> list[str]:
    """One line a node: `outputs = Op(inputs){attributes}`, small constants written out, subgraphs indented."""
    known = {tensor.name: _tensor_text(tensor) for tensor in graph.initializer}
    lines = [f"{indent}{name}: {text}" for name, text in known.items()]
    for node in graph.node:
        flat = [a for a in node.attribute if a.type != onnx.AttributeProto.GRAPH]
        attributes = "; ".join(_attribute_text(a) for a in flat)
        inputs = ", ".join(name or "-" for name in node.input)
        body = f"{{{attributes}}}" if attributes else ""
        lines.append(f"{indent}{', '.join(node.output)} = {node.op_type}({inputs}){body}")
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                lines.append(f"{indent}  {attribute.name}:")
                lines += dump_lines(attribute.g, indent + "    ")
    lines.append(f"{indent}-> {', '.join(value.name for value in graph.output)}")
    return lines


def one_thread_session(model: str | bytes, level: str = "all", optimized: Path | None = None) -> ort.InferenceSession:
    """A CPU session with one thread; `optimized` is where the runtime writes its own optimised graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ONE_THREAD_LEVELS[level]
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


# Inputs that need more than "random in 0..1, symbolic sizes 2". Keys are input names of the models under test.
SPECIAL_INPUTS = {
    "sr": lambda rng, shape: np.array(16000, np.int64),
    "state": lambda rng, shape: rng.uniform(-1, 1, shape).astype(np.float32),
    "mfcc": lambda rng, shape: rng.uniform(-40, 40, shape).astype(np.float32),
}
SYMBOLIC_SIZES = {"sequence": 576}


def random_feeds(session: ort.InferenceSession, rng: np.random.Generator, scale: float) -> dict[str, np.ndarray]:
    feeds = {}
    for value in session.get_inputs():
        shape = [size if isinstance(size, int) else SYMBOLIC_SIZES.get(size, 2) for size in value.shape]
        if value.name in SPECIAL_INPUTS:
            feeds[value.name] = SPECIAL_INPUTS[value.name](rng, shape)
        else:
            feeds[value.name] = (rng.uniform(0, 1, shape) * scale).astype(DTYPES[value.type])
    return feeds


def compare_outputs(before: Path, after: Path, runs: int = 5, scale: float = 1.0) -> dict:
    """Runs both files on the same random inputs without the runtime's own graph optimisations.

    `maxRelDiff` is the largest absolute difference divided by the largest magnitude of that reference output.
    """
    rng = np.random.default_rng(20240601)
    a, b = one_thread_session(str(before), "off"), one_thread_session(str(after), "off")
    names = [value.name for value in a.get_outputs()]
    worst_rel = worst_abs = 0.0
    bit_equal = True
    for _ in range(runs):
        feeds = random_feeds(a, rng, scale)
        wanted = {value.name for value in b.get_inputs()}
        got = b.run(names, {name: array for name, array in feeds.items() if name in wanted})
        for x, y in zip(a.run(names, feeds), got, strict=True):
            if x.shape != y.shape:
                return {"same": False, "why": f"shape {list(y.shape)} instead of {list(x.shape)}"}
            diff = float(np.max(np.abs(x.astype(np.float64) - y.astype(np.float64)), initial=0.0))
            worst_abs = max(worst_abs, diff)
            worst_rel = max(worst_rel, diff / max(float(np.max(np.abs(x), initial=0.0)), 1e-30))
            bit_equal = bit_equal and x.tobytes() == y.tobytes()
    return {"same": worst_rel <= 1e-4, "bitEqual": bit_equal, "maxRelDiff": worst_rel, "maxAbsDiff": worst_abs}
