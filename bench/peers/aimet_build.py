"""Quantises an ONNX face model with AIMET; run as its own process, in its own environment.

    python aimet_build.py SETTING MODEL.onnx CROPS OUTPUT.onnx LFW

`default` is the simulation as it comes (8 bits, min-max) with the tool's own configuration for scales by channel,
calibrated and written as Q/DQ. `cle` equalises across layers first, `adaround` learns the rounding of the weights,
`cle-adaround` does both.
TESSERA_ADAROUND_ITERATIONS overrides the tool's 10,000 iterations a layer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import onnx
from crops import read_crops


def build(setting: str, model: Path, crops: Path, output: Path, _lfw: Path) -> None:
    import aimet_onnx
    from aimet_onnx.common.quantsim_config.utils import get_path_for_per_channel_config
    from aimet_onnx.quantsim import QuantizationSimModel

    loaded = onnx.load(str(model))
    given = read_crops(crops)
    initialized = {tensor.name for tensor in loaded.graph.initializer}
    input_name = next(value.name for value in loaded.graph.input if value.name not in initialized)
    samples = [{input_name: given.batch(row)} for row in given.rows("calib")]
    if setting.startswith("cle"):
        from aimet_onnx.cross_layer_equalization import equalize_model

        equalize_model(loaded)
    sim = QuantizationSimModel(loaded, config_file=get_path_for_per_channel_config())
    if setting.endswith("adaround"):
        iterations = int(os.environ.get("TESSERA_ADAROUND_ITERATIONS", "10000"))
        aimet_onnx.apply_adaround(sim, samples, num_iterations=iterations)
    sim.compute_encodings(samples)
    # The form that onnxruntime fuses into integer kernels: weights as integers, biases as int32.
    onnx.save(sim.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True), str(output))


if __name__ == "__main__":
    build(sys.argv[1], *map(Path, sys.argv[2:6]))
