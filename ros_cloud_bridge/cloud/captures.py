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

"""What robots tell of their black boxes' captures, read with nothing taken on trust."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
import json
import re
from typing import Any

from ros_cloud_bridge.cloud.health import whole_number
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import BridgeError

_TOPIC = re.compile(r'/black_box/[^/]+/events')
_MOST = 32
_MAX_TEXT = 256
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """
    One span of a black box; ``ended`` once it has been handed over.

    ``age_s`` is how long ago it was triggered, by the robot's clock.
    """

    black_box: str
    span: str
    trigger: str
    age_s: float
    ended: bool = False
    samples: int | None = None
    bytes: int | None = None
    complete: bool | None = None
    cut_short: str = ''


def is_capture(sample: Sample) -> bool:
    """
    Tell whether a sample tells of a capture.

    :param sample: any
    :returns: whether it is for :class:`Captures`
    """
    return sample.type_name == 'std_msgs/msg/String' and bool(_TOPIC.fullmatch(sample.topic))


class Captures:
    """The newest captures of one robot."""

    def __init__(self) -> None:
        # By span: the capture, and when it was as old as it says.
        self._known: dict[str, tuple[Capture, float]] = {}

    def add(self, sample: Sample, wall_ns: int, now: float) -> None:
        """
        Take in what a robot tells; what cannot be understood is left out.

        :param sample: on a topic of captures
        :param wall_ns: nanoseconds since the Unix epoch
        :param now: monotonic seconds
        """
        if len(sample.cdr) > _MAX_BYTES:
            return
        try:
            document = json.loads(sample.message().data)
        except (BridgeError, ValueError, RecursionError):
            return
        if not isinstance(document, dict) or not (span := _text(document.get('span'))):
            return
        event = document.get('event')
        known = self._known.pop(span, None)
        if event == 'triggered':
            # The first trigger begins it; it may come after the end, by the backlog.
            if known is None or known[0].ended:
                capture, at = _read(document, span, wall_ns), now
                if known is not None:
                    capture = replace(known[0], age_s=capture.age_s)
            else:
                capture, at = known
        elif event == 'ended':
            capture, at = replace(_read(document, span, wall_ns), ended=True), now
        else:
            return
        self._known[span] = capture, at
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def shown(self, now: float) -> tuple[Capture, ...]:
        """
        Show what is known.

        :param now: monotonic seconds
        :returns: the newest first
        """
        aged = [
            replace(capture, age_s=max(0.0, capture.age_s + now - at))
            for capture, at in self._known.values()
        ]
        return tuple(sorted(aged, key=lambda capture: capture.age_s))


def _read(document: Mapping[str, Any], span: str, wall_ns: int) -> Capture:
    triggers = document.get('triggers')
    first = triggers[0] if isinstance(triggers, list) and triggers else document
    first = first if isinstance(first, dict) else document
    time_ns = whole_number(first.get('time_ns')) or whole_number(document.get('to_ns')) or wall_ns
    complete = document.get('complete')
    return Capture(
        black_box=_text(document.get('black_box')),
        span=span,
        trigger=_text(first.get('trigger')),
        age_s=(wall_ns - time_ns) / 1e9,
        samples=whole_number(document.get('samples')),
        bytes=whole_number(document.get('bytes')),
        complete=complete if isinstance(complete, bool) else None,
        cut_short=_text(document.get('cut_short')),
    )


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ''
