"""Interleaved timing: every model runs in every round, so that a busy moment of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import onnxruntime as ort

# Takes an input and gives the run on it, so that laying the input out is not timed.
Call = Callable[[np.ndarray], Callable[[], object]]


def session_call(session: ort.InferenceSession) -> Call:
    """The run gives the list of all outputs."""
    name = session.get_inputs()[0].name
    return lambda array: lambda: session.run(None, {name: array})


def time_interleaved(
    calls: dict[str, Call], inputs: list[np.ndarray], rounds: int, baseline: str
) -> dict[str, dict]:
    """Median and p90 in ms, by the clock and by process CPU time, and the speed-up over `baseline`.

    The speed-up is the median over the rounds of the ratio inside one round, which is steadier than a ratio of medians.
    The order inside a round rotates, so that no model always follows the same neighbour's cache contents.
    """
    names = list(calls)
    wall = {name: np.empty(rounds) for name in names}
    cpu = {name: np.empty(rounds) for name in names}
    for name in names:
        for array in inputs[:5]:
            calls[name](array)()
    for index in range(rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            run = calls[name](inputs[index % len(inputs)])
            run()  # brings this model's weights back into the cache after its neighbour; not counted
            cpu_start, wall_start = time.process_time_ns(), time.perf_counter_ns()
            run()
            wall[name][index] = (time.perf_counter_ns() - wall_start) / 1e6
            cpu[name][index] = (time.process_time_ns() - cpu_start) / 1e6
    return {
        name: {
            "wallMedianMs": float(np.median(wall[name])),
            "wallP90Ms": float(np.percentile(wall[name], 90)),
            "cpuMedianMs": float(np.median(cpu[name])),
            "cpuP90Ms": float(np.percentile(cpu[name], 90)),
            "speedUpWall": float(np.median(wall[baseline] / wall[name])),
            "speedUpCpu": float(np.median(cpu[baseline] / cpu[name])),
        }
        for name in names
    }
