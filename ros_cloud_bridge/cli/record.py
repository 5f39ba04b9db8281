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

"""``ros-cloud-bridge record``: samples into MCAP files."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
import os
from pathlib import Path
import threading
import time
from typing import BinaryIO

from ros_cloud_bridge.cli.consuming import (
    add_selection_arguments,
    LinkReporter,
    log_to_stderr,
    report_losses,
    say,
    state_text,
    stop_on_signals,
    topic_filter,
    wait,
)
from ros_cloud_bridge.cli.leasing import add_lease_arguments, Leasing
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cli.record_confirming import add_confirm_arguments, Confirming
from ros_cloud_bridge.cli.record_split import (
    add_split_arguments,
    finish_earlier,
    in_folder,
    make_folder,
    rotation,
)
from ros_cloud_bridge.cloud.archive import Archive, Recording, Rotation, SingleFile
from ros_cloud_bridge.cloud.consumer import Consumer, is_glob, printable
from ros_cloud_bridge.cloud.ledger import LedgerError
from ros_cloud_bridge.cloud.mending import mend, MendError
from ros_cloud_bridge.cloud.offers import Offers
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.recorder import is_static_transforms, Recorder, TopicTotals
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import OfferedQos

_FLUSH_S = 1.0
# Of /tf_static: frames stand in several messages.
_FRAMES = 256
_UNFINISHED = {
    False: 'it may lack its end; record --repair gives it one, when there is room',
    True: 'it may lack its end; the next recording with this ledger gives it one, when there is '
    'room, and what is not confirmed comes again',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        '-o',
        '--output',
        metavar='FILE.mcap|FOLDER/',
        help='file to write, or folder for a file per robot (see --split)',
    )
    what.add_argument(
        '--repair',
        type=Path,
        metavar='FILE.mcap',
        help='give the file of a recorder that was killed its end, in place, and record nothing',
    )
    parser.add_argument('--force', action='store_true', help='replace the file if it exists')
    add_split_arguments(parser)
    add_selection_arguments(parser)
    parser.add_argument(
        '--prefix',
        action=argparse.BooleanOptionalAction,
        help='write /{robot} before each topic, or do not; by default it is left out when --robot '
        'is one exact robot id, and where each robot has its own files. What a ROS name cannot '
        'hold becomes _, and a robot whose prefix is taken already gets _2, _3, … behind it',
    )
    add_lease_arguments(parser)
    add_confirm_arguments(parser)
    add_mqtt_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """
    Record until SIGINT, SIGTERM, enough samples, or the end of the time.

    :param args: the parsed arguments
    :returns: exit status; 1 when the file cannot be written to the end, or the broker was never
        connected
    :raises ConfigError: when an argument cannot be used
    """
    if args.repair is not None:
        return _repair(args.repair)
    args.to_folder, args.output = args.output.endswith(os.sep), Path(args.output)
    turns = rotation(args)
    config = mqtt_config(args)
    wanted = topic_filter(args)
    link = LinkReporter(config)
    leasing = Leasing(args)
    log_to_stderr()
    confirming = Confirming(args) if args.confirm else None
    # From before the file exists on: whoever stops us gets a finished one.
    with stop_on_signals() as stop:
        writing = _Writing(wanted, args.count, stop, leasing, confirming)
        consumer = Consumer(
            config,
            writing.sample,
            robots=args.robot,
            root=args.root,
            name=args.name,
            on_state=writing.state,
            on_link=link,
            confirms=args.confirm,
            ledger=confirming.ledger if confirming is not None else None,
            key=confirming.key if confirming is not None else None,
        )
        if confirming is not None:
            confirming.mend()
        with writing, _recording(args, turns, consumer, confirming) as recording:
            leasing.begin(consumer)
            writing.begin(consumer, recording)
            with consumer:
                wait(stop, args.seconds, writing.each_turn)
                writing.finish()
            recording.close(consumer.decoder.losses())
            writing.end()
    _print_table(writing.totals())
    report_losses(consumer, wanted, durable_too=confirming is None)
    if confirming is not None:
        confirming.report(consumer.decoder.losses(), writing.historical)
        confirming.ledger.close()
    if writing.failed is not None:
        say(f'{args.output}: {_reason(writing.failed)}')
        say(f'{args.output}: {_UNFINISHED[args.confirm]}')
        return 1
    return link.exit_status()


class _Writing:
    """Hands samples to the recorder; as a context manager it keeps the first error of the disk."""

    def __init__(
        self,
        wanted: Callable[[str], bool],
        count: int | None,
        stop: threading.Event,
        leasing: Leasing,
        confirming: Confirming | None,
    ) -> None:
        self._consumer: Consumer | None = None
        self._recording: Recording | None = None
        self._wanted = wanted
        self._left = count
        self._stop = stop
        self._leasing = leasing
        self._confirming = confirming
        self._next_flush = time.monotonic() + _FLUSH_S
        self.failed: OSError | LedgerError | None = None
        self.historical = 0

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, (OSError, LedgerError)):
            return False
        self.failed = self.failed or error
        self._stop.set()
        return True

    def begin(self, consumer: Consumer, recording: Recording) -> None:
        self._consumer, self._recording = consumer, recording
        if self._confirming is not None:
            self._confirming.begin(consumer, recording)

    def sample(self, sample: Sample) -> None:
        # After --seconds, a signal or --count, what has come in meanwhile counts no more.
        if self._stop.is_set() or self._recording is None or self._consumer is None:
            return
        # A robot would keep for ever what it waits to have confirmed.
        if not self._wanted(sample.topic) and not self._consumer.confirms(sample):
            return
        with self:
            self._recording.add(sample)
            self.historical += sample.historical
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._stop.set()

    def finish(self) -> None:
        """Confirm the last ones while there is a connection."""
        # What comes from here on is not recorded, and comes again.
        self._stop.set()
        if self._confirming is not None and self.failed is None:
            with self:
                self._confirming.commit()

    def totals(self) -> list[TopicTotals]:
        """Give what was recorded, also when the disk failed."""
        with self:
            return [] if self._recording is None else self._recording.close()
        return []

    def end(self) -> None:
        """Note that the file is finished."""
        if self._confirming is not None and self.failed is None:
            self._confirming.end()

    def state(self, state: RobotState) -> None:
        self._leasing.state(state)
        say(state_text(state))

    def each_turn(self) -> None:
        self._leasing.tell()
        now = time.monotonic()
        if now < self._next_flush or self._recording is None or self.failed is not None:
            return
        self._next_flush = now + _FLUSH_S
        with self:
            if self._confirming is not None:
                self._confirming.commit()
            else:
                self._recording.flush()
                self._recording.finish()


def _repair(path: Path) -> int:
    try:
        messages = mend(path)
    except MendError as error:
        say(str(error))
        return 1
    said = 'was finished already' if messages is None else f'finished, with {messages} samples'
    say(f'{path}: {said}')
    return 0


def _reason(error: OSError | LedgerError) -> str:
    return getattr(error, 'strerror', None) or str(error)


def _prefixed(args: argparse.Namespace) -> bool:
    if args.prefix is not None:
        return bool(args.prefix)
    # Settled before the first sample: a topic must not change its name when a second robot comes.
    return is_glob(args.robot) and not in_folder(args)


class _Qualities:
    """
    Says with what QoS samples' topics are published, as their robots' ``info`` has it.

    :param consumer: hears it
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        # Each robot's newest document, and what it says.
        self._read: dict[str, tuple[object, Offers]] = {}

    def offered(self, sample: Sample) -> OfferedQos | None:
        robot = self._consumer.decoder.robots.get(sample.robot_id)
        info = None if robot is None else robot.documents.get('info')
        if info is None:
            return None
        known, offers = self._read.get(sample.robot_id, (None, None))
        if offers is None or known is not info:
            offers = Offers(info)
            self._read[sample.robot_id] = info, offers
        return offers.find(sample.topic, sample.type_name)

    def depth(self, sample: Sample) -> int:
        """Say how many values a late joiner gets of a latched topic; 0 of others."""
        if is_static_transforms(sample.topic):
            return _FRAMES
        offered = self.offered(sample)
        if offered is None or not offered.transient_local:
            return int(sample.latched)
        return offered.depth or 1


@contextmanager
def _recording(
    args: argparse.Namespace,
    turns: Rotation,
    consumer: Consumer,
    confirming: Confirming | None,
) -> Iterator[Recording]:
    """Open what the arguments name; a file is closed at the end, however that comes."""
    qualities = _Qualities(consumer)
    make = partial(
        Recorder,
        prefix=_prefixed(args),
        offered=qualities.offered,
        confirms=args.confirm,
    )
    if not in_folder(args):
        with _create(args) as stream:
            yield SingleFile(args.output, stream, make(stream))
        return
    make_folder(args.output)
    finish_earlier(args.output)
    yield Archive(
        args.output,
        turns,
        make,
        now=time.monotonic,
        wall_s=time.time,
        depth_of=qualities.depth,
        on_open=None if confirming is None else confirming.opened,
    )


def _create(args: argparse.Namespace) -> BinaryIO:
    path: Path = args.output
    try:
        return path.open('wb' if args.force else 'xb')
    except FileExistsError:
        raise ConfigError('output', f'{path} exists; --force replaces it') from None
    except OSError as error:
        raise ConfigError('output', f'{path}: {error.strerror}') from error


def _print_table(totals: list[TopicTotals]) -> None:
    rows = [
        (printable(entry.recorded_as), str(entry.samples), str(entry.bytes))
        for entry in totals
        if entry.samples
    ]
    rows.append(
        (
            'total',
            str(sum(entry.samples for entry in totals)),
            str(sum(entry.bytes for entry in totals)),
        )
    )
    header = ('topic', 'samples', 'bytes')
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(3)]
    for topic, samples, size in [header, *rows]:
        print(f'{topic:<{widths[0]}}  {samples:>{widths[1]}}  {size:>{widths[2]}}')
    for entry in totals:
        if entry.without_schema:
            say(
                printable(
                    f'{entry.robot_id} {entry.topic}: {entry.without_schema} samples left out, '
                    f'for no definition of {entry.type_name} came'
                )
            )
        if entry.unrestored:
            say(
                printable(
                    f'{entry.robot_id} {entry.topic}: {entry.unrestored} samples left out: '
                    'differences from one that did not come, or in a form that is not known here'
                )
            )
