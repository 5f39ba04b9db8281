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

"""Wait for a condition with a deadline."""

from collections.abc import Callable
import threading
import time


def wait_until(predicate: Callable[[], object], timeout_s: float = 15.0, what: str = '') -> None:
    """
    Poll until a predicate is true.

    :param predicate: asked about a hundred times a second
    :param timeout_s: when to give up
    :param what: what is awaited, for the failure's text
    :raises AssertionError: when the predicate is still false at the deadline
    """
    tick = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() >= deadline:
            raise AssertionError(f'not within {timeout_s} s: {what or predicate}')
        tick.wait(0.01)
