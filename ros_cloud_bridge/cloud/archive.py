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

"""
Where recordings go: one file, or a folder of files by robot and time.

A file of a folder ends in two steps, so that what is confirmed and what is in the file stay the
same whenever the process is killed: :meth:`Archive.sync` makes it durable and turns to the next
file, and :meth:`Archive.finish`, called once that is noted and confirmed, writes its end.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
import fcntl
import itertools
import os
from pathlib import Path
import re
import threading
from typing import BinaryIO, NamedTuple, Protocol

from ros_cloud_bridge.cloud.identity import SampleId
from ros_cloud_bridge.cloud.latched_values import LatchedValues
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.mending import mend, MendError
from ros_cloud_bridge.cloud.recorder import Recorder, TopicTotals
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.topic_names import token

_NAME = re.compile(r'(?P<robot>.+)_\d{8}T\d{6}Z(?:-\d+)?\.mcap')
# A file without samples for a while ends when so many others are open.
_IDLE_S = 600.0
_MANY = 256
_THIN_S = 10.0


class Stored(NamedTuple):
    """
    What is durable now.

    ``samples`` are those written since the last call, ``files`` the unfinished ones with the size
    up to which they are durable, and ``left_out`` are samples that will not be written.
    """

    samples: list[SampleId]
    files: dict[Path, int]
    left_out: list[SampleId]


class Recording(Protocol):
    """Takes samples from one thread; everything else is called from another."""

    def add(self, sample: Sample) -> None:
        """
        Record a sample.

        :param sample: from a consumer or decoder
        :raises OSError: when a file cannot be written
        """

    def flush(self) -> None:
        """
        Hand to the operating system what was recorded, so that it outlives this process.

        :raises OSError: when a file cannot be written
        """

    def sync(self) -> Stored:
        """
        Make durable what was recorded.

        :returns: what that is
        :raises OSError: when a file cannot be written
        """

    def finish(self) -> None:
        """
        Write the ends of files that :meth:`sync` or :meth:`flush` has turned away from.

        :raises OSError: when a file cannot be written
        """

    def close(self, losses: Iterable[RouteLosses] = ()) -> list[TopicTotals]:
        """
        Finish all files.

        :param losses: what the decoder knows was lost
        :returns: what was recorded
        :raises OSError: when a file cannot be written
        """


class SingleFile:
    """
    A recording in one file.

    :param path: of the file
    :param stream: the file, which is not closed
    :param recorder: writes to it
    """

    def __init__(self, path: Path, stream: BinaryIO, recorder: Recorder) -> None:
        self._path = path.absolute()
        self._stream = stream
        self._recorder = recorder
        self.add = recorder.add
        self.flush = recorder.flush

    def sync(self) -> Stored:
        """Make durable what was recorded; see :meth:`Recording.sync`."""
        synced = self._recorder.sync()
        return Stored(synced.samples, {self._path: synced.size}, synced.left_out)

    def finish(self) -> None:
        """Do nothing: there is no other file."""

    def close(self, losses: Iterable[RouteLosses] = ()) -> list[TopicTotals]:
        """Finish the file; see :meth:`Recording.close`."""
        return self._recorder.close(losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """
    When a folder's next file begins, and how much the folder may hold.

    :param seconds: after so long; None for no limit
    :param bytes: once a file is larger, by at most what comes in between two calls of ``sync``
    :param keep_bytes: finished files beyond it go, the oldest first; None keeps all
    """

    seconds: float | None = None
    bytes: int | None = None
    keep_bytes: int | None = None


@dataclass(slots=True, eq=False)
class _Volume:
    robot_id: str
    path: Path
    stream: BinaryIO
    recorder: Recorder
    opened_s: float
    used_s: float
    size: int = 0


class Archive:
    """
    A recording in ``FOLDER/{robot}/{robot}_{UTC start}.mcap``.

    A file is locked while it is written.

    :param folder: is made if it is not there
    :param rotation: when the next file begins
    :param recorder: makes a recorder of a stream
    :param now: monotonic seconds
    :param wall_s: seconds since the Unix epoch, for the names
    :param depth_of: says how many values of a latched topic a new file begins with; 0 for others
    :param on_open: called before a new file gets its first sample, with :meth:`files`
    :raises OSError: when the folder cannot be made
    """

    def __init__(
        self,
        folder: Path,
        rotation: Rotation,
        recorder: Callable[[BinaryIO], Recorder],
        *,
        now: Callable[[], float],
        wall_s: Callable[[], float],
        depth_of: Callable[[Sample], int] = lambda sample: int(sample.latched),
        on_open: Callable[[Callable[[], dict[Path, int]]], None] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.absolute()
        self._rotation = rotation
        self._recorder = recorder
        self._now = now
        self._wall_s = wall_s
        self._depth_of = depth_of
        self._on_open = on_open
        self._latched = LatchedValues()
        self._lock = threading.Lock()
        # Held while a file is opened; whoever calls us may hold what that waits for, so only
        # :meth:`add` waits for it.
        self._opening = threading.Lock()
        self._new: _Volume | None = None
        # Samples without a schema that wait for a file.
        self._carried: list[Sample] = []
        self._volumes: OrderedDict[str, _Volume] = OrderedDict()
        self._leaving: list[_Volume] = []
        self._totals: list[TopicTotals] = []
        self._closed = False
        self._thinned_s = now()

    def add(self, sample: Sample) -> None:
        """Record a sample in its robot's present file; see :meth:`Recording.add`."""
        while not self._place(sample):
            with self._opening:
                self._open(sample.robot_id, sample.receive_time_ns)

    def _place(self, sample: Sample) -> bool:
        """Record a sample if its robot has a file; returns whether that is done with."""
        with self._lock:
            volume = self._volumes.get(sample.robot_id)
            if volume is not None:
                volume.used_s = self._now()
                volume.recorder.add(sample)
                if depth := self._depth_of(sample):
                    self._latched.add(sample, depth)
            return volume is not None or self._closed

    def flush(self) -> None:
        """Flush all files, and turn to the next where that is due; see :meth:`Recording.flush`."""
        for volume in self._turn():
            volume.recorder.flush()
            volume.size = volume.recorder.position

    def sync(self) -> Stored:
        """Sync all files, and turn to the next where that is due; see :meth:`Recording.sync`."""
        samples: list[SampleId] = []
        left_out: list[SampleId] = []
        for volume in self._turn():
            synced = volume.recorder.sync()
            volume.size = synced.size
            samples += synced.samples
            left_out += synced.left_out
        return Stored(samples, self.files(), left_out)

    def finish(self) -> None:
        """Write the ends that are due, and delete what is too much; see the class."""
        with self._lock:
            leaving, self._leaving = self._leaving, []
        for volume in leaving:
            self._end(volume, ())
        if self._rotation.keep_bytes is None:
            return
        # Those that are written grow, too.
        if leaving or self._now() - self._thinned_s >= _THIN_S:
            self._thinned_s = self._now()
            self._thin(self._rotation.keep_bytes)

    def close(self, losses: Iterable[RouteLosses] = ()) -> list[TopicTotals]:
        """Finish all files; see :meth:`Recording.close`."""
        known = list(losses)
        carried, self._carried = self._carried, []
        for sample in carried:
            self.add(sample)
        with self._opening, self._lock:
            self._closed = True
            last = self._unfinished()
            self._leaving.clear()
            self._volumes.clear()
            self._new = None
        for volume in last:
            self._end(volume, (entry for entry in known if entry.robot_id == volume.robot_id))
        return _summed(self._totals)

    def files(self) -> dict[Path, int]:
        """
        Say which files have no end yet.

        :returns: for each, how much of it is durable
        """
        with self._lock:
            return {volume.path: volume.size for volume in self._unfinished()}

    def _unfinished(self) -> list[_Volume]:
        new = [] if self._new is None else [self._new]
        return [*self._leaving, *self._volumes.values(), *new]

    def _open(self, robot_id: str, at_ns: int) -> None:
        """Open a robot's file if it has none; called with ``_opening`` held."""
        with self._lock:
            if self._closed or robot_id in self._volumes:
                return
        name = token(robot_id) if '/' in robot_id or robot_id in ('.', '..') else robot_id
        place = self._folder / name
        place.mkdir(exist_ok=True)
        start = datetime.fromtimestamp(self._wall_s(), timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        for number in itertools.count(1):
            path = place / f'{name}_{start}{f"-{number}" if number > 1 else ""}.mcap'
            try:
                stream = path.open('xb')
                break
            except FileExistsError:
                continue
        fcntl.flock(stream, fcntl.LOCK_EX)
        sync_folder(place)
        sync_folder(self._folder)
        now = self._now()
        volume = _Volume(robot_id, path, stream, self._recorder(stream), now, now)
        volume.size = volume.recorder.sync().size
        with self._lock:
            self._new = volume
        if self._on_open is not None:
            self._on_open(self.files)
        with self._lock:
            volume.recorder.repeat(self._latched.of(robot_id), at_ns)
            self._volumes[robot_id], self._new = volume, None

    def _turn(self) -> list[_Volume]:
        """Turn away from files that are full or old; returns all that have no end yet."""
        with self._lock:
            due = [volume for volume in self._volumes.values() if self._is_due(volume)]
            waiting, self._carried = self._carried, []
            for volume in due:
                del self._volumes[volume.robot_id]
                # Their schema may come yet.
                waiting += volume.recorder.withdraw()
            self._leaving += due
            volumes = [*self._leaving, *self._volumes.values()]
        self._carried = [sample for sample in waiting if not self._place_now(sample)]
        return volumes

    def _place_now(self, sample: Sample) -> bool:
        if self._place(sample):
            return True
        if not self._opening.acquire(blocking=False):
            return False
        try:
            self._open(sample.robot_id, sample.receive_time_ns)
        finally:
            self._opening.release()
        return self._place(sample)

    def _is_due(self, volume: _Volume) -> bool:
        now, rotation = self._now(), self._rotation
        return (
            (rotation.seconds is not None and now - volume.opened_s >= rotation.seconds)
            or (rotation.bytes is not None and volume.size >= rotation.bytes)
            or (len(self._volumes) > _MANY and now - volume.used_s >= _IDLE_S)
        )

    def _end(self, volume: _Volume, losses: Iterable[RouteLosses]) -> None:
        self._totals = _summed([*self._totals, *volume.recorder.close(losses)])
        os.fsync(volume.stream.fileno())
        volume.stream.close()

    def _thin(self, keep_bytes: int) -> None:
        open_now = self.files()
        finished = []
        for path in _recordings(self._folder):
            if path not in open_now:
                finished.append((path.name.rpartition('_')[2], path, path.stat().st_size))
        held = sum(size for _, _, size in finished) + sum(open_now.values())
        for _, path, size in sorted(finished):
            if held <= keep_bytes:
                return
            with _locked(path) as ours:
                if ours:
                    path.unlink(missing_ok=True)
                    held -= size


def mend_folder(folder: Path) -> Iterator[tuple[Path, int | MendError]]:
    """
    Finish the files of an archive whose process was killed, but those that are being written.

    :param folder: of an :class:`Archive`
    :returns: each file that had no end, with its number of messages or why it cannot have one
    """
    for path in sorted(_recordings(folder)):
        with _locked(path) as ours:
            if not ours:
                continue
            try:
                messages = mend(path)
            except MendError as error:
                yield path, error
                continue
        if messages is not None:
            yield path, messages


def sync_folder(path: Path) -> None:
    """
    Make durable which files a folder has.

    :param path: the folder
    :raises OSError: when that is impossible
    """
    # Else a power cut could leave a confirmed sample in a file without a name.
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _recordings(folder: Path) -> Iterator[Path]:
    for path in folder.glob('*/*.mcap'):
        found = _NAME.fullmatch(path.name)
        if found is not None and found['robot'] == path.parent.name:
            yield path


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Lock a file if nobody writes it; gives whether that is so."""
    try:
        stream = path.open('rb')
    except OSError:
        # mend says why, where that matters.
        yield True
        return
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _summed(entries: Iterable[TopicTotals]) -> list[TopicTotals]:
    sums: dict[tuple[str, str, str, str], TopicTotals] = {}
    for entry in entries:
        key = (entry.robot_id, entry.topic, entry.type_name, entry.recorded_as)
        total = sums.setdefault(
            key, replace(entry, samples=0, bytes=0, without_schema=0, unrestored=0)
        )
        total.samples += entry.samples
        total.bytes += entry.bytes
        total.without_schema += entry.without_schema
        total.unrestored += entry.unrestored
    return [sums[key] for key in sorted(sums)]
