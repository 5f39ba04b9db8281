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

"""What one consumer confirms to which robot, and when; told the time."""

from collections.abc import Iterable, Mapping
import secrets
import threading

from ros_cloud_bridge.cloud.identity import Identified
from ros_cloud_bridge.cloud.lanes import Lane, Place, read_streams, RobotLanes
from ros_cloud_bridge.cloud.ledger import HELD, Ledger, LedgerEntry, Span
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.wire.batch import Descriptor
from ros_cloud_bridge.wire.confirm import Confirmation, Held, INSTANCE_BYTES, split_confirmation

MIN_INTERVAL_S = 1.0
HELLO_INTERVAL_S = 15.0
# What a robot that comes back is told of without having asked: what it sends again beyond that is
# confirmed again.
_MAX_TOLD_LANES = 4096
_MAX_GAP_PARTS = 65536


class Confirmations:
    """
    What a consumer holds of the robots' durable streams; may be used from several threads.

    A sample is *taken* when it is handed to the sink, and *held* once the sink has made it durable
    and the ledger says so; only then is it confirmed.

    :param consumer: the name that the streams name as ``confirm_by``
    :param ledger: where what is held is kept over restarts; without one it is forgotten with the
        process, and what the robots still have comes again
    """

    def __init__(self, consumer: str, ledger: Ledger | None = None) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._instance = secrets.token_bytes(INSTANCE_BYTES)
        # Held while the ledger is written, which nobody who hands samples on waits for.
        self._committing = threading.Lock()
        self._lock = threading.Lock()
        self._robots: dict[str, RobotLanes] = {}
        self._accounts: dict[tuple[str, bytes, int], LedgerEntry] = {}
        self._confirmed = 0
        #: What the ledger held at the start.
        self.restored = ledger.entries() if ledger is not None else []
        for entry in self.restored:
            self._remember(entry)
        self._confirmed = 0

    @property
    def confirmed(self) -> int:
        """How many samples have been confirmed since the start."""
        with self._lock:
            return self._confirmed

    def concerns(self, sample: Sample) -> bool:
        """
        Say whether somebody's sample is ours to confirm.

        :param sample: from the decoder
        :returns: whether its stream names this consumer, or may do so as far as is known
        """
        with self._lock:
            robot = self._robots.get(sample.robot_id)
            return robot is None or robot.concerns(sample.stream, sample.historical)

    def take(self, sample: Sample) -> bool:
        """
        Note that a sample goes to the sink.

        :param sample: from the decoder
        :returns: whether it shall: not if the sink has it already
        """
        with self._lock:
            robot = self._robots.setdefault(sample.robot_id, RobotLanes())
            if not robot.concerns(sample.stream, sample.historical):
                return True
            robot.active = True
            place = (bytes.fromhex(sample.boot_id), sample.route)
            lane = robot.lane(place, _descriptor(sample))
            number = sample.sequence
            if lane.held.at(number) is not None:
                # The robot sends it again, so it has not heard.
                robot.tell(place, number, number)
                return False
            return bool(lane.pending.add(number, number))

    def decline(self, samples: Iterable[Identified]) -> None:
        """
        Note that the sink could not take samples; they may come again.

        :param samples: what :meth:`take` was called with
        """
        with self._lock:
            for sample in samples:
                lane = self._find(sample)
                if lane is not None:
                    lane.pending.remove(sample.sequence, sample.sequence)

    def again(self, robot_id: str, boot_id: str, route: int) -> None:
        """
        Note that a robot sends again what was received: it has not heard all that is held.

        :param robot_id: the robot
        :param boot_id: hexadecimal
        :param route: route number
        """
        with self._lock:
            robot = self._robots.get(robot_id)
            place = (bytes.fromhex(boot_id), route)
            if robot is not None and place in robot.lanes:
                for first, last in robot.lanes[place].settled():
                    robot.tell(place, first, last)

    def hold(self, samples: Iterable[Identified], notes: Mapping[str, str] | None = None) -> None:
        """
        Note that samples are durable in the sink: in the ledger first, then to be confirmed.

        What :meth:`account` was told becomes durable with it.

        :param samples: what :meth:`take` was called with, or their identities; others say nothing,
            and those that are held already are fine
        :param notes: texts to be kept in the ledger, in the same stroke
        :raises LedgerError: when the ledger cannot be written; then none of them is held
        """
        with self._committing:
            with self._lock:
                entries = self._entries(samples)
                accounts, self._accounts = self._accounts, {}
            try:
                if self._ledger is not None and (entries or accounts or notes):
                    self._ledger.commit([*entries, *accounts.values()], notes)
            except BaseException:
                with self._lock:
                    self._accounts = {**accounts, **self._accounts}
                raise
            with self._lock:
                for entry in (*entries, *accounts.values()):
                    self._confirm(entry)

    def account(self, entry: LedgerEntry) -> None:
        """
        Note what a robot says of a route; held with the next :meth:`hold`.

        :param entry: its words, with the gaps as spans
        """
        with self._lock:
            robot = self._robots.setdefault(entry.robot_id, RobotLanes())
            if not robot.concerns(entry.descriptor.stream, historical=True):
                return
            robot.active = True
            place = (entry.boot, entry.route)
            lane = robot.lane(place, entry.descriptor)
            for span in entry.spans:
                if lane.knows(span):
                    # The robot says it again, so it has not heard.
                    robot.tell(place, span.first, span.last)
            new = lane.news(entry)
            if new is not None and lane.gaps.parts + len(new.spans) <= _MAX_GAP_PARTS:
                self._accounts[(entry.robot_id, *place)] = new

    @property
    def has_accounts(self) -> bool:
        """Whether :meth:`account` was told something that is not held yet."""
        with self._lock:
            return bool(self._accounts)

    def in_hand(self, robot_id: str, boot_id: str, route: int, stream: str) -> Ranges | None:
        """
        Give the samples of a route that the sink holds or is about to.

        :param robot_id: the robot
        :param boot_id: hexadecimal
        :param route: route number
        :param stream: its stream
        :returns: their numbers; None when they are not ours to confirm
        """
        with self._lock:
            robot = self._robots.get(robot_id)
            if robot is None or not robot.concerns(stream, historical=True):
                return None
            lane = robot.lanes.get((bytes.fromhex(boot_id), route))
            return Ranges() if lane is None else lane.in_hand()

    def informed(self, robot_id: str, info: Mapping[str, object]) -> None:
        """
        Take in which streams name whom.

        :param robot_id: the robot
        :param info: its ``info``
        """
        with self._lock:
            robot = self._robots.setdefault(robot_id, RobotLanes())
            robot.streams = read_streams(info, self._consumer)

    def reconnected(self) -> None:
        """Say everything again: the connection to the broker is a new one."""
        with self._lock:
            for robot in self._robots.values():
                robot.all_due = True

    def unsent(self, robot_id: str) -> None:
        """
        Take note that what was due could not be sent.

        :param robot_id: to which robot
        """
        with self._lock:
            self._robots[robot_id].all_due = True

    def due(self, present: Mapping[str, object], now: float) -> dict[str, list[Confirmation]]:
        """
        Say what to send now; what is returned counts as sent.

        :param present: the robots that may be there, and what tells one of their connections from
            the next
        :param now: monotonic seconds
        :returns: confirmations by robot
        """
        with self._lock:
            due = {}
            for robot_id, connection in present.items():
                robot = self._robots.setdefault(robot_id, RobotLanes())
                if robot.met != connection:
                    robot.met, robot.all_due = connection, True
                if robot.earliest <= now:
                    due[robot_id] = self._due_of(robot, now)
        return self._confirmations(due)

    def untold(self) -> dict[str, list[Confirmation]]:
        """
        Say what nobody was told yet; it counts as sent.

        :returns: confirmations by robot
        """
        with self._lock:
            due = {
                robot_id: _changed(robot)
                for robot_id, robot in self._robots.items()
                if robot.changed
            }
            for robot_id in due:
                self._robots[robot_id].told()
        return self._confirmations(due)

    def _due_of(self, robot: RobotLanes, now: float) -> list[Held] | None:
        """Say what a robot is to be told; nothing held says that we are there."""
        if robot.all_due:
            places = list(robot.lanes)[-_MAX_TOLD_LANES:]
            held = _held(robot, {place: tuple(robot.lanes[place].settled()) for place in places})
        elif robot.changed or (robot.hello_due <= now and robot.wants_hello):
            held = _changed(robot)
        else:
            return None
        robot.told()
        robot.earliest, robot.hello_due = now + MIN_INTERVAL_S, now + HELLO_INTERVAL_S
        return held

    def _confirmations(
        self, due: Mapping[str, list[Held] | None]
    ) -> dict[str, list[Confirmation]]:
        return {
            robot_id: split_confirmation(Confirmation(instance=self._instance, held=tuple(held)))
            for robot_id, held in due.items()
            if held is not None
        }

    def _find(self, sample: Identified) -> Lane | None:
        robot = self._robots.get(sample.robot_id)
        place = (bytes.fromhex(sample.boot_id), sample.route)
        return None if robot is None else robot.lanes.get(place)

    def _entries(self, samples: Iterable[Identified]) -> list[LedgerEntry]:
        found: dict[tuple[str, str, int], Ranges] = {}
        for sample in samples:
            key = (sample.robot_id, sample.boot_id, sample.route)
            found.setdefault(key, Ranges()).add(sample.sequence, sample.sequence)
        entries = []
        for (robot_id, boot_id, route), ranges in found.items():
            robot = self._robots.get(robot_id)
            lane = None if robot is None else robot.lanes.get((bytes.fromhex(boot_id), route))
            # It may have turned out since that the stream names somebody else.
            if (
                robot is not None
                and lane is not None
                and robot.concerns(lane.descriptor.stream, historical=True)
            ):
                entry = LedgerEntry(
                    robot_id=robot_id,
                    boot=bytes.fromhex(boot_id),
                    route=route,
                    descriptor=lane.descriptor,
                    spans=tuple(Span(HELD, first, last) for first, last in ranges),
                )
                entries.append(entry)
        return entries

    def _confirm(self, entry: LedgerEntry) -> None:
        robot = self._robots.setdefault(entry.robot_id, RobotLanes())
        place = (entry.boot, entry.route)
        lane = self._remember(entry)
        # The most recently changed are told first to a robot that comes back.
        robot.lanes[place] = robot.lanes.pop(place)
        for span in entry.spans:
            if span.reason == HELD:
                lane.pending.remove(span.first, span.last)
            robot.tell(place, span.first, span.last)

    def _remember(self, entry: LedgerEntry) -> Lane:
        robot = self._robots.setdefault(entry.robot_id, RobotLanes())
        lane = robot.lane((entry.boot, entry.route), entry.descriptor)
        lane.committed = max(lane.committed, entry.committed)
        lane.closed |= entry.closed
        for span in entry.spans:
            if span.reason == HELD:
                self._confirmed += lane.held.add(span.first, span.last)
            else:
                lane.gaps.add(span.first, span.last)
        return lane


def _changed(robot: RobotLanes) -> list[Held]:
    return _held(robot, {place: robot.lanes[place].changed() for place in robot.changed})


def _held(robot: RobotLanes, told: Mapping[Place, tuple[tuple[int, int], ...]]) -> list[Held]:
    return [
        Held(boot=place[0], route=place[1], ranges=ranges)
        for place, ranges in told.items()
        if ranges and robot.concerns(robot.lanes[place].descriptor.stream, historical=True)
    ]


def _descriptor(sample: Sample) -> Descriptor:
    return Descriptor(
        stream=sample.stream,
        topic=sample.topic,
        type_name=sample.type_name,
        schema_id=sample.schema_id,
        form=sample.form,
    )
