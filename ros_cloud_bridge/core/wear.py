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

"""How much may be written a day, to spare the flash."""


class WriteBudget:
    """
    The bytes that may be written a day, to spare the flash.

    :param max_bytes: a day; 0 for no limit
    :param day: the day of what is written already
    :param written: bytes on that day
    """

    def __init__(self, max_bytes: float, day: int = 0, written: int = 0) -> None:
        self.max_bytes = max_bytes
        self.day = day
        self.written = written

    def room(self, size: int, day: int) -> bool:
        """
        Say whether so many bytes may be written.

        :param size: bytes
        :param day: today, by any count
        :returns: whether they fit
        """
        written = self.written if day == self.day else 0
        return self.max_bytes <= 0 or written + size <= self.max_bytes

    def wrote(self, size: int, day: int) -> None:
        """
        Count what was written.

        :param size: bytes
        :param day: today, by any count
        """
        if day != self.day:
            self.day, self.written = day, 0
        self.written += size
