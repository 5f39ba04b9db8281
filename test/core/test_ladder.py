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

"""The degradation ladder: each rule by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from ros_cloud_bridge.core.ladder import Change, Ladder, LinkLoad, StreamLoad
from ros_cloud_bridge.values import Priority, StreamConfig
from support.ladders import link, load, stream

HOUR = 3600.0
THIN = 'the link is too thin'


THICK = link(limited=False)


@dataclass
class Run:
    """A ladder and its clock; each call of ``feed`` is some seconds of the same load."""

    streams: Sequence[StreamConfig]
    now: float = 1000.0
    changes: list[tuple[float, Change]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ladder = Ladder(self.streams)

    def feed(self, seconds: int, state: LinkLoad, *loads: StreamLoad) -> list[Change]:
        """Go on second by second; give the changes of these seconds."""
        before = len(self.changes)
        for _ in range(seconds):
            self.now += 1.0
            self.changes += [(self.now, one) for one in self.ladder.update(state, loads, self.now)]
        return [change for _, change in self.changes[before:]]

    def steps(self) -> dict[str, int]:
        return {one.name: self.ladder.position(one.name).step for one in self.streams}


def taken(changes: Sequence[Change]) -> list[tuple[str, int]]:
    return [(change.stream, change.step_to) for change in changes]


def test_a_step_takes_three_seconds_of_shortage_and_says_so() -> None:
    run = Run([stream('lidar')])
    assert run.feed(3, link(), load('lidar')) == []  # the first call only starts the clock
    (change,) = run.feed(1, link(), load('lidar'))
    assert change == Change(
        stream='lidar',
        step_from=0,
        step_to=1,
        text="stream 'lidar': gives up: 5hz (step 1 of 3): the link is too thin",
        reason=THIN,
    )
    assert run.feed(2, link(), load('lidar')) == []
    assert taken(run.feed(1, link(), load('lidar'))) == [('lidar', 2)]
    assert run.ladder.document() == {'lidar': {'step': 2, 'steps': 3, 'now': '1hz'}}


def test_back_up_takes_ten_calm_seconds_and_says_so() -> None:
    run = Run([stream('lidar')])
    run.feed(7, link(), load('lidar'))
    assert run.feed(9, THICK) == []
    (change,) = run.feed(1, THICK)
    assert change.text == "stream 'lidar': back to 5hz (step 1 of 3)"
    assert change.reason == 'on trial'
    assert run.feed(9, THICK) == []
    (change,) = run.feed(1, THICK)
    assert change.text == "stream 'lidar': back to full (step 0 of 3)"
    assert run.feed(100, THICK) == []


@pytest.mark.parametrize(
    ('state', 'given_load'),
    [
        (link(limited=False), load('lidar')),
        (link(), load('lidar', suffering=False)),
        (link(rate=1000.0), load('lidar', offered=999.0)),
        (link(rate=1000.0), load('lidar', offered=float('nan'))),
        (link(rate=float('nan')), load('lidar')),
        (link(rate=float('inf')), load('lidar')),
        (link(connected=False), load('lidar')),
    ],
    ids=['application', 'content', 'fits', 'no number', 'no rate', 'endless', 'disconnected'],
)
def test_what_is_no_shortage(state: LinkLoad, given_load: StreamLoad) -> None:
    assert Run([stream('lidar')]).feed(100, state, given_load) == []


def test_a_slight_shortage_takes_half_a_minute() -> None:
    run = Run([stream('lidar')])
    slight = link(rate=950.0), load('lidar', offered=1000.0)
    assert run.feed(29, *slight) == []
    assert taken(run.feed(4, *slight)) == [('lidar', 1)]


def test_a_short_stall_is_no_shortage_but_one_with_gaps_is() -> None:
    run = Run([stream('lidar')])
    for _ in range(20):
        assert run.feed(2, link(), load('lidar')) == []
        assert run.feed(2, THICK) == []
    for _ in range(3):
        run.feed(2, link(), load('lidar'))
        run.feed(1, THICK)
    assert run.steps() == {'lidar': 1}


def test_the_least_important_goes_first_and_comes_back_last() -> None:
    streams = [
        stream('high', Priority.HIGH, ladder=('pause',)),
        stream('heavy', Priority.NORMAL, ladder=('1hz', 'pause'), weight=3.0),
        stream('light', Priority.NORMAL, ladder=('pause',), weight=0.5),
        stream('low_a', Priority.LOW, ladder=('1hz', 'pause')),
        stream('untouched', Priority.LOW, ladder=()),
        stream('low_b', Priority.LOW, ladder=('1hz', 'pause')),
    ]
    run = Run(streams)
    loads = [load(one.name) for one in streams]
    down = taken(run.feed(60, link(), *loads))
    assert down == [
        ('low_b', 1),
        ('low_a', 1),
        ('low_b', 2),
        ('low_a', 2),
        ('light', 1),
        ('heavy', 1),
        ('heavy', 2),
        ('high', 1),
    ]
    up = taken(run.feed(100, THICK))
    assert up == [(name, step - 1) for name, step in reversed(down)]


def test_equals_with_ladders_of_different_lengths_go_down_together() -> None:
    run = Run([stream('long', ladder=('5hz', '1hz', 'pause')), stream('short', ladder=('pause',))])
    down = taken(run.feed(60, link(), load('long'), load('short')))
    assert down == [('long', 1), ('long', 2), ('short', 1), ('long', 3)]


def test_a_stream_that_has_nothing_to_send_gives_nothing_up() -> None:
    run = Run([stream('busy', Priority.HIGH), stream('idle', Priority.LOW)])
    assert taken(run.feed(13, link(), load('busy'), load('idle', 0.0, False))) == [
        ('busy', 1),
        ('busy', 2),
        ('busy', 3),
    ]
    assert run.steps()['idle'] == 0
    # It wakes up: now it is the one to go, although the other stands lower.
    assert taken(run.feed(3, link(), load('busy'), load('idle')))[:1] == [('idle', 1)]


def test_one_with_a_pause_between_its_samples_is_not_idle() -> None:
    run = Run([stream('busy', Priority.HIGH), stream('rare', Priority.LOW)])
    run.feed(1, link(), load('busy'), load('rare'))
    run.feed(9, link(), load('busy'))
    assert run.steps() == {'busy': 0, 'rare': 3}


def test_one_that_fell_silent_half_a_minute_ago_has_nothing_to_give_up() -> None:
    run = Run([stream('busy', Priority.HIGH), stream('silent', Priority.LOW)])
    run.feed(1, THICK, load('busy'), load('silent', suffering=False))
    run.feed(30, THICK, load('busy'))
    run.feed(9, link(), load('busy'))
    assert run.steps() == {'busy': 3, 'silent': 0}


def test_one_that_waits_without_a_known_size_can_give_something_up() -> None:
    run = Run([stream('unknown')])
    assert taken(run.feed(4, link(), load('unknown', 0.0))) == [('unknown', 1)]


def test_a_load_that_is_no_number_hides_no_other() -> None:
    run = Run([stream('odd', ladder=()), stream('lidar')])
    loads = load('odd', float('nan')), load('lidar', 2000.0)
    assert taken(run.feed(4, link(rate=1000.0), *loads)) == [('lidar', 1)]


def test_shortage_now_and_then_holds_back_the_way_up() -> None:
    run = Run([stream('lidar')])
    run.feed(4, link(), load('lidar'))
    for _ in range(10):
        assert run.feed(9, THICK) == []
        assert run.feed(1, link(), load('lidar')) == []
    run.feed(9, THICK)
    assert taken(run.feed(1, THICK)) == [('lidar', 0)]


def test_steps_add_up() -> None:
    run = Run([stream('cloud', ladder=('reduced', '5hz', 'minimal', '1hz', 'pause'))])
    run.feed(1, THICK)
    seen = []
    for _ in range(6):
        place = run.ladder.position('cloud')
        seen.append((place.step, place.max_hz, place.level, place.text))
        run.feed(3, link(), load('cloud'))
    assert seen == [
        (0, None, 'full', 'full'),
        (1, None, 'reduced', 'reduced'),
        (2, 5.0, 'reduced', 'reduced 5hz'),
        (3, 5.0, 'minimal', 'minimal 5hz'),
        (4, 1.0, 'minimal', 'minimal 1hz'),
        (5, 0.0, 'minimal', 'pause'),
    ]


def test_nothing_moves_without_a_connection_and_the_count_starts_anew_with_it() -> None:
    run = Run([stream('lidar')])
    run.feed(6, link(), load('lidar'))
    assert run.steps() == {'lidar': 1}
    gone = link(connected=False)
    assert run.feed(1000, gone, load('lidar')) == []
    assert run.feed(3, link(), load('lidar')) == []
    assert taken(run.feed(1, link(), load('lidar'))) == [('lidar', 2)]
    run.feed(9, THICK)
    assert run.feed(1000, gone) == []
    assert run.feed(10, THICK) == []
    assert taken(run.feed(1, THICK)) == [('lidar', 1)]


def test_while_the_link_is_the_limit_a_step_up_must_fit() -> None:
    run = Run([stream('lidar')])
    run.feed(7, link(rate=500.0), load('lidar'))
    assert run.steps() == {'lidar': 2}
    # 1 Hz takes 200 bytes/s, 5 Hz would take 1000.
    full = link(rate=1110.0)
    assert run.feed(100, full, load('lidar', 200.0, suffering=False)) == []
    (change,) = run.feed(1, link(rate=1112.0), load('lidar', 200.0, suffering=False))
    assert (change.step_to, change.reason) == (1, 'the link has room')
    # The estimate is a bound too while the last samples that suffered are recent.
    run.feed(1, link(rate=1999.0), load('lidar', 1000.0))
    assert run.feed(9, link(rate=1999.0, limited=False), load('lidar', 1000.0, False)) == []
    # From here on it is but a lower bound.
    (change,) = run.feed(1, link(rate=1999.0, limited=False), load('lidar', 1000.0, False))
    assert (change.step_to, change.reason) == (0, 'on trial')


def test_a_full_link_gives_no_paused_stream_a_trial() -> None:
    run = Run([stream('lidar', ladder=('pause',)), stream('pose', ladder=())])
    loads = load('lidar', 500.0), load('pose', 950.0)
    run.feed(4, link(rate=1000.0), *loads)
    assert run.feed(100, link(rate=1000.0), load('pose', 950.0, suffering=False)) == []
    assert taken(run.feed(1, link(rate=1000.0), load('pose', 890.0, False))) == [('lidar', 0)]


def waits(run: Run, wide: LinkLoad, thin: LinkLoad, trials: int) -> list[int]:
    """Let trial after trial fail; give the calm seconds that each took."""
    found = []
    for _ in range(trials):
        calm = 0
        while not run.feed(1, wide):
            calm += 1
            assert calm < 1000
        found.append(calm + 1)
        while not run.feed(1, thin, load('lidar')):
            pass
    return found


def test_a_step_up_that_fails_waits_longer_each_time_until_one_holds() -> None:
    run = Run([stream('lidar', ladder=('pause',))])
    run.feed(4, link(), load('lidar'))
    assert waits(run, THICK, link(), 7) == [10, 20, 40, 80, 160, 300, 300]
    run.feed(300, THICK)
    assert run.steps() == {'lidar': 0}
    run.feed(60, THICK)
    run.feed(3, link(), load('lidar'))
    assert waits(run, THICK, link(), 2) == [10, 20]


def test_a_link_that_has_visibly_opened_shortens_the_wait() -> None:
    run = Run([stream('lidar', ladder=('pause',))])
    run.feed(4, link(rate=500.0), load('lidar'))
    waits(run, link(rate=500.0, limited=False), link(rate=500.0), 6)
    assert run.feed(100, link(rate=500.0, limited=False)) == []
    assert taken(run.feed(1, link(rate=800.0, limited=False))) == [('lidar', 0)]


def test_a_configuration_at_run_time_keeps_the_places() -> None:
    lidar, pose = stream('lidar'), stream('pose', ladder=('1hz', 'pause'))
    run = Run([pose, lidar])
    run.feed(16, link(), load('lidar'), load('pose'))
    assert run.steps() == {'lidar': 3, 'pose': 2}
    run.ladder.configure(
        [replace(lidar, ladder=('8hz', '5hz', '2hz', 'pause')), replace(pose, ladder=('2hz',))]
    )
    assert run.ladder.document() == {
        'lidar': {'step': 4, 'steps': 4, 'now': 'pause'},
        'pose': {'step': 1, 'steps': 1, 'now': '2hz'},
    }
    run.ladder.configure([replace(lidar, ladder=()), stream('new')])
    assert run.ladder.document() == {'new': {'step': 0, 'steps': 3, 'now': 'full'}}
    assert run.ladder.position('lidar').max_hz is None
    with pytest.raises(KeyError):
        run.ladder.position('pose')


def test_a_configuration_at_run_time_keeps_what_was_learnt() -> None:
    lidar, pose = stream('lidar', ladder=('pause',)), stream('pose', ladder=())
    run = Run([lidar, pose])
    run.feed(4, link(), load('lidar'))
    waits(run, THICK, link(), 2)
    run.ladder.configure([replace(lidar, weight=2.0), pose])
    assert waits(run, THICK, link(), 1) == [40]


def test_a_configuration_at_run_time_makes_nobody_idle() -> None:
    run = Run([stream('rare'), stream('pose', ladder=())])
    run.feed(1, link(), load('rare'))
    run.ladder.configure(run.streams)
    assert taken(run.feed(3, link(), load('pose'))) == [('rare', 1)]


def test_a_new_order_holds_from_the_next_step_on() -> None:
    one, other = stream('one'), stream('other')
    run = Run([one, other])
    loads = load('one'), load('other')
    assert taken(run.feed(4, link(), *loads)) == [('other', 1)]
    run.ladder.configure([replace(one, priority=Priority.LOW), other])
    assert taken(run.feed(9, link(), *loads)) == [('one', 1), ('one', 2), ('one', 3)]


@pytest.mark.parametrize('jump', [-HOUR, HOUR])
def test_a_clock_that_jumps_does_no_harm(jump: float) -> None:
    run = Run([stream('lidar')])
    run.feed(3, link(), load('lidar'))
    run.now += jump
    run.feed(1, THICK)
    run.now += jump
    assert run.feed(1, link(), load('lidar')) == []
    run.feed(5, link(), load('lidar'))
    assert run.steps()['lidar'] in (1, 2)
    reached = run.steps()
    run.now += jump
    run.feed(5, THICK)
    assert run.steps() == reached
    run.feed(30, THICK)
    assert run.steps() == {'lidar': 0}
