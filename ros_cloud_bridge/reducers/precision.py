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
Numeric precision: floating-point fields rounded in place, in the serialized message.

Significant bits leave zero bits behind, a tolerance decimal numbers: both cost little in a batch.
NaN and infinities stay as they are, and so do numbers that would round to infinity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.reducers.field_rules import match_rules, positive, read_rules, Rule
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import HEADER, Layout, Walk
from ros_cloud_bridge.reducers.plain import PlainKind, PlainReducer
from ros_cloud_bridge.reducers.sensor_options import check_names

_BITS = re.compile(r'([0-9]{1,2})b')
_LEAST_BITS = 2
_MOST_DECIMALS = 22
# What levels take: a tolerance is multiplied, and as many bits less are kept.
_FACTORS = {Level.FULL: 1.0, Level.REDUCED: 10.0, Level.MINIMAL: 100.0}
_FEWER_BITS = {Level.FULL: 0, Level.REDUCED: 3, Level.MINIMAL: 6}


@dataclass(frozen=True, slots=True)
class Bound:
    """
    How much a number may change.

    :param bits: significant bits that are kept; 0 for a tolerance
    :param tolerance: greatest absolute difference
    """

    bits: int = 0
    tolerance: float = 0.0

    def at(self, level: Level) -> 'Bound':
        """
        Give the bound of a level.

        :param level: how much is given up
        :returns: the bound
        """
        if self.bits:
            return Bound(bits=max(_LEAST_BITS, self.bits - _FEWER_BITS[level]))
        return Bound(tolerance=self.tolerance * _FACTORS[level])

    @property
    def text(self) -> str:
        """As ``error`` has it."""
        if self.bits:
            return f'within 2^-{self.bits} of the value'
        return f'within {self.tolerance:g}'


_USUAL = Bound(tolerance=0.005)
# Without options: what positions on Earth (5 cm), covariances, orientations (0.06 degrees),
# accelerations (5 mg: what the zero of a good MEMS sensor is off by) and everything else (half a
# centimetre, and so on) can do without.
DEFAULT_RULES = (
    Rule(pattern='*latitude', text='5e-7'),
    Rule(pattern='*longitude', text='5e-7'),
    Rule(pattern='*covariance*', text='5b'),
    Rule(pattern='*orientation*', text='0.0005'),
    Rule(pattern='*rotation*', text='0.0005'),
    Rule(pattern='*linear_acceleration*', text='0.05'),
    Rule(pattern='*', text='0.005'),
)


def read_bound(text: str, name: str) -> Bound:
    """
    Read a bound.

    :param text: ``12b`` for significant bits, or a tolerance as in ``0.001``
    :param name: of the option
    :returns: the bound
    :raises ValueError: says what is allowed
    """
    bits = _BITS.fullmatch(text)
    if bits is None:
        value = positive(text, name)
        if value == 0.0:
            raise ValueError(f'{name}={text}: a tolerance of 0 changes nothing')
        return Bound(tolerance=value)
    if not _LEAST_BITS <= int(bits[1]) <= 52:
        raise ValueError(f'{name}={text}: allowed are {_LEAST_BITS}b to 52b')
    return Bound(bits=int(bits[1]))


def round_bits(
    values: NDArray[np.unsignedinteger[Any]], bits: int
) -> NDArray[np.unsignedinteger[Any]]:
    """
    Round floating-point numbers to significant bits, to nearest and ties to even.

    :param values: their representations, uint32 or uint64
    :param bits: how many are kept, the implied one included
    :returns: representations within 2^-bits of each value; NaN, infinities, subnormal numbers and
        what would become infinite as it was
    """
    kind = values.dtype.type
    wide = values.dtype.itemsize == 8
    mantissa = 52 if wide else 23
    drop = mantissa + 1 - bits
    if drop <= 0:
        return values
    special = kind(0x7FF if wide else 0xFF)
    shift, one = kind(mantissa), kind(1)
    exponents = (values >> shift) & special
    odd = (values >> kind(drop)) & one
    mask = kind((1 << (8 * values.dtype.itemsize)) - (1 << drop))
    with np.errstate(over='ignore'):
        rounded = (values + kind((1 << (drop - 1)) - 1) + odd) & mask
    stays = (exponents == 0) | (exponents == special) | ((rounded >> shift) & special == special)
    return np.where(stays, values, rounded)


@dataclass(frozen=True, slots=True, eq=False)
class Decimals:
    """
    To which decimals numbers are rounded, each by its tolerance.

    :param up: multiplied by this, and
    :param down: divided by this, a number is rounded to a whole one; one of them is 1
    :param tolerance: greatest absolute difference
    """

    up: NDArray[np.float64]
    down: NDArray[np.float64]
    tolerance: NDArray[np.float64]

    @classmethod
    def of(cls, tolerances: Sequence[float]) -> 'Decimals':
        """
        Find the fewest decimals that keep within tolerances.

        :param tolerances: of each number
        :returns: decimals
        """
        places = [
            max(-_MOST_DECIMALS, math.ceil(-math.log10(2.0 * one) - 1e-9)) for one in tolerances
        ]
        # Beyond the most decimals nothing is rounded: 0 lets every check fail.
        fine = [one if place <= _MOST_DECIMALS else 0.0 for one, place in
                zip(tolerances, places, strict=True)]  # fmt: skip
        up = [10.0 ** min(max(0, place), _MOST_DECIMALS) for place in places]
        down = [10.0 ** max(0, -place) for place in places]
        return cls(np.array(up), np.array(down), np.array(fine))


def round_to(values: NDArray[np.floating[Any]], decimals: Decimals) -> NDArray[np.floating[Any]]:
    """
    Round numbers to few decimals: batches write decimal numbers as integers.

    :param values: float32 or float64
    :param decimals: of each, or of all
    :returns: of the same type; NaN and infinities as they were
    """
    wide = values.astype(np.float64)
    up, down, tolerance = decimals.up, decimals.down, decimals.tolerance
    with np.errstate(over='ignore', invalid='ignore'):
        # The zero makes -0.0 a 0.0.
        whole = np.rint(wide * up / down) + 0.0
        rounded: NDArray[np.floating[Any]] = (whole / up * down).astype(values.dtype)
        apart = rounded.astype(np.float64) - wide
        good = np.abs(apart) <= tolerance
        if good.all():
            return rounded
        # Of a number in the middle one neighbour may be beyond the bound by its last bit.
        other = ((whole - np.sign(apart)) / up * down).astype(values.dtype)
        close = np.abs(other.astype(np.float64) - wide) <= tolerance
    # What is too large for decimals stays, as do NaN and infinities.
    return np.where(good, rounded, np.where(close, other, values))


class Precision(PlainReducer):
    """
    Rounds floating-point fields.

    :param layout: of the type
    :param bounds: by number of field
    :param error: for consumers
    """

    def __init__(self, layout: Layout, bounds: Mapping[int, Bound], output: Output) -> None:
        super().__init__(output)
        self._layout = layout
        self._bounds = bounds

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Round a message's numbers.

        :param cdr: serialized message
        :param level: how much is given up now
        :returns: a message of the same size
        :raises ProtocolError: when it does not fit its type
        """
        walk = self._layout.walk(cdr)
        work = walk.memo.get(level)
        if work is None:
            work = walk.memo[level] = self._prepare(walk, level)
        if not work:
            return cdr
        changed = bytearray(cdr)
        for size, how, index in work:
            count = (len(cdr) - HEADER) // size
            if isinstance(how, int):
                numbers = np.frombuffer(changed, f'{walk.order}u{size}', count, HEADER)
                values = numbers[index].astype(f'u{size}')
                numbers[index] = round_bits(values, how)
            else:
                floats = np.frombuffer(changed, f'{walk.order}f{size}', count, HEADER)
                floats[index] = round_to(floats[index], how)
        return bytes(changed)

    def _prepare(
        self, walk: Walk, level: Level
    ) -> list[tuple[int, int | Decimals, NDArray[np.int64] | slice]]:
        """Find what is rounded together: by size, and by bits or by decimals."""
        places: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for leaf, bound in self._bounds.items():
            size = self._layout.leaves[leaf].size
            here = bound.at(level)
            together = places.setdefault((size, here.bits), [])
            positions = walk.positions(leaf, size) // size
            together += [(place, here.tolerance) for place in positions.tolist()]
        work: list[tuple[int, int | Decimals, NDArray[np.int64] | slice]] = []
        for (size, bits), found in places.items():
            if found:
                found.sort()
                index = _compact(np.array([place for place, _ in found]))
                how = bits or Decimals.of([tolerance for _, tolerance in found])
                work.append((size, how, index))
        return work


def _compact(index: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Make a slice of what stands side by side: it is read faster."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last - first + 1 == len(index) else index


class PrecisionKind(PlainKind):
    """Numeric precision, for any message."""

    name = 'precision'
    options = ('fields', 'bits', 'tolerance')

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``fields``, ``bits``, ``tolerance``
        :raises ValueError: says what is wrong
        """
        _read(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Precision:
        """
        Make the reducer of a route.

        :param type_name: any
        :param definition: the type's complete ros2msg definition
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        rules, usual, named = _read(options)
        layout = Layout(type_name, definition)
        floats = [number for number, leaf in enumerate(layout.leaves) if leaf.is_float]
        if not floats:
            raise ValueError(f'{type_name} has no floating-point field')
        if named:
            chosen = match_rules(layout, rules, floats, 'floating-point field')
        else:
            useful = [rule for rule in rules if _means_any(layout, floats, rule)]
            chosen = match_rules(layout, useful, floats, 'floating-point field')
        bounds = {
            leaf: read_bound(rule.text, 'fields') if rule.text else usual
            for leaf, rule in chosen.items()
        }
        output = Output(type_name=type_name, error=_error(layout, bounds))
        return Precision(layout, bounds, output)


def _means_any(layout: Layout, candidates: Sequence[int], rule: Rule) -> bool:
    return any(layout.leaves[leaf].matches(rule.pattern) for leaf in candidates)


def _read(options: Mapping[str, str]) -> tuple[tuple[Rule, ...], Bound, bool]:
    check_names(options, PrecisionKind.options)
    if 'bits' in options and 'tolerance' in options:
        raise ValueError('bits and tolerance exclude each other')
    usual = _USUAL
    if 'bits' in options:
        usual = read_bound(f'{options["bits"]}b', 'bits') if options['bits'].isdigit() else usual
        if not usual.bits:
            raise ValueError(f'bits={options["bits"]}: must be a whole number')
    elif 'tolerance' in options:
        usual = read_bound(options['tolerance'], 'tolerance')
        if usual.bits:
            raise ValueError(f'tolerance={options["tolerance"]}: must be a number')
    rules = read_rules(options)
    for rule in rules:
        if rule.text:
            read_bound(rule.text, 'fields')
    if rules:
        return rules, usual, True
    given = options.keys() & {'bits', 'tolerance'}
    return (Rule(pattern='*'),) if given else DEFAULT_RULES, usual, False


def _error(layout: Layout, bounds: Mapping[int, Bound]) -> str:
    groups: dict[Bound, list[str]] = {}
    for leaf, bound in bounds.items():
        groups.setdefault(bound, []).append(layout.leaves[leaf].path)
    parts = []
    for bound, paths in groups.items():
        said = ', '.join(paths[:4]) + (f' and {len(paths) - 4} more' if len(paths) > 4 else '')
        parts.append(f'{said} {bound.text}')
    levels = 'reduced: 10 times as much, minimal: 100 times; of bits 3 and 6 less'
    return f'{"; ".join(parts)} ({levels})'
