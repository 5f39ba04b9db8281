// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Fragments (docs/protocol.md#fragments), put together within a quota and a time limit. */

import type { Message } from './batch';
import { asBytes, asCount } from './cbor';
import { ProtocolError } from './errors';
import { MAX_BATCH, MAX_FRAGMENTS } from './limits';

const TIMEOUT_MS = 120_000;
const MAX_OPEN = 64;
const MAX_FINISHED = 1024;
/** Counted per fragment beside its bytes, so that many small ones count too. */
const FRAGMENT_OVERHEAD = 160;
const UINT32_MAX = 2 ** 32 - 1;

interface Part {
  readonly start: number;
  readonly end: number;
  readonly data: Uint8Array;
}

interface Partial {
  readonly length: number;
  readonly crc32: number;
  touchedMs: number;
  size: number;
  /** Rising, and never overlapping. */
  readonly parts: Part[];
}

/** Puts the batches of one robot together; memory follows what has arrived, not what is announced. */
export class Reassembler {
  givenUp = 0;
  private held = 0;
  /** The least recently continued first. */
  private readonly partials = new Map<string, Partial>();
  private readonly finished = new Set<string>();

  constructor(private readonly quota: number) {}

  /**
   * Add a fragment.
   *
   * @returns the batch's payload once it is complete
   * @throws ProtocolError when fragments of one batch disagree; what came of the batch is discarded
   */
  add({ fields, boot, number }: Message, nowMs: number): Uint8Array | null {
    const offset = asCount(fields[4], 'an offset', Number.MAX_SAFE_INTEGER);
    const length = asCount(fields[5], 'a length', MAX_BATCH);
    const crc32 = asCount(fields[6], 'a checksum', UINT32_MAX);
    const data = asBytes(fields[7], 'a fragment');
    if (!data.length || data.length >= length) throw new ProtocolError(`fragment of ${data.length} bytes in a batch of ${length}`);
    this.expire(nowMs);
    const identity = `${boot}/${number}`;
    // Sent again, because its acknowledgement was lost.
    if (this.finished.has(identity)) return null;
    const partial = this.partials.get(identity) ?? { length, crc32, touchedMs: nowMs, size: 0, parts: [] };
    this.partials.delete(identity);
    this.partials.set(identity, partial);
    partial.touchedMs = nowMs;
    try {
      if (length !== partial.length || crc32 !== partial.crc32) throw new ProtocolError('fragments of a batch disagree');
      if (offset + data.length > length) throw new ProtocolError('a fragment lies outside its batch');
      this.held -= heldBy(partial);
      put(partial, offset, data);
      this.held += heldBy(partial);
      if (partial.parts.length > MAX_FRAGMENTS) throw new ProtocolError('a batch has too many fragments');
    } catch (error) {
      this.discard(boot, number);
      throw error;
    }
    if (partial.size === length) return this.complete(identity, partial);
    while (this.held > this.quota || this.partials.size > MAX_OPEN) this.giveUp();
    return null;
  }

  discard(boot: string, number: bigint): void {
    this.forget(`${boot}/${number}`);
  }

  private complete(identity: string, partial: Partial): Uint8Array {
    this.forget(identity);
    const whole = new Uint8Array(partial.length);
    for (const { start, data } of partial.parts) whole.set(data, start);
    if (crc32Of(whole) !== partial.crc32) throw new ProtocolError('checksum of a batch is wrong');
    this.finished.add(identity);
    if (this.finished.size > MAX_FINISHED) this.finished.delete(this.finished.values().next().value!);
    return whole;
  }

  private expire(nowMs: number): void {
    for (const partial of this.partials.values()) {
      if (nowMs - partial.touchedMs <= TIMEOUT_MS) return;
      this.giveUp();
    }
  }

  private giveUp(): void {
    this.forget(this.partials.keys().next().value!);
    this.givenUp += 1;
  }

  private forget(identity: string): void {
    const partial = this.partials.get(identity);
    if (!partial) return;
    this.held -= heldBy(partial);
    this.partials.delete(identity);
  }
}

function heldBy({ size, parts }: Partial): number {
  return size + FRAGMENT_OVERHEAD * parts.length;
}

/** Put bytes in their place; those that came before must be the same. */
function put(partial: Partial, offset: number, data: Uint8Array): void {
  const { parts } = partial;
  const end = offset + data.length;
  const first = firstBehind(parts, offset);
  let last = first;
  const added: Part[] = [];
  let from = offset;
  for (; last < parts.length && parts[last]!.start < end; last++) {
    const part = parts[last]!;
    compare(part, offset, data);
    if (from < part.start) added.push(piece(data, offset, from, part.start));
    added.push(part);
    from = part.end;
  }
  if (from < end) added.push(piece(data, offset, from, end));
  const before = parts.slice(first, last).reduce((sum, part) => sum + part.data.length, 0);
  partial.size += added.reduce((sum, part) => sum + part.data.length, 0) - before;
  parts.splice(first, last - first, ...added);
}

/** The first part that ends behind a place. */
function firstBehind(parts: readonly Part[], place: number): number {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (parts[middle]!.end > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

function piece(data: Uint8Array, offset: number, start: number, end: number): Part {
  return { start, end, data: data.slice(start - offset, end - offset) };
}

function compare(part: Part, offset: number, data: Uint8Array): void {
  const from = Math.max(part.start, offset);
  const to = Math.min(part.end, offset + data.length);
  for (let at = from; at < to; at++) {
    if (part.data[at - part.start] !== data[at - offset]) throw new ProtocolError(`fragments differ at byte ${at}`);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32Of(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}
