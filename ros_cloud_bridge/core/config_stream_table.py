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


"""The keys of one stream; they stand below ``stream.NAME.``."""

from ros_cloud_bridge.core.config_fields import confirmer_problem, Field, Kind, pattern_problem
from ros_cloud_bridge.core.ladder_steps import step_problem
from ros_cloud_bridge.core.reducer_chain import chain_problem
from ros_cloud_bridge.values import (
    BacklogOrder,
    Confirm,
    DashboardForm,
    Keep,
    Key,
    Priority,
    StreamConfig,
    WhenFull,
)

_STREAM = StreamConfig(name='', topics=())
RATE_OFF = 'no limit'

STREAM_FIELDS = (
    Field(
        key='topics',
        kind=Kind.LIST,
        default=(),
        problem=pattern_problem,
        help='Topics of the stream: exact names, globs, re: patterns. Required.',
    ),
    Field(
        key='deny',
        kind=Kind.LIST,
        default=_STREAM.deny,
        problem=pattern_problem,
        help='Topic patterns that this stream leaves to the next.',
    ),
    Field(
        key='max_hz',
        kind=Kind.NUMBER,
        default=_STREAM.max_hz,
        low=0.0001,
        high=100000,
        unit='Hz',
        zero_means=RATE_OFF,
        run_time=True,
        help='Most samples per second and topic, or per key if one is given.',
    ),
    Field(
        key='decimation',
        kind=Kind.INTEGER,
        default=_STREAM.decimation,
        low=1,
        high=10**9,
        run_time=True,
        help='Take each n-th sample only.',
    ),
    Field(
        key='keep',
        kind=Kind.TEXT,
        default=_STREAM.keep.value,
        choices=tuple(keep.value for keep in Keep),
        help='What waits while the link is busy: the newest sample, all in order, or all on disk '
        'until confirmed.',
    ),
    Field(
        key='key',
        kind=Kind.TEXT,
        default=_STREAM.key.value,
        choices=tuple(key.value for key in Key),
        help='What keep: latest keeps one of; frame_id needs a type that begins with a header, '
        'status_name a DiagnosticArray.',
    ),
    Field(
        key='max_samples',
        kind=Kind.INTEGER,
        default=_STREAM.max_samples,
        low=1,
        high=10**9,
        unit='samples',
        run_time=True,
        help='Most samples of a topic that wait; the oldest is dropped.',
    ),
    Field(
        key='max_bytes',
        kind=Kind.INTEGER,
        default=_STREAM.max_bytes,
        low=1,
        high=2**40,
        unit='bytes',
        run_time=True,
        help='Most bytes of a topic that wait; the oldest sample is dropped.',
    ),
    Field(
        key='max_age_s',
        kind=Kind.NUMBER,
        default=_STREAM.max_age_s,
        low=0.001,
        high=31536000,
        unit='s',
        zero_means='never',
        run_time=True,
        help='Age at which a waiting sample is dropped instead of sent.',
    ),
    Field(
        key='max_delay_s',
        kind=Kind.NUMBER,
        default=_STREAM.max_delay_s,
        high=3600,
        unit='s',
        run_time=True,
        help='How long a sample may wait for others to share its batch.',
    ),
    Field(
        key='priority',
        kind=Kind.TEXT,
        default=_STREAM.priority.name.lower(),
        choices=tuple(priority.name.lower() for priority in Priority),
        run_time=True,
        help='Classes share a full link 16 : 4 : 1; what uses less than its share goes first.',
    ),
    Field(
        key='weight',
        kind=Kind.NUMBER,
        default=_STREAM.weight,
        low=0.001,
        high=1000,
        run_time=True,
        help='Share of the link among the streams of one class.',
    ),
    Field(
        key='min_bytes_per_s',
        kind=Kind.NUMBER,
        default=_STREAM.min_bytes_per_s,
        low=1,
        high=1e11,
        unit='bytes/s',
        zero_means='none',
        help='Rate that the stream gets before others share what is left of the link.',
    ),
    Field(
        key='reducer',
        kind=Kind.TEXT,
        default=_STREAM.reducer,
        problem=chain_problem,
        help="What makes messages smaller at a stated error, as in 'precision tolerance=0.01'; "
        'docs/reducers.md has them all.',
    ),
    Field(
        key='ladder',
        kind=Kind.LIST,
        default=_STREAM.ladder,
        problem=step_problem,
        help='What to give up, step by step, while the link stays too thin, as in '
        '[5hz, 1hz, pause]; with a reducer also reduced and minimal.',
    ),
    Field(
        key='on_demand',
        kind=Kind.FLAG,
        default=_STREAM.on_demand,
        help='Send only while a consumer holds a lease; otherwise at idle_hz.',
    ),
    Field(
        key='idle_hz',
        kind=Kind.NUMBER,
        default=_STREAM.idle_hz,
        low=0.0001,
        high=100000,
        unit='Hz',
        zero_means='nothing, and no subscription',
        help='Rate of an on_demand stream that nobody has leased.',
    ),
    Field(
        key='qos_depth',
        kind=Kind.INTEGER,
        default=_STREAM.qos_depth,
        low=1,
        high=100000,
        unit='samples',
        zero_means='chosen by rate and policy',
        help='History depth of the ROS subscriptions.',
    ),
    Field(
        key='ttl_s',
        kind=Kind.NUMBER,
        default=_STREAM.ttl_s,
        low=1,
        high=315360000,
        unit='s',
        zero_means='never',
        run_time=True,
        help='Age at which a durable sample expires instead of being sent; counted and reported.',
    ),
    Field(
        key='confirm',
        kind=Kind.TEXT,
        default=_STREAM.confirm.value,
        choices=tuple(confirm.value for confirm in Confirm),
        help="Who must have a durable sample before the robot's copy goes.",
    ),
    Field(
        key='confirm_by',
        kind=Kind.TEXT,
        default=_STREAM.confirm_by,
        problem=confirmer_problem,
        help='Name of the consumer that confirms, with confirm: consumer.',
    ),
    Field(
        key='when_full',
        kind=Kind.TEXT,
        default=_STREAM.when_full.value,
        choices=tuple(policy.value for policy in WhenFull),
        run_time=True,
        help='What a durable stream gives up when its part of the disk is full; thin: evenly over '
        'time.',
    ),
    Field(
        key='backlog_order',
        kind=Kind.TEXT,
        default=_STREAM.backlog_order.value,
        choices=tuple(order.value for order in BacklogOrder),
        run_time=True,
        help='What of a durable backlog goes first.',
    ),
    Field(
        key='spool_bytes',
        kind=Kind.INTEGER,
        default=_STREAM.spool_bytes,
        low=64 * 1024,
        high=2**44,
        unit='bytes',
        zero_means='as much as spool.max_bytes',
        run_time=True,
        help='Most bytes of a durable stream on disk.',
    ),
    Field(
        key='dashboard_hz',
        kind=Kind.NUMBER,
        default=_STREAM.dashboard_hz,
        low=0.001,
        high=10,
        unit='Hz',
        zero_means='no dashboards',
        run_time=True,
        help='Most flat JSON messages per second for dashboards, per MQTT topic; they cost bytes, '
        'see docs/dashboards.md.',
    ),
    Field(
        key='dashboard_fields',
        kind=Kind.LIST,
        default=_STREAM.dashboard_fields,
        help="What dashboards show: keys or fields, as in [x, yaw_deg, 'twist.*']; what suits the "
        'type when empty.',
    ),
    Field(
        key='dashboard_form',
        kind=Kind.TEXT,
        default=_STREAM.dashboard_form.value,
        choices=tuple(form.value for form in DashboardForm),
        help='How the JSON of dashboards is built.',
    ),
)
