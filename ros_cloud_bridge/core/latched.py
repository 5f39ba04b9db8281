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

"""
The last values of transient_local topics, as a late joiner in the graph would get them.

What is kept are original samples: the newest per publisher, and of ``/tf_static`` those that still
hold the newest transform of some child frame.
"""

from collections.abc import Collection, Sequence

from ros_cloud_bridge.core.keys import child_frames
from ros_cloud_bridge.core.queued import Queued

_MAX_KEPT = 256


class LatchedValues:
    """
    Last values of one route.

    :param merge_frames: whether to merge by child frame, as for ``/tf_static``
    """

    def __init__(self, merge_frames: bool) -> None:
        self._merge_frames = merge_frames
        self._kept: list[Queued] = []
        self.changed = False

    @property
    def samples(self) -> tuple[Queued, ...]:
        """What is kept, in the order of the sequence numbers."""
        return tuple(self._kept)

    def anew(self) -> 'LatchedValues':
        """
        Make another of the same kind.

        :returns: without values
        """
        return LatchedValues(self._merge_frames)

    def update(self, entries: Sequence[Queued], alive: Collection[bytes], publishers: int) -> None:
        """
        Take in samples that were accepted.

        :param entries: in the order of their sequence numbers
        :param alive: gids of the topic's present publishers
        :param publishers: how many there are
        """
        if not entries:
            return
        known = {entry.sequence for entry in self._kept}
        merged = self._kept + [entry for entry in entries if entry.sequence not in known]
        merged.sort(key=lambda entry: entry.sequence)
        if self._merge_frames:
            kept = _newest_by_frame(merged)
        else:
            kept = _newest_by_publisher(merged, alive, publishers)
        self._kept = kept[-_MAX_KEPT:]
        self.changed = True


def _newest_by_frame(entries: list[Queued]) -> list[Queued]:
    seen: set[str] = set()
    kept = []
    for entry in reversed(entries):
        frames = child_frames(entry.sample.cdr)
        if frames is None or frames - seen:
            kept.append(entry)
            seen |= frames or set()
    return kept[::-1]


def _newest_by_publisher(
    entries: list[Queued], alive: Collection[bytes], publishers: int
) -> list[Queued]:
    if all(entry.sample.publisher is None for entry in entries):
        return entries[-max(1, publishers) :]
    newest = {entry.sample.publisher: entry for entry in entries}
    # A restarted publisher has a new gid: its predecessor's value must not outlive it.
    living = {gid: entry for gid, entry in newest.items() if gid in alive}
    return sorted((living or newest).values(), key=lambda entry: entry.sequence)
