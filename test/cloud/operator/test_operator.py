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

"""An operator against the real gate, over a real broker."""

import asyncio
from collections.abc import Iterator
import os
from pathlib import Path
import re
import threading
import time
from typing import Any

import pytest

from ros_cloud_bridge.cloud import CommandFailed, Operator
from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.core.commands.effects import Ended
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.operator_robot import OperatorRobot
from support.waiting import wait_until


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    key = PrivateKey.generate()
    key.public.save(tmp_path / 'operators' / 'alice.pub')
    return key


@pytest.fixture
def robot(broker: Broker, tmp_path: Path, key: PrivateKey) -> Iterator[OperatorRobot]:
    with OperatorRobot(broker, tmp_path / 'operators') as robot:
        yield robot


def mqtt(broker: Broker, **further: Any) -> MqttConfig:
    return MqttConfig(host=broker.host, port=broker.port, **further)


@pytest.fixture
def alice(broker: Broker, robot: OperatorRobot, key: PrivateKey) -> Iterator[Operator]:
    pinned = {robot.robot_id: robot.key.public}
    with Operator(mqtt(broker), name='alice', key=key, robots=pinned) as operator:
        yield operator


def test_a_call_is_run_once_and_its_response_comes_back(
    alice: Operator, robot: OperatorRobot
) -> None:
    outcome = alice.call('amr-07', 'dock', {'data': True}).wait(10.0)
    assert (outcome.state, outcome.reason) == (State.SUCCEEDED, '')
    assert outcome.detail == {'data': True}
    assert outcome.succeeded and outcome.word == 'succeeded'
    assert outcome.round_trip_s is not None and 0.0 < outcome.round_trip_s < 10.0
    assert robot.executed == [('call', {'data': True})]


def test_every_type_of_command_arrives_as_it_was_meant(
    alice: Operator, robot: OperatorRobot
) -> None:
    sent = [
        alice.publish('amr-07', 'say', {'data': 'hello'}),
        alice.get_parameters('amr-07', 'rover', ['speed']),
        alice.set_parameters('amr-07', 'rover', {'speed': 1.5}),
        alice.list_parameters('amr-07', 'rover'),
        alice.describe_parameters('amr-07', 'rover', ['speed']),
        alice.bridge('amr-07', 'pause'),
        alice.bridge('amr-07', 'trigger', {'box': 'crash'}),
    ]
    assert [one.wait(10.0).state for one in sent] == [State.SUCCEEDED] * len(sent)
    assert robot.executed == [
        ('publish', {'data': 'hello'}),
        ('get', {'names': ['speed']}),
        ('set', {'values': {'speed': 1.5}}),
        ('list', None),
        ('describe', {'names': ['speed']}),
        ('pause', None),
        ('trigger', {'box': 'crash'}),
    ]
    asked = [one for one in robot.arrivals if one.channel == 'time']
    assert len(asked) == 1, 'the time is asked for once'


def test_what_the_robot_refuses_ends_with_its_reason(alice: Operator) -> None:
    outcome = alice.publish('amr-07', 'say', {'data': 'too long a word'}).wait(10.0)
    assert outcome.state is State.REJECTED
    assert outcome.reason.startswith('field_limit: data: length 15')
    assert alice.publish('amr-07', 'dock', {}).wait(10.0).reason.startswith('wrong_type')


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_runs_twice(
    alice: Operator, robot: OperatorRobot
) -> None:
    assert alice.call('amr-07', 'dock', {'data': False}).wait(10.0).succeeded
    robot.mute = True
    sent = alice.call('amr-07', 'dock', {'data': True}, ttl_s=10.0)
    wait_until(lambda: len(robot.dispatched) == 2, what='the call')
    robot.mute = False
    assert sent.wait(10.0).detail == {'data': True}
    assert len(robot.dispatched) == 2
    mine = [one for one in robot.arrivals if one.channel == 'dock'][1:]
    assert len(mine) >= 2 and len({one.payload for one in mine}) == 1


def test_a_command_that_is_lost_is_said_again(alice: Operator, robot: OperatorRobot) -> None:
    robot.deaf = True
    sent = alice.call('amr-07', 'dock', {'data': True}, ttl_s=10.0)
    wait_until(lambda: robot.arrivals, what='the question for the time')
    robot.deaf = False
    assert sent.wait(15.0).succeeded
    assert len(robot.dispatched) == 1


def test_without_an_answer_one_learns_that_nothing_is_known(
    alice: Operator, robot: OperatorRobot
) -> None:
    assert alice.call('amr-07', 'dock', {}).wait(10.0).succeeded
    robot.deaf = True
    outcome = alice.call('amr-07', 'dock', {'data': True}, ttl_s=0.3).wait(15.0)
    assert outcome.state is None and outcome.word == 'no answer'
    assert 'may alice use it?' in outcome.reason


def test_nobody_there_is_said(broker: Broker, key: PrivateKey) -> None:
    robots = {'ghost': PrivateKey.generate().public}
    with Operator(mqtt(broker), name='alice', key=key, robots=robots) as operator:
        outcome = operator.call('ghost', 'dock', {}, ttl_s=0.5).wait(10.0)
    assert outcome.state is None
    assert outcome.reason.startswith('nobody listens at the broker')


def test_a_channel_that_one_may_not_use_does_not_answer(
    alice: Operator, robot: OperatorRobot
) -> None:
    outcome = alice.call('amr-07', 'closed', {}, ttl_s=0.5).wait(10.0)
    assert outcome.state is None
    assert outcome.reason == (
        'the robot is there, but does not answer to this: is there a channel closed, and may '
        'alice use it?'
    )
    assert robot.dispatched == []


def test_a_robot_that_does_not_know_the_key_tells_nothing(
    broker: Broker, robot: OperatorRobot
) -> None:
    pinned = {robot.robot_id: robot.key.public}
    stranger = PrivateKey.generate()
    with Operator(mqtt(broker), name='alice', key=stranger, robots=pinned) as operator:
        outcome = operator.call('amr-07', 'dock', {}, ttl_s=0.5).wait(10.0)
    assert outcome.state is None
    assert 'does not tell its time' in outcome.reason
    assert robot.dispatched == []


def test_a_goal_gives_feedback_and_a_result(alice: Operator, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: None
    called: list[State] = []
    goal = alice.goal(
        'amr-07', 'count', {'order': 3}, on_answer=lambda answer: called.append(answer.state)
    )
    wait_until(lambda: robot.dispatched, what='the goal')
    ticket = robot.dispatched[0].ticket
    robot.progress(ticket, {'feedback': {'sequence': [0, 1]}})
    answers = iter(goal)
    seen = [next(answers), next(answers)]
    assert [answer.state for answer in seen] == [State.ACCEPTED, State.RUNNING]
    assert seen[1].detail == {'feedback': {'sequence': [0, 1]}}
    assert not goal.done
    robot.end(ticket, State.SUCCEEDED, {'result': {'sequence': [0, 1, 1]}})
    assert [answer.state for answer in answers] == [State.SUCCEEDED]
    assert goal.wait(1.0).detail == {'result': {'sequence': [0, 1, 1]}}
    wait_until(lambda: len(called) == 3, what='callbacks')
    assert called == [State.ACCEPTED, State.RUNNING, State.SUCCEEDED]


def test_a_goal_can_be_cancelled(alice: Operator, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: None
    goal = alice.goal('amr-07', 'count', {'order': 3})
    wait_until(lambda: robot.dispatched, what='the goal')
    assert goal.cancel().wait(10.0).succeeded
    assert goal.wait(10.0).state is State.CANCELLED
    assert robot.cancelled == [robot.dispatched[0].ticket]
    with pytest.raises(TypeError, match='call cannot be cancelled'):
        alice.call('amr-07', 'dock', {}).cancel()


def test_a_goal_that_was_not_sent_is_cancelled_here(
    broker: Broker, robot: OperatorRobot, key: PrivateKey
) -> None:
    robot.deaf = True
    pinned = {robot.robot_id: robot.key.public}
    with Operator(mqtt(broker), name='alice', key=key, robots=pinned) as operator:
        goal = operator.goal('amr-07', 'count', {})
        assert goal.cancel().wait(1.0).succeeded
        assert goal.wait(1.0).state is State.CANCELLED
        robot.deaf = False
        assert operator.call('amr-07', 'dock', {}).wait(10.0).succeeded
    assert robot.executed == [('call', {})]


def test_a_restart_that_was_not_noticed_costs_one_question(
    alice: Operator, robot: OperatorRobot
) -> None:
    first = alice.call('amr-07', 'dock', {'data': True})
    assert first.wait(10.0).succeeded
    robot.restart()
    second = alice.call('amr-07', 'dock', {'data': False})
    assert second.wait(10.0).succeeded
    assert robot.executed == [('call', {'data': True}), ('call', {'data': False})]
    assert [one.channel for one in robot.arrivals] == ['time', 'dock', 'dock', 'time', 'dock']
    third = alice.call('amr-07', 'dock', {})
    assert third.wait(10.0).succeeded
    assert robot.arrivals[-1].channel == 'dock' and len(robot.arrivals) == 6


def test_what_ran_as_the_robot_was_killed_ends_as_unknown(
    alice: Operator, robot: OperatorRobot
) -> None:
    robot.act = lambda dispatch: None
    goal = alice.goal('amr-07', 'count', {'order': 3})
    wait_until(lambda: robot.dispatched, what='the goal')
    robot.restart()
    outcome = goal.wait(10.0)
    assert outcome.state is State.UNKNOWN_AFTER_RESTART
    assert outcome.word == 'unknown after restart'
    # The next command finds the new epoch by itself.
    robot.act = lambda dispatch: Ended(ticket=dispatch.ticket, state=State.SUCCEEDED)
    assert alice.call('amr-07', 'dock', {}).wait(10.0).succeeded
    assert [kind for kind, _ in robot.executed] == ['goal', 'call']


def test_answers_that_are_not_the_robots_are_dropped_and_counted(
    broker: Broker, alice: Operator, robot: OperatorRobot
) -> None:
    robot.act = lambda dispatch: None
    sent = alice.call('amr-07', 'dock', {})
    wait_until(lambda: robot.dispatched, what='the call')
    wait_until(lambda: sent.id, what='its id')
    forged = Answer(id=sent.id, epoch=bytes(8), robot_ms=1, state=State.SUCCEEDED)
    robot.answer('alice', forged, key=PrivateKey.generate())
    robot.publish(robot.topics.answers('alice'), b'nonsense')
    unknown = Answer(id=bytes(16), epoch=bytes(8), robot_ms=1, state=State.SUCCEEDED)
    robot.answer('alice', unknown)
    other = Answer(id=sent.id, epoch=b'another!', robot_ms=1, state=State.RUNNING, number=9)
    robot.answer('alice', other)
    expected = {'bad_signature': 2, 'unknown_id': 1, 'wrong_epoch': 1}
    wait_until(lambda: alice.refused == expected, what=f'{alice.refused}')
    assert not sent.done
    robot.end(robot.dispatched[0].ticket, State.SUCCEEDED)
    assert sent.wait(10.0).succeeded


def test_retained_answers_are_not_even_asked_for(
    broker: Broker, robot: OperatorRobot, key: PrivateKey
) -> None:
    topic = robot.topics.answers('alice')
    robot.publish(topic, b'old', retain=True)
    # What came after the subscription would be told, and refused.
    wait_until(lambda: re.search(f"r1, m\\d+, '{topic}'", broker.log()), what='it to be kept')
    pinned = {robot.robot_id: robot.key.public}
    try:
        with Operator(mqtt(broker), name='alice', key=key, robots=pinned) as operator:
            assert operator.call('amr-07', 'dock', {}).wait(10.0).succeeded
            assert operator.refused == {}
    finally:
        robot.publish(topic, b'', retain=True)


def test_commands_can_be_awaited(alice: Operator, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: (
        None
        if dispatch.type == 'goal'
        else Ended(ticket=dispatch.ticket, state=State.SUCCEEDED, detail=dispatch.arguments)
    )

    async def work() -> list[Any]:
        calls = [alice.call('amr-07', 'dock', {'data': n % 2 == 0}) for n in range(3)]
        outcomes = await asyncio.gather(*calls)
        goal = alice.goal('amr-07', 'count', {'order': 2})
        states = []
        async for answer in goal:
            states.append(answer.state)
            if answer.state is State.ACCEPTED:
                robot.end(robot.dispatched[-1].ticket, State.FAILED, reason='tired')
        return [*outcomes, states, await goal]

    first, second, third, states, last = asyncio.run(asyncio.wait_for(work(), 20.0))
    assert [one.detail['data'] for one in (first, second, third)] == [True, False, True]
    assert states == [State.ACCEPTED, State.FAILED]
    assert str(last) == 'failed: tired'


def test_wait_gives_up_and_the_command_goes_on(alice: Operator, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: None
    sent = alice.call('amr-07', 'dock', {})
    with pytest.raises(TimeoutError, match='call dock: under way after 0.1 s'):
        sent.wait(0.1)
    wait_until(lambda: robot.dispatched, what='the call')
    robot.end(robot.dispatched[0].ticket, State.SUCCEEDED)
    assert sent.wait(10.0).succeeded


def test_a_callback_that_fails_does_no_harm(alice: Operator, robot: OperatorRobot) -> None:
    def fail(answer: Answer) -> None:
        raise RuntimeError('mine')

    assert alice.send('amr-07', 'dock', 'call', {}, on_answer=fail).wait(10.0).succeeded
    heard = threading.Event()
    sent = alice.send('amr-07', 'dock', 'call', {}, on_answer=lambda answer: heard.set())
    assert sent.wait(10.0).succeeded and heard.wait(10.0)


TWIST = {'linear': {'x': 0.5}, 'angular': {'z': 0.1}}


def test_a_drive_takes_the_lease_sends_and_gives_it_back(
    alice: Operator, robot: OperatorRobot
) -> None:
    with alice.drive('amr-07', 'drive', hz=50.0) as drive:
        drive.set(TWIST)
        wait_until(lambda: len(robot.dispatched) >= 10, what='messages')
        wait_until(lambda: drive.carried_out >= 2, what='answers')
        assert drive.scale == 1.0
        assert drive.latency_s is not None
        assert drive.problem == ''
    assert {kind for kind, _ in robot.executed} == {'publish'}
    assert all(fields == TWIST for _, fields in robot.executed)
    assert robot.stopped == ['drive'], 'giving the lease back stops the robot'
    # The lease is free again.
    assert alice.acquire('amr-07', 'drive').wait(10.0).succeeded


def test_a_drive_whose_driver_sleeps_falls_silent(alice: Operator, robot: OperatorRobot) -> None:
    with alice.drive('amr-07', 'drive', hz=50.0, hold_s=0.2) as drive:
        drive.set(TWIST)
        # The gate says so when the last message is older than the watchdog allows.
        wait_until(lambda: drive.carried_out > 0, what='answers')
        count = -1
        while count != len(robot.dispatched):
            count = len(robot.dispatched)
            time.sleep(0.3)
        drive.set(TWIST)
        wait_until(lambda: len(robot.dispatched) > count, what='messages again')


def test_one_message_of_a_drive_is_sent_once(alice: Operator, robot: OperatorRobot) -> None:
    with alice.drive('amr-07', 'drive') as drive:
        assert drive.send(TWIST)
        assert drive.wait_heard(10.0)
        assert (drive.sent, drive.carried_out) == (1, 1)
    assert robot.executed == [('publish', TWIST)]


def test_recorded_answers_do_not_make_a_driver_believe_in_a_robot_that_is_gone(
    broker: Broker, alice: Operator, robot: OperatorRobot
) -> None:
    recorded: list[bytes] = []
    publish = robot.publish

    def record(topic: str, payload: bytes, *, retain: bool = False) -> None:
        recorded.append(payload)
        publish(topic, payload, retain=retain)

    robot.publish = record  # type: ignore[method-assign]
    with alice.drive('amr-07', 'drive', hz=50.0) as drive:

        def driven() -> bool:
            drive.set(TWIST)
            return drive.carried_out >= 50

        wait_until(driven, what='the robot drives')
        robot.deaf = True
        carried_out = drive.carried_out
        payloads = list(recorded)
        failures: list[CommandFailed] = []

        def raises() -> bool:
            try:
                drive.set(TWIST)
            except CommandFailed as failure:
                failures.append(failure)
            for payload in payloads:
                publish(robot.topics.answers('alice'), payload)
            return bool(failures)

        wait_until(raises, what='the failure')
        assert str(failures[0]).startswith('drive drive: no answer: no answer for 1')
        assert failures[0].outcome.state is None
        # Besides what was under way as it fell silent.
        assert drive.carried_out - carried_out <= len(robot.dispatched) - carried_out
        robot.deaf = False


def test_one_who_lacks_the_lease_does_not_drive(
    broker: Broker, alice: Operator, robot: OperatorRobot, key: PrivateKey
) -> None:
    pinned = {robot.robot_id: robot.key.public}
    with alice.drive('amr-07', 'drive', hz=20.0) as drive:
        # Another process of the same operator.
        with Operator(mqtt(broker), name='alice', key=key, robots=pinned) as other:
            with pytest.raises(CommandFailed, match='acquire drive: rejected: lease_held'):
                with other.drive('amr-07', 'drive'):
                    raise AssertionError('it has no lease')
        robot.restart()
        drive.set(TWIST)
        wait_until(lambda: drive.failed is not None, what='the end of the lease')
        with pytest.raises(CommandFailed, match='drive drive: rejected: (wrong_epoch|no_lease)'):
            drive.set(TWIST)


def test_a_lost_connection_is_made_again(
    broker: Broker, alice: Operator, robot: OperatorRobot
) -> None:
    assert alice.call('amr-07', 'dock', {}).wait(10.0).succeeded
    broker.stop()
    wait_until(lambda: not alice.connected, what='the loss')
    sent = alice.call('amr-07', 'dock', {'data': True}, ttl_s=10.0)
    broker.restart()
    assert sent.wait(60.0).succeeded
    assert robot.executed == [('call', {}), ('call', {'data': True})]


def test_stopping_ends_what_is_under_way(
    broker: Broker, robot: OperatorRobot, key: PrivateKey
) -> None:
    robot.act = lambda dispatch: None
    pinned = {robot.robot_id: robot.key.public}
    operator = Operator(mqtt(broker), name='alice', key=key, robots=pinned)
    with operator:
        sent = operator.call('amr-07', 'dock', {})
        wait_until(lambda: robot.dispatched, what='the call')
    assert str(sent.wait(1.0)) == 'no answer: the operator has stopped'
    with pytest.raises(LocalFault, match='has stopped'):
        operator.call('amr-07', 'dock', {})


def test_a_broker_of_mqtt_311_is_refused(tmp_path: Path, key: PrivateKey) -> None:
    robots = {'amr-07': key.public}
    with pytest.raises(ConfigError, match='mqtt.protocol: commands need MQTT 5'):
        Operator(MqttConfig(protocol='3.1.1'), name='alice', key=key, robots=robots)


@pytest.mark.parametrize(
    ('robot_id', 'arguments', 'ttl_s', 'text'),
    [
        ('amr-08', {}, 1.0, 'robot: no key of amr-08 is trusted'),
        ('a/b', {}, 1.0, "robot: 'a/b' is no robot id"),
        ('amr-07', {'a': {1, 2}}, 1.0, 'arguments: '),
        ('amr-07', {'a': 2**70}, 1.0, 'arguments: '),
        ('amr-07', {1: 2}, 1.0, 'arguments: a key that is no text'),
        ('amr-07', {'a': b'x' * 70000}, 1.0, 'arguments: make a command of 70'),
        ('amr-07', {}, 0.0, 'ttl_s: 0 must be above 0'),
        ('amr-07', {}, 5000.0, 'ttl_s: 5000 must be above 0 and at most 3600'),
    ],
)
def test_what_cannot_be_sent_is_said_at_once(
    broker: Broker, key: PrivateKey, robot_id: str, arguments: Any, ttl_s: float, text: str
) -> None:
    operator = Operator(mqtt(broker), name='alice', key=key, robots={'amr-07': key.public})
    with pytest.raises(ConfigError) as caught:
        operator.send(robot_id, 'dock', 'call', arguments, ttl_s=ttl_s)
    assert str(caught.value).startswith(text)


def test_keys_may_stand_in_files(
    broker: Broker, robot: OperatorRobot, key: PrivateKey, tmp_path: Path
) -> None:
    key.save(tmp_path / 'alice.key')
    robots = tmp_path / 'robots'
    robot.key.public.save(robots / 'amr-07.pub')
    with Operator(
        mqtt(broker), name='alice', key=tmp_path / 'alice.key', robots=robots
    ) as operator:
        assert operator.call('amr-07', 'dock', {}).wait(10.0).succeeded
        with pytest.raises(ConfigError, match='no key of amr-08 is trusted'):
            operator.call('amr-08', 'dock', {})
        # One that is pinned later is found without a new start.
        PrivateKey.generate().public.save(robots / 'amr-08.pub')
        assert operator.call('amr-08', 'dock', {}, ttl_s=0.3).wait(10.0).state is None


def test_the_broker_may_refuse(broker: Broker, tmp_path: Path, key: PrivateKey) -> None:
    acl = tmp_path / 'acl'
    acl.write_text('topic read rcb/v1/+/ack/alice\n')
    os.chmod(acl, 0o644)
    with Broker([f'acl_file {acl}']) as strict:
        with Operator(
            mqtt(strict), name='alice', key=key, robots={'amr-07': key.public}
        ) as operator:
            outcome = operator.call('amr-07', 'dock', {}, ttl_s=5.0).wait(10.0)
    assert outcome.state is None
    assert outcome.reason.startswith('the broker refuses it: ')


def test_an_unreachable_broker_is_said(broker: Broker, key: PrivateKey) -> None:
    config = MqttConfig(host='127.0.0.1', port=1)
    with Operator(config, name='alice', key=key, robots={'amr-07': key.public}) as operator:
        with pytest.raises(LocalFault, match='broker not reachable: '):
            operator.wait_connected(0.5)
        outcome = operator.call('amr-07', 'dock', {}, ttl_s=0.2).wait(10.0)
    assert str(outcome) == 'no answer: not connected to the broker'


def test_many_commands_at_once_all_end(alice: Operator, robot: OperatorRobot) -> None:
    sent = [alice.publish('amr-07', 'say', {'data': str(n)}, ttl_s=9.0) for n in range(40)]
    outcomes = [one.wait(30.0) for one in sent]
    assert all(outcome.succeeded for outcome in outcomes)
    assert sorted(int(fields['data']) for _, fields in robot.executed) == list(range(40))
