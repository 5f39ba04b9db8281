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

"""Replaces a spool that cannot be used by what can be salvaged of it."""

import os
from pathlib import Path

from ros_cloud_bridge.store.database import set_aside, Unusable
from ros_cloud_bridge.store.salvage import remove, salvage, size_of


def replace_damaged(path: Path, problem: Unusable, most_bytes: int) -> str:
    """
    Set a spool aside, with what can be read of it moved into a new one.

    A power cut on the way leaves either the damaged one, or the new one complete.

    :param path: the spool; nobody has it open
    :param problem: why
    :param most_bytes: what files set aside may take together; the latest stays in any case
    :returns: a line that says what was found and lost
    :raises sqlite3.Error: when the new one cannot be written
    :raises OSError: when files cannot be renamed
    """
    if problem.suffix != 'corrupt':
        aside = set_aside(path, problem.suffix)
        return f'{problem}: set aside as {aside.name}, and a new one begun'
    fresh, complete = (path.with_name(path.name + end) for end in ('.salvaging', '.salvaged'))
    found = salvage(path, fresh)
    os.replace(fresh, complete)
    aside = set_aside(path, problem.suffix)
    os.replace(complete, path)
    _trim(path, aside, most_bytes)
    return (
        f'damaged ({problem}): set aside as {aside.name}; {found.saved} samples saved, '
        f'{found.lost} lost' + (f', {found.nameless} of unknown routes' if found.nameless else '')
    )


def finish_salvage(path: Path) -> None:
    """
    Do what a power cut kept :func:`replace_damaged` from.

    :param path: the spool
    :raises OSError: when files cannot be renamed
    """
    complete = path.with_name(f'{path.name}.salvaged')
    if complete.exists():
        if path.exists():
            # The damaged one is still in its place: it is salvaged again.
            remove(complete)
        else:
            os.replace(complete, path)
    if path.with_name(f'{path.name}.salvaging').exists():
        remove(path.with_name(f'{path.name}.salvaging'))


def _trim(path: Path, latest: Path, most_bytes: int) -> None:
    names = [path.with_name(f'{path.name}.corrupt-{number}') for number in range(1, 10)]
    files = [name for name in names if name.exists()]
    files.sort(key=lambda name: name.stat().st_mtime, reverse=True)
    total = size_of(latest)
    for name in files:
        if name != latest:
            total += size_of(name)
            if total > most_bytes:
                remove(name)
