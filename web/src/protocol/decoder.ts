// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import type { LeaseState, Outgoing, Robot, RouteLosses, Sample } from './values';

export interface DecoderOptions {
  /** The fleet's topic root. */
  readonly root?: string;
  /** This consumer's name in `ask/{consumer}`; 1 to 64 of `A-Z a-z 0-9 _ -` if it is to lease. */
  readonly consumer?: string;
  /** Bytes that one robot may hold in incomplete batches, and again in each kind of waiting. */
  readonly quota?: number;
  /** Further robots are refused. */
  readonly maxRobots?: number;
}

/**
 * Turns MQTT messages of any number of robots into samples.
 *
 * It has no clock, timer or socket: `nowMs` is any monotonic number of milliseconds, by default
 * `performance.now()`.
 */
export declare class Decoder {
  constructor(options?: DecoderOptions);

  /** MQTT topic filters to subscribe to with QoS 1, of one robot or (without) of all. */
  filters(robotId?: string): string[];

  /**
   * Take in one MQTT message; topics that are not of the protocol are ignored.
   * @throws ProtocolError for what is malformed or hostile; the decoder stays usable
   */
  feed(topic: string, payload: Uint8Array, nowMs?: number): Sample[];

  robots(): Robot[];
  robot(robotId: string): Robot | null;

  /** Robots and boots seen since; all of them without `robotId`. */
  losses(robotId?: string): RouteLosses[];

  /**
   * What to publish now: requests for what is lacking, and leases. Call it about once a second, and
   * at once after `lease` or `release`; what is returned counts as asked.
   */
  takeAsks(nowMs?: number): Outgoing[];

  /** The connection to the broker is new: ask again soon. */
  reconnected(): void;

  /** Have a robot send a stream; `hz` null for as fast as its `max_hz` allows. Kept until released. */
  lease(robotId: string, stream: string, hz: number | null): void;
  release(robotId: string, stream: string): void;
  leases(): LeaseState[];

  /** Give all leases back, as before the page closes. */
  farewell(): Outgoing[];
}
