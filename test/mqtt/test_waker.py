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

"""No wake-up is lost, and none costs more than one byte."""

from collections import deque
from collections.abc import Iterator
import select
import threading

import pytest

from ros_cloud_bridge.mqtt.waker import Waker


@pytest.fixture
def waker() -> Iterator[Waker]:
    """Make one and close it."""
    made = Waker()
    yield made
    made.close()


def awake(waker: Waker, timeout_s: float = 0.0) -> bool:
    """Tell whether one who waits would return."""
    return bool(select.select([waker], [], [], timeout_s)[0])


def test_it_wakes_once_for_all_calls_before_the_rest(waker: Waker) -> None:
    assert not awake(waker)
    waker.rest()
    for _ in range(3):
        waker.wake()
    assert awake(waker)
    waker.rest()
    assert not awake(waker)
    waker.wake()
    assert awake(waker)


def test_it_may_be_called_when_it_is_closed() -> None:
    waker = Waker()
    waker.close()
    waker.wake()


def test_no_wake_up_is_lost_between_threads(waker: Waker) -> None:
    items: deque[int] = deque()
    each, threads = 3000, 3

    def put() -> None:
        for number in range(each):
            items.append(number)
            waker.wake()

    producers = [threading.Thread(target=put) for _ in range(threads)]
    for producer in producers:
        producer.start()
    taken = 0
    while taken < each * threads:
        assert awake(waker, 10.0), f'{len(items)} items and nobody is woken'
        waker.rest()
        while items:
            items.popleft()
            taken += 1
    for producer in producers:
        producer.join()
