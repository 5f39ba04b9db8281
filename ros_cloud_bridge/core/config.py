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
From flat ROS parameters to a checked :class:`~ros_cloud_bridge.values.BridgeConfig`.

::

    config = read_config({'robot_id': 'amr-07', 'streams': ['pose'],
                          'stream.pose.topics': ['/odom'], 'stream.pose.max_hz': 10})
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ros_cloud_bridge.core.config_box_table import BLACK_BOX_ONLY
from ros_cloud_bridge.core.config_build import build
from ros_cloud_bridge.core.config_channels import broken_channels
from ros_cloud_bridge.core.config_command_table import NO_SCALE
from ros_cloud_bridge.core.config_fields import MAX_ROOT_AND_ROBOT_BYTES
from ros_cloud_bridge.core.config_promises import broken_promises
from ros_cloud_bridge.core.config_reader import (
    broken_mqtt,
    check_value,
    nearest,
    one_line,
    refused_secret,
    show,
    unknown_key,
)
from ros_cloud_bridge.core.config_table import (
    BLACK_BOXES,
    BY_KEY,
    COMMANDS,
    field_of,
    FIELDS,
    FOREIGN_KEYS,
    FOREIGN_SECTIONS,
    Group,
    group_of,
    GROUPS,
    STREAMS,
)
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import (
    BlackBoxConfig,
    BridgeConfig,
    ChannelConfig,
    Priority,
    StreamConfig,
    TlsConfig,
    Trust,
)

_TLS = 'mqtt.tls.'


def read_config(flat: Mapping[str, object]) -> BridgeConfig:
    """
    Check parameters and make the configuration of them.

    :param flat: dotted parameter name to value, as ROS has them; None is an empty list
    :returns: the configuration
    :raises ConfigError: for the first problem
    """
    reading = _Reading(flat)
    if reading.problems:
        raise reading.problems[0]
    return reading.config()


def find_problems(flat: Mapping[str, object]) -> tuple[ConfigError, ...]:
    """
    Check parameters and tell everything that is wrong.

    :param flat: as for :func:`read_config`
    :returns: the errors; empty when :func:`read_config` would return
    """
    return tuple(_Reading(flat).problems)


def flatten(config: BridgeConfig) -> dict[str, object]:
    """
    Write a configuration as flat parameters; the way back of :func:`read_config`.

    :param config: configuration
    :returns: dotted key to value, every key of the table; lists are tuples
    """
    flat: dict[str, object] = {}
    for entry in FIELDS:
        if entry.key == STREAMS.names_key:
            flat[entry.key] = tuple(stream.name for stream in config.streams)
        elif entry.key == BLACK_BOXES.names_key:
            flat[entry.key] = tuple(box.stream.name for box in config.black_boxes)
        elif entry.key == COMMANDS.names_key:
            flat[entry.key] = tuple(channel.name for channel in config.channels)
        elif entry.key == f'{_TLS}enabled':
            flat[entry.key] = config.mqtt.tls is not None
        elif entry.key.startswith(_TLS):
            tls = config.mqtt.tls or TlsConfig()
            flat[entry.key] = getattr(tls, entry.key.removeprefix(_TLS))
        else:
            flat[entry.key] = _attribute(config, entry.key)
    for stream in config.streams:
        for key in STREAMS.by_key:
            flat[f'{STREAMS.section}.{stream.name}.{key}'] = _attribute(stream, key)
    for box in config.black_boxes:
        for key in BLACK_BOXES.by_key:
            owner: BlackBoxConfig | StreamConfig = box if key in BLACK_BOX_ONLY else box.stream
            flat[f'{BLACK_BOXES.section}.{box.stream.name}.{key}'] = _attribute(owner, key)
    for channel in config.channels:
        for key in COMMANDS.by_key:
            flat[f'{COMMANDS.section}.{channel.name}.{key}'] = _of_channel(channel, key)
    return flat


def changed_at_run_time(old: BridgeConfig, new: BridgeConfig) -> tuple[str, ...]:
    """
    Tell which keys differ that may change while the bridge runs.

    :param old: configuration in use
    :param new: configuration wanted
    :returns: full keys, in the order of the table
    """
    return tuple(key for key in _changed(old, new) if may_change_at_run_time(key))


def refuse_read_only(old: BridgeConfig, new: BridgeConfig) -> None:
    """
    Refuse a change that needs a new start.

    :param old: configuration in use
    :param new: configuration wanted
    :raises ConfigError: for the first key that differs and may not change at run time
    """
    for key in _changed(old, new):
        if not may_change_at_run_time(key):
            raise ConfigError(key, 'is read-only while the bridge runs; change it and restart')


def may_change_at_run_time(key: str) -> bool:
    """
    Tell whether a key may change while the bridge runs.

    :param key: full key
    :returns: whether it may; False for keys that do not exist
    """
    entry = field_of(key)
    return entry is not None and entry.run_time


def is_foreign(key: str) -> bool:
    """
    Tell whether a parameter belongs to ROS or to the node itself.

    :param key: full parameter name
    :returns: whether the bridge's configuration has nothing to say about it
    """
    return key in FOREIGN_KEYS or key.partition('.')[0] in FOREIGN_SECTIONS


def _changed(old: BridgeConfig, new: BridgeConfig) -> tuple[str, ...]:
    before, after = flatten(old), flatten(new)
    keys = dict.fromkeys((*before, *after))
    return tuple(key for key in keys if before.get(key) != after.get(key))


def _of_channel(channel: ChannelConfig, key: str) -> object:
    if key == 'scale' and channel.lease:
        return channel.scale or (NO_SCALE,)
    return _attribute(channel, 'type_name' if key == 'type' else key)


def _attribute(owner: object, path: str) -> object:
    value = owner
    for name in path.split('.'):
        value = getattr(value, name)
    if isinstance(value, Priority):
        return value.name.lower()
    return value.value if isinstance(value, Enum) else value


@dataclass
class _Reading:
    """One pass over the parameters: collects the values and every problem."""

    flat: Mapping[str, object]
    values: dict[str, object] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)
    # By the section's name, as in 'stream'.
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    described: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group in GROUPS:
            self.described[group.section] = self._described(group)
            self.names[group.section] = self._names(group)
        for key, value in self.flat.items():
            try:
                self._take(key, value)
            except ConfigError as error:
                self.problems.append(error)
        for group in GROUPS:
            self._check_group(group)
        self._check_whole()

    def _described(self, group: Group) -> tuple[str, ...]:
        prefix = f'{group.section}.'
        keys = (key for key in self.flat if isinstance(key, str) and key.startswith(prefix))
        return tuple(dict.fromkeys(key.split('.')[1] for key in keys))

    def _names(self, group: Group) -> tuple[str, ...]:
        key = group.names_key
        try:
            names = check_value(key, BY_KEY[key], self.flat.get(key))
        except ConfigError:
            names = ()  # reported when the key itself is taken
        assert isinstance(names, tuple)
        return names

    def _take(self, key: object, value: object) -> None:
        if not isinstance(key, str):
            raise ConfigError(show(key), 'is no parameter name; must be text')
        if is_foreign(key):
            return
        entry = field_of(key)
        if entry is None:
            raise self._unknown(key, value)
        self.values[key] = check_value(key, entry, value)

    def _unknown(self, key: str, value: object) -> ConfigError:
        if secret := refused_secret(key):
            return secret
        parts = key.split('.')
        if parts[0] == COMMANDS.section and parts[2:3] == ['stop']:
            problem = "is text that holds YAML; write it in quotes: '{linear: {x: 0.0}}'"
            return ConfigError(one_line('.'.join(parts[:3])), problem)
        if (group_of(key) and len(parts) < 3) or any(k.startswith(f'{key}.') for k in BY_KEY):
            what = 'an empty section' if value is None else 'a section, not a value'
            return ConfigError(one_line(key), f'is {what}; write its keys below it')
        return unknown_key(key)

    def _check_group(self, group: Group) -> None:
        names, described = self.names[group.section], self.described[group.section]
        if self._has_problem(group.names_key):
            return
        if not names and group is STREAMS:
            example = ', '.join(map(one_line, described)) or 'pose, lidar'
            self._add(group.names_key, f'names no stream; must be a list, as in [{example}]')
            return
        for name in dict.fromkeys(names):
            self._check_name(group, name)
            self._check_described(group, name)
        for name in described:
            if name not in names:
                hint = nearest(name, names) or '; add it there'
                key = one_line(f'{group.section}.{name}')
                self._add(key, f'described here, but {group.names_key} does not name it{hint}')

    def _check_name(self, group: Group, name: str) -> None:
        if self.names[group.section].count(name) > 1:
            problem = f'stands twice; each {group.what} needs its own name'
            self._add(group.names_key, f'{show(name)} {problem}')
        if group is BLACK_BOXES and name in self.names[STREAMS.section]:
            # A black box's samples travel as a stream of its name.
            problem = f'is the name of a stream; each {group.what} needs its own name'
            self._add(group.names_key, f'{show(name)} {problem}')

    def _check_described(self, group: Group, name: str) -> None:
        prefix = f'{group.section}.{name}.'
        described = self.described[group.section]
        if name not in described:
            missing = (other for other in described if other not in self.names[group.section])
            hint = nearest(name, missing) or f'; add {prefix}{next(iter(group.required))}'
            self._add(group.names_key, f'{show(name)} is named but not described{hint}')
            return
        for key, problem in group.required.items():
            if not self.values.get(f'{prefix}{key}') and not self._has_problem(f'{prefix}{key}'):
                self._add(f'{prefix}{key}', problem)

    def _check_whole(self) -> None:
        robot_id = self.values.get('robot_id')
        if robot_id is None and not self._has_problem('robot_id'):
            self._add('robot_id', "is missing; give this robot's name, as in amr-07")
        root = self.values.get('root', '')
        size = len(f'{root}/{robot_id}')
        if root and robot_id and size > MAX_ROOT_AND_ROBOT_BYTES:
            self._add(
                'root',
                f'{show(root)} and robot_id take {size} bytes of each MQTT topic; '
                f'allowed: {MAX_ROOT_AND_ROBOT_BYTES}',
            )
        wrong = {problem.key for problem in self.problems}
        for key, problem in broken_promises(self.values, self.names, wrong):
            self._add(key, problem)
        channels, boxes = self.names[COMMANDS.section], self.names[BLACK_BOXES.section]
        for key, problem in broken_channels(self.values, channels, boxes, wrong):
            self._add(key, problem)
        if self.values.get('confirm_trust') == Trust.SIGNATURES.value:
            self._needs('confirm_trust', 'operator_keys')
        for key, problem, needed in broken_mqtt(self.values):
            if not self._has_problem(needed):
                self._add(key, problem)

    def _needs(self, key: str, other: str) -> None:
        if self.values.get(key) and not self.values.get(other) and not self._has_problem(other):
            self._add(key, f'is given without {other}; both are needed')

    def _has_problem(self, key: str) -> bool:
        return any(problem.key == key for problem in self.problems)

    def _add(self, key: str, problem: str) -> None:
        self.problems.append(ConfigError(key, problem))

    def config(self) -> BridgeConfig:
        """Build the configuration; only when there are no problems."""
        return build(self.values, self.names)
