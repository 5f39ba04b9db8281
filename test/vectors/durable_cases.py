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

"""The golden vectors of durable streams: backlog, accounts and confirmations."""

from vectors.cases import (
    BACKLOG,
    batch,
    BOOT,
    Case,
    descriptor,
    expected,
    HIGHEST,
    LIVE,
    lost,
    OTHER_BOOT,
    received,
    ROBOT,
    section,
    string_cdr,
    STRING_HASH,
)

from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.batch import Section
from ros_cloud_bridge.wire.confirm import Confirmation, encode_confirmation, Held
from ros_cloud_bridge.wire.fragments import split

CONFIRM = f'rcb/v1/{ROBOT}/confirm/archive'
INSTANCE = bytes.fromhex('0badcafe00000001')
_KNOWN = descriptor(schema=STRING_HASH)


def durable() -> list[Case]:
    """
    Make the vectors of durable streams.

    :returns: cases
    """
    return [*_backlog(), *_accounts(), *_confirmations()]


def _part(*sequences: int) -> Section:
    samples = [received(string_cdr(str(number)), number) for number in sequences]
    return section(samples, sequences=sequences, described=_KNOWN)


def account(
    committed: int,
    *gaps: Gap,
    closed: bool = False,
    boot: bytes = BOOT,
    described: bool = True,
    number: int = 77,
) -> bytes:
    """
    Encode an account of route 1.

    :param committed: highest committed number
    :param gaps: its gaps
    :param closed: whether the boot is over
    :param boot: boot id
    :param described: whether it has the descriptor
    :param number: message number
    :returns: the payload
    """
    route = RouteAccount(
        route=1,
        descriptor=_KNOWN if described else None,
        committed=committed,
        closed=closed,
        gaps=gaps,
    )
    return encode_account(Account(boot=boot, number=number, routes=(route,)))


def _told(committed: int | None, closed: bool = False, outstanding: int = 0) -> dict[str, object]:
    return {
        'committed': committed,
        'closed': closed,
        'complete': committed is not None and outstanding == 0,
        'outstanding': outstanding,
    }


def _backlog() -> list[Case]:
    old, live, late = _part(1, 2, 3), _part(7, 8), _part(4, 5, 6)
    info = {
        'version': 1,
        'robot_id': ROBOT,
        'boot_id': BOOT.hex(),
        'streams': [{'name': 'all', 'keep': 'durable', 'confirm': 'broker', 'confirm_by': ''}],
        'routes': [],
    }
    return [
        Case(
            'backlog',
            'live samples before older ones on b/backlog, one of them sent again',
            [
                (LIVE, batch(live)),
                (BACKLOG, batch(old, number=1 << 61)),
                (BACKLOG, batch(_part(3), number=1 << 60)),
                (BACKLOG, batch(late, number=1 << 59)),
            ],
            [
                *expected(live, _KNOWN),
                *expected(old, _KNOWN, historical=True),
                *expected(late, _KNOWN, historical=True),
            ],
            [lost(8, duplicates=1, durable=_told(None))],
        ),
        Case(
            'durable by info',
            'info says that the stream is durable: its gaps are not those of totals',
            [(f'rcb/v1/{ROBOT}/info', encode_json(info)), (LIVE, batch(_part(1, 4)))],
            expected(_part(1, 4), _KNOWN),
            [lost(2, 2, 2, durable=_told(None))],
        ),
    ]


def _accounts() -> list[Case]:
    first, last = _part(1, 2, 3), _part(9, 10)
    gaps = (Gap(19, 4, 5), Gap(24, 6, 8))
    many = [Gap(24, number, number) for number in range(2, 60, 2)]
    return [
        Case(
            'account',
            'told gaps are explained and complete the route; told again they count once',
            [
                (LIVE, batch(first)),
                (LIVE, batch(last, number=2)),
                (BACKLOG, account(10, *gaps)),
                (BACKLOG, account(10, *gaps, closed=True, described=False, number=78)),
            ],
            [*expected(first, _KNOWN), *expected(last, _KNOWN)],
            [lost(5, 5, 0, durable=_told(10, closed=True), expired=2, spool_full=3)],
        ),
        Case(
            'incomplete',
            'of an earlier boot: 11 and 12 are still to come, and 6 to 8 too',
            [
                (BACKLOG, account(12, gaps[0], closed=True, boot=OTHER_BOOT)),
                (BACKLOG, batch(first, boot=OTHER_BOOT)),
                (BACKLOG, batch(last, boot=OTHER_BOOT, number=2)),
            ],
            [
                *expected(first, _KNOWN, OTHER_BOOT, historical=True),
                *expected(last, _KNOWN, OTHER_BOOT, historical=True),
            ],
            [
                lost(
                    5,
                    7,
                    5,
                    boot=OTHER_BOOT,
                    durable=_told(12, closed=True, outstanding=5),
                    expired=2,
                )
            ],
        ),
        Case(
            'joined a durable route late',
            'what was before is outstanding, and no loss',
            [(LIVE, batch(last)), (BACKLOG, account(10, Gap(200, 3, 4)))],
            expected(last, _KNOWN),
            [lost(2, 2, 0, durable=_told(10, outstanding=6), reason_200=2)],
        ),
        Case(
            'account in fragments',
            'an account is cut like a batch',
            [
                (BACKLOG, batch(_part(*range(1, 60, 2)))),
                *((BACKLOG, piece) for piece in split(account(59, *many), BOOT, 77, 120)),
            ],
            expected(_part(*range(1, 60, 2)), _KNOWN, historical=True),
            [lost(30, 29, 0, durable=_told(59), spool_full=29)],
        ),
    ]


def _confirmations() -> list[Case]:
    held = (
        Held(boot=BOOT, route=1, ranges=((1, 3), (9, 9), (HIGHEST, HIGHEST))),
        Held(boot=OTHER_BOOT, route=70_000, ranges=((1, 2_000_000),)),
    )
    return [
        _confirmation('here', 'a consumer is there, and holds nothing new', ()),
        _confirmation('confirmation', 'ranges of two boots', held),
    ]


def _confirmation(name: str, about: str, held: tuple[Held, ...]) -> Case:
    payload = encode_confirmation(Confirmation(instance=INSTANCE, held=held))
    return Case(
        name,
        about,
        [(CONFIRM, payload)],
        confirmation={
            'instance': INSTANCE.hex(),
            'held': [
                {
                    'boot': entry.boot.hex(),
                    'route': entry.route,
                    'ranges': [[str(number) for number in part] for part in entry.ranges],
                }
                for entry in held
            ],
        },
    )
