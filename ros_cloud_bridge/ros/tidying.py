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

"""Give memory back that a process of days no longer needs."""

import ctypes
import gc

_PERIOD_S = 60.0


class Tidying:
    """
    Collects Python's garbage, and has the C library give free pages back, once a minute.

    Publishers that come and go and connections that break leave cycles behind, which the collector
    sees late, for its thresholds suit the many samples; and the middleware's threads leave their
    arenas full of holes.

    :param now: monotonic seconds
    """

    def __init__(self, now: float) -> None:
        self._due = now + _PERIOD_S
        # glibc alone has it; musl and macOS give memory back as they see fit.
        self._trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)

    def look(self, now: float) -> bool:
        """
        Do it when it is due; takes some milliseconds.

        :param now: monotonic seconds
        :returns: whether it was
        """
        if now < self._due:
            return False
        self._due = now + _PERIOD_S
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        return True
