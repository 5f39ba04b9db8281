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

"""What robots publish, as MQTT messages: from recordings through the pump, and of random types."""

from collections.abc import Iterator
from pathlib import Path
import random
import re

import numpy as np
import pytest

from ros_cloud_bridge.cli.parameter_file import load_file
from ros_cloud_bridge.cli.plan_run import dry_run
from ros_cloud_bridge.core.config import is_foreign, read_config
from ros_cloud_bridge.simulation.bridge import SimulatedBridge
from ros_cloud_bridge.simulation.link import LinkProfile
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.schema import Schema
from support.random_messages import definition, Sensor, STORE, TYPES

Message = tuple[str, bytes]

_BOOT = bytes.fromhex('c0ffee0012345678')
_SENT_NS = 1_700_000_000_123_456_789


def recorded(
    monkeypatch: pytest.MonkeyPatch,
    config: Path,
    recording: Path,
    bytes_per_s: float,
    seconds: float,
) -> list[Message]:
    """
    Play a recording through a bridge on a link in numbers.

    :param monkeypatch: listens to what the bridge sends
    :param config: parameter file of the robot
    :param recording: MCAP
    :param bytes_per_s: of the link; a thin one makes small batches, fragments and losses
    :param seconds: for how long
    :returns: what the broker was sent
    """
    from ros_cloud_bridge.ros.player.recording import Recording

    sent: list[Message] = []
    send = SimulatedBridge._send

    def note(
        bridge: SimulatedBridge, shipment: Shipment, now: float, repeated: bool = False
    ) -> None:
        sent.append((shipment.message.topic, bytes(shipment.message.payload)))
        send(bridge, shipment, now, repeated)

    monkeypatch.setattr(SimulatedBridge, '_send', note)
    flat = load_file(config)
    values = {name: value for name, value in flat.items() if not is_foreign(name)}
    with Recording(recording) as opened:
        dry_run(
            read_config(values),
            opened,
            lambda _: LinkProfile(rates=[(0.0, bytes_per_s)]),
            seconds=seconds,
        )
    return sent


def made_up(seed: int, types: int) -> Iterator[Message]:
    """
    Make messages of random types, of each a schema and some batches.

    :param seed: what comes
    :param types: how many
    :returns: messages
    """
    chosen = random.Random(seed)
    number = 0
    # Against ROS rosbags reads a byte as signed, and hashes a char as another type than uint8.
    odd = re.compile('^(byte|char)', re.MULTILINE)
    fitting = [name for name in TYPES if not odd.search(definition(name))]
    for route, name in enumerate(chosen.sample(fitting, types)):
        schema = Schema(
            type_name=name, definition=definition(name), rihs01=STORE.hash_rihs01(name)
        )
        yield f'rcb/v1/r1/schema/{schema.id}', encode_schema(schema)
        encoder = BlockEncoder(schema)
        sensor = Sensor(
            name,
            chosen.randrange(1 << 30),
            little=chosen.random() < 0.8,
            ragged=chosen.random() < 0.5,
            dirty=chosen.random() < 0.3,
        )
        sequence = 1
        for count in (1, 2, 40):
            number += 1
            section = _section(chosen, sensor, route, sequence, count, schema)
            batch = Batch(boot=_BOOT, number=number, sent_time_ns=_SENT_NS, sections=(section,))
            sequence = int(section.sequences[-1]) + 1
            yield 'rcb/v1/r1/b/normal', encode_batch(batch, {route: encoder})


def _section(
    chosen: random.Random,
    sensor: Sensor,
    route: int,
    sequence: int,
    count: int,
    schema: Schema,
) -> Section:
    steps = [1 if chosen.random() < 0.9 else chosen.randrange(2, 9) for _ in range(count)]
    source_ns = _SENT_NS - 10**9
    samples = []
    for _ in range(count):
        source_ns += chosen.randrange(5 * 10**6, 11 * 10**6)
        samples.append(Received(sensor.message(), source_ns, source_ns + chosen.randrange(10**6)))
    descriptor = Descriptor(
        stream='all', topic=f'/t{route}', type_name=schema.type_name, schema_id=schema.id
    )
    return Section(
        route=route,
        descriptor=descriptor,
        sequences=(sequence - 1 + np.cumsum(steps)).tolist(),
        samples=samples,
        totals=None,
    )
