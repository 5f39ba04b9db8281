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


"""A flood of bad commands on a real bridge, beside telemetry and another operator's commands."""

import os
from pathlib import Path
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from command_operator import ROOT  # first, for it makes the tests' helpers known
from command_trips import figures

from ros_cloud_bridge.command_values import State
from support.bridge_process import BridgeProcess
from support.broker import Broker
from support.collector import Collector
from support.command_flood import bad_commands, Driven, Flood, good_commands
from support.command_servers import ServersProcess
from support.commander import Commander, Keys
from support.robots import parameters
from support.waiting import wait_until

TELEMETRY_HZ = 40.0
_NODE = 'door'
_COMMANDS_HZ = 20.0
_VICTIM_HZ = 5.0
_KIND = ('set', 'call', {'data': True})


def storm(robot_id: str, inputs: int, rate_hz: float) -> dict[str, Any]:
    """
    Flood a bridge.

    :param robot_id: the robot
    :param inputs: how many bad commands
    :param rate_hz: how many a second
    :returns: what arrived, what was answered, and what it cost
    """
    seconds = inputs / rate_hz + 2.0
    samples = round(seconds * TELEMETRY_HZ)
    with tempfile.TemporaryDirectory(prefix='benchmark-') as name, Broker() as broker:
        folder = Path(name)
        keys = Keys.make(folder, robot_id, 'alice', 'bob')
        given = parameters(
            broker,
            robot_id,
            {'numbers': {'topics': ['/numbers'], 'keep': 'fifo'}},
            state_dir=name,
            operator_keys=str(keys.directory),
            commands=['set'],
            command={
                'set': {
                    'kind': 'service',
                    'ros_name': f'/{_NODE}/set',
                    'type': 'std_srvs/srv/SetBool',
                    'operators': ['alice', 'bob'],
                    'max_hz': 1000.0,
                }
            },
        )
        with ServersProcess(_NODE), BridgeProcess(given) as bridge:
            bridge.wait_for_log('commands: connected')
            with (
                Collector(broker, robot_id) as collector,
                keys.commander(broker, robot_id, 'alice') as alice,
                keys.commander(broker, robot_id, 'bob') as bob,
            ):
                bob.learn()
                alice.learn()
                for _ in range(10):
                    if bob.call(*_KIND).state is State.SUCCEEDED:
                        break
                publisher = _publisher(samples)
                assert publisher.stdin is not None and publisher.stdout is not None
                assert publisher.stdout.readline() == 'ready\n'
                before_kb, cpu_s = bridge.rss_kb(), _cpu_s(bridge.pid)
                driven: dict[str, Driven] = {}
                stopped = threading.Event()

                def command(who: Commander, hz: float) -> None:
                    driven[who.operator] = good_commands(who, stopped, hz, _KIND)

                commanding = [
                    threading.Thread(target=command, args=(bob, _COMMANDS_HZ)),
                    # In whose name the flood is.
                    threading.Thread(target=command, args=(alice, _VICTIM_HZ)),
                ]
                for thread in commanding:
                    thread.start()
                publisher.stdin.write('go\n')
                publisher.stdin.flush()
                began = time.monotonic()
                flood = Flood(broker, bad_commands(alice, inputs), rate_hz, folder)
                flood_s = flood.seconds()
                stopped.set()
                for thread in commanding:
                    thread.join()
                done = publisher.stdout.readline().split()
                taken_s = time.monotonic() - began
                used_s = _cpu_s(bridge.pid) - cpu_s
                _await(lambda: len(collector.samples('/numbers')) >= samples)
                arrived = len(collector.samples('/numbers'))
                health = len(collector.documents('health'))
                _await(lambda: len(collector.documents('health')) > health + 1)
                publisher.stdin.close()
                publisher.wait()
                refused = collector.documents('health')[-1]['commands']['refused']
            rss_kb = bridge.rss_kb()
            status = bridge.stop()
    return {
        'inputs': inputs,
        'seconds': flood_s,
        'per_s': inputs / flood_s,
        'refused': refused,
        'telemetry_published': samples - int(done[1]),
        'telemetry_arrived': arrived,
        'other': _sum_up(driven['bob']),
        'same': _sum_up(driven['alice']),
        'rss_mb_before': before_kb / 1000.0,
        'rss_mb_grown': (rss_kb - before_kb) / 1000.0,
        'cpu_share': used_s / taken_s,
        'exit_status': status,
    }


def _sum_up(driven: Driven) -> dict[str, Any]:
    succeeded = sum(
        answer is not None and answer.state is State.SUCCEEDED for answer in driven.answers
    )
    return {'succeeded': succeeded, **figures(driven.seconds)}


def _publisher(samples: int) -> 'subprocess.Popen[str]':
    tests = ROOT / 'test'
    arguments = ('/numbers', str(samples), '50', str(1.0 / TELEMETRY_HZ), '0')
    return subprocess.Popen(
        [sys.executable, '-m', 'support.publishing', *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            'PYTHONPATH': f'{tests}:{ROOT}:{os.environ.get("PYTHONPATH", "")}',
        },
    )


def _cpu_s(pid: int) -> float:
    # clock_getcpuclockid(3).
    return time.clock_gettime((~pid << 3) | 2)


def _await(predicate: Any) -> None:
    try:
        wait_until(predicate, 20.0)
    except AssertionError:
        pass  # the figures say it
