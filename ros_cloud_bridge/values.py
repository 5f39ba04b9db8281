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

"""Values that every room shares; no behaviour beyond themselves."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple


class Priority(IntEnum):
    """Priority class of a stream; the value is the order in which classes are asked."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class Keep(Enum):
    """What a route keeps while the link is busy."""

    LATEST = 'latest'
    FIFO = 'fifo'
    DURABLE = 'durable'


class Confirm(Enum):
    """Who must have a durable sample before the robot's copy goes."""

    BROKER = 'broker'
    CONSUMER = 'consumer'


class WhenFull(Enum):
    """What a durable stream gives up when its part of the disk is full."""

    DROP_OLDEST = 'drop_oldest'
    DROP_NEWEST = 'drop_newest'
    THIN = 'thin'


class BacklogOrder(Enum):
    """What of a durable stream's backlog goes first."""

    OLDEST_FIRST = 'oldest_first'
    NEWEST_FIRST = 'newest_first'


class Key(Enum):
    """What ``keep: latest`` keeps one of."""

    ROUTE = 'route'
    PUBLISHER = 'publisher'
    FRAME_ID = 'frame_id'
    STATUS_NAME = 'status_name'


class Encode(Enum):
    """How hard batches are compressed."""

    AUTO = 'auto'
    CHEAP = 'cheap'
    NORMAL = 'normal'
    STRONG = 'strong'


class Algorithm(Enum):
    """How the pacing finds the rate of the link; the names are those of core/pacing's table."""

    BBR = 'bbr'
    LEDBAT = 'ledbat'


class Drop(IntEnum):
    """
    Why a sample did not go out; the values stand on the wire and never change meaning.

    Below 16 the sample never got a sequence number; from 16 on it leaves a gap in them.
    """

    LOST_BEFORE_BRIDGE = 1
    RATE = 2
    DECIMATION = 3
    DUPLICATE = 4
    DEGRADED = 5
    NOT_DEMANDED = 6
    UNCHANGED = 7
    NOT_REDUCED = 8
    SUPERSEDED = 16
    OVERFLOW_SAMPLES = 17
    OVERFLOW_BYTES = 18
    EXPIRED = 19
    ABANDONED = 20
    REFUSED = 21
    SHUTDOWN = 22
    NOT_COMMITTED = 23
    SPOOL_FULL = 24
    DAMAGED = 25

    @property
    def sequenced(self) -> bool:
        """Whether such a drop leaves a gap in the route's sequence numbers."""
        return self >= Drop.SUPERSEDED


class DashboardForm(Enum):
    """How the JSON of dashboards is built."""

    FLAT = 'flat'
    THINGSBOARD = 'thingsboard'


class Received(NamedTuple):
    """
    One message as the middleware handed it over.

    ``cdr`` includes its 4-byte encapsulation header; times are nanoseconds since the Unix epoch;
    ``publication_sequence`` is the publisher's own count (None where the middleware has none) and
    ``publisher`` its gid (None before Kilted).
    """

    cdr: bytes
    source_time_ns: int
    receive_time_ns: int
    publication_sequence: int | None = None
    publisher: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedQos:
    """
    What a topic's publishers offer together, for who publishes in their place.

    ``depth`` is how many values a late joiner gets of a latched topic, 0 where that is not known:
    publishers do not tell the depth of their history. ``lifespan_s`` is 0 without an end.
    """

    reliable: bool
    transient_local: bool
    depth: int = 0
    lifespan_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """A stream as the user described it: its topics and their policy."""

    name: str
    topics: tuple[str, ...]
    deny: tuple[str, ...] = ()
    max_hz: float = 0.0
    decimation: int = 1
    keep: Keep = Keep.LATEST
    key: Key = Key.ROUTE
    max_samples: int = 1000
    max_bytes: int = 64 * 1024 * 1024
    max_age_s: float = 0.0
    max_delay_s: float = 0.1
    priority: Priority = Priority.NORMAL
    weight: float = 1.0
    qos_depth: int = 0
    min_bytes_per_s: float = 0.0
    reducer: str = ''
    ladder: tuple[str, ...] = ()
    on_demand: bool = False
    idle_hz: float = 0.0
    ttl_s: float = 0.0
    confirm: Confirm = Confirm.BROKER
    confirm_by: str = ''
    when_full: WhenFull = WhenFull.DROP_OLDEST
    backlog_order: BacklogOrder = BacklogOrder.OLDEST_FIRST
    spool_bytes: int = 0
    dashboard_hz: float = 0.0
    dashboard_fields: tuple[str, ...] = ()
    dashboard_form: DashboardForm = DashboardForm.FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS of the MQTT connection; empty strings mean the system's defaults."""

    ca_file: str = ''
    cert_file: str = ''
    key_file: str = ''
    key_password_env: str = ''
    alpn: tuple[str, ...] = ()
    verify_hostname: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """How to reach the broker; zeros mean what the preset and the broker say."""

    host: str = 'localhost'
    port: int = 0
    preset: str = 'mosquitto'
    protocol: str = 'auto'
    client_id: str = ''
    username: str = ''
    password_file: str = ''
    password_env: str = ''
    keepalive_s: int = 60
    connect_timeout_s: float = 10.0
    tls: TlsConfig | None = None
    max_payload_bytes: int = 0
    max_in_flight: int = 0
    max_messages_per_s: float = 0.0

    @property
    def effective_port(self) -> int:
        """The port to connect to: 1883, or 8883 with TLS, unless one is given."""
        return self.port or (8883 if self.tls is not None else 1883)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Limits of the link that the user sets; zero means none."""

    max_bytes_per_s: float = 0.0
    algorithm: Algorithm = Algorithm.BBR
    monthly_budget_mb: float = 0.0
    budget_reset_day: int = 1
    max_segment_bytes: int = 0
    max_in_flight_bytes: int = 512 * 1024
    max_queued_bytes: int = 256 * 1024 * 1024
    encode: Encode = Encode.AUTO
    dictionaries: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryConfig:
    """How the graph is watched."""

    period_s: float = 1.0
    deny: tuple[str, ...] = ()
    include_hidden: bool = False
    include_mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandConfig:
    """Who may lease streams with ``on_demand``, and for how long."""

    allow: tuple[str, ...] = ()
    max_lease_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """
    A consumer's wish for a stream that flows on demand.

    ``hz`` is the wanted rate, 0 as fast as the stream allows; ``seconds`` is for how long from
    its arrival on, 0 gives the lease back.
    """

    stream: str
    hz: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolConfig:
    """The disk that durable streams may use; zero writes a day means no limit."""

    max_bytes: int = 1024 * 1024 * 1024
    max_writes_mb_per_day: float = 0.0
    commit_delay_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackBoxConfig:
    """
    A black box: topics whose last seconds stand on disk, to be sent when something happens.

    ``stream`` is the durable stream that a span becomes part of, and its topics those that are
    kept; its name is the black box's.
    """

    stream: StreamConfig
    triggers: tuple[str, ...]
    before_s: float = 30.0
    after_s: float = 10.0
    max_bytes: int = 256 * 1024 * 1024
    max_writes_mb_per_day: float = 0.0
    max_span_bytes: int = 64 * 1024 * 1024


class ChannelKind(Enum):
    """What commands of a channel reach."""

    TOPIC = 'topic'
    SERVICE = 'service'
    ACTION = 'action'
    PARAMETER = 'parameter'
    BRIDGE = 'bridge'


class Trust(Enum):
    """What proves who sent a command."""

    SIGNATURES = 'signatures'
    TRANSPORT = 'transport'


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """
    A way for commands to come in: what they reach, who may send them, and within which limits.

    ``limits`` are texts as in ``linear.x: -0.5..1.0``; ``stop`` is the message of a channel with
    ``lease`` that means standing still, as YAML, and ``scale`` the fields of it that shrink as the
    latency grows. A command older than ``latency_stop_s`` is refused there.
    """

    name: str
    kind: ChannelKind
    ros_name: str = ''
    type_name: str = ''
    operators: tuple[str, ...] = ()
    max_hz: float = 10.0
    max_ttl_s: float = 10.0
    max_bytes: int = 16 * 1024
    max_running: int = 8
    limits: tuple[str, ...] = ()
    timeout_s: float = 0.0
    feedback_hz: float = 2.0
    parameters: tuple[str, ...] = ()
    qos_depth: int = 10
    reliable: bool = True
    transient_local: bool = False
    lease: bool = False
    lease_s: float = 10.0
    watchdog_s: float = 0.5
    stop: str = ''
    scale: tuple[str, ...] = ()
    latency_full_s: float = 0.25
    latency_stop_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """Where decisions on commands are noted; an empty file name means the state directory."""

    file: str = ''
    max_bytes: int = 10 * 1024 * 1024
    files: int = 5
    mqtt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeConfig:
    """One robot's whole configuration."""

    robot_id: str
    root: str = 'rcb/v1'
    mqtt: MqttConfig = MqttConfig()
    link: LinkConfig = LinkConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    demand: DemandConfig = DemandConfig()
    spool: SpoolConfig = SpoolConfig()
    state_dir: str = ''
    health_period_s: float = 10.0
    diagnostics_period_s: float = 1.0
    announce_period_s: float = 30.0
    streams: tuple[StreamConfig, ...] = ()
    black_boxes: tuple[BlackBoxConfig, ...] = ()
    trust: Trust = Trust.SIGNATURES
    confirm_trust: Trust = Trust.TRANSPORT
    operator_keys: str = ''
    robot_key_file: str = ''
    audit: AuditConfig = AuditConfig()
    channels: tuple[ChannelConfig, ...] = ()

    @property
    def all_streams(self) -> tuple[StreamConfig, ...]:
        """The streams, and behind them those of black boxes."""
        return (*self.streams, *(box.stream for box in self.black_boxes))
