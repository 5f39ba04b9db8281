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

"""Two channels of one topic, and commands to the bridge that come too late."""

from collections.abc import Iterator
import threading

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')

from ros_cloud_bridge.command.clock import now_s  # noqa: E402
from ros_cloud_bridge.command_values import State  # noqa: E402
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended, Progress  # noqa: E402
from ros_cloud_bridge.ros.commands.actuators import shared_topics  # noqa: E402
from ros_cloud_bridge.ros.commands.controls import BridgeControls  # noqa: E402
from ros_cloud_bridge.values import ChannelConfig, ChannelKind, Lease  # noqa: E402
from support.graph import Graph  # noqa: E402

CHANNEL = ChannelConfig(name='bridge', kind=ChannelKind.BRIDGE)


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph('steering')
    yield graph
    graph.close()


def topic(name: str, ros_name: str, *, lease: bool) -> ChannelConfig:
    """Make a channel of a topic."""
    return ChannelConfig(
        name=name,
        kind=ChannelKind.TOPIC,
        ros_name=ros_name,
        type_name='geometry_msgs/msg/Twist',
        lease=lease,
    )


def test_another_spelling_is_no_way_around_a_lease(graph: Graph) -> None:
    drive, other = topic('drive', 'cmd_vel', lease=True), topic('other', '/cmd_vel', lease=False)
    found = shared_topics(graph.node, [drive, other, topic('arm', 'arm', lease=True)])
    assert set(found) == {'drive', 'other'}
    assert found['drive'].startswith('drive and other reach the one topic /cmd_vel;')
    free = [topic('a', 'x', lease=False), topic('b', '/x', lease=False)]
    assert shared_topics(graph.node, free) == {}


class Bridge:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def set_values(self, values: object) -> str:
        """Set nothing."""
        return 'no'

    def lease(self, consumer: str, lease: Lease) -> str:
        """Lease."""
        self.done.append(f'{consumer} {lease}')
        return ''

    def pause(self) -> str:
        """Pause."""
        self.done.append('pause')
        return ''

    def resume(self) -> str:
        """Go on."""
        self.done.append('resume')
        return ''

    def announce(self) -> str:
        """Say everything."""
        return ''

    def trigger(self, box: str, by: str) -> str:
        """Fire."""
        return f'no black box {box}'


def dispatch(ticket: int, kind: str, within_s: float, arguments: object = None) -> Dispatch:
    """Make what the station hands over."""
    return Dispatch(
        ticket=ticket,
        channel=CHANNEL,
        operator='alice',
        type=kind,
        arguments=arguments,
        deadline=now_s() + within_s,
    )


def test_the_bridge_does_nothing_too_late_and_nothing_that_was_given_up(graph: Graph) -> None:
    bridge, ended = Bridge(), list[Progress | Ended]()
    controls = BridgeControls(graph.node, bridge, ended.append, lambda ticket: ticket != 3)
    lease = {'stream': 'pose', 'hz': 5, 'seconds': 60.0}
    wrong = {'stream': 'pose', 'hz': float('nan'), 'seconds': 1}
    # From another thread, as the station does.
    given = (
        dispatch(1, 'pause', 10.0),
        dispatch(2, 'resume', -0.001),
        dispatch(3, 'resume', 10.0),
        dispatch(4, 'lease', 10.0, lease),
        dispatch(5, 'lease', 10.0, wrong),
        dispatch(6, 'trigger', 10.0, {'box': 'x'}),
        dispatch(7, 'set', 10.0, {'values': 3}),
    )

    def give() -> None:
        for one in given:
            controls.start(one)

    thread = threading.Thread(target=give)
    thread.start()
    thread.join()
    graph.spin_until(lambda: len(ended) == 6)
    controls.close()
    assert bridge.done == ['pause', f'alice {Lease(stream="pose", hz=5.0, seconds=60.0)}']
    told = {one.ticket: (one.state, one.reason) for one in ended if isinstance(one, Ended)}
    assert told[1] == told[4] == (State.SUCCEEDED, '')
    assert told[2] == (State.FAILED, 'expired')
    assert told[5] == (State.FAILED, 'bad_fields: hz: expected a finite number from 0 on, got nan')
    assert told[6] == (State.FAILED, 'refused_by_server: no black box x')
    assert told[7] == (State.FAILED, 'bad_fields: values: 3 is of the wrong type')
