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

"""Key files: read only where they are what they seem, written whole or not at all."""

from contextlib import suppress
import errno
import os
from pathlib import Path
import secrets
import stat

from ros_cloud_bridge.errors import LocalFault

# A PEM file of one Ed25519 key has about 120 bytes; comments may stand around it.
_MOST_BYTES = 16 * 1024
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class KeyFileError(LocalFault):
    """
    A file of keys that cannot be used.

    :param path: the file
    :param problem: what is wrong with it and what to do
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f'{path}: {problem}')
        self.path = path
        self.problem = problem


def read_file(path: Path, *, secret: bool = False, most_bytes: int = _MOST_BYTES) -> bytes:
    """
    Read a small regular file; no link is followed, nothing is waited for.

    :param path: the file
    :param secret: refuse one that anybody but its owner can read or write
    :param most_bytes: refuse a larger one
    :returns: what is in it
    :raises KeyFileError: when it can't be read, or when others than should can change it
    """
    try:
        # NONBLOCK: a pipe of that name holds nobody up.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise KeyFileError(path, 'is a symbolic link; put the file itself there') from None
        raise KeyFileError(path, _reason(error)) from None
    try:
        # Of what was opened, so that nobody swaps it in between.
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(path, 'is no regular file')
        _check_mode(path, status.st_mode, secret)
        data = _read_whole(handle, most_bytes + 1)
    except OSError as error:
        raise KeyFileError(path, _reason(error)) from None
    finally:
        os.close(handle)
    if len(data) > most_bytes:
        raise KeyFileError(path, f'has more than {most_bytes} bytes: no key file')
    return data


def write_file(path: Path, data: bytes, *, mode: int, overwrite: bool = False) -> None:
    """
    Write a file so that a power cut leaves all of it or none; missing folders are made, 0700.

    :param path: the file
    :param data: what is to be in it
    :param mode: its permissions, from the first moment on
    :param overwrite: whether it may stand there already
    :raises KeyFileError: when it stands there already, or can't be written
    """
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
        _make_folders(path.parent)
        try:
            _write_new(temporary, data, mode)
            _put(temporary, path, overwrite)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        _sync_folder(path.parent)
    except FileExistsError:
        raise KeyFileError(path, 'stands there already; it is not overwritten') from None
    except OSError as error:
        raise KeyFileError(path, f'cannot be written: {_reason(error)}') from None


def _read_whole(handle: int, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    while most_bytes and (part := os.read(handle, most_bytes)):
        parts.append(part)
        most_bytes -= len(part)
    return b''.join(parts)


def _check_mode(path: Path, mode: int, secret: bool) -> None:
    if secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            path,
            f'others may use it (mode {mode & 0o777:04o}), and it is secret: chmod 600 {path}',
        )
    if mode & stat.S_IWOTH:
        raise KeyFileError(path, f'anybody may write it: chmod o-w {path}')


def _make_folders(folder: Path) -> None:
    # mkdir's own mode holds for the last folder only.
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, mode), 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put(temporary: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            # Unlike a renaming it fails where something stands.
            os.link(temporary, path)
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        if os.path.lexists(path):
            raise FileExistsError(path)
    os.replace(temporary, path)


def _sync_folder(folder: Path) -> None:
    # Else a power cut may undo the renaming.
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
