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
What is not as it should be with a robot, in words and by severity.

From 1, which is worth a line, to 9: a robot that was lost.
"""

from collections.abc import Iterable, Iterator, Sequence

from ros_cloud_bridge.cloud.backlogs import spool_troubles
from ros_cloud_bridge.cloud.boot_figures import BootFigures
from ros_cloud_bridge.cloud.captures import Capture
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.robot_view import RouteView, StreamView
from ros_cloud_bridge.command_values import Reason

Trouble = tuple[int, str]

# Beyond it health is called silent; it comes every ten seconds unless configured otherwise.
_SILENT_S = 45.0
# What comes for so long after a robot is said to be gone was not on its way any more.
_ON_ITS_WAY_S = 10.0
_RECONNECTS = 3
_NEWS_S = 600.0
# A clock is called slow only by more than a slow link can explain.
_LATE_S = 2.0
_LATE_ROUND_TRIPS = 4.0
_FAR_OFF_S = 10.0
_NAMED = 3


def find_troubles(
    boot: BootFigures,
    *,
    streams: Sequence[StreamView],
    state: RobotState | None,
    told_s: float,
    doubled: bool,
    captures: Sequence[Capture],
    clock_offset_s: float | None,
    now: float,
) -> list[Trouble]:
    """
    Name what is not as it should be.

    :param boot: what the robot's bridge says of itself
    :param streams: its streams, with what arrives here
    :param state: the robot's presence; None while unknown
    :param told_s: since when, monotonic
    :param doubled: whether two boots take turns
    :param captures: those of its black boxes
    :param clock_offset_s: our clock less the robot's, too large by the least delay
    :param now: monotonic seconds
    :returns: severity and words, the worst first
    """
    found = [(8, 'two bridges have this robot id: their boots take turns')] if doubled else []
    if state is not None and not state.online:
        found.append((9 if state.reason == 'connection_lost' else 1, f'offline: {state.reason}'))
        coming = any(
            route.rates is not None and route.rates.hz > 0.0
            for stream in streams
            for route in stream.routes
        )
        if coming and now - told_s > _ON_ITS_WAY_S:
            found.append((8, 'is said to be offline, yet its samples come'))
        return sorted(found, reverse=True)
    health_age_s = None if boot.health_s is None else now - boot.health_s
    found += _presence(boot, state, health_age_s, now)
    found += _streams(streams, active=state is None or state.reason != 'deactivated')
    found += _reducers(streams)
    found += spool_troubles(boot.health.spool)
    found += _commits(streams, boot)
    found += _commands(boot)
    found += _clock(boot, streams, clock_offset_s)
    found += _captures(captures)
    return sorted(found, reverse=True)


def _presence(
    boot: BootFigures, state: RobotState | None, health_age_s: float | None, now: float
) -> Iterator[Trouble]:
    link = boot.health.link
    if health_age_s is not None and health_age_s > max(_SILENT_S, 3.0 * boot.period_s):
        yield 8, f'no health for {health_age_s:.0f} s'
    if link.exhausted:
        yield 7, 'budget exhausted'
    if state is not None and state.reason == 'deactivated':
        yield 2, 'deactivated'
    if link.limited_by not in ('', 'application'):
        yield 4, f'limited by {link.limited_by}'
    if boot.health.problems:
        yield 3, f'topics not bridged: {len(boot.health.problems)}'
    count, span_s = boot.reconnects(now)
    if count >= _RECONNECTS:
        yield 5, f'reconnected {count} times in {span_s:.0f} s'


def _streams(streams: Sequence[StreamView], active: bool) -> Iterator[Trouble]:
    down = [stream.name for stream in streams if stream.step > 0]
    if down:
        yield 6, f'stepped down: {", ".join(down)}'
    losing = [stream.name for stream in streams if any(route.losing for route in stream.routes)]
    if losing:
        yield 5, f'dropping: {", ".join(losing)}'
    silent = [
        route
        for stream in streams
        # What nobody asked for, or a ladder or a manager has paused, is not expected.
        if active and stream.demand_hz != 0.0 and stream.max_hz != 0.0
        for route in stream.routes
        if route.silence is not None
    ]
    silent.sort(key=lambda route: route.silence.hz if route.silence else 0.0, reverse=True)
    if silent:
        yield 6, f'no samples on the robot: {_named(map(_silence, silent))}'


def _silence(route: RouteView) -> str:
    silence = route.silence
    assert silence is not None
    return f'{route.topic} for {silence.for_s:.0f} s ({silence.hz:.3g} Hz before)'


def _reducers(streams: Sequence[StreamView]) -> Iterator[Trouble]:
    slow, failing = [], []
    for stream in streams:
        for route in stream.routes:
            if (route.dropped_per_s or {}).get('not_reduced', 0.0) > 0.0:
                slow.append(route.topic)
            if route.failed:
                failing.append(f'{route.topic} {route.failed}')
    if slow:
        yield 5, f'the processor is too slow to reduce: {_named(slow)}'
    if failing:
        yield 3, f'reducers failed on samples: {_named(failing)}'


def _commits(streams: Sequence[StreamView], boot: BootFigures) -> Iterator[Trouble]:
    stuck = {
        route.topic: waiting
        for stream in streams
        for route in stream.routes
        if (waiting := boot.uncommitted(route.route))
    }
    if stuck:
        yield 7, f'the disk takes nothing: {sum(stuck.values()):.0f} samples of {_named(stuck)}'


def _commands(boot: BootFigures) -> Iterator[Trouble]:
    commands = boot.health.commands
    if commands is not None and commands.connected is False:
        yield 6, 'takes no commands: not connected'
    if commands is not None and commands.refused.get(Reason.BAD_SIGNATURE):
        yield 3, f'bad signatures: {commands.refused[Reason.BAD_SIGNATURE]}'


def _clock(
    boot: BootFigures, streams: Sequence[StreamView], offset_s: float | None
) -> Iterator[Trouble]:
    ahead_s = max((route.ahead_s for stream in streams for route in stream.routes), default=0.0)
    ahead_s = max(ahead_s, -(offset_s or 0.0))
    if ahead_s > 0.0:
        yield _off(ahead_s), f'its clock is ahead of ours by {ahead_s:.3g} s or more'
    # On a link of which nothing is known a late message says nothing of the clock.
    round_trip_s = boot.health.link.figures.get('rtt_s')
    if offset_s is None or round_trip_s is None:
        return
    if offset_s > max(_LATE_S, _LATE_ROUND_TRIPS * round_trip_s):
        yield (
            _off(offset_s),
            f'its clock is behind ours by about {offset_s:.3g} s, and ages are too high by that',
        )


def _off(seconds: float) -> int:
    return 4 if seconds >= _FAR_OFF_S else 2


def _captures(captures: Sequence[Capture]) -> Iterator[Trouble]:
    for capture in captures:
        if capture.age_s < _NEWS_S:
            what = 'captured' if capture.ended else 'captures'
            yield (
                3,
                f'black box {capture.black_box} {what}: {capture.trigger}, '
                f'{capture.age_s:.0f} s ago',
            )
            return


def _named(names: Iterable[str]) -> str:
    texts = list(names)
    more = f' and {len(texts) - _NAMED} more' if len(texts) > _NAMED else ''
    return ', '.join(texts[:_NAMED]) + more
