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

"""What of durable streams is on a robot's disk, and how the gap in what has come here closes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ros_cloud_bridge.cloud.boot_figures import BootFigures
from ros_cloud_bridge.cloud.health import Spool
from ros_cloud_bridge.cloud.traffic import Rates, Traffic

# What is older than this in a spool is told of also where robots have a line each.
_OLD_S = 60.0
# Of the room that configuration and disk leave; beyond it somebody should look.
_FULL = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogView:
    """
    What of a durable stream is on the robot's disk, and how its gap closes.

    ``samples_per_s`` is how fast it grew between two ``health``, negative where it shrinks and
    None until a second one tells. ``arrived`` samples of the backlog came here, ``arriving`` over
    the last seconds, whose ages say which time they fill in.
    """

    stream: str
    samples: int = 0
    bytes: float = 0.0
    oldest_age_s: float | None = None
    earlier_boots: int = 0
    unconfirmed: int = 0
    samples_per_s: float | None = None
    arrived: int = 0
    arriving: Rates | None = None

    @property
    def closes_in_s(self) -> float | None:
        """When nothing will be left at this pace; None while it does not shrink."""
        if self.samples_per_s is None or self.samples_per_s >= 0.0:
            return None
        return self.samples / -self.samples_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolView:
    """The robot's spool; ``figures`` are those of ``health``, the largest backlog stands first."""

    state: str
    recovered: str
    figures: Mapping[str, float]
    samples_per_s: float | None
    streams: tuple[BacklogView, ...]


def spool_view(boot: BootFigures, arrived: Mapping[str, Traffic], now: float) -> SpoolView | None:
    """
    Put together what is known of a robot's spool.

    :param boot: what its bridge says
    :param arrived: samples of the backlog that came here, by stream
    :param now: monotonic seconds
    :returns: None when nothing is known of one
    """
    told = boot.health.spool
    if told is None and not arrived:
        return None
    spool = Spool() if told is None else told
    backlogs = {
        stream.name: BacklogView(
            stream=stream.name,
            samples=stream.samples,
            bytes=stream.bytes,
            oldest_age_s=stream.oldest_age_s,
            earlier_boots=stream.earlier_boots,
            unconfirmed=stream.unconfirmed,
            samples_per_s=boot.backlog_per_s(stream.name, now),
        )
        for stream in spool.streams
    }
    for name, traffic in arrived.items():
        backlogs[name] = replace(
            backlogs.get(name) or BacklogView(stream=name),
            arrived=traffic.samples,
            arriving=traffic.rates(now),
        )
    return SpoolView(
        state=spool.state,
        recovered=spool.recovered,
        figures=spool.figures,
        samples_per_s=boot.backlog_per_s(None, now),
        streams=tuple(sorted(backlogs.values(), key=lambda view: (-view.samples, view.stream))),
    )


def spool_troubles(spool: Spool | None) -> Iterator[tuple[int, str]]:
    """
    Name what is not as it should be.

    :param spool: as ``health`` has it, or None
    :returns: severities as in :class:`~ros_cloud_bridge.cloud.overview.RobotView`, and words
    """
    if spool is None:
        return
    if spool.state not in ('', 'ok'):
        yield 7 if spool.state == 'failed' else 6, f'spool: {spool.state}'
    room, held = spool.figures.get('max_bytes'), sum(stream.bytes for stream in spool.streams)
    if room and held > _FULL * room:
        yield 5, f'spool: {100 * min(1.0, held / room):.0f} % of its room on the disk is taken'
    if dead_letters := spool.figures.get('dead_letters'):
        yield 3, f'dead letters: {dead_letters:.0f}'
    if spool.recovered:
        yield 3, f'spool: {spool.recovered}'
    for stream in spool.streams:
        if stream.waits_for:
            yield 4, f'{stream.name}: consumer {stream.waits_for} is not there'
    age_s, samples = spool.figures.get('oldest_age_s', 0.0), spool.figures.get('samples')
    if samples and age_s >= _OLD_S:
        yield 2, f'backlog: {samples:.0f} samples, the oldest for {age_s:.0f} s'
