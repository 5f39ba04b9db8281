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

"""The reducers' thread: slow or broken reducers hold up nobody and lose nothing."""

from collections.abc import Callable, Sequence
import threading

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.unreduced import Offered, Reduction, Unreduced
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducing import reduce_samples, Reducing
from ros_cloud_bridge.values import Drop, Keep, Priority, Received, StreamConfig
from support.waiting import wait_until

TYPE = 'a/msg/A'
STREAM = StreamConfig(name='s', topics=('/t',), keep=Keep.FIFO)


class Reducer:
    """Does what it is told with each message."""

    def __init__(self, act: Callable[[bytes, Level], bytes | None], output: Output) -> None:
        self.output = output
        self._act = act

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        return self._act(cdr, level)


class Rig:
    """The thread with routes of its own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log: list[str] = []
        self.came: list[tuple[Route, bytes]] = []
        self.reducing = Reducing(
            work_came=threading.Condition(self.lock),
            accept=self._accept,
            log=lambda level, text: self.log.append(f'{level}: {text}'),
        )
        self._routes = 0
        self.refused: Route | None = None
        self.no_beside = False

    def _accept(self, route: Route, entries: Sequence[Offered]) -> None:
        if route is self.refused:
            raise OSError('no room')
        route.accept([one.sample for one in entries], 0.0)
        self.came += [(route, one.sample.cdr) for one in entries]

    def plain(self, stream: StreamConfig) -> Route:
        self._routes += 1
        return Route(self._routes, stream, f'/t{self._routes}', TYPE)

    def route(
        self,
        act: Callable[[bytes, Level], bytes | None],
        *,
        priority: Priority = Priority.NORMAL,
        form: str = '',
        keep: Keep = Keep.FIFO,
    ) -> tuple[Route, Route]:
        stream = StreamConfig(name='s', topics=('/t',), keep=keep, priority=priority)
        route, beside = self.plain(stream), self.plain(stream)
        route.unreduced = Unreduced(Reduction(text='x', type_name=TYPE, form=form))
        chain = Chain([Reducer(act, Output(type_name=TYPE, form=form))])
        with self.lock:
            self.reducing.opened(route, chain, lambda: self._beside(beside))
        return route, beside

    def _beside(self, route: Route) -> Route:
        if self.no_beside:
            raise OSError('no route')
        return route

    def differences(self) -> Route:
        route, beside = self.plain(STREAM), self.plain(STREAM)
        route.unreduced = Unreduced(Reduction(text='x', type_name=TYPE, form='x/1'))
        with self.lock:
            self.reducing.opened(route, Chain([Differences()]), lambda: beside)
        return route

    def offer(self, route: Route, *messages: bytes) -> None:
        with self.lock:
            route.offer([Received(one, 1, 2) for one in messages], 0.0)
            self.reducing.offered(route)

    def got(self, route: Route) -> list[bytes]:
        with self.lock:
            return [cdr for one, cdr in self.came if one is route]

    def idle(self) -> bool:
        with self.lock:
            return not self.reducing.busy


def test_samples_come_out_in_their_order_and_what_says_nothing_new_does_not() -> None:
    rig = Rig()
    route, _ = rig.route(lambda cdr, level: cdr[:1] if cdr[0] % 2 else None)
    rig.offer(route, *[bytes([number]) * 10 for number in range(200)])
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [bytes([number]) for number in range(1, 200, 2)]
    assert route.drops == {Drop.UNCHANGED: 100}
    assert (route.received, route.accepted) == (200, 100)
    assert route.unreduced is not None
    assert (route.unreduced.bytes_in, route.unreduced.bytes_out) == (2000, 100)
    rig.reducing.stop()


def test_times_beside_a_message_are_rounded_as_the_chain_says() -> None:
    def come(*steps_ns: int) -> list[tuple[int, int]]:
        chain = Chain(
            [
                Reducer(lambda cdr, level: cdr, Output(type_name=TYPE, times_step_ns=step_ns))
                for step_ns in steps_ns
            ]
        )
        samples = [Received(b'a', 1_500_000, 2_499_999), Received(b'b', (1 << 63) - 1, 7)]
        done = reduce_samples(
            chain, [Offered(one, 0.0) for one in samples], 'full', keeps_form=True
        )
        return [(one.sample.source_time_ns, one.sample.receive_time_ns) for one in done.accepted]

    end = (1 << 63) - 1
    assert come(0) == [(1_500_000, 2_499_999), (end, 7)]
    assert come(0, 1_000_000, 10) == [(2_000_000, 2_000_000), (end, 0)]


def test_a_slow_reducer_holds_the_lock_up_for_nobody() -> None:
    rig = Rig()
    at_work, go_on = threading.Event(), threading.Event()

    def slow(cdr: bytes, level: Level) -> bytes:
        at_work.set()
        assert go_on.wait(20.0)
        return cdr

    route, _ = rig.route(slow)
    rig.reducing.start()
    rig.offer(route, b'a', b'b')
    assert at_work.wait(20.0)
    # The lock is free, subscriptions and pump go on, and the samples are accounted for.
    other = rig.plain(route.stream)
    for _ in range(100):
        with rig.lock:
            other.offer([Received(b'x', 1, 1)], 0.0)
            other.settle(len(other.take(100, 1)))
    assert other.delivered == 100
    with rig.lock:
        assert route.unreduced is not None
        assert (route.accepted, len(route.unreduced), route.received) == (0, 2, 2)
    go_on.set()
    wait_until(rig.idle)
    assert rig.got(route) == [b'a', b'b']
    rig.reducing.stop()


def test_the_higher_class_has_its_turn_first() -> None:
    rig = Rig()
    order: list[bytes] = []

    def note(cdr: bytes, level: Level) -> bytes:
        order.append(cdr)
        return cdr

    low, _ = rig.route(note, priority=Priority.LOW)
    high, _ = rig.route(note, priority=Priority.HIGH)
    rig.offer(low, b'low')
    rig.offer(high, b'high')
    rig.reducing.start()
    wait_until(rig.idle)
    assert order == [b'high', b'low']
    rig.reducing.stop()


def test_what_a_reducer_cannot_take_goes_out_as_it_is_and_is_said_once() -> None:
    rig = Rig()

    def fails(cdr: bytes, level: Level) -> bytes:
        if cdr == b'good':
            return b'g'
        raise ZeroDivisionError(f'of {cdr!r}')

    route, beside = rig.route(fails)
    rig.offer(route, b'bad', b'good', b'worse')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [b'bad', b'g', b'worse']
    assert rig.got(beside) == []
    assert route.unreduced is not None
    assert route.unreduced.failed == 2
    assert len(rig.log) == 1
    assert "error: stream 's': /t1: goes out as it is, for its reducer failed: of b'" in rig.log[0]
    rig.reducing.stop()


def test_plain_bytes_never_stand_among_forms() -> None:
    rig = Rig()

    def fails(cdr: bytes, level: Level) -> bytes:
        if cdr == b'bad':
            raise ValueError('no')
        return b'form'

    route, beside = rig.route(fails, form='x/1')
    rig.offer(route, b'a', b'bad', b'b')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [b'form', b'form']
    assert rig.got(beside) == [b'bad']
    assert (route.received, route.accepted) == (2, 2)
    assert (beside.received, beside.accepted) == (1, 1)
    rig.reducing.stop()


def test_what_is_no_bytes_is_a_fault_of_the_reducer() -> None:
    rig = Rig()
    route, _ = rig.route(lambda cdr, level: bytearray(cdr))  # type: ignore[arg-type,return-value]
    rig.offer(route, b'abc')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [b'abc']
    assert 'made bytearray instead of bytes' in rig.log[0]
    rig.reducing.stop()


def test_the_ladder_s_level_reaches_the_reducer() -> None:
    rig = Rig()
    route, _ = rig.route(lambda cdr, level: level.name.encode())
    route.limit(None, None, 'minimal')
    rig.offer(route, b'a')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [b'MINIMAL']
    rig.reducing.stop()


def test_before_the_end_what_waits_is_reduced_and_a_hung_reducer_ends_nothing() -> None:
    rig = Rig()
    route, _ = rig.route(lambda cdr, level: cdr)
    rig.offer(route, *[bytes([one]) for one in range(100)])
    rig.reducing.start()
    rig.reducing.finish(20.0)
    assert len(rig.got(route)) == 100
    never = threading.Event()
    hung, _ = rig.route(lambda cdr, level: cdr if never.wait(60.0) else cdr)
    rig.offer(hung, b'a')
    rig.reducing.finish(0.01)
    rig.reducing.stop(0.01)
    assert rig.got(hung) == []
    assert rig.log == [f'warning: {hung.topic}: its reducer is still at work; left to itself']
    never.set()


def test_the_end_waits_for_the_reducer_that_is_at_work() -> None:
    rig = Rig()
    at_work, go_on = threading.Event(), threading.Event()
    ended = []

    def act(cdr: bytes, level: Level) -> bytes:
        at_work.set()
        assert go_on.wait(60.0)
        ended.append(cdr)
        return cdr

    route, _ = rig.route(act)
    rig.offer(route, b'a')
    rig.reducing.start()
    assert at_work.wait(20.0)
    stopper = threading.Thread(target=rig.reducing.stop, args=(60.0,))
    stopper.start()
    stopper.join(0.2)
    assert stopper.is_alive()
    go_on.set()
    stopper.join(60.0)
    assert not stopper.is_alive()
    assert ended == [b'a']
    assert rig.log == []


class Differences:
    """Marks what needs no other sample."""

    output = Output(type_name=TYPE, form='x/1')

    def __init__(self) -> None:
        self._full = True

    def keyframe(self) -> None:
        self._full = True

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        full, self._full = self._full, False
        return b'full' if full else b'less'


def test_what_late_joiners_get_needs_no_other_sample() -> None:
    rig = Rig()
    route = rig.differences()
    route.latched = LatchedValues(merge_frames=False)
    rig.offer(route, b'a', b'b', b'c')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(route) == [b'full'] * 3
    rig.reducing.stop()


def test_after_a_loss_behind_the_reducer_a_sample_needs_no_other() -> None:
    rig = Rig()
    route = rig.differences()
    rig.offer(route, b'a', b'b')
    rig.reducing.start()
    wait_until(rig.idle)
    with rig.lock:
        route.drop_head(Drop.EXPIRED)
    rig.offer(route, b'c', b'd')
    wait_until(rig.idle)
    # What never came out of the reducer is missed by nothing.
    with rig.lock:
        route.drops[Drop.NOT_REDUCED] += 1
    rig.offer(route, b'e')
    wait_until(rig.idle)
    assert rig.got(route) == [b'full', b'less', b'full', b'less', b'less']
    rig.reducing.stop()


class Unspeakable(Exception):
    """Fails even in what it says."""

    def __str__(self) -> str:
        raise RuntimeError('no words')


def counted(route: Route) -> int:
    return route.accepted + sum(n for drop, n in route.drops.items() if not drop.sequenced)


def test_a_fault_between_reducer_and_route_is_counted_and_leaves_nothing_in_hand() -> None:
    rig = Rig()

    def act(cdr: bytes, level: Level) -> bytes:
        if cdr == b'worse':
            raise Unspeakable
        return cdr

    route, _ = rig.route(act)
    rig.offer(route, b'a', b'worse')
    rig.reducing.start()
    wait_until(rig.idle)
    assert route.drops == {Drop.NOT_REDUCED: 2} and counted(route) == route.received
    rig.offer(route, b'b')
    wait_until(rig.idle)
    assert rig.got(route) == [b'b']
    assert rig.log == ["error: reducers: RuntimeError('no words') (said once)"]
    rig.reducing.stop()


def test_what_a_route_cannot_take_is_counted_and_costs_no_other() -> None:
    rig = Rig()

    def act(cdr: bytes, level: Level) -> bytes:
        if cdr == b'bad':
            raise ValueError('no')
        return cdr

    route, beside = rig.route(act, form='x/1')
    rig.refused = route
    rig.offer(route, b'a', b'bad')
    rig.reducing.start()
    wait_until(rig.idle)
    assert rig.got(beside) == [b'bad']
    assert (route.received, route.drops) == (1, {Drop.NOT_REDUCED: 1})
    rig.refused = beside
    rig.offer(route, b'bad', b'b')
    wait_until(rig.idle)
    assert rig.got(route) == [b'b']
    assert (beside.received, beside.accepted, beside.drops) == (2, 1, {Drop.NOT_REDUCED: 1})
    rig.no_beside = True
    rig.offer(route, b'bad')
    wait_until(rig.idle)
    assert (route.received, counted(route)) == (3, 3)
    rig.reducing.stop()


def test_what_comes_out_of_a_reducer_after_the_end_is_counted_once_and_goes_nowhere() -> None:
    for given_up in (False, True):
        rig = Rig()
        at_work, go_on = threading.Event(), threading.Event()

        def slow(
            cdr: bytes,
            level: Level,
            at_work: threading.Event = at_work,
            go_on: threading.Event = go_on,
        ) -> bytes:
            at_work.set()
            assert go_on.wait(20.0)
            return cdr

        route, _ = rig.route(slow)
        rig.reducing.start()
        rig.offer(route, b'a')
        assert at_work.wait(20.0)
        rig.offer(route, b'b')
        rig.reducing.stop()
        if given_up:
            with rig.lock:
                assert route.drop_all(Drop.SHUTDOWN) == 2
            assert route.drops == {Drop.NOT_REDUCED: 2}
        go_on.set()
        rig.reducing._thread.join(20.0)
        assert rig.got(route) == [] and route.unreduced is not None
        assert (route.unreduced.working, route.accepted) == (0, 0)
        assert route.drops == {Drop.NOT_REDUCED: 2 if given_up else 1}
        assert counted(route) + len(route.unreduced) == route.received
