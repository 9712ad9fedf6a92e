"""Judges embeddings: verification figures of one model, and how far it moved from the FP32 model on the same crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from crops import Crops
from verification import all_pairs_scores, lfw_accuracy, read_aliases, tar_at_far

FARS = (1e-3, 1e-4, 1e-5)


def embed(run: Callable[[np.ndarray], np.ndarray], crops: Crops) -> np.ndarray:
    """One row a crop: `run` takes one crop [1, 3, 112, 112] and gives its embedding [1, D]."""
    return np.concatenate([run(crops.batch(row)) for row in range(len(crops.paths))])


def verification(unit: np.ndarray, crops: Crops, lfw: Path) -> tuple[dict, np.ndarray, np.ndarray]:
    """The report, and the genuine and impostor scores behind it. `unit` are normalised embeddings of all crops."""
    rows = crops.rows("eval")
    subjects = [crops.subjects[row] for row in rows]
    genuine, impostor = all_pairs_scores(unit[rows].astype(np.float32), subjects, read_aliases(lfw / "aliases.csv"))
    report = {
        "lfw": lfw_accuracy(unit, crops.paths, lfw / "pairs.csv"),
        "genuine": len(genuine),
        "impostor": len(impostor),
        "genuineMean": float(genuine.mean()),
        "impostorMean": float(impostor.mean()),
        "impostorMax": float(impostor.max()),
        "tarAtFar": [tar_at_far(genuine, impostor, far) for far in FARS],
    }
    return report, genuine, impostor


def against_fp32(report: dict, reference: dict, pairs: tuple, reference_pairs: tuple, cosines: np.ndarray) -> dict:
    """How far a variant moved: cosines, scores, decisions at the FP32 thresholds."""
    result = {
        "cosineMean": float(cosines.mean()),
        "cosineMin": float(cosines.min()),
        "cosineP1": float(np.percentile(cosines, 1)),
        "largestScoreShift": float(max(np.abs(a - b).max() for a, b in zip(pairs, reference_pairs, strict=True))),
        "impostorMeanShift": report["impostorMean"] - reference["impostorMean"],
        "atFp32Threshold": [],
    }
    for at in reference["tarAtFar"]:
        threshold = at["threshold"]
        flips = sum(
            int(np.sum((a > threshold) != (b > threshold))) for a, b in zip(pairs, reference_pairs, strict=True)
        )
        result["atFp32Threshold"].append(
            {
                "far": at["far"],
                "farRealised": float(np.mean(pairs[1] > threshold)),
                "tar": float(np.mean(pairs[0] > threshold)),
                "flips": flips,
            }
        )
    return result
