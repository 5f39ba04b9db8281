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

"""Values in the order in which they came, bounded in number and bytes."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class Line(Generic[T]):
    """
    Lets values wait in a line; where there are too many, those that came first give way.

    :param most: values at most
    :param most_bytes: of all together, but for a single one
    :param size: gives a value's bytes
    """

    def __init__(self, most: int, most_bytes: int, size: Callable[[T], int]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._values: deque[T] = deque()
        self._bytes = 0
        # Values that gave way to others.
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._values)

    def append(self, value: T) -> None:
        """
        Let a value wait.

        :param value: anything
        """
        self._values.append(value)
        self._bytes += self._size(value)
        while len(self._values) > self._most or (
            self._bytes > self._most_bytes and len(self._values) > 1
        ):
            self.take()
            self.given_up += 1

    def take(self) -> T | None:
        """
        Take the value that came first.

        :returns: it; None when none waits
        """
        if not self._values:
            return None
        value = self._values.popleft()
        self._bytes -= self._size(value)
        return value
