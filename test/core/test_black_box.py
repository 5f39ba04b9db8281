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

"""Spans of a black box: what they hold, where they overlap, what they may cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
import json
import random
from typing import Any

import pytest

from ros_cloud_bridge.core.black_box import (
    BlackBox,
    ended_event,
    Firing,
    MOST_FIRINGS,
    next_piece,
    Piece,
    read_mark,
    Span,
    triggered_event,
    write_mark,
)
from ros_cloud_bridge.core.wear import WriteBudget
from ros_cloud_bridge.values import BlackBoxConfig, Keep, StreamConfig

STREAM = StreamConfig(name='box', topics=('/t',), keep=Keep.DURABLE)
PIECE_BYTES = 100


def config(**named: Any) -> BlackBoxConfig:
    """
    Describe a black box of 10 s before and 5 s after.

    :param named: keys that differ
    :returns: the configuration
    """
    return BlackBoxConfig(
        **{'stream': STREAM, 'triggers': ('crash',), 'before_s': 10.0, 'after_s': 5.0, **named}
    )


@dataclass
class Run:
    """
    A black box, a ring of one piece a second, and the clock.

    The piece that ends at second n is number n; what was sent is noted by piece.
    """

    config: BlackBoxConfig = field(default_factory=config)
    now: float = 0.0

    def __post_init__(self) -> None:
        ids = count(1)
        self.box = BlackBox(self.config, lambda: str(next(ids)))
        self.pieces: list[Piece] = []
        self.sent: list[int] = []
        self.ended: list[Span] = []

    def go_on(self, seconds: int) -> None:
        """
        Let time go by, and hand over what there is to.

        :param seconds: whole seconds
        """
        for _ in range(seconds):
            self.now += 1.0
            self.pieces.append(
                Piece(
                    number=int(self.now),
                    begin=self.now - 0.9,
                    end=self.now,
                    samples=1,
                    raw_bytes=PIECE_BYTES,
                )
            )
            self.hand_over()

    def hand_over(self) -> None:
        """Do what the recorder does, with whole pieces."""
        while self.box.spans:
            span = self.box.spans[0]
            piece = next_piece(span, self.pieces)
            if piece is None:
                if self.now < span.high:
                    return
                self.box.finish(span)
                self.ended.append(span)
            elif self.box.room(span) < piece.raw_bytes:
                span.piece = piece.number
                self.box.cut(span, piece.raw_bytes)
            else:
                span.sent('/t', 1, piece.raw_bytes)
                span.piece, span.done = piece.number, min(piece.end, span.high)
                self.sent.append(piece.number)

    def fire(self, trigger: str = 'service') -> Span:
        """
        Fire a trigger now.

        :param trigger: its text
        :returns: the span
        """
        firing = Firing(trigger=trigger, value='v', at=self.now, wall_ns=round(self.now * 1e9))
        span = self.box.fire(firing, self.pieces)
        self.hand_over()
        return span


def test_a_span_holds_what_was_before_and_what_comes_after() -> None:
    run = Run()
    run.go_on(60)
    assert run.sent == []
    span = run.fire()
    # What was before goes at once, not after five more seconds.
    assert run.sent == list(range(51, 61)) and run.ended == []
    run.go_on(20)
    assert run.sent == list(range(51, 66)) and run.ended == [span]
    assert (span.low, span.high, span.samples, span.bytes) == (50.0, 65.0, 15, 1500)
    assert not run.box.spans


def test_a_trigger_within_a_span_makes_it_longer() -> None:
    run = Run()
    run.go_on(60)
    first = run.fire('one')
    run.go_on(4)
    assert run.fire('two') is first
    run.go_on(30)
    assert first.high == 69.0 and run.sent == list(range(51, 70))
    assert [one.trigger for one in first.firings] == ['one', 'two'] and run.ended == [first]


def test_a_trigger_soon_after_a_span_begins_another_behind_it() -> None:
    run = Run()
    run.go_on(60)
    first = run.fire('one')
    run.go_on(8)
    second = run.fire('two')
    assert second is not first and second.low == first.high == 65.0
    run.go_on(30)
    assert run.sent == list(range(51, 74)) and run.ended == [first, second]


def test_a_trigger_before_the_last_span_is_handed_over_waits_its_turn() -> None:
    run = Run()
    run.go_on(60)
    firings = []
    for at in (60.0, 66.0, 90.0):
        # Nothing is handed over meanwhile, as with a spool that stands still.
        firings.append(Firing(trigger=f'at {at}', value='', at=at, wall_ns=0))
        run.box.fire(firings[-1], run.pieces)
    assert [(span.low, span.high) for span in run.box.spans] == [
        (50.0, 65.0),
        (65.0, 71.0),
        (80.0, 95.0),
    ]
    assert run.box.needed_from(200.0) == 50.0
    run.go_on(50)
    assert [span.firings[0] for span in run.ended] == firings
    assert run.sent == [*range(51, 72), *range(81, 96)]


def test_what_a_trigger_needs_is_kept_and_nothing_else() -> None:
    run = Run()
    run.go_on(60)
    assert run.box.needed_from(60.0) == 50.0
    run.box.fire(Firing(trigger='t', value='', at=60.0, wall_ns=0), run.pieces)
    assert run.box.needed_from(100.0) == 50.0
    run.hand_over()
    assert run.box.needed_from(100.0) == 60.0


def test_a_span_over_its_budget_leaves_out_its_far_ends() -> None:
    run = Run(config(max_span_bytes=900))
    run.go_on(60)
    span = run.fire()
    # Two thirds of the time are before the trigger, so are two thirds of the bytes.
    assert run.sent == list(range(55, 61)) and span.left_out == {'max_span_bytes': 400}
    run.go_on(20)
    assert run.sent == list(range(55, 64)) and run.ended == [span]
    assert span.cut == 'max_span_bytes' and span.left_out == {'max_span_bytes': 500}


def test_what_was_before_may_leave_its_part_to_what_comes_after() -> None:
    run = Run(config(max_span_bytes=600))
    run.go_on(2)
    run.fire()
    run.go_on(20)
    assert run.sent == list(range(1, 7))


def test_a_trigger_that_flutters_costs_one_span() -> None:
    run = Run(config(max_span_bytes=2000))
    run.go_on(60)
    span = run.fire()
    for _ in range(300):
        run.go_on(1)
        assert run.fire() is span
    assert span.bytes == 2000 and run.ended == [span]
    assert len(span.firings) < MOST_FIRINGS and span.untold > 200
    # Once it has been quiet for after_s there may be another.
    run.go_on(6)
    assert run.fire() is not span


def test_triggers_without_end_are_counted_not_kept() -> None:
    run = Run()
    run.go_on(1)
    span = run.fire()
    for _ in range(5 * MOST_FIRINGS):
        run.fire()
    assert len(span.firings) == MOST_FIRINGS and span.untold == 4 * MOST_FIRINGS + 1


def test_what_the_ring_loses_before_it_is_sent_is_told() -> None:
    run = Run()
    run.go_on(60)
    span = run.box.fire(Firing(trigger='t', value='', at=60.0, wall_ns=0), run.pieces)
    lost, run.pieces = run.pieces[:55], run.pieces[55:]
    for piece in lost:
        run.box.lost(piece, 'ring_full')
    run.go_on(20)
    assert run.sent == list(range(56, 66)) and span.left_out == {'ring_full': 500}
    for piece in run.pieces:
        run.box.lost(piece, 'ring_full')
    assert span.left_out == {'ring_full': 500}


def test_pieces_of_one_moment_are_all_sent() -> None:
    run = Run()
    for number in range(5):
        piece = Piece(number=number, begin=1.0, end=1.0, samples=1, raw_bytes=10)
        run.pieces.append(piece)
    run.now = 2.0
    run.fire()
    assert run.sent == [0, 1, 2, 3, 4]


def test_the_end_of_the_ring_ends_its_spans() -> None:
    run = Run()
    run.go_on(60)
    span = run.fire()
    run.go_on(1)
    run.box.close(61.0, 'shutdown')
    run.hand_over()
    assert run.ended == [span] and (span.high, span.cut) == (61.0, 'shutdown')
    run = Run()
    run.go_on(60)
    span = run.fire()
    run.now = 70.0
    run.box.close(70.0, 'shutdown')
    assert (span.high, span.cut) == (65.0, '')


@pytest.mark.parametrize('seed', range(20))
def test_any_triggers_send_each_piece_of_their_windows_once(seed: int) -> None:
    chance = random.Random(seed)
    run = Run(config(max_span_bytes=10**9, before_s=chance.choice([0.5, 3.0, 10.0])))
    fired: list[float] = []
    for _ in range(300):
        run.go_on(1)
        if chance.random() < 0.05:
            fired.append(run.now)
            run.fire()
    run.go_on(10)
    windows = [(at - run.config.before_s, at + 5.0) for at in fired]
    wanted = {
        piece.number
        for piece in run.pieces
        if any(piece.end > low and piece.begin <= high for low, high in windows)
    }
    assert run.sent == sorted(wanted)
    spans = run.ended
    # Each moment is in one span only, so that its samples are in one as well.
    assert all(one.high <= two.low for one, two in zip(spans, spans[1:], strict=False))
    assert sum(len(span.firings) for span in spans) == len(fired)


def test_the_events_say_what_happened() -> None:
    run = Run()
    run.go_on(60)
    span = run.fire('/t: data > 3')
    assert triggered_event('box', span, span.firings[0], 10.0) == {
        'event': 'triggered',
        'black_box': 'box',
        'span': '1',
        'trigger': '/t: data > 3',
        'value': 'v',
        'time_ns': 60_000_000_000,
        'from_ns': 50_000_000_000,
        'to_ns': 65_000_000_000,
        'ring_reaches_back_s': 10.0,
    }
    run.go_on(20)
    event = json.loads(json.dumps(ended_event('box', span)))
    assert event == {
        'event': 'ended',
        'black_box': 'box',
        'span': '1',
        'triggers': [{'trigger': '/t: data > 3', 'value': 'v', 'time_ns': 60_000_000_000}],
        'more_triggers': 0,
        'from_ns': 50_000_000_000,
        'to_ns': 65_000_000_000,
        'samples': 15,
        'bytes': 1500,
        'topics': {'/t': {'samples': 15, 'bytes': 1500}},
        'cut_short': '',
        'left_out_bytes': {},
        'lost_before_bridge': 0,
        'complete': True,
    }


def test_a_later_boot_goes_on_where_it_is_safe() -> None:
    run = Run()
    run.go_on(60)
    span = run.fire()
    span.safe = 56.0
    (restored,) = read_mark(json.loads(json.dumps(write_mark(run.box.spans))))
    assert (restored.id, restored.low, restored.done, restored.high) == ('1', 50.0, 56.0, 65.0)
    assert restored.firings == span.firings and restored.topics == {'/t': [10, 1000]}


@pytest.mark.parametrize(
    'document',
    [
        None,
        {},
        [1],
        [{}],
        'x',
        [
            {
                'span': '1',
                'low': 0,
                'high': float('nan'),
                'done': 0,
                'samples': 0,
                'bytes': 0,
                'lost': 0,
                'left_out': {},
                'topics': {},
                'triggers': [['t', 'v', 0.0, 0]],
            }
        ],
    ],
)
def test_a_note_that_is_damaged_is_no_note(document: object) -> None:
    with pytest.raises(ValueError):
        read_mark(document)


def firings_of(spans: Sequence[Span]) -> list[str]:
    """
    List the triggers.

    :param spans: of these
    :returns: their texts
    """
    return [one.trigger for span in spans for one in span.firings]


def test_restored_spans_take_a_further_trigger() -> None:
    run = Run()
    run.go_on(60)
    run.fire('one')
    later = Run()
    later.pieces = run.pieces
    later.now = 60.0
    later.box.restore(read_mark(write_mark(run.box.spans)))
    assert later.fire('crash').id == '1' and firings_of(later.box.spans) == ['one', 'crash']


def test_the_budget_is_one_of_each_day() -> None:
    budget = WriteBudget(100)
    assert budget.room(100, 1) and not budget.room(101, 1)
    budget.wrote(60, 1)
    assert budget.room(40, 1) and not budget.room(41, 1) and budget.room(100, 2)
    budget.wrote(10, 2)
    assert (budget.day, budget.written) == (2, 10)
    assert WriteBudget(0).room(10**15, 1)
