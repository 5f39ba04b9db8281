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

from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.fair import FairShare


def serve(
    share: FairShare, demands: dict[str, tuple[float, int]], messages: int
) -> 'Counter[str]':
    """Serve always ready contenders, each (weight, message size); count their bytes."""
    sent: Counter[str] = Counter()
    for _ in range(messages):
        name = share.pick(demands)
        assert isinstance(name, str)
        weight, size = demands[name]
        share.charge(name, size, weight)
        sent[name] += size
    return sent


DEMANDS = st.dictionaries(
    st.sampled_from('abcde'),
    st.tuples(st.floats(0.1, 20.0), st.integers(1, 200_000)),
    min_size=2,
)


@given(demands=DEMANDS, messages=st.integers(1, 400))
def test_shares_differ_by_one_message_at_most_whatever_the_sizes(
    demands: dict[str, tuple[float, int]], messages: int
) -> None:
    sent = serve(FairShare(), demands, messages)
    for one, (weight, size) in demands.items():
        for other, (other_weight, other_size) in demands.items():
            # The bound that Goyal, Vin and Cheng prove.
            bound = size / weight + other_size / other_weight
            unfair = sent[one] / weight - sent[other] / other_weight
            assert abs(unfair) <= bound * (1 + 1e-9)


def test_nobody_to_serve() -> None:
    assert FairShare().pick([]) is None


def test_the_preferred_goes_first_among_equals() -> None:
    assert FairShare().pick(['b', 'a']) == 'b'


@given(backlog=st.integers(1, 10**9), weight=st.floats(0.1, 100.0))
def test_whoever_is_below_its_share_is_next_however_much_the_others_have_waiting(
    backlog: int, weight: float
) -> None:
    share = FairShare()
    for _ in range(20):
        share.charge(share.pick(['bulk']), backlog, weight)
    assert share.pick(['bulk', 'pose']) == 'pose'
    # One message behind it was one too many, and bulk is not cut off for what it had alone.
    share.charge('pose', 1, 1.0)
    serve(share, {'bulk': (weight, backlog), 'pose': (1.0, backlog)}, 3)


def test_an_idle_one_has_saved_nothing() -> None:
    share = FairShare()
    serve(share, {'a': (1.0, 1000)}, 1000)
    sent = serve(share, {'a': (1.0, 1000), 'b': (1.0, 1000)}, 200)
    assert sent['b'] == pytest.approx(100_000, abs=1000)


def test_one_that_comes_and_goes_still_owes_what_it_sent() -> None:
    """A camera of a megabyte each must not win by pausing behind every picture."""
    share = FairShare()
    sent: Counter[str] = Counter()
    pause = 0
    while sum(sent.values()) < 400_000_000:
        name = str(share.pick(['pose'] if pause > 0 else ['pose', 'camera']))
        size, weight = (1_000_000, 1.0) if name == 'camera' else (10_000, 16.0)
        share.charge(name, size, weight)
        sent[name] += size
        pause = 3 if name == 'camera' else pause - 1
    assert sent['camera'] / sum(sent.values()) == pytest.approx(1 / 17, rel=0.1)


@given(demands=DEMANDS, data=st.data())
def test_nobody_starves(demands: dict[str, tuple[float, int]], data: st.DataObject) -> None:
    """One waits no longer than the others take for one message each, and what its share costs."""
    share = FairShare()
    serve(share, demands, data.draw(st.integers(0, 50)))
    name = data.draw(st.sampled_from(sorted(demands)))
    weight, size = demands[name]
    others = {other: demand for other, demand in demands.items() if other != name}
    turns = sum((size / weight) / (s / w) + 2 for w, s in others.values())
    assume(turns < 5000)
    for _ in range(int(turns) + 1):
        chosen = share.pick(demands)
        if chosen == name:
            return
        assert isinstance(chosen, str)
        share.charge(chosen, demands[chosen][1], demands[chosen][0])
    pytest.fail(f'{name} starved')


def test_contenders_that_are_gone_are_forgotten_and_those_that_owe_are_not() -> None:
    share = FairShare()
    share.charge('greedy', 10**9, 1.0)
    for number in range(5000):
        for _ in range(2):
            share.charge(share.pick(['steady', number]), 100, 1.0)
    assert share.pick(['greedy', 'new']) == 'new'
    assert len(share._ends) < 1000
