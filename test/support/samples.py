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

"""Samples without a decoder, for tests of what is made of them."""

from collections.abc import Callable
from typing import Any

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.wire.schema import Schema


def make_sample(
    cdr: bytes,
    sequence: int = 1,
    *,
    schema: Schema | None = None,
    decode: Callable[..., Any] = lambda *_: None,
    **facts: Any,
) -> Sample:
    """
    Make a sample of the topic ``/level`` of the robot ``rover``.

    :param cdr: what it holds
    :param sequence: its number
    :param schema: of its type; None where nobody asks for it
    :param decode: makes its message
    :param facts: what else is not as usual
    :returns: the sample
    """

    def known(*_: object) -> Schema:
        assert schema is not None, 'nobody asks for its schema'
        return schema

    usual: dict[str, Any] = {
        'robot_id': 'rover',
        'topic': '/level',
        'type_name': 'a/msg/A' if schema is None else schema.type_name,
        'source_time_ns': sequence,
        'receive_time_ns': sequence,
        'sent_time_ns': sequence,
        'stream': 'all',
        'historical': False,
        'latched': False,
        'boot_id': '00' * 8,
        'route': 1,
        'schema_id': '' if schema is None else schema.id,
    }
    return Sample(cdr=cdr, sequence=sequence, **usual | facts, _decode=decode, _schema=known)
