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
Small notes beside a black box's ring: which spans are under way, and how much was written today.

They serve a boot that comes after a crash. A disk that does not take them is the ring's to report.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from ros_cloud_bridge.core.wear import WriteBudget

_MOST_BYTES = 1024 * 1024


def read_note(path: Path) -> Any:
    """
    Read what :func:`write_note` wrote.

    :param path: file
    :returns: the document; None when there is none that can be read
    """
    try:
        with path.open('rb') as file:
            return json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def write_note(path: Path, document: object) -> None:
    """
    Replace a note; without an effect where that cannot be.

    :param path: file
    :param document: JSON-able; None removes the file
    """
    try:
        if document is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'{path.name}.tmp')
        temporary.write_text(json.dumps(document), encoding='utf-8')
        os.replace(temporary, path)
    except OSError:
        pass


def restore_budget(path: Path, budget: WriteBudget) -> None:
    """
    Go on with how much has been written today; from zero where nothing can be read.

    :param path: a file of :func:`save_budget`
    :param budget: the budget
    """
    document = read_note(path)
    known = document if isinstance(document, dict) else {}
    day, written = known.get('day'), known.get('bytes')
    if type(day) is int and type(written) is int and written >= 0:
        budget.day, budget.written = day, written


def save_budget(path: Path, budget: WriteBudget) -> None:
    """
    Write down how much has been written today.

    :param path: file
    :param budget: the budget
    """
    write_note(path, {'day': budget.day, 'bytes': budget.written})


def lock_directory(path: Path) -> int | None:
    """
    Claim a directory, made when needed, until the process ends or the handle is closed.

    :param path: the directory
    :returns: a file descriptor; None when another process has it, or it cannot be used
    """
    handle = None
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle
