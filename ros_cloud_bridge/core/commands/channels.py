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

"""What the gate knows of a channel: its types of commands, limits, rates and whose it is."""

from collections.abc import Mapping
from fnmatch import translate
import re

from ros_cloud_bridge.command_values import TIME, TIME_CHANNEL
from ros_cloud_bridge.core.commands.driving import Driving
from ros_cloud_bridge.core.commands.limits import parse
from ros_cloud_bridge.core.commands.rates import Shared
from ros_cloud_bridge.values import ChannelConfig, ChannelKind

# The types of commands that a channel of each kind takes.
TYPES: Mapping[ChannelKind, frozenset[str]] = {
    ChannelKind.TOPIC: frozenset({'publish'}),
    ChannelKind.SERVICE: frozenset({'call'}),
    ChannelKind.ACTION: frozenset({'goal', 'cancel'}),
    ChannelKind.PARAMETER: frozenset({'get', 'set', 'list', 'describe'}),
    ChannelKind.BRIDGE: frozenset({'set', 'lease', 'pause', 'resume', 'announce', 'trigger'}),
}
# Who holds a channel's lease is settled in the gate.
LEASE_TYPES = frozenset({'acquire', 'release', 'hand_over'})
# What changes nothing is not logged; nor is what a lease protects from being replayed.
READS = frozenset({TIME, 'get', 'list', 'describe'})
# They take nothing up, and to stop something must not wait behind what starts it.
CONTROLS = LEASE_TYPES | {'cancel'}
# Arguments that the channel's limits are about.
LIMITED = frozenset({'publish', 'call', 'goal', 'set'})

# How long a dispatched command may take where the channel does not say; 0 for as long as it likes.
TIMEOUTS_S: Mapping[ChannelKind, float] = {
    ChannelKind.TOPIC: 5.0,
    ChannelKind.SERVICE: 10.0,
    ChannelKind.ACTION: 0.0,
    ChannelKind.PARAMETER: 5.0,
    ChannelKind.BRIDGE: 5.0,
}

_TIME_CONFIG = ChannelConfig(
    name=TIME_CHANNEL, kind=ChannelKind.BRIDGE, operators=('*',), max_hz=0.0, max_bytes=1024
)


class Channel:
    """
    One channel.

    ``running`` counts what is on its way there, from the log's record on.

    :param config: the channel as it is configured
    :param now: monotonic seconds
    """

    def __init__(self, config: ChannelConfig, now: float) -> None:
        self.config = config
        self.name = config.name
        self.is_time = config is _TIME_CONFIG
        self.types = frozenset({TIME}) if self.is_time else TYPES[config.kind]
        self.driving: Driving | None = None
        if config.lease and config.kind is ChannelKind.TOPIC:
            self.types |= LEASE_TYPES
            self.driving = Driving(config)
        self.limits = tuple(map(parse, config.limits))
        self.names_limited = config.kind in (ChannelKind.PARAMETER, ChannelKind.BRIDGE)
        self.parameters_named = config.kind is ChannelKind.PARAMETER
        self.timeout_s = config.timeout_s or TIMEOUTS_S[config.kind]
        self.rate = Shared(config.max_hz, now)
        self.running = 0
        self._operators = frozenset(config.operators)
        self._globs = tuple(
            re.compile(translate(name)) for name in config.operators if '*' in name or '?' in name
        )
        self._parameters = tuple(re.compile(translate(glob)) for glob in config.parameters)

    def permits(self, operator: str) -> bool:
        """
        Tell whether an operator may use the channel.

        :param operator: its name
        :returns: False unless it is one of the configured ones
        """
        return operator in self._operators or any(glob.match(operator) for glob in self._globs)

    def permits_parameter(self, name: object) -> bool:
        """
        Tell whether a parameter may be read and set.

        :param name: of the parameter
        :returns: False unless it matches one of the configured patterns
        """
        return isinstance(name, str) and any(glob.match(name) for glob in self._parameters)

    def reads(self, kind: str) -> bool:
        """
        Tell whether a type of command is not logged.

        :param kind: the command's type
        :returns: whether it changes nothing, or a lease protects it
        """
        return kind in READS or (self.driving is not None and kind in self.types)


def channels_of(configs: tuple[ChannelConfig, ...], now: float) -> dict[str, Channel]:
    """
    Make all channels.

    :param configs: as configured
    :param now: monotonic seconds
    :returns: by name, with the one for the time
    """
    every = (*configs, _TIME_CONFIG)
    return {config.name: Channel(config, now) for config in every}
