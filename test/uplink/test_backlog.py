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


"""The backlog's share of the link, its bounds, and what becomes of its batches."""

import pytest

from ros_cloud_bridge.uplink.backlog import Backlog, Outcome, Shipped, Stocked
from ros_cloud_bridge.wire.batch import decode_message, Kind
from ros_cloud_bridge.wire.fragments import abandoned

BOOT = bytes(8)


def stocked(number: int, size: int = 1000) -> Stocked:
    return Stocked(key=f'batch {number}', boot=BOOT, number=number, payload=bytes(size))


def filled(*numbers: int, size: int = 1000) -> Backlog:
    made = Backlog('robot/b/backlog')
    for number in numbers:
        made.put(stocked(number, size))
    return made


def test_memory_holds_two_batches_and_as_many_on_their_way() -> None:
    made = filled(1)
    assert made.wish(None) == 4096 and made.wish(100_000.0) == 50_000 and made.wish(1e9) == 2**20
    made.put(stocked(2))
    assert made.wish(1e6) is None
    for number in range(3, 7):
        made.next(10_000, 0.0)
        if number < 6:
            made.put(stocked(number))
    assert made.wish(1e6) is None, 'four are not answered for'


@pytest.mark.parametrize(('live_bytes', 'floor'), [(1000, 0.1), (200, 0.1), (5000, 0.1)])
def test_beside_a_full_link_it_has_a_tenth(live_bytes: int, floor: float) -> None:
    made = filled(1, size=10**7)
    sent = {'live': 0, 'backlog': 0}
    for _ in range(20_000):
        if made.turn(live=True):
            made.charge(700)
            sent['backlog'] += 700
        else:
            made.charge_live(live_bytes)
            sent['live'] += live_bytes
    assert sent['backlog'] / sum(sent.values()) == pytest.approx(floor, rel=0.02)


def test_what_live_data_leaves_is_the_backlog_s_and_live_goes_first() -> None:
    made = filled(1, size=10**7)
    waited = []
    for turn in range(5000):
        # Live data uses a fifth of the link: one message in five turns.
        pending = turn % 5 == 0
        behind = 0
        while made.turn(live=pending):
            made.charge(1000)
            behind += 1
            if not pending:
                break
        else:
            made.charge_live(1000)
        if pending:
            waited.append(behind)
    assert max(waited) <= 1 and sum(waited) < len(waited) / 5


def test_without_anything_else_it_has_every_turn() -> None:
    made = filled(1)
    assert made.turn(live=False)
    assert not Backlog('t').turn(live=True) and not Backlog('t').turn(live=False)


def test_the_worst_answer_counts_and_consumers_learn_of_a_batch_given_up() -> None:
    made = filled(1, 2, size=3000)
    shipped, first = made.next(1000, 0.0)
    again, second = made.next(1000, 0.0)
    assert shipped is again and decode_message(first.payload)[1] == Kind.FRAGMENT
    assert made.answered(shipped, Outcome.ACCEPTED) is None
    notice = made.answered(shipped, Outcome.LATER)
    assert notice is not None and notice.payload == abandoned(BOOT, 1)
    assert list(made.outcomes) == [('batch 1', Outcome.LATER)]
    other, _ = made.next(10_000, 0.0)
    assert other.batch.number == 2, 'the rest of the first is not sent'


def test_a_single_message_that_is_refused_needs_no_notice() -> None:
    made = filled(1)
    shipped, _ = made.next(10_000, 0.0)
    assert made.answered(shipped, Outcome.REFUSED) is None
    assert list(made.outcomes) == [('batch 1', Outcome.REFUSED)] and not made.waits


def test_a_lost_connection_gives_everything_back_once() -> None:
    woken = []
    made = filled(1, 2, size=2500)
    made.wake = lambda: woken.append(1)
    shipped: list[Shipped] = [made.next(1000, 0.0)[0]]
    made.give_up()
    assert list(made.outcomes) == [('batch 2', Outcome.LOST)]
    # The session gives the fragment back that was on its way.
    made.answered(shipped[0], Outcome.LOST)
    assert list(made.outcomes)[1:] == [('batch 1', Outcome.LOST)]
    made.give_up()
    assert len(made.outcomes) == 2 and not made.waits and woken
