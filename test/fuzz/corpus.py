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

"""Inputs for the fuzzer from the golden vectors: ``python test/fuzz/corpus.py FOLDER``."""

import json
from pathlib import Path
import sys

KINDS = ('b', 'latched', 'schema', 'info', 'state', 'health', 'b/backlog', 'confirm')
MARKER = b'\xffNEXT\xff'
VECTORS = Path(__file__).parents[1] / 'vectors'


def inputs() -> list[bytes]:
    """
    Give an input per vector and kind of topic, as fuzz_decoder.py reads it.

    :returns: inputs
    """
    found = []
    for name in ('valid.json', 'invalid.json'):
        for case in json.loads((VECTORS / name).read_text())['cases']:
            by_kind: dict[str, list[bytes]] = {}
            for message in case['messages']:
                levels = [*message['topic'].split('/'), '', '', '', ''][3:]
                whole = '/'.join(levels[:2])
                kind = whole if whole in KINDS else levels[0]
                # What batches refer to goes with them.
                kind = 'b' if kind == 'dict' else kind
                by_kind.setdefault(kind, []).append(bytes.fromhex(message['payload']))
            found += [
                bytes([KINDS.index(kind) | ordered]) + MARKER.join(payloads)
                for kind, payloads in by_kind.items()
                if kind in KINDS
                for ordered in (0, 0x80)
            ]
    return found


def main() -> None:
    """Write one file per input."""
    folder = Path(sys.argv[1])
    for number, data in enumerate(inputs()):
        (folder / f'vector-{number:03}').write_bytes(data)


if __name__ == '__main__':
    main()
