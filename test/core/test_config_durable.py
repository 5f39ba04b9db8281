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

"""Durable streams and the spool: their keys, refusals and changes at run time."""

import pytest

from ros_cloud_bridge.core.config import (
    changed_at_run_time,
    find_problems,
    flatten,
    read_config,
    refuse_read_only,
)
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import (
    BacklogOrder,
    Confirm,
    Keep,
    SpoolConfig,
    StreamConfig,
    WhenFull,
)

LATEST: dict[str, object] = {
    'robot_id': 'amr-07',
    'streams': ['events'],
    'stream.events.topics': ['/alarms'],
}
DURABLE: dict[str, object] = {**LATEST, 'stream.events.keep': 'durable'}
MIB = 1024 * 1024


def lines(flat: dict[str, object]) -> list[str]:
    """Write what is wrong."""
    return [str(problem) for problem in find_problems(flat)]


def test_a_durable_stream_with_every_key() -> None:
    config = read_config(
        {
            **DURABLE,
            'spool.max_bytes': 2 * MIB,
            'spool.max_writes_mb_per_day': 500,
            'stream.events.ttl_s': 604800,
            'stream.events.confirm': 'consumer',
            'stream.events.confirm_by': 'archive-1',
            'stream.events.when_full': 'thin',
            'stream.events.backlog_order': 'newest_first',
            'stream.events.spool_bytes': 2 * MIB,
            'stream.events.ladder': ['1hz'],
            'stream.events.max_hz': 5.0,
        }
    )
    assert config.spool == SpoolConfig(max_bytes=2 * MIB, max_writes_mb_per_day=500.0)
    assert config.streams == (
        StreamConfig(
            name='events',
            topics=('/alarms',),
            max_hz=5.0,
            ladder=('1hz',),
            keep=Keep.DURABLE,
            ttl_s=604800.0,
            confirm=Confirm.CONSUMER,
            confirm_by='archive-1',
            when_full=WhenFull.THIN,
            backlog_order=BacklogOrder.NEWEST_FIRST,
            spool_bytes=2 * MIB,
        ),
    )
    assert read_config(flatten(config)) == config


def test_the_sum_of_the_parts_may_exceed_the_whole() -> None:
    flat = {
        **DURABLE,
        'streams': ['events', 'poses'],
        'stream.poses.topics': ['/odom'],
        'stream.poses.keep': 'durable',
        'spool.max_bytes': 3 * MIB,
        'stream.events.spool_bytes': 2 * MIB,
        'stream.poses.spool_bytes': 3 * MIB,
    }
    assert find_problems(flat) == ()


REFUSALS: list[tuple[dict[str, object], str]] = [
    ({'stream.events.ttl_s': 60}, 'stream.events.ttl_s: 60 needs keep: durable; keep is latest'),
    (
        {'stream.events.keep': 'fifo', 'stream.events.confirm': 'consumer'},
        "stream.events.confirm: 'consumer' needs keep: durable; keep is fifo",
    ),
    (
        {'stream.events.confirm_by': 'archive'},
        "stream.events.confirm_by: 'archive' needs keep: durable; keep is latest",
    ),
    (
        {'stream.events.when_full': 'thin'},
        "stream.events.when_full: 'thin' needs keep: durable; keep is latest",
    ),
    (
        {'stream.events.backlog_order': 'newest_first'},
        "stream.events.backlog_order: 'newest_first' needs keep: durable; keep is latest",
    ),
    (
        {'stream.events.spool_bytes': 65536},
        'stream.events.spool_bytes: 65536 needs keep: durable; keep is latest',
    ),
    (
        {**DURABLE, 'stream.events.confirm': 'consumer'},
        "stream.events.confirm: 'consumer' needs confirm_by, the name of the consumer",
    ),
    (
        {**DURABLE, 'stream.events.confirm_by': 'archive'},
        "stream.events.confirm_by: 'archive' needs confirm: consumer; confirm is broker",
    ),
    (
        {**DURABLE, 'stream.events.confirm': 'consumer', 'stream.events.confirm_by': 'ops-*'},
        "stream.events.confirm_by: 'ops-*' must be one consumer's name, 1 to 64 characters out of "
        'A-Z a-z 0-9 _ -',
    ),
    (
        {**DURABLE, 'stream.events.confirm': 'cloud'},
        "stream.events.confirm: 'cloud' is none of its values; allowed: broker, consumer",
    ),
    (
        {**DURABLE, 'stream.events.max_age_s': 5},
        'stream.events.max_age_s: 5 s is for what waits in memory; a durable sample expires by '
        'ttl_s',
    ),
    (
        {**DURABLE, 'stream.events.key': 'publisher'},
        "stream.events.key: 'publisher' needs keep: latest; keep is durable",
    ),
    (
        {**DURABLE, 'stream.events.on_demand': True, 'demand.allow': ['ops']},
        'stream.events.on_demand: is true, but keep is durable: what nobody leases would not be '
        'kept; give one of them',
    ),
    (
        {**DURABLE, 'stream.events.spool_bytes': 2 * MIB, 'spool.max_bytes': MIB},
        'stream.events.spool_bytes: 2097152 bytes are above spool.max_bytes, 1048576 bytes',
    ),
    (
        {**DURABLE, 'stream.events.spool_bytes': 2**31},
        'stream.events.spool_bytes: 2147483648 bytes are above spool.max_bytes, 1073741824 bytes',
    ),
    (
        {**DURABLE, 'stream.events.spool_bytes': 1},
        'stream.events.spool_bytes: 1 is out of range; allowed: 65536 to 17592186044416 bytes, '
        'or 0 (as much as spool.max_bytes)',
    ),
    (
        {**DURABLE, 'stream.events.ttl_s': 0.5},
        'stream.events.ttl_s: 0.5 is out of range; allowed: 1 to 315360000 s, or 0 (never)',
    ),
    (
        {**DURABLE, 'stream.events.ttl': 5},
        'stream.events.ttl: unknown key; did you mean ttl_s?',
    ),
    (
        {**DURABLE, 'stream.events.keep': 'durabel'},
        "stream.events.keep: 'durabel' is none of its values; allowed: latest, fifo, durable; "
        'did you mean durable?',
    ),
    (
        {'spool.max_bytes': MIB - 1},
        'spool.max_bytes: 1048575 is out of range; allowed: 1048576 to 17592186044416 bytes',
    ),
    (
        {'spool.max_writes_mb_per_day': -1},
        'spool.max_writes_mb_per_day: -1 is out of range; allowed: 1 to 1000000000 MB, '
        'or 0 (no limit)',
    ),
    ({'spool.max_byte': MIB}, 'spool.max_byte: unknown key; did you mean max_bytes?'),
    ({'spool': MIB}, 'spool: is a section, not a value; write its keys below it'),
]


@pytest.mark.parametrize(('changes', 'line'), REFUSALS, ids=[line for _, line in REFUSALS])
def test_a_refusal_is_the_only_line_and_helps(changes: dict[str, object], line: str) -> None:
    assert lines({**LATEST, **changes}) == [line]


def test_what_hangs_on_a_misspelt_key_is_not_judged() -> None:
    flat = {**DURABLE, 'stream.events.keep': 'durabel', 'stream.events.ttl_s': 60}
    assert [problem.key for problem in find_problems(flat)] == ['stream.events.keep']
    flat = {**DURABLE, 'stream.events.confirm': 'x', 'stream.events.confirm_by': 'archive'}
    assert [problem.key for problem in find_problems(flat)] == ['stream.events.confirm']
    flat = {**DURABLE, 'stream.events.confirm': 'consumer', 'stream.events.confirm_by': '*'}
    assert [problem.key for problem in find_problems(flat)] == ['stream.events.confirm_by']


def test_what_stands_at_its_default_was_not_given() -> None:
    # Run-time parameters are declared for each stream, durable or not.
    for keep in Keep:
        config = read_config({**LATEST, 'stream.events.keep': keep.value})
        assert read_config(flatten(config)) == config


def test_the_policy_on_disk_changes_at_run_time() -> None:
    changes: dict[str, object] = {
        'spool.max_bytes': 4 * MIB,
        'spool.max_writes_mb_per_day': 100,
        'stream.events.ttl_s': 3600,
        'stream.events.when_full': 'drop_newest',
        'stream.events.backlog_order': 'newest_first',
        'stream.events.spool_bytes': MIB,
    }
    old, new = read_config(DURABLE), read_config({**DURABLE, **changes})
    assert set(changed_at_run_time(old, new)) == set(changes)
    refuse_read_only(old, new)


def test_the_promise_itself_does_not() -> None:
    old = read_config(DURABLE)
    new = read_config(
        {**DURABLE, 'stream.events.confirm': 'consumer', 'stream.events.confirm_by': 'archive'}
    )
    assert changed_at_run_time(old, new) == ()
    for other, key in ((new, 'confirm'), (read_config(LATEST), 'keep')):
        with pytest.raises(ConfigError) as caught:
            refuse_read_only(old, other)
        assert caught.value.key == f'stream.events.{key}'
