"""Face verification figures from embeddings: all-pairs TAR@FAR and the accuracy over LFW's folds.

Kept apart from Tessera's own evaluation on purpose: two harnesses that share no code can check each other.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np


def normalised(embeddings: np.ndarray) -> np.ndarray:
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def read_aliases(path: Path) -> set[frozenset[str]]:
    with path.open() as handle:
        return {frozenset((row["person_a"], row["person_b"])) for row in csv.DictReader(handle)}


def all_pairs_scores(
    unit: np.ndarray, subjects: list[str], aliases: set[frozenset[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of each image with every later one: (genuine, impostor); pairs of one person's two names are left out."""
    names, codes = np.unique(np.array(subjects), return_inverse=True)
    position = {name: index for index, name in enumerate(names)}
    same_person = [[position[n] for n in pair] for pair in aliases if all(n in position for n in pair)]
    genuine, impostor = [], []
    for i in range(len(unit) - 1):
        scores = unit[i + 1 :] @ unit[i]
        later = codes[i + 1 :]
        mate = later == codes[i]
        excluded = np.zeros_like(mate)
        for a, b in same_person:
            if codes[i] in (a, b):
                excluded |= later == (b if codes[i] == a else a)
        genuine.append(scores[mate])
        impostor.append(scores[~mate & ~excluded])
    return np.concatenate(genuine), np.concatenate(impostor)


def threshold_at_far(impostor: np.ndarray, far: float) -> float:
    """The lowest threshold t of the impostor scores with share(impostor > t) <= far."""
    allowed = int(np.floor(far * len(impostor)))
    return float(np.partition(impostor, len(impostor) - 1 - allowed)[len(impostor) - 1 - allowed])


def tar_at_far(genuine: np.ndarray, impostor: np.ndarray, far: float) -> dict:
    threshold = threshold_at_far(impostor, far)
    return {"far": far, "threshold": threshold, "tar": float(np.mean(genuine > threshold))}


def lfw_accuracy(unit: np.ndarray, paths: list[str], pairs_csv: Path) -> dict:
    """Accuracy per fold at the threshold that is best on the other folds; mean and standard error over the folds."""
    row_of = {path: index for index, path in enumerate(paths)}
    with pairs_csv.open() as handle:
        rows = list(csv.DictReader(handle))
    folds = np.array([int(row["fold"]) for row in rows])
    labels = np.array([row["genuine"] == "1" for row in rows])
    a = unit[[row_of[row["path_a"]] for row in rows]]
    b = unit[[row_of[row["path_b"]] for row in rows]]
    scores = np.sum(a * b, axis=1)
    accuracies = []
    for fold in np.unique(folds):
        held = folds == fold
        threshold = best_threshold(scores[~held], labels[~held])
        accuracies.append(float(np.mean((scores[held] > threshold) == labels[held])))
    error = float(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)))
    return {"accuracy": float(np.mean(accuracies)), "standardError": error, "folds": accuracies}


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """A threshold of highest accuracy, in the middle between the two scores that it separates."""
    order = np.argsort(scores)
    ordered, truth = scores[order], labels[order]
    # After the k lowest scores are rejected: correct = impostors among them + genuine among the rest.
    correct = np.concatenate([[0], np.cumsum(~truth)]) + (truth.sum() - np.concatenate([[0], np.cumsum(truth)]))
    k = int(np.argmax(correct))
    if k in (0, len(ordered)):
        return float(ordered[0] - 1 if k == 0 else ordered[-1] + 1)
    return float((ordered[k - 1] + ordered[k]) / 2)
