// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Sequence numbers and times of a section (docs/protocol.md#times). */

import { ProtocolError } from './errors';
import { INT64_MAX } from './limits';
import { DELTA, type Head, plainHead, RAW, type Wide } from './numbers';
import type { BlockReader } from './reader';

export interface Times {
  readonly sequences: BigInt64Array;
  readonly sourceNs: BigInt64Array;
  readonly latencyUs: BigInt64Array;
}

/** Where a section's numbers begin. */
export interface First {
  readonly sequence: bigint;
  readonly sourceNs: bigint;
}

export interface TimeHeads {
  readonly heads: readonly Head[];
  readonly scales: readonly { readonly low: bigint; readonly unit: bigint }[];
}

export function readTimeHeads(reader: BlockReader, count: number): TimeHeads {
  const heads: Head[] = [];
  const scales: { low: bigint; unit: bigint }[] = [];
  for (const predictor of count > 1 ? [DELTA, DELTA, RAW] : [RAW]) {
    const size = reader.byte();
    if (size > 64) throw new ProtocolError('times of more than 64 bits');
    const low = reader.zigzag64();
    scales.push({ low, unit: size ? reader.varint64() : 1n });
    heads.push(plainHead(predictor, size, count));
  }
  return { heads, scales };
}

export function timesOf({ scales }: TimeHeads, numbers: readonly Wide[], count: number, first: First): Times {
  const columns = scales.map(({ low, unit }, index) => {
    const column = new BigInt64Array(numbers[index]!.buffer);
    for (let row = 0; row < count; row++) column[row] = column[row]! * unit + low;
    return column;
  });
  if (count === 1) return { sequences: addUp(first.sequence, NONE, 1), sourceNs: addUp(first.sourceNs, NONE, 0), latencyUs: columns[0]! };
  return {
    sequences: addUp(first.sequence, columns[0]!.subarray(1), 1),
    sourceNs: addUp(first.sourceNs, columns[1]!.subarray(1), 0),
    latencyUs: columns[2]!,
  };
}

const NONE = new BigInt64Array();

/** Add steps up; each is at least 1 where `rising` is 1. */
export function addUp(first: bigint, steps: BigInt64Array, rising: 0 | 1): BigInt64Array {
  const sums = new BigInt64Array(steps.length + 1);
  let sum = first;
  sums[0] = first;
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index]!;
    if (rising && step < 1n) throw new ProtocolError('sequence numbers of a section must rise');
    sum += step;
    if (sum < 0n || sum > INT64_MAX) throw new ProtocolError('numbers of a section are out of range');
    sums[index + 1] = sum;
  }
  return sums;
}
