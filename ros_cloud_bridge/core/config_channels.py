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

"""Checks across the keys of channels for commands."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ros_cloud_bridge.core.config_command_table import (
    BY_COMMAND_KEY,
    KINDS_OF_KEY,
    LEASE_KEYS,
    NO_SCALE,
    SCALES,
)
from ros_cloud_bridge.core.trigger import parse_trigger, TriggerKind
from ros_cloud_bridge.values import BridgeConfig, ChannelKind

# {root}/{robot}/cmd/{operator}/{channel} with the longest name of an operator.
_MAX_TOPIC_BYTES = 256
_FIXED_BYTES = len('//cmd//') + 64
_INTERFACES = {'topic': 'msg', 'service': 'srv', 'action': 'action'}
_CALLED = {'topic': 'a topic', 'service': 'a service', 'action': 'an action'}


def broken_channels(
    values: Mapping[str, object],
    channels: Sequence[str],
    black_boxes: Sequence[str],
    wrong: Collection[str],
) -> Iterator[tuple[str, str]]:
    """
    Find what channels ask for and cannot get.

    :param values: checked values by full key; defaults left out
    :param channels: their names
    :param black_boxes: theirs
    :param wrong: keys that were refused already; what depends on them is not judged
    :returns: key and problem of each
    """
    if channels and values.get('mqtt.protocol') == '3.1.1':
        yield (
            'mqtt.protocol',
            "'3.1.1' knows no message expiry, without which a broker hands on commands however "
            'late; commands need 5 or auto',
        )
    read = [
        _Channel(name=name, values=values, wrong=wrong)
        for name in dict.fromkeys(channels)
        if f'command.{name}.kind' in values
    ]
    for channel in read:
        yield from channel.problems()
    yield from _shared_topics(read)
    yield from _long_topics(values, channels)
    if not any(channel.kind == ChannelKind.BRIDGE.value for channel in read):
        yield from _unheard_triggers(values, black_boxes)


def _shared_topics(channels: Sequence['_Channel']) -> Iterator[tuple[str, str]]:
    """Two ways to one topic would make two leases of it, or a way around the only one."""
    seen: dict[object, _Channel] = {}
    for channel in channels:
        if channel.kind != ChannelKind.TOPIC.value or not channel.get('ros_name'):
            continue
        other = seen.setdefault(channel.get('ros_name'), channel)
        if other is not channel and (other.get('lease') or channel.get('lease')):
            yield (
                channel.key('ros_name'),
                f"'{channel.get('ros_name')}' is the topic of channel {other.name} as well; "
                'with a lease it must be the only one',
            )


def _long_topics(
    values: Mapping[str, object], channels: Sequence[str]
) -> Iterator[tuple[str, str]]:
    root = values.get('root', BridgeConfig(robot_id='').root)
    left = _MAX_TOPIC_BYTES - _FIXED_BYTES - len(f'{root}{values.get("robot_id", "")}')
    for name in dict.fromkeys(channels):
        if len(name) > left:
            yield (
                'commands',
                f"'{name}' is too long for MQTT topics of {_MAX_TOPIC_BYTES} bytes beside root, "
                f'robot_id and the name of an operator; at most {max(0, left)} characters',
            )


def _unheard_triggers(
    values: Mapping[str, object], black_boxes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(black_boxes):
        key = f'black_box.{name}.triggers'
        triggers = values.get(key, ())
        assert isinstance(triggers, tuple)
        if any(parse_trigger(text).kind is TriggerKind.COMMAND for text in triggers):
            yield key, "'command' needs a channel of kind bridge in commands"


@dataclass(slots=True)
class _Channel:
    """One channel whose kind is known."""

    name: str
    values: Mapping[str, object]
    wrong: Collection[str]

    def key(self, leaf: str) -> str:
        return f'command.{self.name}.{leaf}'

    def get(self, leaf: str) -> object:
        return self.values.get(self.key(leaf), BY_COMMAND_KEY[leaf].default)

    def given(self, leaf: str) -> bool:
        # What stands at its default counts as not given, so that flatten() can be read again.
        return self.get(leaf) != BY_COMMAND_KEY[leaf].default

    @property
    def kind(self) -> str:
        return str(self.get('kind'))

    def problems(self) -> Iterator[tuple[str, str]]:
        for leaf, problem in self._problems():
            if self.key(leaf) not in self.wrong:
                yield self.key(leaf), problem

    def _problems(self) -> Iterator[tuple[str, str]]:
        yield from self._unfit()
        yield from self._missing()
        if self.kind != ChannelKind.TOPIC.value:
            return
        if self.get('lease'):
            yield from self._lease()
        else:
            for leaf in LEASE_KEYS:
                if self.given(leaf):
                    yield leaf, 'is given without lease: true'

    def _unfit(self) -> Iterator[tuple[str, str]]:
        for leaf, kinds in KINDS_OF_KEY.items():
            if self.kind not in kinds and self.given(leaf):
                yield leaf, f'is for kind {", ".join(kinds)}; kind is {self.kind}'

    def _missing(self) -> Iterator[tuple[str, str]]:
        kind = self.kind
        if kind in KINDS_OF_KEY['ros_name'] and not self.get('ros_name'):
            what = 'node' if kind == ChannelKind.PARAMETER.value else kind
            yield 'ros_name', f'is missing; give the name of the {what}'
        interface = _INTERFACES.get(kind)
        if interface is not None:
            name = str(self.get('type'))
            if not name:
                yield 'type', f'is missing; give the type of the {kind}, as in pkg/{interface}/X'
            elif f'/{interface}/' not in name:
                yield 'type', f"'{name}' is no type of {_CALLED[kind]}; must be pkg/{interface}/X"
        if kind == ChannelKind.PARAMETER.value and not self.get('parameters'):
            yield 'parameters', 'names no parameter; must be a list, as in [max_speed, "gain_*"]'

    def _lease(self) -> Iterator[tuple[str, str]]:
        if self.get('transient_local'):
            yield (
                'transient_local',
                'is true, but lease too: a node that comes later would move by an old message',
            )
        full, stop = self.get('latency_full_s'), self.get('latency_stop_s')
        assert isinstance(full, float) and isinstance(stop, float)
        judged = not {self.key('latency_full_s'), self.key('latency_stop_s')} & set(self.wrong)
        if judged and full >= stop:
            yield 'latency_full_s', f'{full:g} s is not below latency_stop_s, {stop:g} s'
        scale = self.get('scale')
        assert isinstance(scale, tuple)
        if NO_SCALE in scale and len(scale) > 1:
            yield 'scale', f"'{NO_SCALE}' stands beside others; it means no field at all"
        name = self.get('type')
        if not name or name in SCALES or self.key('type') in self.wrong:
            return
        if not scale:
            yield (
                'scale',
                f'is missing, and {name} has no default; name the fields that shrink as the '
                f'latency grows, or [{NO_SCALE}]',
            )
        if not self.get('stop'):
            yield (
                'stop',
                f'is missing, and {name} has no default; give the message that means standing '
                "still, as YAML in quotes; '{}' is all zeros",
            )
