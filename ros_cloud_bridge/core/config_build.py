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

"""From checked values by full key to the :class:`~ros_cloud_bridge.values.BridgeConfig`."""

from collections.abc import Mapping, Sequence
from enum import Enum

from ros_cloud_bridge.core.config_box_table import BLACK_BOX_ONLY
from ros_cloud_bridge.core.config_command_table import ALL_ZEROS, NO_SCALE, SCALES
from ros_cloud_bridge.core.config_table import BLACK_BOXES, COMMANDS, GROUPS, STREAMS
from ros_cloud_bridge.core.trigger import parse_trigger
from ros_cloud_bridge.values import (
    Algorithm,
    AuditConfig,
    BacklogOrder,
    BlackBoxConfig,
    BridgeConfig,
    ChannelConfig,
    ChannelKind,
    Confirm,
    DashboardForm,
    DemandConfig,
    DiscoveryConfig,
    Encode,
    Keep,
    Key,
    LinkConfig,
    MqttConfig,
    Priority,
    SpoolConfig,
    StreamConfig,
    TlsConfig,
    Trust,
    WhenFull,
)

_TLS = 'mqtt.tls.'
# Keys whose text is the value of an enumeration.
_CHOICES: dict[str, type[Enum]] = {
    'algorithm': Algorithm,
    'encode': Encode,
    'keep': Keep,
    'key': Key,
    'confirm': Confirm,
    'when_full': WhenFull,
    'backlog_order': BacklogOrder,
    'kind': ChannelKind,
    'dashboard_form': DashboardForm,
}


def build(values: Mapping[str, object], names: Mapping[str, Sequence[str]]) -> BridgeConfig:
    """
    Build the configuration.

    :param values: checked values by full key; defaults may be left out
    :param names: of streams, black boxes and channels, in order, by the name of their section
    :returns: the configuration
    """
    return BridgeConfig(
        **_top(values),  # type: ignore[arg-type]
        mqtt=build_mqtt(values),
        link=LinkConfig(**_below(values, 'link.')),  # type: ignore[arg-type]
        demand=DemandConfig(**_below(values, 'demand.')),  # type: ignore[arg-type]
        discovery=DiscoveryConfig(**_below(values, 'discovery.')),  # type: ignore[arg-type]
        spool=SpoolConfig(**_below(values, 'spool.')),  # type: ignore[arg-type]
        audit=AuditConfig(**_below(values, 'audit.')),  # type: ignore[arg-type]
        streams=tuple(_stream(values, name) for name in names[STREAMS.section]),
        black_boxes=tuple(_black_box(values, name) for name in names[BLACK_BOXES.section]),
        channels=tuple(_channel(values, name) for name in names[COMMANDS.section]),
    )


def build_mqtt(values: Mapping[str, object]) -> MqttConfig:
    """
    Build the configuration of the MQTT connection.

    :param values: checked values by full key
    :returns: how to reach the broker
    """
    mqtt = _below(values, 'mqtt.', skip=_TLS)
    return MqttConfig(**mqtt, tls=_tls(values))  # type: ignore[arg-type]


def _top(values: Mapping[str, object]) -> dict[str, object]:
    named = {group.names_key for group in GROUPS}
    given = {k: v for k, v in values.items() if '.' not in k and k not in named}
    for key in ('trust', 'confirm_trust'):
        if key in given:
            given[key] = Trust(given[key])
    return given


def _below(values: Mapping[str, object], prefix: str, skip: str = '\0') -> dict[str, object]:
    given = {
        key.removeprefix(prefix): value
        for key, value in values.items()
        if key.startswith(prefix) and not key.startswith(skip)
    }
    for leaf, choices in _CHOICES.items():
        if leaf in given:
            given[leaf] = choices(given[leaf])
    if 'priority' in given:
        given['priority'] = Priority[str(given['priority']).upper()]
    return given


def _tls(values: Mapping[str, object]) -> TlsConfig | None:
    given = _below(values, _TLS)
    if not given.pop('enabled', bool(given)):
        return None
    return TlsConfig(**given)  # type: ignore[arg-type]


def _stream(values: Mapping[str, object], name: str) -> StreamConfig:
    given = _below(values, f'{STREAMS.section}.{name}.')
    return StreamConfig(name=name, **given)  # type: ignore[arg-type]


def _black_box(values: Mapping[str, object], name: str) -> BlackBoxConfig:
    given = _below(values, f'{BLACK_BOXES.section}.{name}.')
    own = {key: given.pop(key) for key in BLACK_BOX_ONLY if key in given}
    triggers = own.get('triggers', ())
    assert isinstance(triggers, tuple)
    # As they are compared: ' Service' is service.
    own['triggers'] = tuple(parse_trigger(text).text for text in triggers)
    stream = StreamConfig(name=name, keep=Keep.DURABLE, **given)  # type: ignore[arg-type]
    return BlackBoxConfig(stream=stream, **own)  # type: ignore[arg-type]


def _channel(values: Mapping[str, object], name: str) -> ChannelConfig:
    given = _below(values, f'{COMMANDS.section}.{name}.')
    if 'type' in given:
        given['type_name'] = given.pop('type')
    if given.get('lease'):
        given['stop'] = given.get('stop') or ALL_ZEROS
        given['scale'] = given.get('scale') or SCALES.get(str(given['type_name']), ())
        if given['scale'] == (NO_SCALE,):
            given['scale'] = ()
    return ChannelConfig(name=name, **given)  # type: ignore[arg-type]
