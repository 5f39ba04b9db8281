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

"""Static transforms, kept for late joiners whatever their number."""

from collections import deque
from collections.abc import Callable

from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.values import Received

# More messages than LatchedValues keeps.
FRAMES_DEPTH = 512


class StandingFrames:
    """
    Publishes ``/tf_static`` so that a late joiner gets every frame.

    On the robot each of many publishers keeps its own last message; here is one publisher, of
    whose messages DDS keeps just the last. One that would fall out of its history and still holds
    the newest transform of some frame is published again. So what a robot says frequently does
    not push out what it has said once.

    :param publish: publishes a message
    :param depth: of the publisher's history
    """

    def __init__(self, publish: Callable[[bytes], None], depth: int = FRAMES_DEPTH) -> None:
        self._publish = publish
        self._depth = depth
        self._latched = LatchedValues(merge_frames=True)
        # What is in the publisher's history, the oldest first.
        self._history: deque[Queued] = deque()

    def say(self, sequence: int, cdr: bytes) -> None:
        """
        Publish a message.

        :param sequence: its number on the robot; a later one takes the place of an earlier
        :param cdr: a serialized tf2_msgs/TFMessage
        """
        entry = Queued(sequence, Received(cdr, 0, 0), 0.0)
        self._latched.update([entry], (), 1)
        standing = {kept.sequence for kept in self._latched.samples}
        # What stands goes round to the end, until the oldest is one that may fall out.
        for _ in range(len(self._history)):
            if len(self._history) < self._depth or self._history[0].sequence not in standing:
                break
            self._append(self._history[0])
        self._append(entry)

    def _append(self, entry: Queued) -> None:
        self._publish(entry.sample.cdr)
        if len(self._history) == self._depth:
            self._history.popleft()
        self._history.append(entry)
