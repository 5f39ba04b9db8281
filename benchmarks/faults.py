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
Break what can break around a real bridge, and reckon where each committed sample is.

Every scenario runs the bridge, a publisher, mosquitto and a durable consumer as processes, with a
proxy between bridge and broker, and ends with an exact reckoning from three witnesses: the
publisher's count, the spool's file and the consumer's file. Exits with 1 when anything is
unaccounted for. ``confirm: broker`` promises less; what it loses is measured.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import sys
import time
import traceback

from fault_answers import SCENARIOS as ANSWERS
from fault_base import DEFAULT_FACTOR, Missing, Options, Result, Scenario
from fault_disks import SCENARIOS as DISKS
from fault_kills import SCENARIOS as KILLS
from fault_outages import SCENARIOS as OUTAGES
from tables import machine, table

SCENARIOS: dict[str, Scenario] = {**OUTAGES, **KILLS, **DISKS, **ANSWERS}
QUICK = ('kill_bridge', 'kill_consumer', 'broker_restart_memory', 'refuse_0x87')
_COLUMNS = (
    'published',
    'received',
    'accepted',
    'committed',
    'arrived',
    'delivered',
    'expired',
    'refused',
    'spool_full',
    'damaged',
    'not_committed',
    'spooled',
    'unaccounted',
    'unbalanced',
    'twice',
    'disorder',
    'corrupt',
    'incomplete',
)


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario and what became of it; without a result ``problem`` says why."""

    scenario: str
    seconds: float
    result: Result | None
    problem: str = ''


def run(name: str, options: Options) -> Row:
    """
    Run a scenario.

    :param name: which
    :param options: how
    :returns: the row
    """
    begin = time.monotonic()
    try:
        outcome = SCENARIOS[name](options)
    except Missing as missing:
        return Row(name, 0.0, None, f'left out: {missing}')
    except (AssertionError, OSError) as error:
        traceback.print_exc()
        return Row(name, time.monotonic() - begin, None, f'failed: {error}')
    return Row(name, time.monotonic() - begin, outcome)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the scenarios that are asked for, and print the table.

    :param argv: arguments; those of the process when left out
    :returns: 1 when a sample is unaccounted for or a scenario failed, 2 when something is missing
    """
    args = _arguments(argv)
    options = Options(
        seed=args.seed,
        rounds=args.rounds,
        confirm=args.confirm,
        factor=args.factor,
        quick=args.quick,
    )
    names = args.scenario or (QUICK if args.quick else SCENARIOS)
    print(f'seed {args.seed}, confirm: {args.confirm}, minutes divided by {args.factor:g}\n')
    rows = []
    for name in names:
        row = run(name, options)
        rows.append(row)
        print(_told(row), flush=True)
    print(f'\n{_table(rows)}')
    if args.json is not None:
        document = {
            'machine': machine(),
            'options': asdict(options),
            'scenarios': [_document(row) for row in rows],
        }
        args.json.write_text(json.dumps(document, indent=1), encoding='utf-8')
    return 0 if all(_passed(row, args.confirm) for row in rows) else 1


def _passed(row: Row, confirm: str) -> bool:
    if row.result is None:
        return row.problem.startswith('left out')
    reckoning = row.result.reckoning
    if confirm == 'broker' or row.result.told:
        # What the broker or the disk lost is lost; the bridge's own books must still be right.
        return not (reckoning.unbalanced or reckoning.twice or reckoning.corrupt)
    return reckoning.sound


def _told(row: Row) -> str:
    if row.result is None:
        return f'{row.scenario}: {row.problem}'
    notes = ', '.join(f'{name} {value}' for name, value in row.result.notes.items())
    lines = [f'{row.scenario}: {row.result.faults} faults in {row.seconds:.0f} s; {notes}']
    lines += [f'  {finding}' for finding in row.result.findings[:10]]
    return '\n'.join(lines)


def _table(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        if row.result is None:
            lines.append([row.scenario, '-', *('-' for _ in _COLUMNS)])
            continue
        figures = row.result.reckoning.as_json()
        faults = str(row.result.faults)
        lines.append([row.scenario, faults, *(str(figures[name]) for name in _COLUMNS)])
    return table(['scenario', 'faults', *_COLUMNS], lines)


def _document(row: Row) -> dict[str, object]:
    found = row.result
    return {
        'scenario': row.scenario,
        'seconds': round(row.seconds, 1),
        'problem': row.problem,
        'faults': found.faults if found else 0,
        'reckoning': found.reckoning.as_json() if found else None,
        'notes': found.notes if found else {},
        'told': found.told if found else False,
        'findings': found.findings if found else [],
    }


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n\n')[0].strip())
    parser.add_argument('--quick', action='store_true', help='a minute, for trying')
    parser.add_argument(
        '--scenario',
        action='append',
        choices=sorted(SCENARIOS),
        metavar='NAME',
        help=f'may be repeated; one of {", ".join(SCENARIOS)}',
    )
    parser.add_argument('--seed', type=int, default=1, help='of all that is random')
    parser.add_argument('--rounds', type=int, default=0, help='faults per scenario')
    parser.add_argument('--confirm', choices=('broker', 'consumer'), default='consumer')
    parser.add_argument(
        '--factor',
        type=float,
        default=DEFAULT_FACTOR,
        help='what the minutes of the offline/online matrix are divided by',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    return parser.parse_args(argv)


if __name__ == '__main__':
    sys.exit(main())
