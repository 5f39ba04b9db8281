# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What a process takes over time, and whether that grows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
import os
from pathlib import Path
import threading
import time

import numpy

# As many blocks, so that their means do not depend on each other: an outage lasts less than one.
BLOCKS = 12
# Student's t for a confidence of 95 % and BLOCKS - 2 degrees of freedom.
_STUDENT = 2.228
_HOUR_S = 3600.0
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was taken at ``at_s`` since the start; sizes in bytes, ``cpu_s`` since its start."""

    at_s: float
    memory: int
    anonymous: int
    descriptors: int
    threads: int
    cpu_s: float
    spool: int
    log: int
    spooled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """
    A straight line through block means, by least squares.

    ``per_hour`` +- ``margin`` are the slope and its 95 % confidence interval, ``mean`` is where
    the line is in the middle.
    """

    first: float
    last: float
    lowest: float
    highest: float
    mean: float
    per_hour: float
    margin: float

    @property
    def verdict(self) -> str:
        """What to make of it."""
        if abs(self.per_hour) <= self.margin or not self.per_hour:
            return '0 within noise'
        return 'grows' if self.per_hour > 0 else 'falls'

    def as_json(self) -> dict[str, object]:
        """
        Give the figures.

        :returns: by name
        """
        return {**asdict(self), 'verdict': self.verdict}


def fit(times_s: Sequence[float], values: Sequence[float], floor: bool = False) -> Slope:
    """
    Fit a line.

    :param times_s: rising
    :param values: as many, at least one for each of the blocks
    :param floor: fit what the value falls back to in each block, instead of its mean
    :returns: the slope per hour
    """
    at, value = numpy.asarray(times_s), numpy.asarray(values, float)
    edges = numpy.linspace(at[0], at[-1], BLOCKS + 1)
    block = numpy.clip(numpy.searchsorted(edges, at, side='right') - 1, 0, BLOCKS - 1)
    parts = [numpy.flatnonzero(block == number) for number in range(BLOCKS)]
    parts = [part for part in parts if len(part)]
    if len(parts) < BLOCKS:
        raise ValueError(f'{len(times_s)} readings are too few for {BLOCKS} blocks')
    middles = numpy.array([at[part].mean() for part in parts]) / _HOUR_S
    points = numpy.array([value[part].min() if floor else value[part].mean() for part in parts])
    away = middles - middles.mean()
    slope = float(away @ points / (away @ away))
    if numpy.ptp(points) == 0:
        slope = 0.0  # and not what rounding makes of it
    rest = points - points.mean() - slope * away
    error = float(numpy.sqrt(rest @ rest / (BLOCKS - 2) / (away @ away)))
    return Slope(
        first=float(points[0]),
        last=float(points[-1]),
        lowest=float(value.min()),
        highest=float(value.max()),
        mean=float(points.mean()),
        per_hour=slope,
        margin=_STUDENT * error,
    )


def columns(readings: Sequence[Reading]) -> dict[str, tuple[list[float], str, bool]]:
    """
    Give what slopes are fitted to.

    :param readings: in order
    :returns: values, unit, and whether the floor is meant, by name
    """

    def of(name: str, scale: float = 1.0) -> list[float]:
        return [getattr(reading, name) / scale for reading in readings]

    return {
        'memory': (of('memory', _MB), 'MB', False),
        'memory, floor': (of('memory', _MB), 'MB', True),
        'memory, anonymous': (of('anonymous', _MB), 'MB', False),
        'file descriptors': (of('descriptors'), '', False),
        'threads': (of('threads'), '', False),
        'spool file': (of('spool', _MB), 'MB', False),
        'spool WAL': (of('log', _MB), 'MB', False),
        'samples spooled': (of('spooled'), '', False),
        'CPU': (_load(readings), '%', False),
    }


def slopes(readings: Sequence[Reading], begin_s: float, end_s: float) -> dict[str, Slope]:
    """
    Fit all.

    :param readings: in order
    :param begin_s: from then on
    :param end_s: until then
    :returns: slopes by name; none when there are too few readings
    """
    part = [reading for reading in readings if begin_s <= reading.at_s <= end_s]
    times = [reading.at_s for reading in part]
    if len(part) < BLOCKS:
        return {}
    try:
        return {
            name: fit(times, values, floor) for name, (values, _, floor) in columns(part).items()
        }
    except ValueError:
        return {}


def _load(readings: Sequence[Reading]) -> list[float]:
    """Give the processor's share between readings; the first has that of the second."""
    shares = [
        100 * (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
        for before, after in zip(readings, readings[1:], strict=False)
    ]
    return [*shares[:1], *shares] or [0.0]


class Watch:
    """
    Reads what a process takes, on a thread of its own.

    :param pid: the process
    :param spool: its database
    :param period_s: between two readings
    :param spooled: tells how many samples are spooled
    """

    def __init__(self, pid: int, spool: Path, period_s: float, spooled: Callable[[], int]) -> None:
        self.readings: list[Reading] = []
        self._process = Path(f'/proc/{pid}')
        self._spool = spool
        self._period_s = period_s
        self._spooled = spooled
        self._begin = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begin

    def close(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._period_s):
            try:
                self.readings.append(self._read())
            except (OSError, IndexError):
                return  # the process has ended

    def _read(self) -> Reading:
        status = _status(self._process / 'status')
        ticks = (self._process / 'stat').read_text().rpartition(')')[2].split()[11:13]
        return Reading(
            at_s=self.now_s,
            memory=1024 * status['VmRSS'],
            anonymous=1024 * status['RssAnon'],
            descriptors=len(os.listdir(self._process / 'fd')),
            threads=status['Threads'],
            cpu_s=sum(map(int, ticks)) / os.sysconf('SC_CLK_TCK'),
            spool=_size(self._spool),
            log=_size(self._spool.with_name(f'{self._spool.name}-wal')),
            spooled=self._spooled(),
        )


def _status(path: Path) -> Mapping[str, int]:
    wanted = ('VmRSS', 'RssAnon', 'Threads')
    pairs = (line.split(':', 1) for line in path.read_text().splitlines())
    found = {name: int(value.split()[0]) for name, value in pairs if name in wanted}
    if len(found) < len(wanted):
        raise OSError(f'{path}: the process has ended')
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
