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
Who is next among weighted contenders: start-time fair queueing (Goyal, Vin and Cheng, 1996).

Each contender's next message begins, in virtual time, where its last one ended; its size over its
weight is how long it takes there. The one that begins first is served, and its beginning is the
virtual time. So whoever uses less than its share is served at once, however much the others have
waiting: no quantum must be used up first, which on a thin link would take seconds. Whoever has
been idle saved nothing up.
"""

from collections.abc import Iterable

_FORGET_BEYOND = 256


class FairShare:
    """Whose turn it is, in bytes over weights."""

    def __init__(self) -> None:
        self._virtual = 0.0
        self._ends: dict[object, float] = {}

    def pick(self, contenders: Iterable[object]) -> object | None:
        """
        Pick the next contender.

        :param contenders: those that have something to send, the preferred first
        :returns: the one to serve; None when there is none
        """
        ends, virtual = self._ends, self._virtual
        chosen = min(
            contenders, key=lambda name: max(virtual, ends.get(name, virtual)), default=None
        )
        if chosen is not None:
            self._virtual = max(virtual, ends.get(chosen, virtual))
        return chosen

    def charge(self, name: object, size: float, weight: float) -> None:
        """
        Charge what a contender sent.

        :param name: the contender
        :param size: bytes
        :param weight: its share against the others', above 0
        """
        begin = max(self._virtual, self._ends.get(name, self._virtual))
        self._ends[name] = begin + size / weight
        if len(self._ends) > _FORGET_BEYOND:
            self._ends = {key: end for key, end in self._ends.items() if end > self._virtual}
