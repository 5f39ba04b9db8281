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

"""The mirror's keys: what they become, and what is refused, in its words."""

from pathlib import Path

import pytest

from ros_cloud_bridge.cli.check_config import check_mirror_file
from ros_cloud_bridge.cli.parameter_file import load_file
from ros_cloud_bridge.core.config_docs import key_table
from ros_cloud_bridge.core.mirror_config import find_mirror_problems, read_mirror_config
from ros_cloud_bridge.core.mirror_table import (
    MIRROR_BY_KEY,
    MIRROR_FIELDS,
    MirrorConfig,
    MirrorOperator,
    StampClock,
)
from ros_cloud_bridge.values import MqttConfig, TlsConfig

PROJECT = Path(__file__).resolve().parents[2]


def test_every_key_arrives_where_it_belongs() -> None:
    assert read_mirror_config({}) == MirrorConfig()
    config = read_mirror_config(
        {
            'use_sim_time': True,
            'robots': 'amr-*',
            'namespace': '/fleet/{robot}',
            'topics': ['/odom', '/scan*'],
            'deny': None,
            'clock': 'local',
            'forget_after_s': 0,
            'mqtt.host': 'broker',
            'mqtt.tls.ca_file': '/ca.pem',
            'operator.name': 'alice',
            'operator.robot_keys': '/etc/rcb/robots',
            'operator.channels': ['drive'],
        }
    )
    assert config == MirrorConfig(
        robots='amr-*',
        namespace='/fleet/{robot}',
        topics=('/odom', '/scan*'),
        clock=StampClock.LOCAL,
        forget_after_s=0.0,
        mqtt=MqttConfig(host='broker', tls=TlsConfig(ca_file='/ca.pem')),
        operator=MirrorOperator(
            name='alice', robot_keys='/etc/rcb/robots', channels=('drive',)
        ),
    )


def test_the_table_has_the_defaults_of_the_values() -> None:
    config = MirrorConfig()
    for key, field in MIRROR_BY_KEY.items():
        if not key.startswith('mqtt.'):
            owner: object = config.operator if key.startswith('operator.') else config
            value = getattr(owner, key.rpartition('.')[2])
            assert field.default == getattr(value, 'value', value), key


@pytest.mark.parametrize(
    ('flat', 'problem'),
    [
        ({'robot': 'a'}, 'robot: unknown key; did you mean robots?'),
        ({'hots': 'a'}, 'hots: unknown key'),
        ({'host': 'a'}, 'host: unknown key; did you mean mqtt.host?'),
        ({'operator.ttl': 1.0}, 'operator.ttl: unknown key; did you mean ttl_s?'),
        ({'stream.pose.topics': ['/a']}, 'stream.pose.topics: unknown key; did you mean topics?'),
        ({'operator': 'alice'}, 'operator: is a section, not a value; write its keys below it'),
        (
            {'mqtt.password': 'x'},
            'mqtt.password: secrets never stand in the configuration; use mqtt.password_file or '
            'mqtt.password_env',
        ),
        ({'qos_depth': 2.5}, 'qos_depth: 2.5 is a decimal number; must be a whole number'),
        (
            {'clock': 'cloud'},
            "clock: 'cloud' is none of its values; allowed: robot, local",
        ),
        ({'robots': 'a/b'}, "robots: 'a/b' must be a robot id or a glob over robot ids, as in"),
        ({'namespace': '{robot}-x'}, "namespace: '{robot}-x' must be a ROS namespace, as in"),
        (
            {'namespace': 'twin'},
            "namespace: 'twin' lacks {robot}, but robots ('*') may match several, whose topics",
        ),
        ({'topics': ['/a//b']}, "topics: '/a//b' is no valid topic name"),
        ({'mqtt.tls.cert_file': '/c'}, 'mqtt.tls.cert_file: is given without mqtt.tls.key_file'),
        ({'leases': ['camera:x'], 'name': 'm'}, "leases: 'camera:x' is not STREAM or STREAM:HZ"),
        ({'leases': ['camera:5']}, "name: is needed for leases: the robots' demand.allow names"),
        ({'operator.name': 'alice'}, 'operator.robot_keys: is missing; operator.name commands'),
        (
            {'operator.key_file': '/k'},
            'operator.key_file: is given without operator.name; nothing is commanded without it',
        ),
        (
            {
                'operator.name': 'a',
                'operator.robot_keys': '/r',
                'mqtt.protocol': '3.1.1',
            },
            'mqtt.protocol: 3.1.1 is given with operator.name; needs 5',
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(flat: dict[str, object], problem: str) -> None:
    (found,) = find_mirror_problems(flat)
    assert str(found).startswith(problem)


def test_one_robot_may_have_any_namespace() -> None:
    for namespace in ('', '/', 'twin', '/a/b'):
        assert not find_mirror_problems({'robots': 'amr-07', 'namespace': namespace})


def test_the_reference_file_has_every_key_and_its_default() -> None:
    flat = load_file(PROJECT / 'config' / 'mirror.yaml', '/mirror')
    assert set(flat) == set(MIRROR_BY_KEY)
    examples = {'deny', 'operator.name', 'operator.key_file', 'operator.robot_keys'}
    for key, value in flat.items():
        if key not in examples:
            default = MIRROR_BY_KEY[key].default
            assert (() if value is None else value) == default, key
    lines, ok = check_mirror_file(PROJECT / 'config' / 'mirror.yaml', '/mirror')
    assert (lines, ok) == (("ok: mirror of '*' below {robot}, localhost:1883",), True)


def test_check_config_names_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / 'mirror.yaml'
    file.write_text('/**: {ros__parameters: {robots: 7, topic: [/a]}}')
    assert check_mirror_file(file, '/mirror') == (
        (
            "robots: 7 is a whole number; must be text; write it in quotes: '7'",
            'topic: unknown key; did you mean topics?',
        ),
        False,
    )


def test_the_page_has_every_key() -> None:
    page = (PROJECT / 'docs' / 'mirror.md').read_text(encoding='utf-8')
    assert key_table(MIRROR_FIELDS) in page, 'put the output of check-config --mirror --keys there'
