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

"""The thread of one black box: fills its ring, and hands the spans of its triggers over."""

from collections import deque
from collections.abc import Callable, Sequence
import os
from pathlib import Path
import threading
import time
from typing import Any

from ros_cloud_bridge.black_box.events import event_sample
from ros_cloud_bridge.black_box.feeding import Feeder, Port
from ros_cloud_bridge.black_box.tracks import find_left, Track
from ros_cloud_bridge.core.black_box import (
    BlackBox,
    ended_event,
    Firing,
    next_piece,
    NS,
    Piece,
    Span,
    triggered_event,
)
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.core.wear import WriteBudget
from ros_cloud_bridge.store.ring import Log, Ring, RingFault, StoredPiece
from ros_cloud_bridge.store.ring_notes import lock_directory, restore_budget, save_budget
from ros_cloud_bridge.store.ring_records import Arrival, Kept, RecordWriter
from ros_cloud_bridge.values import BlackBoxConfig, Drop, Received
from ros_cloud_bridge.wire.batch import Descriptor

_TURN_S = 0.2
_FEEDING_S = 0.01
_FAILED_S = 1.0
_STOP_S = 5.0
# What waits for its turn, as when the disk hangs.
_MOST_PENDING_BYTES = 32 * 1024 * 1024
_SOON_BYTES = 1024 * 1024
_DAY_NS = 86_400 * NS
_MB = 1_000_000.0
_SAVE_BUDGET_S = 600.0
_SAVE_BUDGET_BYTES = 10_000_000


class BlackBoxRecorder:
    """
    Keeps one black box.

    :param config: of the black box
    :param directory: its own
    :param port: the bridge
    :param open_route: gives the durable route of a topic of an earlier boot; may raise BridgeError
    :param events: the durable route that triggers are told on, of type std_msgs/msg/String
    :param log: takes (level, text)
    """

    def __init__(
        self,
        config: BlackBoxConfig,
        directory: Path,
        *,
        port: Port,
        open_route: Callable[[Descriptor], Route],
        events: Route,
        log: Log,
    ) -> None:
        self._config = config
        self._name = config.stream.name
        self._directory = directory
        self._port = port
        self._events_route = events
        self._log: Log = lambda level, text: log(level, f"black box '{self._name}': {text}")
        self._feeder = Feeder(port, open_route)
        self._writer = RecordWriter()
        self._topics: dict[Route, Descriptor] = {}
        self._said: set[str] = set()
        self._numbers = 0
        # What the executor's thread shares with this one's.
        self._wake = threading.Condition()
        self._pending: list[Arrival] = []
        self._pending_bytes = 0
        # Taken out of there, and not yet in the ring.
        self._packing_bytes = 0
        self._overrun = 0
        self._events: deque[dict[str, Any]] = deque()
        self._view: Sequence[StoredPiece] = ()
        self._closing_until: float | None = None
        self._box = BlackBox(config, self._next_id)
        # This thread's own.
        self._budget = WriteBudget(config.max_writes_mb_per_day * _MB)
        # Not the boot id: a bridge that is activated again begins anew.
        ring = Ring(directory, os.urandom(8).hex(), config, self._budget, self._log)
        self._live = Track(box=self._box, ring=ring)
        self._left: list[Track] | None = None
        self._lock: int | None = None
        self._packed_until = float('-inf')
        self._short = False
        self._budget_saved_at = time.monotonic()
        self._budget_saved = 0
        self._failure = ''
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f'box {self._name}', daemon=True)

    def start(self) -> None:
        """Begin; before this nothing is written."""
        self._thread.start()

    def take(
        self, route: Route, samples: Sequence[Received], drops: Sequence[tuple[Drop, int]] = ()
    ) -> None:
        """
        Take in what a subscription received; never waits for the disk.

        :param route: the durable route of their topic
        :param samples: in the order of their arrival
        :param drops: what was lost before them
        """
        topic = self._topics.get(route)
        if topic is None:
            topic = self._topics[route] = Descriptor(
                stream=self._name,
                topic=route.topic,
                type_name=route.type_name,
                schema_id=route.schema_id,
            )
            self._feeder.knows(topic, route)
        size = sum([len(sample.cdr) for sample in samples])
        lost = sum(count for reason, count in drops if reason is Drop.LOST_BEFORE_BRIDGE)
        with self._wake:
            if self._pending_bytes + size > _MOST_PENDING_BYTES:
                self._overrun += len(samples) + lost
                return
            lost, self._overrun = lost + self._overrun, 0
            self._pending.append(Arrival(topic, samples, time.monotonic(), lost))
            soon = self._pending_bytes < _SOON_BYTES <= self._pending_bytes + size
            self._pending_bytes += size
            if soon:
                self._wake.notify()

    def fire(self, trigger: str, value: str) -> Span | None:
        """
        Send what stands around this moment.

        :param trigger: the trigger's text
        :param value: what made it fire, in words
        :returns: the span that it belongs to; None when the black box is closing
        """
        with self._wake:
            if self._closing_until is not None:
                return None
            now = time.monotonic()
            firing = Firing(trigger=trigger, value=value, at=now, wall_ns=time.time_ns())
            span = self._box.fire(firing, [*self._view, self._newest(now)])
            told = firing in span.firings
            reach_s = min(self._config.before_s, self._reach_s(now))
            if told:
                self._events.append(triggered_event(self._name, span, firing, reach_s))
            self._live.noted = False
            self._wake.notify()
        if told:
            what = 'begins' if span.firings[0] is firing else 'goes on'
            self._log(
                'info',
                f'triggered: {trigger} ({value}): span {span.id} {what}; the ring reaches back '
                f'{reach_s:.1f} s of {self._config.before_s:g} s',
            )
        return span

    def stop(self) -> None:
        """End open spans here, hand over what is left of them, and remove the ring."""
        with self._wake:
            self._closing_until = time.monotonic() + _STOP_S
            self._wake.notify()
        if self._thread.ident is not None:
            # A disk that hangs is no reason to hang as well.
            self._thread.join(2 * _STOP_S)

    def _newest(self, now: float) -> Piece:
        """Stand for what is not yet in the ring."""
        begin = self._view[-1].end if self._view else now - _TURN_S
        size = self._pending_bytes + self._packing_bytes
        return Piece(begin=begin, end=now, samples=0, raw_bytes=size)

    def _next_id(self) -> str:
        self._numbers += 1
        return f'{self._name}-{self._live.ring.name}-{self._numbers}'

    def _reach_s(self, now: float) -> float:
        return now - self._view[0].begin if self._view else 0.0

    def _run(self) -> None:
        while not self._ended:
            try:
                wait_s = self._turn()
                self._failure = ''
            except Exception as error:  # whatever it is, the graph goes on
                wait_s = _FAILED_S
                if repr(error) != self._failure:
                    self._failure = repr(error)
                    self._log('error', f'{error!r} (said once)')
                self._ended = self._closing_until is not None
            if not self._ended:
                with self._wake:
                    if not self._events:
                        self._wake.wait(wait_s)

    def _turn(self) -> float:
        if self._left is None:
            self._begin()
        now = self._record()
        self._tell()
        fed = self._feed()
        self._note()
        unsaved = self._budget.written - self._budget_saved
        if now - self._budget_saved_at > _SAVE_BUDGET_S or unsaved > _SAVE_BUDGET_BYTES:
            self._save_budget(now)
        if self._closing_until is not None:
            self._end_if_done(now)
        if fed:
            return 0.0
        return _TURN_S if self._feeder.committed and not self._tracks_with_spans() else _FEEDING_S

    def _begin(self) -> None:
        restore_budget(self._directory / 'written.json', self._budget)
        self._lock = lock_directory(self._directory)
        self._left = []
        # Without the lock, what stands there may be another bridge's that lives.
        for track in self._find_left() if self._lock is not None else ():
            span = track.begin('crash' in self._config.triggers, self._next_id)
            if span is not None:
                firing = span.firings[-1]
                reach_s = min(self._config.before_s, firing.at - track.ring.pieces[0].begin)
                with self._wake:
                    self._events.append(triggered_event(self._name, span, firing, reach_s))
            if not track.box.spans:
                track.ring.close(keep=False)
                continue
            self._left.append(track)
            for one in track.box.spans:
                self._log(
                    'warning',
                    f'span {one.id}: what an earlier run has left is sent: '
                    f'{one.high - one.done:.1f} s up to its end',
                )

    def _find_left(self) -> list[Track]:
        return find_left(self._directory, self._live.ring.name, self._config, self._log)

    def _record(self) -> float:
        with self._wake:
            arrivals, self._pending = self._pending, []
            self._packing_bytes, self._pending_bytes = self._pending_bytes, 0
            now, wall_ns = time.monotonic(), time.time_ns()
            if self._closing_until is not None:
                self._box.close(now, 'shutdown')
        ring = self._live.ring
        for record in self._writer.pack(arrivals, wall_ns, now):
            ring.append(record, wall_ns // _DAY_NS)
        self._packed_until = now
        with self._wake:
            needed_from = self._box.needed_from(now)
        left_bytes = sum(track.ring.disk_bytes for track in self._left or ())
        gone = ring.trim(needed_from, max(0, self._config.max_bytes - left_bytes))
        with self._wake:
            for piece in gone:
                self._box.lost(piece, 'ring_full')
            self._view, self._packing_bytes = tuple(ring.pieces), 0
            reach_s = self._reach_s(now)
        self._tell_reach(bool(gone), reach_s)
        return now

    def _tell_reach(self, gone: bool, reach_s: float) -> None:
        before_s = self._config.before_s
        if gone and not self._short:
            self._short = True
            limit = 'memory' if self._live.ring.in_memory else 'max_bytes'
            text = f'its ring is full ({limit}) and reaches back {reach_s:.1f} s of {before_s:g} s'
            self._log('warning', text)
        elif self._short and reach_s >= before_s:
            self._short = False
            self._log('info', f'its ring reaches back {before_s:g} s again')

    def _tell(self) -> None:
        while True:
            with self._wake:
                if not self._events:
                    return
                event = self._events.popleft()
            sample = event_sample({**event, 'boot_id': self._port.boot_id}, time.time_ns())
            self._port.offer(self._events_route, [sample])

    def _tracks_with_spans(self) -> list[Track]:
        return [track for track in (*(self._left or ()), self._live) if track.box.spans]

    def _feed(self) -> bool:
        fed = self._feeder.offer()
        while self._feeder.hungry and self._next():
            fed = True
        return self._feeder.offer() or fed

    def _next(self) -> bool:
        """Read the next piece of the first span, or let go of that."""
        tracks = self._tracks_with_spans()
        if not tracks:
            return False
        track = tracks[0]
        with self._wake:
            span = track.box.spans[0]
            high = span.high
            piece = next_piece(span, track.ring.pieces)
        if piece is None:
            return self._finish(track, span)
        assert isinstance(piece, StoredPiece)
        try:
            kept = track.ring.read(piece)
        except RingFault as fault:
            with self._wake:
                span.leave_out('damaged', piece.raw_bytes)
                span.piece = piece.number
            self._say(f'{track.ring.name}: a part of its ring cannot be read: {fault}')
            return True
        window = [one for one in kept if span.after < one.at <= high]
        for topic in {one.topic for one in window}:
            if self._feeder.route_of(topic) is None:
                self._say(f'{topic.topic}: not sent: {self._feeder.problems[topic.topic]}')
        with self._wake:
            self._hand_over(track, span, piece, window, high)
        return True

    def _hand_over(
        self, track: Track, span: Span, piece: StoredPiece, window: Sequence[Kept], high: float
    ) -> None:
        room = track.box.room(span)
        given: list[tuple[Route, Kept]] = []
        left_out = 0
        for one in window:
            size = len(one.sample.cdr)
            route = self._feeder.route_of(one.topic)
            if route is None:
                span.leave_out('no_type_support', size)
            elif left_out or size > room:
                left_out += size
            else:
                room -= size
                given.append((route, one))
                span.sent(one.topic.topic, 1, size)
        span.lost += piece.lost
        span.piece = piece.number
        if left_out:
            span.done = max(span.done, given[-1][1].at) if given else span.done
            track.box.cut(span, left_out)
        else:
            span.done = max(span.done, min(piece.end, high))
        self._feeder.put(given)

    def _finish(self, track: Track, span: Span) -> bool:
        with self._wake:
            if track is self._live and self._packed_until < span.high:
                return False
            if not self._feeder.committed:
                return False
            track.box.finish(span)
            track.noted = False
            self._events.append(ended_event(self._name, span))
        cut = f', cut short by {span.cut}' if span.cut else ''
        left_out = ''.join(
            f', {size} bytes left out: {why}' for why, size in span.left_out.items()
        )
        self._log(
            'info',
            f'span {span.id} is handed over: {span.samples} samples, {span.bytes} bytes of '
            f'{span.high - span.low:.1f} s{cut}{left_out}',
        )
        if self._left and track in self._left and not track.box.spans:
            track.ring.close(keep=False)
            self._left.remove(track)
        return True

    def _note(self) -> None:
        """Note how far the spans are, for a boot that comes after a crash."""
        committed = self._feeder.committed
        for track in (*(self._left or ()), self._live):
            with self._wake:
                note = track.note(committed)
            if note is not None:
                track.ring.save_mark(note or None)

    def _end_if_done(self, now: float) -> None:
        left = self._tracks_with_spans()
        late = self._closing_until is not None and now >= self._closing_until
        if (left or self._events or not self._feeder.committed) and not late:
            return
        if left:
            self._log('warning', 'stopped before its spans were handed over; the next run goes on')
        for track in (*(self._left or ()), self._live):
            keep = bool(track.box.spans)
            if keep:
                track.ring.save_mark(track.closing_note())
            track.ring.close(keep=keep)
        self._save_budget(now)
        if self._lock is not None:
            os.close(self._lock)
        self._ended = True

    def _save_budget(self, now: float) -> None:
        self._budget_saved_at, self._budget_saved = now, self._budget.written
        if self._budget.max_bytes > 0:
            save_budget(self._directory / 'written.json', self._budget)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._log('error', text)
