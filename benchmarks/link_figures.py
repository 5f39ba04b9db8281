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

"""What the runs over a link come to: figures per phase, by name, and the tables of them."""

from bisect import bisect_right
from collections.abc import Sequence
import statistics
from typing import Any

from children import percentile
from link_load import POSE
from link_record import Mark, Run
from link_scenarios import lead_topic, Phase
from tables import number, table

_NS = 1e9
_STALE_STEP_NS = 20_000_000
_BIN_NS = 500_000_000
_OPEN_SHARE = 0.9
_OPEN_WINDOW_S = 1.0


def figures(run: Run) -> list[dict[str, Any]]:
    """
    Sum a run up.

    :param run: what was seen
    :returns: per phase its figures; those of rates and ages leave out the time after the step,
        but for those named ``…all…``
    """
    result = []
    previous_kbit: float | None = None
    for phase, marks in zip(run.scenario.phases, run.marks, strict=True):
        entry = _phase(run, phase, marks)
        if previous_kbit is not None and phase.rate_kbit > previous_kbit:
            entry['open_s'] = _open_s(run, phase, marks)
        previous_kbit = phase.rate_kbit
        result.append(entry)
    return result


def _phase(run: Run, phase: Phase, marks: tuple[Mark, Mark, Mark]) -> dict[str, Any]:
    first, settled, last = marks
    begin, end = settled.time_ns, last.time_ns
    seconds = (end - begin) / _NS
    capacity = phase.rate_kbit * 1000 / 8 * seconds
    payload = {
        robot: sum(size for who, at, size in run.messages if who == robot and begin <= at < end)
        for robot in run.scenario.robots
    }
    cdr = sum(size for _, _, at, _, size in run.samples if begin <= at < end)
    sockets = [float(waiting) for at, _, waiting in run.usage if begin <= at < end]
    # A second robot may come only later.
    started = {robot for robot, at, *_ in run.messages if at < end} | {run.scenario.robots[0]}
    demand = run.scenario.load.demand_bytes_per_s
    return {
        'label': phase.label,
        'rate_kbit': phase.rate_kbit,
        'seconds': seconds,
        'overload': demand and demand * 8 / (phase.rate_kbit * 1000),
        'shaper_share': (last.sent_bytes - settled.sent_bytes) / capacity,
        'shaper_dropped': last.dropped_packets - first.dropped_packets,
        'payload_share': sum(payload.values()) / capacity,
        'payload_bytes_per_s': {robot: size / seconds for robot, size in payload.items()},
        'fairness': _fairness(payload),
        'cdr_bytes_per_s': cdr / seconds,
        'cpu_share': (last.cpu_s - settled.cpu_s) / seconds,
        'socket_p50_bytes': percentile(sockets, 0.5),
        'socket_max_bytes': max(sockets, default=None),
        'in_flight_bytes': _in_flight(run, begin, end),
        'behind_bytes': _behind(run, last),
        'greedy_kbit': _greedy_kbit(run, begin, end),
        'topics': {
            f'{robot}{topic}' if len(run.scenario.robots) > 1 else topic: _topic(
                run, robot, topic, marks
            )
            for robot in run.scenario.robots
            for topic, _ in run.scenario.load.topics
            if robot in started
        },
    }


def _topic(
    run: Run, robot: str, topic: str, marks: tuple[Mark, Mark, Mark]
) -> dict[str, float | None]:
    first, begin, end = (mark.time_ns for mark in marks)
    seen = [(at, age) for who, name, at, age, _ in run.samples if (who, name) == (robot, topic)]
    ages = [age / 1e6 for at, age in seen if begin <= at < end]
    ages_all = [age / 1e6 for at, age in seen if first <= at < end]
    published: int | None = None
    if run.published is not None:
        times = [at for name, at, _ in run.published.get(robot, ()) if name == topic]
        published = sum(begin <= at < end for at in times)
    size = sum(
        size
        for who, name, at, _, size in run.samples
        if (who, name) == (robot, topic) and begin <= at < end
    )
    return {
        'cdr_bytes_per_s': size / ((end - begin) / _NS),
        'p50_ms': percentile(ages, 0.5),
        'p95_ms': percentile(ages, 0.95),
        'p99_ms': percentile(ages, 0.99),
        'p95_all_ms': percentile(ages_all, 0.95),
        'max_all_ms': max(ages_all, default=None),
        'stale_p95_ms': _stale_ms(seen, begin, end),
        'delivered': len(ages),
        'published': published,
    }


def _stale_ms(seen: Sequence[tuple[int, int]], begin: int, end: int) -> float | None:
    """
    Tell how old the newest sample in the cloud was, 95 % of the time.

    Ages of what arrives say nothing on what does not: this grows with every sample left out.
    """
    return percentile([value for _, value in _stale(seen, begin, end)], 0.95)


def _stale(seen: Sequence[tuple[int, int]], begin: int, end: int) -> list[tuple[int, float]]:
    """Give the age of the newest sample in the cloud over time, ms."""
    # The newest publication that was known from each arrival on.
    arrivals, newest = [], []
    best = 0
    for at, age in sorted(seen):
        best = max(best, at - age)
        arrivals.append(at)
        newest.append(best)
    values = []
    for now in range(begin, end, _STALE_STEP_NS):
        index = bisect_right(arrivals, now) - 1
        if index >= 0:
            values.append((now, (now - newest[index]) / 1e6))
    return values


def _fairness(payload: dict[str, int]) -> float | None:
    if len(payload) < 2 or not min(payload.values()):
        return None
    return min(payload.values()) / max(payload.values())


def _in_flight(run: Run, begin: int, end: int) -> float | None:
    values = [
        document.get('link', {}).get('in_flight_bytes')
        for _, at, document in run.health
        if begin <= at < end
    ]
    known = [float(value) for value in values if value is not None]
    return statistics.median(known) if known else None


def _behind(run: Run, mark: Mark) -> float | None:
    """Tell how many bytes a peer's MQTT client had got that had not arrived."""
    if mark.handed_bytes is None:
        return None
    return mark.handed_bytes - sum(size for _, at, size in run.messages if at < mark.time_ns)


def _greedy_kbit(run: Run, begin: int, end: int) -> float | None:
    if not run.greedy:
        return None
    size = sum(size for at, size in run.greedy if begin <= at < end)
    return size * 8 / 1000 / ((end - begin) / _NS)


def _open_s(run: Run, phase: Phase, marks: tuple[Mark, Mark, Mark]) -> float | None:
    """Tell after what time a whole second is used to 90 %; None when that never is."""
    start, end = marks[0].time_ns, marks[2].time_ns
    usage = [(at, left) for at, left, _ in run.usage if start <= at <= end]
    times = [at for at, _ in usage]
    wanted = _OPEN_SHARE * phase.rate_kbit * 1000 / 8
    for at, left in usage:
        index = bisect_right(times, at + int(_OPEN_WINDOW_S * _NS))
        if index == len(usage):
            return None
        later, left_later = usage[index]
        if (left_later - left) / ((later - at) / _NS) >= wanted:
            return (at - start) / _NS
    return None


def summary_table(results: Sequence[dict[str, Any]]) -> str:
    """
    Write the table of one scenario's subjects.

    :param results: of one scenario: ``subject``, ``lead`` and ``phases`` each
    :returns: lines
    """
    heads = ['subject, phase', 'p50 ms', 'p95', 'p99', 'p95 all', 'stale p95', 'arrived']
    heads += ['shaper %', 'payload %', 'CDR KB/s', 'socket KB', 'behind KB', 'dropped', 'CPU %']
    optional = {
        'in_flight_bytes': ('in flight KB', 1e-3, 1),
        'open_s': ('to 90 % s', 1.0, 1),
        'fairness': ('fairness', 1.0, 2),
        'greedy_kbit': ('TCP kbit/s', 1.0, 0),
    }
    phases = [phase for result in results for phase in result['phases']]
    used = [name for name in optional if any(phase.get(name) is not None for phase in phases)]
    heads += [optional[name][0] for name in used]
    rows = []
    for result in results:
        for phase in result['phases']:
            extra = []
            for name in used:
                _, factor, digits = optional[name]
                value = phase.get(name)
                extra.append(number(None if value is None else value * factor, digits))
            rows += [cells + extra for cells in _rows(result, phase)]
    return table(heads, rows)


def _rows(result: dict[str, Any], phase: dict[str, Any]) -> list[list[str]]:
    """Give a row per robot: ages and payload are its own, the rest the link's or everybody's."""
    rows = []
    capacity = phase['rate_kbit'] * 1000 / 8
    for robot, bytes_per_s in phase['payload_bytes_per_s'].items():
        several = len(phase['payload_bytes_per_s']) > 1
        lead = phase['topics'].get(f'{robot}{result["lead"]}' if several else result['lead'])
        if lead is None:
            continue
        cells = [f'{result["subject"]}  {phase["label"]}' + (f'  {robot}' if several else '')]
        cells += _ages(lead)
        cells += [number(100 * phase['shaper_share'], 1), number(100 * bytes_per_s / capacity, 1)]
        cells += [_kilo(phase[n]) for n in ('cdr_bytes_per_s', 'socket_p50_bytes')]
        cells += [_kilo(phase['behind_bytes']), number(phase['shaper_dropped'])]
        rows.append([*cells, number(100 * phase['cpu_share'], 1)])
    return rows


def _ages(topic: dict[str, Any]) -> list[str]:
    names = ('p50_ms', 'p95_ms', 'p99_ms', 'p95_all_ms', 'stale_p95_ms')
    cells = [number(topic[name]) for name in names]
    return [*cells, f'{topic["delivered"]}/{number(topic["published"])}']


def topics_table(results: Sequence[dict[str, Any]]) -> str:
    """
    Write the table of the ages per topic.

    :param results: of one scenario, as above
    :returns: lines
    """
    heads = ['subject, phase, topic', 'p50 ms', 'p95', 'p99', 'p95 all', 'stale p95', 'arrived']
    heads.append('CDR KB/s')
    rows = []
    for result in results:
        for phase in result['phases']:
            for name, topic in phase['topics'].items():
                label = f'{result["subject"]}  {phase["label"]}  {name}'
                rows.append([label, *_ages(topic), _kilo(topic['cdr_bytes_per_s'])])
    return table(heads, rows)


def _kilo(value: float | None) -> str:
    return number(None if value is None else value / 1e3, 1)


def timeline(run: Run) -> dict[str, Any]:
    """
    Give what the plot shows, in seconds since the first phase began.

    :param run: what was seen
    :returns: phases; of the lead topic per robot, ages on arrival and of the newest in the cloud;
        rates; the latter two in steps of half a second
    """
    zero, end = run.marks[0][0].time_ns, run.marks[-1][2].time_ns
    lead = lead_topic(run.scenario.load)
    ages = {
        robot: [
            (round((at - zero) / _NS, 3), round(age / 1e6, 1))
            for who, topic, at, age, _ in run.samples
            if (who, topic) == (robot, lead)
        ]
        for robot in run.scenario.robots
    }
    stale = {}
    for robot in run.scenario.robots:
        seen = [(s[2], s[3]) for s in run.samples if s[:2] == (robot, lead)]
        worst: dict[float, float] = {}
        for at, value in _stale(seen, zero, end):
            key = (at - zero) // _BIN_NS * _BIN_NS / _NS
            worst[key] = round(max(worst.get(key, 0.0), value), 1)
        stale[robot] = [(start + _BIN_NS / _NS / 2, value) for start, value in worst.items()]
    rates = []
    bins = run.usage[::5]
    for (at, left, _), (later, left_later, _) in zip(bins, bins[1:], strict=False):
        kbit = (left_later - left) * 8 / 1000 / ((later - at) / _NS)
        rates.append((round(((at + later) / 2 - zero) / _NS, 3), round(kbit, 1)))
    phases = [
        {
            'label': phase.label,
            'rate_kbit': phase.rate_kbit,
            'start_s': (marks[0].time_ns - zero) / _NS,
            'end_s': (marks[2].time_ns - zero) / _NS,
        }
        for phase, marks in zip(run.scenario.phases, run.marks, strict=True)
    ]
    return {
        'lead': 'pose' if lead == POSE else lead,
        'phases': phases,
        'ages_ms': ages,
        'stale_ms': stale,
        'rates_kbit': rates,
    }
