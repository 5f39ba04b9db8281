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
Samples as readable text and as JSON.

In JSON, arrays of numbers are lists, arrays of bytes (``uint8[]``, ``byte[]``) are base64, and
what JSON has no number for are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import fnmatch
import json
import keyword
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.wire.schema import EMPTY_MEMBER

_WIDTH = 100
_SHOWN_NUMBERS = 8
_SHOWN_ITEMS = 4
# Longer arrays are measurements of a kind, of which it helps to know the least and the greatest.
_COVARIANCE = 36
_SHOWN_CHARACTERS = 120
_PLAIN_WORD = re.compile(r'[A-Za-z_/][A-Za-z0-9_./ -]*')
_YAML_WORDS = frozenset({'true', 'false', 'null', 'yes', 'no', 'on', 'off'})

Path = tuple[str, ...]


class FieldFilter:
    """
    Chooses fields by their dotted path, as in ``pose.pose.position`` or ``*.covariance``.

    A glob's ``*`` matches dots too. Who names a message gets all its fields; indices of arrays do
    not count.

    :param patterns: globs; none means every field
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [re.compile(fnmatch.translate(pattern)) for pattern in patterns]

    def takes(self, path: Path) -> bool:
        """
        Say whether a field and all below it is wanted.

        :param path: names from the message's root
        :returns: whether a pattern matches it
        """
        name = '.'.join(path)
        return not self._patterns or any(pattern.match(name) for pattern in self._patterns)

    def apply(self, value: Any, path: Path = ()) -> Any:
        """
        Turn a message into dicts, lists, numpy arrays and scalars of the wanted fields.

        :param value: a decoded message, or what stands in one
        :param path: where it stands
        :returns: the wanted part; an empty dict when nothing is
        """
        if path and self.takes(path):
            return _plain(value)
        if dataclasses.is_dataclass(value):
            kept = {}
            for name, inner in _members(value):
                part = self.apply(inner, (*path, name))
                if part is not None:
                    kept[name] = part
            return kept or (None if path else {})
        if isinstance(value, list):
            parts = [self.apply(inner, path) for inner in value]
            return [part for part in parts if part is not None] or None
        return None


def _members(message: Any) -> Iterable[tuple[str, Any]]:
    for field in dataclasses.fields(message):
        # Constants come as fields too, but only they have defaults; the decoder's library writes
        # members that are named like a Python keyword with an underscore behind.
        if field.name != EMPTY_MEMBER and field.default is dataclasses.MISSING:
            trimmed = field.name.removesuffix('_')
            name = trimmed if keyword.iskeyword(trimmed) else field.name
            yield name, getattr(message, field.name)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {name: _plain(inner) for name, inner in _members(value)}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def to_json_value(value: Any) -> Any:
    """
    Make a value JSON-able; see the module's text for how.

    :param value: what :class:`FieldFilter` gave
    :returns: dicts, lists, strings, numbers, booleans
    """
    if isinstance(value, dict):
        return {name: to_json_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [to_json_value(inner) for inner in value]
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8:
            return base64.b64encode(value.tobytes()).decode()
        items = value.tolist()
        if value.dtype.kind == 'f' and not np.isfinite(value).all():
            return [to_json_value(item) for item in items]
        return items
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return 'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'
    return value


def sample_json(sample: Sample, fields: FieldFilter, *, cdr: bool = False) -> str:
    """
    Write a sample as one line of JSON.

    ``fields`` is null, and ``error`` says why, when the message cannot be decoded.

    :param sample: the sample
    :param fields: which fields are wanted
    :param cdr: add the serialized message, base64
    :returns: the line without its end
    """
    document: dict[str, object] = {
        'kind': 'sample',
        'robot': sample.robot_id,
        'topic': sample.topic,
        'type': sample.type_name,
        **({'form': sample.form} if sample.form else {}),
        'stream': sample.stream,
        'route': sample.route,
        'boot_id': sample.boot_id,
        'sequence': sample.sequence,
        'source_time_ns': sample.source_time_ns,
        'receive_time_ns': sample.receive_time_ns,
        'sent_time_ns': sample.sent_time_ns,
        'latched': sample.latched,
        'historical': sample.historical,
    }
    try:
        document['fields'] = to_json_value(fields.apply(sample.message()))
    except BridgeError as error:
        document['fields'], document['error'] = None, str(error)
    if cdr:
        document['cdr'] = base64.b64encode(sample.cdr).decode()
    # ASCII, for a pipe may have any encoding, and names from the wire any characters.
    return json.dumps(document, separators=(',', ':'), allow_nan=False)


def sample_head(sample: Sample, now_ns: int, notes: Sequence[str] = ()) -> str:
    """
    Write what stands before a sample's fields.

    :param sample: the sample
    :param now_ns: nanoseconds since the Unix epoch, for the sample's age
    :param notes: what else is to be said of it
    :returns: part of a line
    """
    age_s = (now_ns - sample.source_time_ns) / 1e9
    marks = [name for name in ('latched', 'historical') if getattr(sample, name)]
    said = f' ({", ".join(notes)})' if notes else ''
    return ' '.join(
        [
            f'{_word(sample.robot_id)} {_word(sample.topic)} #{sample.sequence}',
            f'age {age_s:.3f} s {_word(sample.type_name)}',
            *marks,
        ]
    ) + said


def sample_text(
    sample: Sample, fields: FieldFilter, now_ns: int, notes: Sequence[str] = ()
) -> str:
    """
    Write a sample as text: one line about it, and its fields in indented lines like YAML.

    :param sample: the sample
    :param fields: which fields are wanted
    :param now_ns: nanoseconds since the Unix epoch, for the sample's age
    :param notes: what else is to be said of it
    :returns: lines without the last one's end
    """
    head = sample_head(sample, now_ns, notes)
    try:
        values = fields.apply(sample.message())
    except BridgeError as error:
        return f'{head}\n  {_string(str(error), 400)} ({len(sample.cdr)} bytes)'
    return '\n'.join([head, *_block(values, 2)])


def _block(values: Mapping[str, Any], indent: int) -> list[str]:
    lines = []
    blanks = ' ' * indent
    for name, value in values.items():
        flow = _flow(value)
        nested = isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(item, dict) for item in value)
        )
        if not nested or len(blanks) + len(name) + 2 + len(flow) <= _WIDTH:
            lines.append(f'{blanks}{name}: {flow}')
        elif isinstance(value, dict):
            lines += [f'{blanks}{name}:', *_block(value, indent + 2)]
        else:
            lines += [f'{blanks}{name}: ({len(value)})', *_items(value, indent + 2)]
    return lines


def _items(values: Sequence[Any], indent: int) -> list[str]:
    lines = []
    blanks = ' ' * indent
    for value in values[:_SHOWN_ITEMS]:
        flow = _flow(value)
        if not isinstance(value, dict) or indent + 2 + len(flow) <= _WIDTH:
            lines.append(f'{blanks}- {flow}')
            continue
        first, *rest = _block(value, indent + 2)
        lines += [f'{blanks}- {first.lstrip()}', *rest]
    if len(values) > _SHOWN_ITEMS:
        lines.append(f'{blanks}… {len(values) - _SHOWN_ITEMS} more')
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return '{' + ', '.join(f'{name}: {_flow(inner)}' for name, inner in value.items()) + '}'
    if isinstance(value, np.ndarray):
        unit = 'bytes' if value.dtype == np.uint8 else 'in all'
        text = _flow_items(value[: _SHOWN_NUMBERS + 1].tolist(), len(value), unit)
        return text if len(value) <= _COVARIANCE else text[:-1] + _span(value) + ']'
    if isinstance(value, list):
        return _flow_items(value, len(value), 'in all')
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return f'{value:.6g}'
    return _string(value) if isinstance(value, str) else str(value)


def _span(values: NDArray[Any]) -> str:
    """Say between what all of an array's numbers are, and how many are none."""
    if values.dtype.kind != 'f':
        return ''
    finite = values[np.isfinite(values)]
    odd = len(values) - len(finite)
    said = f', {finite.min():.6g} to {finite.max():.6g}' if len(finite) else ''
    return f'{said}, {odd} not finite' if odd else said


def _flow_items(items: Sequence[Any], count: int, unit: str) -> str:
    shown = items if count <= _SHOWN_NUMBERS else items[:_SHOWN_ITEMS]
    texts = [_flow(item) for item in shown]
    if count > len(shown):
        texts.append(f'… {count} {unit}')
    return '[' + ', '.join(texts) + ']'


def _string(text: str, limit: int = _SHOWN_CHARACTERS) -> str:
    if _PLAIN_WORD.fullmatch(text) and len(text) <= limit and text.lower() not in _YAML_WORDS:
        return text
    # JSON's escapes: no control character of a robot's reaches the terminal.
    quoted = json.dumps(text[:limit], ensure_ascii=not text[:limit].isprintable())
    return quoted if len(text) <= limit else f'{quoted}… {len(text)} characters'


def _word(text: str) -> str:
    """Write a name from the wire; valid ones stay as they are."""
    return text if text.isprintable() and text.strip() == text and text else json.dumps(text)
