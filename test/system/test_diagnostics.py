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

"""What the bridge says on /diagnostics, and that its own words are bridged without a loop."""

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from std_msgs.msg import Int32  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

STREAMS: dict[str, dict[str, object]] = {
    'told': {'topics': ['/told'], 'max_hz': 1000.0},
    'short': {'topics': ['/short'], 'keep': 'fifo', 'max_samples': 5, 'max_delay_s': 60.0},
}


class Listener:
    """Hears /diagnostics of one robot."""

    def __init__(self, graph: Graph, robot_id: str) -> None:
        self._graph = graph
        self._robot_id = robot_id
        self.arrays: list[DiagnosticArray] = []
        self._subscription = graph.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._hear, qos()
        )

    def _hear(self, array: DiagnosticArray) -> None:
        if all(status.hardware_id == self._robot_id for status in array.status):
            self.arrays.append(array)

    def wait_for(self, name: str, level: bytes, message: str = '') -> DiagnosticStatus:
        """
        Wait for a status.

        :param name: its name
        :param level: its level
        :param message: part of its message
        :returns: the first such from now on
        """
        begin = len(self.arrays)

        def found() -> list[Any]:
            return [
                status
                for array in self.arrays[begin:]
                for status in array.status
                if (status.name, status.level) == (name, level) and message in status.message
            ]

        self._graph.spin_until(found)
        return found()[0]

    def close(self) -> None:
        self._graph.node.destroy_subscription(self._subscription)


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}


def test_link_and_streams_are_told(graph: Graph, robot_id: str) -> None:
    listener = Listener(graph, robot_id)
    with Broker() as broker:
        settings = parameters(broker, robot_id, STREAMS, diagnostics_period_s=0.1)
        with BridgeProcess(settings) as bridge:
            link = listener.wait_for('uplink: link', DiagnosticStatus.OK)
            assert values_of(link)['connected'] == 'True'
            names = {status.name for status in listener.arrays[-1].status}
            assert names == {'uplink: link', 'uplink: stream told', 'uplink: stream short'}

            publisher = graph.publisher(Int32, '/told')
            publisher.publish(Int32(data=1))
            told = listener.wait_for('uplink: stream told', DiagnosticStatus.OK, 'flowing')
            assert values_of(told)['topics'] == '1'

            # Five may wait: what comes beyond them is dropped, and said so by name.
            short = graph.publisher(Int32, '/short')
            for number in range(50):
                short.publish(Int32(data=number))
            dropping = listener.wait_for(
                'uplink: stream short', DiagnosticStatus.WARN, 'overflow_samples'
            )
            assert int(values_of(dropping)['dropped.overflow_samples']) > 0
            listener.wait_for('uplink: stream short', DiagnosticStatus.OK, 'flowing')

            broker.stop()
            listener.wait_for('uplink: link', DiagnosticStatus.WARN, 'not connected')
            broker.restart()
            listener.wait_for('uplink: link', DiagnosticStatus.OK)
            assert bridge.stop() == 0, bridge.log()
    listener.close()
    for made in (publisher, short):
        graph.node.destroy_publisher(made)


def test_own_diagnostics_are_bridged_at_their_own_pace(
    graph: Graph, broker: Broker, robot_id: str
) -> None:
    listener = Listener(graph, robot_id)
    streams = {'all': {'topics': ['/diagnostics'], 'keep': 'fifo'}}
    settings = parameters(broker, robot_id, streams, diagnostics_period_s=0.2)
    with BridgeProcess(settings) as bridge, Collector(broker, robot_id) as collector:
        samples = collector.wait_for_samples('/diagnostics', 10)
        listener.wait_for('uplink: stream all', DiagnosticStatus.OK, 'flowing')
        own = [content(sample, DiagnosticArray) for sample in samples]
        assert {array.status[0].name for array in own} == {'uplink: link'}
        # One message a period, whatever was bridged in it: nothing feeds on itself.
        span_s = (samples[-1].source_time_ns - samples[0].source_time_ns) / 1e9
        assert len(samples) - 1 <= span_s / 0.2 + 2.0
        assert bridge.stop() == 0, bridge.log()
    listener.close()


def test_nothing_is_told_when_not_wanted(graph: Graph, broker: Broker, robot_id: str) -> None:
    settings = parameters(broker, robot_id, STREAMS, diagnostics_period_s=0.0)
    with BridgeProcess(settings) as bridge, Collector(broker, robot_id) as collector:
        collector.wait_for_document('health', lambda health: health['link']['connected'])
        publishers = graph.node.get_publishers_info_by_topic('/diagnostics')
        assert [info.node_name for info in publishers] == []
        assert bridge.stop() == 0, bridge.log()


def test_without_the_message_package_it_says_so_once_and_goes_on(
    broker: Broker, robot_id: str
) -> None:
    without = (
        'import sys; sys.modules["diagnostic_msgs.msg"] = None; '
        'from ros_cloud_bridge.cli.main import main; sys.exit(main(["run", *sys.argv[1:]]))'
    )
    settings = parameters(broker, robot_id, STREAMS, diagnostics_period_s=0.1)
    with BridgeProcess(settings, command=('-c', without)) as bridge:
        bridge.wait_for_log('install the package diagnostic_msgs')
        with Collector(broker, robot_id) as collector:
            # Health still comes, and comes again.
            wait_until(lambda: len(collector.documents('health')) >= 3)
        assert bridge.log().count('diagnostic_msgs') == 2  # the hint, and what Python says
        assert bridge.stop() == 0, bridge.log()
