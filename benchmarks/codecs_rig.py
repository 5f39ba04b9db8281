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

"""What the parts of codecs.py share: a topic of a recording, CPU time, tables of ways."""

from collections.abc import Callable, Mapping, Sequence
import os
from pathlib import Path
import statistics
import time
from typing import Any, TypeVar

from mcap.reader import make_reader
from tables import number, table

Made = TypeVar('Made')
Row = dict[str, Any]


def recordings() -> Path:
    """
    Find the recordings.

    :returns: their folder
    """
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    return Path(os.environ.get('RCB_RECORDINGS', beside))


def recording(name: str, paths: Sequence[Path] = ()) -> Path | None:
    """
    Find a recording.

    :param name: of the file, without its ending
    :param paths: where to look; the usual folder when empty
    :returns: its file; None where it is not
    """
    places = paths or sorted(recordings().glob('*.mcap'))
    return next((path for path in places if path.stem == name), None)


def messages(path: Path, topic: str, most: int | None = None) -> list[bytes]:
    """
    Read a topic.

    :param path: of the recording
    :param topic: its messages
    :param most: how many; all when None
    :returns: serialized messages
    """
    found: list[bytes] = []
    with path.open('rb') as file:
        for _, _, message in make_reader(file).iter_messages(topics=[topic]):
            found.append(message.data)
            if len(found) == most:
                break
    return found


def timed(work: Callable[[bytes], Made], inputs: Sequence[bytes]) -> tuple[list[Made], float]:
    """
    Work on messages one after the other, on one core.

    :param work: what is done with each
    :param inputs: messages
    :returns: what was made, and the median of CPU seconds of a message
    """
    made, seconds = [], []
    for one in inputs:
        before = time.process_time()
        made.append(work(one))
        seconds.append(time.process_time() - before)
    return made, statistics.median(seconds)


def ways_table(title: str, rows: Sequence[Row], heads: Mapping[str, tuple[str, int]]) -> str:
    """
    Lay out figures of several ways to do the same.

    :param title: the first line
    :param rows: figures by key, ``name`` among them
    :param heads: by figure its head, and how many digits
    :returns: lines
    """
    lines = [
        [one['name'], *(number(one.get(name), digits) for name, (_, digits) in heads.items())]
        for one in rows
    ]
    return f'{title}\n{table(["", *(head for head, _ in heads.values())], lines)}\n'
