"""Face verification figures from embeddings: all-pairs TAR@FAR and the accuracy over LFW's folds.

Kept apart from Tessera's own evaluation on purpose: two harnesses that share no code can check each other.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
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


def people_of_folds(pairs_csv: Path, folds: Iterable[int]) -> set[str]:
    """Everybody in the pairs of these folds; in LFW nobody is in two folds."""
    wanted = {str(fold) for fold in folds}
    with pairs_csv.open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["fold"] in wanted]
    return {Path(row[side]).parent.name for row in rows for side in ("path_a", "path_b")}


@dataclass(frozen=True)
class PairScores:
    """What a bootstrap over people needs: all genuine scores, and of the impostor scores the highest, falling."""

    genuine: np.ndarray
    person: np.ndarray  # of each genuine pair
    tail: np.ndarray
    tail_a: np.ndarray  # people of each impostor pair in the tail
    tail_b: np.ndarray
    images: np.ndarray  # by person
    excluded: list[tuple[int, int]]  # people who are one person under two names

    def impostors(self, weights: np.ndarray) -> float:
        """The number of impostor pairs when each person counts as often as `weights` says."""
        mass = weights * self.images
        total = (mass.sum() ** 2 - (mass**2).sum()) / 2
        return float(total - sum(mass[a] * mass[b] for a, b in self.excluded))

    def tar(self, fars: list[float], weights: np.ndarray) -> list[float]:
        """TAR at the lowest threshold t with weighted share(impostor > t) <= FAR, for each FAR."""
        passed = np.cumsum(weights[self.tail_a] * weights[self.tail_b])
        impostors, counted = self.impostors(weights), weights[self.person]
        found = []
        for far in fars:
            allowed = int(np.searchsorted(passed, far * impostors + 1e-9, side="right"))
            if allowed >= len(self.tail):
                raise ValueError(f"The tail of {len(self.tail)} impostor scores is too short for FAR {far}")
            found.append(float(counted[self.genuine > self.tail[allowed]].sum() / counted.sum()))
        return found


def pair_scores(
    unit: np.ndarray, subjects: list[str], aliases: set[frozenset[str]], share: float = 0.01
) -> PairScores:
    """Scores of each image with every later one; of the impostors the given share, from the top."""
    names, codes = np.unique(np.array(subjects), return_inverse=True)
    position = {name: index for index, name in enumerate(names)}
    excluded = [tuple(position[n] for n in pair) for pair in aliases if all(n in position for n in pair)]
    rows_of = [np.flatnonzero(codes == code) for code in range(len(names))]
    scores = unit.astype(np.float32) @ unit.astype(np.float32).T
    genuine = [scores[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)] for rows in rows_of]
    # What is no pair of strangers gets a score below all others: each pair counts once, and none of one person's images.
    nothing = np.float32(-2)
    scores[np.tri(len(codes), dtype=bool)] = nothing
    for rows in rows_of:
        scores[np.ix_(rows, rows)] = nothing
    for a, b in excluded:
        scores[np.ix_(rows_of[a], rows_of[b])] = nothing
        scores[np.ix_(rows_of[b], rows_of[a])] = nothing
    flat = scores.ravel()
    images = np.array([len(rows) for rows in rows_of], dtype=np.float64)
    found = PairScores(
        np.concatenate(genuine), np.repeat(np.arange(len(names)), [len(g) for g in genuine]), *[np.empty(0)] * 3, images, excluded
    )
    kept = max(int(found.impostors(np.ones(len(names))) * share), 1)
    top = np.argpartition(flat, flat.size - kept)[flat.size - kept :]
    top = top[np.argsort(-flat[top], kind="stable")]
    return replace(found, tail=flat[top], tail_a=codes[top // len(codes)], tail_b=codes[top % len(codes)])


def resampled_tar(scores: PairScores, fars: Iterable[float], resamples: int, seed: int) -> np.ndarray:
    """TAR at each FAR, f64[1 + resamples, fars]: as it is, then with people drawn with replacement.

    The threshold is found anew in every resample. The same seed draws the same people, so that rows of two models of
    the same images are pairs.
    """
    fars = list(fars)
    random = np.random.default_rng(seed)
    people = len(scores.images)
    rows = [scores.tar(fars, np.ones(people))]
    for _ in range(resamples):
        weights = np.bincount(random.integers(0, people, people), minlength=people).astype(np.float64)
        rows.append(scores.tar(fars, weights))
    return np.array(rows)


def difference(one: np.ndarray, other: np.ndarray) -> dict:
    """one - other of two columns of `resampled_tar`: as it is, with the 95 % interval of the paired resamples."""
    paired = one - other
    low, high = np.percentile(paired[1:], [2.5, 97.5])
    return {"difference": float(paired[0]), "low": float(low), "high": float(high)}
