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

"""A spool's samples into an MCAP file: the data of a robot that has come home, by cable."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ros_cloud_bridge.cli.spool_file import Block, SpoolFile
from ros_cloud_bridge.cli.spool_report import clean
from ros_cloud_bridge.cloud.recorder import Recorder
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.errors import ConfigError, LocalFault, UnknownSchema
from ros_cloud_bridge.wire.schema import Schema


def export(
    spool: SpoolFile, robot_id: str, path: Path, *, dead_only: bool, force: bool
) -> tuple[str, list[str]]:
    """
    Write what is on the robot's disk.

    :param spool: the spool
    :param robot_id: whose it is
    :param path: the MCAP file
    :param dead_only: only what was refused
    :param force: replace the file if it exists
    :returns: what was written, and what was not, both in words
    :raises ConfigError: when the file cannot be made
    """
    writing = _Writing(spool, robot_id)
    problems = []
    try:
        with _create(path, force) as stream:
            recorder = Recorder(stream)
            try:
                for blocks in (iter(()) if dead_only else spool.spooled(), spool.dead_letters()):
                    try:
                        writing.write(blocks, recorder)
                    except LocalFault as error:
                        problems.append(f'{error}; what was read up to there is written')
            finally:
                # What an interrupt leaves is a whole file, too.
                totals = recorder.close()
    except OSError as error:
        return '', [f'{path}: {error.strerror or error}']
    written = [entry for entry in totals if entry.samples]
    summary = f'{sum(entry.samples for entry in written)} samples written to {path}'
    if written:
        summary += f' ({", ".join(f"{clean(e.topic)} {e.samples}" for e in written)})'
    problems += [
        f'{entry.without_schema} samples of {clean(entry.topic)} left out: the spool holds no '
        f'definition of {clean(entry.type_name)}'
        for entry in totals
        if entry.without_schema
    ]
    problems += [
        f'{entry.unrestored} samples of {clean(entry.topic)} left out: their form cannot be '
        'restored'
        for entry in totals
        if entry.unrestored
    ]
    if writing.damaged:
        problems.append(f'{writing.damaged} samples left out: they are damaged in the spool')
    return summary, problems


class _Writing:
    def __init__(self, spool: SpoolFile, robot_id: str) -> None:
        self.damaged = 0
        self._spool = spool
        self._robot_id = robot_id
        self._schemas: dict[str, Schema | None] = {}

    def write(self, blocks: Iterable[Block], recorder: Recorder) -> None:
        for block in blocks:
            for sample in self._samples(block):
                recorder.add(sample)

    def _samples(self, block: Block) -> Iterator[Sample]:
        found = block.samples()
        if found is None:
            self.damaged += block.count
            return
        for entry in found:
            yield self._sample(block, entry)

    def _sample(self, block: Block, entry: Queued) -> Sample:
        received, descriptor = entry.sample, block.descriptor
        return Sample(
            robot_id=self._robot_id,
            topic=descriptor.topic,
            type_name=descriptor.type_name,
            cdr=received.cdr,
            source_time_ns=received.source_time_ns,
            receive_time_ns=received.receive_time_ns,
            sent_time_ns=received.receive_time_ns,
            sequence=entry.sequence,
            stream=descriptor.stream,
            historical=True,
            latched=False,
            boot_id=block.boot.hex(),
            route=block.route,
            schema_id=descriptor.schema_id,
            form=descriptor.form,
            _decode=_not_decoded,
            _schema=self._schema,
        )

    def _schema(self, schema_id: str, type_name: str) -> Schema:
        if schema_id not in self._schemas:
            self._schemas[schema_id] = self._spool.schema(schema_id)
        schema = self._schemas[schema_id]
        if schema is None or schema.type_name != type_name:
            raise UnknownSchema(type_name)
        return schema


def _not_decoded(schema_id: str, type_name: str, cdr: bytes) -> Any:
    # Nobody asks: samples are written as they are.
    raise UnknownSchema(type_name)


def _create(path: Path, force: bool) -> BinaryIO:
    try:
        return path.open('wb' if force else 'xb')
    except FileExistsError:
        raise ConfigError('export', f'{path} exists; --force replaces it') from None
    except OSError as error:
        raise ConfigError('export', f'{path}: {error.strerror}') from error
