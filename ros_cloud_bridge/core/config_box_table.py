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

"""The keys of one black box; they stand below ``black_box.NAME.``."""

from dataclasses import replace

from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.core.config_stream_table import RATE_OFF, STREAM_FIELDS
from ros_cloud_bridge.core.trigger import trigger_problem
from ros_cloud_bridge.values import BlackBoxConfig, StreamConfig

_BOX = BlackBoxConfig(stream=StreamConfig(name='', topics=()), triggers=())
_OF_STREAM = {field.key: field for field in STREAM_FIELDS}

BLACK_BOX_FIELDS = (
    replace(
        _OF_STREAM['topics'],
        help='Topics of which the last seconds stand on disk, at full rate: exact names, globs, '
        're: patterns. Streams may have them as well. Required.',
    ),
    replace(_OF_STREAM['deny'], help='Topic patterns that this black box leaves out.'),
    Field(
        key='triggers',
        kind=Kind.LIST,
        default=_BOX.triggers,
        problem=trigger_problem,
        help="What makes the span go to the cloud: '/odom: twist.twist.linear.x > 1.5 for 2s', "
        "'/diagnostics: level >= error', 'service', 'command', 'crash'. Required.",
    ),
    Field(
        key='before_s',
        kind=Kind.NUMBER,
        default=_BOX.before_s,
        high=3600,
        unit='s',
        help='How much from before the trigger is sent.',
    ),
    Field(
        key='after_s',
        kind=Kind.NUMBER,
        default=_BOX.after_s,
        high=3600,
        unit='s',
        help='How much from after the trigger is sent.',
    ),
    Field(
        key='max_bytes',
        kind=Kind.INTEGER,
        default=_BOX.max_bytes,
        low=1024 * 1024,
        high=2**44,
        unit='bytes',
        help='Most bytes of the ring on disk; the oldest go.',
    ),
    Field(
        key='max_writes_mb_per_day',
        kind=Kind.NUMBER,
        default=_BOX.max_writes_mb_per_day,
        low=1,
        high=1e9,
        unit='MB',
        zero_means=RATE_OFF,
        help='Most megabytes (10^6 bytes) that the ring writes a day, to spare the flash.',
    ),
    Field(
        key='max_span_bytes',
        kind=Kind.INTEGER,
        default=_BOX.max_span_bytes,
        low=64 * 1024,
        high=2**44,
        unit='bytes',
        help='Most bytes that one trigger sends.',
    ),
    *(
        _OF_STREAM[key]
        for key in (
            'priority',
            'weight',
            'ttl_s',
            'confirm',
            'confirm_by',
            'when_full',
            'backlog_order',
            'spool_bytes',
            'qos_depth',
        )
    ),
)

# The rest describes the stream that a span becomes part of.
BLACK_BOX_ONLY = (
    'triggers',
    'before_s',
    'after_s',
    'max_bytes',
    'max_writes_mb_per_day',
    'max_span_bytes',
)
