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
How hard to compress: told what encoding costs and whether the link is scarce, and decides slowly.

Where the processor is free and the link is what limits, bytes are worth more time; where encoding
itself takes too much of a core, samples are laid out plainly.
"""

from ros_cloud_bridge.values import Encode
from ros_cloud_bridge.wire.codecs import Effort

# Shares of one core over the last ten seconds. Plain encoding costs about a sixth of the normal
# one: coming back at a tenth of what made it go leaves room before it must go again.
_TOO_MUCH = 0.4
_LITTLE = 0.04
_FREE = 0.1
_WINDOW_S = 10.0
# What was chosen stays for so long.
_DWELL_S = 20.0
_FIXED = {
    Encode.CHEAP: Effort.CHEAP,
    Encode.NORMAL: Effort.NORMAL,
    Encode.STRONG: Effort.STRONG,
}


class EffortGauge:
    """
    Decides the effort of one bridge.

    :param encode: what the user wants
    :param now: monotonic seconds
    """

    def __init__(self, encode: Encode, now: float) -> None:
        self._fixed = _FIXED.get(encode)
        self._level = Effort.NORMAL
        self._since = now - _DWELL_S
        self._load = 0.0
        self._at = now

    def encoded(self, cpu_s: float, now: float) -> None:
        """
        Note what a batch has cost.

        :param cpu_s: processor time
        :param now: monotonic seconds
        """
        self._decay(now)
        self._load += cpu_s / _WINDOW_S

    def level(self, scarce: bool, now: float) -> Effort:
        """
        Say how hard to compress now.

        :param scarce: whether the link limits what is sent
        :param now: monotonic seconds
        :returns: the effort
        """
        if self._fixed is not None:
            return self._fixed
        self._decay(now)
        if now - self._since >= _DWELL_S or self._load > 2 * _TOO_MUCH:
            wanted = self._wanted(scarce)
            if wanted is not self._level:
                self._level, self._since = wanted, now
        return self._level

    def _wanted(self, scarce: bool) -> Effort:
        if self._load > _TOO_MUCH or (self._level is Effort.CHEAP and self._load > _LITTLE):
            return Effort.CHEAP
        return Effort.STRONG if scarce and self._load < _FREE else Effort.NORMAL

    def _decay(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self._at = now
        self._load *= max(0.0, 1.0 - passed / _WINDOW_S)
