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
Fuzz what reads commands and answers with coverage guidance (atheris).

Any exception but ProtocolError is a finding, and so is a message that is accepted though nobody
has signed it. ``test/fuzz/command_target.py`` writes the first inputs and says how they look.
"""

from importlib import import_module
import sys
from typing import Any

# Not everywhere to be had: only where one wants to fuzz.
atheris: Any = import_module('atheris')

with atheris.instrument_imports(include=['ros_cloud_bridge', 'cbor2']):
    from fuzz.command_target import ANSWER, Target

TARGET = Target()


def test_one_input(data: bytes) -> None:
    """
    Feed one input.

    :param data: as described above
    """
    if data:
        TARGET.read(data[0] % (ANSWER + 1), data[1:])


if __name__ == '__main__':
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
