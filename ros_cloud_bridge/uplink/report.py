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

"""The documents ``info`` and ``health`` (docs/protocol.md)."""

from collections.abc import Sequence
import dataclasses
from enum import Enum
import hashlib
import json

from ros_cloud_bridge import __version__
from ros_cloud_bridge.core.admission import Admission
from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import BridgeConfig, ChannelConfig, Keep, StreamConfig
from ros_cloud_bridge.wire.batch import VERSION


def config_hash(config: BridgeConfig) -> str:
    """
    Hash a configuration, so that a fleet's dashboards see which robots run the same.

    :param config: holds no secrets, just the places where they stand
    :returns: the first 16 hexadecimal digits of a SHA-256
    """
    text = json.dumps(dataclasses.asdict(config), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)


def info_document(
    config: BridgeConfig, boot_id: str, routes: Sequence[Route], wall_ns: int
) -> dict[str, object]:
    """
    Build ``info``: what this bridge sends.

    :param config: the configuration in force
    :param boot_id: hexadecimal
    :param routes: all routes
    :param wall_ns: nanoseconds since the Unix epoch on the robot's clock
    :returns: JSON-able document
    """
    return {
        'version': VERSION,
        'robot_id': config.robot_id,
        'boot_id': boot_id,
        'bridge_version': __version__,
        'config_hash': config_hash(config),
        'clock': {'time_ns': wall_ns},
        'streams': [_stream_document(stream) for stream in config.all_streams],
        'channels': [_channel_document(channel) for channel in config.channels],
        'routes_total': len(routes),
        'routes': [
            {
                'route': route.number,
                'stream': route.stream.name,
                'topic': route.topic,
                'type': route.type_name,
                'schema': route.schema_id,
                'latched': route.latched is not None,
                **_qos(route),
                **_reduction(route),
            }
            for route in routes
        ],
    }


def _qos(route: Route) -> dict[str, object]:
    offered = route.offered
    if offered is None:
        return {}
    qos: dict[str, object] = {
        'reliability': 'reliable' if offered.reliable else 'best_effort',
        'durability': 'transient_local' if offered.transient_local else 'volatile',
    }
    if offered.depth:
        qos['depth'] = offered.depth
    if offered.lifespan_s:
        qos['lifespan_s'] = offered.lifespan_s
    return {'qos': qos}


def _reduction(route: Route) -> dict[str, object]:
    if route.unreduced is None:
        return {}
    reduction = route.unreduced.reduction
    return {
        'form': reduction.form,
        'reducer': reduction.text,
        'error': reduction.error,
        'source_type': route.source_type,
    }


def _stream_document(stream: StreamConfig) -> dict[str, object]:
    return {
        'name': stream.name,
        'topics': list(stream.topics),
        'max_hz': stream.max_hz,
        'keep': stream.keep.value,
        'priority': stream.priority.name.lower(),
        'weight': stream.weight,
        'max_age_s': stream.max_age_s,
        'on_demand': stream.on_demand,
        'idle_hz': stream.idle_hz,
        'confirm': stream.confirm.value if stream.keep is Keep.DURABLE else '',
        'confirm_by': stream.confirm_by,
        'dashboard': _dashboard_document(stream),
    }


def _dashboard_document(stream: StreamConfig) -> dict[str, object] | None:
    if not stream.dashboard_hz:
        return None
    return {'max_hz': stream.dashboard_hz, 'form': stream.dashboard_form.value}


def _channel_document(channel: ChannelConfig) -> dict[str, object]:
    # Not who may use it: that is nobody else's business.
    return {
        'name': channel.name,
        'kind': channel.kind.value,
        'type': channel.type_name,
        'lease': channel.lease,
        'max_ttl_s': channel.max_ttl_s,
    }


def route_document(route: Route, now: float) -> dict[str, object]:
    """
    Build one route's entry in ``health``.

    :param route: the route
    :param now: monotonic seconds
    :returns: JSON-able document; counts since boot
    """
    durable = {}
    if isinstance(route, DurableRoute):
        durable = {
            'committed': route.committed,
            'spooled': route.spooled,
            'not_yet_committed': route.not_yet_committed,
        }
    return {
        'route': route.number,
        'stream': route.stream.name,
        'topic': route.topic,
        'received': route.received,
        'accepted': route.accepted,
        'delivered': route.delivered,
        'queued': len(route),
        'queued_bytes': route.queued_bytes,
        'in_flight': route.in_flight,
        'oldest_age_s': round(route.age_s(now), 3),
        'bytes_accepted': route.bytes_accepted,
        'wire_bytes': route.wire_bytes,
        'dropped': {reason.name.lower(): count for reason, count in route.drops.items() if count},
        **durable,
        **_reducing(route),
        **({} if route.screen is None else {'dashboard': route.screen.document()}),
    }


def _reducing(route: Route) -> dict[str, object]:
    unreduced = route.unreduced
    if unreduced is None:
        return {}
    return {
        'reducing': len(unreduced),
        'reducer': {
            'level': route.level,
            'bytes_in': unreduced.bytes_in,
            'bytes_out': unreduced.bytes_out,
            'cpu_s': round(unreduced.cpu_s, 3),
            'failed': unreduced.failed,
        },
    }


def link_document(admission: Admission, now: float) -> dict[str, object]:
    """
    Describe the link.

    :param admission: knows every limit
    :param now: monotonic seconds
    :returns: JSON-able; rates and windows in bytes with all headers
    """
    state = admission.pacer.state(now)
    rate = admission.pacer.rate_bytes_per_s
    return {
        'limited_by': admission.limit.value,
        'algorithm': admission.algorithm,
        'rate_bytes_per_s': None if rate is None else round(rate),
        'base_rtt_s': round(state.base_rtt_s, 4),
        'rtt_s': round(state.rtt_s, 4),
        'queue_delay_s': round(state.queue_delay_s, 4),
        'window_bytes': state.window_bytes,
        'fragment_bytes': admission.fragment_bytes,
        'stalled': state.stalled,
        'in_flight': admission.in_flight,
        'in_flight_bytes': admission.in_flight_bytes,
        'budget': None if admission.budget is None else admission.budget.document(now),
    }
