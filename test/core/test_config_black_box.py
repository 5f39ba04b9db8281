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

"""Black boxes: their keys, refusals and changes at run time."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.config import (
    changed_at_run_time,
    find_problems,
    flatten,
    read_config,
    refuse_read_only,
)
from ros_cloud_bridge.core.config_box_table import BLACK_BOX_FIELDS, BLACK_BOX_ONLY
from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import (
    BacklogOrder,
    BlackBoxConfig,
    Confirm,
    Keep,
    Priority,
    StreamConfig,
    WhenFull,
)

MIB = 1024 * 1024
BASE: dict[str, object] = {
    'robot_id': 'amr-07',
    'streams': ['pose'],
    'stream.pose.topics': ['/odom'],
    'black_boxes': ['crash'],
    'black_box.crash.topics': ['/odom', '/imu*'],
    'black_box.crash.triggers': ['/battery_state: percentage < 0.15', 'service'],
}
NAME_RULE = 'must be 1 to 64 characters out of A-Z a-z 0-9 _ -'
NEEDS_NAME = 'each black box needs its own name'


def test_the_smallest_black_box_has_the_defaults() -> None:
    config = read_config(BASE)
    assert config.black_boxes == (
        BlackBoxConfig(
            stream=StreamConfig(name='crash', topics=('/odom', '/imu*'), keep=Keep.DURABLE),
            triggers=('/battery_state: percentage < 0.15', 'service'),
        ),
    )
    assert [stream.name for stream in config.streams] == ['pose']


def test_every_key_arrives_where_it_belongs() -> None:
    own: dict[str, object] = {
        'triggers': ['/diagnostics: level >= error', 'crash'],
        'before_s': 60,
        'after_s': 0,
        'max_bytes': 16 * MIB,
        'max_writes_mb_per_day': 2000,
        'max_span_bytes': 8 * MIB,
    }
    of_stream: dict[str, object] = {
        'topics': ['/camera/*'],
        'deny': ['/camera/info'],
        'priority': 'high',
        'weight': 2,
        'ttl_s': 86400,
        'confirm': 'consumer',
        'confirm_by': 'archive',
        'when_full': 'drop_newest',
        'backlog_order': 'newest_first',
        'spool_bytes': 32 * MIB,
        'qos_depth': 50,
    }
    given_keys = {**own, **of_stream}
    assert set(given_keys) == {field.key for field in BLACK_BOX_FIELDS}
    config = read_config({**BASE, **{f'black_box.crash.{k}': v for k, v in given_keys.items()}})
    assert config.black_boxes == (
        BlackBoxConfig(
            triggers=('/diagnostics: level >= error', 'crash'),
            before_s=60.0,
            after_s=0.0,
            max_bytes=16 * MIB,
            max_writes_mb_per_day=2000.0,
            max_span_bytes=8 * MIB,
            stream=StreamConfig(
                name='crash',
                topics=('/camera/*',),
                deny=('/camera/info',),
                keep=Keep.DURABLE,
                priority=Priority.HIGH,
                weight=2.0,
                ttl_s=86400.0,
                confirm=Confirm.CONSUMER,
                confirm_by='archive',
                when_full=WhenFull.DROP_NEWEST,
                backlog_order=BacklogOrder.NEWEST_FIRST,
                spool_bytes=32 * MIB,
                qos_depth=50,
            ),
        ),
    )
    assert read_config(flatten(config)) == config


def test_triggers_are_written_in_one_way() -> None:
    flat = {**BASE, 'black_box.crash.triggers': [' Service', 'CRASH', ' /a: x > 1 ']}
    config = read_config(flat)
    assert config.black_boxes[0].triggers == ('service', 'crash', '/a: x > 1')
    assert read_config(flatten(config)) == config


def test_the_order_of_the_black_boxes_is_that_of_the_list() -> None:
    flat = {
        **BASE,
        'black_boxes': ['tip', 'crash'],
        'black_box.tip.topics': ['/imu'],
        'black_box.tip.triggers': ['service'],
    }
    assert [box.stream.name for box in read_config(flat).black_boxes] == ['tip', 'crash']


REFUSALS: list[tuple[dict[str, object], str]] = [
    (
        {'black_boxes': None},
        'black_box.crash: described here, but black_boxes does not name it; add it there',
    ),
    (
        {'black_boxes': ['crash', 'crash']},
        f"black_boxes: 'crash' stands twice; {NEEDS_NAME}",
    ),
    (
        {'black_boxes': ['crash', 'tip']},
        "black_boxes: 'tip' is named but not described; add black_box.tip.topics",
    ),
    ({'black_boxes': 'crash'}, "black_boxes: 'crash' is text; must be a list: write [crash]"),
    ({'black_boxes': ['crash', 'a.b']}, f"black_boxes: 'a.b' {NAME_RULE}"),
    (
        {'black_box.crash.topics': None},
        'black_box.crash.topics: names no topic; must be a list, as in [/odom, "/scan*"]',
    ),
    (
        {'black_box.crash.topics': ['/a//b']},
        "black_box.crash.topics: '/a//b' is no valid topic name: '/' stands twice or at the end",
    ),
    (
        {'black_box.crash.triggers': None},
        'black_box.crash.triggers: names no trigger; must be a list, as in '
        '["/battery: percentage < 0.2", service]',
    ),
    (
        {'black_box.crash.triggers': ['/battery: percentage ~ 1']},
        "black_box.crash.triggers: '/battery: percentage ~ 1' must be a condition as in "
        "'/odom: twist.twist.linear.x > 1.5 for 2s' or '/diagnostics: level >= error', "
        "or 'service', 'command' or 'crash'",
    ),
    (
        {'black_box.crash.triggers': ['command']},
        "black_box.crash.triggers: 'command' needs a channel of kind bridge in commands",
    ),
    (
        {'black_box.crash.trigers': ['service']},
        'black_box.crash.trigers: unknown key; did you mean triggers?',
    ),
    (
        {'black_box.crash.max_hz': 1.0},
        'black_box.crash.max_hz: unknown key; did you mean stream.NAME.max_hz?',
    ),
    ({'black_box.crash.keep': 'fifo'}, 'black_box.crash.keep: unknown key; did you mean '
     'stream.NAME.keep?'),
    (
        {'stream.pose.triggers': ['service']},
        'stream.pose.triggers: unknown key; did you mean black_box.NAME.triggers?',
    ),
    ({'black_box.crash': 3}, 'black_box.crash: is a section, not a value; write its keys below '
     'it'),
    ({'black_box': None}, 'black_box: is an empty section; write its keys below it'),
    (
        {'black_box.crash.before_s': 3601},
        'black_box.crash.before_s: 3601 is out of range; allowed: 0 to 3600 s',
    ),
    (
        {'black_box.crash.before_s': 0, 'black_box.crash.after_s': 0},
        'black_box.crash.after_s: is 0, and before_s too: a trigger would send nothing',
    ),
    (
        {'black_box.crash.max_bytes': 1000},
        'black_box.crash.max_bytes: 1000 is out of range; allowed: 1048576 to 17592186044416 '
        'bytes',
    ),
    (
        {'black_box.crash.confirm': 'consumer'},
        "black_box.crash.confirm: 'consumer' needs confirm_by, the name of the consumer",
    ),
    (
        {'black_box.crash.confirm_by': 'archive'},
        "black_box.crash.confirm_by: 'archive' needs confirm: consumer; confirm is broker",
    ),
    (
        {'black_box.crash.spool_bytes': 2 * MIB, 'spool.max_bytes': MIB},
        'black_box.crash.spool_bytes: 2097152 bytes are above spool.max_bytes, 1048576 bytes',
    ),
]  # fmt: skip


@pytest.mark.parametrize(('changes', 'line'), REFUSALS, ids=[line for _, line in REFUSALS])
def test_a_refusal_is_the_only_line_and_helps(changes: dict[str, object], line: str) -> None:
    assert [str(problem) for problem in find_problems({**BASE, **changes})] == [line]


def test_a_reducer_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError) as refused:
        read_config({**BASE, 'black_box.crash.reducer': 'precision'})
    assert str(refused.value) == (
        'black_box.crash.reducer: a black box keeps messages as they were published; reducers are '
        'for streams'
    )


def test_a_name_nearly_right_is_suggested() -> None:
    assert [str(problem) for problem in find_problems({**BASE, 'black_boxes': ['crsh']})] == [
        "black_boxes: 'crsh' is named but not described; did you mean crash?",
        'black_box.crash: described here, but black_boxes does not name it; did you mean crsh?',
    ]


def test_a_black_box_and_a_stream_share_no_name() -> None:
    flat = {
        **BASE,
        'streams': ['pose', 'crash'],
        'stream.crash.topics': ['/events'],
    }
    assert [str(problem) for problem in find_problems(flat)] == [
        f"black_boxes: 'crash' is the name of a stream; {NEEDS_NAME}"
    ]


RUN_TIME = {'priority', 'weight', 'ttl_s', 'when_full', 'backlog_order', 'spool_bytes'}


@pytest.mark.parametrize('field', BLACK_BOX_FIELDS, ids=lambda field: field.key)
def test_the_table_is_whole(field: Field) -> None:
    assert field.help.endswith('.')
    assert field.run_time is (field.key in RUN_TIME)
    assert (field.high > field.low) is (field.kind in (Kind.INTEGER, Kind.NUMBER))
    owner = BlackBoxConfig if field.key in BLACK_BOX_ONLY else StreamConfig
    assert field.key in owner.__slots__


def test_only_how_a_span_travels_changes_at_run_time() -> None:
    changes: dict[str, object] = {
        'black_box.crash.priority': 'high',
        'black_box.crash.ttl_s': 3600,
        'black_box.crash.when_full': 'thin',
        'black_box.crash.spool_bytes': MIB,
    }
    old, new = read_config(BASE), read_config({**BASE, **changes})
    assert set(changed_at_run_time(old, new)) == set(changes)
    refuse_read_only(old, new)
    for key, value in (('before_s', 5), ('triggers', ['service']), ('max_bytes', 2 * MIB)):
        with pytest.raises(ConfigError) as caught:
            refuse_read_only(old, read_config({**BASE, f'black_box.crash.{key}': value}))
        assert caught.value.key == f'black_box.crash.{key}'


NUMBERS = {
    field.key: st.integers(int(field.low) or 1, int(field.high))
    if field.kind is Kind.INTEGER
    else st.floats(field.low, field.high).filter(bool)
    for field in BLACK_BOX_FIELDS
    if field.kind in (Kind.INTEGER, Kind.NUMBER) and field.key != 'spool_bytes'
}


@given(st.fixed_dictionaries({}, optional=NUMBERS))
def test_what_is_read_can_be_written_and_read_again(numbers: dict[str, object]) -> None:
    flat = {**BASE, **{f'black_box.crash.{key}': value for key, value in numbers.items()}}
    config = read_config(flat)
    written = flatten(config)
    assert read_config(written) == config
    assert {key: written[f'black_box.crash.{key}'] for key in numbers} == numbers
