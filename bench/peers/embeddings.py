"""Embeddings of every crop by a model file, kept by the digests of both, so that a file is judged once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from crops import Crops
from judge import embed
from latency import session_call


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def key_of(file: Path, crops: Crops, folder: Path) -> str:
    """The list of crops says who is on them; the first crop says how they were normalised."""
    first = hashlib.sha256(crops.batch(0).tobytes()).hexdigest()
    return hashlib.sha256(f"{digest(file)} {digest(folder / 'index.json')} {first}".encode()).hexdigest()[:16]


def kept_embeddings(name: str, file: Path, given: tuple[Crops, Path], cache: Path) -> np.ndarray:
    """f32[crops, D] on onnxruntime or LiteRT; from the cache when this very file was judged on these crops before."""
    crops, folder = given
    kept = cache / f"{name}-{key_of(file, crops, folder)}.npy"
    if kept.exists():
        return np.load(kept)
    if file.suffix == ".onnx":
        from graphs import one_thread_session

        call = session_call(one_thread_session(str(file)))
        result = embed(lambda crop: call(crop)()[0], crops)
    else:
        from litert import FaceModel

        result = embed(FaceModel(file).embed, crops)
    np.save(kept, result)
    return result
