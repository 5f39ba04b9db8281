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
When batches of a class get a dictionary, and which; told the time, and does nothing but decide.

What batch after batch repeats (frame ids, covariances, the layout of each route) is said once: the
newest sections of all routes of a class become a dictionary, which stands retained. Batches are
compressed against it once the broker has it. So each batch needs the dictionary and no other
batch, and whoever lacks it asks.
"""

from collections import OrderedDict
from collections.abc import Sequence

from ros_cloud_bridge.wire.codecs import compress, Dictionary, Effort, level_for
from ros_cloud_bridge.wire.dictionary import encode_dictionary, make_dictionary
from ros_cloud_bridge.wire.limits import MAX_DICTIONARY

# What a section is told apart from others by stands at its beginning.
_SECTION_BYTES = 2048
_MOST_BYTES = MAX_DICTIONARY // 2
_MOST_ROUTES = 256
# A body that is larger gains little.
_LARGEST_BODY = 64 * 1024
# Batches until the first look, and then between two of them; twice as many after each in vain.
_FIRST_LOOK = 4
_LOOK_EVERY = 32
_MOST_BETWEEN = 1024
# A new dictionary must save what it costs within this time.
_PAYS_WITHIN_S = 30.0
# ... and be better by this share of a batch: than none, and than the one that it is to replace.
_LEAST_GAIN = 0.01
_LEAST_BETTER = 0.05


class Context:
    """
    The dictionary of one class of batches.

    :param topic: MQTT topic of the class's dictionary
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._fresh: tuple[str, bytes] | None = None
        self._current: Dictionary | None = None
        self._pending: tuple[Dictionary, bytes] | None = None
        self._sections: OrderedDict[int, bytes] = OrderedDict()
        self._until_look = _FIRST_LOOK
        self._interval = _LOOK_EVERY
        self._batches = 0
        self._since: float | None = None

    @property
    def dictionary(self) -> Dictionary | None:
        """What batches are compressed against now."""
        return self._current

    def encoded(self, routes: Sequence[int], sections: Sequence[bytes], now: float) -> None:
        """
        Learn from a batch.

        :param routes: numbers of its routes
        :param sections: their sections, not compressed
        :param now: monotonic seconds
        """
        if self._since is None:
            self._since = now
        self._batches += 1
        self._until_look -= 1
        body = b''.join(sections)
        if self._until_look <= 0 and self._pending is None and len(body) <= _LARGEST_BODY:
            self._look(body, now)
        for route, section in zip(routes, sections, strict=True):
            self._sections[route] = section[:_SECTION_BYTES]
            self._sections.move_to_end(route)
        while len(self._sections) > _MOST_ROUTES:
            self._sections.popitem(last=False)

    def _look(self, body: bytes, now: float) -> None:
        """See whether a dictionary of the newest sections would pay."""
        elapsed = max(1e-3, now - (self._since or now))
        per_second = self._batches / elapsed
        self._until_look = self._interval
        # The newest last: zstd refers to what is near with fewer bits.
        content = b''.join(self._sections.values())[-_MOST_BYTES:]
        if len(content) < 8:
            return
        candidate = make_dictionary(content)
        level = level_for(body, Effort.NORMAL)
        now_bytes = (
            len(compress(body, level))
            if self._current is None
            else len(self._current.compress(body, level))
        )
        saved = now_bytes - len(candidate.compress(body, level))
        payload = encode_dictionary(candidate)
        pays = saved * per_second * _PAYS_WITHIN_S > len(payload)
        least = _LEAST_GAIN if self._current is None else _LEAST_BETTER
        if not pays or saved < least * now_bytes:
            self._interval = min(2 * self._interval, _MOST_BETWEEN)
            return
        self._interval = _LOOK_EVERY
        self._pending = (candidate, payload)
        self._fresh = (candidate.name.hex(), payload)

    def take_fresh(self) -> tuple[str, bytes] | None:
        """
        Give a dictionary that is to be announced.

        :returns: its name in hexadecimal and its message, once
        """
        fresh, self._fresh = self._fresh, None
        return fresh

    def settled(self, payload: bytes, arrived: bool) -> None:
        """
        Learn what became of an announcement.

        :param payload: as it was published
        :param arrived: whether the broker has it
        """
        if self._pending is None or self._pending[1] != payload:
            return
        if arrived:
            self._current = self._pending[0]
        else:
            self._until_look = self._interval = _MOST_BETWEEN
        self._pending = None
