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

"""SIGINT and SIGTERM as a wish to stop that the main loop looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
import signal
from types import FrameType


class Stop:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.requested = False

    def request(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """
        Ask to stop; fits as a signal handler.

        :param signum: not looked at
        :param frame: not looked at
        """
        self.requested = True


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """
    Turn SIGINT and SIGTERM into a request, instead of an exception or a sudden end.

    :yields: the request
    """
    stop = Stop()
    before = {
        number: signal.signal(number, stop.request) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
