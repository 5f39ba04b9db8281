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

"""Batches wait for their dictionary in bounds of bytes and of time, and are counted after that."""

from typing import Any

import pytest

from ros_cloud_bridge.cloud import ColumnReader, Decoder
from ros_cloud_bridge.cloud.dictionaries import Dictionaries, PATIENCE_S
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.dictionary import make_dictionary
from ros_cloud_bridge.wire.topics import TopicName

TOPIC = TopicName(robot_id='amr-07', kind='b', rest=('normal',))
LIVE = 'rcb/v1/amr-07/b/normal'


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def message(number: int, name: bytes) -> list[Any]:
    return [1, 0, bytes(8), number, 10**18, 2, 100, bytes(10), b'', name]


def test_patience_ends_for_each_batch_by_itself() -> None:
    clock = Clock()
    held = Dictionaries(1 << 20, clock)
    dictionary = make_dictionary(bytes(range(64)))
    held.hold(dictionary.name, TOPIC, message(1, dictionary.name))
    held.hold(b'none', TOPIC, message(2, b'none'))
    clock.now += PATIENCE_S / 2.0
    held.hold(dictionary.name, TOPIC, message(3, dictionary.name))
    clock.now += PATIENCE_S / 2.0 - 0.1
    assert held.held == 3
    assert held.given_up == 0
    clock.now += 0.2
    assert held.held == 1
    assert held.given_up == 2
    assert held.wanted == (dictionary.name.hex(),)
    assert [fields[3] for _, fields in held.add(dictionary)] == [3]
    assert not held.wanted


def test_what_comes_too_late_opens_nothing() -> None:
    clock = Clock()
    held = Dictionaries(1 << 20, clock)
    dictionary = make_dictionary(bytes(range(64)))
    held.hold(dictionary.name, TOPIC, message(1, dictionary.name))
    clock.now += PATIENCE_S
    assert held.add(dictionary) == []
    assert held.given_up == 1
    # It is known all the same.
    assert held.use(dictionary.name) is dictionary


@pytest.mark.parametrize('make', [Decoder, ColumnReader])
def test_whoever_reads_gives_up_by_its_own_clock(make: Any) -> None:
    clock = Clock()
    reader = make(clock=clock)
    reader.feed(LIVE, cbor.dumps(message(1, b'none')))
    [robot] = reader._robots.values()
    assert robot.dictionaries.held == 1
    clock.now += PATIENCE_S
    reader.feed(LIVE, cbor.dumps(message(2, b'other')[:9] + [b'othr']))
    assert robot.dictionaries.given_up == 1
    assert robot.dictionaries.wanted == (b'othr'.hex(),)


def test_a_decoder_no_longer_asks_and_says_how_many() -> None:
    clock = Clock()
    decoder = Decoder(clock=clock)
    decoder.feed(LIVE, cbor.dumps(message(1, b'none')))
    assert decoder.wanted()['amr-07'].dictionaries == (b'none'.hex(),)
    assert decoder.given_up == 0
    clock.now += PATIENCE_S
    assert decoder.wanted() == {}
    assert decoder.given_up == 1
