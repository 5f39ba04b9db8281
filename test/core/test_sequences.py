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

"""Publishers' own sequence numbers: gaps, restarts, several publishers, repeats."""

from ros_cloud_bridge.core.sequences import DuplicateFilter, PublisherSequences
from ros_cloud_bridge.values import Received


def sample(number: int | None, publisher: bytes | None = b'a', time_ns: int = 0) -> Received:
    return Received(b'', time_ns or (number or 0) * 1000, 0, number, publisher)


def missed(sequences: PublisherSequences, *numbers: int, publisher: bytes | None = b'a') -> int:
    return sequences.missed([sample(number, publisher) for number in numbers], publishers=1)


def test_gaps_are_counted_within_and_between_calls() -> None:
    sequences = PublisherSequences()
    assert missed(sequences, 5, 6, 9) == 2
    assert missed(sequences, 10, 11) == 0
    assert missed(sequences, 21) == 9
    assert sequences.countable


def test_the_first_number_is_no_gap() -> None:
    assert missed(PublisherSequences(), 1000, 1001) == 0


def test_a_restarted_publisher_is_no_gap() -> None:
    sequences = PublisherSequences()
    missed(sequences, 500)
    assert missed(sequences, 1, 2, 4) == 1


def test_publishers_are_told_apart_by_gid() -> None:
    sequences = PublisherSequences()
    mixed = [sample(1, b'a'), sample(50, b'b'), sample(2, b'a'), sample(53, b'b')]
    assert sequences.missed(mixed, publishers=2) == 2
    assert sequences.countable


def test_without_gids_two_publishers_cannot_be_counted() -> None:
    sequences = PublisherSequences()
    assert missed(sequences, 1, 3, publisher=None) == 1
    mixed = [sample(1, None), sample(50, None), sample(2, None)]
    assert sequences.missed(mixed, publishers=2) == 0
    assert not sequences.countable
    # Alone again: counted from the next sample on, and still marked as having a hole.
    assert missed(sequences, 7, 9, publisher=None) == 1
    assert not sequences.countable


def test_without_numbers_nothing_is_counted() -> None:
    sequences = PublisherSequences()
    assert sequences.missed([sample(None), sample(None)], publishers=1) == 0
    assert not sequences.countable


def test_gone_publishers_are_forgotten() -> None:
    sequences = PublisherSequences()
    missed(sequences, 1, publisher=b'a')
    missed(sequences, 1, publisher=b'b')
    sequences.forget_except({b'b'})
    assert missed(sequences, 9, publisher=b'a') == 0
    assert missed(sequences, 9, publisher=b'b') == 7


def test_repeats_are_removed_across_calls() -> None:
    duplicates = DuplicateFilter()
    first = [sample(1), sample(2)]
    assert duplicates.fresh(first) == first
    assert duplicates.fresh([sample(2), sample(3), sample(3)]) == [sample(3)]
    assert duplicates.fresh([sample(2, b'b')]) == [sample(2, b'b')]


def test_samples_without_any_identity_all_pass() -> None:
    anonymous = [Received(b'x', 0, 1), Received(b'y', 0, 2)]
    assert DuplicateFilter().fresh(anonymous) == anonymous


def test_memory_of_repeats_is_bounded() -> None:
    duplicates = DuplicateFilter(capacity=10)
    duplicates.fresh(sample(number) for number in range(1, 100))
    assert duplicates.fresh([sample(95)]) == []
    assert duplicates.fresh([sample(1)]) == [sample(1)]
