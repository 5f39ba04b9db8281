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

"""A consumer that confirms, against a real broker and a robot that keeps what it has sent."""

from collections.abc import Callable, Iterator
from pathlib import Path
import random
import secrets
import threading
from typing import Any

import pytest

from ros_cloud_bridge.cloud import Consumer, Ledger, Sample, SampleId
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import Drop, MqttConfig
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.batch import encode_descriptor, Kind
from ros_cloud_bridge.wire.cbor import dumps
from support.broker import Broker
from support.durable_robot import DurableRobot
from support.waiting import wait_until
from support.wire_robot import level_cdr, ROOT

CDRS = [level_cdr(n / 8, bytes([n])) for n in range(60)]


class Sink:
    """Takes samples; a test says when they are durable."""

    def __init__(self, broker: Broker, name: str, robots: str, **named: Any) -> None:
        self.samples: list[Sample] = []
        self.take: Callable[[Sample], None] = self.samples.append
        self._broker = broker
        self._client_id = f'sink-{secrets.token_hex(6)}'
        self.consumer = Consumer(
            MqttConfig(host=broker.host, port=broker.port, client_id=self._client_id),
            lambda sample: self.take(sample),
            name=name,
            robots=robots,
            confirms=True,
            **named,
        )

    def __enter__(self) -> 'Sink':
        self.consumer.start()
        answer = f'Sending SUBACK to {self._client_id}'
        wait_until(lambda: answer in self._broker.log(), what='SUBACK')
        return self

    def __exit__(self, *_: object) -> None:
        self.consumer.stop()

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.samples) >= count, what=f'{count} samples')

    @property
    def got(self) -> list[tuple[int, bytes, bool]]:
        return [(sample.sequence, sample.cdr, sample.historical) for sample in self.samples]


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def heard(robot: DurableRobot) -> None:
    wait_until(lambda: robot.confirmations, what='a word of the consumer')


def test_it_says_hello_and_confirms_only_when_told(broker: Broker) -> None:
    with DurableRobot(broker, 'plain', 'archive') as robot:
        route, other = robot.route('/level'), robot.route('/other')
        robot.announce()
        with Sink(broker, 'archive', 'plain') as sink:
            heard(robot)
            assert robot.confirmations[0][0] == 'archive'
            assert robot.confirmations[0][1].held == ()
            robot.live(route, CDRS[:10])
            robot.live(other, CDRS[10:20])
            sink.wait(20)
            assert robot.held(route) == robot.held(other) == []
            sink.consumer.confirm(s for s in sink.samples if s.topic == '/level')
            robot.wait_for_confirmed(route, (1, 10))
            assert robot.held(other) == []
            sink.consumer.confirm(SampleId.of(s) for s in sink.samples[-3:])
            robot.wait_for_confirmed(other, (8, 10))
            last = robot.confirmations[-1][1]
            # Only what has changed.
            assert [(entry.route, entry.ranges) for entry in last.held] == [(other, ((8, 10),))]
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(other, (1, 10))
            assert sink.consumer.confirmed == 20
    assert len({confirmation.instance for _, confirmation in robot.confirmations}) == 1


def test_robot_that_comes_back_hears_everything(broker: Broker) -> None:
    with DurableRobot(broker, 'back', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        with Sink(broker, 'archive', 'back') as sink:
            robot.live(route, CDRS[:10])
            sink.wait(10)
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(route, (1, 10))
            robot.confirmations.clear()
            robot.connection = 2
            robot.birth()
            robot.wait_for_confirmed(route, (1, 10))


def test_what_comes_again_is_dropped_and_confirmed_again(broker: Broker) -> None:
    with DurableRobot(broker, 'again', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        with Sink(broker, 'archive', 'again') as sink:
            robot.live(route, CDRS[:10])
            sink.wait(10)
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(route, (1, 10))
            robot.confirmations.clear()
            robot.backlog(route, range(3, 8))
            robot.wait_for_confirmed(route, (1, 10))
            robot.live(route, CDRS[10:12])
            sink.wait(12)
    assert [sequence for sequence, *_ in sink.got] == list(range(1, 13))
    assert not any(historical for *_, historical in sink.got)


def test_received_and_not_confirmed_comes_again_after_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    with DurableRobot(broker, 'killed', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        ledger = Ledger(tmp_path / 'ledger', 'archive')
        with Sink(broker, 'archive', 'killed', ledger=ledger) as first:
            robot.live(route, CDRS[:20])
            first.wait(20)
            first.consumer.confirm(first.samples[:12])
        # It left in an orderly way, and said what was held before.
        robot.wait_for_confirmed(route, (1, 12))
        ledger.close()
        robot.confirmations.clear()
        ledger = Ledger(tmp_path / 'ledger', 'archive')
        with Sink(broker, 'archive', 'killed', ledger=ledger) as second:
            # What was confirmed is known from before.
            robot.wait_for_confirmed(route, (1, 12))
            robot.backlog(route, range(1, 21))
            second.wait(8)
            robot.live(route, CDRS[20:22])
            second.wait(10)
            second.consumer.confirm(second.samples)
            robot.wait_for_confirmed(route, (1, 22))
        ledger.close()
    assert second.got == [
        *((number, CDRS[number - 1], True) for number in range(13, 21)),
        (21, CDRS[20], False),
        (22, CDRS[21], False),
    ]


def test_gaps_are_confirmed_and_prove_completeness_over_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    def complete(sink: Sink) -> list[bool]:
        return [entry.complete for entry in sink.consumer.decoder.losses()]

    with DurableRobot(broker, 'gaps', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        ledger = Ledger(tmp_path / 'ledger', 'archive')
        with Sink(broker, 'archive', 'gaps', ledger=ledger) as sink:
            robot.live(route, CDRS[:10])
            sink.wait(10)
            robot.account(route, 20, [Gap(Drop.EXPIRED, 11, 14)], closed=True)
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(route, (1, 14))
            assert complete(sink) == [False]
        ledger.close()
        ledger = Ledger(tmp_path / 'ledger', 'archive')
        with Sink(broker, 'archive', 'gaps', ledger=ledger) as sink:
            assert complete(sink) == [False]
            robot.account(route, 20, [Gap(Drop.SPOOL_FULL, 15, 20)], closed=True)
            robot.wait_for_confirmed(route, (1, 20))
            assert complete(sink) == [True]
            (losses,) = sink.consumer.decoder.losses()
            assert (losses.received, losses.outstanding, losses.closed) == (10, 0, True)
            assert losses.reported['expired'] == 4
        ledger.close()


def test_what_the_sink_could_not_take_comes_again(broker: Broker) -> None:
    with DurableRobot(broker, 'fails', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        taken: list[Sample] = []

        def refuse(sample: Sample) -> None:
            taken.append(sample)
            if sample.sequence % 2:
                raise ValueError('no')

        with Sink(broker, 'archive', 'fails') as sink:
            sink.take = refuse
            robot.live(route, CDRS[:10])
            wait_until(lambda: len(taken) == 10, what='all samples')
            sink.take = sink.samples.append
            sink.consumer.confirm(sample for sample in taken if not sample.sequence % 2)
            robot.wait_for_confirmed(route, *((n, n) for n in range(2, 11, 2)))
            # The first repetition says that they are wanted, the second brings them.
            robot.backlog(route, robot.unconfirmed(route))
            robot.backlog(route, robot.unconfirmed(route))
            sink.wait(5)
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(route, (1, 10))
    assert sink.got == [(n, CDRS[n - 1], True) for n in range(1, 11, 2)]


def settled(sink: Sink) -> list[tuple[int, bytes, bool]]:
    """Give what has come once all that was received has been handed on."""

    def all_there() -> bool:
        counts = sink.consumer.counts
        return len(sink.samples) + counts.overflow_messages == len(CDRS)

    wait_until(all_there, what='all samples that were not dropped')
    return sink.got


def test_what_overflows_is_not_confirmed_and_comes_again(broker: Broker) -> None:
    with DurableRobot(broker, 'flood', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        gate = threading.Event()
        with Sink(broker, 'archive', 'flood', max_queued_bytes=3000) as sink:
            heard(robot)
            wait_until(lambda: robot.robot_id in sink.consumer.states, what='presence')

            def slow(sample: Sample) -> None:
                gate.wait(30.0)
                sink.samples.append(sample)

            sink.take = slow
            for cdr in CDRS:
                robot.live(route, [cdr])
            wait_until(lambda: sink.consumer.counts.overflow_messages > 0, what='overflow')
            gate.set()
            # Those that are there are held, and no others.
            first = [sequence for sequence, *_ in settled(sink)]
            sink.consumer.confirm(list(sink.samples))
            robot.wait_for_confirmed(route, *Ranges((n, n) for n in first))
            lost = robot.unconfirmed(route)
            assert len(lost) == sink.consumer.counts.overflow_messages
            count = len(first)
            for number in lost:
                robot.backlog(route, [number])
                count += 1
                sink.wait(count)
            sink.wait(60)
            sink.consumer.confirm(list(sink.samples))
            robot.wait_for_confirmed(route, (1, 60))
    assert sorted((n, cdr) for n, cdr, _ in sink.got) == list(enumerate(CDRS, 1))


def test_streams_of_others_are_never_confirmed(broker: Broker) -> None:
    with DurableRobot(broker, 'foreign', 'ops') as robot:
        route = robot.route('/level')
        robot.announce()
        with Sink(broker, 'archive', 'foreign') as sink:
            heard(robot)
            wait_until(lambda: 'foreign' in sink.consumer.decoder.robots, what='robot')
            robot.live(route, CDRS[:10])
            sink.wait(10)
            assert not sink.consumer.confirms(sink.samples[0])
            sink.consumer.confirm(sink.samples)
            # Named from now on: what it had received under the old name is asked for again.
            robot.confirm_by = 'archive'
            robot.info()
            wait_until(lambda: sink.consumer.confirms(sink.samples[0]), what='info')
            robot.live(route, CDRS[10:11])
            sink.wait(11)
            sink.consumer.confirm(sink.samples[10:])
            robot.wait_for_confirmed(route, (11, 11))
            robot.backlog(route, range(1, 11))
            robot.backlog(route, range(1, 11))
            sink.wait(21)
            sink.consumer.confirm(sink.samples)
            robot.wait_for_confirmed(route, (1, 11))


def test_consumer_survives_the_broker_and_confirms_what_it_held_meanwhile() -> None:
    with Broker() as broker, DurableRobot(broker, 'rover', 'archive') as robot:
        route = robot.route('/level')
        robot.announce()
        with Sink(broker, 'archive', 'rover') as sink:
            robot.live(route, CDRS[:10])
            sink.wait(10)
            broker.kill()
            wait_until(lambda: not sink.consumer.connected, what='disconnect')
            sink.consumer.confirm(sink.samples)
            broker.restart()
            wait_until(lambda: robot._session.connected, 40.0, 'robot back')
            robot.connection = 2
            robot.announce()
            robot.wait_for_confirmed(route, (1, 10))


def test_several_robots_hear_their_own(broker: Broker) -> None:
    with DurableRobot(broker, 'fleet-1', 'archive') as one:
        with DurableRobot(broker, 'fleet-2', 'archive') as two:
            routes = [robot.route('/level') for robot in (one, two)]
            for robot in (one, two):
                robot.announce()
            with Sink(broker, 'archive', 'fleet-*') as sink:
                one.live(routes[0], CDRS[:5])
                two.live(routes[1], CDRS[5:12])
                sink.wait(12)
                sink.consumer.confirm(sink.samples)
                one.wait_for_confirmed(routes[0], (1, 5))
                two.wait_for_confirmed(routes[1], (1, 7))
            boots = {entry.boot for _, c in one.confirmations for entry in c.held}
            assert boots == {one.boot}


def test_hostile_robots_do_not_break_it(broker: Broker) -> None:
    chance = random.Random(4)
    with DurableRobot(broker, 'bad', 'archive') as bad:
        with DurableRobot(broker, 'bad-good', 'archive') as good:
            route, evil = good.route('/level'), bad.route('/level')
            with Sink(broker, 'archive', 'bad*') as sink:
                bad.announce()
                good.announce()
                describe = encode_descriptor(bad.routes[evil].descriptor)
                accounts = [
                    [[2**63 - 1, describe, 2**63 - 1, True, [[19, 1, 2**63 - 1]]]],
                    [[0, describe, 5, True, [[19, 3, 2]]]],
                    [[0, describe, 5, True, [[19, 1, 9], [19, 4, 5]]]],
                    [[n, describe, 1, False, [[19, 1, 1]]] for n in range(1, 4000)],
                    [[-1, None, 5, False, []]],
                ]
                messages = [dumps([1, int(Kind.ACCOUNT), bad.boot, 7, a]) for a in accounts]
                messages += [chance.randbytes(200) for _ in range(50)]
                messages.append(bytes(70_000))
                for message in messages:
                    bad.publish(bad.topics.backlog, message)
                for number in (1, 2**62, 2**63 - 2):
                    bad.routes[evil].next_sequence = number
                    bad.send(evil, CDRS[:1])
                strange = {'boot_id': secrets.token_hex(8), 'streams': [[], {'name': {}}, 5]}
                bad.publish(bad.topics.info, encode_json({'version': 1, **strange}))
                # What robots say to robots is none of ours.
                bad.publish(f'{ROOT}/bad-good/confirm/archive2', good.boot)
                good.live(route, CDRS[:10])
                wait_until(
                    lambda: sum(s.robot_id == 'bad-good' for s in sink.samples) == 10,
                    what='the good samples',
                )
                sink.consumer.confirm(sink.samples)
                good.wait_for_confirmed(route, (1, 10))
                assert sink.consumer.counts.errors > 0
            assert {name for name, _ in bad.confirmations} == {'archive'}


@pytest.mark.parametrize('name', ['', 'with space', 'a/b', 'x' * 65])
def test_a_name_is_needed(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Consumer(MqttConfig(), lambda sample: None, name=name, confirms=True)
    assert caught.value.key == 'name'
