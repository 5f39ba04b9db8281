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

"""Accounts of durable routes: what goes in comes out, and nothing hostile does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.account import (
    Account,
    decode_account,
    encode_account,
    Gap,
    RouteAccount,
)
from ros_cloud_bridge.wire.batch import decode_message, Descriptor, Kind
from ros_cloud_bridge.wire.limits import MAX_GAPS, MAX_SECTIONS

BOOT = bytes.fromhex('c0ffee0012345678')
DESCRIPTOR = Descriptor(stream='s', topic='/t', type_name='a/msg/A', schema_id='0' * 16)
HIGHEST = (1 << 63) - 1


@st.composite
def gaps(draw: st.DrawFn) -> tuple[Gap, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, HIGHEST), max_size=12)))
    pairs = zip(bounds[::2], bounds[1::2], strict=False)
    return tuple(Gap(draw(st.integers(16, 255)), first, last) for first, last in pairs)


def routes() -> st.SearchStrategy[RouteAccount]:
    return st.builds(
        RouteAccount,
        route=st.integers(0, HIGHEST),
        descriptor=st.sampled_from([None, DESCRIPTOR]),
        committed=st.integers(0, HIGHEST),
        closed=st.booleans(),
        gaps=gaps(),
    )


@given(
    st.integers(0, HIGHEST),
    st.lists(routes(), min_size=1, max_size=4, unique_by=lambda entry: entry.route),
)
def test_round_trip(number: int, entries: list[RouteAccount]) -> None:
    account = Account(boot=BOOT, number=number, routes=tuple(entries))
    message = decode_message(encode_account(account))
    assert message[1:4] == [Kind.ACCOUNT, BOOT, number]
    assert decode_account(message) == account


def test_reasons_are_written_as_numbers() -> None:
    route = RouteAccount(
        route=1, descriptor=None, committed=9, closed=False, gaps=(Gap(Drop.SPOOL_FULL, 2, 3),)
    )
    payload = encode_account(Account(boot=BOOT, number=5, routes=(route,)))
    assert cbor.loads(payload) == [1, 3, BOOT, 5, [[1, None, 9, False, [[24, 2, 3]]]]]


def refused(routes: object) -> None:
    with pytest.raises(ProtocolError):
        decode_account(decode_message(cbor.dumps([1, 3, BOOT, 1, routes])))


GOOD: list[Any] = [1, None, 9, False, [[24, 2, 3], [19, 4, 4]]]


@pytest.mark.parametrize(
    ('place', 'value'),
    [
        (0, -1),
        (0, True),
        (0, 1 << 63),
        (1, ['s', '/t', 'a/msg/A']),
        (2, -1),
        (2, 1.0),
        (2, 1 << 63),
        (3, 0),
        (3, None),
        (4, None),
        (4, {}),
        (4, [24, 2, 3]),
        (4, [[24, 2]]),
        (4, [[24, 2, 3, 4]]),
        (4, [[15, 2, 3]]),
        (4, [[256, 2, 3]]),
        (4, [['a', 2, 3]]),
        (4, [[24, 0, 3]]),
        (4, [[24, 3, 2]]),
        (4, [[24, 2, 1 << 63]]),
        (4, [[24, 2, 3], [24, 3, 4]]),
        (4, [[24, 5, 6], [24, 2, 3]]),
        (4, [[24, 2, HIGHEST], [24, 2, 3]]),
    ],
)
def test_malformed_routes_are_refused(place: int, value: object) -> None:
    assert decode_account(decode_message(cbor.dumps([1, 3, BOOT, 1, [GOOD]]))).routes
    refused([[*GOOD[:place], value, *GOOD[place + 1 :]]])


def test_malformed_lists_of_routes_are_refused() -> None:
    malformed: list[object] = [None, {}, [], [7], [[]], [GOOD[:4]], [[*GOOD, 1]], [GOOD, GOOD]]
    for routes in malformed:
        refused(routes)


def test_limits() -> None:
    def many(count: int, gaps: int) -> list[list[object]]:
        return [
            [route, None, 0, False, [[24, number, number] for number in range(1, gaps + 1)]]
            for route in range(count)
        ]

    refused(many(MAX_SECTIONS + 1, 0))
    refused(many(2, MAX_GAPS // 2 + 1))
    held = many(2, MAX_GAPS // 2)
    account = decode_account(decode_message(cbor.dumps([1, 3, BOOT, 1, held])))
    assert sum(len(route.gaps) for route in account.routes) == MAX_GAPS
    for more in (many(MAX_SECTIONS + 1, 0), many(2, MAX_GAPS // 2 + 1)):
        routes = tuple(
            RouteAccount(
                route=index,
                descriptor=None,
                committed=0,
                closed=False,
                gaps=tuple(Gap(24, number, number) for number in range(1, len(fields[4]) + 1)),
            )
            for index, fields in enumerate(more)
            if isinstance(fields[4], list)
        )
        with pytest.raises(ValueError):
            encode_account(Account(boot=BOOT, number=1, routes=routes))
    with pytest.raises(ValueError):
        encode_account(Account(boot=BOOT, number=1, routes=()))
