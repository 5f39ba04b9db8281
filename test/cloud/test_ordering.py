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

"""Sequence order within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from ros_cloud_bridge.cloud.ordering import Orderer
from ros_cloud_bridge.cloud.sample import Sample


def sample(sequence: int, size: int = 0) -> Sample:
    return Sample(
        robot_id='r',
        topic='/t',
        type_name='a/msg/A',
        cdr=bytes(size),
        source_time_ns=0,
        receive_time_ns=0,
        sent_time_ns=0,
        sequence=sequence,
        stream='s',
        historical=False,
        latched=False,
        boot_id='00',
        route=1,
        schema_id='',
        _decode=lambda *_: None,
        _schema=lambda *_: None,  # type: ignore[arg-type]
    )


def push(orderer: Orderer, *sequences: int, unexplained: int = 0) -> list[int]:
    samples = [sample(sequence) for sequence in sequences]
    return [entry.sequence for entry in orderer.push(samples, unexplained)]


def test_waits_for_what_is_missing() -> None:
    orderer = Orderer()
    assert push(orderer, 1, 2) == [1, 2]
    assert push(orderer, 5, 4, unexplained=1) == []
    assert push(orderer, 3) == [3, 4, 5]
    assert (len(orderer), orderer.held_bytes) == (0, 0)


def test_explained_gap_is_not_waited_for() -> None:
    orderer = Orderer()
    push(orderer, 1)
    assert push(orderer, 9) == [9]


def test_gives_up_after_depth_and_does_not_wait_for_the_same_loss_again() -> None:
    orderer = Orderer(depth=3)
    push(orderer, 1)
    for sequence in (3, 4, 5):
        assert push(orderer, sequence, unexplained=1) == []
    assert push(orderer, 6, unexplained=1) == [3, 4, 5, 6]
    # 7 to 9 were dropped and reported; the loss of 2 stays unexplained for good.
    assert push(orderer, 10, unexplained=1) == [10]
    assert push(orderer, 12, unexplained=2) == []


def test_flush_hands_on_in_order() -> None:
    orderer = Orderer()
    push(orderer, 1)
    push(orderer, 9, 7, 8, unexplained=5)
    assert [entry.sequence for entry in orderer.flush()] == [7, 8, 9]
    assert push(orderer, 10, unexplained=5) == [10]
    assert orderer.held_bytes == 0


def test_late_sample_is_handed_on_at_once() -> None:
    orderer = Orderer()
    push(orderer, 5)
    assert push(orderer, 2) == [2]
    assert push(orderer, 6) == [6]


@given(st.permutations(range(1, 30)))
def test_nothing_is_kept_back_for_good_and_order_holds(order: list[int]) -> None:
    orderer = Orderer(depth=1000)
    seen: set[int] = set()
    out: list[int] = []
    for sequence in order:
        seen.add(sequence)
        unexplained = max(seen) - min(seen) + 1 - len(seen)
        out += push(orderer, sequence, unexplained=unexplained)
    assert sorted(out) == list(range(1, 30))
    rest = [sequence for sequence in out if sequence > order[0]]
    assert rest == sorted(rest)
