"""Judges embeddings: verification figures of one model, and how far it moved from the FP32 model on the same crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from crops import Crops
from verification import (
    all_pairs_scores,
    difference,
    lfw_accuracy,
    pair_scores,
    people_of_folds,
    read_aliases,
    resampled_tar,
    tar_at_far,
)

FARS = (1e-3, 1e-4, 1e-5)

# People on whom a tool may search, and those on whom it is judged; what searches nothing is judged on both sets alike.
SEARCH_FOLDS, REPORT_FOLDS = (1, 2), (3, 4, 5)
PAIRED_FARS = (1e-3, 1e-4)


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


def paired_rows(crops: Crops, lfw: Path) -> dict[str, list[int]]:
    """Crops by set of people: those on whom nobody searched, and everybody."""
    report = people_of_folds(lfw / "pairs.csv", REPORT_FOLDS)
    rows = crops.rows("eval")
    return {"report": [row for row in rows if crops.subjects[row] in report], "all": rows}


def paired_tar(unit: np.ndarray, crops: Crops, lfw: Path, resamples: int) -> dict[str, np.ndarray]:
    """By set of people, TAR at PAIRED_FARS as it is and resampled: see resampled_tar. All models draw the same people."""
    aliases = read_aliases(lfw / "aliases.csv")
    return {
        name: resampled_tar(
            pair_scores(unit[rows], [crops.subjects[row] for row in rows], aliases), PAIRED_FARS, resamples, seed=1
        )
        for name, rows in paired_rows(crops, lfw).items()
    }


def compare_paired(entries: dict[str, dict], resampled: dict[str, dict], ours: str | None) -> None:
    """Writes TAR by set of people into each entry, and the difference (it - ours) with its interval."""
    for name, sets in resampled.items():
        entries[name]["people"] = {
            people: {
                str(far): {
                    "tar": float(rows[0, index]),
                    **({} if ours is None else {"againstOurs": difference(rows[:, index], resampled[ours][people][:, index])}),
                }
                for index, far in enumerate(PAIRED_FARS)
            }
            for people, rows in sets.items()
        }
