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

"""
The reducers' thread: takes samples that have passed their route's rate, and gives back less.

A reducer may take as long as a camera's picture needs; meanwhile nobody waits for it: samples are
taken and given back under the bridge's lock and reduced outside of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
import threading
import time

from ros_cloud_bridge.core.fair import FairShare
from ros_cloud_bridge.core.ladder_steps import LEVELS
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.unreduced import Offered, Unreduced
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.values import Drop

Log = Callable[[str, str], None]

# So many samples of a route at a time, and no more once they have taken so long.
_MOST_AT_ONCE = 64
_TURN_S = 0.005
_FAILED_S = 0.1
_STOP_S = 1.0


class Keyframes(Enum):
    """Which of the next samples may need none of those before them."""

    NEXT = 'next'
    ALL = 'all'


def keyframes_due(route: Route, unreduced: Unreduced) -> Keyframes | None:
    """
    Say whether what a route has sent does not hold what its next samples might need.

    :param route: the route
    :param unreduced: its samples before the reducer, which is about to take some
    :returns: which must stand alone; None when none must
    """
    lost = sum(count for drop, count in route.drops.items() if drop.sequenced)
    more, unreduced.lost = lost > unreduced.lost, lost
    if route.latched is not None:
        # Whoever joins late gets the last one, and nothing else.
        return Keyframes.ALL
    return Keyframes.NEXT if more else None


@dataclass(slots=True, kw_only=True, eq=False)
class _Line:
    """A route with a reducer; ``plain`` opens the route of what could not be reduced."""

    route: Route
    unreduced: Unreduced
    chain: Chain
    plain: Callable[[], Route]


@dataclass(slots=True)
class _Done:
    """What became of samples of a line."""

    accepted: list[Offered] = field(default_factory=list)
    plain: list[Offered] = field(default_factory=list)
    left: list[Offered] = field(default_factory=list)
    unchanged: int = 0
    bytes_in: int = 0
    failed: int = 0
    reason: str = ''
    cpu_s: float = 0.0


def reduce_samples(
    chain: Chain,
    entries: Sequence[Offered],
    level: str,
    *,
    keeps_form: bool,
    keyframes: Keyframes | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> _Done:
    """
    Reduce samples.

    :param chain: their route's
    :param entries: in the order of their arrival
    :param level: the ladder's word for how much is given up
    :param keeps_form: whether what cannot be reduced may go out beside what was
    :param keyframes: which samples may need none before them; None where any may
    :param goes_on: asked after each sample; what is left then stays as it is
    :returns: what became of them
    """
    done = _Done()
    step_ns = chain.output.times_step_ns
    how_much = Level(LEVELS.index(level))
    for index, entry in enumerate(entries):
        sample = entry.sample
        try:
            if keyframes is Keyframes.ALL or (keyframes is Keyframes.NEXT and index == 0):
                chain.keyframe()
            data = chain.reduce(sample.cdr, how_much, sample.receive_time_ns / 1e9)
        except Exception as error:  # no sample is lost for a reducer's fault
            done.failed += 1
            done.reason = f'{error!r}' if not str(error) else str(error)
            (done.accepted if keeps_form else done.plain).append(entry)
        else:
            done.bytes_in += len(sample.cdr)
            if data is None:
                done.unchanged += 1
            else:
                made = sample._replace(
                    cdr=data,
                    source_time_ns=_rounded(sample.source_time_ns, step_ns),
                    receive_time_ns=_rounded(sample.receive_time_ns, step_ns),
                )
                done.accepted.append(Offered(made, entry.at))
        if not goes_on():
            done.left = list(entries[index + 1 :])
            break
    return done


def _rounded(time_ns: int, step_ns: int) -> int:
    if not step_ns:
        return time_ns
    rounded = (time_ns + step_ns // 2) // step_ns * step_ns
    # A publisher may stamp anything; what has no room on the wire is not made here.
    return rounded if rounded < 1 << 63 else time_ns


class Reducing:
    """
    Reduces samples of all routes with a reducer, on a thread of its own.

    Methods are called with the lock held, but for :meth:`start`, :meth:`finish` and :meth:`stop`.

    :param work_came: a condition on the lock that guards the routes
    :param accept: takes what is to go out on a route; called with the lock held
    :param log: takes (level, text)
    """

    def __init__(
        self,
        *,
        work_came: threading.Condition,
        accept: Callable[[Route, Sequence[Offered]], None],
        log: Log,
    ) -> None:
        self._work_came = work_came
        self._accept = accept
        self._log = log
        self._lines: dict[int, _Line] = {}
        # CPU time is shared by the class of the stream first, then evenly.
        self._shares: dict[int, FairShare] = {}
        self._ending = False
        # The topic whose reducer was last called.
        self._at_work = ''
        self._failures: set[str] = set()
        self._thread = threading.Thread(target=self._run, name='reducing', daemon=True)

    def start(self) -> None:
        """Begin to reduce."""
        if self._thread.ident is None:
            self._thread.start()

    def opened(self, route: Route, chain: Chain, plain: Callable[[], Route]) -> None:
        """
        Take on a route.

        :param route: with ``unreduced``
        :param chain: its reducers
        :param plain: opens the route of the same topic without a reducer
        """
        if route.unreduced is not None and route.number not in self._lines:
            self._lines[route.number] = _Line(
                route=route, unreduced=route.unreduced, chain=chain, plain=plain
            )

    def offered(self, route: Route) -> None:
        """
        Learn that a route has something to reduce.

        :param route: the route
        """
        if route.unreduced is not None and route.unreduced.waiting:
            self._work_came.notify_all()

    @property
    def busy(self) -> bool:
        """Whether anything waits for its reducer, or is in its hands."""
        return any(len(line.unreduced) for line in self._lines.values())

    def finish(self, timeout_s: float) -> None:
        """
        Wait until everything has been reduced.

        :param timeout_s: for reducers that take longer
        """
        if self._thread.ident is None:
            return
        with self._work_came:
            self._work_came.notify_all()
            self._work_came.wait_for(lambda: not self.busy, timeout_s)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """
        End, and wait for the thread; a reducer that hangs is left to itself, and named.

        :param timeout_s: how long a reducer that is at work may take
        """
        with self._work_came:
            self._ending = True
            self._work_came.notify_all()
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._log('warning', f'{self._at_work}: its reducer is still at work; left to itself')

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    return
            except Exception as error:  # a fault of ours: what is left goes on
                self._say(f'reducers: {error!r}')
                with self._work_came:
                    self._work_came.wait(_FAILED_S)

    def _turn(self) -> bool:
        """Reduce some samples of the line whose turn it is; returns whether to go on."""
        with self._work_came:
            line = self._next()
            while line is None and not self._ending:
                self._work_came.wait()
                line = self._next()
            if line is None or self._ending:
                return False
            entries = line.unreduced.take(_MOST_AT_ONCE)
            level = line.route.level
            self._at_work = line.route.topic
            keyframes = keyframes_due(line.route, line.unreduced)
        try:
            done = self._reduce(line, entries, level, keyframes)
        except BaseException:
            with self._work_came:
                _lose(line)
                self._work_came.notify_all()
            raise
        with self._work_came:
            try:
                self._give_back(line, len(entries), done)
            finally:
                self._work_came.notify_all()
        if done.failed:
            self._say(
                f"stream '{line.route.stream.name}': {line.route.topic}: goes out as it is, for "
                f'its reducer failed: {done.reason}'
            )
        return True

    def _reduce(
        self, line: _Line, entries: Sequence[Offered], level: str, keyframes: Keyframes | None
    ) -> _Done:
        began_cpu = time.thread_time()
        until = time.monotonic() + _TURN_S
        # Bytes in another form, or of another type, must not stand beside what was reduced.
        reduction = line.unreduced.reduction
        same = not reduction.form and reduction.type_name == line.route.source_type
        done = reduce_samples(
            line.chain,
            entries,
            level,
            keeps_form=same,
            keyframes=keyframes,
            goes_on=lambda: time.monotonic() < until,
        )
        done.cpu_s = time.thread_time() - began_cpu
        return done

    def _next(self) -> _Line | None:
        waiting = [line for line in self._lines.values() if line.unreduced.waiting]
        if not waiting:
            return None
        first = min(line.route.stream.priority for line in waiting)
        share = self._shares.setdefault(first, FairShare())
        numbers = [line.route.number for line in waiting if line.route.stream.priority == first]
        chosen = share.pick(numbers)
        assert isinstance(chosen, int)
        return self._lines[chosen]

    def _give_back(self, line: _Line, taken: int, done: _Done) -> None:
        route, unreduced = line.route, line.unreduced
        if self._ending:
            # The routes are given up by now, or about to be.
            _lose(line)
            return
        settle(route, unreduced, taken, done)
        share = self._shares.setdefault(route.stream.priority, FairShare())
        share.charge(route.number, done.cpu_s + 1e-6, route.stream.weight)
        try:
            self._hand_over(route, done.accepted)
        finally:
            if done.plain:
                self._hand_over_beside(line, done.plain)

    def _hand_over(self, route: Route, entries: Sequence[Offered]) -> None:
        if not entries:
            return
        before = route.accepted
        try:
            self._accept(route, entries)
        except Exception:
            route.drops[Drop.NOT_REDUCED] += len(entries) - (route.accepted - before)
            raise

    def _hand_over_beside(self, line: _Line, entries: Sequence[Offered]) -> None:
        try:
            plain = line.plain()
        except Exception:
            # There is no other route to count them.
            line.route.received += len(entries)
            line.route.drops[Drop.NOT_REDUCED] += len(entries)
            raise
        plain.received += len(entries)
        self._hand_over(plain, entries)

    def _say(self, text: str) -> None:
        # Said once for each route: what it says of the message may differ each time.
        about = text.partition(', for ')[0]
        if about not in self._failures:
            self._failures.add(about)
            self._log('error', f'{text} (said once)')


def _lose(line: _Line) -> None:
    """Count what the reducer has in its hands as lost there."""
    unreduced = line.unreduced
    if unreduced.working:
        line.route.drops[Drop.NOT_REDUCED] += unreduced.working
        unreduced.done(unreduced.working)


def settle(route: Route, unreduced: Unreduced, taken: int, done: _Done) -> None:
    """
    Count what became of samples that a reducer had in its hands.

    :param route: their route
    :param unreduced: where they waited
    :param taken: how many it took
    :param done: what became of them
    """
    unreduced.give_back(done.left)
    unreduced.done(taken - len(done.left))
    unreduced.cpu_s += done.cpu_s
    unreduced.failed += done.failed
    unreduced.bytes_in += done.bytes_in
    unreduced.bytes_out += sum(len(entry.sample.cdr) for entry in done.accepted)
    if done.unchanged:
        route.drops[Drop.UNCHANGED] += done.unchanged
    if done.plain:
        # They are another route's now.
        route.received -= len(done.plain)
