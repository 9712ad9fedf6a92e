"""Runs .tflite files in LiteRT's Python interpreter and in TFLite Micro's: evaluations that we did not write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

# `xnnpack` is what a user gets; `builtin` LiteRT's own optimised kernels; `reference` its plain ones.
RESOLVERS = {
    "xnnpack": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}


def open_interpreter(path: Path, kernels: str = "xnnpack", threads: int = 1) -> Interpreter:
    interpreter = Interpreter(
        model_path=str(path), num_threads=threads, experimental_op_resolver_type=RESOLVERS[kernels]
    )
    interpreter.allocate_tensors()
    return interpreter


def to_integers(values: np.ndarray, detail: dict) -> np.ndarray:
    """Real values on the grid of an integer input: q = round(x / scale) + zeroPoint, clamped to the type."""
    limits = np.iinfo(detail["dtype"])
    scale, zero = detail["quantization"]
    grid = np.round(values.astype(np.float64) / scale) + zero
    return np.clip(grid, limits.min, limits.max).astype(detail["dtype"])


def to_reals(values: np.ndarray, detail: dict) -> np.ndarray:
    scale, zero = detail["quantization"]
    return (values.astype(np.float64) - zero) * scale


class FaceModel:
    """A face network with one image input, NHWC or NCHW, of any batch, float or integer at its ends.

    A batch larger than one is filled with copies of the crop; `batch` is its size, for timing.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = open_interpreter(path)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        shape = [int(size) for size in self._input["shape"]]
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ValueError(f"Cannot feed face crops: the input is {shape}")
        self._nhwc = shape[3] == 3
        self.batch = shape[0]

    def call(self, crop: np.ndarray):
        """Sets the crop f32[1, 3, H, W] and gives the bare run on it."""
        image = crop.transpose(0, 2, 3, 1) if self._nhwc else crop
        image = np.ascontiguousarray(np.repeat(image, self.batch, axis=0))
        if self._input["dtype"] != np.float32:
            image = to_integers(image, self._input)
        self._interpreter.set_tensor(self._input["index"], image)
        return self._interpreter.invoke

    def embed(self, crop: np.ndarray) -> np.ndarray:
        self.call(crop)()
        rows = self._interpreter.get_tensor(self._output["index"])[:1]
        return (rows if self._output["dtype"] == np.float32 else to_reals(rows, self._output)).reshape(1, -1)


def outside_delegate(path: Path) -> dict:
    """Operators that XNNPACK leaves to LiteRT's own kernels, and the number of parts that it runs.

    The interpreter lists the delegate's parts behind the file's operators. What a part covers is found by walking from
    the values that it writes to those that it reads.
    """
    nodes = open_interpreter(path)._get_ops_details()
    parts = [node for node in nodes if node["op_name"] == "DELEGATE"]
    plain = [node for node in nodes if node["op_name"] != "DELEGATE"]
    writer = {int(tensor): node["index"] for node in plain for tensor in node["outputs"]}
    by_index = {node["index"]: node for node in plain}
    covered: set[int] = set()
    for part in parts:
        reads = {int(tensor) for tensor in part["inputs"]}
        waiting = [int(tensor) for tensor in part["outputs"]]
        while waiting:
            index = writer.get(waiting.pop())
            if index is None or index in covered:
                continue
            covered.add(index)
            waiting += [int(t) for t in by_index[index]["inputs"] if int(t) not in reads]
    left = Counter(node["op_name"] for node in plain if node["index"] not in covered)
    return {"parts": len(parts), "operators": dict(sorted(left.items()))}
