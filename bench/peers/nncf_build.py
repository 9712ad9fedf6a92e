"""Quantises an ONNX face model with NNCF; run as its own process, in its own environment.

    python nncf_build.py SETTING MODEL.onnx CROPS OUTPUT.onnx LFW

`default` is the bare call, `mixed` the preset with asymmetric activations. `accuracy` and `accuracy-mixed` are the same
with accuracy control: TAR at FAR 1e-3 over all pairs of the people of folds 1 and 2, which may drop by 0.2 points.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from crops import Crops, read_crops
from judge import SEARCH_FOLDS
from verification import all_pairs_scores, normalised, people_of_folds, read_aliases, tar_at_far

FAR, MAX_DROP = 1e-3, 0.002


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def build(setting: str, model: Path, crops: Path, output: Path, lfw: Path) -> None:
    import nncf

    loaded = onnx.load(str(model))
    given = read_crops(crops)
    initialized = {tensor.name for tensor in loaded.graph.initializer}
    input_name = next(value.name for value in loaded.graph.input if value.name not in initialized)
    calib = given.rows("calib")
    calibration = nncf.Dataset(calib, lambda row: {input_name: given.batch(row)})
    preset = {"preset": nncf.QuantizationPreset.MIXED} if setting.endswith("mixed") else {}
    if setting.startswith("accuracy"):
        people = people_of_folds(lfw / "pairs.csv", SEARCH_FOLDS)
        rows = [row for row in given.rows("eval") if given.subjects[row] in people]
        quantised = nncf.quantize_with_accuracy_control(
            loaded,
            calibration_dataset=calibration,
            validation_dataset=nncf.Dataset(rows),
            validation_fn=validation(given, input_name, read_aliases(lfw / "aliases.csv")),
            max_drop=MAX_DROP,
            subset_size=len(calib),
            **preset,
        )
    else:
        quantised = nncf.quantize(loaded, calibration, subset_size=len(calib), **preset)
    onnx.save(quantised, str(output))


def validation(crops: Crops, input_name: str, aliases: set):
    def measure(model: onnx.ModelProto, rows) -> tuple[float, None]:
        run = session(model)
        rows = list(rows)
        raw = np.concatenate([run.run(None, {input_name: crops.batch(row)})[0] for row in rows])
        unit = normalised(raw.astype(np.float64)).astype(np.float32)
        genuine, impostor = all_pairs_scores(unit, [crops.subjects[row] for row in rows], aliases)
        tar = tar_at_far(genuine, impostor, FAR)["tar"]
        print(f"TAR at FAR {FAR} on {len(rows)} images: {tar:.5f}", flush=True)
        return tar, None

    return measure


if __name__ == "__main__":
    build(sys.argv[1], *map(Path, sys.argv[2:6]))
