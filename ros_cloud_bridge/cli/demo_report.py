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

"""What a demonstration proves, topic by topic: published, accepted, delivered, identical."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.journal import Accepted, digest
from ros_cloud_bridge.values import Drop

_SEQUENCED = {reason.name.lower() for reason in Drop if reason.sequenced}


@dataclass(slots=True)
class TopicFigures:
    """Figures of one topic; ages in seconds from publication to decoding."""

    published: int | None = None
    accepted: int = 0
    delivered: int = 0
    identical: int = 0
    raw_bytes: int = 0
    wire_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    ages_s: list[float] = field(default_factory=list)
    # Where there is a reducer: the bytes that it took in, how it is configured, what may differ.
    reduced_from: int = 0
    reducer: str = ''
    error: str = ''

    @property
    def published_bytes(self) -> int:
        """What the bridge took from ROS for this, bytes."""
        return self.reduced_from or self.raw_bytes

    @property
    def complete(self) -> bool:
        """Whether every accepted sample arrived byte-identical, or was reported as dropped."""
        reported = sum(count for reason, count in self.dropped.items() if reason in _SEQUENCED)
        return self.identical == self.delivered == self.accepted - reported


class Arrivals:
    """Collects what the decoder hands out."""

    def __init__(self) -> None:
        self._digests: dict[tuple[int, int], str] = {}
        self.by_topic: dict[str, TopicFigures] = {}
        self.boot_id = ''

    def add(self, sample: Sample, wall_ns: int) -> None:
        """
        Take in a sample.

        :param sample: decoded sample
        :param wall_ns: now, nanoseconds since the Unix epoch
        """
        self.boot_id = sample.boot_id
        figures = self.by_topic.setdefault(sample.topic, TopicFigures())
        figures.delivered += 1
        figures.raw_bytes += len(sample.cdr)
        figures.ages_s.append((wall_ns - sample.source_time_ns) / 1e9)
        self._digests[sample.route, sample.sequence] = digest(sample.cdr)

    def compare(self, journal: Iterable[Accepted]) -> None:
        """
        Hold the arrivals against what the bridge accepted.

        :param journal: its entries
        """
        for entry in journal:
            figures = self.by_topic.setdefault(entry.topic, TopicFigures())
            figures.accepted += 1
            if self._digests.get((entry.route, entry.sequence)) == entry.digest:
                figures.identical += 1

    def add_health(self, health: Mapping[str, Any]) -> None:
        """
        Take in what the bridge says of its routes.

        :param health: its last ``health`` document
        """
        for route in health['routes']:
            figures = self.by_topic.setdefault(route['topic'], TopicFigures())
            figures.wire_bytes += route['wire_bytes']
            figures.dropped.update(route['dropped'])
            figures.reduced_from += route.get('reducer', {}).get('bytes_in', 0)

    def add_info(self, info: Mapping[str, Any]) -> None:
        """
        Take in what the bridge says of its reducers.

        :param info: its last ``info`` document
        """
        for route in info['routes']:
            if route.get('reducer') and route['topic'] in self.by_topic:
                figures = self.by_topic[route['topic']]
                figures.reducer, figures.error = route['reducer'], route['error']

    def add_published(self, counts: Mapping[str, int]) -> None:
        """
        Take in what the robot says that it published.

        :param counts: messages by topic
        """
        for topic, count in counts.items():
            self.by_topic.setdefault(topic, TopicFigures()).published = count


def table(figures: Mapping[str, TopicFigures]) -> str:
    """
    Lay the figures out.

    :param figures: by topic
    :returns: a table, a line per topic and one for the sums
    """
    head = (
        'topic', 'published', 'accepted', 'delivered', 'identical', 'raw kB', 'reduced', 'wire kB',
        'ratio', 'age p50', 'p95 ms', 'dropped',
    )  # fmt: skip
    rows: list[Sequence[str]] = [head]
    shown: list[TopicFigures] = []
    total = TopicFigures()
    for topic, entry in sorted(figures.items()):
        if not entry.accepted and not entry.published:
            continue
        shown.append(entry)
        rows.append(_row(topic, entry))
        total.accepted += entry.accepted
        total.delivered += entry.delivered
        total.identical += entry.identical
        total.raw_bytes += entry.raw_bytes
        total.wire_bytes += entry.wire_bytes
        total.ages_s += entry.ages_s
        total.dropped.update(entry.dropped)
    if any(entry.reduced_from for entry in shown):
        total.reduced_from = sum(entry.published_bytes for entry in shown)
    published = [entry.published for entry in shown if entry.published is not None]
    # A sum that leaves topics out would look like a loss, or hide one.
    total.published = sum(published) if len(published) == len(shown) else None
    rows.append(_row('all', total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append('  '.join([*cells, row[-1]]).rstrip())
    lines.insert(1, '-' * max(map(len, lines)))
    lines.insert(-1, lines[1])
    return '\n'.join(lines)


def notes(figures: Mapping[str, TopicFigures]) -> str:
    """
    Explain what may surprise in the table.

    :param figures: by topic
    :returns: lines, each with its end; maybe none
    """
    said = ''
    reduced = {topic: entry for topic, entry in sorted(figures.items()) if entry.reducer}
    if reduced:
        said += (
            'Reduced before acceptance; accepted, delivered and identical speak of what came out '
            'of the reducers:\n'
        )
    for topic, entry in reduced.items():
        said += f'  {topic}: {entry.reducer}\n    {entry.error}\n'
    if any(entry.published_bytes < entry.wire_bytes for entry in figures.values()):
        said += (
            'A ratio below 1: every batch has an envelope, and small samples at a low rate travel '
            'almost alone.\n'
        )
    return said


def _row(topic: str, entry: TopicFigures) -> Sequence[str]:
    ages = sorted(entry.ages_s)
    dropped = ', '.join(f'{count} {reason}' for reason, count in sorted(entry.dropped.items()))
    return (
        topic,
        '-' if entry.published is None else str(entry.published),
        str(entry.accepted),
        str(entry.delivered),
        str(entry.identical),
        f'{entry.published_bytes / 1000:.1f}',
        f'{entry.raw_bytes / 1000:.1f}' if entry.reduced_from else '-',
        f'{entry.wire_bytes / 1000:.1f}',
        f'{entry.published_bytes / entry.wire_bytes:.1f}' if entry.wire_bytes else '-',
        _milliseconds(ages, 0.5),
        _milliseconds(ages, 0.95),
        dropped or '-',
    )


def _milliseconds(ages: Sequence[float], quantile: float) -> str:
    if not ages:
        return '-'
    return f'{1000 * ages[min(len(ages) - 1, int(quantile * len(ages)))]:.1f}'
