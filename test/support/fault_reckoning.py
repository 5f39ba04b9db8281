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
The exact reckoning after a fault: what was committed, and where each single sample is.

Three witnesses that know nothing of each other: the publisher's own count, the spool's file as it
lies on the disk, and what the consumer wrote down.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
import shutil
import sqlite3
import tempfile
from typing import Any

from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import LEDGER
from ros_cloud_bridge.store.rows import decode_ranges
from ros_cloud_bridge.values import Drop

from .fault_publisher import Load, make_text, text_digest

# (boot id, hexadecimal; route)
Place = tuple[str, int]


@dataclass(slots=True)
class LaneBook:
    """All that was ever seen of one lane."""

    stream: str = ''
    committed: int = 0
    spooled: Ranges = field(default_factory=Ranges)
    gaps: dict[int, Ranges] = field(default_factory=dict)
    arrived: Ranges = field(default_factory=Ranges)

    def gap(self, reason: int, first: int, last: int) -> None:
        """
        Note numbers that will never come.

        :param reason: as in :class:`Drop`
        :param first: from here on
        :param last: up to here
        """
        self.gaps.setdefault(reason, Ranges()).add(first, last)

    def unaccounted(self) -> Ranges:
        """
        Find what was committed and is nowhere.

        :returns: sequence numbers
        """
        left = Ranges([(1, self.committed)] if self.committed else ())
        for known in (self.arrived, self.spooled, *self.gaps.values()):
            for first, last in known:
                left.remove(first, last)
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """
    One scenario's row; all counts are samples.

    ``received`` and ``accepted`` are what the bridges last said of themselves: one that was killed
    may have had more. ``arrived`` are different samples in the consumer's file; ``extra`` of them
    were never committed (sent out of memory while the disk failed). ``unbalanced`` is what the
    spool's own ledger misses: committed - delivered - expired - refused - spool_full - damaged -
    spooled. ``twice`` are duplicates beyond the decoder, ``disorder`` samples that came before an
    earlier one of their route, ``corrupt`` those whose content was not what was published, or
    that arrived under two identities. ``incomplete`` are lanes that the consumer cannot prove
    complete though nothing is spooled any more.
    """

    published: int
    received: int
    accepted: int
    committed: int
    arrived: int
    extra: int
    delivered: int
    expired: int
    refused: int
    spool_full: int
    damaged: int
    not_committed: int
    spooled: int
    unbalanced: int
    unaccounted: int
    twice: int
    disorder: int
    corrupt: int
    incomplete: int

    @property
    def sound(self) -> bool:
        """Whether nothing is lost without a word, doubled, disordered or changed."""
        return not (
            self.unaccounted
            or self.unbalanced
            or self.twice
            or self.disorder
            or self.corrupt
            or self.incomplete
        )

    def as_json(self) -> dict[str, Any]:
        """
        Give the figures.

        :returns: by name
        """
        return {
            **asdict(self),
            'published_minus_committed': self.published - self.committed,
            'sound': self.sound,
        }


class Book:
    """
    Keeps what the witnesses have said so far.

    :param seed: of the publishers' texts
    """

    def __init__(self, seed: int) -> None:
        self.lanes: dict[Place, LaneBook] = {}
        # Whether several bridges bridge the same samples, each under identities of its own.
        self.shared = False
        # Whether the consumer asked for order.
        self.ordered = True
        # Refused samples that the newest spool holds apart.
        self.dead_letters = 0
        self._ledgers: dict[Path, Counter[str]] = {}
        self._places: dict[Path, set[Place]] = {}
        self.twice = 0
        self.disorder = 0
        self.corrupt = 0
        # What was found wrong, in words.
        self.findings: list[str] = []
        self._seed = seed
        self._loads: dict[tuple[str, str], Load] = {}
        self._identities: dict[tuple[str, str], dict[int, tuple[str, int, int]]] = {}
        self._newest: dict[tuple[str, str, int], int] = {}
        self._read_to = 0

    def expect(self, name: str, loads: Sequence[Load]) -> None:
        """
        Learn what a publisher publishes.

        :param name: the publisher's
        :param loads: its topics
        """
        for load in loads:
            self._loads[(name, load.topic)] = load

    def lane(self, place: Place) -> LaneBook:
        """
        Give what is known of a lane.

        :param place: which
        :returns: its book, made when new
        """
        return self.lanes.setdefault(place, LaneBook())

    def read_spool(self, path: Path) -> None:
        """
        Read the spool's file as it lies there; its bridge must not be running.

        :param path: the file
        """
        with tempfile.TemporaryDirectory() as folder:
            # A copy: reading a file whose writer was killed would tidy up behind it.
            for suffix in ('', '-wal'):
                beside = path.with_name(path.name + suffix)
                if beside.exists():
                    shutil.copy(beside, Path(folder) / beside.name)
            with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
                self._read_ledger(path, connection)
                self._read_lanes(path, connection)

    @property
    def ledger(self) -> Counter[str]:
        """What the spools' own ledgers say, together."""
        return sum(self._ledgers.values(), Counter())

    @property
    def spooled(self) -> int:
        """How many samples are in the spools."""
        return sum(lane.spooled.total for lane in self.lanes.values())

    def _read_ledger(self, path: Path, connection: sqlite3.Connection) -> None:
        ledger = self._ledgers[path] = Counter()
        for values in connection.execute(f'SELECT {", ".join(LEDGER)} FROM ledger'):
            ledger.update(dict(zip(LEDGER, values, strict=True)))
        ((dead,),) = connection.execute('SELECT coalesce(sum(last - first + 1), 0) FROM dead')
        self.dead_letters = dead

    def _read_lanes(self, path: Path, connection: sqlite3.Connection) -> None:
        seen = self._places.setdefault(path, set())
        for place in seen:
            self.lanes[place].spooled.clear()
        places: dict[int, LaneBook] = {}
        query = 'SELECT key, boot, route, stream, high FROM lanes JOIN ledger ON lane = key'
        for key, boot, route, stream, high in connection.execute(query):
            seen.add((boot.hex(), route))
            lane = places[key] = self.lane((boot.hex(), route))
            lane.stream = stream
            if high < lane.committed:
                self._wrong(f'{boot.hex()}/{route}: {lane.committed} committed, then only {high}')
            lane.committed = max(lane.committed, high)
        for key, first, last, settled in connection.execute(
            'SELECT lane, first, last, settled FROM rows'
        ):
            ranges = places[key].spooled
            ranges.add(first, last)
            for gone in decode_ranges(settled):
                ranges.remove(*gone)
        for key, first, last, reason in connection.execute(
            'SELECT lane, first, last, reason FROM gaps'
        ):
            places[key].gap(reason, first, last)

    def read_sink(self, path: Path) -> None:
        """
        Read what the consumer has written since the last time.

        :param path: its file; a line that is not ended is left for later
        """
        if not path.exists():
            return
        with path.open('rb') as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b'\n') + 1]
        self._read_to += len(whole)
        for line in whole.decode().splitlines():
            self._arrive(line.split(' '))

    def _arrive(self, words: list[str]) -> None:
        life, boot, route, sequence, topic, name, number, digest, *_ = words
        place, at = (boot, int(route)), int(sequence)
        if not self.lane(place).arrived.add(at, at):
            self.twice += 1
            self._wrong(f'{boot}/{route}/{sequence} came twice, in life {life}')
            return
        order = (life, *place)
        if self.ordered and self._newest.get(order, 0) > at:
            self.disorder += 1
            self._wrong(f'{boot}/{route}/{sequence} came behind {self._newest[order]}')
        self._newest[order] = max(at, self._newest.get(order, 0))
        load = self._loads.get((name, topic))
        text = '' if load is None else make_text(self._seed, name, load, int(number))
        if load is None or text_digest(text.encode()) != digest:
            self._change(f'{boot}/{route}/{sequence} holds what was not published on {topic}')
            return
        if self.shared:
            return
        identities = self._identities.setdefault((name, topic), {})
        before = identities.setdefault(int(number), (*place, at))
        if before != (*place, at):
            self._change(f'{name}:{number} of {topic} is {before} and {(*place, at)}')

    def hear(self, losses: Sequence[Mapping[str, Any]]) -> int:
        """
        Take in what the consumer's ledger says in the end.

        :param losses: its entries with boot, route, committed, closed, gaps and complete
        :returns: of how many lanes with nothing spooled it cannot prove that it has everything
        """
        proven = set()
        for entry in losses:
            place = (entry['boot'], entry['route'])
            if place in self.lanes:
                for reason, first, last in entry['gaps']:
                    self.lanes[place].gap(reason, first, last)
            if entry['complete']:
                proven.add(place)
        lacking = [place for place in self.settled_lanes() if place not in proven]
        for place in lacking:
            told = [entry for entry in losses if (entry['boot'], entry['route']) == place]
            self._wrong(f'{place} is not proven: {self.lanes[place].committed}, {told}')
        return len(lacking)

    def settled_lanes(self) -> list[Place]:
        """
        List the lanes of which nothing is spooled any more.

        :returns: places
        """
        return [place for place, lane in self.lanes.items() if lane.committed and not lane.spooled]

    def lost(self) -> str:
        """
        Say what is nowhere by now.

        :returns: in words, empty when nothing is
        """
        lost = {place: lane.unaccounted() for place, lane in self.lanes.items()}
        return ', '.join(f'{place}: {ranges}' for place, ranges in lost.items() if ranges)

    def lost_samples(self) -> int:
        """
        Count what is nowhere by now.

        :returns: samples
        """
        return sum(lane.unaccounted().total for lane in self.lanes.values())

    def reckon(
        self, *, published: int, received: int, accepted: int, incomplete: int = 0
    ) -> Reckoning:
        """
        Sum up.

        :param published: the publishers' count
        :param received: what the bridges say
        :param accepted: what the bridges say
        :param incomplete: what :meth:`hear` said
        :returns: the row
        """
        ledger, spooled = self.ledger, self.spooled
        ended = sum(ledger[name] for name in LEDGER[1:])
        lost = {place: lane.unaccounted() for place, lane in self.lanes.items()}
        for place, ranges in lost.items():
            if ranges:
                self._wrong(f'{place} ({self.lanes[place].stream}): nowhere are {ranges}')
        arrived = sum(lane.arrived.total for lane in self.lanes.values())
        extra = sum(
            lane.arrived.total - (lane.arrived.count(1, lane.committed) if lane.committed else 0)
            for lane in self.lanes.values()
        )
        not_committed = sum(
            ranges.total
            for lane in self.lanes.values()
            for reason, ranges in lane.gaps.items()
            if reason == Drop.NOT_COMMITTED
        )
        return Reckoning(
            published=published,
            received=received,
            accepted=max(accepted, ledger['committed']),
            arrived=arrived,
            extra=extra,
            not_committed=not_committed,
            spooled=spooled,
            unbalanced=ledger['committed'] - ended - spooled,
            unaccounted=sum(ranges.total for ranges in lost.values()),
            twice=self.twice,
            disorder=self.disorder,
            corrupt=self.corrupt,
            incomplete=incomplete,
            **{name: ledger[name] for name in LEDGER},
        )

    def _change(self, text: str) -> None:
        self.corrupt += 1
        self._wrong(text)

    def _wrong(self, text: str) -> None:
        if len(self.findings) < 100:
            self.findings.append(text)
