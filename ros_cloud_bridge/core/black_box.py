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
Which part of a black box's ring is to be sent: spans, where they overlap, and their budgets.

The ring consists of pieces, in the order of time; a span is a window of time around a trigger.
Windows never overlap, so that each sample is sent once: a trigger within a span makes that span
longer, one that comes after it begins a new span behind it. Times are monotonic seconds of the
boot that kept the ring.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nextafter
from typing import Any

from ros_cloud_bridge.values import BlackBoxConfig

# Of a span's triggers these many are told one by one; a trigger that flutters is then counted.
MOST_FIRINGS = 100
# Of a span's bytes, for what was before the trigger.
_LEAST_SHARE = 0.5

NS = 1_000_000_000


@dataclass(slots=True, kw_only=True, eq=False)
class Piece:
    """
    Some samples of the ring, all topics together, that arrived between ``begin`` and ``end``.

    Numbers rise in the order of time; two pieces may be of one and the same moment. ``lost``
    counts samples that were lost before they came here, as the publishers' numbers show.
    """

    number: int = 0

    begin: float
    end: float
    samples: int
    raw_bytes: int
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A trigger that fired: its text, what made it fire, and when."""

    trigger: str
    value: str
    at: float
    wall_ns: int

    def document(self) -> dict[str, object]:
        """Describe it; JSON-able."""
        return {'trigger': self.trigger, 'value': self.value, 'time_ns': self.wall_ns}


@dataclass(slots=True, kw_only=True, eq=False)
class Span:
    """
    A window of the ring that is sent: what arrived after ``low`` and up to ``high``.

    This run sends what arrived after ``after``: an earlier one may have sent a part already.
    ``done`` is how far it has been handed over, up to the piece of that number; ``safe`` how far
    it stands elsewhere on disk; ``left_out`` says by reason how many bytes of its window are not
    sent, and ``cut`` why it ended before its time.
    """

    id: str
    low: float
    high: float
    done: float
    safe: float
    after: float
    piece: int = -1
    cut: str = ''
    firings: list[Firing] = field(default_factory=list)
    untold: int = 0
    samples: int = 0
    bytes: int = 0
    topics: dict[str, list[int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    full: bool = False

    def leave_out(self, reason: str, size: int) -> None:
        """
        Note what is not sent.

        :param reason: a word
        :param size: bytes of messages
        """
        if size > 0:
            self.left_out[reason] = self.left_out.get(reason, 0) + size

    def sent(self, topic: str, samples: int, size: int) -> None:
        """
        Note what was handed over.

        :param topic: ROS topic
        :param samples: how many
        :param size: their bytes
        """
        self.samples += samples
        self.bytes += size
        counts = self.topics.setdefault(topic, [0, 0])
        counts[0] += samples
        counts[1] += size

    def wall_ns(self, at: float) -> int:
        """
        Give the wall clock's time of a moment, as the first trigger saw that clock.

        :param at: monotonic seconds
        :returns: nanoseconds since the Unix epoch
        """
        first = self.firings[0]
        return first.wall_ns + round((at - first.at) * NS)


class BlackBox:
    """
    The spans of one ring.

    :param config: of the black box
    :param next_id: gives each span its id
    """

    def __init__(self, config: BlackBoxConfig, next_id: Callable[[], str]) -> None:
        self.config = config
        self.spans: list[Span] = []
        self._next_id = next_id
        self._last: Span | None = None
        self._quiet_until = float('-inf')

    def fire(self, firing: Firing, pieces: Sequence[Piece]) -> Span:
        """
        Take in a trigger.

        :param firing: the trigger and its time
        :param pieces: what the ring holds
        :returns: the span that it belongs to; its first firing is this one if it is new
        """
        last = self._last
        if last is not None and self._belongs(last, firing.at):
            self._extend(last, firing)
            return last
        floor = last.high if last is not None else float('-inf')
        low, left_out = self._start(firing.at, floor, pieces)
        high = firing.at + self.config.after_s
        span = Span(
            id=self._next_id(),
            low=low,
            high=high,
            done=low,
            safe=low,
            after=low,
            firings=[firing],
        )
        span.leave_out('max_span_bytes', left_out)
        self.spans.append(span)
        self._last = span
        return span

    def _belongs(self, span: Span, at: float) -> bool:
        # A span that is full ends, but a trigger that flutters must not begin one after the other.
        if span.full:
            return at <= self._quiet_until
        return span in self.spans and at <= span.high

    def _extend(self, span: Span, firing: Firing) -> None:
        if span.full:
            self._quiet_until = firing.at + self.config.after_s
        else:
            span.high = max(span.high, firing.at + self.config.after_s)
        if len(span.firings) < MOST_FIRINGS and span in self.spans:
            span.firings.append(firing)
        else:
            span.untold += 1

    def _start(self, at: float, floor: float, pieces: Sequence[Piece]) -> tuple[float, int]:
        """Give where a span begins, and how many bytes before that have no room in it."""
        before_s, after_s = self.config.before_s, self.config.after_s
        low = max(at - before_s, floor)
        # What comes after the trigger must have its part, too; the moment itself has the most.
        share = max(_LEAST_SHARE, before_s / (before_s + after_s)) if after_s > 0 else 1.0
        room = self.config.max_span_bytes * share
        for index in range(len(pieces) - 1, -1, -1):
            piece = pieces[index]
            if piece.end <= low:
                break
            if piece.raw_bytes > room:
                left_out = sum(other.raw_bytes for other in pieces[: index + 1] if other.end > low)
                part = room / piece.raw_bytes
                return piece.end - part * (piece.end - max(piece.begin, low)), left_out - int(room)
            room -= piece.raw_bytes
        return low, 0

    def restore(self, spans: Iterable[Span]) -> None:
        """
        Go on with the spans of an earlier boot.

        :param spans: in the order of time
        """
        self.spans += spans
        self._last = self.spans[-1] if self.spans else None

    def close(self, at: float, reason: str) -> None:
        """
        End every span here: nothing comes after it.

        :param at: the last moment of the ring
        :param reason: a word
        """
        for span in self.spans:
            if span.high > at:
                span.high = max(at, span.done)
                span.cut = span.cut or reason

    def room(self, span: Span) -> int:
        """
        Say how much more a span takes.

        :param span: the span
        :returns: bytes of messages
        """
        return max(0, self.config.max_span_bytes - span.bytes)

    def cut(self, span: Span, left_out: int) -> None:
        """
        End a span that is full; what it has got so far stays.

        :param span: the span
        :param left_out: bytes of messages that had no room
        """
        span.leave_out('max_span_bytes', left_out)
        self._quiet_until = max(self._quiet_until, span.high)
        span.full = True
        span.cut = 'max_span_bytes'
        span.high = span.done

    def lost(self, piece: Piece, reason: str) -> None:
        """
        Take in that the ring lost a piece before it was sent.

        :param piece: it
        :param reason: a word
        """
        for span in self.spans:
            if _in_window(span, piece):
                span.leave_out(reason, piece.raw_bytes)

    def finish(self, span: Span) -> None:
        """
        Let go of a span that was handed over as a whole.

        :param span: the first of the spans
        """
        self.spans.remove(span)

    def needed_from(self, now: float) -> float:
        """
        Say from when on the ring must be kept.

        :param now: monotonic seconds
        :returns: monotonic seconds
        """
        return min((now - self.config.before_s, *(span.done for span in self.spans)))


def next_piece(span: Span, pieces: Sequence[Piece]) -> Piece | None:
    """
    Find what a span needs next.

    :param span: the span
    :param pieces: what the ring holds, in the order of time
    :returns: None when nothing of its window is left
    """
    first = bisect_right(pieces, span.piece, key=lambda piece: piece.number)
    for index in range(first, len(pieces)):
        if pieces[index].begin > span.high:
            return None
        if _in_window(span, pieces[index]):
            return pieces[index]
    return None


def _in_window(span: Span, piece: Piece) -> bool:
    ahead = piece.number > span.piece and not span.full
    return ahead and piece.end > span.after and piece.begin <= span.high


def triggered_event(box: str, span: Span, firing: Firing, reach_s: float) -> dict[str, Any]:
    """
    Describe a trigger for whoever gets the span.

    :param box: the black box's name
    :param span: the span that it belongs to
    :param firing: the trigger
    :param reach_s: how far back the ring reaches at this moment
    :returns: JSON-able document
    """
    return {
        'event': 'triggered',
        'black_box': box,
        'span': span.id,
        **firing.document(),
        'from_ns': span.wall_ns(span.low),
        'to_ns': span.wall_ns(span.high),
        'ring_reaches_back_s': round(reach_s, 3),
    }


def ended_event(box: str, span: Span) -> dict[str, Any]:
    """
    Describe a span that was handed over.

    :param box: the black box's name
    :param span: the span
    :returns: JSON-able document
    """
    return {
        'event': 'ended',
        'black_box': box,
        'span': span.id,
        'triggers': [firing.document() for firing in span.firings],
        'more_triggers': span.untold,
        'from_ns': span.wall_ns(span.low),
        'to_ns': span.wall_ns(span.high),
        'samples': span.samples,
        'bytes': span.bytes,
        'topics': {
            topic: {'samples': samples, 'bytes': size}
            for topic, (samples, size) in sorted(span.topics.items())
        },
        'cut_short': span.cut,
        'left_out_bytes': span.left_out,
        'lost_before_bridge': span.lost,
        'complete': not (span.cut or span.left_out or span.lost),
    }


def write_mark(spans: Iterable[Span]) -> list[dict[str, object]]:
    """
    Write down the spans that are not yet handed over, for a boot that may have to go on.

    :param spans: in the order of time
    :returns: JSON-able
    """
    return [
        {
            'span': span.id,
            'low': span.low,
            'high': span.high,
            'done': span.safe,
            'samples': span.samples,
            'bytes': span.bytes,
            'lost': span.lost,
            'left_out': dict(span.left_out),
            'topics': dict(span.topics),
            'triggers': [[one.trigger, one.value, one.at, one.wall_ns] for one in span.firings],
        }
        for span in spans
    ]


def read_mark(document: object) -> list[Span]:
    """
    Read what :func:`write_mark` wrote.

    :param document: parsed JSON
    :returns: the spans
    :raises ValueError: when it is anything else
    """
    if not isinstance(document, list):
        raise ValueError('no list of spans')
    try:
        return [_read_span(entry) for entry in document]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'no span: {error!r}') from None


def _read_span(entry: Mapping[str, Any]) -> Span:
    span = Span(
        id=str(entry['span']),
        low=float(entry['low']),
        high=float(entry['high']),
        done=float(entry['done']),
        safe=float(entry['done']),
        # Rather twice than never, where several samples arrived at one moment.
        after=nextafter(float(entry['done']), float('-inf')),
        samples=int(entry['samples']),
        bytes=int(entry['bytes']),
        lost=int(entry['lost']),
        topics={str(topic): [int(n), int(size)] for topic, (n, size) in entry['topics'].items()},
        left_out={str(reason): int(size) for reason, size in entry['left_out'].items()},
        firings=[
            Firing(trigger=str(text), value=str(value), at=float(at), wall_ns=int(wall_ns))
            for text, value, at, wall_ns in entry['triggers'][:MOST_FIRINGS]
        ],
    )
    if not (span.firings and span.low <= span.done <= span.high < float('inf')):
        raise ValueError('its times are not in order')
    return span
