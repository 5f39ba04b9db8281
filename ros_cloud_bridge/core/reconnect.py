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

"""How long to wait before the next connection: full jitter, by the kind of failure."""

import random

NETWORK_CAP_S = 5.0
NETWORK_BASE_S = 0.5
REFUSED_CAP_S = 120.0
REFUSED_BASE_S = 2.0
TAKEN_OVER_S = 60.0
# A connection that ends sooner than this counts as one more failure in a row: else a broker that
# accepts and throws out at once would be asked many times a second.
STABLE_S = 10.0


class ReconnectDelay:
    """
    Delays with full jitter: uniform between zero and a limit that doubles with each failure.

    A network that came back is met within seconds; a broker that refuses is asked ever more
    seldom, for asking does not mend a wrong password or a used-up quota.

    :param rng: source of the jitter, so that a fleet does not return in step
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._network_failures = 0
        self._refusals = 0

    def network_failed(self) -> float:
        """
        Account for a connection that could not be made or was lost.

        :returns: seconds to wait, at most 5
        """
        limit = _doubled(NETWORK_BASE_S, self._network_failures, NETWORK_CAP_S)
        self._network_failures += 1
        return self._rng.uniform(0.0, limit)

    def refused(self) -> float:
        """
        Account for a broker that said no.

        :returns: seconds to wait, at most 120
        """
        limit = _doubled(REFUSED_BASE_S, self._refusals, REFUSED_CAP_S)
        self._refusals += 1
        return self._rng.uniform(0.0, limit)

    def taken_over(self) -> float:
        """
        Account for another client that uses our client id.

        :returns: seconds to wait: a minute, lest two bridges throw each other out in turn
        """
        return TAKEN_OVER_S

    def connection_lasted(self, duration_s: float) -> None:
        """
        Forget earlier failures when a connection has held.

        :param duration_s: from the broker's acceptance to the end of the connection
        """
        if duration_s >= STABLE_S:
            self._network_failures = 0
            self._refusals = 0


def _doubled(base_s: float, times: int, cap_s: float) -> float:
    # Beyond 16 doublings every cap is long reached, and a float would overflow at 1,024.
    return min(cap_s, base_s * float(2 ** min(times, 16)))
