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

"""Disks that are full, read-only or damaged, and clocks that jump."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import random
import shutil
import subprocess
import tempfile

from fault_base import Missing, Options, Result, result, Rig, ROOT, Scenario, started, wait

from support.fault_publisher import Load
from support.waiting import wait_until

_TMPFS_BYTES = 3 * 1024 * 1024
_IMAGE_BYTES = 24 * 1024 * 1024
_PAGE = 4096
_HOUR_S = 3600
# Fills a small disk in a few seconds.
_HEAVY = (Load('events', 60.0, 300), Load('images', 20.0, 60_000))


def disk_full(options: Options) -> Result:
    """
    Let the disk be full for a while, online and offline.

    :param options: how
    :returns: the result
    """
    with _mounted('tmpfs', f'size={_TMPFS_BYTES}', 'tmpfs') as folder:
        with Rig(options.setup(loads=_HEAVY), state_dir=folder / 'state') as rig:
            rig.sink.start()
            rig.start_bridge()
            ballast = folder / 'ballast'
            # Somebody else's file, before the first sample and later, while everything is online.
            _fill(ballast)
            rig.start_publisher()
            states = set()
            for _ in range(2):
                _subscribed(rig)
                wait(2.0)
                states.add(_spool_state(rig))
                ballast.unlink()
                _wait_for_state(rig, 'ok')
                wait(1.0)
                _fill(ballast)
            ballast.unlink()
            _wait_for_state(rig, 'ok')
            # And ours, while nothing goes out.
            rig.proxy.refuse()
            wait(6.0 if options.quick else 10.0)
            rig.proxy.heal()
            states.add(_spool_state(rig))
            _wait_for_state(rig, 'ok')
            wait(1.0)
            return result(rig, 4, {'states': ' '.join(sorted(states))})


def read_only(options: Options) -> Result:
    """
    Let the file system turn read-only under the bridge, as Linux does after an error of the disk.

    :param options: how
    :returns: the result
    """
    with tempfile.TemporaryDirectory() as name:
        image = Path(name) / 'image'
        with image.open('wb') as file:
            file.truncate(_IMAGE_BYTES)
        _run('mkfs.ext4', '-q', str(image))
        with Rig(options.setup(), state_dir=Path(name) / 'state') as rig:
            with _mounted('ext4', 'loop', str(image), Path(name) / 'disk') as folder:
                rig.state_dir = folder / 'state'
                started(rig)
                wait(1.5)
                rig.proxy.refuse()
                wait(1.5)
                _run('mount', '-o', 'remount,abort', str(folder))
                wait(1.5)
                rig.proxy.heal()
                states = {_spool_state(rig)}
                wait(1.5)
                # A bridge that begins on such a disk.
                rig.kill_bridge()
                rig.start_bridge()
                wait(1.5)
                states.add(_spool_state(rig))
                rig.kill_bridge()
            subprocess.run(['e2fsck', '-fy', str(image)], capture_output=True, check=False)
            with _mounted('ext4', 'loop', str(image), Path(name) / 'disk') as folder:
                rig.state_dir = folder / 'state'
                rig.start_bridge()
                rig.wait_for_more()
                return result(rig, 2, {'states': ' '.join(sorted(states))})


def corrupt_pages(options: Options) -> Result:
    """
    Overwrite bytes in the database of a bridge that has ended.

    :param options: how
    :returns: the result
    """
    return _corrupt(options, 'corrupt_pages', log=False)


def corrupt_log(options: Options) -> Result:
    """
    Overwrite bytes in the write-ahead log of a bridge that was killed.

    :param options: how
    :returns: the result
    """
    return _corrupt(options, 'corrupt_log', log=True)


def _corrupt(options: Options, name: str, *, log: bool) -> Result:
    """
    Damage the spool again and again.

    Which samples a lost ledger knew nobody can tell any more, but that some are lost must be said.
    """
    drawn = options.drawn(name)
    rounds = options.count(6, 2)
    told = silent = 0
    with Rig(options.setup()) as rig:
        rig.sink.start()
        rig.start_publisher().pause()
        for number in range(rounds):
            rig.start_bridge()
            rig.publisher.go()
            rig.wait_for_more()
            rig.proxy.refuse()
            wait(2.0)
            if log:
                rig.kill_bridge()
            else:
                rig.stop_bridge()
            lost = _untold(rig)
            path = rig.spool.with_name(f'{rig.spool.name}-wal') if log else rig.spool
            # The log's last transaction may be torn by a power cut: no damage, and nobody's loss.
            _overwrite(path, drawn, 1 + number % 3, share=0.75 if log else 1.0)
            rig.proxy.heal()
            rig.start_bridge()
            health = rig.monitor.wait_for_health(lambda health: health['spool'])
            said = bool(health['spool']['recovered'])
            rig.drain()
            rig.stop_bridge()
            told += said
            silent += _untold(rig) > lost and not said
        rig.start_bridge()
        outcome = result(rig, rounds, {'recovered': told, 'silent': silent}, timeout_s=20.0)
        outcome.told = not silent
        return outcome


def _untold(rig: Rig) -> int:
    # The consumer knows which numbers are damaged, the ledger only how many: enough meanwhile.
    return rig.book.lost_samples() - rig.book.ledger['damaged']


def _subscribed(rig: Rig) -> None:
    assert rig.bridge is not None
    rig.bridge.wait_for_log("stream 'events'")


def _overwrite(path: Path, drawn: random.Random, count: int, share: float) -> None:
    size = int(path.stat().st_size * share)
    with path.open('r+b') as file:
        for _ in range(count):
            file.seek(drawn.randrange(size))
            file.write(drawn.randbytes(drawn.randint(1, 200)))


def clock_jump(options: Options) -> Result:
    """
    Let the robot's wall clock jump by an hour, forwards and back, running and over a restart.

    :param options: how
    :returns: the result
    """
    drawn = options.drawn('clock_jump')
    shifts = [_HOUR_S, 0, -_HOUR_S, 0]
    drawn.shuffle(shifts)
    # Half an hour: samples expire if and only if a jump counts as time.
    ttl = {name: {'ttl_s': _HOUR_S / 2.0} for name in ('events', 'images')}
    with Rig(options.setup(streams=ttl)) as rig:
        shift = rig.folder / 'shift'
        shift.write_text('0')
        path = f'{ROOT / "test" / "support" / "fault_clock"}:{os.environ.get("PYTHONPATH", "")}'
        clock = {'PYTHONPATH': f'{ROOT}:{path}', 'RCB_FAULT_CLOCK': str(shift)}
        rig.sink.start()
        rig.start_bridge(environment=clock)
        rig.start_publisher()
        rig.wait_for_more()
        for seconds in shifts:
            wait(0.7)
            rig.proxy.refuse()
            wait(0.7)
            shift.write_text(str(seconds))
            wait(0.7)
            rig.proxy.heal()
        return result(rig, len(shifts), {'jumps_s': ' '.join(map(str, shifts))})


def _spool_state(rig: Rig) -> str:
    health = rig.monitor.wait_for_health(lambda health: health['spool'])
    return str(health['spool']['state'])


def _wait_for_state(rig: Rig, state: str) -> None:
    rig.monitor.wait_for_health(lambda health: health['spool']['state'] == state)


def _fill(path: Path) -> None:
    """Take all room that is left."""
    with path.open('wb', buffering=0) as file:
        for size in (64 * 1024, _PAGE, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def _mounted(kind: str, how: str, device: str, at: Path | None = None) -> Iterator[Path]:
    if os.geteuid() != 0:
        raise Missing('needs root, to mount a small disk')
    for program in ('mount', 'umount', *(('mkfs.ext4', 'e2fsck') if kind == 'ext4' else ())):
        if shutil.which(program) is None:
            raise Missing(f'needs {program}')
    folder = at or Path(tempfile.mkdtemp(prefix='faults-disk-'))
    folder.mkdir(exist_ok=True)
    _run('mount', '-t', kind, '-o', how, device, str(folder))
    try:
        yield folder
    finally:
        wait_until(lambda: _unmounted(folder), 20.0, f'that {folder} is free')
        folder.rmdir()


def _unmounted(folder: Path) -> bool:
    return (
        subprocess.run(['umount', str(folder)], capture_output=True, check=False).returncode == 0
    )


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f'{" ".join(command)}: {done.stderr.strip()}')


SCENARIOS: dict[str, Scenario] = {
    'disk_full': disk_full,
    'read_only': read_only,
    'corrupt_pages': corrupt_pages,
    'corrupt_log': corrupt_log,
    'clock_jump': clock_jump,
}
