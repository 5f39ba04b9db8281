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

"""A token bucket that gives what it has, or nothing."""

from ros_cloud_bridge.core.rate import TokenBucket


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
        if self.wait_s(now) > 0.0:
            return False
        if self._tokens is not None:
            self._tokens.take(1.0, now)
        return True

    def wait_s(self, now: float) -> float:
        """
        Say how long until there is one.

        :param now: monotonic seconds
        :returns: seconds
        """
        return 0.0 if self._tokens is None else self._tokens.wait_s(now)
