// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { ProtocolError } from './errors';
import { MAX_BATCH_RAW, MAX_EXCEPTIONS, MAX_STEPS } from './limits';

/** What one batch may still unfold to, so that a small one cannot become a large one. */
export class Budget {
  private valueBytes = MAX_BATCH_RAW;
  private sampleBytes = MAX_BATCH_RAW;
  private stepsLeft = MAX_STEPS;
  private exceptionsLeft = MAX_EXCEPTIONS;

  /** Take values, before there is memory for them; bytes that they take in samples. */
  values(size: number): void {
    this.valueBytes -= size;
    if (this.valueBytes < 0) throw new ProtocolError('samples unfold to more than a batch may hold');
  }

  /** See whether there is room for values that will be taken piece by piece. */
  foresee(size: number): void {
    if (size > this.valueBytes) throw new ProtocolError('samples unfold to more than a batch may hold');
  }

  samples(size: number): void {
    this.sampleBytes -= size;
    if (this.sampleBytes < 0) throw new ProtocolError('samples unfold to more than a batch may hold');
  }

  steps(count: number): void {
    this.stepsLeft -= count;
    if (this.stepsLeft < 0) throw new ProtocolError('samples take more work than a batch may cause');
  }

  exceptions(count: number): void {
    this.exceptionsLeft -= count;
    if (this.exceptionsLeft < 0) throw new ProtocolError('columns have more exceptions than a batch may');
  }
}

/** Bytes read from front to back. */
export class ByteReader {
  protected position = 0;

  constructor(protected bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.position;
  }

  take(size: number): Uint8Array {
    if (size > this.left) throw new ProtocolError('bytes are cut off');
    this.position += size;
    return this.bytes.subarray(this.position - size, this.position);
  }

  /** The next byte, which stays. */
  peek(): number {
    if (this.position >= this.bytes.length) throw new ProtocolError('bytes are cut off');
    return this.bytes[this.position]!;
  }

  byte(): number {
    if (this.position >= this.bytes.length) throw new ProtocolError('bytes are cut off');
    return this.bytes[this.position++]!;
  }

  /** A number of variable length below 2^53: whatever counts something here is. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new ProtocolError('a number is out of bounds');
        return value;
      }
      scale *= 128;
      if (scale > 2 ** 63) throw new ProtocolError('a varint is too long');
    }
  }

  /** A number of variable length below 2^64. */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value >> 64n) break;
        return value;
      }
    }
    throw new ProtocolError('a varint is too long');
  }

  /** A folded one: 0, -1, 1, -2 as 0, 1, 2, 3. */
  zigzag64(): bigint {
    const folded = this.varint64();
    return folded & 1n ? ~(folded >> 1n) : folded >> 1n;
  }
}

/** A section's block, and the batch's packed numbers, of which each section reads on. */
export class BlockReader extends ByteReader {
  private bitsAt = 0;

  constructor(private readonly bits: Uint8Array) {
    super(new Uint8Array());
  }

  begin(block: Uint8Array): void {
    this.bytes = block;
    this.position = 0;
  }

  /** Packed numbers of so many bits; the next ones begin on a byte. */
  takeBits(count: number): Uint8Array {
    const size = Math.ceil(count / 8);
    if (size > this.bits.length - this.bitsAt) throw new ProtocolError('fewer packed numbers than columns');
    this.bitsAt += size;
    return this.bits.subarray(this.bitsAt - size, this.bitsAt);
  }

  get bitsLeft(): number {
    return this.bits.length - this.bitsAt;
  }
}

/** Give the bits of a mask as places, lowest bit first; refuses bits behind `count`. */
export function maskPlaces(mask: Uint8Array, count: number): number[] {
  const places: number[] = [];
  mask.forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) places.push(8 * index + bit);
  });
  if (places.length && places.at(-1)! >= count) throw new ProtocolError('a mask has more bits than it may');
  return places;
}
