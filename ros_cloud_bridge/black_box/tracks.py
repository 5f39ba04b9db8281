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

"""A ring and its spans: those of this run, and what earlier ones have left."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ros_cloud_bridge.core.black_box import BlackBox, Firing, read_mark, Span, write_mark
from ros_cloud_bridge.core.wear import WriteBudget
from ros_cloud_bridge.store.ring import earlier_rings, Log, Ring
from ros_cloud_bridge.store.usage import state_directory
from ros_cloud_bridge.values import BlackBoxConfig, BridgeConfig

CRASH = 'crash'


def ring_directory(config: BridgeConfig, name: str) -> Path:
    """
    Name the directory of a black box's ring.

    :param config: of the bridge; several robots may share the state directory
    :param name: of the black box, in which no hyphen can be
    :returns: the directory; it need not exist
    """
    return state_directory(config) / f'black_box-{name}-{quote(config.robot_id, safe="")}'


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """
    One ring and its spans.

    ``noted`` says whether the note on disk names the spans that there are; ``clean`` whether the
    run that left this ring ended in good order.
    """

    box: BlackBox
    ring: Ring
    noted: bool = True
    clean: bool = False

    def begin(self, crash: bool, next_id: Callable[[], str]) -> Span | None:
        """
        See what is to be sent of what an earlier run has left.

        :param crash: whether a crash is a trigger
        :param next_id: gives spans their ids
        :returns: the span of the crash, if one begins now
        """
        self.box = BlackBox(self.box.config, next_id)
        self.box.restore(self._restored())
        pieces = self.ring.pieces
        if not pieces:
            self.box.close(max((span.done for span in self.box.spans), default=0.0), CRASH)
            return None
        last = pieces[-1].end
        told = any(one.trigger == CRASH for span in self.box.spans for one in span.firings)
        begun = None
        if crash and not (self.clean or told):
            value = 'the bridge ended without notice'
            firing = Firing(trigger=CRASH, value=value, at=last, wall_ns=self.ring.wall_end_ns)
            begun = self.box.fire(firing, pieces)
            if begun.firings[0] is firing:
                begun.high = max(last, begun.low)  # there is nothing after it
        self.box.close(last, CRASH)
        self.noted = False
        return begun

    def _restored(self) -> list[Span]:
        note = self.ring.load_mark()
        if not isinstance(note, dict):
            return []
        try:
            spans = read_mark(note.get('spans'))
        except ValueError:
            return []
        self.clean = note.get('clean') is True
        return spans

    def note(self, committed: bool) -> dict[str, Any] | None:
        """
        Say what is to be noted now.

        :param committed: whether everything that was handed over is on disk
        :returns: the note, empty when there are no spans; None when there is nothing new
        """
        moved = False
        if committed:
            for span in self.box.spans:
                moved = moved or span.safe != span.done
                span.safe = span.done
        if self.noted and not moved:
            return None
        self.noted = True
        return {'clean': False, 'spans': write_mark(self.box.spans)} if self.box.spans else {}

    def closing_note(self) -> dict[str, Any]:
        """
        Say what is noted when this run ends in good order, but before its spans were handed over.

        :returns: the note
        """
        return {'clean': True, 'spans': write_mark(self.box.spans)}


def find_left(directory: Path, own: str, config: BlackBoxConfig, log: Log) -> list[Track]:
    """
    Find the rings that earlier runs have left.

    :param directory: the black box's own
    :param own: the present ring's name
    :param config: of the black box
    :param log: takes (level, text)
    :returns: the oldest first; together they have no more than the ring may have
    """
    found: list[Track] = []
    size = 0
    for name in reversed(earlier_rings(directory, own)):
        ring = Ring(directory, name, config, WriteBudget(0), log)
        ring.load()
        size += ring.disk_bytes
        if size > config.max_bytes and found:
            log(
                'warning', f'a ring of an earlier run is removed: {ring.disk_bytes} bytes too many'
            )
            ring.close(keep=False)
            continue
        found.insert(0, Track(box=BlackBox(config, lambda: ''), ring=ring))
    return found
