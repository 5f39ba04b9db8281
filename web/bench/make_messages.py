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
Write batches of a recording's messages for decode.mjs, with the schemas of their types.

    python web/bench/make_messages.py RECORDING.mcap TOPIC FILE [PER_BATCH] [quantize]

With ``quantize`` clouds go in their compact form.
"""

import json
from pathlib import Path
import sys

from ros_cloud_bridge.cli.plan_feed import well_known
from ros_cloud_bridge.reducers.cloud_forms import QuantizeKind
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.ros.player.recording import Recording
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder


def main(path: str, topic: str, file: str, per_batch: int, quantize: bool) -> None:
    """
    Write one line of JSON per MQTT message.

    :param path: of the recording
    :param topic: ROS topic
    :param file: to write
    :param per_batch: samples
    :param quantize: whether clouds go in their compact form
    """
    with Recording(Path(path)) as recording:
        track = next(track for track in recording.tracks if track.topic == topic)
        recorded = list(recording.messages({topic}))
    schema = well_known(track.type_name)
    reducer = None
    if quantize:
        reducer = QuantizeKind().make(schema.type_name, schema.definition, {}, 64 << 20)
    descriptor = Descriptor(
        stream='all',
        topic=topic,
        type_name=schema.type_name,
        schema_id=schema.id,
        form='' if reducer is None else reducer.output.form,
    )
    encoder = BlockEncoder(None if reducer else schema)
    messages = [(f'rcb/v1/r/schema/{schema.id}', encode_schema(schema))]
    for first in range(0, len(recorded), per_batch):
        part = recorded[first : first + per_batch]
        cdrs = [
            one.cdr if reducer is None else reducer.reduce(one.cdr, Level.FULL) for one in part
        ]
        section = Section(
            route=1,
            descriptor=descriptor,
            sequences=range(first + 1, first + len(part) + 1),
            samples=[
                Received(cdr, one.time_ns, one.time_ns)
                for cdr, one in zip(cdrs, part, strict=True)
            ],
            totals={},
        )
        batch = Batch(
            boot=bytes(8), number=first, sent_time_ns=part[-1].time_ns, sections=(section,)
        )
        messages.append(('rcb/v1/r/b/normal', encode_batch(batch, {1: encoder})))
    lines = (json.dumps([name, payload.hex()]) + '\n' for name, payload in messages)
    Path(file).write_text(''.join(lines))


if __name__ == '__main__':
    recording_path, ros_topic, target, *more = sys.argv[1:]
    main(recording_path, ros_topic, target, int(more[0]) if more else 20, 'quantize' in more)
