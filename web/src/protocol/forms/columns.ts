// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Compact forms: streams, and the columns that they are made of (docs/reducers_sensors.md). */

import { ProtocolError } from '../errors';
import { MAX_BATCH_RAW } from '../limits';
import { ByteReader } from '../reader';
import { decompress } from '../zstd';

const MAX_STREAMS = 4096;

const CONSTANT = 0;
const WORDS = 1;
const PALETTE = 2;
const SCALED = 3;

const MASKED = 1;
const SAME_MASK = 2;
const FILLED = 4;
const WIDE = 8;

/** Unsigned words of 1, 2, 4 or 8 bytes. */
export type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

export type WordSize = 1 | 2 | 4 | 8;

/** The bytes of words, as they lie in memory: little-endian. */
export function bytesOf(words: ArrayBufferView): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** Bits of a mask, the highest of each byte first. */
export function maskOf(bytes: Uint8Array, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, place) => (bytes[place >> 3]! >> (7 - (place & 7))) & 1);
}

/** What all columns of a form together may take, bytes: fields can lie over each other. */
const MAX_COLUMNS = 4 * MAX_BATCH_RAW;

export class FormReader {
  readonly restoredBytes: number;
  private room = MAX_COLUMNS;
  private readonly heads: ByteReader;
  private readonly streams: { readonly length: number; readonly stored: Uint8Array; readonly framed: boolean }[];
  private next = 0;
  private mask: Uint8Array | null = null;

  constructor(form: Uint8Array) {
    const reader = new ByteReader(form);
    this.restoredBytes = reader.varint();
    if (this.restoredBytes > MAX_BATCH_RAW) throw new ProtocolError('a form restores to more than a batch may hold');
    const count = reader.varint();
    if (count > MAX_STREAMS) throw new ProtocolError(`a form of ${count} streams`);
    let left = MAX_BATCH_RAW;
    const lengths = Array.from({ length: count }, () => {
      const length = reader.varint();
      left -= length;
      if (left < 0) throw new ProtocolError('the streams of a form are too long');
      return { length, framed: reader.varint() };
    });
    this.streams = lengths.map(({ length, framed }) => ({ length, stored: reader.take(framed || length), framed: framed > 0 }));
    if (reader.left) throw new ProtocolError('a form is too long');
    this.heads = new ByteReader(this.take());
  }

  head(length: number): Uint8Array {
    return this.heads.take(length);
  }

  /** A stream of the form's own. */
  body(): Uint8Array {
    return this.take();
  }

  byte(): number {
    return this.heads.byte();
  }

  uint32(): number {
    return this.view(4).getUint32(0, true);
  }

  int32(): number {
    return this.view(4).getInt32(0, true);
  }

  /** What scaled words are divided by. */
  divisor(): number {
    const divisor = this.view(8).getFloat64(0, true);
    if (!(divisor > 0 && divisor < Infinity)) throw new ProtocolError('a resolution out of bounds');
    return divisor;
  }

  private view(length: number): DataView {
    const bytes = this.head(length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  /** @param width of the picture that they are; 0 when they are none */
  words(count: number, size: WordSize, width = 0): Words & { buffer: ArrayBuffer } {
    const head = this.byte();
    if (head === CONSTANT << 4) {
      const words = this.makeWords(count, size);
      const bytes = bytesOf(words);
      const word = this.head(size);
      for (let at = 0; at < bytes.length; at++) bytes[at] = word[at % size]!;
      return words;
    }
    if (head !== PALETTE << 4) return this.planes(head, count, size, width);
    const colours = this.head(size * (this.byte() + 1));
    const places = this.planes(this.byte(), count, 1, width) as Uint8Array;
    const words = this.makeWords(count, size);
    const bytes = bytesOf(words);
    for (let index = 0; index < count; index++) {
      const from = places[index]! * size;
      if (from >= colours.length) throw new ProtocolError('a column names more than its palette has');
      for (let byte = 0; byte < size; byte++) bytes[index * size + byte] = colours[from + byte]!;
    }
    return words;
  }

  /** @returns floats of `size` bytes */
  floats(count: number, size: 4 | 8, width = 0): Float32Array | Float64Array {
    if (this.peek() !== SCALED << 4) return floatsOf(this.words(count, size, width));
    this.byte();
    const flags = this.byte();
    const divisor = this.divisor();
    const mask = this.readMask(flags, count);
    const exceptions = mask ? mask.reduce((sum, bit) => sum + bit, 0) : 0;
    const filled = (flags & FILLED) !== 0;
    const whole = this.planes(this.byte(), filled ? count : count - exceptions, flags & WIDE ? 8 : 4, width);
    const values = size === 4 ? new Float32Array(count) : new Float64Array(count);
    const signed = whole instanceof BigUint64Array ? new BigInt64Array(whole.buffer) : new Int32Array(whole.buffer);
    const others = mask ? floatsOf(this.words(exceptions, size)) : new Float32Array();
    let at = 0;
    let other = 0;
    for (let index = 0; index < count; index++) {
      const masked = mask?.[index];
      values[index] = masked ? others[other++]! : Number(signed[filled ? index : at]) / divisor;
      if (!masked) at += 1;
    }
    // A NaN would lose its payload on its way through a number.
    if (mask) keepBits(values, mask, others, size);
    return values;
  }

  /** Be done with a message, which must be what was said. */
  end(message: Uint8Array): Uint8Array {
    if (this.heads.left) throw new ProtocolError('the heads of a form are too long');
    if (this.next !== this.streams.length) throw new ProtocolError('a form has too many streams');
    if (message.length !== this.restoredBytes) throw new ProtocolError('a form restores to another length than it says');
    return message;
  }

  private makeWords(count: number, size: number): Words & { buffer: ArrayBuffer } {
    this.room -= count * size;
    if (this.room < 0) throw new ProtocolError('the columns of a form are too long');
    if (size === 1) return new Uint8Array(count);
    if (size === 2) return new Uint16Array(count);
    if (size === 4) return new Uint32Array(count);
    return new BigUint64Array(count);
  }

  private peek(): number {
    return this.heads.left ? this.heads.peek() : -1;
  }

  private take(length?: number): Uint8Array {
    const stream = this.streams[this.next];
    if (!stream) throw new ProtocolError('a form lacks a stream');
    if (length !== undefined && stream.length !== length) {
      throw new ProtocolError(`a stream of ${stream.length} bytes where ${length} belong`);
    }
    this.next += 1;
    return stream.framed ? decompress(stream.stored, stream.length) : stream.stored;
  }

  private readMask(flags: number, count: number): Uint8Array | null {
    if (flags & MASKED) this.mask = maskOf(this.take((count + 7) >> 3), count);
    else if (!(flags & SAME_MASK)) return null;
    if (this.mask?.length !== count) throw new ProtocolError('a column lacks its mask');
    return this.mask;
  }

  private planes(head: number, count: number, size: WordSize, width: number): Words & { buffer: ArrayBuffer } {
    if (head >> 4 !== WORDS) throw new ProtocolError(`unknown kind of column ${head}`);
    const planes = this.byte();
    if (planes > size) throw new ProtocolError('a column has more planes than its words');
    const parts = Array.from({ length: planes }, () => this.take(count));
    const words = this.makeWords(count, size);
    const bytes = bytesOf(words);
    parts.forEach((part, plane) => {
      for (let index = 0, to = plane; index < count; index++, to += size) bytes[to] = part[index]!;
    });
    restore(words, width, head & 15);
    return words;
  }
}

function floatsOf(words: Words & { buffer: ArrayBuffer }): Float32Array | Float64Array {
  return words.BYTES_PER_ELEMENT === 4 ? new Float32Array(words.buffer) : new Float64Array(words.buffer);
}

function keepBits(values: Float32Array | Float64Array, mask: Uint8Array, others: ArrayBufferView, size: number): void {
  const to = bytesOf(values);
  const from = bytesOf(others);
  let other = 0;
  mask.forEach((bit, index) => {
    if (bit) to.set(from.subarray(size * other, size * ++other), size * index);
  });
}

/** Undo a predictor, in place; sums wrap around. */
function restore(words: Words, width: number, predictor: number): void {
  if (predictor === 0) return;
  if (predictor > 4) throw new ProtocolError(`unknown predictor ${predictor}`);
  if (predictor > 2 && (width <= 0 || words.length % width)) throw new ProtocolError('a predictor of pictures for what is none');
  if (words instanceof BigUint64Array) {
    for (let at = 0; at < words.length; at++) words[at] = (words[at]! >> 1n) ^ -(words[at]! & 1n);
    addUp(words, width, predictor, addWide);
  } else {
    for (let at = 0; at < words.length; at++) words[at] = (words[at]! >>> 1) ^ -(words[at]! & 1);
    addUp(words, width, predictor, addNarrow);
  }
}

function addNarrow(words: Exclude<Words, BigUint64Array>, from: number, step: number): void {
  for (let at = from + step; at < words.length; at++) words[at] = words[at]! + words[at - step]!;
}

function addWide(words: BigUint64Array, from: number, step: number): void {
  for (let at = from + step; at < words.length; at++) words[at] = words[at]! + words[at - step]!;
}

function addUp<W extends Words>(words: W, width: number, predictor: number, add: (words: W, from: number, step: number) => void): void {
  if (predictor <= 2) {
    for (let time = 0; time < predictor; time++) add(words, 0, 1);
    return;
  }
  if (predictor === 4) {
    for (let row = 0; row < words.length; row += width) add(words.subarray(row, row + width) as W, 0, 1);
  }
  add(words, 0, width);
}
