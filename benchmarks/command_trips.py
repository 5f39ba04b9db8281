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


"""Round trips of commands: on loopback, and down and up a link that telemetry fills."""

from pathlib import Path
import tempfile
import time
from typing import Any

from children import percentile
from command_rig import Rig, WATCHDOG_S
from link_load import BLOB_TYPE, encode, POSE, POSE_BYTES, POSE_HZ, POSE_TYPE, Topic
from netns import Link, run
from processes import Process

RATE_KBIT = 256.0
TELEOP_HZ = 20.0
KINDS = ('topic', 'service', 'parameter', 'echo')
_OVERLOAD = 4.0
_SCAN, _CAMERA = '/scan', '/camera'
_STREAMS = {
    'pose': {'topics': [POSE], 'priority': 'high', 'max_delay_s': 0.0},
    'scan': {'topics': [_SCAN], 'priority': 'normal', 'max_delay_s': 0.1},
    'camera': {'topics': [_CAMERA], 'priority': 'low', 'max_delay_s': 0.1},
}
_MOVES_S = 20.0
_MARGIN_S = 0.4
_REST_S = 2.0
# So many messages mean that it is driven again.
_AGAIN = 10


def figures(seconds: list[float]) -> dict[str, float | int | None]:
    """
    Sum times up.

    :param seconds: times
    :returns: their number, and percentiles in milliseconds
    """

    def at(share: float) -> float | None:
        value = percentile(seconds, share)
        return None if value is None else value * 1000.0

    return {
        'count': len(seconds),
        'p50_ms': at(0.5),
        'p95_ms': at(0.95),
        'p99_ms': at(0.99),
        'max_ms': max(seconds) * 1000.0 if seconds else None,
    }


def idle(robot_id: str, count: int) -> dict[str, Any]:
    """
    Measure on loopback, with nothing else to do.

    :param robot_id: the robot
    :param count: of round trips of each kind
    :returns: figures by kind
    """
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as name,
        Rig(Path(name), robot_id) as rig,
    ):
        rig.start({'pose': {'topics': [POSE]}})
        rig.operator.ask('rounds', kinds=list(KINDS), count=5, gap_s=0.01)
        resting = _cpu_share(rig)
        began, cpu_s = time.monotonic(), rig.bridge.cpu_s()
        answer = rig.operator.ask('rounds', 300.0, kinds=list(KINDS), count=count, gap_s=0.02)
        cpu_s = rig.bridge.cpu_s() - cpu_s - resting * (time.monotonic() - began)
        local = rig.robot.ask('local', 300.0, count=count, gap_s=0.02)['seconds']
    return {
        'kinds': {
            **{kind: figures(seconds) for kind, seconds in answer['seconds'].items()},
            'rclpy': figures(local),
        },
        'failed': answer['failed'],
        'cpu_ms_per_command': cpu_s * 1000.0 / (3 * count),
    }


def _cpu_share(rig: Rig) -> float:
    began, cpu_s = time.monotonic(), rig.bridge.cpu_s()
    time.sleep(_REST_S)
    return (rig.bridge.cpu_s() - cpu_s) / (time.monotonic() - began)


def over_link(robot_id: str, seconds: float) -> dict[str, Any]:
    """
    Measure on a thin link: first alone, then while telemetry asks for more than it takes.

    :param robot_id: the robot
    :param seconds: of telemetry
    :returns: figures by kind, for both
    """
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as name,
        Link(RATE_KBIT, reverse_kbit=RATE_KBIT) as link,
        Rig(Path(name), robot_id, link) as rig,
    ):
        load = _load(rig)
        rig.start(_STREAMS)
        alone = _phase(rig, link, seconds / 4)
        _flood(load)
        time.sleep(min(4.0, seconds / 2))
        filled = _phase(rig, link, seconds)
        link.shape(10_000.0)
    return {'rate_kbit': RATE_KBIT, 'alone': alone, 'filled': filled}


def teleop(robot_id: str, seconds: float, cuts: int) -> dict[str, Any]:
    """
    Drive over a thin link that telemetry fills, and cut it.

    :param robot_id: the robot
    :param seconds: of driving before the first cut
    :param cuts: how often
    :returns: ages of messages, and how long after the last one the robot was stopped
    """
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as name,
        Link(RATE_KBIT, reverse_kbit=RATE_KBIT) as link,
        Rig(Path(name), robot_id, link) as rig,
    ):
        load = _load(rig)
        rig.start(_STREAMS)
        _flood(load)
        time.sleep(min(4.0, seconds))
        granted = rig.operator.ask('drive', hz=TELEOP_HZ)
        if not granted['driving']:
            raise SystemExit(f'the operator does not get to drive: {granted["reason"]}')
        time.sleep(seconds)
        steady_until = time.monotonic()
        sent = link.sent()
        cut_at = [_cut(rig, link) for _ in range(cuts)]
        link.shape(10_000.0)
        driven = rig.operator.ask('halt')
        time.sleep(0.5)
        twists = rig.robot.ask('twists')['twists']
    sent_at: dict[int, float] = dict(driven['sent'])
    moving = [(at, at - sent_at[int(number)]) for at, number, speed in twists if speed]
    steady = [age for at, age in moving if at < steady_until]
    return {
        'hz': TELEOP_HZ,
        'ages': figures(steady),
        'arrived_share': len(steady) / max(1, sum(at < steady_until for at in sent_at.values())),
        'oldest_ms': max(age for _, age in moving) * 1000.0,
        'stop': figures([_stopped_after(twists, at) for at in cut_at]),
        'unasked_stops': _stops(twists, 0.0, steady_until),
        'watchdog_ms': WATCHDOG_S * 1000.0,
        'refused': driven['refused'],
        'sent_bytes': sent.sent_bytes,
    }


def _load(rig: Rig) -> Process:
    capacity = RATE_KBIT * 1000 / 8
    light = POSE_HZ * POSE_BYTES
    scan = Topic(name=_SCAN, type_name=BLOB_TYPE, hz=5.0, size=round(capacity / 10))
    camera_bytes = _OVERLOAD * capacity - light - scan.bytes_per_s
    camera = Topic(name=_CAMERA, type_name=BLOB_TYPE, hz=2.0, size=round(camera_bytes / 2.0))
    pose = Topic(name=POSE, type_name=POSE_TYPE, hz=POSE_HZ, size=POSE_BYTES)
    return rig.child('robot', 'link_load.py', encode([pose, scan, camera]), str(Path('nowhere')))


def _flood(load: Process) -> None:
    if not load.ask('match')['matched']:
        raise SystemExit('the bridge does not subscribe')
    load.ask('start', names=[POSE, _SCAN, _CAMERA])


def _phase(rig: Rig, link: Link, seconds: float) -> dict[str, Any]:
    kinds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    failed: dict[str, int] = {}
    began, sent = time.monotonic(), link.sent()
    while time.monotonic() - began < seconds:
        answer = rig.operator.ask('rounds', 120.0, kinds=list(KINDS), count=2, gap_s=0.1)
        for kind, taken in answer['seconds'].items():
            kinds[kind] += taken
        for why, count in answer['failed'].items():
            failed[why] = failed.get(why, 0) + count
    taken_s, after = time.monotonic() - began, link.sent()
    carried = after.sent_bytes - sent.sent_bytes
    return {
        'kinds': {kind: figures(taken) for kind, taken in kinds.items()},
        'failed': failed,
        'seconds': taken_s,
        'shaper_share': carried / (RATE_KBIT * 1000 / 8 * taken_s),
    }


def _cut(rig: Rig, link: Link) -> float:
    """Take the link away for longer than the watchdog waits; returns when."""
    at = time.monotonic()
    run('ip', '-n', link.robot, 'link', 'set', link.device, 'down')
    time.sleep(WATCHDOG_S + _MARGIN_S)
    before = rig.robot.ask('twists')['count']
    run('ip', '-n', link.robot, 'link', 'set', link.device, 'up')
    deadline = time.monotonic() + _MOVES_S
    while time.monotonic() < deadline:
        time.sleep(0.1)
        new = rig.robot.ask('twists', since=before)['twists']
        if sum(1 for _, _, speed in new if speed) >= _AGAIN:
            # Not always at the same moment of a period.
            time.sleep(0.013 * (before % 7))
            return at
    raise SystemExit('after a cut the robot does not move any more')


def _stopped_after(twists: list[list[float]], cut_at: float) -> float:
    """Tell the seconds from the last message that moved the robot to the one that stopped it."""
    stop_at = next((at for at, _, speed in twists if at > cut_at and not speed), float('inf'))
    last = max(at for at, _, speed in twists if speed and at < stop_at)
    return stop_at - last


def _stops(twists: list[list[float]], begin: float, end: float) -> int:
    count = 0
    moving = False
    for at, _, speed in twists:
        if begin <= at < end and moving and not speed:
            count += 1
        moving = bool(speed)
    return count
