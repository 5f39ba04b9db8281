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


"""The spool's thread: commits what durable routes accept, and reads the backlog."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
import threading
import time

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.durable.place import spool_path
from ros_cloud_bridge.durable.reader import BacklogReader, Departure
from ros_cloud_bridge.durable.telling import Telling
from ros_cloud_bridge.durable.work import runs, span, Work
from ros_cloud_bridge.store.lanes import Lane, LanePolicy, SpoolError
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.values import BridgeConfig, Drop, Keep
from ros_cloud_bridge.wire.account import Gap
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.confirm import Confirmation
from ros_cloud_bridge.wire.schema import Schema

Log = Callable[[str, str], None]

# Of the time within which a sample is committed so much is the disk's; in the rest others may come
# that share its commit.
_DISK_S = 0.025
_LOOK_S = 1.0
_FAILED_S = 0.5
_MOST_GAPS = 4096


class Spooling:
    """
    Joins durable routes, the backlog and the spool.

    Methods are called with the lock held, but for :meth:`start` and :meth:`stop`.

    :param config: checked configuration
    :param boot: boot id
    :param pump: the pump; only touched with the lock held
    :param work_came: a condition on the lock that guards the pump
    :param news: called with the lock held when the pump has something new to send
    :param log: takes (level, text)
    """

    def __init__(
        self,
        config: BridgeConfig,
        *,
        boot: bytes,
        pump: Pump,
        work_came: threading.Condition,
        news: Callable[[], None],
        log: Log,
    ) -> None:
        self._pump = pump
        self._news = news
        self._log = log
        self._config = config
        self._work_came = work_came
        self._work = Work()
        self._doing = Work()
        self._routes: dict[int, DurableRoute] = {}
        self._lanes: dict[int, Lane] = {}
        self._commit_at: float | None = None
        self._look_at = 0.0
        self._dry = False
        self._ending = False
        self._failure = ''
        self._spool = Spool(spool_path(config), boot, config.spool, log)
        self._reader = BacklogReader(self._spool, time.time_ns)
        self._follow(config)
        self._telling = Telling(log)
        self._telling.began(self._spool.figures())
        self._absent: dict[str, str] = {}
        self._announce_earlier()
        self.document: dict[str, object] = self._describe()
        pump.backlog.wake = self._wake
        self._thread = threading.Thread(target=self._run, name='spooling', daemon=True)

    def _announce_earlier(self) -> None:
        """Announce types of earlier boots: nobody may publish them any more."""
        lanes = [lane for lane in self._spool.lanes.values() if lane.closed]
        for schema_id in {lane.descriptor.schema_id for lane in lanes} - {''}:
            schema = self._spool.schema(schema_id)
            if schema is not None:
                self._pump.announcer.route_added(schema, time.monotonic())

    @property
    def left(self) -> int:
        """How many samples are in the spool, as of the last look."""
        samples = self.document['samples']
        assert isinstance(samples, int)
        return samples

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def commit_all(self, timeout_s: float) -> None:
        """
        Wait until all that was accepted is committed, or will not be.

        :param timeout_s: for a disk that hangs
        """
        with self._work_came:
            self._commit_at = 0.0
            self._work_came.notify()
            self._work_came.wait_for(
                lambda: not any(route.not_yet_committed for route in self._routes.values()),
                timeout_s,
            )

    def stop(self, timeout_s: float = 10.0) -> None:
        """
        Commit what waits, and close the spool.

        :param timeout_s: for a disk that hangs
        """
        with self._work_came:
            self._ending = True
            self._work_came.notify()
        if self._thread.ident is None:
            self._spool.close()
        else:
            self._thread.join(timeout_s)

    def opened(self, route: DurableRoute, schema: Schema | None) -> None:
        """
        Take on a new durable route.

        :param route: the route
        :param schema: its type's definition, if there is one
        """
        self._routes[route.number] = route
        route.on_settled = lambda first, last, reason: self._settled(route, first, last, reason)
        route.on_gap = lambda first, last, reason: self._gap(route, first, last, reason)
        self._work.opened.append((route, schema))
        self._wake()

    def offered(self, route: DurableRoute, now: float) -> None:
        """
        Learn that a route has something to commit.

        :param route: the route
        :param now: monotonic seconds
        """
        if self._commit_at is None and route.not_yet_committed:
            delay_s = self._config.spool.commit_delay_s
            self._commit_at = now + max(delay_s / 2, delay_s - _DISK_S)
            self._work_came.notify()

    def confirmed(self, consumer: str, confirmation: Confirmation) -> None:
        """
        Take in what a consumer says that it holds.

        :param consumer: its name
        :param confirmation: what it says
        """
        self._work.confirmations.append((consumer, confirmation))
        self._wake()

    def connection(self, connected: bool) -> None:
        """
        Learn that a connection has begun or ended.

        :param connected: which of them
        """
        self._work.connected = connected
        self._wake()

    def configure(self, config: BridgeConfig) -> None:
        """
        Follow a change of the configuration.

        :param config: the new one
        """
        self._work.config = config
        self._wake()

    def _settled(self, route: DurableRoute, first: int, last: int, reason: Drop | None) -> None:
        self._work.settled.append((route, first, last, reason))
        self._wake()

    def _gap(self, route: DurableRoute, first: int, last: int, reason: Drop) -> None:
        gaps = self._work.gaps
        if gaps and gaps[-1][0] is route:
            before = gaps[-1][1]
            if before.reason == reason and before.last + 1 == first:
                gaps[-1] = (route, before._replace(last=last))
                return
        if len(gaps) < _MOST_GAPS:
            gaps.append((route, Gap(reason, first, last)))

    def _wake(self) -> None:
        self._dry = False
        self._work_came.notify()

    def _run(self) -> None:
        over = False
        while not over:
            try:
                over = self._turn()
            except Exception as error:  # a fault of ours: the robot's samples go on
                self._fail(error)
        # Here, for a disk that hangs longer than anybody waits: as long as it is open nobody
        # else may write it, not even the next bridge of this process.
        self._spool.close()

    def _fail(self, error: Exception) -> None:
        text = f'spool: {error!r}'
        if text != self._failure:
            self._failure = text
            self._log('error', f'{text} (said once)')
        with self._work_came:
            self._keep_in_memory(self._doing)
            self._work_came.wait(_FAILED_S)

    def _keep_in_memory(self, work: Work) -> None:
        while work.commits:
            route, entries = work.commits.pop()
            route.was_not_committed([span(run) for run in runs(entries)])

    def _turn(self) -> bool:
        """Do what there is to do; returns whether it was the last turn."""
        with self._work_came:
            now = time.monotonic()
            while not self._something(now):
                self._work_came.wait(self._wait_s(now))
                now = time.monotonic()
            ending = self._ending
            work = self._doing = self._take(now)
        departures = list(self._handle(work, now))
        departures += self._commit(work)
        looks = ending or now >= self._look_at
        if looks:
            departures += self._look(now)
        batch = None
        if work.wish is not None:
            batch, unreadable = self._reader.next(work.wish, now)
            departures += unreadable
        departures += self._reader.damaged()
        document = self._describe() if looks else None
        with self._work_came:
            self.document = document or self.document
            for departure in departures:
                self._departed(departure)
            self._work_came.notify_all()
            if batch is not None:
                self._pump.backlog.put(batch)
            elif work.wish is not None and not self._work.pressing:
                self._dry = True
            if batch is not None:
                self._news()
        return ending

    def _something(self, now: float) -> bool:
        if self._ending or self._work.pressing or self._pump.backlog.outcomes:
            return True
        if now >= self._look_at or (self._commit_at is not None and now >= self._commit_at):
            return True
        return not self._dry and self._wish(now) is not None

    def _wish(self, now: float) -> int | None:
        pump = self._pump
        if not (pump.flowing and pump.portrait.connected):
            return None
        return pump.backlog.wish(pump.admission.capacity(now))

    def _wait_s(self, now: float) -> float:
        until = self._look_at if self._commit_at is None else min(self._look_at, self._commit_at)
        return max(0.0, until - now)

    def _take(self, now: float) -> Work:
        work, self._work = self._work, Work()
        work.outcomes, self._pump.backlog.outcomes = self._pump.backlog.outcomes, deque()
        if self._ending or (self._commit_at is not None and now >= self._commit_at):
            self._commit_at = None
            for route in self._routes.values():
                entries = route.to_commit()
                if entries:
                    work.commits.append((route, entries))
        for route in self._routes.values():
            # Without a connection nobody else looks after them.
            route.expire(now)
        work.live_from = {number: route.live_from for number, route in self._routes.items()}
        if not self._ending:
            work.wish = self._wish(now)
        return work

    def _handle(self, work: Work, now: float) -> Iterator[Departure]:
        if work.config is not None:
            self._follow(work.config)
        for route, schema in work.opened:
            self._open(route, schema)
        if work.connected is not None:
            if work.connected:
                self._reader.connected(now)
            else:
                self._reader.disconnected()
        for number, lane in self._lanes.items():
            lane.live_from = work.live_from.get(number, lane.live_from)
        for route, first, last, reason in work.settled:
            yield from self._reader.live(self._lanes[route.number], first, last, reason, now)
        for key, outcome in work.outcomes:
            yield from self._reader.outcome(key, outcome, now)
        for consumer, confirmation in work.confirmations:
            yield from self._reader.heard(consumer, confirmation, now)

    def _open(self, route: DurableRoute, schema: Schema | None) -> None:
        descriptor = Descriptor(
            stream=route.stream.name,
            topic=route.topic,
            type_name=route.type_name,
            schema_id=route.schema_id,
            form=route.form,
        )
        self._lanes[route.number] = self._spool.open_lane(
            route.number, descriptor, schema, LanePolicy.of(route.stream)
        )

    def _follow(self, config: BridgeConfig) -> None:
        self._config = config
        self._spool.set_config(config.spool)
        for stream in config.all_streams:
            if stream.keep is Keep.DURABLE:
                self._spool.set_policy(stream.name, LanePolicy.of(stream))

    def _commit(self, work: Work) -> Iterator[Departure]:
        if not work.commits and not work.gaps:
            return
        blocks = [
            (self._lanes[route.number], run)
            for route, entries in work.commits
            for run in runs(entries)
        ]
        gaps = [(self._lanes[route.number], gap) for route, gap in work.gaps]
        try:
            dropped = self._spool.commit(blocks, gaps)
        except SpoolError:
            with self._work_came:
                self._keep_in_memory(work)
                self._work.gaps[:0] = work.gaps[: _MOST_GAPS - len(self._work.gaps)]
                self._news()
            return
        for lane, _ in (*gaps, *dropped):
            self._reader.accounts.gap_opened(lane)
        self._reader.accounts.written()
        new_from = {route.number: entries[0].sequence for route, entries in work.commits}
        with self._work_came:
            while work.commits:
                route, entries = work.commits.pop()
                route.was_committed(len(entries))
            # In one stroke: what had no room must not be sent.
            departures = list(self._dropped(dropped, new_from))
            self._news()
        yield from departures

    def _dropped(
        self, dropped: Iterable[tuple[Lane, Gap]], new_from: dict[int, int]
    ) -> Iterator[Departure]:
        """Tell routes what had no room: out of their memory, or out of the spool."""
        for lane, gap in dropped:
            reason = Drop(gap.reason)
            if reason is Drop.SPOOL_FULL:
                self._telling.dropped(lane.descriptor.stream, gap.last - gap.first + 1)
            route = self._route_of(lane)
            # One gap can hold both: what was spooled, and what has just come.
            new = gap.last + 1
            if route is not None:
                new = min(new, max(gap.first, new_from.get(route.number, lane.live_from)))
                if new <= gap.last:
                    route.was_dropped(new, gap.last, reason)
            if gap.first < new:
                yield Departure(lane=lane, samples=new - gap.first, reason=reason)

    def _route_of(self, lane: Lane) -> DurableRoute | None:
        return None if lane.closed else self._routes.get(lane.route)

    def _look(self, now: float) -> Iterator[Departure]:
        self._look_at = now + _LOOK_S
        self._dry = False
        self._absent = self._reader.absent(now)
        self._telling.look(self._absent, self._reader.rivals(now), now)
        self._reader.accounts.look(now)
        try:
            expired = self._spool.expire()
            for lane, _ in expired:
                self._reader.accounts.gap_opened(lane)
            with self._work_came:
                departures = list(self._dropped(expired, {}))
            yield from departures
            self._spool.flush()
            self._reader.accounts.written()
        except SpoolError:  # the spool has said so, and does it later
            return

    def _departed(self, departure: Departure) -> None:
        route = self._route_of(departure.lane)
        if route is not None:
            route.left_spool(departure.samples, departure.reason)

    def _describe(self) -> dict[str, object]:
        figures = self._spool.figures()
        earlier: dict[str, int] = {}
        for lane in self._spool.lanes.values():
            if lane.closed:
                name = lane.descriptor.stream
                earlier[name] = earlier.get(name, 0) + lane.samples
        return {
            'state': figures.state,
            'recovered': self._spool.recovered,
            'bytes': figures.bytes,
            'max_bytes': figures.max_bytes,
            'samples': figures.samples,
            'oldest_age_s': _rounded(figures.oldest_age_s),
            'written_bytes_today': figures.written_bytes_today,
            'dead_letters': figures.dead_letters,
            'streams': [
                {
                    'stream': name,
                    'samples': stream.samples,
                    'bytes': stream.bytes,
                    'oldest_age_s': _rounded(stream.oldest_age_s),
                    'earlier_boots': earlier.get(name, 0),
                    'unconfirmed': self._reader.awaited(name),
                    'waits_for': self._absent.get(name, ''),
                }
                for name, stream in figures.streams.items()
            ],
        }


def _rounded(age_s: float | None) -> float | None:
    return None if age_s is None else round(age_s, 1)
