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

"""A consumer: subscribes to robots at a broker, decodes, asks for what is missing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
import fnmatch
import logging
import re
import secrets
import threading
import time
from types import TracebackType
from typing import Any

from ros_cloud_bridge.cloud.checks import check_lease, check_name, check_robots, check_root
from ros_cloud_bridge.cloud.confirmer import Confirmer
from ros_cloud_bridge.cloud.counts import ConsumerCounts, Tally
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.documents import DOCUMENTS
from ros_cloud_bridge.cloud.identity import Identified
from ros_cloud_bridge.cloud.inbox import DEFAULT_MAX_BYTES, Inbox
from ros_cloud_bridge.cloud.leasing import LeaseState
from ros_cloud_bridge.cloud.ledger import Ledger
from ros_cloud_bridge.cloud.presence import Presence, RobotState
from ros_cloud_bridge.cloud.requests import Requests
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import ConfigError, ProtocolError
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Discarded,
    Outgoing,
    Received,
    SessionEvent,
    SessionFull,
)
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.values import Lease, MqttConfig
from ros_cloud_bridge.wire.topics import DEFAULT_ROOT, parse_topic

_KINDS = ('state', 'info', 'health', 'schema/+', 'b/+', 'dict/+', 'latched/#')
_GLOB_CHARACTERS = frozenset('*?[')
_TURN_S = 0.25
_MAX_NOTED_KINDS = 64
_SHOWN_TOPIC = 100

_log = logging.getLogger(__name__)


class Consumer:
    """
    Receives the samples of the robots at a broker, without ROS.

    All callbacks run on the consumer's own thread, one at a time; an exception of theirs is logged
    and nothing else. The broker connection is made, and made again, in the background.

    :param config: how to reach the broker; without a ``client_id`` each consumer makes up its own
    :param on_sample: takes each sample
    :param robots: a robot id, or a glob over robot ids
    :param root: the fleet's topic root
    :param name: what robots know this consumer by, as in their allow list of leases; two at a time
        should not share one. Made up when empty
    :param ordered: hand each route's samples on in the order of their sequence numbers
    :param on_state: takes the coming and going of robots
    :param on_document: takes robot id, kind and each ``state``, ``info`` and ``health`` of robots;
        after each ``schema`` its ``id`` alone
    :param on_link: takes the broker connection's ups and downs
    :param max_queued_bytes: received but not yet decoded; what comes beyond it is dropped
    :param confirms: confirm the samples of durable streams that name this consumer as their
        ``confirm_by``, once :meth:`confirm` says that they are durable; robots keep and repeat the
        others. Needs ``name``, which then no two consumers may share
    :param ledger: keeps what is confirmed over restarts, so that what a robot repeats is not
        handed on twice; opened for ``name``, and closed by whoever opened it
    :param key: signs confirmations, for robots with ``confirm_trust: signatures``
    :raises ConfigError: names the key that cannot be used, before any connection
    """

    def __init__(
        self,
        config: MqttConfig,
        on_sample: Callable[[Sample], None],
        *,
        robots: str = '*',
        root: str = DEFAULT_ROOT,
        name: str = '',
        ordered: bool = False,
        on_state: Callable[[RobotState], None] | None = None,
        on_document: Callable[[str, str, dict[str, Any]], None] | None = None,
        on_link: Callable[[SessionEvent], None] | None = None,
        max_queued_bytes: int = DEFAULT_MAX_BYTES,
        confirms: bool = False,
        ledger: Ledger | None = None,
        key: PrivateKey | None = None,
    ) -> None:
        check_root(root)
        check_robots(robots)
        if name or confirms:
            check_name(name)
        self._exact = None if is_glob(robots) else robots
        self._takes = re.compile(fnmatch.translate(robots)).fullmatch
        self._root = root
        self._on_sample = on_sample
        self._on_state = on_state
        self._on_document = on_document
        self._on_link = on_link
        self._confirmer = Confirmer(name, root, ledger, key) if confirms else None
        self._decoder = _decoder(root, ordered, self._confirmer)
        self._presence = Presence()
        self._tally = Tally()
        self._noted: set[str] = set()
        self._overflow_said = 0.0
        self._given_up_seen, self._given_up_said = 0, 0.0
        self._overflow_seen = 0
        self._retained = False
        client_id = config.client_id or f'rcb-{secrets.token_hex(6)}'
        self.name = name or client_id
        self._requests = Requests(root, self.name, self._exact, self._decoder, self._presence)
        batches = re.compile(re.escape(root) + '/[^/]*/(b|latched)/')
        self._inbox = Inbox(lambda topic: batches.match(topic) is not None, max_queued_bytes)
        level = self._exact or '+'
        self._session = Session(
            config,
            client_id=client_id,
            subscriptions=[f'{root}/{level}/{kind}' for kind in _KINDS],
            on_event=self._receive,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='consumer', daemon=True)

    def __enter__(self) -> 'Consumer':
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Connect and decode in the background, until :meth:`stop`.

        :raises LocalFault: when it was started before
        """
        self._session.start()
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """
        Give leases back, say what is confirmed, leave, handle what has already come, and end.

        :param timeout_s: for each of the two steps
        """
        farewell = self._requests.farewell()
        if self._confirmer is not None:
            farewell += self._confirmer.last_words()
        # Without a connection nobody hears it, and the leases end by themselves.
        self._session.stop(timeout_s, farewell if self._session.connected else [])
        self._stopping.set()
        self._inbox.wake()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def lease(self, robot_id: str, stream: str, hz: float = 0.0, seconds: float = 60.0) -> None:
        """
        Lease a stream that flows on demand, and renew the lease until :meth:`release`.

        What the robot says to it comes with its next ``health``; see :attr:`leases`. May be called
        from any thread, and again to change the rate.

        :param robot_id: one of the robots that this consumer receives
        :param stream: the stream's name
        :param hz: wanted rate; 0 for as fast as the stream allows
        :param seconds: how long the stream shall go on if this consumer vanishes; at least 3
        :raises ConfigError: names the argument that cannot be used, or ``name`` when no robot can
            allow this consumer's name
        """
        check_name(self.name)
        if is_glob(robot_id) or not self._takes(robot_id):
            raise ConfigError('robot', f'{robot_id!r} is no robot that this consumer receives')
        check_robots(robot_id)
        check_lease(stream, hz, seconds)
        self._requests.leases.keep(robot_id, Lease(stream=stream, hz=hz, seconds=seconds))

    def release(self, robot_id: str, stream: str) -> None:
        """
        Give a lease back.

        :param robot_id: the robot
        :param stream: the stream's name; one that is not leased is fine
        """
        self._requests.leases.release(robot_id, stream)

    @property
    def leases(self) -> tuple[LeaseState, ...]:
        """What has become of each lease that was not released."""
        return self._requests.leases.states

    def confirms(self, sample: Sample) -> bool:
        """
        Say whether a robot waits for a sample's confirmation.

        :param sample: from the decoder
        :returns: whether its stream names this consumer, or may do so as far as is known yet
        """
        return self._confirmer is not None and self._confirmer.confirmations.concerns(sample)

    def confirm(
        self, samples: Iterable[Identified], notes: Mapping[str, str] | None = None
    ) -> None:
        """
        Confirm samples that are durable in the sink; the robots may then delete them.

        They go into the ledger first, and to the robots within a second. May be called from any
        thread. Those of streams that do not name this consumer are fine and say nothing.

        :param samples: samples that were handed on, or their identities
            (:class:`~ros_cloud_bridge.cloud.identity.SampleId`)
        :param notes: texts of the sink's own, for the ledger in the same stroke
        :raises LedgerError: when the ledger cannot be written; nothing is confirmed then
        """
        if self._confirmer is not None:
            self._confirmer.confirmations.hold(samples, notes)

    def decline(self, samples: Iterable[Identified]) -> None:
        """
        Say that samples did not get into the sink, so that they may be handed on again.

        A sample on which the callback raises is declined as well.

        :param samples: samples that were handed on, or their identities
        """
        if self._confirmer is not None:
            self._confirmer.confirmations.decline(samples)

    @property
    def confirmed(self) -> int:
        """How many samples have been confirmed since the start."""
        return 0 if self._confirmer is None else self._confirmer.confirmations.confirmed

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._session.connected

    @property
    def retained(self) -> bool:
        """
        Whether what is being handed on came out of the broker's memory, of whatever age.

        Only within ``on_sample``.
        """
        return self._retained

    @property
    def decoder(self) -> Decoder:
        """The decoder; use it from the callbacks, or after :meth:`stop`."""
        return self._decoder

    @property
    def states(self) -> dict[str, RobotState]:
        """The newest known presence by robot."""
        return self._presence.states

    @property
    def counts(self) -> ConsumerCounts:
        """What it has seen since its start."""
        messages, size = self._inbox.overflow
        return ConsumerCounts(
            **asdict(self._tally), overflow_messages=messages, overflow_bytes=size
        )

    def _receive(self, event: SessionEvent) -> None:
        """Queue an event; runs on the session's thread."""
        if isinstance(event, Received):
            robot_id = event.topic[len(self._root) + 1 :].partition('/')[0]
            if not self._takes(robot_id):
                return
        elif isinstance(event, (Acknowledged, Discarded)):
            return
        self._inbox.put(event)

    def _run(self) -> None:
        next_look = 0.0
        while True:
            event = self._inbox.take(_TURN_S)
            if event is None and self._stopping.is_set():
                break
            try:
                if event is not None:
                    self._handle(event)
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + _TURN_S
                    self._look_after(now)
            except Exception as error:  # whatever comes in, the consumer goes on
                self._note(f'{type(error).__name__}', error, trace=True)
        self._retained = False
        for sample in self._decoder.flush():
            self._hand_on(sample)

    def _handle(self, event: SessionEvent) -> None:
        if not isinstance(event, Received):
            if isinstance(event, Connected):
                self._requests.reconnected()
                if self._confirmer is not None:
                    self._confirmer.confirmations.reconnected()
            if self._on_link is not None:
                self._guarded(self._on_link, event)
            return
        self._tally.messages += 1
        self._tally.bytes += len(event.payload)
        try:
            samples = self._decoder.feed(event.topic, event.payload)
            name = parse_topic(event.topic, self._root)
        except ProtocolError as error:
            self._tally.errors += 1
            kind = event.topic[len(self._root) + 1 :].split('/')[1:2]
            self._note(f'{kind}{_kind_of(str(error))}', error, topic=event.topic)
            return
        if name is not None and name.kind == 'state' and event.payload:
            self._changed(name.robot_id, retained=event.retain)
        elif name is not None and name.kind == 'health' and event.payload:
            health = self._decoder.robots[name.robot_id].documents['health']
            self._requests.leases.heard(name.robot_id, health, time.monotonic())
        elif name is not None and name.kind == 'info' and event.payload and self._confirmer:
            info = self._decoder.robots[name.robot_id].documents['info']
            self._confirmer.confirmations.informed(name.robot_id, info)
        if name is not None and name.kind in DOCUMENTS and event.payload and self._on_document:
            document = self._decoder.robots[name.robot_id].documents[name.kind]
            self._guarded(self._on_document, name.robot_id, name.kind, document)
        elif name is not None and name.kind == 'schema' and event.payload and self._on_document:
            self._guarded(self._on_document, name.robot_id, name.kind, {'id': name.rest[0]})
        self._retained = event.retain
        for sample in samples:
            self._hand_on(sample)

    def _changed(self, robot_id: str, *, retained: bool) -> None:
        document = self._decoder.robots[robot_id].documents['state']
        state = self._presence.update(robot_id, document, retained)
        if state is not None and state.online:
            # A bridge that was started again knows of no lease.
            self._requests.leases.again(robot_id)
        if state is not None and self._on_state is not None:
            self._guarded(self._on_state, state)

    def _hand_on(self, sample: Sample) -> None:
        if self._confirmer is not None and not self._confirmer.confirmations.take(sample):
            return
        self._tally.samples += 1
        if not self._guarded(self._on_sample, sample):
            self.decline((sample,))

    def _guarded(self, callback: Callable[..., None], *values: object) -> bool:
        try:
            callback(*values)
        except Exception as error:  # the caller's code: not ours to end for
            self._note(f'callback {type(error).__name__}', error, trace=True)
            return False
        return True

    def _look_after(self, now: float) -> None:
        """Ask for what is missing, and say when messages were dropped."""
        dropped = self._inbox.overflow.messages
        if dropped > self._overflow_seen and now - self._overflow_said >= 10.0:
            self._overflow_seen, self._overflow_said = dropped, now
            _log.warning('samples come faster than they are handled: %d messages dropped', dropped)
        given_up = self._decoder.given_up
        if given_up > self._given_up_seen and now - self._given_up_said >= 10.0:
            self._given_up_seen, self._given_up_said = given_up, now
            _log.warning('%d batches given up: their dictionary did not come', given_up)
        if not self._session.connected:
            return
        for robot_id, outgoing in self._requests.due(now):
            self._tally.asks += self._publish(robot_id, outgoing)
        if self._confirmer is not None:
            for robot_id, outgoing in self._confirmer.due(self._presence, now):
                if not self._publish(robot_id, outgoing):
                    self._confirmer.confirmations.unsent(robot_id)

    def _publish(self, robot_id: str, outgoing: Outgoing) -> bool:
        try:
            self._session.publish(outgoing)
        except (SessionFull, ValueError) as error:
            _log.debug('cannot tell %r anything now: %s', robot_id, error)
            return False
        return True

    def _note(self, kind: str, error: Exception, *, topic: str = '', trace: bool = False) -> None:
        """Log an error, unless one of its kind has been logged."""
        if kind in self._noted or len(self._noted) >= _MAX_NOTED_KINDS:
            return
        self._noted.add(kind)
        where = f'{printable(topic, _SHOWN_TOPIC)}: ' if topic else ''
        text = where + printable(str(error))
        _log.warning('%s (said once)', text, exc_info=error if trace else None)


def is_glob(robots: str) -> bool:
    """
    Tell a glob over robot ids from one exact id.

    :param robots: as :class:`Consumer` takes it
    :returns: whether it may match several robots
    """
    return bool(_GLOB_CHARACTERS & set(robots))


def printable(text: str, limit: int = 400) -> str:
    """
    Make text from the wire fit for a terminal.

    :param text: anything
    :param limit: longest result
    :returns: one line without control characters
    """
    short = text if len(text) <= limit else text[: limit - 1] + '…'
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in short)


def _decoder(root: str, ordered: bool, confirmer: Confirmer | None) -> Decoder:
    if confirmer is None:
        return Decoder(root=root, ordered=ordered)
    decoder = Decoder(
        root=root,
        ordered=ordered,
        consumer=confirmer.name,
        on_account=confirmer.account,
        on_repeat=confirmer.repeated,
    )
    confirmer.attach(decoder)
    return decoder


def _kind_of(text: str) -> str:
    """Tell what is alike in two messages about different values."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", '', text)[:60]
