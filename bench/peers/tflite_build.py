"""Quantises a float .tflite with litert-quantizer; run as its own process so that its memory can be measured.

    python tflite_build.py RECIPE FLOAT.tflite CALIBRATION.npy OUTPUT.tflite

CALIBRATION.npy is [count, H, W, 3], normalised as the network wants it. It is fed in the layout of the file's input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from litert_quantizer import quantizer, recipe
from litert_quantizer.recipe import AlgorithmName

# name -> the recipe. All but the first two name another way to choose the scales of the weights.
RECIPES = {
    "int8": recipe.static_wi8_ai8,
    "int16x8": recipe.static_wi8_ai16,
    "int8-octav": lambda: recipe.static_wi8_ai8(algorithm_key=AlgorithmName.OCTAV),
    "int8-mse": lambda: recipe.static_wi8_ai8(algorithm_key=AlgorithmName.MSE),
}


def build(name: str, source: Path, calibration: Path, output: Path) -> None:
    interpreter = Interpreter(model_path=str(source))
    signatures = interpreter.get_signature_list()
    if not signatures:
        raise ValueError("The float file has no signature, and litert-quantizer calibrates through signatures alone")
    key, ports = next(iter(signatures.items()))
    shape = interpreter.get_input_details()[0]["shape"]
    images = np.load(calibration, mmap_mode="r")
    if shape[1] == 3:
        images = images.transpose(0, 3, 1, 2)
    samples = [{ports["inputs"][0]: np.ascontiguousarray(image[None])} for image in images]
    tool = quantizer.Quantizer(str(source), RECIPES[name]())
    tool.quantize(tool.calibrate({key: samples})).export_model(str(output), overwrite=True)


if __name__ == "__main__":
    build(sys.argv[1], *map(Path, sys.argv[2:5]))
