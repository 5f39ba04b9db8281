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

"""The Foxglove server with a real broker and a client of the protocol."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('foxglove', reason='foxglove-sdk is missing: install the extra foxglove')
pytest.importorskip('websockets', reason='websockets is missing, with which the client is made')

from ros_cloud_bridge.cloud import Consumer, Operator  # noqa: E402
from ros_cloud_bridge.cloud.foxglove.server import FoxgloveServer, Listening  # noqa: E402
from ros_cloud_bridge.command_values import State  # noqa: E402
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended  # noqa: E402
from ros_cloud_bridge.errors import LocalFault  # noqa: E402
from ros_cloud_bridge.signing.keys import PrivateKey  # noqa: E402
from ros_cloud_bridge.values import MqttConfig, Priority  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.foxglove_client import FoxgloveClient  # noqa: E402
from support.operator_robot import OperatorRobot  # noqa: E402
from support.waiting import wait_until  # noqa: E402
from support.wire_robot import level_cdr, OWN_TYPE, schema_of, WireRobot  # noqa: E402


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def _has(listed: list[Any], more_than: int) -> bool:
    return len(listed) > more_than


@contextmanager
def serving(
    broker: Broker, robots: str, *, prefix: bool = True, **options: Any
) -> Iterator[FoxgloveServer]:
    mqtt = MqttConfig(host=broker.host, port=broker.port)

    def consumer(on_sample: Callable[..., None], on_document: Callable[..., None]) -> Consumer:
        return Consumer(mqtt, on_sample, robots=robots, name='foxglove', on_document=on_document)

    server = FoxgloveServer(consumer, Listening(port=0), prefix=prefix, **options)
    server.start()
    try:
        wait_until(lambda: server.consumer.connected, what='the broker')
        yield server
    finally:
        server.stop()


def test_messages_pass_untouched_with_their_definition(broker: Broker) -> None:
    with (
        serving(broker, 'plain-1') as server,
        FoxgloveClient(server.port) as client,
        WireRobot(broker, 'plain-1') as robot,
    ):
        route = robot.route('/tank/level')
        robot.announce()
        robot.birth()
        client.subscribe('/plain_1/tank/level')
        wait_until(lambda: robot.send(route, [level_cdr(0.5)]) and server.samples > 0)
        sent = [level_cdr(level / 7, bytes(range(256))) for level in range(50)]
        robot.send(route, sent, source_time_ns=1_700_000_000_000_000_000)
        received = client.received['/plain_1/tank/level']
        wait_until(lambda: len(received) >= 50 and received[-1][1] == sent[-1])
        assert [data for _, data in received[-50:]] == sent
        # When the bridge got it, to the microsecond.
        assert received[-50][0] == 1_700_000_000_000_005_000
        channel = client.channels['/plain_1/tank/level']
        schema = schema_of(OWN_TYPE)
        assert (channel['encoding'], channel['schemaName']) == ('cdr', OWN_TYPE)
        assert (channel['schemaEncoding'], channel['schema']) == ('ros2msg', schema.definition)


def test_who_comes_late_gets_what_is_latched(broker: Broker) -> None:
    with WireRobot(broker, 'map-1') as robot, serving(broker, 'map-1', prefix=False) as server:
        route = robot.route('/map', latched=True)
        robot.announce()
        robot.send(route, [level_cdr(4.0)], latched=True)
        for _ in range(2):
            with FoxgloveClient(server.port) as client:
                client.subscribe('/map')
                wait_until(partial(_has, client.received['/map'], 0))
                assert client.received['/map'][0][1] == level_cdr(4.0)


def test_a_stream_on_demand_is_leased_while_somebody_looks(broker: Broker) -> None:
    with (
        WireRobot(broker, 'asked-1') as robot,
        serving(broker, 'asked-1') as server,
        FoxgloveClient(server.port) as client,
        FoxgloveClient(server.port) as other,
    ):
        robot.streams = [{'name': 'all', 'on_demand': True}]
        robot.route('/camera')
        robot.announce()
        robot.birth()
        numbers = [one.subscribe('/asked_1/camera') for one in (client, other)]
        wait_until(lambda: any(ask.leases for ask in robot.asks), what='a lease')
        (lease,) = next(ask.leases for ask in robot.asks if ask.leases)
        assert (lease.stream, lease.seconds > 0) == ('all', True)
        client.unsubscribe(numbers[0])
        other.unsubscribe(numbers[1])
        wait_until(
            lambda: any(one.seconds == 0 for ask in robot.asks for one in ask.leases),
            what='the lease to be given back',
        )
        # Given back once nobody looked any more, and not when the first one left.
        assert sum(one.seconds == 0 for ask in robot.asks for one in ask.leases) == 1


def test_a_topic_is_offered_once_its_definition_comes_as_the_last(broker: Broker) -> None:
    with (
        WireRobot(broker, 'late-1') as robot,
        serving(broker, 'late-1') as server,
        FoxgloveClient(server.port) as client,
    ):
        robot.route('/tank/level')
        robot.birth()
        robot.info()
        robot.schemas()
        wait_until(lambda: '/late_1/tank/level' in client.channels, what='the topic')


def test_a_topic_of_another_type_takes_the_place_of_the_one_before(broker: Broker) -> None:
    with serving(broker, 'retyped-1') as server, FoxgloveClient(server.port) as client:
        with WireRobot(broker, 'retyped-1') as robot:
            robot.streams = [{'name': 'all', 'on_demand': True}]
            robot.route('/tank/level')
            robot.route('/gone')
            robot.announce()
            client.subscribe('/retyped_1/gone')
            client.subscribe('/retyped_1/tank/level')
            wait_until(lambda: server.consumer.leases != (), what='a lease')
        # Another boot; of the topics one has another type, and one is not there.
        with WireRobot(broker, 'retyped-1') as robot:
            route = robot.route('/tank/level', 'std_msgs/msg/Float32')
            robot.announce()
            wait_until(lambda: '/retyped_1/gone' not in client.channels)

            # Clients show but the first channel of a topic.
            def types() -> list[str]:
                return [
                    one['schemaName']
                    for one in client.offered.values()
                    if one['topic'] == '/retyped_1/tank/level'
                ]

            wait_until(lambda: types() == ['std_msgs/msg/Float32'])
            wait_until(lambda: server.consumer.leases == (), what='the lease to be given back')
            client.subscribe('/retyped_1/tank/level')
            data = b'\0\1\0\0\0\0\x80\x3f'
            received = client.received['/retyped_1/tank/level']
            wait_until(lambda: robot.send(route, [data]) and received != [])
            assert received[-1][1] == data
            # What is late of the earlier boot changes nothing.
            assert types() == ['std_msgs/msg/Float32']


def test_nothing_on_the_bus_stops_it(broker: Broker) -> None:
    with (
        WireRobot(broker, 'bad-1') as robot,
        serving(broker, 'bad-1') as server,
        FoxgloveClient(server.port) as client,
    ):
        route = robot.route('/tank/level')
        robot.announce()
        topics = robot.topics
        batches = topics.batches(Priority.NORMAL)
        for payload in (b'', b'\xff' * 100, b'\x82\x18\x63\x00', b'[' * 10_000, b'{"a":'):
            robot.publish(batches, payload)
            robot.publish(topics.info, payload)
            robot.publish(topics.schema('0' * 16), payload)
        for streams in (7, [7], [{'name': 7}], [{'name': 'x', 'on_demand': 'yes'}]):
            robot.streams = streams  # type: ignore[assignment]
            robot.info(retain=False)
        robot.birth()
        client.subscribe('/bad_1/tank/level')
        received = client.received['/bad_1/tank/level']
        wait_until(lambda: robot.send(route, [level_cdr(1.0)]) and received != [])
        assert received[0][1] == level_cdr(1.0)


def test_a_port_that_is_taken_is_said(broker: Broker) -> None:
    with serving(broker, 'nobody') as server:
        mqtt = MqttConfig(host=broker.host, port=broker.port)
        with pytest.raises(LocalFault, match=f'cannot listen on 127.0.0.1:{server.port}'):
            FoxgloveServer(
                lambda take, _: Consumer(mqtt, take), Listening(port=server.port), prefix=True
            )


@pytest.fixture
def commanded(broker: Broker, tmp_path: Path) -> Iterator[tuple[OperatorRobot, FoxgloveClient]]:
    key = PrivateKey.generate()
    key.public.save(tmp_path / 'operators' / 'alice.pub')
    # Foxglove has no parameter such as the last one.
    values = {'gain': 1.5, 'name': 'arm', 'odd': [None]}

    def act(dispatch: Dispatch) -> Ended | None:
        detail = dispatch.arguments
        if dispatch.type == 'list':
            detail = {'names': sorted(values)}
        elif dispatch.type == 'get':
            detail = {'values': {name: values[name] for name in detail['names']}}
        elif dispatch.type == 'set':
            if detail['values'].get('gain', 0.0) > 10.0:
                reason = 'not_permitted: gain'
                return Ended(ticket=dispatch.ticket, state=State.FAILED, reason=reason)
            values.update(detail['values'])
            detail = None
        return Ended(ticket=dispatch.ticket, state=State.SUCCEEDED, detail=detail)

    with OperatorRobot(broker, tmp_path / 'operators', act=act) as robot:
        operator = Operator(
            MqttConfig(host=broker.host, port=broker.port),
            name='alice',
            key=key,
            robots={robot.robot_id: robot.key.public},
        )
        with (
            serving(broker, robot.robot_id, operator=operator) as server,
            FoxgloveClient(server.port) as client,
        ):
            operator.wait_connected()
            robot.announce(retain=False)
            yield robot, client


def test_a_service_is_called_and_its_failure_is_told(
    commanded: tuple[OperatorRobot, FoxgloveClient],
) -> None:
    robot, client = commanded
    assert client.call('/amr_07/cmd/dock', {'data': True}) == {'data': True}
    assert ('call', {'data': True}) in robot.executed


def test_publishing_goes_to_the_channel_of_that_name(
    commanded: tuple[OperatorRobot, FoxgloveClient],
) -> None:
    robot, client = commanded
    wait_until(lambda: client.services != {}, what='the channels')
    client.publish('/amr_07/cmd/say', {'data': 'hello'})
    wait_until(lambda: ('publish', {'data': 'hello'}) in robot.executed)
    client.publish('/amr_07/cmd/say', {'data': 'far too long'})
    wait_until(lambda: any('field_limit' in status for status in client.statuses))
    for topic, fields in (('/amr_07/cmd/dock', {}), ('/elsewhere', {}), ('/amr_07/cmd/say', [1])):
        said = len(client.statuses)
        client.publish(topic, fields)
        wait_until(partial(_has, client.statuses, said))
        assert topic in client.statuses[-1]


def test_driving_takes_the_lease_and_gives_it_back(
    commanded: tuple[OperatorRobot, FoxgloveClient],
) -> None:
    robot, client = commanded
    wait_until(lambda: client.services != {}, what='the channels')
    twist = {'linear': {'x': 0.5}}
    for _ in range(3):
        client.publish('/amr_07/cmd/drive', twist)
    wait_until(lambda: ('publish', twist) in robot.executed, what='the robot to drive')
    client.unadvertise('/amr_07/cmd/drive')
    wait_until(lambda: 'drive' in robot.stopped, what='the robot to stop')


def test_of_two_who_drive_one_may_leave(
    commanded: tuple[OperatorRobot, FoxgloveClient],
) -> None:
    robot, client = commanded
    wait_until(lambda: client.services != {}, what='the channels')
    with FoxgloveClient(client.port) as other:
        client.publish('/amr_07/cmd/drive', {'linear': {'x': 0.25}})
        wait_until(lambda: ('publish', {'linear': {'x': 0.25}}) in robot.executed)
        other.publish('/amr_07/cmd/drive', {'linear': {'x': 0.5}})
        wait_until(lambda: ('publish', {'linear': {'x': 0.5}}) in robot.executed)
        client.unadvertise('/amr_07/cmd/drive')
        other.publish('/amr_07/cmd/drive', {'linear': {'x': 0.75}})
        wait_until(lambda: ('publish', {'linear': {'x': 0.75}}) in robot.executed)
        assert robot.stopped == []
    # One who vanishes drives no more.
    wait_until(lambda: 'drive' in robot.stopped, what='the robot to stop')


def test_what_was_refused_is_shown_until_something_is_not(
    commanded: tuple[OperatorRobot, FoxgloveClient],
) -> None:
    _, client = commanded
    wait_until(lambda: client.services != {}, what='the channels')
    for _ in range(20):
        client.publish('/amr_07/cmd/say', {'data': 'far too long'})
    wait_until(lambda: 'field_limit' in client.problems.get('amr-07 say', ''))
    client.publish('/amr_07/cmd/say', {'data': 'hello'})
    wait_until(lambda: 'amr-07 say' not in client.problems)
    assert sum('field_limit' in status for status in client.statuses) == 1


def test_parameters_are_shown_and_set(commanded: tuple[OperatorRobot, FoxgloveClient]) -> None:
    robot, client = commanded
    client.watch_parameters('amr_07/rover.gain')

    wait_until(lambda: client.parameters.get('amr_07/rover.gain') == 1.5, what='a parameter')
    client.get_parameters()
    wait_until(lambda: client.parameters.get('amr_07/rover.name') == 'arm', what='the other')
    assert 'amr_07/rover.odd' not in client.parameters
    # A panel sends what was typed; of a double a 3 means 3.0.
    client.set_parameter('amr_07/rover.gain', 3)
    wait_until(lambda: client.parameters['amr_07/rover.gain'] == 3.0)
    gains = [d.arguments['values']['gain'] for d in robot.dispatched if d.type == 'set']
    assert [type(gain) for gain in gains] == [float]
    client.set_parameter('amr_07/rover.gain', 99.5)
    wait_until(lambda: any('not_permitted: gain' in status for status in client.statuses))
    wait_until(lambda: client.parameters['amr_07/rover.gain'] == 3.0)


def test_what_a_node_changed_itself_is_shown_when_parameters_are_listed(
    commanded: tuple[OperatorRobot, FoxgloveClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    robot, client = commanded
    monkeypatch.setattr('ros_cloud_bridge.cloud.foxglove.parameters._AGAIN_S', 0.0)
    client.watch_parameters('amr_07/rover.gain')
    wait_until(lambda: client.parameters.get('amr_07/rover.gain') == 1.5, what='a parameter')
    act = robot.act

    def changed(dispatch: Dispatch) -> Ended | None:
        if dispatch.type != 'get':
            return act(dispatch)
        detail = {'values': dict.fromkeys(dispatch.arguments['names'], 7.25)}
        return Ended(ticket=dispatch.ticket, state=State.SUCCEEDED, detail=detail)

    robot.act = changed
    client.get_parameters()
    wait_until(lambda: client.parameters.get('amr_07/rover.gain') == 7.25)
