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

"""A robot's topics in another graph: bytes, QoS, latched values, and what must not go wrong."""

from collections.abc import Callable, Iterator
from functools import partial
import json
import time
import uuid

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import PoseStamped, TransformStamped  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.graph import cdr_of, Graph, qos  # noqa: E402
from support.mirrors import mirror, other_domain  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402
from support.wire_robot import level_cdr, OWN_TYPE, WireRobot  # noqa: E402

STREAMS: dict[str, dict[str, object]] = {
    'all': {'topics': ['/m/*', '/tf_static'], 'keep': 'fifo', 'max_delay_s': 0.0}
}


@pytest.fixture(scope='module')
def cloud() -> Iterator[Graph]:
    """
    Join the graph of the cloud.

    :returns: a node there
    """
    joined = Graph('cloudy', other_domain())
    yield joined
    joined.close()


def _is(found: Callable[[str], object], topic: str, wanted: object) -> bool:
    return found(topic) == wanted


def pose(number: int) -> PoseStamped:
    message = PoseStamped()
    message.header.frame_id = 'map'
    message.header.stamp.sec = 1_700_000_000 + number
    message.header.stamp.nanosec = 123_456_789
    message.pose.position.x = number / 3
    return message


def statuses(cloud: Graph) -> dict[str, DiagnosticStatus]:
    """
    Listen to the mirror's diagnostics.

    :param cloud: where
    :returns: the newest status by name, as they come
    """
    newest: dict[str, DiagnosticStatus] = {}

    def hear(message: DiagnosticArray) -> None:
        newest.update({status.name: status for status in message.status})

    cloud.node.create_subscription(DiagnosticArray, '/diagnostics', hear, 1)
    return newest


def values(newest: dict[str, DiagnosticStatus], what: str) -> dict[str, str]:
    """
    Read a status.

    :param newest: by name
    :param what: whose
    :returns: its values by key; none while there is no such status
    """
    status = newest.get(f'mirror: {what}')
    return {} if status is None else {pair.key: pair.value for pair in status.values}


def test_samples_arrive_byte_for_byte_as_they_were_offered(
    broker: Broker, graph: Graph, cloud: Graph
) -> None:
    robot_id = f'amr-{uuid.uuid4().hex[:8]}'
    below = f'/{robot_id.replace("-", "_")}'
    given = parameters(broker, robot_id, STREAMS)
    with (
        BridgeProcess(given),
        mirror(broker, other_domain(), {'robots': robot_id}) as mirroring,
    ):
        quick = graph.publisher(PoseStamped, '/m/quick', qos(reliable=False))
        sure = graph.publisher(PoseStamped, '/m/sure')
        latched = [
            graph.publisher(String, '/m/latched', qos(depth=1, latched=True)) for _ in range(2)
        ]
        # Until there is a sample, nothing is here.
        quick.publish(pose(0))
        sure.publish(pose(0))
        for number, publisher in enumerate(latched):
            publisher.publish(String(data=f'value {number}'))

        def offered(topic: str) -> list[tuple[object, object]]:
            found = cloud.node.get_publishers_info_by_topic(f'{below}{topic}')
            return [(e.qos_profile.reliability, e.qos_profile.durability) for e in found]

        volatile, lasting = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL
        expected = {
            '/m/quick': (ReliabilityPolicy.BEST_EFFORT, volatile),
            '/m/sure': (ReliabilityPolicy.RELIABLE, volatile),
            '/m/latched': (ReliabilityPolicy.RELIABLE, lasting),
        }
        for topic, profile in expected.items():
            wait_until(partial(_is, offered, topic, [profile]), 20.0, f'{topic} as {profile}')
        heard: dict[str, list[bytes]] = {'sure': [], 'quick': []}
        for name, reliable in (('sure', True), ('quick', False)):
            cloud.node.create_subscription(
                PoseStamped,
                f'{below}/m/{name}',
                heard[name].append,
                qos(reliable=reliable),
                raw=True,
            )

        def both_hear() -> bool:
            sure.publish(pose(0))
            quick.publish(pose(0))
            return all(heard.values())

        cloud.spin_until(both_hear)
        sent = [pose(number) for number in range(1, 41)]
        for message in sent:
            sure.publish(message)
        quick.publish(sent[-1])
        wanted = [cdr_of(message) for message in sent]
        cloud.spin_until(lambda: heard['sure'][-1] == heard['quick'][-1] == wanted[-1])
        # Stamps and all: the bytes that were published.
        assert heard['sure'][-40:] == wanted
        assert set(heard['sure'][:-40]) == set(heard['quick'][:-1]) == {cdr_of(pose(0))}
        # Who joins late gets what each of the robot's publishers has said last.
        late = cloud.witness(String, f'{below}/m/latched', qos(latched=True))
        assert set(late.heard(2)) == {cdr_of(String(data=f'value {n}')) for n in range(2)}
        late.close()
        for publisher in (quick, sure, *latched):
            graph.node.destroy_publisher(publisher)
        assert mirroring.stop() == 0, mirroring.log()
        assert 'Traceback' not in mirroring.log()


def test_static_transforms_of_several_publishers_all_wait_for_late_joiners(
    broker: Broker, graph: Graph, cloud: Graph, robot_id: str
) -> None:
    messages = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed')
    given = parameters(broker, robot_id, STREAMS)
    with BridgeProcess(given), mirror(broker, other_domain(), {'robots': robot_id}):
        publishers, sent = [], []
        for number in range(5):
            transform = TransformStamped(child_frame_id=f'sensor_{number}')
            profile = qos(depth=1, latched=True)
            publishers.append(graph.publisher(messages.TFMessage, '/tf_static', profile))
            sent.append(messages.TFMessage(transforms=[transform]))
            publishers[-1].publish(sent[-1])
        topic = f'/{robot_id.replace("-", "_")}/tf_static'
        first = cloud.witness(messages.TFMessage, topic, qos(latched=True))
        first.heard(5)
        late = cloud.witness(messages.TFMessage, topic, qos(latched=True))
        assert set(late.heard(5)) == {cdr_of(message) for message in sent}
        for seen in (first, late):
            seen.close()
        for publisher in publishers:
            graph.node.destroy_publisher(publisher)


def test_hostile_messages_unknown_types_and_a_broker_that_comes_and_goes_stop_nothing(
    cloud: Graph, robot_id: str
) -> None:
    below = f'/{robot_id.replace("-", "_")}'
    with Broker() as own, mirror(own, other_domain(), {'max_topics': 3}) as mirroring:
        heard: list[bytes] = []
        cloud.node.create_subscription(String, f'{below}/good', heard.append, qos(), raw=True)
        with WireRobot(own, robot_id) as robot:
            good = robot.route('/good', 'std_msgs/msg/String')
            robot.announce()
            mirroring.wait_for_log('is online')
            for topic, type_name, cdr in (
                ('/strange', OWN_TYPE, level_cdr(1.0)),
                # Installed here, but the bytes do not fit: a subscription would fail on them.
                ('/broken', 'geometry_msgs/msg/PoseStamped', b'\0\1\0\0' + b'\xff' * 9),
                ('/no good name', 'std_msgs/msg/String', cdr_of(String(data='x'))),
            ):
                robot.announce()
                robot.send(robot.route(topic, type_name), [cdr])
            latched = robot.route('/latched', 'geometry_msgs/msg/PoseStamped', latched=True)
            robot.announce()
            robot.send(latched, [b'\0\1\0\0' + b'\xff' * 9], latched=True)
            for kind in ('b/high', 'b/backlog', 'state', 'info', 'health', 'latched/x/0'):
                for payload in (b'\xff', b'\x84\x02\x00', json.dumps({'version': 9}).encode()):
                    robot.publish(f'rcb/v1/{robot_id}/{kind}', payload)
            robot.announce()

            def arrives(text: str) -> None:
                def said() -> bool:
                    robot.send(good, [cdr_of(String(data=text))])
                    return cdr_of(String(data=text)) in heard

                cloud.spin_until(said)

            arrives('after all that')
            mirroring.wait_for_log("install the package 'mine'")
            mirroring.wait_for_log('no legal name of a topic')
            newest = statuses(cloud)
            cloud.spin_until(
                lambda: (
                    'a message that ends' in values(newest, robot_id).get('problem: /latched', '')
                )
            )
            told = values(newest, robot_id)
            assert "install the package 'mine'" in told['problem: /strange']
            assert int(told['left out: cannot be published']) >= 3
            own.restart()
            mirroring.wait_for_log('connected to')
            arrives('after the broker')
        assert mirroring.log().count("install the package 'mine'") == 1
        assert mirroring.stop() == 0
        assert 'Traceback' not in mirroring.log()


def test_robots_whose_names_become_one_are_told_apart(cloud: Graph) -> None:
    name = uuid.uuid4().hex[:8]
    with Broker() as own, mirror(own, other_domain()) as mirroring:
        heard: list[bytes] = []
        cloud.node.create_subscription(String, f'/r_{name}/a', heard.append, qos(), raw=True)
        with WireRobot(own, f'r-{name}') as first, WireRobot(own, f'r_{name}') as second:
            for robot in (first, second):
                robot.route('/a', 'std_msgs/msg/String')
                robot.announce()
            mirroring.wait_for_log('is online', 2)
            first.send(0, [cdr_of(String(data='first'))])
            mirroring.wait_for_log(f"robot 'r-{name}' is mirrored below /r_{name}")
            second.send(0, [cdr_of(String(data='second'))])
            mirroring.wait_for_log(
                f"robot 'r_{name}' is not mirrored: its namespace /r_{name} is that of robot "
                f"'r-{name}'"
            )

            def said() -> bool:
                for robot in (first, second):
                    robot.send(0, [cdr_of(String(data=robot.robot_id))])
                return len(heard) > 2

            cloud.spin_until(said)
            assert cdr_of(String(data=f'r_{name}')) not in heard
            status = statuses(cloud)
            cloud.spin_until(lambda: 'mirror: link' in status)
            assert f'not mirrored: r_{name}' in values(status, 'link')


def test_a_robot_that_is_gone_is_forgotten_and_may_come_back(cloud: Graph, robot_id: str) -> None:
    below = f'/{robot_id.replace("-", "_")}'
    further = {'robots': robot_id, 'forget_after_s': 1.0}
    with Broker() as own, mirror(own, other_domain(), further) as mirroring:
        with WireRobot(own, robot_id) as robot:
            route = robot.route('/a', 'std_msgs/msg/String')
            robot.announce()
            mirroring.wait_for_log('is online')
            robot.send(route, [cdr_of(String(data='here'))])
            wait_until(lambda: cloud.node.count_publishers(f'{below}/a') == 1)
            robot.birth(online=False)
            wait_until(lambda: cloud.node.count_publishers(f'{below}/a') == 0)
            mirroring.wait_for_log(f'{robot_id}: forgotten')
            robot.announce()
            robot.send(route, [cdr_of(String(data='again'))])
            wait_until(lambda: cloud.node.count_publishers(f'{below}/a') == 1)


def test_streams_on_demand_are_leased_of_the_robots_that_are_mirrored(
    broker: Broker, graph: Graph, cloud: Graph, robot_id: str
) -> None:
    streams: dict[str, dict[str, object]] = {
        'rare': {'topics': ['/m/rare'], 'on_demand': True, 'max_delay_s': 0.0}
    }
    given = parameters(broker, robot_id, streams, demand={'allow': ['ops-*']})
    further = {'robots': robot_id, 'name': 'ops-mirror', 'leases': ['rare']}
    with BridgeProcess(given), mirror(broker, other_domain(), further):
        # Without a lease the bridge would not even subscribe.
        publisher = graph.publisher(String, '/m/rare')
        heard: list[bytes] = []
        topic = f'/{robot_id.replace("-", "_")}/m/rare'
        cloud.node.create_subscription(String, topic, heard.append, qos(), raw=True)

        def said() -> object:
            publisher.publish(String(data='wanted'))
            return heard

        cloud.spin_until(said)
        status = statuses(cloud)
        cloud.spin_until(lambda: values(status, robot_id).get('lease: rare') == 'leased')
        graph.node.destroy_publisher(publisher)


def test_stamps_are_shifted_to_the_local_clock_and_late_data_stays_away(
    cloud: Graph, robot_id: str
) -> None:
    behind_ns = 7_200_000_000_000
    heard: list[tuple[int, PoseStamped]] = []
    further = {'robots': robot_id, 'clock': 'local', 'historical': False}
    with Broker() as own, mirror(own, other_domain(), further) as mirroring:
        cloud.node.create_subscription(
            PoseStamped,
            f'/{robot_id.replace("-", "_")}/pose',
            lambda message: heard.append((time.time_ns(), message)),
            qos(),
        )
        with WireRobot(own, robot_id) as robot:
            route = robot.route('/pose', 'geometry_msgs/msg/PoseStamped')
            robot.announce()
            mirroring.wait_for_log('is online')
            sent: dict[float, int] = {}

            def send(*, historical: bool = False) -> None:
                message = pose(0)
                now = time.time_ns()
                stamp = message.header.stamp
                stamp.sec, stamp.nanosec = divmod(now - behind_ns, 10**9)
                number = float(len(sent))
                message.pose.position.x = number
                sent[number] = -1 if historical else now
                cdr = bytes(serialize_message(message))
                robot.send(
                    route, [cdr], source_time_ns=now - behind_ns, historical=historical
                )

            def live_and_late() -> bool:
                send()
                send(historical=True)
                return len(heard) >= 5

            cloud.spin_until(live_and_late)
            for at_ns, message in heard:
                stamp = message.header.stamp
                began_ns = sent[message.pose.position.x]
                # Late ones never come; a stamp is late by a delay on the way, and never early.
                assert 0 < began_ns <= stamp.sec * 10**9 + stamp.nanosec <= at_ns
            status = statuses(cloud)
            cloud.spin_until(lambda: int(values(status, robot_id).get('published', '0')) >= 5)
            told = values(status, robot_id)
            assert int(told['left out: historical']) >= 4
            assert 7200.0 <= float(told['stamps shifted by (s)']) < 7260.0


def test_it_is_a_managed_node(cloud: Graph, robot_id: str) -> None:
    topic = f'/{robot_id.replace("-", "_")}/a'
    with Broker() as own, mirror(own, other_domain(), {'robots': robot_id}) as mirroring:
        with WireRobot(own, robot_id) as robot:
            route = robot.route('/a', 'std_msgs/msg/String', latched=True)
            robot.announce()
            robot.send(route, [cdr_of(String(data='kept'))], latched=True)
            for _ in range(2):
                wait_until(lambda: cloud.node.count_publishers(topic) == 1)
                assert cloud.set_parameters({'qos_depth': 5}, '/mirror') == [
                    'qos_depth: is read-only while the mirror runs; change it and restart'
                ]
                assert cloud.transition('deactivate', '/mirror')
                wait_until(lambda: cloud.node.count_publishers(topic) == 0)
                assert cloud.transition('activate', '/mirror')
            assert cloud.transition('deactivate', '/mirror')
            assert cloud.transition('cleanup', '/mirror')
            assert cloud.state('/mirror') == 'unconfigured'
            assert cloud.set_parameters({'robots': 'nobody'}, '/mirror') == ['']
            assert cloud.transition('configure', '/mirror')
            assert cloud.transition('activate', '/mirror')
            assert mirroring.running
        assert mirroring.stop() == 0
        assert 'Traceback' not in mirroring.log()


def test_what_a_robot_had_latched_before_it_was_started_again_is_forgotten(
    cloud: Graph, robot_id: str
) -> None:
    topic = f'/{robot_id.replace("-", "_")}/a'
    with Broker() as own, mirror(own, other_domain(), {'robots': robot_id}):
        for value in ('old', 'new'):
            with WireRobot(own, robot_id) as robot:
                route = robot.route('/a', 'std_msgs/msg/String', latched=True)
                robot.announce()
                robot.send(route, [cdr_of(String(data=value))], latched=True)
                wait_until(lambda: cloud.node.count_publishers(topic) == 1)

                def last_for_late_joiners(_: str) -> bytes:
                    late = cloud.witness(String, topic, qos(latched=True))
                    heard = late.heard(1)[0]
                    late.close()
                    return heard

                wanted = cdr_of(String(data=value))
                wait_until(partial(_is, last_for_late_joiners, topic, wanted))


def test_bad_parameters_end_in_one_line(broker: Broker) -> None:
    with mirror(broker, other_domain(), {'robot': 'amr-07'}) as mirroring:
        assert mirroring.wait() == 2
        assert 'robot: unknown key; did you mean robots?' in mirroring.log()
        assert 'Traceback' not in mirroring.log()
