"""Figures as lines: what was measured, against what, and what was promised."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.timing import median_s

_CALIBRATED = 1_000_000  # values, and steps


@dataclass(frozen=True, slots=True)
class Promise:
    """What the design promises, in words, and whether it was kept."""

    text: str
    is_met: bool

    def __str__(self) -> str:
        return f"promised {self.text}: {'met' if self.is_met else 'MISSED'}"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. peer: the other side with its version, method and figure; ratio: how many times better ours is."""

    name: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    promise: Promise | None = None

    def __str__(self) -> str:
        parts = [f"{self.name:<44} {self.ours}", self.peer, f"{self.ratio:.1f}x" if self.ratio is not None else ""]
        return " | ".join([part for part in parts if part] + ([str(self.promise)] if self.promise else []))


Lines = Iterator[Line]


def at_least(value: float, limit: float, unit: str) -> Promise:
    """A promise that a figure reaches a limit."""
    return Promise(f">= {_written(limit)}{unit}", value >= limit)


def at_most(value: float, limit: float, unit: str) -> Promise:
    """A promise that a figure stays within a limit."""
    return Promise(f"<= {_written(limit)}{unit}", value <= limit)


def seconds(value: float) -> str:
    """A duration to read.

    >>> seconds(0.0123), seconds(2.5)
    ('12.3 ms', '2.50 s')
    """
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def rate(value: float, unit: str) -> str:
    """A rate to read.

    >>> rate(51_234_567, "cells/s"), rate(2_150, "POST/s")
    ('51.2M cells/s', '2,150 POST/s')
    """
    if value >= 1e6:
        return f"{value / 1e6:.1f}M {unit}"
    return f"{value / 1e3:.0f}k {unit}" if value >= 1e4 else f"{value:,.0f} {unit}"


def load() -> str:
    """The time and how busy the machine is; figures of a busy machine say little."""
    one, five, _ = os.getloadavg()
    cores = len(os.sched_getaffinity(0))
    return f"{time.strftime('%Y-%m-%d %H:%M')}, {cores} cores, load average {one:.1f} (1 min) {five:.1f} (5 min)"


def speed() -> str:
    """How fast a core is at this moment; the promises were made on one that sorts a value in about 5 ns."""
    values = np.random.default_rng(0).normal(size=_CALIBRATED)
    sorting, looping = median_s(lambda: np.sort(values)), median_s(_loop)
    of_sort, of_loop = (watch["cpu_s"] / _CALIBRATED * 1e9 for watch in (sorting, looping))
    return f"np.sort {of_sort:.1f} ns a value, Python {of_loop:.0f} ns a loop step"


def _loop() -> int:
    total = 0
    for step in range(_CALIBRATED):
        total += step
    return total


def _written(limit: float) -> str:
    return f"{limit:,.10g}" if limit < 1e6 else f"{limit / 1e6:g}M"
