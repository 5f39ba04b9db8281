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

"""What ``tail`` writes of a sample, and of which samples it writes anything."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
import json

from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.cloud.format import FieldFilter, sample_head, sample_json, sample_text
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.dashboard.painter import Painter, Settings
from ros_cloud_bridge.errors import BridgeError

_MOST_ROUTES = 8192
_MOST_TYPES = 1024
_WIDTH = 400

Render = Callable[[Sample, int, Sequence[str]], str]


def text_lines(fields: Sequence[str]) -> Render:
    """
    Write samples in full.

    :param fields: globs of the wanted ones; none for all
    :returns: makes lines of a sample, the time in nanoseconds, and what is to be noted of it
    """
    wanted = FieldFilter(fields)
    return lambda sample, now_ns, notes: sample_text(sample, wanted, now_ns, notes)


def json_lines(fields: Sequence[str], *, cdr: bool) -> Render:
    """
    Write samples as JSON, complete.

    :param fields: globs of the wanted ones; none for all
    :param cdr: whether the serialized message is added
    :returns: as :func:`text_lines`; notes are left out
    """
    wanted = FieldFilter(fields)
    return lambda sample, now_ns, notes: sample_json(sample, wanted, cdr=cdr)


class ShortLines:
    """
    Writes samples in a line each, with the fields that a dashboard would show.

    :param fields: globs of the wanted ones; none for those shown by default
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._settings = Settings(fields=tuple(fields), pictures=False)
        self._painters: OrderedDict[tuple[str, str, str], Painter] = OrderedDict()

    def __call__(self, sample: Sample, now_ns: int, notes: Sequence[str]) -> str:
        head = sample_head(sample, now_ns, notes)
        try:
            shown = list(self._painter(sample).paint(sample.plain(), sample.source_time_ns))
        except (BridgeError, ValueError) as error:
            return f'{head}  ({printable(str(error), _WIDTH)}; {len(sample.cdr)} bytes)'
        parts = []
        for one in shown:
            pairs = _pairs(json.loads(one.payload))
            parts.append(f'{printable(one.part)}: {pairs}' if one.part else pairs)
        said = '; '.join(parts)
        return f'{head}  {said if len(said) <= _WIDTH else said[:_WIDTH] + "…"}'

    def _painter(self, sample: Sample) -> Painter:
        key = sample.topic, sample.type_name, sample.schema_id
        painter = self._painters.get(key)
        if painter is None:
            definition = sample.schema().definition
            painter = Painter(sample.topic, sample.type_name, definition, self._settings)
            self._painters[key] = painter
            if len(self._painters) > _MOST_TYPES:
                self._painters.popitem(last=False)
        return painter


def _pairs(document: dict[str, object]) -> str:
    document.pop('ts', None)
    return ' '.join(f'{name}={_value(value)}' for name, value in document.items())


def _value(value: object) -> str:
    # JSON's escapes: no control character of a robot's reaches the terminal.
    return f'{value:.6g}' if isinstance(value, float) else json.dumps(value)


class Chooser:
    """
    Says which samples are written, and what is to be noted of them.

    :param wanted: says which topics are
    :param since_ns: what was published before is left out
    :param max_hz: most samples a second of one topic; None for all
    """

    def __init__(
        self, wanted: Callable[[str], bool], since_ns: int, max_hz: float | None
    ) -> None:
        self._wanted = wanted
        self._since_ns = since_ns
        self._period_s = 0.0 if max_hz is None else 1.0 / max_hz
        # By route: when the next one may be written, how many were left out, the newest number.
        self._routes: OrderedDict[tuple[str, str, int], tuple[float, int, int]] = OrderedDict()

    def notes(self, sample: Sample, now: float) -> list[str] | None:
        """
        Decide.

        :param sample: as it came
        :param now: monotonic seconds
        :returns: what is to be noted; None when it is left out
        """
        if not self._wanted(sample.topic) or sample.source_time_ns < self._since_ns:
            return None
        key = sample.robot_id, sample.boot_id, sample.route
        due, left_out, newest = self._routes.pop(key, (now, 0, 0))
        fresh = sample.sequence > newest
        gap = sample.sequence - newest - 1 if newest and fresh and not sample.historical else 0
        newest = max(newest, sample.sequence)
        early = now < due
        # The rate holds on average, whatever samples come at, but a pause saves nothing up.
        if not early:
            due = due + self._period_s if due + self._period_s > now else now + self._period_s
        self._routes[key] = due, left_out + 1 if early else 0, newest
        if len(self._routes) > _MOST_ROUTES:
            self._routes.popitem(last=False)
        if early:
            return None
        notes = [f'{gap} missing before it'] if gap else []
        return [*notes, f'{left_out} more not shown'] if left_out else notes
