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
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
import json
from pathlib import Path
import sys
from typing import Any

from codecs_rig import recordings
from tables import machine

# Modules with run(recordings, whether to be quick), which gives text and JSON-able figures. What
# they import, as Pillow, is needed only for those that are asked for.
PARTS = {
    'lossless': 'codecs_lossless',
    'reducers': 'codecs_reducers',
    'clouds': 'codecs_clouds',
    'images': 'codecs_images',
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the command line.

    :param argv: arguments; those of the process when None
    :returns: them
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    parser.add_argument('--quick', action='store_true', help='less of each topic, at 1 s alone')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure there')
    parser.add_argument('--part', nargs='+', choices=PARTS, help='default: all')
    parser.add_argument('--pictures', type=Path, metavar='FOLDER', help='draw figures there')
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
    paths = args.files or sorted(recordings().glob('*.mcap'))
    for path in paths:
        if not path.is_file():
            print(f'{path}: no such file', file=sys.stderr)
            return 2
    if not paths:
        print(f'no recordings in {recordings()}: set RCB_RECORDINGS', file=sys.stderr)
        return 2
    document: dict[str, Any] = {'quick': args.quick, 'machine': machine()}
    for name in args.part or PARTS:
        text, document[name] = import_module(PARTS[name]).run(paths, args.quick)
        print(text, flush=True)
        if args.pictures and find_spec(f'{PARTS[name]}_plot'):
            import_module(f'{PARTS[name]}_plot').draw(args.pictures, document[name], paths)
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
