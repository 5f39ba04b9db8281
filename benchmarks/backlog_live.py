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

"""Live data beside a backlog on a thin link: ages, and who gets how much of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import tempfile
import time
from typing import Any

from backlog_rig import Rig
from backlog_spool import fill, Filling, STREAM, stream_parameters
from link_load import BLOB_TYPE, encode, POSE, POSE_BYTES, POSE_HZ, POSE_TYPE, Topic
from netns import Link

RATE_KBIT = 256.0
_SCAN, _CAMERA = '/scan', '/camera'
_SCAN_HZ, _CAMERA_HZ = 5.0, 2.0
_OVERLOAD = 4.0
# Beside a pose of 7 KB/s the scan makes light demand about half of the link.
_LIGHT_SHARE = 0.5
_FIRST_S = 60.0
# More rows than a batch, few samples each: what group commits of a 200 Hz topic leave.
_ROW_SAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One bridge beside one backlog.

    :param backlog: ``none``, or by whose word it is deleted: ``broker`` or ``consumer``
    """

    backlog: str
    raw_bytes: int
    settle_s: float
    seconds: float


def topics() -> list[Topic]:
    """
    Make up the live load.

    :returns: pose and scan, which are light, and the camera, with which the demand is 4 x the link
    """
    capacity = RATE_KBIT * 1000 / 8
    pose = Topic(name=POSE, type_name=POSE_TYPE, hz=POSE_HZ, size=POSE_BYTES)
    scan_bytes = (_LIGHT_SHARE * capacity - pose.bytes_per_s) / _SCAN_HZ
    scan = Topic(name=_SCAN, type_name=BLOB_TYPE, hz=_SCAN_HZ, size=round(scan_bytes))
    camera_bytes = (_OVERLOAD - _LIGHT_SHARE) * capacity / _CAMERA_HZ
    camera = Topic(name=_CAMERA, type_name=BLOB_TYPE, hz=_CAMERA_HZ, size=round(camera_bytes))
    return [pose, scan, camera]


def beside(robot_id: str, case: Case, recordings: Path) -> list[dict[str, Any]]:
    """
    Let a bridge send live data beside its backlog, first little, then more than the link takes.

    :param robot_id: the robot
    :param case: which backlog
    :param recordings: folder of recordings, for the pose
    :returns: figures under light load, and under overload
    """
    consumer = case.backlog == 'consumer'
    load = topics()
    with (
        tempfile.TemporaryDirectory(prefix='benchmark-') as name,
        Link(RATE_KBIT) as link,
        Rig(Path(name), robot_id, link) as rig,
    ):
        kept = '/kept/nothing'
        if case.backlog != 'none':
            filling = Filling(load='imu', raw_bytes=case.raw_bytes, row_samples=_ROW_SAMPLES)
            kept = fill(robot_id, rig.folder, filling, consumer).topic
        rig.start_broker()
        rig.start_sink(consumer=consumer)
        child = rig.start_child('link_load.py', encode(load), str(recordings))
        rig.start_bridge(
            {
                'pose': _latest(POSE, 'high', 0.0),
                'scan': _latest(_SCAN, 'normal', 0.1),
                'camera': _latest(_CAMERA, 'low', 0.1),
                STREAM: stream_parameters(consumer, topics=[kept]),
            }
        )
        if not child.ask('match')['matched']:
            raise SystemExit('the bridge does not subscribe')
        child.ask('start', names=[POSE, _SCAN])
        waited = {'topic': POSE, 'historical': False, 'count': 1, 'timeout_s': _FIRST_S}
        if not rig.sink.ask('samples', 2 * _FIRST_S, **waited)['count']:
            raise SystemExit('no pose arrives')
        results = [_phase(rig, link, case, 'light')]
        child.ask('start', names=[_CAMERA])
        results.append(_phase(rig, link, case, f'{_OVERLOAD:g} x'))
        # Whatever the bridge still wants to say should not take minutes.
        link.shape(10_000.0)
    return results


def _latest(topic: str, priority: str, max_delay_s: float) -> dict[str, object]:
    return {
        'topics': [topic],
        'keep': 'latest',
        'priority': priority,
        'max_delay_s': max_delay_s,
    }


def _phase(rig: Rig, link: Link, case: Case, label: str) -> dict[str, Any]:
    time.sleep(case.settle_s)
    begin_ns, sent, cpu_s = time.time_ns(), link.sent(), rig.bridge.cpu_s()
    time.sleep(case.seconds)
    end_ns, sent_after = time.time_ns(), link.sent()
    cpu_s = rig.bridge.cpu_s() - cpu_s
    window = {'begin_ns': begin_ns, 'end_ns': end_ns}
    seconds = (end_ns - begin_ns) / 1e9
    capacity = RATE_KBIT * 1000 / 8 * seconds
    carried = rig.sink.ask('carried', **window)['bytes']
    backlog = carried.get('b/backlog', 0)
    total = sum(size for kind, size in carried.items() if kind != 'confirm')
    ages = {
        topic.name: rig.sink.ask('ages', topic=topic.name, historical=False, **window)
        for topic in topics()
    }
    return {
        'backlog': case.backlog,
        'live': label,
        'seconds': seconds,
        'ages': ages,
        'shaper_share': (sent_after.sent_bytes - sent.sent_bytes) / capacity,
        'shaper_dropped': sent_after.dropped_packets - sent.dropped_packets,
        'payload_share': total / capacity,
        'backlog_share': backlog / capacity,
        'backlog_of_carried': backlog / max(1, total),
        'backlog_gap_s': _longest_gap_s(rig, window) if backlog else None,
        'spooled': rig.spooled(),
        'cpu_share': cpu_s / seconds,
        'errors': rig.sink.ask('losses')['errors'],
    }


def _longest_gap_s(rig: Rig, window: dict[str, int]) -> float:
    """Tell for how long nothing of the backlog came."""
    return float(rig.sink.ask('gap', kind='b/backlog', **window)['gap_s'])


def ratios(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """
    Hold ages beside a backlog against those without.

    :param results: of all cases
    :returns: by backlog, load and percentile of the pose's age
    """
    found = {(entry['backlog'], entry['live']): entry['ages'][POSE] for entry in results}
    return {
        f'{backlog}, {live}, {name}': ages[f'{name}_ms'] / found['none', live][f'{name}_ms']
        for (backlog, live), ages in found.items()
        for name in ('p50', 'p95')
        if backlog != 'none'
    }
