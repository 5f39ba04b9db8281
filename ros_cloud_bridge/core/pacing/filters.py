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


"""Minimum and maximum over a sliding window of time."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar('T')


class WindowedExtreme(Generic[T]):
    """
    The largest value of the last ``window_s`` seconds, or the smallest with ``sign=-1``.

    A monotonic queue: each value is kept until a better one comes or it is too old.

    :param window_s: seconds; may be changed at any time
    :param sign: 1 for the maximum, -1 for the minimum
    """

    def __init__(self, window_s: float, sign: int = 1) -> None:
        self.window_s = window_s
        self._sign = sign
        self._values: deque[tuple[float, float, T]] = deque()

    def add(self, value: float, now: float, fact: T) -> None:
        """
        Add a value.

        :param value: the value
        :param now: monotonic seconds, never before those of an earlier call
        :param fact: comes back with the value
        """
        while self._values and self._sign * (value - self._values[-1][1]) >= 0:
            self._values.pop()
        self._values.append((now, value, fact))
        while self._values[0][0] < now - self.window_s:
            self._values.popleft()

    @property
    def best(self) -> tuple[float, T] | None:
        """The extreme and its fact; None before the first value."""
        return self._values[0][1:] if self._values else None

    def best_since(self, now: float) -> float:
        """
        Give the extreme of the window that ends now.

        :param now: monotonic seconds
        :returns: the value; 0 when there is none
        """
        while self._values and self._values[0][0] < now - self.window_s:
            self._values.popleft()
        return self._values[0][1] if self._values else 0.0

    @property
    def best_at(self) -> float:
        """When the extreme was added; minus infinity before the first value."""
        return self._values[0][0] if self._values else float('-inf')

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
