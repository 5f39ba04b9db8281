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

"""Where a sample's words are: samples of equal places are coded as one matrix."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.program import Op, Program, WIDE, word_kind
from ros_cloud_bridge.wire.splitting import HEADER, Misfit, Streams, Walker

# Words and arrays of a sample in a matrix; what has more of them is coded as streams.
MAX_PLACES = 4096
_MAX_CACHED = 128
# Work of finding places that are known, in steps; of comparing lengths and counts besides.
HIT_STEPS = 16
_COMPARED_AT_ONCE = 64
# What is not a word of the program: lengths and counts never vary, padding and tails may.
_COUNT = 'c'
STAMP = 's'


@dataclass(frozen=True)
class Places:
    """
    The parts of a sample, in order and without gaps, from behind the encapsulation header on.

    :param size: bytes of the sample
    :param starts: position of each part
    :param widths: bytes of a word of each part
    :param lengths: words of each part: 1, or more for an array that is coded as a whole
    :param kinds: ``u``, ``i``, ``f``, ``s`` for a stamp, ``c`` for a count
    :param leaves: the leaf that each part belongs to; -1 for what is not a value
    """

    size: int
    starts: NDArray[np.int64]
    widths: tuple[int, ...]
    lengths: tuple[int, ...]
    kinds: tuple[str, ...]
    leaves: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.kinds)

    @cached_property
    def positions(self) -> list[int]:
        """Position of each part, as Python's integers."""
        return [int(start) for start in self.starts]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Positions of the bytes that must be alike in all samples."""
        starts = [
            start
            for start, kind in zip(self.starts.tolist(), self.kinds, strict=True)
            if kind == _COUNT
        ]
        return np.array(
            [*range(HEADER), *(start + index for start in starts for index in range(4))]
        )


class PlacesCache:
    """Remembers places: samples of equal lengths and counts have the same."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, int], tuple[bytes, Places]] = OrderedDict()

    def of(self, program: Program, sample: bytes, budget: Budget) -> Places:
        """
        Give a sample's places.

        :param program: its layout
        :param sample: CDR
        :param budget: what may still be done
        :returns: its places
        :raises Misfit: when it is laid out otherwise
        :raises ProtocolError: when it has too many
        """
        key = (program.code, len(sample))
        known = self._known.get(key)
        if known is not None:
            counts, places = known
            # What is remembered is compared all the same, and a batch has many sections.
            budget.steps(HIT_STEPS + len(counts) // _COMPARED_AT_ONCE)
            if np.frombuffer(sample, np.uint8)[places.counts].tobytes() == counts:
                return places
        places = _find(program, sample, budget)
        counts = np.frombuffer(sample, np.uint8)[places.counts].tobytes()
        self._known[key] = (counts, places)
        if len(self._known) > _MAX_CACHED:
            self._known.popitem(last=False)
        return places


def _find(program: Program, sample: bytes, budget: Budget) -> Places:
    if len(sample) < HEADER:
        raise Misfit
    spans, end = Walker(program, Streams(sample[:HEADER]), budget).walk(sample)
    types = leaf_types(program)
    parts: list[tuple[int, int, int, str, int]] = []
    for leaf, found in enumerate(spans.values):
        for first, last in found:
            _add(parts, first, last, types.get(leaf, (1, 'u')), leaf)
    parts += [(first, 4, 1, _COUNT, -1) for first in spans.counts_at]
    for first, last in [*spans.padding, (end, len(sample))]:
        _add(parts, first, last, (1, 'u'), -1)
    parts.sort()
    if not parts or len(parts) > MAX_PLACES:
        raise ProtocolError(f'samples of 1 to {MAX_PLACES} words stand in a matrix')
    starts, widths, lengths, kinds, leaves = zip(*parts, strict=True)
    return Places(len(sample), np.array(starts), widths, lengths, kinds, leaves)


def _add(
    parts: list[tuple[int, int, int, str, int]],
    first: int,
    last: int,
    word: tuple[int, str],
    leaf: int,
) -> None:
    width, kind = word
    count = (last - first) // width
    if count > WIDE:
        parts.append((first, width, count, kind, leaf))
    elif len(parts) + count > MAX_PLACES:
        raise ProtocolError(f'samples of 1 to {MAX_PLACES} words stand in a matrix')
    else:
        parts += [(first + index * width, width, 1, kind, leaf) for index in range(count)]


def leaf_types(program: Program) -> dict[int, tuple[int, str]]:
    """
    Say what words a program's leaves have.

    :param program: the program
    :returns: bytes of a word and its kind, by leaf; texts are left out
    """
    types = {}
    for step in program.walk():
        if step.op is Op.WORDS:
            types[step.leaf] = (step.width, word_kind(step.word))
        elif step.op is Op.STAMP:
            types[step.leaf] = (8, STAMP)
        elif step.op is Op.SEQUENCE:
            types[step.leaf + 1] = (step.width, word_kind(step.word))
    return types
