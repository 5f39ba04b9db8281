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

"""The table of keys as Markdown, for docs/configuration.md and ``check-config --keys``."""

from collections.abc import Iterable

from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.core.config_table import FIELDS, GROUPS

_HEAD = (
    '| key | type | default | allowed | changes at run time | meaning |',
    '|---|---|---|---|---|---|',
)


def key_tables() -> str:
    """
    Write every key.

    :returns: Markdown: a table of the bridge's keys, one of a stream's, and so on
    """
    lines = [key_table(FIELDS)]
    for group in GROUPS:
        below = f'Below `{group.section}.NAME.`, for each NAME in `{group.names_key}`:'
        lines += ['', below, '', *_HEAD, *map(_row, group.by_key.values())]
    return '\n'.join(lines)


def key_table(fields: Iterable[Field]) -> str:
    """
    Write keys as one table.

    :param fields: the keys
    :returns: Markdown
    """
    return '\n'.join((*_HEAD, *map(_row, fields)))


def _row(field: Field) -> str:
    changes = 'yes' if field.run_time else ''
    numeric = field.kind in (Kind.INTEGER, Kind.NUMBER)
    allowed = field.allowed if field.choices or numeric else ''
    if field.zero_means and field.low == 0:
        allowed = f'{allowed}; 0: {field.zero_means}'
    cells = (f'`{field.key}`', field.kind.value, _default(field), allowed, changes, field.help)
    return '| ' + ' | '.join(cells) + ' |'


def _default(field: Field) -> str:
    if field.default in ('', ()):
        return ''
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, float):
        return f'{field.default:g}'
    return str(field.default)
