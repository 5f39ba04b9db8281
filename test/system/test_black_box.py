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

"""Black boxes with real nodes and a real broker: the moment before the failure arrives whole."""

from collections.abc import Iterator
import json
from pathlib import Path
import threading
import time
from types import TracebackType
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from sensor_msgs.msg import Imu  # noqa: E402
from std_msgs.msg import Bool, String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

PERIOD_S = 0.01
EVENTS = '/black_box/box/events'
# What a sample needs from the publisher to the ring, on a busy machine.
EDGE_NS = 200_000_000


@pytest.fixture
def name(robot_id: str) -> str:
    """
    Name topics of the test's own: killed subscribers stand in the graph for a while.

    :param robot_id: the robot
    :returns: what they begin with
    """
    return f'/{robot_id.replace("-", "_")}'


def given(
    broker: Broker, robot_id: str, name: str, folder: Path, triggers: list[str], **named: object
) -> dict[str, object]:
    """
    Describe a bridge with a black box of an IMU, which it sends but slowly.

    :param broker: where to
    :param robot_id: the robot
    :param name: what its topics begin with
    :param folder: its state directory
    :param triggers: of the black box
    :param named: other keys of the black box
    :returns: its parameters
    """
    box = {'topics': [f'{name}/imu'], 'triggers': triggers, 'before_s': 2.0, 'after_s': 1.0}
    return parameters(
        broker,
        robot_id,
        {'slow': {'topics': [f'{name}/imu'], 'max_hz': 1.0}},
        state_dir=str(folder),
        black_boxes=['box'],
        black_box={'box': {**box, **named}},
    )


class Imus:
    """
    Publishes an IMU's numbered messages at 100 Hz; the number is the angular velocity.

    :param graph: who publishes
    :param topic: ROS topic
    """

    def __init__(self, graph: Graph, topic: str) -> None:
        self.sent_ns: list[int] = []
        self._graph = graph
        # The slow stream and the black box.
        self.publisher = graph.publisher(Imu, topic, qos(depth=1000), subscribers=2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> 'Imus':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._graph.node.destroy_publisher(self.publisher)

    def _run(self) -> None:
        message = Imu()
        message.header.frame_id = 'imu'
        while not self._stopping.wait(PERIOD_S):
            message.angular_velocity.z = float(len(self.sent_ns))
            self.sent_ns.append(time.time_ns())
            self.publisher.publish(message)

    def go_on(self, seconds: float) -> None:
        """
        Wait until so much more was published.

        :param seconds: how much
        """
        until = len(self.sent_ns) + round(seconds / PERIOD_S)
        wait_until(lambda: len(self.sent_ns) >= until, 60.0)


def events(collector: Collector, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """
    Wait for what a black box tells.

    :param collector: who listens
    :param kind: ``triggered`` or ``ended``
    :param count: how many of these
    :returns: they
    """

    def found() -> list[dict[str, Any]]:
        documents = [
            json.loads(content(sample, String).data) for sample in collector.samples(EVENTS)
        ]
        return [document for document in documents if document['event'] == kind]

    wait_until(lambda: len(found()) >= count, 30.0, f'{count} times {kind}')
    return found()


def arrived(collector: Collector, topic: str, count: int) -> list[tuple[int, int, int]]:
    """
    Wait for the samples of a black box.

    :param collector: who listens
    :param topic: ROS topic
    :param count: how many
    :returns: number, source and receive time of each, in the order of their sequence numbers
    """

    def found() -> list[Any]:
        return [one for one in collector.samples(topic) if one.stream == 'box']

    wait_until(lambda: len(found()) >= count, 30.0, f'{count} samples of the black box')
    ordered = sorted(found(), key=lambda one: one.sequence)
    assert [one.sequence for one in ordered] == list(range(1, len(ordered) + 1))
    return [
        (round(content(one, Imu).angular_velocity.z), one.source_time_ns, one.receive_time_ns)
        for one in ordered
    ]


def assert_whole(
    imus: Imus, samples: list[tuple[int, int, int]], low_ns: int, high_ns: int
) -> None:
    """
    Hold what came against what was published in a window.

    :param imus: what published
    :param samples: number, source and receive time of what came
    :param low_ns: begin of the window
    :param high_ns: its end
    """
    numbers = [number for number, *_ in samples]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), 'complete and in order'
    for number, source_ns, receive_ns in samples:
        assert abs(source_ns - imus.sent_ns[number]) < EDGE_NS, 'stamped when it was published'
        # Which is not when it arrives, while reader and writer get to know each other.
        assert low_ns - EDGE_NS < receive_ns < high_ns + EDGE_NS
    wanted = [
        number
        for number, sent_ns in enumerate(imus.sent_ns)
        if low_ns + EDGE_NS < sent_ns < high_ns - EDGE_NS
    ]
    assert set(wanted) <= set(numbers)


def size_of(ring: Path) -> int:
    """
    Measure a ring.

    :param ring: its directory
    :returns: bytes of its files
    """
    return sum(path.stat().st_size for path in list(ring.glob('*.ring')) if path.exists())


@pytest.fixture
def ring(tmp_path: Path, robot_id: str) -> Iterator[Path]:
    """
    Name the ring's directory.

    :param tmp_path: the state directory
    :param robot_id: the robot
    :returns: it
    """
    yield tmp_path / f'black_box-box-{robot_id}'


def test_a_condition_sends_what_was_before_it_and_after_it(
    graph: Graph, robot_id: str, name: str, broker: Broker, tmp_path: Path, ring: Path
) -> None:
    trigger = f'{name}/estop: data == true'
    made = given(broker, robot_id, name, tmp_path, [trigger, f'{name}/estop: speed > 1'])
    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        with Imus(graph, f'{name}/imu') as imus:
            estop = graph.publisher(Bool, f'{name}/estop', qos())
            wait_until(lambda: size_of(ring) > 0, 30.0, 'a ring on disk')
            imus.go_on(3.0)
            estop.publish(Bool(data=False))
            imus.go_on(0.5)
            assert [one for one in collector.samples(f'{name}/imu') if one.stream == 'box'] == []
            assert collector.samples(EVENTS) == []
            fired_ns = time.time_ns()
            estop.publish(Bool(data=True))
            (triggered,) = events(collector, 'triggered')
            # While it stays so it does not fire again.
            estop.publish(Bool(data=True))
            (ended,) = events(collector, 'ended')
        samples = arrived(collector, f'{name}/imu', ended['samples'])
        assert_whole(imus, samples, ended['from_ns'], ended['to_ns'])
        assert ended['complete'] and ended['samples'] == len(samples) >= 100
        assert ended['to_ns'] - ended['from_ns'] == 3_000_000_000
        assert (triggered['trigger'], triggered['value']) == (trigger, 'True')
        assert triggered['span'] == ended['span']
        assert abs(triggered['time_ns'] - fired_ns) < 10 * EDGE_NS
        assert triggered['ring_reaches_back_s'] == 2.0
        # The topic's stream goes on as slowly as ever.
        assert 1 <= len([s for s in collector.samples(f'{name}/imu') if s.stream == 'slow']) < 20
        assert not collector.errors
        # A field that there is not is said, once.
        assert bridge.log().count("has no field 'speed'; its fields: data") == 1
        graph.node.destroy_publisher(estop)
        assert bridge.stop() == 0
    assert not list(ring.glob('*.ring'))


def test_diagnostics_and_a_service_share_a_span(
    graph: Graph, robot_id: str, name: str, broker: Broker, tmp_path: Path
) -> None:
    triggers = [f'{name}/diagnostics[left]: level >= error', 'service']
    made = given(broker, robot_id, name, tmp_path, triggers)
    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        with Imus(graph, f'{name}/imu') as imus:
            diagnostics = graph.publisher(DiagnosticArray, f'{name}/diagnostics', qos())
            imus.go_on(1.0)
            for level in (DiagnosticStatus.OK, DiagnosticStatus.ERROR):
                status = DiagnosticStatus(level=level, name='left', message='too hot')
                other = DiagnosticStatus(level=DiagnosticStatus.ERROR, name='right')
                diagnostics.publish(DiagnosticArray(status=[other, status]))
            events(collector, 'triggered')
            answer = graph.call(Trigger, '/uplink/trigger_box', Trigger.Request())
            (ended,) = events(collector, 'ended')
        assert answer.success and answer.message == f'span {ended["span"]}'
        told = [(one['trigger'], one['value']) for one in ended['triggers']]
        assert told == [(triggers[0], 'error: left: too hot'), ('service', 'called')]
        samples = arrived(collector, f'{name}/imu', ended['samples'])
        assert_whole(imus, samples, imus.sent_ns[0], ended['to_ns'])
        graph.node.destroy_publisher(diagnostics)
        assert bridge.stop() == 0


def test_a_crash_sends_the_seconds_before_it(
    graph: Graph, robot_id: str, name: str, broker: Broker, tmp_path: Path, ring: Path
) -> None:
    made = given(broker, robot_id, name, tmp_path, ['crash'])
    with Collector(broker, robot_id) as collector:
        with BridgeProcess(made) as bridge, Imus(graph, f'{name}/imu') as imus:
            # Reader and writer know each other once something is in the ring.
            wait_until(lambda: size_of(ring) > 0, 30.0, 'a ring on disk')
            imus.go_on(3.0)
            killed_ns = time.time_ns()
            bridge.kill()
        with BridgeProcess(made) as bridge:
            (ended,) = events(collector, 'ended')
            samples = arrived(collector, f'{name}/imu', ended['samples'])
            assert_whole(imus, samples, ended['from_ns'], ended['to_ns'])
            assert [one['trigger'] for one in ended['triggers']] == ['crash']
            assert len(samples) >= 50 and killed_ns - 10 * EDGE_NS < samples[-1][1] < killed_ns
            wait_until(lambda: not list(ring.glob('*.ring')))
            assert bridge.stop() == 0
