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

"""What of a robot's samples is painted and sent for dashboards, with an invented clock."""

from dataclasses import replace
import json

import pytest

pytest.importorskip('rosbags', reason='rosbags: install the extra cloud')

from ros_cloud_bridge.core.route import Route  # noqa: E402
from ros_cloud_bridge.uplink.screens import Screens  # noqa: E402
from ros_cloud_bridge.values import Received, StreamConfig  # noqa: E402
from ros_cloud_bridge.wire.schema import Schema  # noqa: E402
from ros_cloud_bridge.wire.topics import RobotTopics  # noqa: E402
from support.dashboard_messages import cdr, message  # noqa: E402
from support.random_messages import definition  # noqa: E402
from support.sensor_messages import COMPRESSED, compressed  # noqa: E402

FLOAT = 'std_msgs/msg/Float32'
HASH = 'RIHS01_' + 'a' * 64
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
STREAM = StreamConfig(name='s', topics=('/t',), dashboard_hz=1.0)


def open_route(
    screens: Screens, type_name: str = FLOAT, number: int = 1, stream: StreamConfig = STREAM
) -> Route:
    route = Route(number, stream, '/t', type_name)
    schema = Schema(
        type_name=type_name, definition=definition(type_name), rihs01='RIHS01_' + 'a' * 64
    )
    screens.show(route, schema)
    return route


def offer(route: Route, *cdrs: bytes, now: float) -> None:
    route.accept([Received(raw, 0, 0) for raw in cdrs], now)


def values(*numbers: float) -> list[bytes]:
    return [cdr(FLOAT, data=number) for number in numbers]


def sent(screens: Screens, now: float, most: int = 10**6) -> list[object]:
    while (painting := screens.painting(now)) is not None:
        painting.paint()
        screens.painted(painting, now)
    found = []
    while screens.waits(now):
        made = screens.take(now, most)
        if made is not None:
            found.append(made)
    return [json.loads(made.payload).get('data', made.topic) for made in found]


def test_the_newest_of_a_period() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens)
    offer(route, *values(1.0, 2.0), now=100.0)
    assert sent(screens, 100.0) == [2.0]
    offer(route, *values(3.0), now=100.2)
    offer(route, *values(4.0), now=100.9)
    assert sent(screens, 100.9) == []
    assert screens.next_due() == 101.0
    assert sent(screens, 101.0) == [4.0]
    assert screens.next_due() is None
    assert route.screen is not None
    assert route.screen.document() == {'sent': 2, 'bytes': 38, 'failed': 0, 'too_large': 0}


def test_what_has_waited_for_the_link_is_not_shown() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens)
    offer(route, *values(1.0), now=0.0)
    assert sent(screens, 10.1) == []
    offer(route, *values(2.0), now=20.0)
    painting = screens.painting(20.0)
    assert painting is not None
    painting.paint()
    screens.painted(painting, 20.0)
    # Nor what was painted in time, and could not be sent.
    assert sent(screens, 30.1) == []
    offer(route, *values(3.0), now=32.0)
    assert sent(screens, 32.0) == [3.0]


def test_each_status_is_shown_though_they_come_one_by_one() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens, DIAGNOSTICS)
    statuses = [message('diagnostic_msgs/msg/DiagnosticStatus', name=name) for name in 'abab']
    offer(route, *(cdr(DIAGNOSTICS, status=[status]) for status in statuses), now=1.0)
    assert sent(screens, 1.0) == ['rcb/v1/r/d/s/t/a', 'rcb/v1/r/d/s/t/b']
    offer(route, cdr(DIAGNOSTICS, status=statuses), now=1.5)
    assert sent(screens, 1.9) == []
    assert sent(screens, 2.0) == ['rcb/v1/r/d/s/t/a', 'rcb/v1/r/d/s/t/b']


def test_a_message_that_does_not_fit_its_type_stops_nothing() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens)
    offer(route, b'\0\1\0\0', now=1.0)
    painting = screens.painting(1.0)
    assert painting is not None
    painting.paint()
    screens.painted(painting, 1.0)
    assert 'ends within a field' in painting.problem
    offer(route, *values(1.0), now=2.0)
    assert sent(screens, 2.0) == [1.0]
    assert route.screen is not None
    assert route.screen.document()['failed'] == 1


def test_what_holds_the_link_for_too_long_is_given_up() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens, COMPRESSED)
    offer(route, compressed(b'\xff\xd8\xff' + bytes(5000)), now=1.0)
    assert sent(screens, 1.0, most=4096) == ['rcb/v1/r/d/s/t']
    assert route.screen is not None
    assert route.screen.document()['too_large'] == 1


def test_a_stream_without_dashboards_has_none() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens, stream=StreamConfig(name='s', topics=('/t',)))
    assert route.screen is None
    assert not route.dashboard_problem
    route = open_route(
        screens,
        stream=StreamConfig(name='s', topics=('/t',), dashboard_hz=1.0, dashboard_fields=('no',)),
    )
    assert route.screen is None
    assert route.dashboard_problem == 'std_msgs/msg/Float32 has no field of no'


def test_the_rate_changes_while_it_runs() -> None:
    screens = Screens(RobotTopics('rcb/v1', 'r'))
    route = open_route(screens, stream=replace(STREAM, dashboard_hz=0.0))
    assert route.screen is None
    route.stream = replace(STREAM, dashboard_hz=0.001)
    screens.configure(100.0)
    offer(route, *values(1.0), now=100.0)
    assert sent(screens, 100.0) == [1.0]
    offer(route, *values(2.0), now=100.5)
    assert sent(screens, 100.5) == []
    # At once, and not after the thousand seconds of the old rate.
    route.stream = replace(STREAM, dashboard_hz=2.0)
    screens.configure(101.0)
    assert sent(screens, 101.0) == [2.0]
    offer(route, *values(3.0), now=101.0)
    assert sent(screens, 101.4) == []
    assert sent(screens, 101.5) == [3.0]
    # Off: not what waits either, nor what is being painted.
    offer(route, *values(4.0), now=102.0)
    painting = screens.painting(102.0)
    assert painting is not None
    painting.paint()
    offer(route, *values(5.0), now=102.1)
    route.stream = replace(STREAM, dashboard_hz=0.0)
    screens.configure(102.2)
    screens.painted(painting, 102.2)
    offer(route, *values(6.0), now=102.3)
    assert sent(screens, 104.0) == []
    assert screens.next_due() is None
    route.stream = STREAM
    screens.configure(105.0)
    offer(route, *values(7.0), now=105.0)
    assert sent(screens, 105.0) == [7.0]
