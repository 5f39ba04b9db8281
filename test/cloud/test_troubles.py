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

"""What ``top`` calls a trouble: each with its number, and none where all is well."""

from collections.abc import Mapping
import json
from typing import Any

import pytest

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags: install the extra cloud')

from ros_cloud_bridge.cloud.overview import Overview  # noqa: E402
from support.overviews import BOOT, EPOCH_NS, only, OTHER_BOOT, Robot  # noqa: E402

TEXT = 'std_msgs/msg/String'
LINK = {'connected': True, 'limited_by': 'application', 'rtt_s': 0.05}


@pytest.fixture
def overview() -> Overview:
    return Overview()


@pytest.fixture
def robot(overview: Overview) -> Robot:
    robot = Robot(overview)
    robot.state(0.0, True, 'birth')
    return robot


def troubles(overview: Overview, now: float) -> tuple[str, ...]:
    return only(overview, now).troubles


def inflow(robot: Robot, now: float, received: Mapping[str, int], **keys: Any) -> None:
    """Have the robot tell what its bridge got so far, by topic."""
    routes = [
        {'route': number, 'stream': 'all', 'topic': topic, 'received': count}
        for number, (topic, count) in enumerate(received.items(), 1)
    ]
    robot.health(now, 100.0 + now, routes=routes, **keys)


def test_a_topic_that_stopped_is_named_and_one_that_comes_rarely_is_not(
    overview: Overview, robot: Robot
) -> None:
    for turn in range(5):
        odom, scan, map_ = 1000 + 100 * turn, 1000 + 100 * min(turn, 2), 1
        inflow(robot, 10.0 * turn, {'/odom': odom, '/scan': scan, '/map': map_})
        wanted = () if turn < 3 else (f'no samples on the robot: /scan for {10 * (turn - 2)} s',)
        found = troubles(overview, 10.0 * turn)
        assert tuple(text.partition(' (')[0] for text in found) == wanted
    assert found[0].endswith('(10 Hz before)')
    inflow(robot, 50.0, {'/odom': 1500, '/scan': 1201, '/map': 1})
    assert troubles(overview, 50.0) == ()


def test_a_topic_that_pauses_again_and_again_is_left_alone_once_that_is_known(
    overview: Overview, robot: Robot
) -> None:
    received = 1000
    pauses = []
    for turn in range(16):
        received += 400 * (turn % 4 == 0)
        inflow(robot, 10.0 * turn, {'/burst': received})
        pauses.append(troubles(overview, 10.0 * turn) != ())
    # Three tellings without any, in each of four rounds.
    assert any(pauses[:4]) and not any(pauses[4:])


@pytest.mark.parametrize(
    ('stream', 'reason'),
    [({'demand_hz': 0}, 'birth'), ({'max_hz': 0}, 'birth'), ({}, 'deactivated')],
)
def test_what_nobody_wants_or_a_manager_has_paused_is_no_silence(
    overview: Overview, robot: Robot, stream: dict[str, Any], reason: str
) -> None:
    robot.state(1.0, True, reason)
    for turn in range(3):
        inflow(robot, 10.0 * turn, {'/odom': 1000}, streams=[{'stream': 'all', **stream}])
    assert not any('no samples' in text for text in troubles(overview, 20.0))
    robot.state(21.0, True, 'birth')
    inflow(robot, 30.0, {'/odom': 1000}, streams=[{'stream': 'all'}])
    assert any('/odom for 30 s' in text for text in troubles(overview, 30.0))


def test_a_clock_that_is_behind_is_told_apart_from_a_slow_link(
    overview: Overview, robot: Robot
) -> None:
    robot.health(1.0, 1.0, link=LINK)
    robot.send(1.0, [0.1], clock_s=-3.25)
    assert troubles(overview, 1.5) == (
        'its clock is behind ours by about 3.25 s, and ages are too high by that',
    )
    assert only(overview, 1.5).clock_offset_s == pytest.approx(3.25)
    # A link on which a round trip takes a second may well have messages that are as late.
    robot.health(2.0, 2.0, link={**LINK, 'rtt_s': 1.0})
    assert troubles(overview, 2.0) == ()
    # The document itself is never large, so it is never late for its size.
    robot.health(3.0, 3.0, link=LINK, time_ns=EPOCH_NS + 2_900_000_000)
    assert troubles(overview, 3.0) == ()


def test_a_clock_that_is_far_off_weighs_more(overview: Overview, robot: Robot) -> None:
    robot.health(1.0, 1.0, link=LINK, time_ns=EPOCH_NS + 1_000_000_000 - 86_400_000_000_000)
    (text,) = troubles(overview, 1.0)
    assert text.startswith('its clock is behind ours by about 8.64e+04 s')
    assert only(overview, 1.0).severity == 4
    robot.health(2.0, 2.0, link=LINK, time_ns=EPOCH_NS + 32_000_000_000)
    assert troubles(overview, 2.0) == ('its clock is ahead of ours by 30 s or more',)


def test_two_bridges_with_one_robot_id(overview: Overview, robot: Robot) -> None:
    for now, boot in enumerate((BOOT, OTHER_BOOT, BOOT, OTHER_BOOT)):
        robot.state(float(now), True, 'birth', boot_id=boot)
        said = 'two bridges have this robot id: their boots take turns'
        assert (said in troubles(overview, now + 0.5)) == (now == 3)
    assert said not in troubles(overview, 700.0)


def test_restarts_are_no_second_bridge(overview: Overview, robot: Robot) -> None:
    for number in range(50):
        robot.state(float(number), True, 'birth', boot_id=f'{number:016x}')
    assert troubles(overview, 50.0) == ()
    assert only(overview, 50.0).restarts == 50


def test_a_robot_that_is_said_to_be_offline_and_is_not(overview: Overview, robot: Robot) -> None:
    robot.state(1.0, False, 'connection_lost')
    robot.send(2.0, [0.1])
    assert troubles(overview, 2.0) == ('offline: connection_lost',)
    robot.send(12.0, [0.1])
    assert troubles(overview, 12.0) == (
        'offline: connection_lost',
        'is said to be offline, yet its samples come',
    )


def test_a_link_that_comes_and_goes(overview: Overview, robot: Robot) -> None:
    for turn, connection in enumerate((7, 7, 8, 10)):
        robot.health(10.0 * turn, 10.0 * turn, link={**LINK, 'connection': connection})
        wanted = ('reconnected 3 times in 30 s',) if turn == 3 else ()
        assert troubles(overview, 10.0 * turn) == wanted
    assert troubles(overview, 331.0) == ('no health for 301 s',)


def test_reducers_that_are_too_slow_or_fail(overview: Overview, robot: Robot) -> None:
    route = {'route': 1, 'stream': 'lidar', 'topic': '/points'}
    robot.health(0.0, 10.0, routes=[route])
    robot.health(10.0, 20.0, routes=[{**route, 'dropped': {'not_reduced': 5}}])
    assert troubles(overview, 10.0) == ('the processor is too slow to reduce: /points',)
    robot.health(20.0, 30.0, routes=[{**route, 'reducer': {'failed': 3}}])
    assert troubles(overview, 20.0) == ('reducers failed on samples: /points 3',)


def test_a_disk_that_takes_nothing_or_is_nearly_full(overview: Overview, robot: Robot) -> None:
    route = {'route': 1, 'stream': 'events', 'topic': '/alarms'}
    held = {'stream': 'events', 'samples': 9, 'bytes': 760}
    spool = {'state': 'ok', 'max_bytes': 1000, 'streams': [held]}
    robot.health(0.0, 10.0, routes=[{**route, 'committed': 5, 'not_yet_committed': 2}])
    robot.health(10.0, 20.0, routes=[{**route, 'committed': 9, 'not_yet_committed': 4}])
    assert troubles(overview, 10.0) == ()
    robot.health(20.0, 30.0, routes=[{**route, 'committed': 9, 'not_yet_committed': 9}])
    assert troubles(overview, 20.0) == ('the disk takes nothing: 4 samples of /alarms',)
    robot.health(30.0, 40.0, routes=[{**route, 'committed': 18}], spool=spool)
    assert troubles(overview, 30.0) == ('spool: 76 % of its room on the disk is taken',)


def capture(event: str, **keys: Any) -> bytes:
    """Serialize a String with what a black box tells."""
    text = json.dumps({'event': event, 'black_box': 'crash', 'span': 'crash-1', **keys})
    data = text.encode() + b'\0'
    return b'\0\1\0\0' + len(data).to_bytes(4, 'little') + data


def tell(robot: Robot, now: float, cdr: bytes) -> None:
    topic = '/black_box/crash/events'
    text = {'type_name': TEXT, 'schema_id': wire_robot.schema_of(TEXT).id}
    robot.send(now, [0.0], topic=topic, cdr=cdr, backlog=True, **text)


def test_what_a_black_box_captured(overview: Overview, robot: Robot) -> None:
    at = EPOCH_NS - 3_000_000_000
    tell(robot, 1.0, capture('triggered', trigger='/odom: x > 1', time_ns=at))
    assert troubles(overview, 2.0) == ('black box crash captures: /odom: x > 1, 5 s ago',)
    ended = {'triggers': [{'trigger': '/odom: x > 1', 'time_ns': at}], 'to_ns': at + 9}
    tell(robot, 11.0, capture('ended', samples=40, bytes=900, complete=True, **ended))
    assert troubles(overview, 12.0) == ('black box crash captured: /odom: x > 1, 15 s ago',)
    (found,) = only(overview, 12.0).captures
    assert (found.samples, found.bytes, found.complete, found.ended) == (40, 900, True, True)
    # What comes late by the backlog does not open it again.
    tell(robot, 13.0, capture('triggered', trigger='/odom: x > 1', time_ns=at))
    assert only(overview, 13.0).captures[0].ended
    assert troubles(overview, 700.0) == ()
    assert len(only(overview, 700.0).captures) == 1


@pytest.mark.parametrize(
    'cdr',
    [
        b'',
        b'\0\1\0\0\xff\xff\xff\xff',
        capture('triggered')[:20],
        capture('vanished'),
        capture('ended', span=['x']),
        capture('ended', span='y', triggers=[5], samples=-1, bytes=1e400, complete='yes'),
        b'\0\1\0\0' + (5001).to_bytes(4, 'little') + b'[' * 5000 + b'\0',
    ],
)
def test_hostile_captures_do_no_harm(overview: Overview, robot: Robot, cdr: bytes) -> None:
    tell(robot, 1.0, cdr)
    for found in only(overview, 1.0).captures:
        assert (found.samples, found.bytes, found.complete) == (None, None, None)
    for number in range(100):
        tell(robot, 2.0, capture('triggered', span=f'crash-{number}', time_ns=EPOCH_NS))
    assert len(only(overview, 2.0).captures) == 32
