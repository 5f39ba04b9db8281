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

"""Every key, every refusal and its words."""

from collections.abc import Mapping
import math

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.config import (
    changed_at_run_time,
    find_problems,
    flatten,
    is_foreign,
    may_change_at_run_time,
    read_config,
    refuse_read_only,
)
from ros_cloud_bridge.core.config_box_table import BLACK_BOX_FIELDS
from ros_cloud_bridge.core.config_command_table import COMMAND_FIELDS
from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.core.config_mqtt_table import PRESETS
from ros_cloud_bridge.core.config_stream_table import STREAM_FIELDS
from ros_cloud_bridge.core.config_table import FIELDS
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.mqtt import presets
from ros_cloud_bridge.values import (
    BridgeConfig,
    DashboardForm,
    Keep,
    Key,
    Priority,
    StreamConfig,
    TlsConfig,
)

BASE: dict[str, object] = {
    'robot_id': 'amr-07',
    'streams': ['pose'],
    'stream.pose.topics': ['/odom'],
}
TWICE = "is no valid topic name: '/' stands twice or at the end"


def test_the_smallest_configuration_has_the_defaults() -> None:
    assert read_config(BASE) == BridgeConfig(
        robot_id='amr-07', streams=(StreamConfig(name='pose', topics=('/odom',)),)
    )


def test_every_part_arrives_where_it_belongs() -> None:
    config = read_config(
        {
            'robot_id': 'amr-07',
            'root': 'fleet/v1',
            'mqtt.host': 'broker.example.com',
            'mqtt.preset': 'aws_iot',
            'mqtt.protocol': 5,
            'mqtt.tls.cert_file': '/etc/rcb/cert.pem',
            'mqtt.tls.key_file': '/etc/rcb/key.pem',
            'mqtt.tls.alpn': ['mqtt'],
            'link.max_bytes_per_s': 60000,
            'discovery.deny': ['/private*'],
            'health_period_s': 5,
            'streams': ['pose', 'events'],
            'stream.pose.topics': ['/odom', '/amcl_pose'],
            'stream.pose.max_hz': 10,
            'stream.pose.priority': 'high',
            'stream.pose.key': 'publisher',
            'stream.pose.deny': None,
            'stream.events.topics': ('re:/alarms/.*',),
            'stream.events.keep': 'fifo',
        }
    )
    assert (config.root, config.health_period_s) == ('fleet/v1', 5.0)
    assert (config.mqtt.host, config.mqtt.protocol) == ('broker.example.com', '5')
    assert config.mqtt.effective_port == 8883
    assert config.mqtt.tls == TlsConfig(
        cert_file='/etc/rcb/cert.pem', key_file='/etc/rcb/key.pem', alpn=('mqtt',)
    )
    assert config.link.max_bytes_per_s == 60000.0
    assert isinstance(config.link.max_bytes_per_s, float)
    assert config.discovery.deny == ('/private*',)
    pose, events = config.streams
    assert (pose.max_hz, pose.priority, pose.key) == (10.0, Priority.HIGH, Key.PUBLISHER)
    assert isinstance(pose.max_hz, float)
    assert pose.deny == ()
    assert (events.name, events.keep) == ('events', Keep.FIFO)


def test_the_order_of_the_streams_is_that_of_the_list() -> None:
    flat = {
        'robot_id': 'r',
        'stream.a.topics': ['/a'],
        'stream.b.topics': ['/b'],
        'streams': ['b', 'a'],
    }
    assert [stream.name for stream in read_config(flat).streams] == ['b', 'a']


@pytest.mark.parametrize(
    ('changes', 'tls'),
    [
        ({}, None),
        ({'mqtt.tls.enabled': True}, TlsConfig()),
        ({'mqtt.tls.ca_file': '/ca.pem'}, TlsConfig(ca_file='/ca.pem')),
        ({'mqtt.tls.ca_file': '/ca.pem', 'mqtt.tls.enabled': False}, None),
    ],
)
def test_tls_is_on_when_one_of_its_keys_is_given(
    changes: dict[str, object], tls: TlsConfig | None
) -> None:
    assert read_config({**BASE, **changes}).mqtt.tls == tls


# What is changed in BASE -> the one line that stops the start.
REFUSALS: list[tuple[dict[str, object], str]] = [
    ({'stream.pose.max_hzz': 1.0}, 'stream.pose.max_hzz: unknown key; did you mean max_hz?'),
    ({'robot_idd': 'x'}, 'robot_idd: unknown key; did you mean robot_id?'),
    ({'mqtt.hots': 'x'}, 'mqtt.hots: unknown key; did you mean host?'),
    ({'mqtt.tls.cafile': 'x'}, 'mqtt.tls.cafile: unknown key; did you mean ca_file?'),
    ({'port': 1}, 'port: unknown key; did you mean mqtt.port?'),
    ({'max_hz': 1}, 'max_hz: unknown key; did you mean stream.NAME.max_hz?'),
    ({'xyzzy': 1}, 'xyzzy: unknown key'),
    ({'mqtt.tls': True}, 'mqtt.tls: is a section, not a value; write its keys below it'),
    ({'mqtt': None}, 'mqtt: is an empty section; write its keys below it'),
    ({'stream.pose': 3}, 'stream.pose: is a section, not a value; write its keys below it'),
    ({'stream': 3}, 'stream: is a section, not a value; write its keys below it'),
    (
        {'mqtt.password': 'hunter2'},
        'mqtt.password: secrets never stand in the configuration; '
        'use mqtt.password_file or mqtt.password_env',
    ),
    (
        {'mqtt.tls.key_password': 'hunter2'},
        'mqtt.tls.key_password: secrets never stand in the configuration; '
        'use mqtt.tls.key_password_env',
    ),
    ({'robot_id': None}, 'robot_id: has no value; must be text'),
    ({'robot_id': 7}, "robot_id: 7 is a whole number; must be text; write it in quotes: '7'"),
    ({'robot_id': 'a/b'}, "robot_id: 'a/b' must be 1 to 64 characters out of A-Z a-z 0-9 _ -"),
    ({'robot_id': ''}, "robot_id: '' must be 1 to 64 characters out of A-Z a-z 0-9 _ -"),
    ({'root': 'a/b/c/d/e'}, "root: 'a/b/c/d/e' has 5 levels; at most 4, as MQTT topics keep to 8"),
    (
        {'root': 'r' * 100, 'robot_id': 'x' * 60},
        f"root: '{'r' * 56}... and robot_id take 161 bytes of each MQTT topic; allowed: 128",
    ),
    ({'mqtt.port': 65536}, 'mqtt.port: 65536 is out of range; allowed: 0 to 65535'),
    ({'mqtt.port': -1}, 'mqtt.port: -1 is out of range; allowed: 0 to 65535'),
    ({'mqtt.port': True}, 'mqtt.port: True is true or false; must be a whole number'),
    (
        {'mqtt.port': 1883.0},
        'mqtt.port: 1883.0 is a decimal number; must be a whole number; write 1883',
    ),
    (
        {'mqtt.preset': 'mosquito'},
        "mqtt.preset: 'mosquito' is none of its values; allowed: mosquitto, emqx, hivemq, "
        'rabbitmq, aws_iot, azure_event_grid; did you mean mosquitto?',
    ),
    (
        {'mqtt.protocol': 4},
        "mqtt.protocol: 4 is a whole number; must be auto, 5, 3.1.1; write it in quotes: '4'",
    ),
    (
        {'mqtt.host': 'mqtt://me:hunter2@host'},
        'mqtt.host: its value must be a host name or an address alone: '
        'no scheme, no port, no login',
    ),
    (
        {'mqtt.password_env': 'hunter2!'},
        'mqtt.password_env: its value must be the name of an environment variable, '
        'not the secret itself',
    ),
    (
        {'mqtt.password_file': '/p', 'mqtt.password_env': 'P'},
        'mqtt.password_env: is given beside mqtt.password_file; give only one',
    ),
    (
        {'mqtt.tls.cert_file': '/c'},
        'mqtt.tls.cert_file: is given without mqtt.tls.key_file; both are needed',
    ),
    (
        {'mqtt.tls.key_file': '/k'},
        'mqtt.tls.key_file: is given without mqtt.tls.cert_file; both are needed',
    ),
    ({'mqtt.tls.enabled': 1}, 'mqtt.tls.enabled: 1 is a whole number; must be true or false'),
    (
        {'mqtt.client_id': 'a\nb'},
        "mqtt.client_id: 'a\\nb' holds a character that cannot be printed",
    ),
    (
        {'mqtt.max_payload_bytes': 100},
        'mqtt.max_payload_bytes: 100 is out of range; allowed: 1024 to 268435455 bytes, '
        'or 0 (what the preset and the broker say)',
    ),
    (
        {'stream.pose.min_bytes_per_s': 300, 'link.max_bytes_per_s': 200},
        'link.max_bytes_per_s: 200 bytes/s is below the sum of all min_bytes_per_s, 300 bytes/s',
    ),
    (
        {'stream.pose.min_bytes_per_s': 1000, 'link.monthly_budget_mb': 2000},
        'link.monthly_budget_mb: 2000 MB is below what all min_bytes_per_s take in a month: '
        '1000 bytes/s make 2678 MB',
    ),
    (
        {'stream.pose.min_bytes_per_s': -1},
        'stream.pose.min_bytes_per_s: -1 is out of range; '
        'allowed: 1 to 100000000000 bytes/s, or 0 (none)',
    ),
    (
        {'stream.pose.ladder': ['5hz', 'slow']},
        "stream.pose.ladder: 'slow' must be a rate as in 5hz, 'pause', or a reducer's level: "
        "'reduced', 'minimal'",
    ),
    (
        {'stream.pose.ladder': ['1hz', '5hz']},
        "stream.pose.ladder: '5hz' does not lower the rate: it is 1 Hz before that step",
    ),
    (
        {'stream.pose.ladder': ['reduced']},
        "stream.pose.ladder: 'reduced' needs a reducer; give stream.pose.reducer",
    ),
    (
        {'stream.pose.ladder': ['minimal', 'reduced'], 'stream.pose.reducer': 'precision'},
        "stream.pose.ladder: 'reduced' takes no more than the steps before it",
    ),
    (
        {'stream.pose.reducer': 'precision | '},
        "stream.pose.reducer: 'precision | ' cannot be read: has an empty place; write reducers "
        "as in 'stamps | laser_quantize'",
    ),
    (
        {'stream.pose.reducer': 'precision bits'},
        "stream.pose.reducer: 'precision bits' cannot be read: 'bits' is no option of precision; "
        'write name=value without blanks',
    ),
    (
        {'stream.pose.reducer': 'precision bits=8 bits=9'},
        "stream.pose.reducer: 'precision bits=8 bits=9' cannot be read: bits is given twice to "
        'precision',
    ),
    ({'stream.pose.idle_hz': 1}, 'stream.pose.idle_hz: is given without on_demand: true'),
    (
        {'demand.allow': ['a b']},
        "demand.allow: 'a b' must be a consumer's name, 1 to 64 "
        'characters out of A-Z a-z 0-9 _ -, * and ?',
    ),
    ({'streams': []}, 'streams: names no stream; must be a list, as in [pose]'),
    ({'streams': None}, 'streams: names no stream; must be a list, as in [pose]'),
    ({'streams': 'pose'}, "streams: 'pose' is text; must be a list: write [pose]"),
    ({'streams': [1]}, "streams: 1 in the list is a whole number; must be text: write '1'"),
    ({'streams': ['a.b']}, "streams: 'a.b' must be 1 to 64 characters out of A-Z a-z 0-9 _ -"),
    (
        {'streams': ['pose', 'pose']},
        "streams: 'pose' stands twice; each stream needs its own name",
    ),
    (
        {'streams': ['pose', 'map']},
        "streams: 'map' is named but not described; add stream.map.topics",
    ),
    (
        {'streams': ['pse']},
        "streams: 'pse' is named but not described; did you mean pose?",
    ),
    (
        {'stream.pse.topics': ['/a']},
        'stream.pse: described here, but streams does not name it; did you mean pose?',
    ),
    (
        {'stream.map.topics': ['/a']},
        'stream.map: described here, but streams does not name it; add it there',
    ),
    (
        {'stream.pose.topics': None},
        'stream.pose.topics: names no topic; must be a list, as in [/odom, "/scan*"]',
    ),
    (
        {'stream.pose.topics': '/odom'},
        "stream.pose.topics: '/odom' is text; must be a list: write [/odom]",
    ),
    ({'stream.pose.topics': ['/a//b']}, f"stream.pose.topics: '/a//b' {TWICE}"),
    ({'stream.pose.deny': ['/a/']}, f"stream.pose.deny: '/a/' {TWICE}"),
    ({'discovery.deny': ['/a/']}, f"discovery.deny: '/a/' {TWICE}"),
    (
        {'stream.pose.topics': ['/odom', 're:/a[']},
        "stream.pose.topics: 're:/a[' is no valid regular expression: "
        'unterminated character set at position 5',
    ),
    ({'stream.pose.max_hz': '10'}, "stream.pose.max_hz: '10' is text; must be a number"),
    ({'stream.pose.max_hz': True}, 'stream.pose.max_hz: True is true or false; must be a number'),
    ({'stream.pose.max_hz': [1.0]}, 'stream.pose.max_hz: [1.0] is a list; must be a number'),
    (
        {'stream.pose.max_hz': math.nan},
        'stream.pose.max_hz: nan is not a finite number; '
        'allowed: 0.0001 to 100000 Hz, or 0 (no limit)',
    ),
    (
        {'stream.pose.max_hz': -1},
        'stream.pose.max_hz: -1 is out of range; allowed: 0.0001 to 100000 Hz, or 0 (no limit)',
    ),
    (
        {'stream.pose.max_hz': 10**5000},
        'stream.pose.max_hz: a huge number is out of range; '
        'allowed: 0.0001 to 100000 Hz, or 0 (no limit)',
    ),
    (
        {'stream.pose.max_age_s': math.inf},
        'stream.pose.max_age_s: inf is not a finite number; '
        'allowed: 0.001 to 31536000 s, or 0 (never)',
    ),
    (
        {'stream.pose.decimation': 0},
        'stream.pose.decimation: 0 is out of range; allowed: 1 to 1000000000',
    ),
    (
        {'stream.pose.decimation': 2.5},
        'stream.pose.decimation: 2.5 is a decimal number; must be a whole number',
    ),
    (
        {'stream.pose.keep': 'lastest'},
        "stream.pose.keep: 'lastest' is none of its values; allowed: latest, fifo, durable; "
        'did you mean latest?',
    ),
    (
        {'stream.pose.keep': 'fifo', 'stream.pose.key': 'frame_id'},
        "stream.pose.key: 'frame_id' needs keep: latest; keep is fifo",
    ),
    (
        {'stream.pose.on_demand': True},
        'stream.pose.on_demand: is true, but demand.allow names nobody who may ask for it',
    ),
    ({'x\ny': 1}, 'x\\ny: unknown key'),
]


@pytest.mark.parametrize(('changes', 'line'), REFUSALS, ids=[line for _, line in REFUSALS])
def test_a_refusal_is_one_line_that_helps(changes: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({**BASE, **changes})
    assert str(caught.value) == line
    assert caught.value.key == line.partition(':')[0]


@pytest.mark.parametrize('root', ['/rcb', 'rcb/', 'a//b', 'a.b', 'a+', '#', '', 'a b', '$x'])
def test_a_root_that_some_broker_refuses_is_refused(root: str) -> None:
    with pytest.raises(ConfigError, match='^root: .* must be levels out of'):
        read_config({**BASE, 'root': root})


def test_a_missing_robot_id_is_said() -> None:
    flat = {key: value for key, value in BASE.items() if key != 'robot_id'}
    with pytest.raises(ConfigError) as caught:
        read_config(flat)
    assert str(caught.value) == "robot_id: is missing; give this robot's name, as in amr-07"


def test_no_secret_is_printed() -> None:
    secret = 'hunter2 !'
    for key in (
        'mqtt.password',
        'mqtt.pasword',
        'mqtt.passphrase',
        'mqtt.auth_token',
        'password',
        'mqtt.password_env',
        'mqtt.tls.key_password_env',
        'mqtt.tls.key_pasword',
    ):
        problems = find_problems({**BASE, key: secret})
        assert [problem.key for problem in problems] == [key]
        assert 'hunter2' not in str(problems[0])


def test_all_problems_are_found() -> None:
    problems = find_problems(
        {
            'robot_id': 'a/b',
            'streams': ['pose', 'map'],
            'stream.pose.max_hzz': 1,
            'stream.pose.weight': 'x',
            'mqtt.port': -1,
        }
    )
    assert [problem.key for problem in problems] == [
        'robot_id',
        'stream.pose.max_hzz',
        'stream.pose.weight',
        'mqtt.port',
        'stream.pose.topics',
        'streams',
    ]


def test_other_parameters_of_a_ros_node_are_left_alone() -> None:
    others: dict[str, object] = {
        'use_sim_time': True,
        'start_type_description_service': False,
        'qos_overrides./tf.publisher.depth': 5,
        'auto_start': False,
    }
    assert all(is_foreign(key) for key in others)
    assert not any(is_foreign(key) for key in BASE)
    assert read_config({**BASE, **others}) == read_config(BASE)


RUN_TIME = {
    'link.max_bytes_per_s', 'link.max_queued_bytes', 'link.monthly_budget_mb',
    'health_period_s', 'announce_period_s',
    'max_hz', 'decimation',
    'max_age_s', 'max_delay_s', 'max_samples', 'max_bytes', 'priority', 'weight',
    'spool.max_bytes', 'spool.max_writes_mb_per_day', 'spool.commit_delay_s',
    'ttl_s', 'when_full', 'backlog_order', 'spool_bytes', 'dashboard_hz',
}  # fmt: skip


@pytest.mark.parametrize('field', FIELDS + STREAM_FIELDS, ids=lambda field: field.key)
def test_the_table_is_whole(field: Field) -> None:
    assert field.help.endswith('.')
    assert field.run_time is (field.key in RUN_TIME)
    assert (field.high > field.low) is (field.kind in (Kind.INTEGER, Kind.NUMBER))
    if field.choices:
        assert field.default in field.choices


def test_the_presets_are_those_that_the_session_knows() -> None:
    assert set(PRESETS) == set(presets.PRESETS)


def test_only_what_may_change_at_run_time_does() -> None:
    old = read_config(BASE)
    changes = {'stream.pose.max_hz': 3, 'stream.pose.priority': 'low', 'health_period_s': 1}
    new = read_config({**BASE, **changes})
    assert set(changed_at_run_time(old, new)) == set(changes)
    refuse_read_only(old, new)
    assert changed_at_run_time(old, old) == ()


@pytest.mark.parametrize(
    ('changes', 'key'),
    [
        ({'mqtt.host': 'other'}, 'mqtt.host'),
        ({'mqtt.tls.enabled': True}, 'mqtt.tls.enabled'),
        ({'stream.pose.keep': 'fifo'}, 'stream.pose.keep'),
        ({'streams': ['pose', 'b'], 'stream.b.topics': ['/b']}, 'streams'),
        ({'robot_id': 'other', 'health_period_s': 3}, 'robot_id'),
    ],
)
def test_the_rest_says_that_it_is_read_only(changes: dict[str, object], key: str) -> None:
    old, new = read_config(BASE), read_config({**BASE, **changes})
    assert key not in changed_at_run_time(old, new)
    with pytest.raises(ConfigError) as caught:
        refuse_read_only(old, new)
    assert str(caught.value) == f'{key}: is read-only while the bridge runs; change it and restart'


def test_an_unknown_key_does_not_change_at_run_time() -> None:
    assert may_change_at_run_time('stream.any.max_hz')
    assert not may_change_at_run_time('stream.any.max_hzz')
    assert not may_change_at_run_time('robot_id')


def test_dashboards_of_a_stream() -> None:
    keys = {
        'dashboard_hz': 1,
        'dashboard_fields': ['x', 'twist.*'],
        'dashboard_form': 'thingsboard',
    }
    given = {f'stream.pose.{key}': value for key, value in keys.items()}
    (stream,) = read_config({**BASE, **given}).streams
    assert (stream.dashboard_hz, stream.dashboard_fields) == (1.0, ('x', 'twist.*'))
    assert stream.dashboard_form is DashboardForm.THINGSBOARD
    (stream,) = read_config(BASE).streams
    assert stream.dashboard_hz == 0.0
    # Off for the time being, as it is set while the bridge runs.
    (stream,) = read_config({**BASE, **given, 'stream.pose.dashboard_hz': 0.0}).streams
    assert (stream.dashboard_hz, stream.dashboard_fields) == (0.0, ('x', 'twist.*'))
    assert may_change_at_run_time('stream.pose.dashboard_hz')


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        (
            {'stream.pose.dashboard_fields': ['x']},
            'stream.pose.dashboard_fields: needs dashboard_hz, which is 0',
        ),
        (
            {'stream.pose.dashboard_hz': 1.0, 'root': 'a/b/c/d'},
            "stream.pose.dashboard_hz: needs a root of at most 3 levels; root is 'a/b/c/d'",
        ),
    ],
    ids=['off', 'levels'],
)
def test_dashboards_that_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({**BASE, **changes})
    assert str(caught.value) == said


def values_of(field: Field) -> st.SearchStrategy[object]:
    if field.choices:
        return st.sampled_from(field.choices)
    if field.kind is Kind.FLAG:
        return st.booleans()
    if field.kind is Kind.INTEGER:
        return st.integers(int(field.low), int(field.high))
    if field.kind is Kind.NUMBER:
        return st.floats(field.low, field.high) | st.integers(
            math.ceil(field.low), int(field.high)
        )
    names = st.from_regex('[A-Za-z][A-Za-z0-9_]{0,10}', fullmatch=True)
    return names if field.kind is Kind.TEXT else st.lists(names, max_size=3).map(tuple)


EXCLUSIVE = (
    'mqtt.password_env', 'mqtt.tls.', 'streams', 'black_boxes', 'link.monthly', 'link.max_bytes',
    'commands', 'confirm_trust')  # fmt: skip
# Keys of a stream that depend on others.
DEPENDENT = (
    'topics', 'reducer', 'keep', 'key', 'max_age_s', 'ladder', 'on_demand', 'idle_hz',
    'dashboard_hz', 'dashboard_fields', 'dashboard_form')  # fmt: skip
NEED_DURABLE = ('ttl_s', 'confirm', 'confirm_by', 'when_full', 'backlog_order', 'spool_bytes')
GOOD = st.fixed_dictionaries(
    {'robot_id': values_of(FIELDS[0])},
    optional={f.key: values_of(f) for f in FIELDS[1:] if not f.key.startswith(EXCLUSIVE)},
)
BY_KEY = {f.key: f for f in STREAM_FIELDS}
FREE = {k: values_of(f) for k, f in BY_KEY.items() if k not in (*DEPENDENT, *NEED_DURABLE)}
DURABLE = {k: values_of(BY_KEY[k]) for k in ('ttl_s', 'when_full', 'backlog_order')}
# The least that spool.max_bytes may be has room for these.
DURABLE['spool_bytes'] = st.just(0) | st.integers(64 * 1024, 1024 * 1024)
GOOD_STREAM = st.fixed_dictionaries(
    {'topics': st.just(['/odom'])},
    optional={
        **FREE,
        'keep': st.sampled_from(('latest', 'fifo')),
        'max_age_s': values_of(BY_KEY['max_age_s']),
    },
) | st.fixed_dictionaries(
    {'topics': st.just(['/odom']), 'keep': st.just('durable')}, optional={**FREE, **DURABLE}
)


@given(GOOD, st.lists(GOOD_STREAM, min_size=1, max_size=3))
def test_what_is_read_can_be_written_and_read_again(
    top: dict[str, object], streams: list[dict[str, object]]
) -> None:
    flat = {**top, 'streams': [f's{i}' for i in range(len(streams))]}
    for index, stream in enumerate(streams):
        flat.update({f'stream.s{index}.{key}': value for key, value in stream.items()})
    config = read_config(flat)
    written = flatten(config)
    assert read_config(written) == config
    assert {key: written[key] for key in top} == top


KEYS = st.sampled_from(
    [field.key for field in FIELDS]
    + [f'stream.{name}.{field.key}' for name in ('pose', 'x') for field in STREAM_FIELDS]
    + [f'black_box.crash.{field.key}' for field in BLACK_BOX_FIELDS]
    + [f'command.dock.{field.key}' for field in COMMAND_FIELDS]
    + [
        'command',
        'black_box',
        'stream',
        'stream.',
        'stream..',
        'stream.pose',
        'mqtt',
        'mqtt.tls',
        '.',
        '',
    ]
)
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(KEYS | st.text(max_size=20), ANY_VALUE, max_size=8), st.booleans())
def test_whatever_is_given_only_a_config_error_is_raised(
    changes: dict[str, object], on_top: bool
) -> None:
    flat: Mapping[str, object] = {**BASE, **changes} if on_top else changes
    try:
        config = read_config(flat)
    except ConfigError as error:
        assert str(error).startswith(f'{error.key}: ')
        assert str(error).isprintable()
        assert [str(problem) for problem in find_problems(flat)][0] == str(error)
    else:
        assert read_config(flatten(config)) == config
        assert find_problems(flat) == ()


@given(KEYS.filter(lambda key: key.count('.') > 0 or key in BASE), ANY_VALUE)
def test_an_error_names_the_key_that_was_wrong(key: str, value: object) -> None:
    for problem in find_problems({**BASE, key: value}):
        related = {key, 'streams', 'stream.x', 'stream.', 'stream.pose.topics', 'root'}
        related |= {'black_boxes', 'black_box.crash', 'commands', 'command.dock'}
        assert problem.key in related
