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
What codecs make of recordings: bytes and processor time, part by part.

Each part is a module of its own, listed in ``PARTS``: it prints tables and returns every figure.
"""

import argparse
from collections.abc import Callable, Sequence
import json
import os
from pathlib import Path
import sys
from typing import Any

import codec_lossless
from tables import machine

Part = Callable[[Sequence[Path], bool], tuple[str, dict[str, Any]]]

# Takes the recordings and whether to be quick; gives text and JSON-able figures.
PARTS: dict[str, Part] = {'lossless': codec_lossless.run}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    parser.add_argument('--quick', action='store_true', help='small recordings, at 1 s alone')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure there')
    parser.add_argument('--part', nargs='+', choices=PARTS, help='default: all')
    parser.add_argument(
        'files', type=Path, nargs='*', help='MCAP files; default: those in RCB_RECORDINGS'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status
    """
    args = parse(argv)
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    folder = Path(os.environ.get('RCB_RECORDINGS', beside))
    paths = args.files or sorted(folder.glob('*.mcap'))
    if not paths:
        print(f'no recordings in {folder}: set RCB_RECORDINGS', file=sys.stderr)
        return 2
    document: dict[str, Any] = {'quick': args.quick, 'machine': machine()}
    for name in args.part or PARTS:
        text, document[name] = PARTS[name](paths, args.quick)
        print(text)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
