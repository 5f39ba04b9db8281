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
Find the shortest form of columns of words (docs/protocol.md, "Numbers").

What is measured is the number of bits that each form takes. Whether a column's words are decimal
numbers is looked for every now and then only, and remembered (:class:`Habits`).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.wire import forms
from ros_cloud_bridge.wire.column_form import Form, Habits, pack_forms
from ros_cloud_bridge.wire.decimals import find_scales, to_integers
from ros_cloud_bridge.wire.forms import Wide, Words, Writer
from ros_cloud_bridge.wire.shortest import Group, Rows, shortest
from ros_cloud_bridge.wire.varint import write_varint


def encode_table(
    words: Words,
    kind: str,
    habits: Habits,
    out: Writer,
    *,
    lag: int = 0,
    clock: NDArray[np.int64] | None = None,
) -> int:
    """
    Write a table.

    :param words: shape (rows, columns), at least one of each, unsigned and in the machine's order
    :param kind: ``u``, ``i`` or ``f``
    :param habits: of this table
    :param out: takes it
    :param lag: with one column, how many rows before lies what is alike; 0 for none
    :param clock: per row, what the only column may be the distance to
    :returns: how many columns vary
    """
    width = words.dtype.itemsize
    count, columns = words.shape
    varying = np.flatnonzero((words != words[0]).any(axis=0)) if count > 1 else _NONE
    mask = np.zeros(columns, dtype=np.uint8)
    mask[varying] = 1
    out.plain += np.packbits(mask, bitorder='little').tobytes()
    references = words[0].copy()
    if not len(varying):
        out.plain += _little(references)
        return 0
    if forms.is_plain(count * columns, width):
        references[varying] = 0
        out.plain += _little(references)
        for column in varying:
            out.plain += bytes([forms.RAW | forms.PLANES, width])
            planes = np.frombuffer(_little(words[:, column]), np.uint8)
            out.plain += planes.reshape(-1, width).T.tobytes()
        return len(varying)
    wide = widen(words[:, varying].T, kind)
    (chosen,) = choose([Group(wide, kind, width, habits, varying.tolist(), clock)], lag)
    top = (1 << 8 * width) - 1
    references[varying] = [form.reference & top for form in chosen]
    out.plain += _little(references)
    for form in chosen:
        out.plain += form.head()
    out.bits += pack_forms(chosen, count)
    return len(varying)


_NONE = np.zeros(0, dtype=np.int64)


def _little(words: Words) -> bytes:
    return words.astype(words.dtype.newbyteorder('<')).tobytes()


def widen(words: Words, kind: str) -> Wide:
    """
    Make words 64 bits wide.

    :param words: of any shape
    :param kind: ``i`` keeps their sign
    :returns: as many
    """
    width = words.dtype.itemsize
    if kind == 'i' and width < 8:
        return words.view(f'i{width}').astype(np.int64).view(np.uint64)
    return np.ascontiguousarray(words.astype(np.uint64))


def choose(groups: Sequence[Group], lag: int = 0) -> list[list[Form]]:
    """
    Choose the form of each column of several groups.

    All are compared at once: with few rows it is the number of operations that costs time.

    :param groups: of one number of rows
    :param lag: as for :func:`encode_table`
    :returns: forms by group
    """
    ready: list[Rows] = []
    # What a group's forms are made of: how many of ``ready``, and how they are put together.
    plans: list[Callable[[Iterator[Form]], list[Form]]] = []
    for group in groups:
        if group.kind == 'f':
            plans.append(_plan_floats(group, ready))
        elif group.clock is not None:
            plans.append(_plan_stamps(group, group.clock, ready))
        else:
            ready.append(Rows(group, group.wide, group.names))
            plans.append(_taker(len(group.names)))
    chosen = iter(shortest(ready, lag))
    return [plan(chosen) for plan in plans]


def _taker(count: int, flags: int = 0) -> Callable[[Iterator[Form]], list[Form]]:
    def plan(found: Iterator[Form]) -> list[Form]:
        taken = [next(found) for _ in range(count)]
        for form in taken:
            form.flags |= flags
        return taken

    return plan


def _plan_stamps(
    group: Group, clock: NDArray[np.int64], ready: list[Rows]
) -> Callable[[Iterator[Form]], list[Form]]:
    names, clocked = group.names, group.habits.clocked
    known = {clocked.get(name) for name in names}
    if known != {True}:
        ready.append(Rows(group, group.wide, names))
    if known != {False}:
        offsets = (clock - group.wide.view(np.int64)).view(np.uint64)
        ready.append(Rows(group, offsets, [~name for name in names]))
    if len(known) == 1 and None not in known:
        return _taker(len(names), forms.CLOCK if True in known else 0)
    plain, against = _taker(len(names)), _taker(len(names), forms.CLOCK)

    def plan(found: Iterator[Form]) -> list[Form]:
        pairs = list(zip(plain(found), against(found), strict=True))
        nearer = [bool(other.cost < form.cost) for form, other in pairs]
        clocked.update(zip(names, nearer, strict=True))
        return [
            other if near else form for (form, other), near in zip(pairs, nearer, strict=True)
        ]

    return plan


def _plan_floats(group: Group, ready: list[Rows]) -> Callable[[Iterator[Form]], list[Form]]:
    wide, width, names, habits = group.wide, group.width, group.names, group.habits
    unknown = [index for index, name in enumerate(names) if name not in habits.scales]
    if unknown:
        found = find_scales(wide[unknown], width)
        habits.scales.update(zip([names[index] for index in unknown], found, strict=True))
    by_scale: dict[int, list[int]] = {}
    for index, name in enumerate(names):
        by_scale.setdefault(habits.scales[name], []).append(index)
    rest = by_scale.pop(0, [])
    order: list[tuple[int, int, bytes]] = []
    for scale, columns in by_scale.items():
        integers, wrong = to_integers(wide[columns], scale, width)
        fitting = [row for row, places in enumerate(wrong) if places is not None]
        rest += [columns[row] for row, places in enumerate(wrong) if places is None]
        if fitting:
            whole = integers[fitting] if len(fitting) < len(columns) else integers
            own = [names[columns[row]] for row in fitting]
            ready.append(Rows(group, whole.view(np.uint64), own, decimal=True))
        for row in fitting:
            places = wrong[row]
            kept = _exceptions(wide[columns[row]], places, width)
            order.append((columns[row], scale, kept))
    if rest:
        rest.sort()
        picked = wide if len(rest) == len(names) else wide[rest]
        own = [names[column] for column in rest]
        ready.append(Rows(group, picked, own))
        order += [(column, 0, b'') for column in rest]

    def plan(found: Iterator[Form]) -> list[Form]:
        chosen: dict[int, Form] = {}
        for column, scale, exceptions in order:
            form = chosen[column] = next(found)
            form.scale, form.exceptions = scale, exceptions
        return [chosen[column] for column in range(len(names))]

    return plan


def _exceptions(words: Wide, places: NDArray[np.int64] | None, width: int) -> bytes:
    if places is None or not len(places):
        return b''
    steps = np.diff(places, prepend=0).tolist()
    kept = words[places].astype(f'<u{width}').tobytes()
    return write_varint(len(places)) + b''.join(map(write_varint, steps)) + kept
