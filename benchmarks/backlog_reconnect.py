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

"""How long after a broker is back the first live samples arrive."""

from pathlib import Path
import random
import tempfile
import time
from typing import Any

from backlog_rig import Rig
from backlog_spool import STREAM, stream_parameters
from link_load import BLOB_TYPE, encode, POSE, POSE_BYTES, POSE_HZ, POSE_TYPE, Topic

EVENTS = '/events'
_EVENTS_HZ = 20.0
_EVENT_BYTES = 200
_SETTLED_S = 11.0
_ARRIVED_S = 30.0
_DRAINED_S = 20.0


def reconnect(
    robot_id: str, away_s: list[float], settled_s: float = _SETTLED_S
) -> list[dict[str, Any]]:
    """
    Take the broker away again and again.

    :param robot_id: the robot
    :param away_s: for how long each time
    :param settled_s: how long it is there in between; a connection that held for 10 s counts as
        good, which sets the delays of the next reconnection back
    :returns: figures of each time, in seconds since the broker was back
    """
    topics = [
        Topic(name=POSE, type_name=POSE_TYPE, hz=POSE_HZ, size=POSE_BYTES),
        Topic(name=EVENTS, type_name=BLOB_TYPE, hz=_EVENTS_HZ, size=_EVENT_BYTES),
    ]
    streams = {
        STREAM: stream_parameters(False, topics=[EVENTS]),
        'pose': {'keep': 'latest', 'topics': [POSE], 'max_delay_s': 0.0},
    }
    rounds = []
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name:
        folder = Path(name)
        with Rig(folder, robot_id) as rig:
            rig.start_broker()
            rig.start_sink()
            rig.start_bridge(streams)
            # Of a folder without recordings: the pose is a random walk.
            load = rig.start_child('link_load.py', encode(topics), str(folder))
            if not load.ask('match')['matched']:
                raise SystemExit('the bridge does not subscribe')
            load.ask('start', names=[POSE, EVENTS])
            for seconds in away_s:
                rig.sink.ask('samples', topic=EVENTS, historical=False, count=1, timeout_s=30.0)
                time.sleep(settled_s)
                rounds.append(_away(rig, seconds))
    return rounds


def _away(rig: Rig, seconds: float) -> dict[str, Any]:
    rig.broker.kill()
    # Rounds of equal length would meet the reconnection always at the same point.
    time.sleep(seconds + random.random())
    rig.start_broker()
    back_ns = rig.broker.running_ns
    client_ns = rig.broker.wait_for(f'as rcb-{rig.robot_id}-uplink', back_ns)
    attempt_ns = _attempt_ns(rig, client_ns)
    sink_ns = rig.sink.ask('connected', since_ns=back_ns, timeout_s=30.0)['at_ns']
    first = {
        'durable_s': _first_ns(rig, EVENTS, False, back_ns),
        'latest_s': _first_ns(rig, POSE, False, back_ns),
        'backlog_s': _first_ns(rig, EVENTS, True, back_ns),
    }
    # A packet's arrival, where the others include the time that decoding takes.
    drained_s = max(_drained_s(rig, attempt_ns), (first['backlog_s'] - attempt_ns) / 1e9)
    return {
        'away_s': seconds,
        'sink_s': (sink_ns - back_ns) / 1e9,
        # What the bridge waited by its own jitter, and what it took from there.
        'attempt_s': (attempt_ns - back_ns) / 1e9,
        'accepted_s': (client_ns - attempt_ns) / 1e9,
        **{name: (at_ns - attempt_ns) / 1e9 for name, at_ns in first.items()},
        'drained_s': drained_s,
    }


def _attempt_ns(rig: Rig, client_ns: int) -> int:
    """Find when the connection came that the bridge's session began with."""
    connections = [
        (at_ns, line.split()[-4])
        for at_ns, line in rig.broker.lines
        if 'New connection from' in line and at_ns <= client_ns
    ]
    name = f'as rcb-{rig.robot_id}-uplink'
    line = next(line for _, line in rig.broker.lines if name in line)
    return next(at_ns for at_ns, address in connections if f'{address} ' in line)


def _first_ns(rig: Rig, topic: str, historical: bool, since_ns: int) -> int:
    deadline = time.monotonic() + _ARRIVED_S
    while time.monotonic() < deadline:
        window = {'begin_ns': since_ns, 'end_ns': time.time_ns()}
        found = rig.sink.ask('ages', topic=topic, historical=historical, **window)
        if found['first_ns'] is not None:
            return int(found['first_ns'])
        time.sleep(0.05)
    raise SystemExit(f'nothing of {topic} (historical: {historical}) arrives')


def _drained_s(rig: Rig, since_ns: int) -> float:
    """Tell when the last of the backlog came; a second without any is the end of it."""
    deadline = time.monotonic() + _DRAINED_S
    while time.monotonic() < deadline:
        now_ns = time.time_ns()
        sent = rig.sink.ask('carried', begin_ns=since_ns, end_ns=now_ns)['last_ns']
        last_ns = int(sent.get('b/backlog', since_ns))
        if now_ns - last_ns > 1_000_000_000:
            return (last_ns - since_ns) / 1e9
        time.sleep(0.1)
    return _DRAINED_S
