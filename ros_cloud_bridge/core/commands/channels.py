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

from collections import OrderedDict
from collections.abc import Mapping
from fnmatch import translate
import re

from ros_cloud_bridge.command_values import TIME, TIME_CHANNEL
from ros_cloud_bridge.core.commands.driving import AUDIT_S, Driving, Tally
from ros_cloud_bridge.core.commands.limits import parse
from ros_cloud_bridge.core.rate import TokenBucket
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

CONTROL_HZ = 5.0
CONTROL_BURST = 10.0
TIME_HZ = 2.0
TIME_BURST = 4.0
# Answers to what anybody could bring about who heard an operator: replays.
REPEAT_HZ = 20.0
REPEAT_BURST = 40.0
MOST_OPERATORS = 1024
MOST_ASKS = 256

_TIME_CONFIG = ChannelConfig(
    name=TIME_CHANNEL, kind=ChannelKind.BRIDGE, operators=('*',), max_hz=0.0, max_bytes=1024
)


class Bucket:
    """
    A rate that is kept to, not gone into debt for.

    :param hz: how many a second; 0 for any number
    :param burst: how many at once, at least 1
    :param now: monotonic seconds
    """

    __slots__ = ('_tokens',)

    def __init__(self, hz: float, burst: float, now: float) -> None:
        # The bucket gives while it is not in debt: the last of a burst is what it owes.
        self._tokens = TokenBucket(hz, max(1.0, burst) - 1.0, now) if hz > 0 else None

    def take(self, now: float) -> bool:
        """
        Take one.

        :param now: monotonic seconds
        :returns: whether there was one
        """
        if self._tokens is None:
            return True
        if self._tokens.wait_s(now) > 0.0:
            return False
        self._tokens.take(1.0, now)
        return True


class Operator:
    """
    The rates of one operator who has proven who it is.

    :param now: monotonic seconds
    """

    __slots__ = ('_asks', '_control', '_drive', 'repeated', 'repeats', 'time', 'time_refused')

    def __init__(self, now: float) -> None:
        self.repeated = Tally(AUDIT_S)
        self.time_refused = Tally(AUDIT_S)
        self.time = Bucket(TIME_HZ, TIME_BURST, now)
        self.repeats = Bucket(REPEAT_HZ, REPEAT_BURST, now)
        self._control: dict[str, Bucket] = {}
        self._drive: dict[str, Bucket] = {}
        self._asks: OrderedDict[bytes, None] = OrderedDict()

    def ask(self, identity: bytes) -> Bucket:
        """
        Find the rate of an ask for the time.

        An ask has neither epoch nor deadline, so that anybody can say an old one again: that must
        not use up what new ones have.

        :param identity: of the ask
        :returns: the bucket that it draws on
        """
        if identity in self._asks:
            return self.repeats
        self._asks[identity] = None
        if len(self._asks) > MOST_ASKS:
            self._asks.popitem(last=False)
        return self.time

    def control(self, channel: str, now: float) -> Bucket:
        """Find the rate of cancel, acquire and the like on a channel."""
        bucket = self._control.get(channel)
        if bucket is None:
            bucket = self._control[channel] = Bucket(CONTROL_HZ, CONTROL_BURST, now)
        return bucket

    def drive(self, config: ChannelConfig, now: float) -> Bucket:
        """Find the rate of messages on a channel with a lease: who lacks it delays no holder."""
        bucket = self._drive.get(config.name)
        if bucket is None:
            bucket = self._drive[config.name] = Bucket(config.max_hz, config.max_hz / 2, now)
        return bucket


class Operators:
    """Those who have passed a signature lately, a bounded number."""

    def __init__(self) -> None:
        self._operators: OrderedDict[str, Operator] = OrderedDict()

    def __len__(self) -> int:
        return len(self._operators)

    def find(self, name: str, now: float) -> Operator:
        """
        Find an operator whose signature has been checked.

        :param name: of the operator
        :param now: monotonic seconds
        :returns: its rates
        """
        operator = self._operators.get(name)
        if operator is None:
            operator = self._operators[name] = Operator(now)
            if len(self._operators) > MOST_OPERATORS:
                self._operators.popitem(last=False)
        self._operators.move_to_end(name)
        return operator


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
        self.bucket = Bucket(config.max_hz, config.max_hz / 2, now)
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
