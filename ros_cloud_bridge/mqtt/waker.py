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

"""Wakes a thread that waits in a selector."""

from contextlib import suppress
import socket


class Waker:
    """
    A socket that becomes readable when another thread says so.

    One byte at most is on its way: each system call lets go of Python's global lock, which a busy
    thread then keeps for milliseconds, so that none of them may be spent in vain.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._woken = False

    def fileno(self) -> int:
        """
        Give the selector what to wait for.

        :returns: the file descriptor that becomes readable
        """
        return self._reader.fileno()

    def wake(self) -> None:
        """Wake the thread; from any thread, after what it shall find has been put there."""
        if self._woken:
            return
        self._woken = True
        # Full: it wakes anyway. Closed: there is nobody to wake any more.
        with suppress(OSError):
            self._writer.send(b'\0')

    def rest(self) -> None:
        """Take the wake-up; by the woken thread, before it looks for what has been put there."""
        # Two that call ``wake`` at once may both send.
        with suppress(BlockingIOError):
            self._reader.recv(64)
        self._woken = False

    def close(self) -> None:
        """Close both ends; ``wake`` does nothing from now on."""
        self._reader.close()
        self._writer.close()
