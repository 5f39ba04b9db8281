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

"""The dictionaries of one robot, and the batches that wait for one."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.codecs import Dictionary
from ros_cloud_bridge.wire.topics import TopicName

# Three classes, each with one in use, one before it, and those of the boot before.
_MOST = 16
_MOST_WANTED = 16
# A bridge answers within seconds; a robot that is out of reach answers nobody.
PATIENCE_S = 60.0
# About what Python holds of a message beside its bytes.
_OVERHEAD = 512

Held = tuple[TopicName, list[Any]]
_T = TypeVar('_T')


class _Waiting(NamedTuple):
    """A batch, and when it came, monotonic seconds."""

    batch: Held
    since: float


class Dictionaries:
    """
    What batches of one robot are decompressed with; the least recently used are forgotten.

    ``given_up`` counts batches whose dictionary did not come while there was room for them or
    within ``PATIENCE_S``, and those for whose samples there was no room when it came.

    :param quota: bytes of batches that may wait, and of samples that one dictionary may release
    :param clock: monotonic seconds
    """

    def __init__(self, quota: int, clock: Callable[[], float]) -> None:
        self.given_up = 0
        self._quota = quota
        self._clock = clock
        self._known: OrderedDict[bytes, Dictionary] = OrderedDict()
        self._held: OrderedDict[bytes, list[_Waiting]] = OrderedDict()
        self._held_bytes = 0

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the dictionaries that batches wait for, hexadecimal."""
        self._lose_patience()
        return tuple(name.hex() for name in self._held)

    @property
    def held(self) -> int:
        """How many batches wait."""
        self._lose_patience()
        return sum(map(len, self._held.values()))

    def use(self, name: bytes) -> Dictionary | None:
        """
        Give a dictionary.

        :param name: its name
        :returns: the dictionary, or None while it has not come
        """
        dictionary = self._known.get(name)
        if dictionary is not None:
            self._known.move_to_end(name)
        return dictionary

    def hold(self, name: bytes, topic: TopicName, message: list[Any]) -> None:
        """
        Keep a batch until its dictionary comes; the longest waiting go beyond the bounds.

        :param name: the dictionary's name
        :param topic: where the batch came
        :param message: its fields
        :raises ProtocolError: when one is of a type whose size is not counted
        """
        if any(type(field) not in (int, bytes) for field in message):
            raise ProtocolError('a batch has integers and byte strings')
        self._lose_patience()
        self._held.setdefault(name, []).append(_Waiting((topic, message), self._clock()))
        self._held_bytes += _size(message)
        while self._held_bytes > self._quota or len(self._held) > _MOST_WANTED:
            self._give_up_first(next(iter(self._held)))

    def _lose_patience(self) -> None:
        now = self._clock()
        for name in list(self._held):
            while name in self._held and now - self._held[name][0].since >= PATIENCE_S:
                self._give_up_first(name)

    def _give_up_first(self, name: bytes) -> None:
        (_, gone), _ = self._held[name].pop(0)
        self._held_bytes -= _size(gone)
        self.given_up += 1
        if not self._held[name]:
            del self._held[name]

    def add(self, dictionary: Dictionary) -> list[Held]:
        """
        Take in a dictionary.

        :param dictionary: as it came
        :returns: the batches that have waited for it, in the order of their arrival
        """
        self._known[dictionary.name] = dictionary
        self._known.move_to_end(dictionary.name)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        self._lose_patience()
        held = [waiting.batch for waiting in self._held.pop(dictionary.name, [])]
        self._held_bytes -= sum(_size(message) for _, message in held)
        return held

    def release(
        self,
        dictionary: Dictionary,
        open_held: Callable[[Held], list[_T]],
        size: Callable[[_T], int],
    ) -> list[_T]:
        """
        Take in a dictionary, and open what has waited for it, while there is room.

        Batches that are broken do not keep the others.

        :param dictionary: as it came
        :param open_held: opens one batch
        :param size: bytes of what that gives
        :returns: what was in the batches, in the order of their arrival
        :raises ProtocolError: when batches are broken and nothing else was in them
        """
        opened: list[_T] = []
        room = self._quota
        refused: ProtocolError | None = None
        for held in self.add(dictionary):
            if room < 0:
                self.given_up += 1
                continue
            try:
                found = open_held(held)
            except ProtocolError as error:
                refused = error
            else:
                room -= sum(map(size, found))
                opened += found
        if refused is not None and not opened:
            raise refused
        return opened


def _size(message: list[Any]) -> int:
    return _OVERHEAD + sum(len(field) for field in message if isinstance(field, bytes))
