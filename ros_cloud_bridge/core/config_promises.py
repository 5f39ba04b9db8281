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


"""Checks across keys: what streams are promised must fit the limits, and each other."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from ros_cloud_bridge.core.config_fields import MAX_DASHBOARD_ROOT_LEVELS
from ros_cloud_bridge.core.config_table import BLACK_BOXES, STREAMS
from ros_cloud_bridge.core.ladder_steps import LEVELS, parse_step
from ros_cloud_bridge.values import Confirm, Keep, SpoolConfig

# The longest month: a budget is promised to last in each.
_MONTH_S = 31 * 86400.0
_MB = 1e6
_DURABLE_KEYS = ('ttl_s', 'confirm', 'confirm_by', 'when_full', 'backlog_order', 'spool_bytes')
# What stands at its default counts as not given: a run-time parameter is always declared.
_DEFAULTS = {field.key: field.default for field in STREAMS.by_key.values()}


def broken_promises(
    values: Mapping[str, object], names: Mapping[str, Sequence[str]], wrong: Collection[str]
) -> Iterator[tuple[str, str]]:
    """
    Find what streams ask for and cannot get.

    :param values: checked values by full key; defaults left out
    :param names: the streams' by ``stream``, the black boxes' by ``black_box``
    :param wrong: keys that were refused already; what depends on them is not judged
    :returns: key and problem of each
    """
    streams = names[STREAMS.section]
    yield from _guarantees(values, streams)
    for name in streams:
        prefix = f'{STREAMS.section}.{name}.'
        yield from _ladder(values, prefix)
        yield from _demand(values, prefix)
        yield from _keep(values, prefix, wrong)
        yield from _dashboard(values, prefix, wrong)
    for name in names[BLACK_BOXES.section]:
        prefix = f'{BLACK_BOXES.section}.{name}.'
        yield from _span(values, prefix)
        yield from _confirmation(values, prefix, wrong)


def _guarantees(values: Mapping[str, object], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    promised = sum(_number(values, f'stream.{name}.min_bytes_per_s') for name in names)
    limit = _number(values, 'link.max_bytes_per_s')
    if limit and promised > limit:
        yield (
            'link.max_bytes_per_s',
            f'{limit:g} bytes/s is below the sum of all min_bytes_per_s, {promised:g} bytes/s',
        )
    budget = _number(values, 'link.monthly_budget_mb')
    needed = promised * _MONTH_S / _MB
    if budget and needed > budget:
        yield (
            'link.monthly_budget_mb',
            f'{budget:g} MB is below what all min_bytes_per_s take in a month: {promised:g} '
            f'bytes/s make {needed:.0f} MB',
        )


def _ladder(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    ladder = values.get(f'{prefix}ladder', ())
    assert isinstance(ladder, tuple)
    hz = _number(values, f'{prefix}max_hz') or float('inf')
    level = 0
    for text in ladder:
        step = parse_step(text)
        if step.level is not None:
            if not values.get(f'{prefix}reducer'):
                yield f'{prefix}ladder', f"'{text}' needs a reducer; give {prefix}reducer"
                return
            if LEVELS.index(step.level) <= level:
                yield f'{prefix}ladder', f"'{text}' takes no more than the steps before it"
                return
            level = LEVELS.index(step.level)
        if step.max_hz is None:
            continue
        if step.max_hz >= hz:
            yield (
                f'{prefix}ladder',
                f"'{text}' does not lower the rate: it is {hz:g} Hz before that step",
            )
            return
        hz = step.max_hz


def _demand(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    idle_hz = _number(values, f'{prefix}idle_hz')
    if not values.get(f'{prefix}on_demand'):
        if idle_hz:
            yield f'{prefix}idle_hz', 'is given without on_demand: true'
        return
    if not values.get('demand.allow'):
        yield f'{prefix}on_demand', 'is true, but demand.allow names nobody who may ask for it'
    max_hz = _number(values, f'{prefix}max_hz')
    if max_hz and idle_hz > max_hz:
        yield f'{prefix}idle_hz', f'{idle_hz:g} Hz is above max_hz, {max_hz:g} Hz'


def _keep(
    values: Mapping[str, object], prefix: str, wrong: Collection[str]
) -> Iterator[tuple[str, str]]:
    if f'{prefix}keep' in wrong:
        return
    keep = values.get(f'{prefix}keep', _DEFAULTS['keep'])
    key = values.get(f'{prefix}key', _DEFAULTS['key'])
    if key != _DEFAULTS['key'] and keep != Keep.LATEST.value:
        yield f'{prefix}key', f"'{key}' needs keep: latest; keep is {keep}"
    if keep == Keep.DURABLE.value:
        yield from _durable(values, prefix)
        yield from _confirmation(values, prefix, wrong)
        return
    for leaf in _DURABLE_KEYS:
        value = values.get(f'{prefix}{leaf}', _DEFAULTS[leaf])
        if value != _DEFAULTS[leaf]:
            yield f'{prefix}{leaf}', f'{_shown(value)} needs keep: durable; keep is {keep}'


def _durable(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    if max_age_s := _number(values, f'{prefix}max_age_s'):
        yield (
            f'{prefix}max_age_s',
            f'{max_age_s:g} s is for what waits in memory; a durable sample expires by ttl_s',
        )
    if values.get(f'{prefix}on_demand'):
        yield (
            f'{prefix}on_demand',
            'is true, but keep is durable: what nobody leases would not be kept; give one of them',
        )


def _span(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    if values.get(f'{prefix}before_s') == 0 and values.get(f'{prefix}after_s') == 0:
        yield f'{prefix}after_s', 'is 0, and before_s too: a trigger would send nothing'


def _confirmation(
    values: Mapping[str, object], prefix: str, wrong: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Check who confirms, and the room on disk until then."""
    consumer = values.get(f'{prefix}confirm') == Confirm.CONSUMER.value
    name = values.get(f'{prefix}confirm_by', '')
    if consumer and not name and f'{prefix}confirm_by' not in wrong:
        yield f'{prefix}confirm', "'consumer' needs confirm_by, the name of the consumer"
    if name and not consumer and f'{prefix}confirm' not in wrong:
        yield f'{prefix}confirm_by', f"'{name}' needs confirm: consumer; confirm is broker"
    spool = values.get('spool.max_bytes', SpoolConfig().max_bytes)
    own = _number(values, f'{prefix}spool_bytes')
    assert isinstance(spool, int)
    if own > spool:
        yield f'{prefix}spool_bytes', f'{own:.0f} bytes are above spool.max_bytes, {spool} bytes'


def _dashboard(
    values: Mapping[str, object], prefix: str, wrong: Collection[str]
) -> Iterator[tuple[str, str]]:
    if f'{prefix}dashboard_hz' in wrong:
        return
    if f'{prefix}dashboard_hz' not in values:
        # A 0 that is written there may be meant: it can be set while the bridge runs.
        for leaf in ('dashboard_fields', 'dashboard_form'):
            if values.get(f'{prefix}{leaf}', _DEFAULTS[leaf]) != _DEFAULTS[leaf]:
                yield f'{prefix}{leaf}', 'needs dashboard_hz, which is 0'
    if not values.get(f'{prefix}dashboard_hz'):
        return
    root = str(values.get('root', ''))
    if root.count('/') >= MAX_DASHBOARD_ROOT_LEVELS:
        yield (
            f'{prefix}dashboard_hz',
            f"needs a root of at most {MAX_DASHBOARD_ROOT_LEVELS} levels; root is '{root}'",
        )


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else f'{value:.15g}'


def _number(values: Mapping[str, object], key: str) -> float:
    value = values.get(key, 0.0)
    assert isinstance(value, (int, float))
    return float(value)
