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

"""Draining a large backlog on a link that limits nothing: memory, speed and cost."""

from pathlib import Path
import tempfile
import time
from typing import Any

from backlog_rig import Rig
from backlog_spool import fill, Filling, STREAM, stream_parameters

_IDLE_S = 1.0
_POLL_S = 0.1
_MOST_S = 900.0
_COLLECT_S = 30.0


def drain(
    robot_id: str, filling: Filling, consumer: bool = False, order: str = 'oldest_first'
) -> dict[str, Any]:
    """
    Drain a backlog.

    :param robot_id: the robot
    :param filling: the backlog
    :param consumer: whether the consumer has to confirm
    :param order: the stream's ``backlog_order``
    :returns: figures
    """
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name:
        folder = Path(name)
        filled = fill(robot_id, folder, filling, consumer)
        with Rig(folder, robot_id) as rig:
            stream = stream_parameters(consumer, topics=[filled.topic], backlog_order=order)
            started = time.monotonic()
            rig.start_bridge({STREAM: stream})
            rig.await_log('not reachable')
            ready_s = time.monotonic() - started
            time.sleep(_IDLE_S)
            before_mb, peak_before_mb = rig.memory()
            rig.forget_peak()
            cpu_s, written = rig.bridge.cpu_s(), rig.written_bytes()
            rig.start_broker()
            rig.start_sink(consumer=consumer, later=not consumer)
            began_ns = time.time_ns()
            done_ns = _await_empty(rig)
            cpu_s = rig.bridge.cpu_s() - cpu_s
            after_mb, peak_mb = rig.memory()
            sent = rig.sink.ask('carried', begin_ns=began_ns, end_ns=done_ns)
            seen = rig.sink.ask(
                'samples', 600.0, topic=filled.topic, historical=True, count=filled.samples,
                timeout_s=_COLLECT_S,
            )  # fmt: skip
            losses = rig.sink.ask('losses')
            written = rig.written_bytes() - written
        first_ns, last_ns = sent['first_ns']['b/backlog'], sent['last_ns']['b/backlog']
        seconds = max(1e-3, (last_ns - first_ns) / 1e9)
        return {
            'load': filling.load,
            'samples_per_row': filled.samples / filled.rows,
            'confirm': 'consumer' if consumer else 'broker',
            'order': order,
            'samples': filled.samples,
            'raw_mb': filled.raw_bytes / 1e6,
            'disk_mb': filled.disk_bytes / 1e6,
            'fill_s': filled.seconds,
            'ready_s': ready_s,
            'before_mb': before_mb,
            'peak_before_mb': peak_before_mb,
            'growth_mb': peak_mb - before_mb,
            'after_mb': after_mb - before_mb,
            'seconds': seconds,
            'mb_per_s': filled.raw_bytes / 1e6 / seconds,
            'samples_per_s': filled.samples / seconds,
            'cpu_us': 1e6 * cpu_s / filled.samples,
            'cpu_share': cpu_s / seconds,
            'wire_per_raw': sent['bytes']['b/backlog'] / filled.raw_bytes,
            'wire_bytes': sent['bytes']['b/backlog'] / filled.samples,
            'written_per_raw': written / filled.raw_bytes,
            'arrived': seen['count'],
            **losses,
        }


def _await_empty(rig: Rig) -> int:
    """Wait until the spool is empty; returns when that was known."""
    deadline = time.monotonic() + _MOST_S
    while rig.spooled() != 0:
        rig.bridge.check()
        if time.monotonic() > deadline:
            raise SystemExit(f'not drained: {rig.health().get("spool")}')
        time.sleep(_POLL_S)
    return time.time_ns()
