// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import type { OperatorKey } from './keys';

export interface OperatorOptions {
  /** The operator's name, the MQTT level in `cmd/{operator}/…`. */
  readonly name: string;
  /** Null only where all robots trust the transport. */
  readonly key: OperatorKey | null;
  readonly root?: string;
  /** Publish with QoS 1, not retained. */
  readonly publish: (topic: string, payload: Uint8Array, expiryS: number) => void;
  /** Robots' pinned public keys, 32 bytes in hexadecimal, by robot id; answers of others are dropped. */
  readonly pinned: (robotId: string) => string | null;
  /** Whether the robot's `state` says that it trusts the transport. */
  readonly trustsTransport?: (robotId: string) => boolean;
  /** Monotonic milliseconds; `performance.now()` when left out. */
  readonly now?: () => number;
}

export interface Outcome {
  /** Null: nobody has answered; the command may have run. */
  readonly state:
    | 'succeeded' | 'failed' | 'cancelled' | 'rejected' | 'timed_out' | 'unknown' | null;
  readonly ok: boolean;
  /** The robot's reason, as `no_lease` or `field_limit: linear.x`. */
  readonly reason: string;
  readonly detail: unknown;
}

export interface Goal {
  readonly outcome: Promise<Outcome>;
  cancel(): Promise<Outcome>;
}

/** One held lease on a channel that moves something. */
export interface Drive {
  /** What the robot granted: `lease_s`, `watchdog_s`. */
  readonly leaseS: number;
  readonly watchdogS: number;
  /** Publish fields now; keeps the lease alive. */
  publish(fields: Record<string, unknown>): void;
  /** Stop: publish nothing more and give the lease back; the robot stops what moves. */
  release(): Promise<Outcome>;
  /** Resolves with why when the lease is lost, or the robot does not hear us any more. */
  readonly ended: Promise<string>;
  /** Share of the speed that the robot takes at the commands' present age, 0 to 1; null if not told. */
  readonly scale: number | null;
  /** The robot's last complaint, as `field_limit: …`, or empty. */
  readonly complaint: string;
}

export declare class Operator {
  constructor(options: OperatorOptions);
  /** MQTT topic filters to subscribe to: answers of one robot or of all. */
  filters(robotId?: string): string[];
  /** Take in one MQTT message; what is no answer that was asked for is ignored. */
  feed(topic: string, payload: Uint8Array): Promise<void>;
  /** Repeats what is unanswered and lets deadlines pass; call it every 100 ms or so. */
  tick(): void;

  publish(robotId: string, channel: string, fields: Record<string, unknown>, ttlS?: number): Promise<Outcome>;
  call(robotId: string, channel: string, fields: Record<string, unknown>, ttlS?: number): Promise<Outcome>;
  goal(
    robotId: string, channel: string, fields: Record<string, unknown>,
    onFeedback?: (feedback: unknown) => void, ttlS?: number,
  ): Goal;
  /** Any command of docs/protocol.md#commands, as `set` on a parameter channel. */
  command(robotId: string, channel: string, type: string, args: unknown, ttlS?: number): Promise<Outcome>;
  /** Acquire the channel's lease. Rejects with an Error that says why. */
  drive(robotId: string, channel: string): Promise<Drive>;
}
