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
What deciding costs: CPU of the pump per sample, beside a plain priority queue.

The pump runs in virtual time on a virtual link; encoding the batches is left out, for that is the
codec's. The peer puts every sample into Python's ``queue.PriorityQueue`` and takes it out again,
which is the least that sending by priority could do, and knows neither rates nor link.
"""

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
from queue import PriorityQueue
from random import Random
import statistics
import sys
import time

from tables import table

from ros_cloud_bridge.core.pacing.pacer import link_cost
from ros_cloud_bridge.core.presence import Presence
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits
from ros_cloud_bridge.mqtt.presets import find_preset
from ros_cloud_bridge.simulation.link import Connection, LinkProfile, VirtualLink
from ros_cloud_bridge.uplink.batching import Encoding
from ros_cloud_bridge.uplink.outstanding import Shipment
from ros_cloud_bridge.uplink.pump import Pump
from ros_cloud_bridge.values import BridgeConfig, Keep, Priority, Received, StreamConfig
from ros_cloud_bridge.wire.topics import RobotTopics

_BOOT = bytes(range(8))
# Noise, so that the thin link is full.
_NOISE = Random(1)
_CDRS = [b'\0\1\0\0' + _NOISE.randbytes(320) for _ in range(4096)]
_TURN_S = 0.001


def configuration(routes: int) -> BridgeConfig:
    """
    Make streams of all classes.

    :param routes: how many, one topic each
    :returns: configuration
    """
    streams = tuple(
        StreamConfig(
            name=f's{number}',
            topics=(f'/t{number}',),
            keep=Keep.FIFO if number % 2 else Keep.LATEST,
            priority=Priority(number % 3),
            weight=1.0 + number % 4,
        )
        for number in range(routes)
    )
    return BridgeConfig(robot_id='bench', streams=streams)


def run_pump(routes: int, rate: float, seconds: float, link: float) -> tuple[float, int, int]:
    """
    Drive a pump.

    :param routes: how many
    :param rate: samples per second of all together
    :param seconds: virtual time
    :param link: bytes per second
    :returns: CPU seconds spent in the pump, samples taken in, messages sent
    """
    config = configuration(routes)
    topics = RobotTopics(config.root, config.robot_id)
    clock = [0.0]
    pump = Pump(
        config,
        boot=_BOOT,
        topics=topics,
        presence=Presence(config.robot_id, _BOOT.hex()),
        wall_ns=lambda: int(clock[0] * 1e9),
        budget=None,
        now=0.0,
    )
    opened = [
        pump.intake.open_route(
            stream, stream.topics[0], 'sensor_msgs/msg/Imu', schema=None, gated=False, now=0.0
        )
        for stream in config.streams
    ]
    limits = negotiate(config.mqtt, find_preset('mosquitto'), ServerLimits())
    pump.flowing = True
    pump.connected(limits, False, 0.0)
    virtual = VirtualLink(LinkProfile(rates=[(0.0, link)], delay_s=0.01))
    connection = Connection(virtual)
    answers: list[tuple[Shipment, float]] = []
    spent, taken, owed, wake_at = 0.0, 0, 0.0, 0.0
    while clock[0] < seconds:
        now = clock[0] = clock[0] + _TURN_S
        owed += rate * _TURN_S
        batch = _due(opened, taken, int(owed), now)
        owed -= int(owed)
        taken += sum(len(samples) for _, samples in batch)
        virtual.run_until(now)
        begin = time.process_time()
        for route, samples in batch:
            pump.intake.offer(route, samples, (), now)
        for shipment, at in answers:
            pump.answered(shipment, None, at)
        # As the bridge does: an offer wakes the pump only when it is due earlier.
        due = pump.outbox.next_due() if batch else None
        awake = bool(answers) or now >= wake_at or (due is not None and due < wake_at)
        answers.clear()
        while awake:
            step = pump.next(now)
            if isinstance(step, Shipment):
                shipment = step
                connection.send(
                    link_cost(step.size),
                    now,
                    lambda at: None,
                    lambda at, shipment=shipment: answers.append((shipment, at)),
                )
            elif isinstance(step, Encoding):
                pause = time.process_time()
                parcel = step.assemble()
                begin += time.process_time() - pause
                pump.start(parcel)
            else:
                wake_at = now + (1.0 if step is None else step)
                break
        spent += time.process_time() - begin
    return spent, taken, pump.outstanding.sent_messages


def _due(
    routes: Sequence[Route], first: int, count: int, now: float
) -> list[tuple[Route, list[Received]]]:
    by_route: dict[int, list[Received]] = {}
    for number in range(first, first + count):
        sample = Received(_CDRS[number % len(_CDRS)], int(now * 1e9), int(now * 1e9))
        by_route.setdefault(number % len(routes), []).append(sample)
    return [(routes[number], samples) for number, samples in by_route.items()]


def run_queue(count: int) -> float:
    """
    Put samples into a priority queue and take them out again.

    :param count: how many
    :returns: CPU seconds
    """
    waiting: PriorityQueue[tuple[int, int, bytes]] = PriorityQueue()
    begin = time.process_time()
    for number in range(count):
        waiting.put((number % 3, number, _CDRS[0]))
    for _ in range(count):
        waiting.get()
    return time.process_time() - begin


def main(argv: Sequence[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: arguments; those of the process when left out
    :returns: exit status
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--quick', action='store_true', help='fewer rounds')
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--rate', type=float, default=10_000.0, help='samples per second')
    options = parser.parse_args(argv)
    rounds, seconds = (2, 3.0) if options.quick else (5, 10.0)
    figures: dict[str, float] = {}
    rows = []
    queue_us = statistics.median(
        run_queue(int(options.rate)) / options.rate * 1e6 for _ in range(rounds)
    )
    figures['priority_queue_us'] = queue_us
    for routes in (5, 20, 100):
        for name, link in (('8 kB/s', 8e3), ('1 MB/s', 1e6)):
            runs = [run_pump(routes, options.rate, seconds, link) for _ in range(rounds)]
            cost = statistics.median(spent / taken * 1e6 for spent, taken, _ in runs)
            figures[f'{routes}_routes_{int(link)}_us'] = cost
            rows.append([f'{routes}', name, f'{runs[0][2]:,}', f'{cost:.2f}', cost / queue_us])
    print(f'{options.rate:,.0f} samples/s, median of {rounds} rounds of {seconds:g} s')
    print(f'priority queue: {queue_us:.2f} us per sample')
    print(
        table(
            ['routes', 'link', 'messages', 'us per sample', 'of the queue'],
            [[*row[:-1], f'{row[-1]:.2f} x'] for row in rows],
        )
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
