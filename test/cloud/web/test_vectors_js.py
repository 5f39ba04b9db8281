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

"""The page's decoder, as it was built, under plain node: all golden vectors, and no npm."""

import json
from pathlib import Path
import shutil
import subprocess
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / 'ros_cloud_bridge' / 'cloud' / 'web' / 'assets' / 'protocol.mjs'
VECTORS = ROOT / 'test' / 'vectors'
RUNNER = Path(__file__).with_name('run_vectors.mjs')
NODE = shutil.which('node')

pytestmark = pytest.mark.skipif(NODE is None, reason='no node here; scripts/test installs it')


def run(name: str) -> dict[str, Any]:
    """
    Let the decoder read a file of vectors.

    :param name: of the file
    :returns: what it made of each case, by name
    """
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(RUNNER), str(BUNDLE), str(VECTORS / name)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {line['name']: line['outcome'] for line in lines}


def cases(name: str) -> dict[str, dict[str, Any]]:
    """
    Give the cases of a file of vectors.

    :param name: of the file
    :returns: cases by name
    """
    return {case['name']: case for case in json.loads((VECTORS / name).read_text())['cases']}


def read_by_consumers(case: dict[str, Any]) -> bool:
    """
    Tell requests and confirmations apart, which only bridges read.

    :param case: a case
    :returns: whether it is neither
    """
    topic = case['messages'][0]['topic']
    return 'samples' in case or not ('/ask/' in topic or '/confirm/' in topic)


def test_valid_vectors_give_what_they_say() -> None:
    expected = {
        name: {key: case[key] for key in ('samples', 'losses', 'restored') if key in case}
        for name, case in cases('valid.json').items()
        if read_by_consumers(case)
    }
    found = run('valid.json')
    assert found == expected


def test_invalid_vectors_are_refused() -> None:
    expected = {
        name: 'error' for name, case in cases('invalid.json').items() if read_by_consumers(case)
    }
    assert len(expected) > 60
    assert run('invalid.json') == expected


def test_forms_restore_bit_for_bit() -> None:
    expected = {
        name: [sample.get('cdr', 'error') for sample in case['samples']]
        for name, case in cases('forms.json').items()
    }
    assert run('forms.json') == expected


def test_signatures_are_checked_and_only_good_ones_open() -> None:
    found = run('commands.json')
    signed = {name: case for name, case in cases('commands.json').items() if name in found}
    assert len(signed) > 60
    for name, case in signed.items():
        if 'encoded' in case:
            assert found[name] == case['encoded'], name
        elif case['kind'] == 'command' and case['reason'] != 'malformed':
            assert found[name] == case['reason'], name
