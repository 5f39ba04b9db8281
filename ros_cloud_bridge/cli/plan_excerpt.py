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

"""A part of a long recording that stands for all of it, so that a look takes bounded time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ros_cloud_bridge.ros.player.recording import Recorded, Recording, Track

_MOST_S = 60.0
_MOST_FILE_BYTES = 256_000_000
_LEAST_S = 5.0
_PARTS = 4
_NS = 1_000_000_000


class Excerpt:
    """
    Some pieces of a recording, one right behind the other; all of one that is short.

    ``seconds`` is how long they are together, ``of_seconds`` how long the recording is; both are 0
    where the file does not tell, which is then taken as a whole.

    :param recording: open
    """

    def __init__(self, recording: 'Recording') -> None:
        self._recording = recording
        self.seconds = self.of_seconds = 0.0
        self.parts: Sequence[tuple[int, int]] = ()
        if recording.span_ns is not None:
            begin_ns, end_ns = recording.span_ns
            self.of_seconds = (end_ns - begin_ns) / _NS
            file_bytes = recording.path.stat().st_size
            self.parts = pieces(begin_ns, end_ns, file_bytes)
            self.seconds = min(self.of_seconds, sum(e - b for b, e in self.parts) / _NS)

    @property
    def name(self) -> str:
        """The file's."""
        return self._recording.path.name

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.parts) < 2

    @property
    def tracks(self) -> Sequence['Track']:
        """The recording's."""
        return self._recording.tracks

    def messages(self, topics: set[str]) -> Iterator['Recorded']:
        """
        Read the pieces' messages.

        :param topics: whose messages are wanted
        :returns: with times as if there were nothing between the pieces
        :raises LocalFault: when a damaged part is reached
        """
        if self.whole:
            yield from self._recording.messages(topics)
            return
        next_ns = self.parts[0][0]
        for begin_ns, end_ns in self.parts:
            for message in self._recording.messages(topics, begin_ns, end_ns):
                yield type(message)(
                    message.channel, message.time_ns - begin_ns + next_ns, message.cdr
                )
            next_ns += end_ns - begin_ns


def pieces(begin_ns: int, end_ns: int, file_bytes: int) -> Sequence[tuple[int, int]]:
    """
    Choose what of a recording is looked at.

    :param begin_ns: time of its first message
    :param end_ns: of its last one
    :param file_bytes: size of the file
    :returns: (begin, end) of each piece, from the beginning of the recording to its end; one for
        a recording that is short
    """
    span_s = (end_ns - begin_ns) / _NS
    most_s = _MOST_S
    if span_s > 0:
        most_s = max(_LEAST_S, min(_MOST_S, span_s * _MOST_FILE_BYTES / max(1, file_bytes)))
    if span_s <= 2 * most_s:
        return ((begin_ns, end_ns + 1),)
    length_ns = round(most_s / _PARTS * _NS)
    left_ns = end_ns + 1 - begin_ns - length_ns
    begins = [begin_ns + index * left_ns // (_PARTS - 1) for index in range(_PARTS)]
    return tuple((begin, begin + length_ns) for begin in begins)
