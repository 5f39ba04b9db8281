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

"""Message classes of every installed interface package against independent readers of them."""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import pkgutil
import random
import sys
from types import ModuleType
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy')
from mcap_ros2._dynamic import generate_dynamic  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rosbags.typesys import get_types_from_msg  # noqa: E402
from rosbags.typesys.base import normalize_fieldname  # noqa: E402
from rosbags.typesys.store import Typestore  # noqa: E402
from rosidl_parser import definition as idl  # noqa: E402

from ros_cloud_bridge.errors import MissingTypeSupport, SchemaMismatch  # noqa: E402
from ros_cloud_bridge.ros.interfaces import (  # noqa: E402
    check_hash,
    load_message,
    published_hash,
    schema_of,
    type_name_of,
)
from support.waiting import wait_until  # noqa: E402

EMPTY_MEMBER = 'structure_needs_at_least_one_member'


def interface_packages() -> Iterator[str]:
    """Name the importable packages that have messages."""
    for found in pkgutil.iter_modules():
        folder = Path(getattr(found.module_finder, 'path', '')) / found.name
        if found.ispkg and (folder / 'msg' / '__init__.py').exists():
            yield found.name


def message_names(package: str) -> list[str]:
    """Name a package's messages, from its module rather than through what is tested."""
    module = pytest.importorskip(f'{package}.msg')
    return [f'{package}/msg/{name}' for name in vars(module) if is_message(module, name)]


def is_message(module: ModuleType, name: str) -> bool:
    """Tell a generated class from what else stands in a module."""
    return hasattr(getattr(module, name), 'get_fields_and_field_types')


ALL = sorted(name for package in set(interface_packages()) for name in message_names(package))

# Neither rosbags nor mcap_ros2 can read wide strings.
WIDE = [name for name in ALL if 'wstring' in schema_of(load_message(name)).definition]
READABLE = [name for name in ALL if name not in WIDE]


def typestore(type_name: str) -> Typestore:
    """Teach a rosbags store the type from nothing but our text."""
    store = Typestore()
    store.register(get_types_from_msg(schema_of(load_message(type_name)).definition, type_name))
    return store


def installed_descriptions() -> dict[str, str]:
    """Read the hashes that rosidl's own generator left in ``share`` when the package was built."""
    prefixes = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    hashes = {}
    for prefix in filter(None, prefixes):
        for path in Path(prefix).glob('share/*/*/*.json'):
            for entry in json.loads(path.read_text()).get('type_hashes', ()):
                hashes[entry['type_name']] = entry['hash_string']
    return hashes


def rosbags_decode(store: Typestore, cdr: bytes, type_name: str) -> object:
    """
    Decode as ``store.deserialize_cdr`` does, without its check of the length.

    ``serialize_message`` returns as many bytes as it has estimated, which can be more than it has
    written (an empty ``float64[]`` counts its alignment).
    """
    known = store.get_msgdef(type_name)
    message, used = known.deserialize_cdr_le(memoryview(cdr)[4:], 0, known.cls, store)
    assert used <= len(cdr) - 4
    return message


def filled(message_class: type[Any], source: random.Random) -> Any:
    """Make a message whose every member holds something random."""
    message = message_class()
    names = message_class.get_fields_and_field_types()
    for name, slot in zip(names, message_class.SLOT_TYPES, strict=True):
        if name != EMPTY_MEMBER:
            setattr(message, name, random_value(slot, source))
    return message


def random_value(slot: Any, source: random.Random) -> Any:
    """Make a value of an IDL type."""
    if isinstance(slot, idl.Array):
        return [random_value(slot.value_type, source) for _ in range(slot.size)]
    if isinstance(slot, idl.AbstractSequence):
        length = source.randint(0, min(getattr(slot, 'maximum_size', 3), 3))
        return [random_value(slot.value_type, source) for _ in range(length)]
    if isinstance(slot, idl.NamespacedType):
        return filled(load_message('/'.join(slot.namespaced_name())), source)
    if isinstance(slot, idl.AbstractGenericString):
        return ''.join(source.choices('abcä', k=min(getattr(slot, 'maximum_size', 5), 5)))
    if slot.typename == 'boolean':
        return source.random() < 0.5
    if slot.typename == 'octet':
        return bytes([source.randrange(256)])
    if slot.typename in ('float', 'double'):
        return source.randrange(-1000, 1000) / 8
    bits = int(slot.typename.removeprefix('u').removeprefix('int'))
    low = 0 if slot.typename.startswith('u') else -(2 ** (bits - 1))
    return source.randrange(low, low + 2**bits)


def plain(value: Any, slot: Any) -> Any:
    """Turn any of the readers' values into what compares."""
    if isinstance(slot, (idl.Array, idl.AbstractSequence)):
        return [plain(item, slot.value_type) for item in value]
    if isinstance(slot, idl.NamespacedType):
        return plain_message(value, load_message('/'.join(slot.namespaced_name())))
    if isinstance(slot, idl.AbstractGenericString):
        return str(value)
    if slot.typename == 'octet':
        # rclpy gives bytes, rosbags a signed number.
        return value[0] if isinstance(value, bytes) else int(value) % 256
    return value.item() if hasattr(value, 'item') else value


def plain_message(message: Any, message_class: type[Any]) -> dict[str, Any]:
    """Turn a message of any reader into a dictionary."""
    result = {}
    names = message_class.get_fields_and_field_types()
    for name, slot in zip(names, message_class.SLOT_TYPES, strict=True):
        if name != EMPTY_MEMBER:
            known = name if hasattr(message, name) else normalize_fieldname(name)
            result[name] = plain(getattr(message, known), slot)
    return result


def test_there_are_messages_to_test() -> None:
    assert {'sensor_msgs/msg/PointCloud2', 'std_msgs/msg/Empty'} <= set(READABLE)
    assert set(WIDE) <= {'test_msgs/msg/WStrings'}


@pytest.mark.parametrize('type_name', READABLE)
def test_hash_equals_what_rosbags_computes_from_the_text(type_name: str) -> None:
    assert typestore(type_name).hash_rihs01(type_name) == schema_of(load_message(type_name)).rihs01


def test_hash_equals_rosidls_own() -> None:
    expected = installed_descriptions()
    if not expected:
        pytest.skip('this distribution installs no type descriptions (they began with Iron)')
    known = [name for name in ALL if name in expected]
    assert len(known) > 50
    ours = {name: schema_of(load_message(name)).rihs01 for name in known}
    assert ours == {name: expected[name] for name in known}


@pytest.mark.parametrize('type_name', READABLE)
def test_other_readers_decode_real_messages_with_the_text(type_name: str) -> None:
    message_class = load_message(type_name)
    store = typestore(type_name)
    definition = schema_of(message_class).definition
    decode = generate_dynamic(type_name, definition)[type_name]
    source = random.Random(type_name)
    for _ in range(3):
        message = filled(message_class, source)
        cdr = bytes(serialize_message(message))
        expected = plain_message(message, message_class)
        assert plain_message(rosbags_decode(store, cdr, type_name), message_class) == expected
        assert plain_message(decode(cdr), message_class) == expected


def test_constants_and_defaults_stand_in_the_text() -> None:
    text = schema_of(load_message('sensor_msgs/msg/NavSatStatus')).definition
    assert 'int8 STATUS_NO_FIX=-1\n' in text
    assert 'float64 w 1.0\n' in schema_of(load_message('geometry_msgs/msg/Quaternion')).definition
    assert (
        'byte STALE=3\n'
        in schema_of(load_message('diagnostic_msgs/msg/DiagnosticStatus')).definition
    )


def test_message_of_an_action_can_be_described() -> None:
    pytest.importorskip('test_msgs.action')
    name = 'test_msgs/action/Fibonacci_FeedbackMessage'
    schema = schema_of(load_message(name))
    assert schema.type_name == type_name_of(load_message(name)) == name
    assert schema.rihs01 == installed_descriptions().get(name, schema.rihs01)


@pytest.mark.parametrize(
    'type_name',
    [
        '',
        'Imu',
        'sensor_msgs/Imu',
        'sensor_msgs/msg/',
        'sensor_msgs/msg/NoSuchMessage',
        'no_such_package/msg/Thing',
        '../msg/Imu',
        'sensor_msgs/msg/Imu\n',
        'std_srvs/srv/Empty',
        'os/msg/Path',
        'a' * 100_000,
    ],
)
def test_what_cannot_be_loaded_is_a_missing_type_support(type_name: str) -> None:
    with pytest.raises(MissingTypeSupport):
        load_message(type_name)


@pytest.mark.parametrize(
    'body', ['syntax error', 'raise OSError("disk")', 'import no_such_module_at_all', 'Thing = 3']
)
def test_broken_package_is_a_missing_type_support(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f'broken_{abs(hash(body)) % 10**8}_msgs'
    (tmp_path / package / 'msg').mkdir(parents=True)
    (tmp_path / package / '__init__.py').touch()
    (tmp_path / package / 'msg' / '__init__.py').write_text(body + '\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingTypeSupport, match=f"install the package '{package}'"):
        load_message(f'{package}/msg/Thing')


def test_python_class_without_its_c_library_is_a_missing_type_support(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Real generated code, moved into a package that was never compiled.
    import std_msgs.msg

    package = 'uncompiled_msgs'
    (tmp_path / package / 'msg').mkdir(parents=True)
    (tmp_path / package / '__init__.py').touch()
    source = Path(std_msgs.msg.__file__).parent.joinpath('_string.py').read_text()
    source = source.replace('std_msgs', package)
    (tmp_path / package / 'msg' / '_string.py').write_text(source)
    (tmp_path / package / 'msg' / '__init__.py').write_text(
        f'from {package}.msg._string import String\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingTypeSupport, match='no type support for uncompiled_msgs/msg/String'):
        load_message(f'{package}/msg/String')


def test_differing_hash_is_a_mismatch() -> None:
    schema = schema_of(load_message('sensor_msgs/msg/Imu'))
    other = schema_of(load_message('std_msgs/msg/Header')).rihs01
    with pytest.raises(SchemaMismatch, match=f'sensor_msgs/msg/Imu: .*{schema.rihs01}.*{other}'):
        check_hash(schema, other)


@pytest.mark.parametrize('published', [None, '', 'INVALID', 'RIHS02_' + 64 * '0'])
def test_hash_that_says_nothing_passes(published: str | None) -> None:
    check_hash(schema_of(load_message('sensor_msgs/msg/Imu')), published)


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('interfaces_under_test', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    'type_name',
    [
        'sensor_msgs/msg/PointCloud2',
        'nav_msgs/msg/Odometry',
        'diagnostic_msgs/msg/DiagnosticArray',
        'std_msgs/msg/Empty',
        *[name for name in ('test_msgs/msg/WStrings', 'test_msgs/msg/Arrays') if name in ALL],
    ],
)
def test_hash_equals_what_the_graph_reports(node: Node, type_name: str) -> None:
    message_class = load_message(type_name)
    node.create_publisher(message_class, '/hashed', 1)
    wait_until(lambda: node.get_publishers_info_by_topic('/hashed'), what='own publisher in graph')
    (endpoint,) = node.get_publishers_info_by_topic('/hashed')
    if not hasattr(endpoint, 'topic_type_hash'):
        assert published_hash(endpoint) is None
        pytest.skip('this distribution reports no type hashes (they began with Iron)')
    assert published_hash(endpoint) == schema_of(message_class).rihs01
    check_hash(schema_of(message_class), published_hash(endpoint))
