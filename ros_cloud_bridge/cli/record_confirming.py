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

"""``record --confirm``: samples are confirmed once the file that holds them is on the disk."""

import argparse
from collections.abc import Callable, Mapping
import json
from pathlib import Path
import threading

from ros_cloud_bridge.cli.consuming import say
from ros_cloud_bridge.cli.record_split import in_folder, make_folder, say_finished
from ros_cloud_bridge.cloud.archive import Recording, sync_folder
from ros_cloud_bridge.cloud.checks import check_name
from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.ledger import Ledger
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.mending import mend, MendError
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.signing.keys import PrivateKey

_NOTE = 'recording'
_MOST_TOLD = 20


def add_confirm_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add whether to confirm, and where is noted what was.

    :param parser: the subcommand's parser
    """
    parser.add_argument(
        '--confirm',
        action='store_true',
        help='confirm the samples of durable streams whose confirm_by is --name, once they are on '
        'the disk; robots keep them until then. All topics of such streams are recorded, whatever '
        '--topic says',
    )
    parser.add_argument(
        '--ledger',
        type=Path,
        metavar='FILE',
        help='where --confirm notes what is confirmed (FILE.mcap.ledger); recordings that follow '
        'each other under one name share it, so that nothing is recorded twice',
    )
    parser.add_argument(
        '--key',
        type=Path,
        metavar='FILE',
        help='sign confirmations with this key, for robots with confirm_trust: signatures',
    )


class Confirming:
    """
    Confirms what a recorder has made durable.

    :param args: parsed arguments
    :raises ConfigError: when they do not go together
    :raises LedgerError: when the ledger cannot be used
    """

    def __init__(self, args: argparse.Namespace) -> None:
        if not args.name:
            raise ConfigError(
                '--name', 'is needed for --confirm: the streams name it in confirm_by'
            )
        check_name(args.name)
        self.key = None if args.key is None else PrivateKey.load(args.key)
        output: Path = args.output
        # A folder may hold the recordings of several names.
        beside = output / f'{args.name}.ledger' if in_folder(args) else None
        path = args.ledger or beside or output.with_name(f'{output.name}.ledger')
        if beside is not None:
            make_folder(output)
        self.ledger = Ledger(path, args.name)
        if self.ledger.recovered:
            say(self.ledger.recovered)
        self._consumer: Consumer | None = None
        self._recording: Recording | None = None
        self._folder: Path = output.absolute().parent
        # Files are counted and noted in one stroke: an older note would forget what is confirmed.
        self._noting = threading.RLock()

    def mend(self) -> None:
        """Finish the file of a recorder that was killed: what it had not confirmed comes again."""
        note = self.ledger.note(_NOTE)
        if not note:
            return
        try:
            known = _read_note(note)
        except (ValueError, TypeError, KeyError, AttributeError):
            say(f'{self.ledger.path}: its note of the last recording cannot be read')
            return
        for path, size in known.items():
            try:
                messages = mend(path, size)
            except MendError as error:
                say(f'{error}: the recording before this one is not finished')
                continue
            if messages is not None:
                say_finished(path, messages)

    def begin(self, consumer: Consumer, recording: Recording) -> None:
        """
        Note which file is being written, before anything in it is confirmed.

        :param consumer: not started yet
        :param recording: nothing recorded yet
        :raises OSError: when the file cannot be written
        :raises LedgerError: when the ledger cannot be written
        """
        self._consumer, self._recording = consumer, recording
        sync_folder(self._folder)
        self.commit()

    def opened(self, files: Callable[[], Mapping[Path, int]]) -> None:
        """
        Note a further file, before it gets its first sample.

        :param files: gives all that are not finished, with what of each is durable
        :raises LedgerError: when the ledger cannot be written
        """
        with self._noting:
            self.ledger.commit((), {_NOTE: _note(files())})

    def commit(self) -> None:
        """
        Make durable what has been recorded, then confirm it.

        :raises OSError: when the file cannot be written
        :raises LedgerError: when the ledger cannot be written
        """
        assert self._consumer is not None and self._recording is not None
        with self._noting:
            stored = self._recording.sync()
            self._consumer.confirm(stored.samples, {_NOTE: _note(stored.files)})
        self._consumer.decline(stored.left_out)
        self._recording.finish()

    def end(self) -> None:
        """
        Note that all files are finished.

        :raises OSError: when it cannot be written to the disk
        :raises LedgerError: when the ledger cannot be written
        """
        assert self._recording is not None
        self._recording.sync()
        self.ledger.commit((), {_NOTE: ''})

    def report(self, losses: list[RouteLosses], historical: int) -> None:
        """
        Say what was confirmed, and of which routes everything is there.

        :param losses: of all routes
        :param historical: recorded samples that came as backlog
        """
        assert self._consumer is not None
        durable = [entry for entry in losses if entry.durable]
        complete = sum(entry.complete for entry in durable)
        # Of a run that goes on a robot says how much there is only when it has gaps to tell.
        going_on = [entry for entry in durable if entry.committed is None]
        sound = sum(not entry.unexplained for entry in going_on)
        lacking = [
            entry
            for entry in durable
            if not entry.complete and (entry.committed is not None or entry.unexplained)
        ]
        say(
            f'{self._consumer.confirmed} samples confirmed; {historical} recorded samples were '
            f'historical; durable routes: {complete} complete, {sound} going on without a gap, '
            f'{len(lacking)} with samples missing'
        )
        for entry in lacking[:_MOST_TOLD]:
            where = f'{entry.robot_id} {entry.topic} (boot {entry.boot_id})'
            lack = f'{entry.outstanding} of {entry.committed} committed samples have not come'
            if entry.committed is None:
                lack = f'{entry.unexplained} samples between others have not come'
            say(printable(f'{where}: {lack}'))
        if len(lacking) > _MOST_TOLD:
            say(f'… and of {len(lacking) - _MOST_TOLD} more routes')


def _note(files: Mapping[Path, int]) -> str:
    return json.dumps({'files': {str(path): size for path, size in files.items()}})


def _read_note(note: str) -> dict[Path, int]:
    known = json.loads(note)
    if 'path' in known:
        # As recordings of one file alone wrote it.
        return {Path(known['path']): int(known['size'])}
    return {Path(path): int(size) for path, size in known['files'].items()}
