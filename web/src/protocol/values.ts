// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What the decoder hands on. Nanoseconds and 64-bit numbers are bigint: exact everywhere. */

/** What a route number stands for. `schemaId` has 16 hexadecimal digits, or none if unknown. */
export interface Descriptor {
  readonly stream: string;
  readonly topic: string;
  readonly typeName: string;
  readonly schemaId: string;
  /** Names the compact form that the samples have on the wire; empty for plain CDR. */
  readonly form: string;
}

/** A field of a message: 64-bit integers are bigint, arrays of numbers typed arrays. */
export type FieldValue =
  | boolean
  | number
  | bigint
  | string
  | NumberArray
  | boolean[]
  | string[]
  | Message
  | Message[];

export type NumberArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** Fields by their name in the definition; a stamp is `{sec: number, nanosec: number}`. */
export interface Message {
  [field: string]: FieldValue;
}

/** One ROS message of a robot, handed on once per (boot, route, sequence). */
export interface Sample {
  readonly robotId: string;
  /** 16 hexadecimal digits; another one after each start of the bridge. */
  readonly bootId: string;
  readonly route: bigint;
  readonly stream: string;
  /** The ROS topic. */
  readonly topic: string;
  readonly typeName: string;
  readonly schemaId: string;
  /** The compact form in which it came, or empty. */
  readonly form: string;
  readonly sequence: bigint;
  readonly sourceTimeNs: bigint;
  readonly receiveTimeNs: bigint;
  /** When its batch was made. */
  readonly sentTimeNs: bigint;
  /** Came as a transient_local topic's last value: may be from long ago. */
  readonly latched: boolean;
  /** Came from a durable stream's backlog: not the present state. */
  readonly historical: boolean;
  /** What came over the wire: CDR, or bytes of `form`. */
  readonly data: Uint8Array;
  /** Why the form cannot be restored (as yet), or empty; `cdr` and `message()` then throw. */
  readonly error: string;
  /**
   * The serialized message with its encapsulation header, restored from `form` where there is one.
   * @throws ProtocolError when the form is unknown or could not be restored
   */
  readonly cdr: Uint8Array;
  /**
   * The message's fields; decoded on the first call, then kept. Typed arrays of numbers may be views
   * of `cdr`: do not write to them.
   * @throws UnknownSchema while the definition has not come (the decoder asks for it)
   * @throws ProtocolError when the bytes do not fit the definition
   */
  message(): Message;
}

/** What a route lost since its bridge started; docs/protocol.md#losses says what counts. */
export interface RouteLosses {
  readonly robotId: string;
  readonly bootId: string;
  readonly route: bigint;
  readonly stream: string;
  readonly topic: string;
  readonly received: number;
  readonly duplicates: number;
  /** What the robot says it dropped, by reason. */
  readonly reported: Readonly<Record<string, number>>;
  readonly missing: number;
  /** Of `missing`, what no reported drop accounts for. */
  readonly unexplained: number;
  readonly durable: boolean;
  /** Of a durable route: the highest number on the robot's disk, as far as told. */
  readonly committed: number | null;
  readonly closed: boolean;
  readonly complete: boolean;
  readonly outstanding: number;
}

/** A message to publish with QoS 1, not retained. */
export interface Outgoing {
  readonly robotId: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** MQTT message expiry interval. */
  readonly expiryS: number;
}

/** What has become of a lease; `granted` is null until the robot has said. */
export interface LeaseState {
  readonly robotId: string;
  readonly stream: string;
  readonly hz: number;
  readonly granted: boolean | null;
  readonly reason: string;
}

export interface State {
  readonly bootId: string;
  readonly online: boolean;
  /** `birth`, `shutdown`, `deactivated`, `connection_lost`, or what later bridges say. */
  readonly reason: string;
  readonly connection: number;
  /** Commands need no signature. */
  readonly trustsTransport: boolean;
}

export interface Channel {
  readonly name: string;
  /** `topic`, `service`, `action`, `parameter` or `bridge`. */
  readonly kind: string;
  readonly type: string;
  readonly lease: boolean;
  readonly maxTtlS: number;
}

export interface StreamInfo {
  readonly name: string;
  readonly topics: readonly string[];
  readonly maxHz: number | null;
  readonly keep: string;
  readonly confirm: string;
  readonly confirmBy: string;
  readonly priority: string;
  readonly weight: number | null;
  readonly maxAgeS: number | null;
  readonly onDemand: boolean;
  readonly idleHz: number | null;
}

export interface RouteInfo extends Descriptor {
  readonly route: bigint;
  readonly latched: boolean;
  readonly reducer: string;
  /** What may differ behind the reducer, in one line. */
  readonly error: string;
  readonly sourceType: string;
}

export interface Info {
  readonly bootId: string;
  readonly bridgeVersion: string;
  readonly configHash: string;
  /** The robot's own key, 64 hexadecimal digits, or empty where it takes no commands. */
  readonly key: string;
  readonly kid: string;
  readonly channels: readonly Channel[];
  readonly streams: readonly StreamInfo[];
  readonly routesTotal: number;
  readonly routes: readonly RouteInfo[];
}

export interface Budget {
  readonly limitBytes: number | null;
  readonly usedBytes: number | null;
  readonly leftBytes: number | null;
  readonly rateBytesPerS: number | null;
  readonly resetsInS: number | null;
  readonly exhausted: boolean;
}

export interface LinkHealth {
  readonly connected: boolean;
  readonly connection: number | null;
  /** `application`, `window`, `rate`, `budget`, `broker` or `disconnected`. */
  readonly limitedBy: string;
  readonly algorithm: string;
  readonly rateBytesPerS: number | null;
  readonly baseRttS: number | null;
  readonly rttS: number | null;
  readonly queueDelayS: number | null;
  readonly windowBytes: number | null;
  readonly inFlight: number | null;
  readonly inFlightBytes: number | null;
  readonly sentBytes: number | null;
  readonly sentMessages: number | null;
  readonly stalled: boolean;
  readonly budget: Budget | null;
  readonly retransmittedSegments: number | null;
}

export interface StreamHealth {
  readonly stream: string;
  readonly priority: string;
  /** Of its ladder. */
  readonly step: number | null;
  readonly steps: number | null;
  /** The ladder's step in words. */
  readonly now: string;
  /** By the ladder: null for no limit, 0 for paused. */
  readonly maxHz: number | null;
  /** Null: needs no lease; 0: nobody has one. */
  readonly demandHz: number | null;
}

export interface RouteHealth {
  readonly route: bigint;
  readonly stream: string;
  readonly topic: string;
  /** Counters and gauges by their name on the wire, as `received`, `queued_bytes`. */
  readonly figures: Readonly<Record<string, number>>;
  /** Since boot, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface LeaseHealth {
  readonly stream: string;
  readonly consumer: string;
  readonly hz: number | null;
  readonly endsInS: number | null;
}

export interface SpoolHealth {
  readonly state: string;
  readonly recovered: string;
  /** `bytes`, `max_bytes`, `samples`, `oldest_age_s`, … by their name on the wire. */
  readonly figures: Readonly<Record<string, number>>;
  readonly streams: readonly {
    readonly stream: string;
    readonly waitsFor: string;
    readonly figures: Readonly<Record<string, number>>;
  }[];
}

export interface Health {
  readonly bootId: string;
  readonly uptimeS: number | null;
  /** The robot's clock; a double: good to a quarter of a microsecond. */
  readonly timeNs: number | null;
  readonly link: LinkHealth;
  readonly streams: readonly StreamHealth[];
  readonly leases: readonly LeaseHealth[];
  /** Reasons by `consumer/stream`. */
  readonly refusedLeases: Readonly<Record<string, string>>;
  /** Whether its bridge knows of leases at all. */
  readonly grantsLeases: boolean;
  /** Those whose turn it is in this document; {@link Robot.routes} has them merged. */
  readonly routes: readonly RouteHealth[];
  readonly routesTotal: number;
  readonly spool: SpoolHealth | null;
  /** What is not bridged and why, by ROS topic. */
  readonly problems: Readonly<Record<string, string>>;
}

/** What is known of one robot: a snapshot. */
export interface Robot {
  readonly robotId: string;
  /** Null while no `state` has come. */
  readonly online: boolean | null;
  readonly state: State | null;
  readonly info: Info | null;
  readonly health: Health | null;
  /** The newest documents as they came, for what is not typed here. */
  readonly documents: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Figures of all routes of the newest boot, merged over health documents. */
  readonly routes: readonly RouteHealth[];
  /** When something of it last came, by the `nowMs` given to `feed`. */
  readonly heardMs: number;
  /** Samples given up because their route was not described while there was room for them. */
  readonly givenUpSamples: number;
  /** Batches given up because their dictionary, or their rest, did not come in time or in bounds. */
  readonly givenUpBatches: number;
}
