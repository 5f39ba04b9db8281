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

"""The page's decoder and this one read the same in the same messages, broken ones included."""

from collections.abc import Callable, Iterable
import hashlib
import json
from pathlib import Path
import random
import shutil
import struct
import subprocess
from typing import Any

import numpy as np
import pytest

from ros_cloud_bridge.cloud import Decoder, ProtocolError, Sample
from ros_cloud_bridge.errors import BridgeError

pytest.importorskip('rosbags', reason='rosbags: install the extra cloud')
from support.bus_messages import made_up, Message, recorded  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / 'ros_cloud_bridge' / 'cloud' / 'web' / 'assets' / 'protocol.mjs'
RUNNER = Path(__file__).with_name('run_bus.mjs')
NODE = shutil.which('node')

pytestmark = pytest.mark.skipif(NODE is None, reason='no node here; scripts/test installs it')


def flat(value: Any) -> str:
    """
    Write fields as run_bus.mjs does.

    :param value: of a message
    :returns: numbers by the bits of a double
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float, np.generic)):
        number = float(value)
        return 'nan' if number != number else struct.pack('>d', number).hex()
    if isinstance(value, (list, np.ndarray)):
        return f'[{",".join(map(flat, value))}]'
    names = [name for name in value.__dataclass_fields__ if not name.startswith('__')]
    names = [name for name in names if name != 'structure_needs_at_least_one_member']
    members = [f'{name}:{flat(getattr(value, name))}' for name in names if not name.isupper()]
    return f'{{{",".join(members)}}}'


def hashed(data: bytes | str) -> str:
    """
    Hash.

    :param data: bytes, or text
    :returns: SHA-256
    """
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def attempt(read: Callable[[], bytes | str]) -> str:
    """
    Hash what can be read.

    :param read: reads it
    :returns: SHA-256, or that it cannot be read
    """
    try:
        return hashed(read())
    except BridgeError:
        return 'error'


def written(sample: Sample) -> list[Any]:
    """
    Write a sample as run_bus.mjs does.

    :param sample: it
    :returns: all that is known of it
    """
    return [
        sample.robot_id, sample.topic, sample.type_name, sample.form, sample.stream,
        sample.boot_id, sample.route, str(sample.sequence), str(sample.source_time_ns),
        str(sample.receive_time_ns), str(sample.sent_time_ns), sample.latched,
        sample.historical, attempt(sample.plain), attempt(lambda: flat(sample.message())),
    ]  # fmt: skip


def here(messages: Iterable[Message]) -> list[Any]:
    """
    Let this decoder read.

    :param messages: in order
    :returns: per message its samples, or that it was refused
    """
    decoder = Decoder()
    found: list[Any] = []
    for topic, payload in messages:
        try:
            found.append([written(sample) for sample in decoder.feed(topic, payload)])
        except ProtocolError:
            found.append('error')
    return found


def there(messages: Iterable[Message], folder: Path) -> list[Any]:
    """
    Let the page's decoder read.

    :param messages: in order
    :param folder: for a file
    :returns: as :func:`here`
    """
    assert NODE is not None
    file = folder / 'messages'
    file.write_text(
        ''.join(json.dumps([topic, payload.hex()]) + '\n' for topic, payload in messages)
    )
    done = subprocess.run(
        [NODE, str(RUNNER), str(BUNDLE), str(file)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(messages: list[Message], folder: Path) -> list[Any]:
    """
    Let both read, and see that they agree.

    :param messages: in order
    :param folder: for a file
    :returns: what they read
    """
    expected, found = here(messages), there(messages, folder)
    assert len(found) == len(expected)
    for (topic, payload), one, other in zip(messages, expected, found, strict=True):
        assert other == one, f'{topic} {payload[:200].hex()}'
    return found


@pytest.mark.parametrize(
    ('config', 'recording', 'bytes_per_s'),
    [
        ('a1_husky_metered', 'a1_husky_outdoor', 8e3),
        ('a3_tilt_laser_xsens', 'a3_tilt_laser_xsens', 8e3),
        ('a5_kitti_lidar', 'a5_kitti_lidar', 2e6),
    ],
)
def test_recordings_through_the_pump(
    config: str,
    recording: str,
    bytes_per_s: float,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip('mcap')
    messages = recorded(
        monkeypatch,
        ROOT / 'config' / f'{config}.yaml',
        recordings / f'{recording}.mcap',
        bytes_per_s,
        8.0,
    )
    found = compare(messages, tmp_path)
    # A dry run has no real hashes of types; their fields are compared below.
    known = [
        samples for (topic, _), samples in zip(messages, found, strict=True) if '/b/' in topic
    ]
    assert 'error' not in known
    assert sum(map(len, known)) > 5


def test_random_types_of_all_shapes(tmp_path: Path) -> None:
    found = compare(list(made_up(7, 30)), tmp_path)
    assert 'error' not in found
    assert sum(len(samples) for samples in found) == 30 * 43


def test_broken_messages_are_refused_alike_and_none_stops_the_decoder(tmp_path: Path) -> None:
    chosen = random.Random(3)
    messages = list(made_up(5, 8))
    # A schema that is known already is not looked at again by one of the two.
    batches = [message for message in messages if '/b/' in message[0]]
    for _ in range(600):
        topic, whole = chosen.choice(batches)
        data = bytearray(whole)
        for _ in range(chosen.choice((1, 1, 3))):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        if chosen.random() < 0.2:
            del data[chosen.randrange(len(data)) :]
        messages.append((topic, bytes(data)))
    expected, found = here(messages), there(messages, tmp_path)
    pairs = list(zip(messages, expected, found, strict=True))
    taken = [message for message, one, other in pairs if one == 'error' != other]
    assert not taken, [(topic, payload.hex()) for topic, payload in taken[:3]]
    # libzstd does not look whether literals use all of their bits: the page's may refuse more.
    assert sum(one != 'error' == other for _, one, other in pairs) < 15
    assert found.count('error') > 200
