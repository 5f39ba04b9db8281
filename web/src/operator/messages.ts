// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Commands and answers, before they are signed (docs/protocol.md#commands). */

import { checkVersion, hex } from '../protocol/batch';
import { asArray, asBytes, asCount, asNatural, asText, dumps, Float, loads } from '../protocol/cbor';
import { ProtocolError } from '../protocol/errors';
import { MAX_ANSWER } from '../protocol/limits';

const VERSION = 1;
const LIMITS = { maxDepth: 24, maxItems: 16384 };

export const STATES = [
  'received', 'accepted', 'running', 'succeeded', 'failed', 'cancelled', 'rejected', 'timed_out', 'unknown',
] as const;
export type StateName = (typeof STATES)[number];
const FIRST_FINAL = 3;

export interface Command {
  readonly type: string;
  readonly id: Uint8Array;
  readonly instance: Uint8Array;
  /** Empty for a question of the time. */
  readonly epoch: Uint8Array;
  readonly sequence: number;
  readonly sentMs: number;
  readonly deadlineMs: number;
  readonly arguments: unknown;
}

export interface Answer {
  /** Of the command, in hexadecimal, as is the epoch. */
  readonly id: string;
  readonly epoch: string;
  readonly robotMs: number;
  readonly state: StateName;
  readonly final: boolean;
  readonly number: number;
  readonly reason: string;
  /** Maps are objects without a prototype, 64-bit integers bigint where a number is not exact. */
  readonly detail: unknown;
}

export function encodeCommand(command: Command): Uint8Array {
  return dumps([
    VERSION, command.type, command.id, command.instance, command.epoch, command.sequence, command.sentMs,
    command.deadlineMs, toCbor(command.arguments),
  ]);
}

export function decodeAnswer(payload: Uint8Array): Answer {
  const fields = asArray(loads(payload, { maxBytes: MAX_ANSWER, ...LIMITS }), 'an answer');
  if (fields.length !== 8) throw new ProtocolError('an answer has eight fields');
  checkVersion(fields[0]);
  const state = asCount(fields[4], 'a state', STATES.length - 1);
  return {
    id: hex(asBytes(fields[1], 'id', 16)),
    epoch: hex(asBytes(fields[2], 'epoch', 8)),
    robotMs: Number(asNatural(fields[3], 'robot_ms')),
    state: STATES[state]!,
    final: state >= FIRST_FINAL,
    number: Number(asNatural(fields[5], 'number')),
    reason: asText(fields[6], 'a reason'),
    detail: fromCbor(fields[7]),
  };
}

/**
 * Plain values as they are written: bytes as byte strings, other typed arrays as arrays. Whole numbers are
 * written as integers, which robots take for floats as well; a Float stays one.
 */
function toCbor(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array || value instanceof Float || value instanceof Map) return value;
  if (ArrayBuffer.isView(value) || Array.isArray(value)) return Array.from(value as unknown as Iterable<unknown>, toCbor);
  return new Map(Object.entries(value).map(([name, inner]) => [name, toCbor(inner)]));
}

/** What fields of messages can be, or refuse. */
export function fromCbor(value: unknown): unknown {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(fromCbor);
  if (!(value instanceof Map)) return value;
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [name, inner] of value as Map<unknown, unknown>) {
    if (typeof name !== 'string') throw new ProtocolError('a key that is no text');
    fields[name] = fromCbor(inner);
  }
  return fields;
}
