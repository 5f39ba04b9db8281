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

"""A TCP flow that takes what it gets, and who receives it: ``greedy.py send|receive``."""

import socket
import sys
import threading
import time

from children import Answer, serve

_CHUNK = 64 * 1024


class Receiver:
    """
    Counts what comes.

    :param host: address to listen on
    :param port: to listen on
    """

    def __init__(self, host: str, port: int) -> None:
        self._arrived: list[tuple[int, int]] = []
        self._listener = socket.create_server((host, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def collect(self) -> Answer:
        """
        Tell what came.

        :returns: times in nanoseconds since the Unix epoch, with bytes
        """
        return {'arrived': list(self._arrived)}

    def _accept(self) -> None:
        while True:
            flow, _ = self._listener.accept()
            with flow:
                while data := flow.recv(_CHUNK):
                    self._arrived.append((time.time_ns(), len(data)))


class Sender:
    """Sends zeros as fast as TCP takes them."""

    def __init__(self) -> None:
        self._flow: socket.socket | None = None

    def start(self, host: str, port: int) -> Answer:
        """
        Begin.

        :param host: the receiver's
        :param port: the receiver's
        :returns: nothing
        """
        self._flow = socket.create_connection((host, port), timeout=30.0)
        threading.Thread(target=self._send, args=(self._flow,), daemon=True).start()
        return {}

    @staticmethod
    def _send(flow: socket.socket) -> None:
        flow.settimeout(None)
        data = bytes(_CHUNK)
        try:
            while True:
                flow.sendall(data)
        except OSError:
            return


def main() -> None:
    """Serve the parent: ``greedy.py send`` or ``greedy.py receive HOST PORT``."""
    if sys.argv[1] == 'send':
        serve({'start': Sender().start})
    else:
        serve({'collect': Receiver(sys.argv[2], int(sys.argv[3])).collect})


if __name__ == '__main__':
    main()
