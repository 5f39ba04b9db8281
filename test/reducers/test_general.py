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

"""General reducers over messages of every type: the stated bound holds, the rest is untouched."""

from fnmatch import fnmatchcase
import math
from random import Random
import struct

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.aggregate import AggregateKind
from ros_cloud_bridge.reducers.deadband import DeadbandKind
from ros_cloud_bridge.reducers.interface import Level, Reducer
from ros_cloud_bridge.reducers.layout import Layout
from ros_cloud_bridge.reducers.precision import Decimals, PrecisionKind, round_bits, round_to
from ros_cloud_bridge.reducers.select_fields import SelectKind
from ros_cloud_bridge.reducers.stamps import StampsKind

messages = pytest.importorskip('support.random_messages')
support = pytest.importorskip('support.message_fields')
WITH_FLOATS = [name for name in messages.TYPES if support.is_float(name)]
READABLE = [name for name in messages.TYPES if not support.has_wide_text(name)]
MAX = 1 << 20
SUBNORMAL = {4: 2.0**-126, 8: 2.0**-1022}


def some(type_name: str, seed: int, count: int = 6) -> list[bytes]:
    sensor = messages.Sensor(
        type_name, seed, little=bool(seed & 1), ragged=bool(seed & 2), dirty=bool(seed & 4)
    )
    return [sensor.message() for _ in range(count)]


def one(reducer: Reducer, cdr: bytes, level: Level = Level.FULL) -> bytes:
    made = reducer.reduce(cdr, level)
    assert made is not None
    return made


@pytest.mark.parametrize('type_name', messages.TYPES)
def test_the_layout_of_every_type_ends_where_its_messages_do(type_name: str) -> None:
    layout = Layout(type_name, messages.definition(type_name))
    for seed in range(8):
        for cdr in some(type_name, seed):
            walk = layout.walk(cdr)
            assert walk.end == len(cdr) - 4
            # Whoever has the same layout is recognised.
            assert walk.fits(cdr)
            assert layout.walk(cdr) is walk
            with pytest.raises(ProtocolError):
                layout.walk(cdr[:-1])
            # Some writers leave room behind a message.
            if type_name in READABLE:
                assert layout.walk(cdr + bytes(80)).end == walk.end
            else:
                with pytest.raises(ProtocolError):
                    layout.walk(cdr + bytes(80))


@pytest.mark.parametrize('type_name', [n for n in WITH_FLOATS if n in READABLE])
@pytest.mark.parametrize(
    ('options', 'relative', 'absolute'),
    [
        ({'bits': '9'}, 2.0**-9, 0.0),
        ({'tolerance': '0.01'}, 0.0, 0.01),
        ({'fields': '*:0.5'}, 0.0, 0.5),
    ],
)
def test_numbers_stay_within_their_bound_and_the_rest_as_it_was(
    type_name: str, options: dict[str, str], relative: float, absolute: float
) -> None:
    sizes = support.is_float(type_name)
    reducer = PrecisionKind().make(type_name, messages.definition(type_name), options, MAX)
    assert reducer.output.type_name == type_name
    assert not reducer.output.form
    assert 'within' in reducer.output.error
    factors = {Level.FULL: (1, 1), Level.REDUCED: (8, 10), Level.MINIMAL: (64, 100)}
    for seed in range(8):
        for cdr in some(type_name, seed, 3):
            for level, (more, times) in factors.items():
                made = one(reducer, cdr, level)
                assert len(made) == len(cdr)
                before, after = support.fields(type_name, cdr), support.fields(type_name, made)
                assert len(before) == len(after)
                for (path, old), (_, new) in zip(before, after, strict=True):
                    size = sizes.get(path)
                    if size is None or not math.isfinite(old):
                        assert support.same(old, new), path
                        continue
                    bound = more * relative * abs(old) + times * absolute
                    if relative and abs(old) < SUBNORMAL[size]:
                        bound = 0.0
                    assert abs(float(new) - float(old)) <= bound, (path, old, new)


@given(st.lists(st.floats(width=64), min_size=1), st.integers(2, 52))
def test_doubles_keep_their_significant_bits(values: list[float], bits: int) -> None:
    before = np.array(values)
    after = round_bits(before.view(np.uint64), bits).view(np.float64)
    check_bits(before, after, bits, 2.0**-1022)


@given(st.lists(st.floats(width=32), min_size=1), st.integers(2, 30))
def test_floats_keep_their_significant_bits(values: list[float], bits: int) -> None:
    before = np.array(values, np.float32)
    after = round_bits(before.view(np.uint32), bits).view(np.float32)
    check_bits(before.astype(float), after.astype(float), bits, 2.0**-126)
    if bits < 24:
        cut = after.view(np.uint32) & np.uint32((1 << (24 - bits)) - 1)
        normal = np.isfinite(before) & (np.abs(before) >= 2.0**-126) & (np.abs(before) < 1e38)
        assert not cut[normal].any()


def check_bits(
    before: NDArray[np.floating], after: NDArray[np.floating], bits: int, least: float
) -> None:
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        if not math.isfinite(old) or abs(old) < least:
            assert support.same(old, new)
        else:
            assert math.isfinite(new)
            assert abs(new - old) <= math.ldexp(abs(old), -bits)


@given(
    st.lists(st.floats(width=64), min_size=1),
    st.floats(min_value=1e-300, max_value=1e300),
    st.sampled_from([np.float32, np.float64]),
)
def test_tolerances_hold(values: list[float], tolerance: float, kind: type) -> None:
    with np.errstate(over='ignore'):
        before: NDArray[np.floating] = np.array(values).astype(kind)
    after = round_to(before, Decimals.of([tolerance]))
    assert after.dtype == before.dtype
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        if math.isfinite(old):
            assert abs(new - old) <= tolerance
        else:
            assert support.same(old, new)


def test_what_positions_on_earth_can_do_without_is_not_what_speeds_can() -> None:
    name = 'sensor_msgs/msg/NavSatFix'
    reducer = PrecisionKind().make(name, messages.definition(name), {}, MAX)
    fix = a_fix()
    before, after = fix, one(reducer, fix)
    old, new = dict(support.fields(name, before)), dict(support.fields(name, after))
    assert abs(old['latitude'] - new['latitude']) <= 5e-7
    assert abs(old['longitude'] - new['longitude']) <= 5e-7
    assert old['altitude'] != new['altitude']
    assert abs(old['altitude'] - new['altitude']) <= 0.005
    assert 'latitude, longitude within 5e-07' in reducer.output.error


def a_fix() -> bytes:
    sensor = messages.Sensor(
        'sensor_msgs/msg/NavSatFix', 1, little=True, ragged=False, dirty=False
    )
    cdr = bytearray(sensor.message())
    layout = Layout('sensor_msgs/msg/NavSatFix', messages.definition('sensor_msgs/msg/NavSatFix'))
    walk = layout.walk(bytes(cdr))
    values = {'latitude': 52.123456789, 'longitude': 13.123456789, 'altitude': 100.123456}
    for path, value in values.items():
        (leaf,) = layout.find(path)
        struct.pack_into('<d', cdr, 4 + int(walk.positions(leaf, 8)[0]), value)
    return bytes(cdr)


@pytest.mark.parametrize('type_name', READABLE)
def test_selected_fields_stay_and_the_others_are_empty(type_name: str) -> None:
    text = messages.definition(type_name)
    leaves = Layout(type_name, text).leaves
    paths = [leaf.path for leaf in leaves]
    loops = {leaf.path for leaf in leaves if leaf.dtype == 'loop'}
    for seed in range(8):
        random = Random(seed)
        pattern = random.choice(['*', *paths, f'{paths[0].split(".")[0]}*'])
        gone = [p for p in paths if _means(p, pattern)]
        reducer = SelectKind().make(type_name, text, {'drop': pattern}, MAX)
        assert pattern in reducer.output.error
        for cdr in some(type_name, seed, 3):
            before = support.fields(type_name, cdr)
            after = support.fields(type_name, one(reducer, cdr))
            kept = [entry for entry in after if entry[0].rstrip('#') not in gone]
            expected = [
                entry
                for entry in before
                if entry[0].rstrip('#') not in gone and not _in_empty(entry[0], gone, loops)
            ]
            assert [path for path, _ in kept] == [path for path, _ in expected]
            for (path, old), (_, new) in zip(expected, kept, strict=True):
                assert support.same(old, new), path
            for path, value in after:
                if path.rstrip('#') in gone:
                    assert not value, path


def _means(path: str, pattern: str) -> bool:
    names = path.split('.')
    return any(fnmatchcase('.'.join(names[:n]), pattern) for n in range(1, len(names) + 1))


def _in_empty(path: str, gone: list[str], loops: set[str]) -> bool:
    """Tell whether a field is within a sequence that was emptied."""
    names = path.rstrip('#').split('.')
    parents = ['.'.join(names[:n]) for n in range(1, len(names) + 1)]
    return any(parent in loops and parent in gone for parent in parents)


def test_levels_of_selection_drop_more() -> None:
    name = 'nav_msgs/msg/Odometry'
    options = {'drop': '*covariance', 'reduced_drop': 'twist', 'minimal_drop': 'pose.pose.ori*'}
    reducer = SelectKind().make(name, messages.definition(name), options, MAX)
    cdr = some(name, 1)[0]
    left = []
    for level in Level:
        values = support.fields(name, one(reducer, cdr, level))
        left.append({path for path, value in values if value})
    assert 'twist.twist.linear.x' in left[0]
    assert not any(path.startswith('twist') for path in left[1])
    assert any(path.startswith('pose.pose.orientation') for path in left[1])
    assert not any(path.startswith('pose.pose.orientation') for path in left[2])
    assert left[0] > left[1] > left[2]


def test_what_is_kept_is_kept_within_sequences() -> None:
    name = 'diagnostic_msgs/msg/DiagnosticArray'
    reducer = SelectKind().make(
        name, messages.definition(name), {'keep': 'status.name,header.stamp'}, MAX
    )
    for seed in range(16):
        for cdr in some(name, seed):
            before = [v for path, v in support.fields(name, cdr) if path == 'status.name']
            after = support.fields(name, one(reducer, cdr))
            assert [v for path, v in after if path == 'status.name'] == before
            assert not any(v for path, v in after if path == 'status.message')


@pytest.mark.parametrize('type_name', [n for n in WITH_FLOATS if n in READABLE])
@pytest.mark.parametrize('way', ['mean', 'min', 'max', 'last'])
def test_aggregates_lie_within_their_group(type_name: str, way: str) -> None:
    sizes = support.is_float(type_name)
    for seed in (0, 1, 4, 5):
        options = {'n': '3', 'of': way}
        reducer = AggregateKind().make(type_name, messages.definition(type_name), options, MAX)
        reducer.at(0.0)
        group = some(type_name, seed, 3)
        made = [reducer.reduce(cdr, Level.FULL) for cdr in group]
        assert made[:2] == [None, None]
        assert made[2] is not None
        after = support.fields(type_name, made[2])
        rows = [support.fields(type_name, cdr) for cdr in group]
        for (path, new), *olds in zip(after, *rows, strict=True):
            values = [float(value) for _, value in olds] if path in sizes else []
            numbers = [value for value in values if not math.isnan(value)]
            if path not in sizes or way == 'last':
                assert support.same(new, olds[-1][1])
            elif not numbers:
                assert math.isnan(new)
            elif way == 'mean':
                if math.isnan(new):
                    assert {math.inf, -math.inf} <= set(numbers)
                else:
                    assert min(numbers) <= new <= max(numbers)
            else:
                assert new == (min if way == 'min' else max)(numbers)


def test_a_mean_is_a_mean() -> None:
    name = 'std_msgs/msg/Float64'
    reducer = AggregateKind().make(name, 'float64 data', {'n': '4'}, MAX)
    made = []
    for value in (1.0, 2.0, 4.0, 5.0, 1e308, 1e308, 1.7e308, 1.7e308):
        made.append(reducer.reduce(double(value), Level.FULL))
    (first, second) = [struct.unpack('<d', one[4:])[0] for one in made if one is not None]
    assert first == 3.0
    assert second == pytest.approx(1.35e308)


def test_higher_levels_make_larger_groups_and_time_ends_them() -> None:
    reducer = AggregateKind().make('std_msgs/msg/Float64', 'float64 data', {'n': '2'}, MAX)

    def count(level: Level) -> int:
        made = [reducer.reduce(double(float(i)), level) for i in range(32)]
        return sum(one is not None for one in made)

    reducer.at(5.0)
    assert [count(level) for level in Level] == [16, 8, 4]
    assert reducer.reduce(double(1.0), Level.FULL) is None
    reducer.at(15.5)
    assert reducer.reduce(double(3.0), Level.MINIMAL) == double(2.0)


def test_another_layout_ends_a_group() -> None:
    name = 'std_msgs/msg/Float64MultiArray'
    reducer = AggregateKind().make(name, messages.definition(name), {'n': '10'}, MAX)
    shapes = [array([1.0, 2.0]), array([3.0, 4.0]), array([5.0])]
    made = [reducer.reduce(cdr, Level.FULL) for cdr in shapes]
    assert made == [None, None, array([2.0, 3.0])]


def array(values: list[float]) -> bytes:
    head = struct.pack('<III', 0, 0, len(values)) + bytes(4)
    return b'\0\1\0\0' + head + struct.pack(f'<{len(values)}d', *values)


def double(value: float) -> bytes:
    return b'\0\1\0\0' + struct.pack('<d', value)


def test_a_dead_band_tells_changes_and_says_itself_again() -> None:
    options = {'by': '0.5', 'max_s': '10'}
    reducer = DeadbandKind().make('std_msgs/msg/Float64', 'float64 data', options, MAX)
    said = []
    values = [0.0, 0.4, 0.5, 0.6, 0.2, math.nan, math.nan, 1.0, math.inf, math.inf, -math.inf]
    for index, value in enumerate(values):
        reducer.at(100.0 + 0.01 * index)
        said.append(reducer.reduce(double(value), Level.FULL) is not None)
    assert said == [1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
    reducer.at(109.9)
    assert reducer.reduce(double(-math.inf), Level.FULL) is None
    reducer.at(110.2)
    assert reducer.reduce(double(-math.inf), Level.FULL) is not None
    # A clock that was set back begins anew.
    reducer.at(50.0)
    assert reducer.reduce(double(-math.inf), Level.FULL) is not None
    reducer.at(50.1)
    assert reducer.reduce(double(-math.inf), Level.FULL) is None


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=60),
    st.floats(0.0, 20.0),
    st.sampled_from(list(Level)),
)
def test_whoever_takes_the_last_one_for_now_is_within_the_band(
    values: list[float], band: float, level: Level
) -> None:
    options = {'by': repr(band), 'max_s': '1000'}
    reducer = DeadbandKind().make('std_msgs/msg/Float64', 'float64 data', options, MAX)
    held = math.nan
    for value in values:
        made = reducer.reduce(double(value), level)
        if made is not None:
            (held,) = struct.unpack('<d', made[4:])
        assert abs(held - value) <= band * (1, 2, 4)[level]


@pytest.mark.parametrize('type_name', READABLE)
def test_without_options_any_change_but_a_stamp_s_is_told(type_name: str) -> None:
    text = messages.definition(type_name)
    layout = Layout(type_name, text)
    stamps = {leaf.path for leaf in layout.leaves if leaf.stamp}
    if len(stamps) == len(layout.leaves):
        with pytest.raises(ValueError, match='nothing but a stamp'):
            DeadbandKind().make(type_name, text, {}, MAX)
        return
    for seed in range(8):
        reducer = DeadbandKind().make(type_name, text, {}, MAX)
        last = None
        for cdr in some(type_name, seed, 12):
            values = [e for e in support.fields(type_name, cdr) if e[0].rstrip('#') not in stamps]
            made = reducer.reduce(cdr, Level.FULL)
            if last is None or len(last) != len(values):
                changed = True
            else:
                changed = not all(
                    old == new or (old != old and new != new)
                    for (_, old), (_, new) in zip(last, values, strict=True)
                )
            assert (made is not None) == changed
            if made is not None:
                assert made == cdr
                last = values


def test_only_watched_fields_count_each_with_its_band() -> None:
    name = 'geometry_msgs/msg/Point'
    options = {'fields': 'x:0.1,y', 'by': '2'}
    reducer = DeadbandKind().make(name, messages.definition(name), options, MAX)

    def point(x: float, y: float, z: float) -> bytes:
        return b'\0\1\0\0' + struct.pack('<3d', x, y, z)

    points = [(0, 0, 0), (0.05, 1.9, 99), (0.2, 0, 0), (0.2, 2.5, 0), (0.2, 2.5, 50)]
    said = [reducer.reduce(point(*p), Level.FULL) is not None for p in points]
    assert said == [True, False, True, True, False]
    assert 'x by more than 0.1, y by more than 2' in reducer.output.error


def test_integers_of_eight_bytes_are_compared_exactly() -> None:
    reducer = DeadbandKind().make('std_msgs/msg/Int64', 'int64 data', {}, MAX)
    values = [2**62, 2**62, 2**62 + 1, -(2**63), -(2**63) + 1]
    said = [
        reducer.reduce(b'\0\1\0\0' + struct.pack('<q', value), Level.FULL) is not None
        for value in values
    ]
    assert said == [True, False, True, True, True]


def stamp_places(cdr: bytes, type_name: str) -> list[int]:
    layout = Layout(type_name, messages.definition(type_name))
    seconds = [n for n, leaf in enumerate(layout.leaves) if leaf.stamp and leaf.dtype == 'i4']
    walk = layout.walk(cdr)
    return [4 + place for leaf in seconds for place in walk.positions(leaf, 4).tolist()]


def stamps(cdr: bytes, places: list[int]) -> list[tuple[int, int]]:
    words = struct.Struct('<iI' if cdr[1] else '>iI')
    return [words.unpack_from(cdr, place) for place in places]


@pytest.mark.parametrize('type_name', messages.TYPES)
@pytest.mark.parametrize(('tolerance', 'step_ns'), [('0.0005', 10**6), ('3e-6', 1000)])
def test_stamps_are_rounded_and_nothing_else(type_name: str, tolerance: str, step_ns: int) -> None:
    definition = messages.definition(type_name)
    reducer = StampsKind().make(type_name, definition, {'tolerance': tolerance}, MAX)
    assert reducer.output.times_step_ns == step_ns
    for seed in range(8):
        for cdr in some(type_name, seed):
            places = stamp_places(cdr, type_name)
            made = one(reducer, cdr)
            for before, after in zip(stamps(cdr, places), stamps(made, places), strict=True):
                if before[1] >= 10**9:
                    assert after == before
                    continue
                assert after[1] % step_ns == 0
                assert after[1] < 10**9
                apart = (after[0] - before[0]) * 10**9 + after[1] - before[1]
                assert abs(apart) <= step_ns // 2
            kept = set(range(len(cdr))) - {p + i for p in places for i in range(8)}
            assert len(made) == len(cdr)
            assert all(made[place] == cdr[place] for place in kept)


def test_a_stamp_is_carried_into_its_seconds_and_never_out_of_range() -> None:
    name = 'builtin_interfaces/msg/Time'
    reducer = StampsKind().make(name, messages.definition(name), {}, MAX)

    def rounded(seconds: int, rest: int) -> tuple[int, ...]:
        made = one(reducer, struct.pack('<4siI', b'\0\1\0\0', seconds, rest))
        return struct.unpack('<4xiI', made)

    assert rounded(-7, 1_499_999) == (-7, 1_000_000)
    assert rounded(-7, 999_500_000) == (-6, 0)
    last = (1 << 31) - 1
    assert rounded(last, 999_600_000) == (last, 999_600_000)
    assert rounded(1, 10**9) == (1, 10**9)


KIND_TYPES = (PrecisionKind, DeadbandKind, AggregateKind, SelectKind, StampsKind)
KINDS = (PrecisionKind(), DeadbandKind(), AggregateKind(), SelectKind(), StampsKind())


@pytest.mark.parametrize('kind', KINDS)
@given(st.binary(max_size=64), st.booleans())
def test_no_bytes_do_more_than_be_refused(kind: object, data: bytes, plain: bool) -> None:
    assert isinstance(kind, KIND_TYPES)
    name = 'tf2_msgs/msg/TFMessage'
    options = {'drop': '*'} if isinstance(kind, SelectKind) else {}
    reducer = kind.make(name, messages.definition(name), options, MAX)
    try:
        reducer.reduce((b'\0\1\0\0' if plain else b'') + data, Level.FULL)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ('kind', 'options', 'said'),
    [
        (PrecisionKind(), {'bit': '8'}, 'unknown option bit, did you mean bits?'),
        (PrecisionKind(), {'bits': '8', 'tolerance': '1'}, 'exclude each other'),
        (PrecisionKind(), {'bits': '1'}, 'allowed are 2b to 52b'),
        (PrecisionKind(), {'bits': 'x'}, 'must be a whole number'),
        (PrecisionKind(), {'tolerance': '0'}, 'changes nothing'),
        (PrecisionKind(), {'tolerance': 'inf'}, 'must be a number from 0 on'),
        (PrecisionKind(), {'fields': 'x:'}, 'write PATTERN or PATTERN:VALUE'),
        (DeadbandKind(), {'by': '-1'}, 'must be a number from 0 on'),
        (DeadbandKind(), {'max_s': '0'}, 'allowed is 0.01 to 3600'),
        (AggregateKind(), {'n': '1'}, 'allowed is 2 to 10000'),
        (AggregateKind(), {'of': 'median'}, 'allowed is mean, min, max, last'),
        (AggregateKind(), {'fields': 'x:1'}, 'patterns have no value here'),
        (StampsKind(), {'tolerance': '1'}, 'tolerance=1: '),
        (StampsKind(), {'tolerance': '0'}, 'tolerance=0: '),
        (SelectKind(), {}, 'needs keep or drop'),
        (SelectKind(), {'keep': 'a', 'drop': 'b'}, 'takes one of them'),
    ],
)
def test_a_wrong_option_is_one_line_that_helps(
    kind: PrecisionKind, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said.replace('?', r'\?')) as raised:
        kind.check(options)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('kind', 'type_name', 'options', 'said'),
    [
        (PrecisionKind(), 'std_msgs/msg/String', {}, 'has no floating-point field'),
        (
            PrecisionKind(),
            'geometry_msgs/msg/Point',
            {'fields': 'w'},
            'w matches no floating-point field; there are: x, y, z',
        ),
        (SelectKind(), 'geometry_msgs/msg/Point', {'keep': '*'}, 'keeps every field'),
        (AggregateKind(), 'std_msgs/msg/String', {}, 'has no floating-point field'),
    ],
)
def test_a_type_that_does_not_fit_is_said(
    kind: PrecisionKind, type_name: str, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        kind.make(type_name, messages.definition(type_name), options, MAX)
