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

"""Who may be an operator of this robot: whoever has a key here, or whom the broker vouches for."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from ros_cloud_bridge.command.identity import key_ring
from ros_cloud_bridge.command.reader import reader_for
from ros_cloud_bridge.core.rate import TokenBucket
from ros_cloud_bridge.values import BridgeConfig, Trust

Log = Callable[[str, str], None]

# Small messages that prove nothing; one of so many bytes more counts as one more.
_UNPROVEN_PER_S = 200.0
_UNPROVEN_BURST = 500.0
_UNPROVEN_BYTES = 4096.0
_MOST_SUSPECTS = 256


class Operators:
    """
    The operators, as the directory of their keys has them now.

    :param config: checked configuration
    :param log: takes (level, text); a problem with a key is told once
    :param now: monotonic seconds
    """

    def __init__(self, config: BridgeConfig, log: Log, now: float) -> None:
        self._config = config
        self._log = log
        self._ring = key_ring(config)
        self._patience: dict[str, TokenBucket] = {}
        self.reader = reader_for(config.trust, self._ring, config.robot_id)
        self.look(now)

    def look(self, now: float) -> None:
        """
        See what has changed, once a second at most.

        :param now: monotonic seconds
        """
        if self._ring is not None:
            for problem in self._ring.look(now):
                self._log('error', f'commands: {problem}')

    def may_be(self, name: str) -> bool:
        """
        Tell whether a message is worth a look; nothing is proven by it.

        :param name: from the MQTT topic
        :returns: whether there is such an operator
        """
        if self._config.trust is Trust.SIGNATURES:
            return self._ring is not None and bool(self._ring.keys_of(name))
        globs = (glob for channel in self._config.channels for glob in channel.operators)
        return any(fnmatchcase(name, glob) for glob in globs)

    def suspect(self, name: str, size: int, now: float) -> None:
        """
        Note that somebody has said something in an operator's name that proves nothing.

        :param name: the operator
        :param size: bytes of the message, for the larger the dearer
        :param now: monotonic seconds
        """
        if name not in self._patience and len(self._patience) >= _MOST_SUSPECTS:
            self._patience.pop(next(iter(self._patience)))
        bucket = self._patience.get(name)
        if bucket is None:
            bucket = self._patience[name] = TokenBucket(_UNPROVEN_PER_S, _UNPROVEN_BURST, now)
        bucket.take(1.0 + size / _UNPROVEN_BYTES, now)

    def bears(self, name: str, now: float) -> bool:
        """
        Tell whether one more message in an operator's name is to be looked at.

        That takes a tenth of a millisecond and more: who floods one operator's topic must not
        take the processor from everybody else. The operator's own messages are lost in that flood,
        and said again.

        :param name: the operator
        :param now: monotonic seconds
        :returns: False while there are too many that prove nothing
        """
        bucket = self._patience.get(name)
        return bucket is None or bucket.wait_s(now) == 0.0

    def introduce(self) -> None:
        """Say whose commands are taken."""
        if self._config.trust is Trust.TRANSPORT:
            text = "trust: transport: whoever may publish to an operator's topic is believed"
            self._log('warning', f'commands: {text}')
        elif self._ring is None:
            self._log('warning', 'commands: operator_keys names no directory: all are refused')
        else:
            known = ', '.join(self._ring.operators) or 'none yet, all are refused'
            self._log('info', f'commands: operators with a key: {known}')
