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
Write the golden vectors: ``PYTHONPATH=.:test python test/vectors/generate.py [FILE...]``.

They are written once per protocol version and then kept: a decoder of a later version must still
read them. zstd's bytes may differ between its releases; what they decode to may not.
"""

from collections.abc import Sequence
import json
from pathlib import Path
import sys
from typing import Any, Protocol

from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore
from vectors.ask_cases import asks, bad_asks
from vectors.bad_cases import invalid
from vectors.cases import Case, OWN, OWN_TEXT, valid
from vectors.command_cases import commands
from vectors.durable_cases import durable
from vectors.form_cases import forms, routed
from vectors.layout_cases import bad_layouts, layouts

FOLDER = Path(__file__).parent


class Written(Protocol):
    """What a file holds many of."""

    def document(self) -> dict[str, Any]:
        """Write the case as it stands in the file."""


def own_hash() -> str:
    """
    Hash the vectors' own type by a library that is not ours.

    :returns: RIHS01
    """
    store = Typestore()
    store.register(get_types_from_msg(OWN_TEXT, OWN))
    return str(store.hash_rihs01(OWN))


def build() -> dict[str, list[Case]]:
    """
    Make all vectors.

    :returns: cases by file name
    """
    own = own_hash()
    return {
        'valid.json': [*valid(own), *durable(), *layouts(), *routed(), *asks()],
        'invalid.json': [*invalid(own), *bad_layouts(), *bad_asks()],
    }


def load(name: str) -> list[dict[str, Any]]:
    """
    Read a committed file.

    :param name: file name
    :returns: its cases
    """
    cases: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())['cases']
    return cases


def main() -> None:
    """Write the files, or those that are named."""
    files: dict[str, Sequence[Written]] = {
        **build(),
        'commands.json': commands(),
        'forms.json': forms(),
    }
    for name in sys.argv[1:] or files:
        cases = files[name]
        document = {'protocol': 1, 'cases': [case.document() for case in cases]}
        (FOLDER / name).write_text(json.dumps(document, indent=1) + '\n')
        print(f'{name}: {len(cases)} cases')


if __name__ == '__main__':
    main()
