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

"""Which version of MQTT to speak next, when the user leaves it to us."""

from ros_cloud_bridge.errors import ConfigError

V5 = '5'
V311 = '3.1.1'
# A version that has worked is doubted only after so many silent failures in a row: a broker that
# restarts behind a load balancer also closes connections without a word.
DOUBT_AFTER = 4


class ProtocolChoice:
    """
    Finds the version that a broker speaks.

    A broker that does not know MQTT 5 may say so, close the connection or never answer. Either way
    the other version is tried next, in turns, until one is accepted.

    :param protocol: ``auto``, ``5`` or ``3.1.1``
    :raises ConfigError: for any other value
    """

    def __init__(self, protocol: str) -> None:
        if protocol not in ('auto', V5, V311):
            raise ConfigError('mqtt.protocol', f"'{protocol}' is none of auto, 5, 3.1.1")
        self._fixed = protocol != 'auto'
        self._proven = False
        self._v5_refused = False
        self._silent_failures = 0
        self._refusals = 0
        self.current = protocol if self._fixed else V5

    def accepted(self) -> None:
        """Note that the broker has accepted the current version."""
        self._proven = True
        self._silent_failures = 0
        self._refusals = 0

    def version_refused(self) -> bool:
        """
        Note that the broker says that it does not speak the current version.

        :returns: whether the other version is worth trying at once
        """
        if self._fixed:
            return False
        self._refusals += 1
        self._v5_refused = self._v5_refused or self.current == V5
        self._switch()
        # When both are refused in a row there is no hurry any more.
        return self._refusals % 2 == 1

    def closed_unanswered(self) -> None:
        """Note that a connection was made but ended, or timed out, before any CONNACK."""
        if self._fixed:
            return
        self._silent_failures += 1
        if not self._proven or self._silent_failures >= DOUBT_AFTER:
            self._switch()

    def ended(self) -> None:
        """
        Note that an accepted connection has ended.

        A broker that never said no to MQTT 5, but was once silent, is asked for it again: its
        silence may have been a restart.
        """
        if not self._fixed and self.current == V311 and not self._v5_refused:
            self.current = V5
            self._proven = False

    def _switch(self) -> None:
        self.current = V311 if self.current == V5 else V5
