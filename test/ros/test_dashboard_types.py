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

"""Dashboards of what rclpy itself writes: every message type of the installed packages."""

from collections.abc import Iterator
from importlib import import_module
import json
import pkgutil
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
fixtures = pytest.importorskip('test_msgs.message_fixtures', reason='test_msgs is not here')

from rclpy.serialization import serialize_message  # noqa: E402

from ros_cloud_bridge.dashboard.forms import MAX_BYTES  # noqa: E402
from ros_cloud_bridge.dashboard.painter import Painter, Settings  # noqa: E402
from ros_cloud_bridge.errors import ProtocolError  # noqa: E402
from ros_cloud_bridge.ros.interfaces import schema_of  # noqa: E402


def installed() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules():
        if module.name.endswith(('_msgs', '_interfaces')):
            try:
                messages = import_module(f'{module.name}.msg')
            except ImportError:
                continue
            for name, value in sorted(vars(messages).items()):
                if hasattr(value, 'get_fields_and_field_types'):
                    yield f'{module.name}/msg/{name}', value


def messages_of(name: str, message_class: Any) -> list[Any]:
    made = [message_class()]
    if name.startswith('test_msgs/'):
        try:
            made += fixtures.get_test_msg(name.rpartition('/')[2])
        except (AttributeError, LookupError, TypeError):
            pass
    return made


def test_every_installed_type_is_shown_flat_and_of_stable_types() -> None:
    seen = 0
    for name, message_class in installed():
        definition = schema_of(message_class).definition
        for fields in ((), ('*',)):
            try:
                painter = Painter('/a', name, definition, Settings(fields=fields, converts=False))
            except ValueError as error:
                assert fields, error
                continue
            kinds: dict[str, type] = {}
            for message in messages_of(name, message_class):
                try:
                    shown = list(painter.paint(bytes(serialize_message(message)), 0))
                except ProtocolError:
                    # Of wide text nobody knows how wide; an empty message is no picture.
                    assert 'wstring' in definition or name.startswith('sensor_msgs/'), name
                    continue
                for made in shown:
                    assert len(made.payload) <= MAX_BYTES
                    for key, value in json.loads(made.payload).items():
                        kind = float if type(value) is int else type(value)
                        assert kind in (bool, float, str)
                        assert kinds.setdefault(key, kind) is kind, (name, key)
                    seen += 1
    assert seen > 200
