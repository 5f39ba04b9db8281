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

"""One bridge per robot id, broker and host: a lock on a file says at once what MQTT says late."""

import fcntl
import hashlib
import os
from pathlib import Path
import tempfile

from ros_cloud_bridge.errors import DuplicateRobotId
from ros_cloud_bridge.values import BridgeConfig


class HostLock:
    """
    Holds the lock of a robot id until released or until the process ends.

    :param config: names robot, root and broker
    :raises DuplicateRobotId: when another process on this host holds it
    """

    def __init__(self, config: BridgeConfig) -> None:
        place = f'{config.root}/{config.robot_id}@{config.mqtt.host}:{config.mqtt.effective_port}'
        digest = hashlib.sha256(place.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f'ros_cloud_bridge-{os.getuid()}-{digest}.lock'
        self._path = path
        while True:
            self._file = path.open('w')
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise DuplicateRobotId(
                    f"duplicate_robot_id: a bridge of robot '{config.robot_id}' already runs on "
                    f'this host for {config.mqtt.host}:{config.mqtt.effective_port} '
                    f'({path} is locked)'
                ) from None
            if self._stands():
                return
            # Its holder removed the file between our opening and our locking it.
            self._file.close()

    def _stands(self) -> bool:
        try:
            return os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock and remove its file; safe to call again."""
        if not self._file.closed:
            self._path.unlink(missing_ok=True)
            self._file.close()
