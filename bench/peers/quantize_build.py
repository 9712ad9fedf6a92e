"""Builds one quantised variant with onnxruntime.quantization; run as its own process so that its memory can be measured.

    python quantize_build.py VARIANT MODEL CROPS OUTPUT
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from crops import Crops, read_crops
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

S8, U8 = QuantType.QInt8, QuantType.QUInt8
U8S8 = {"activation_type": U8, "weight_type": S8, "per_channel": True}
PERCENTILE = {"calibrate_method": CalibrationMethod.Percentile}


def percentile(value: float, symmetric: bool) -> dict:
    return {**PERCENTILE, "extra_options": {"CalibPercentile": value, "CalibTensorRangeSymmetric": symmetric}}


# name -> (run quant_pre_process first, arguments of quantize_static beside model, output and reader).
# `default` is the bare call; the names ending in -nopre skip the pre-processing that the tool's guide asks for.
VARIANTS = {
    "default-nopre": (False, {}),
    "default": (True, {}),
    "s8s8-perchannel-minmax": (True, {"per_channel": True}),
    "u8s8-perchannel-minmax-nopre": (False, U8S8),
    "u8s8-perchannel-minmax": (True, U8S8),
    "u8s8-perchannel-entropy": (True, {**U8S8, "calibrate_method": CalibrationMethod.Entropy}),
    # The calibrator's own default for this method is a range symmetric about zero.
    "u8s8-perchannel-p99.999": (True, {**U8S8, **percentile(99.999, symmetric=True)}),
    "u8s8-perchannel-p99.999-asym": (True, {**U8S8, **percentile(99.999, symmetric=False)}),
    "u8s8-perchannel-p99.99-asym": (True, {**U8S8, **percentile(99.99, symmetric=False)}),
}


class CalibrationCrops(CalibrationDataReader):
    """Feeds the crops whose role is `calib`, one at a time, in the order of the index."""

    def __init__(self, crops: Crops, input_name: str) -> None:
        self._crops, self._input = crops, input_name
        self.rewind()

    def rewind(self) -> None:
        self._rows = iter(self._crops.rows("calib"))

    def get_next(self) -> dict | None:
        row = next(self._rows, None)
        return None if row is None else {self._input: self._crops.batch(row)}


def build(variant: str, model: Path, crops: Path, output: Path) -> None:
    import onnx

    preprocess, arguments = VARIANTS[variant]
    graph = onnx.load(str(model)).graph
    initialized = {tensor.name for tensor in graph.initializer}
    input_name = next(value.name for value in graph.input if value.name not in initialized)
    with tempfile.TemporaryDirectory(prefix="tessera-peers-") as folder:
        source = model
        if preprocess:
            source = Path(folder) / "preprocessed.onnx"
            quant_pre_process(str(model), str(source))
        quantize_static(str(source), str(output), CalibrationCrops(read_crops(crops), input_name), **arguments)


if __name__ == "__main__":
    build(sys.argv[1], *map(Path, sys.argv[2:5]))  # a fifth, LFW, is for tools that search
