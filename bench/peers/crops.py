"""Reads the aligned face crops that Tessera exports, so that both sides see the very same tensors.

A folder with `index.json` - {count, shape: [3, 112, 112], dtype: "float32", file, paths, subjects, roles} - and the raw
little-endian float32 file named there: [count, 3, 112, 112], already normalised as the model card says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Crops:
    tensors: np.ndarray  # f32[count, 3, 112, 112], mapped, not loaded
    paths: list[str]
    subjects: list[str]
    roles: list[str]

    def rows(self, role: str) -> list[int]:
        return [index for index, value in enumerate(self.roles) if value == role]

    def batch(self, row: int) -> np.ndarray:
        return np.ascontiguousarray(self.tensors[row : row + 1])


def read_crops(folder: Path) -> Crops:
    index = json.loads((folder / "index.json").read_text())
    if index["dtype"] != "float32":
        raise SystemExit(f"Cannot read the crops: dtype is {index['dtype']}, expected float32")
    shape = (index["count"], *index["shape"])
    data = folder / index["file"]
    expected = int(np.prod(shape)) * 4
    if data.stat().st_size != expected:
        raise SystemExit(f"Cannot read the crops: {data} has {data.stat().st_size} bytes, expected {expected}")
    for key in ("paths", "subjects", "roles"):
        if len(index[key]) != index["count"]:
            raise SystemExit(f"Cannot read the crops: {len(index[key])} {key} for {index['count']} crops")
    tensors = np.memmap(data, dtype="<f4", mode="r", shape=shape)
    return Crops(tensors, index["paths"], index["subjects"], index["roles"])
