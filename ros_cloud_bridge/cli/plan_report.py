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

"""What a dry run comes to: a JSON-able document, and its text."""

from collections.abc import Iterable, Sequence
import math
from typing import Any

from ros_cloud_bridge.cli.plan_feed import TopicRun
from ros_cloud_bridge.cli.plan_run import Run
from ros_cloud_bridge.core.link_bytes import SEGMENT_HEADER_BYTES
from ros_cloud_bridge.simulation.bridge import Sent
from ros_cloud_bridge.simulation.link import ACK_BYTES

MONTH_S = 365.25 / 12 * 86400
_MB = 1e6
_GB = 1e9
_HEADS = (
    'topic', 'stream', 'in', 'sent', 'left', 'kB', 'of CDR', 'p50 ms', 'p95 ms', 'max ms',
    'dropped',
)  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float | None:
    """
    Take a percentile, the nearest rank.

    :param values: any order
    :param share: 0.5 for the median
    :returns: one of the values; None when there is none
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def document(run: Run) -> dict[str, Any]:
    """
    Sum a dry run up.

    :param run: it
    :returns: JSON-able; ages in milliseconds, from publication to the decoded sample
    """
    bridge, link = run.bridge, run.link
    wire = _wire_bytes(run)
    said = [sent for sent in bridge.sent if not sent.shares]
    shown = [sent.cost.link_bytes for sent in said if '/d/' in sent.topic]
    seconds = max(run.seconds, 1e-9)
    return {
        'seconds': round(run.seconds, 3),
        'algorithm': run.config.link.algorithm.value,
        'topics': [_topic(run, topic, wire) for topic in run.topics],
        'announced_bytes': sum(sent.cost.link_bytes for sent in said),
        'dashboard_bytes': sum(shown),
        'link': {
            'rates_kbit': [(at, rate / 125) for at, rate in link.profile.rates],
            'delay_s': link.profile.delay_s,
            'jitter_s': link.profile.jitter_s,
            'bytes': link.carried_bytes(0.0, run.seconds),
            'bytes_per_s': link.carried_bytes(0.0, run.seconds) / seconds,
            'acknowledgement_bytes': ACK_BYTES * link.lone_acknowledgements,
            'use': _use(run, 0.0, run.seconds),
            'busiest_s_use': max((_use(run, at, at + 1.0) for at in _starts(run)), default=0.0),
        },
        'limited_by': {
            limit: spent / seconds for limit, spent in sorted(bridge.limited_s.items())
        },
        'ladder': [{'at_s': round(at, 1), 'text': change.text} for at, change in bridge.steps],
        'month': _month(run),
        'besides_bytes_per_s': _besides(run),
        'not_bridged': run.problems,
    }


def _topic(run: Run, topic: TopicRun, wire: dict[int, float]) -> dict[str, Any]:
    route = topic.route
    arrivals = run.bridge.arrivals.get(route.number, [])
    ages = [1000 * one.age_s for one in arrivals]
    arrived = sum(one.size for one in arrivals)
    size = wire.get(route.number, 0.0)
    return {
        'topic': route.topic,
        'stream': route.stream.name,
        'type': route.type_name,
        'priority': route.stream.priority.name.lower(),
        'published': topic.messages,
        'published_bytes': topic.bytes,
        'sent': len(arrivals),
        'left': len(route) + route.in_flight,
        'dropped': {drop.name.lower(): count for drop, count in route.drops.items() if count},
        'wire_bytes': round(size),
        'wire_per_cdr': size / arrived if arrived else None,
        'age_ms': {
            'p50': percentile(ages, 0.5),
            'p95': percentile(ages, 0.95),
            'max': max(ages, default=None),
        },
    }


def _wire_bytes(run: Run) -> dict[int, float]:
    found: dict[int, float] = {}
    for sent in run.bridge.sent:
        for route, share in sent.shares:
            size = share * sent.cost.link_bytes
            found[route.number] = found.get(route.number, 0.0) + size
    return found


def _use(run: Run, begin: float, end: float) -> float:
    capacity = run.link.capacity(begin, end)
    # A message counts where it ends, which may be beyond a step of the link.
    return min(1.0, run.link.carried_bytes(begin, end) / capacity) if capacity else 0.0


def _starts(run: Run) -> Iterable[float]:
    return (index / 2 for index in range(max(0, math.floor(2 * run.seconds) - 1)))


def _month(run: Run) -> dict[str, Any]:
    """Project what a carrier counts; what is said once, at the start, is left out."""
    seen: set[str] = set()
    counted = run.link.lone_acknowledgements * SEGMENT_HEADER_BYTES
    for sent in run.bridge.sent:
        counted += 0 if _once(sent, seen) else sent.cost.metered_bytes
    budget = run.config.link.monthly_budget_mb * _MB
    total = counted / max(run.seconds, 1e-9) * MONTH_S
    return {
        'bytes': round(total),
        'budget_bytes': round(budget) or None,
        'budget_bytes_per_s': budget / MONTH_S if budget else None,
    }


def _besides(run: Run) -> dict[str, float]:
    """Tell what the bridge says of itself again and again, on the link and by the meter."""
    seen: set[str] = set()
    again = [sent.cost for sent in run.bridge.sent if not sent.shares and not _once(sent, seen)]
    seconds = max(run.seconds, 1e-9)
    return {
        'link': sum(cost.link_bytes for cost in again) / seconds,
        'metered': sum(cost.metered_bytes for cost in again) / seconds,
    }


def _once(sent: Sent, seen: set[str]) -> bool:
    if sent.shares or sent.topic.endswith('/health') or sent.topic in seen:
        return False
    seen.add(sent.topic)
    return True


def text(found: dict[str, Any]) -> str:
    """
    Write a document as text.

    :param found: as :func:`document` gives it
    :returns: lines
    """
    rows = [_row(topic) for topic in found['topics']]
    lines = table(_HEADS, rows, (0, 1, len(_HEADS) - 1)) if rows else ['nothing of it is bridged']
    lines += ['', *_facts(found)]
    return '\n'.join(lines)


def _row(topic: dict[str, Any]) -> list[str]:
    ages = topic['age_ms']
    dropped = ', '.join(f'{count} {reason}' for reason, count in topic['dropped'].items())
    ratio = topic['wire_per_cdr']
    return [
        topic['topic'],
        f'{topic["stream"]} ({topic["priority"]})',
        str(topic['published']),
        str(topic['sent']),
        str(topic['left']),
        f'{topic["wire_bytes"] / 1000:.1f}',
        '-' if ratio is None else f'{100 * ratio:.0f} %',
        *('-' if ages[key] is None else f'{ages[key]:.0f}' for key in ('p50', 'p95', 'max')),
        dropped or '-',
    ]


def _facts(found: dict[str, Any]) -> list[str]:
    link, limited, shown = found['link'], found['limited_by'], found['dashboard_bytes']
    facts = [
        (
            'link',
            f'{100 * link["use"]:.1f} % used ({link["bytes_per_s"] * 8 / 1000:.1f} kbit/s '
            f'with all headers), {100 * link["busiest_s_use"]:.0f} % in the busiest second',
        ),
        (
            'besides',
            f'announcements and health {(found["announced_bytes"] - shown) / 1000:.1f} kB, '
            f'{f"dashboards {shown / 1000:.1f} kB, " if shown else ""}'
            f"TCP's acknowledgements {link['acknowledgement_bytes'] / 1000:.1f} kB",
        ),
        (
            'limited by',
            ', '.join(
                f'{name} {100 * share:.0f} %'
                for name, share in sorted(limited.items(), key=lambda item: -item[1])
                if share >= 0.005
            )
            or '-',
        ),
        ('a month', _month_text(found['month'])),
    ]
    steps = found['ladder']
    facts += [('ladder', f'{step["at_s"]:.1f} s: {step["text"]}') for step in steps]
    facts += [('not bridged', f'{topic}: {why}') for topic, why in found['not_bridged'].items()]
    return [f'{name:<12}{fact}' for name, fact in facts]


def _month_text(month: dict[str, Any]) -> str:
    size, budget = month['bytes'], month['budget_bytes']
    said = f'{size / _GB:.2f} GB if it goes on like this day and night'
    if budget is None:
        return said
    said += f'; the budget of {budget / _GB:.2f} GB '
    if size <= budget:
        return said + f'covers it ({100 * size / budget:.0f} %)'
    hours = 24 * budget / size
    return said + f'lasts for {hours:.1f} h a day, then the bridge slows down'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """
    Lay out a table.

    :param heads: of its columns
    :param rows: cells
    :param left: columns that begin at the left
    :returns: lines
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        laid = (
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return '  '.join(laid).rstrip()

    return [line(heads), line(['-' * width for width in widths]), *map(line, rows)]
