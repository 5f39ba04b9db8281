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

"""Restores the forms of one robot's routes, where some need what came before them."""

from collections import deque, OrderedDict
import threading

from ros_cloud_bridge.errors import ProtocolError, UnknownForm
from ros_cloud_bridge.reducers.interface import RememberingKind, Restorer, SizedRestorer
from ros_cloud_bridge.reducers.registry import kind_of, restore_with

# What of a route is kept for one that asks later: nobody must restore every message.
_HELD_BYTES = 4 * 1024 * 1024
_HELD = 256
# Of one robot: routes, and bytes that all but the one in use may hold together.
_MAX_ROUTES = 8
_MAX_BYTES = 64 * 1024 * 1024


class RouteRestorer:
    """
    Restores the messages of a route whose forms need earlier ones.

    :param form: as its descriptor names it
    :param restorer: of the form's kind
    """

    def __init__(self, form: str, restorer: Restorer) -> None:
        self._form = form
        self._restorer = restorer
        self._lock = threading.Lock()
        self._held: deque[bytes] = deque()
        self._bytes = 0

    @property
    def kept_bytes(self) -> int:
        """What it keeps of earlier messages."""
        kept = self._restorer.kept_bytes if isinstance(self._restorer, SizedRestorer) else 0
        return self._bytes + kept

    def note(self, data: bytes) -> None:
        """
        Hold on to a message, for later ones may need it.

        :param data: what the reducer wrote
        """
        with self._lock:
            self._held.append(data)
            self._bytes += len(data)
            while len(self._held) > 1 and (self._bytes > _HELD_BYTES or len(self._held) > _HELD):
                self._bytes -= len(self._held.popleft())

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Restore a message.

        :param form: has to be the route's
        :param data: what the reducer wrote
        :returns: CDR with its encapsulation header
        :raises ProtocolError: when it is malformed, or what it needs is not here
        """
        with self._lock:
            try:
                return restore_with(self._restorer, form, data)
            except ProtocolError:
                if not self._held:
                    raise
            # Perhaps nobody has asked for what it needs.
            held, self._held, self._bytes = self._held, deque(), 0
            for earlier in held:
                try:
                    restore_with(self._restorer, form, earlier)
                except ProtocolError:
                    continue
            return restore_with(self._restorer, form, data)


class RouteRestorers:
    """
    Those of one robot; the one that was not used for longest gives way.

    :param most_bytes: what all but the one in use may keep together
    """

    def __init__(self, most_bytes: int = _MAX_BYTES) -> None:
        self._most_bytes = most_bytes
        self._routes: OrderedDict[tuple[str, int, str], RouteRestorer] = OrderedDict()

    def restorer(self, boot_id: str, route: int, form: str) -> RouteRestorer | None:
        """
        Give the restorer of a route.

        :param boot_id: the boot
        :param route: its number
        :param form: as its descriptor names it
        :returns: the restorer; None where the form needs none, or nobody knows it
        """
        key = boot_id, route, form
        found = self._routes.get(key)
        if found is None:
            try:
                kind = kind_of(form)
            except UnknownForm:
                return None
            if not isinstance(kind, RememberingKind):
                return None
            found = self._routes[key] = RouteRestorer(form, kind.restorer())
        self._routes.move_to_end(key)
        self._make_room()
        return found

    def _make_room(self) -> None:
        *others, _ = self._routes.items()
        kept = sum(route.kept_bytes for _, route in others)
        for key, route in others:
            if len(self._routes) <= _MAX_ROUTES and kept <= self._most_bytes:
                return
            kept -= route.kept_bytes
            del self._routes[key]
