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
Accounts: how far durable routes are committed, and what of them will never come.

::

    account = [version, ACCOUNT, boot, number,
               [[route, descriptor / null, committed, closed, [[reason, first, last], ...]], ...]]

They travel on ``b/backlog`` (docs/protocol.md, "Account").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import (
    decode_descriptor,
    Descriptor,
    encode_descriptor,
    Kind,
    natural,
    VERSION,
)
from ros_cloud_bridge.wire.limits import MAX_GAPS, MAX_REASON, MAX_SECTIONS


class Gap(NamedTuple):
    """
    Sequence numbers of a durable route that will never come, both ends included.

    ``reason`` is a :class:`~ros_cloud_bridge.values.Drop` value, or one of a later version.
    """

    reason: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAccount:
    """
    What the bridge can say of one durable route of one boot.

    ``committed`` is the highest committed sequence number, 0 for none; ``closed`` says that the
    boot is over, so that nothing above it will come. ``gaps`` are ascending and disjoint; they
    need not be all of the route's, further accounts can tell others.
    """

    route: int
    descriptor: Descriptor | None
    committed: int
    closed: bool
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of routes of one boot; ``number`` is its message's, as of a batch."""

    boot: bytes
    number: int
    routes: tuple[RouteAccount, ...]


def encode_account(account: Account) -> bytes:
    """
    Encode an account.

    :param account: at least one route, each once
    :returns: CBOR payload
    :raises ValueError: when it holds more than any receiver takes
    """
    gaps = sum(len(route.gaps) for route in account.routes)
    if gaps > MAX_GAPS or not 1 <= len(account.routes) <= MAX_SECTIONS:
        raise ValueError(
            f'{len(account.routes)} routes with {gaps} gaps in one account; the protocol takes 1 '
            f'to {MAX_SECTIONS} with {MAX_GAPS}'
        )
    routes = [
        [
            route.route,
            None if route.descriptor is None else encode_descriptor(route.descriptor),
            route.committed,
            route.closed,
            [[int(gap.reason), gap.first, gap.last] for gap in route.gaps],
        ]
        for route in account.routes
    ]
    return cbor.dumps([VERSION, int(Kind.ACCOUNT), account.boot, account.number, routes])


def decode_account(message: Sequence[Any]) -> Account:
    """
    Decode the fields of an account.

    :param message: what :func:`~ros_cloud_bridge.wire.batch.decode_message` returned, of kind
        ``ACCOUNT``
    :returns: the account
    :raises ProtocolError: when a field is malformed or over a limit
    """
    _, _, boot, number, entries = message
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SECTIONS:
        raise ProtocolError(f'an account has 1 to {MAX_SECTIONS} routes')
    left = MAX_GAPS
    routes: dict[int, RouteAccount] = {}
    for fields in entries:
        route = _route(fields, left)
        left -= len(route.gaps)
        if route.route in routes:
            raise ProtocolError('an account has a route twice')
        routes[route.route] = route
    return Account(boot=boot, number=number, routes=tuple(routes.values()))


def _route(fields: object, most_gaps: int) -> RouteAccount:
    if not isinstance(fields, list) or len(fields) != 5:
        raise ProtocolError('a route in an account has five fields')
    route, descriptor, committed, closed, gaps = fields
    if type(closed) is not bool:
        raise ProtocolError('a route in an account is closed or not')
    if not isinstance(gaps, list) or len(gaps) > most_gaps:
        raise ProtocolError(f'an account has at most {MAX_GAPS} gaps')
    return RouteAccount(
        route=natural(route, 'route'),
        descriptor=decode_descriptor(descriptor),
        committed=natural(committed, 'committed'),
        closed=closed,
        gaps=_gaps(gaps),
    )


def _gaps(entries: list[Any]) -> tuple[Gap, ...]:
    gaps = []
    below = 1
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 3:
            raise ProtocolError('a gap has a reason, a first and a last number')
        reason, first, last = entry
        if not Drop.SUPERSEDED <= natural(reason, 'reason') <= MAX_REASON:
            raise ProtocolError(f'reasons of gaps are {int(Drop.SUPERSEDED)} to {MAX_REASON}')
        if not below <= natural(first, 'gap') <= natural(last, 'gap'):
            raise ProtocolError('gaps rise from 1 on and do not overlap')
        below = last + 1
        gaps.append(Gap(reason, first, last))
    return tuple(gaps)
