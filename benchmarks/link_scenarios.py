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

"""What a link does in the course of a run, and what the robot wants to send meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

from link_load import POSE, synthetic, Topic

SCENARIOS = (
    'steps', 'steady', 'open', 'fairness', 'tcp', 'lte', 'satellite', 'recording'
)  # fmt: skip
STEPS_KBIT = (256.0, 64.0, 1000.0, 256.0)
_BASE_KBIT = 256.0
ROBOTS = ('robot-a', 'robot-b')
_JOIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """
    A time of one rate.

    :param begin_with: what to start before it: ``greedy`` (a TCP flow) or ``second`` (a robot)
    :param stalls: offsets and lengths, seconds
    """

    label: str
    rate_kbit: float
    seconds: float
    begin_with: str = ''
    stalls: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """
    What is published, and the streams of the bridge's configuration for it.

    :param topics: names and types, the most important first
    :param published: of a synthetic load: what the publisher makes
    :param recording: or the file that is played
    """

    name: str
    topics: tuple[tuple[str, str], ...]
    parameters: dict[str, Any]
    published: tuple[Topic, ...] = ()
    recording: Path | None = None

    @property
    def demand_bytes_per_s(self) -> float | None:
        """Sum of what is published, CDR; None for a recording."""
        return sum(topic.bytes_per_s for topic in self.published) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    Phases one after the other.

    :param delay_s: one way, by the proxy
    :param proxied: whether the robot reaches the broker through the proxy
    """

    name: str
    phases: tuple[Phase, ...]
    load: Load
    robots: tuple[str, ...] = ROBOTS[:1]
    delay_s: float = 0.0
    jitter_s: float = 0.0
    proxied: bool = False

    @property
    def seconds(self) -> float:
        """How long it takes, without starting and ending."""
        return sum(phase.seconds for phase in self.phases)


def make_load(kbit: float, overload: float) -> Load:
    """
    Make a synthetic load.

    :param kbit: a link's rate
    :param overload: demand as a multiple of it
    :returns: pose, IMU, scan and camera
    """
    topics = synthetic(overload * kbit * 1000 / 8)
    policies = {
        'pose': ('high', 0.0),
        'imu': ('normal', 0.1),
        'scan': ('normal', 0.1),
        'camera': ('low', 0.1),
    }
    streams = {
        name: {
            'topics': [topic.name],
            'keep': 'latest',
            'priority': priority,
            'max_delay_s': max_delay_s,
        }
        for topic, (name, (priority, max_delay_s)) in zip(topics, policies.items(), strict=True)
    }
    return Load(
        name=f'{overload:g} x {kbit:g} kbit/s',
        topics=tuple((topic.name, topic.type_name) for topic in topics),
        parameters={'streams': list(streams), 'stream': streams},
        published=tuple(topics),
    )


def make_recording(path: Path, configurations: Path) -> Load:
    """
    Play a recording, under the example configuration of its name.

    :param path: MCAP file
    :param configurations: folder of the examples
    :returns: the load
    """
    from mcap.reader import make_reader
    import yaml

    configuration = configurations / f'{path.stem}.yaml'
    if not configuration.exists():
        raise SystemExit(f'there is no {configuration.name} in {configurations}')
    parameters = yaml.safe_load(configuration.read_text())['/**']['ros__parameters']
    # A cap set by hand would be what is measured.
    parameters.get('link', {}).pop('max_bytes_per_s', None)
    with path.open('rb') as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    found = {
        channel.topic: summary.schemas[channel.schema_id].name
        for channel in summary.channels.values()
    }
    patterns = [
        pattern
        for name in parameters['streams']
        for pattern in parameters['stream'][name]['topics']
    ]

    def rank(topic: str) -> int:
        hits = [index for index, text in enumerate(patterns) if fnmatchcase(topic, text)]
        return hits[0] if hits else len(patterns)

    ranked = sorted(found.items(), key=lambda item: rank(item[0]))
    # The peers get what the bridge's streams match, and only what has type support here.
    kept = [(t, kind) for t, kind in ranked if rank(t) < len(patterns) and _importable(kind)]
    return Load(name=path.stem, topics=tuple(kept), parameters=parameters, recording=path)


def _importable(type_name: str) -> bool:
    package, _, name = type_name.split('/')
    try:
        return hasattr(import_module(f'{package}.msg'), name)
    except ImportError:
        return False


def steps(seconds: float, overload: float, rates_kbit: Sequence[float]) -> Scenario:
    """
    Change the rate again and again under one load.

    :param seconds: of each phase
    :param overload: demand as a multiple of 256 kbit/s
    :param rates_kbit: the rates
    :returns: the scenario
    """
    phases = [Phase(label=f'{rate:g}k', rate_kbit=rate, seconds=seconds) for rate in rates_kbit]
    return Scenario(name='steps', phases=tuple(phases), load=make_load(_BASE_KBIT, overload))


def steady(seconds: float, kbit: float, overload: float) -> Scenario:
    """
    Keep one rate.

    :param seconds: how long
    :param kbit: the rate
    :param overload: demand as a multiple of it
    :returns: the scenario
    """
    phase = Phase(label=f'{kbit:g}k', rate_kbit=kbit, seconds=seconds)
    name = f'steady-{kbit:g}k-x{overload:g}'
    return Scenario(name=name, phases=(phase,), load=make_load(kbit, overload))


def opened(seconds: float, overload: float, times: int) -> Scenario:
    """
    Open a narrow link wide, some times.

    :param seconds: of each phase
    :param overload: demand as a multiple of the wide link
    :param times: how often
    :returns: the scenario
    """
    narrow, wide = 64.0, 1000.0
    phases = [
        Phase(label=f'{rate:g}k #{turn + 1}', rate_kbit=rate, seconds=seconds)
        for turn in range(times)
        for rate in (narrow, wide)
    ]
    return Scenario(name='open', phases=tuple(phases), load=make_load(wide, overload))


def fairness(seconds: float, kbit: float, overload: float, swapped: bool) -> Scenario:
    """
    Let a second robot come to a link that one has had to itself.

    :param seconds: of the time that both share
    :param kbit: the rate
    :param overload: demand of each as a multiple of it
    :param swapped: which of the two begins
    :returns: the scenario
    """
    robots = ROBOTS[::-1] if swapped else ROBOTS
    phases = (
        Phase(label='alone', rate_kbit=kbit, seconds=min(10.0, seconds)),
        Phase(label='joining', rate_kbit=kbit, seconds=_JOIN_S, begin_with='second'),
        Phase(label='both', rate_kbit=kbit, seconds=seconds),
    )
    name = f'fairness-{robots[0][-1]}-first'
    return Scenario(name=name, phases=phases, load=make_load(kbit, overload), robots=robots)


def beside_tcp(seconds: float, kbit: float, overload: float) -> Scenario:
    """
    Send beside a TCP flow that takes what it gets.

    :param seconds: alone, and again beside it
    :param kbit: the rate
    :param overload: demand as a multiple of it
    :returns: the scenario
    """
    phases = (
        Phase(label='alone', rate_kbit=kbit, seconds=seconds),
        Phase(label='beside TCP', rate_kbit=kbit, seconds=seconds, begin_with='greedy'),
    )
    return Scenario(name='tcp', phases=phases, load=make_load(kbit, overload))


def far(name: str, seconds: float, overload: float) -> Scenario:
    """
    Send over a link with delay, jitter and stalls.

    :param name: ``lte`` or ``satellite``
    :param seconds: how long
    :param overload: demand as a multiple of the rate
    :returns: the scenario
    """
    # Rate, round trip and its jitter, time from stall to stall, length of a stall.
    kbit, round_trip_s, jitter_s, every_s, stall_s = {
        'lte': (1000.0, 0.050, 0.010, 10.0, 0.2),
        'satellite': (256.0, 0.600, 0.050, 10.0, 1.5),
    }[name]
    count = int((seconds - 1) / every_s)
    stalls = tuple((every_s * (index + 1), stall_s) for index in range(count))
    phase = Phase(label=f'{kbit:g}k', rate_kbit=kbit, seconds=seconds, stalls=stalls)
    return Scenario(
        name=name,
        phases=(phase,),
        load=make_load(kbit, overload),
        delay_s=round_trip_s / 2,
        jitter_s=jitter_s / 2,
        proxied=True,
    )


def recorded(seconds: float, kbit: float, path: Path, configurations: Path) -> Scenario:
    """
    Play a recording at its own speed.

    :param seconds: how long; it is played again when it ends before
    :param kbit: the rate
    :param path: MCAP file
    :param configurations: folder of the examples
    :returns: the scenario
    """
    phase = Phase(label=f'{kbit:g}k', rate_kbit=kbit, seconds=seconds)
    load = make_recording(path, configurations)
    return Scenario(name=f'recording-{path.stem}', phases=(phase,), load=load)


def lead_topic(load: Load) -> str:
    """
    Name the topic whose age counts most.

    :param load: of the run
    :returns: the pose, or the first topic of a recording's configuration
    """
    return POSE if load.published else load.topics[0][0]
