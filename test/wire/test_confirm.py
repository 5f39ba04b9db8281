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

"""Confirmations of consumers: what goes in comes out, and nothing hostile does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.confirm import (
    Confirmation,
    decode_confirmation,
    encode_confirmation,
    Held,
    split_confirmation,
)
from ros_cloud_bridge.wire.limits import MAX_CONFIRMATION, MAX_CONFIRMED_RANGES

BOOT = bytes.fromhex('c0ffee0012345678')
INSTANCE = bytes(range(8))
HIGHEST = (1 << 63) - 1


@st.composite
def helds(draw: st.DrawFn) -> Held:
    bounds = sorted(draw(st.sets(st.integers(1, HIGHEST), min_size=2, max_size=16)))
    return Held(
        boot=draw(st.binary(min_size=8, max_size=8)),
        route=draw(st.integers(0, HIGHEST)),
        ranges=tuple(zip(bounds[::2], bounds[1::2], strict=False)),
    )


@given(st.lists(helds(), max_size=5))
def test_round_trip(held: list[Held]) -> None:
    confirmation = Confirmation(instance=INSTANCE, held=tuple(held))
    assert decode_confirmation(encode_confirmation(confirmation)) == confirmation
    assert split_confirmation(confirmation) == [confirmation]


def test_empty_says_i_am_here() -> None:
    empty = Confirmation(instance=INSTANCE)
    assert cbor.loads(encode_confirmation(empty)) == [1, INSTANCE, []]
    assert decode_confirmation(encode_confirmation(empty)) == empty
    assert split_confirmation(empty) == [empty]
    nothing = Confirmation(instance=INSTANCE, held=(Held(boot=BOOT, route=1, ranges=()),))
    assert decode_confirmation(encode_confirmation(nothing)) == empty


def odd(count: int, start: int = 1) -> tuple[tuple[int, int], ...]:
    return tuple((start + 2 * number, start + 2 * number) for number in range(count))


@pytest.mark.parametrize('start', [1, HIGHEST - 30_000])
def test_what_does_not_fit_goes_into_further_messages(start: int) -> None:
    held = (
        Held(boot=BOOT, route=1, ranges=odd(10_000, start)),
        *(Held(boot=BOOT, route=route, ranges=odd(1, start)) for route in range(2, 3000)),
    )
    whole = Confirmation(instance=INSTANCE, held=held)
    with pytest.raises(ValueError):
        encode_confirmation(whole)
    found: dict[int, list[tuple[int, int]]] = {}
    for part in split_confirmation(whole):
        decoded = decode_confirmation(encode_confirmation(part))
        assert decoded.instance == INSTANCE
        for entry in decoded.held:
            found.setdefault(entry.route, []).extend(entry.ranges)
    assert found == {entry.route: list(entry.ranges) for entry in held}


def test_malformed_messages_are_refused() -> None:
    good: list[Any] = [BOOT, 1, [1, 4, 6, 6]]
    assert decode_confirmation(cbor.dumps([1, INSTANCE, [good]])).held
    for fields in (
        None,
        [],
        [1, INSTANCE],
        [1, INSTANCE, [], 0],
        [2, INSTANCE, []],
        [True, INSTANCE, []],
        [1, INSTANCE[:7], []],
        [1, 'x' * 8, []],
        [1, INSTANCE, {}],
        [1, INSTANCE, [7]],
        [1, INSTANCE, [good[:2]]],
        [1, INSTANCE, [[*good, 1]]],
    ):
        with pytest.raises(ProtocolError):
            decode_confirmation(cbor.dumps(fields))


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, BOOT[:7]),
        (0, BOOT.hex()),
        (1, -1),
        (1, 1 << 63),
        (1, False),
        (2, None),
        (2, []),
        (2, [1]),
        (2, [0, 4]),
        (2, [4, 3]),
        (2, [1, 4, 4, 6]),
        (2, [5, 6, 1, 2]),
        (2, [1, 1 << 63]),
        (2, [1, HIGHEST, 1, 1]),
        (2, [[1, 4]]),
        (2, [1, 4.0]),
    ],
)
def test_malformed_entries_are_refused(place: int, value: object) -> None:
    fields: list[object] = [BOOT, 1, [1, 4, 6, 6]]
    fields[place] = value
    with pytest.raises(ProtocolError):
        decode_confirmation(cbor.dumps([1, INSTANCE, [fields]]))


def test_limits() -> None:
    def payload(ranges: int, entries: int) -> bytes:
        numbers = [number for pair in odd(ranges) for number in pair]
        return cbor.dumps([1, INSTANCE, [[BOOT, 1, numbers]] * entries])

    assert decode_confirmation(payload(MAX_CONFIRMED_RANGES // 4, 4)).held
    with pytest.raises(ProtocolError):
        decode_confirmation(payload(MAX_CONFIRMED_RANGES // 4, 5))
    long = bytes(MAX_CONFIRMATION)
    with pytest.raises(ProtocolError):
        decode_confirmation(cbor.dumps([1, INSTANCE, [[BOOT, 1, long]]]))


@given(st.binary(max_size=100))
def test_any_bytes_are_survived(payload: bytes) -> None:
    try:
        decode_confirmation(payload)
    except ProtocolError:
        pass
