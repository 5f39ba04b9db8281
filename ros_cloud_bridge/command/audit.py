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

"""Decisions on commands, one JSON object a line, in a file that is rotated."""

from collections.abc import Callable
import contextlib
from dataclasses import asdict
from datetime import datetime, timezone
import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
import sys
from typing import Any

from ros_cloud_bridge.core.commands.effects import Audit
from ros_cloud_bridge.values import AuditConfig

Log = Callable[[str, str], None]


class _Handler(RotatingFileHandler):
    """Tells a fault instead of printing it."""

    def __init__(self, path: Path, config: AuditConfig, told: Callable[[Exception], None]) -> None:
        super().__init__(
            path,
            maxBytes=config.max_bytes,
            backupCount=config.files - 1,
            encoding='utf-8',
            delay=True,
        )
        self._told = told

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Pass on what went wrong; called while the exception is handled."""
        error = sys.exc_info()[1]
        self.reopen()
        if isinstance(error, Exception):
            self._told(error)

    def doRollover(self) -> None:  # noqa: N802
        """Begin a new file; without older ones to keep, the full one goes."""
        if self.backupCount > 0:
            super().doRollover()
            return
        self.reopen()
        Path(self.baseFilename).unlink(missing_ok=True)

    def reopen(self) -> None:
        """Let go of the file, and of what it did not take: the next line opens it again."""
        stream: Any = self.stream
        setattr(self, 'stream', None)  # noqa: B010 - typed as if it never were
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


class AuditLog:
    """
    Writes decisions; a fault of the disk is said once, until writing works again.

    :param path: the file; its directory is made
    :param robot_id: stands in each line
    :param config: how large the file may become
    :param log: takes (level, text)
    """

    def __init__(self, path: Path, robot_id: str, config: AuditConfig, log: Log) -> None:
        self.path = path
        self._robot_id = robot_id
        self._log = log
        self._failing = False
        self._failed_now = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._fault(error)
        self._handler = _Handler(path, config, self._fault)

    def line(self, audit: Audit, wall_ns: int) -> dict[str, Any]:
        """
        Make the object that is written.

        :param audit: the decision
        :param wall_ns: when, nanoseconds since the Unix epoch
        :returns: JSON-able; no field holds a secret, for no decision does
        """
        when = datetime.fromtimestamp(wall_ns / 1e9, timezone.utc)
        facts = {key: value for key, value in asdict(audit).items() if value not in ('', {})}
        return {
            'time': when.isoformat(timespec='milliseconds'),
            'robot': self._robot_id,
            **facts,
        }

    def write(self, line: dict[str, Any]) -> None:
        """
        Add a line.

        :param line: as :meth:`line` made it
        """
        text = json.dumps(line, ensure_ascii=False, default=repr)
        record = logging.LogRecord('audit', logging.INFO, '', 0, text, None, None)
        self._failed_now = False
        self._handler.emit(record)
        if self._failing and not self._failed_now:
            self._failing = False
            self._log('info', f'{self.path}: decisions on commands are noted again')

    def close(self) -> None:
        """Close the file; a line that is written later opens it again."""
        self._handler.reopen()

    def _fault(self, error: Exception) -> None:
        self._failed_now = True
        if not self._failing:
            self._failing = True
            reason = getattr(error, 'strerror', None) or error
            self._log('error', f'{self.path}: decisions on commands are not noted: {reason}')
