// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Columns of packed numbers (docs/protocol.md#numbers).
 *
 * Arithmetic is modulo 2^64. A number is a pair of 32-bit halves, low half first, in one
 * Uint32Array: several times as fast as bigint, which sees the same memory where it is handier.
 */

import { ProtocolError } from './errors';
import type { Kind } from './program';
import { type BlockReader, type Budget, maskPlaces } from './reader';

/** 64-bit numbers as pairs of halves. */
export type Wide = Uint32Array<ArrayBuffer>;

export const RAW = 0;
export const DELTA = 1;
const STEP = 2;
const LAG = 3;

const PLANES = 4;
const SPARSE = 8;
const SCALED = 16;
const EXCEPTIONS = 32;
const CLOCK = 64;
const ALL_FLAGS = 127;

const MAX_CODED = 1 << 20;
const MAX_CODED_BYTES = 1 << 12;
const CHUNK = 1 << 15;
/** What a column that varies counts for in a batch's work. */
export const COLUMN_STEPS = 8;

const DIVIDED = 64;
const MULTIPLIED = 96;
const MAX_EXPONENT = 22;
const POWERS = Array.from({ length: MAX_EXPONENT + 1 }, (_, exponent) => Number(`1e${exponent}`));
const INVERSES = Array.from({ length: MAX_EXPONENT + 1 }, (_, exponent) => Number(`1e-${exponent}`));

/** A column's form as it was read. */
export interface Head {
  readonly predictor: number;
  readonly flags: number;
  /** Bits of a residual; bytes where they are in planes. */
  readonly size: number;
  readonly scale: number;
  readonly base: bigint;
  readonly exceptions: { readonly rows: number[]; readonly words: Wide } | null;
  /** Which rows are stored, where not all (but for the first one) are. */
  readonly rows: Uint8Array | null;
  /** How many rows are stored. */
  readonly stored: number;
  readonly planes: Uint8Array | null;
}

/** The head of a column that is packed and nothing else. */
export function plainHead(predictor: number, size: number, count: number): Head {
  const stored = predictor === RAW ? count : count - 1;
  return { predictor, flags: 0, size, scale: 0, base: 0n, exceptions: null, rows: null, stored, planes: null };
}

export function readHead(
  reader: BlockReader, count: number, width: number, kind: Kind, lag: number, hasClock: boolean, budget: Budget,
): Head {
  const flags = reader.byte();
  const size = reader.byte();
  const predictor = flags & 3;
  if (flags > ALL_FLAGS || (flags & CLOCK && !hasClock)) throw new ProtocolError(`no such form of a column: ${flags}`);
  if (predictor === LAG && !(lag > 1 && lag < count)) {
    throw new ProtocolError('a column refers to rows that it does not have');
  }
  if (size > (flags & PLANES ? 8 : 64)) throw new ProtocolError('a column of more than 64 bits');
  const scale = flags & SCALED ? reader.byte() : 0;
  if (scale >= DIVIDED && (kind !== 'f' || scale % 32 > MAX_EXPONENT || scale >= MULTIPLIED + 32)) {
    throw new ProtocolError(`no such scale of a column: ${scale}`);
  }
  const base = predictor === STEP ? reader.zigzag64() : 0n;
  const exceptions = flags & EXCEPTIONS ? readExceptions(reader, count, width, budget) : null;
  let stored = predictor === RAW ? count : count - 1;
  let rows: Uint8Array | null = null;
  if (flags & SPARSE) {
    const changes = maskPlaces(reader.take((count + 6) >> 3), count - 1);
    rows = new Uint8Array(count);
    if (predictor === RAW) rows[0] = 1;
    for (const place of changes) rows[place + 1] = 1;
    stored = changes.length + rows[0]!;
  }
  const planes = flags & PLANES ? reader.take(stored * size) : null;
  return { predictor, flags, size, scale, base, exceptions, rows, stored, planes };
}

function readExceptions(reader: BlockReader, count: number, width: number, budget: Budget): Head['exceptions'] {
  const number = reader.varint();
  if (number < 1 || number > count) throw new ProtocolError('a column has fewer exceptions than rows');
  budget.exceptions(number);
  const rows: number[] = [];
  let row = 0;
  for (let index = 0; index < number; index++) {
    const step = reader.varint();
    row += step;
    if (row >= count) throw new ProtocolError('an exception lies behind its column');
    if (index && !step) throw new ProtocolError('two exceptions of one row');
    rows.push(row);
  }
  const words = new Uint32Array(2 * number);
  gatherPlanes(reader.take(number * width), words, (index) => index, number, width, width, 1);
  return { rows, words };
}

/** Put bytes of words together: byte b of word i stands at i * step + b * stride. */
function gatherPlanes(
  bytes: Uint8Array, into: Wide, row: (index: number) => number,
  count: number, width: number, step: number, stride: number,
): void {
  for (let index = 0; index < count; index++) {
    let low = 0;
    let high = 0;
    for (let byte = 0; byte < width; byte++) {
      const value = bytes[index * step + byte * stride]!;
      if (byte < 4) low |= value << (8 * byte);
      else high |= value << (8 * byte - 32);
    }
    into[2 * row(index)] = low;
    into[2 * row(index) + 1] = high;
  }
}

/** Read the residuals of several columns of one length; 0 in rows that have none. */
export function readNumbers(reader: BlockReader, heads: readonly Head[], count: number): Wide[] {
  const packed = heads.filter((head) => head.size && !head.planes);
  const together = packed.length * count <= CHUNK;
  let bits = together ? reader.takeBits(packed.reduce((sum, head) => sum + head.size * head.stored, 0)) : new Uint8Array();
  let place = 0;
  return heads.map((head) => {
    const numbers: Wide = new Uint32Array(2 * count);
    const rows = storedRows(head, count);
    if (head.planes) {
      const { stored, size } = head;
      gatherPlanes(head.planes, numbers, (index) => (rows ? rows[index]! : index + count - stored), stored, size, 1, stored);
    } else if (head.size) {
      if (!together) {
        bits = reader.takeBits(head.size * head.stored);
        place = 0;
      }
      place = unpack(bits, place, head, numbers, rows, count);
    }
    return numbers;
  });
}

function storedRows(head: Head, count: number): Int32Array | null {
  if (!head.rows) return null;
  const rows = new Int32Array(head.stored);
  let filled = 0;
  for (let row = 0; row < count; row++) if (head.rows[row]) rows[filled++] = row;
  return rows;
}

function unpack(
  bits: Uint8Array, from: number, head: Head, numbers: Wide, rows: Int32Array | null, count: number,
): number {
  const { size, stored } = head;
  const low = Math.min(size, 32);
  const first = count - stored;
  let place = from;
  for (let index = 0; index < stored; index++) {
    const row = 2 * (rows ? rows[index]! : first + index);
    numbers[row] = bitsAt(bits, place, low);
    if (size > 32) numbers[row + 1] = bitsAt(bits, place + 32, size - 32);
    place += size;
  }
  return place;
}

function bitsAt(bytes: Uint8Array, place: number, size: number): number {
  const at = place >>> 3;
  const shift = place & 7;
  let value = bytes[at]!;
  if (shift + size > 8) value |= bytes[at + 1]! << 8;
  if (shift + size > 16) value |= bytes[at + 2]! << 16;
  if (shift + size > 24) value |= bytes[at + 3]! << 24;
  value >>>= shift;
  if (shift + size > 32) value |= bytes[at + 4]! << (32 - shift);
  return size === 32 ? value >>> 0 : value & (2 ** size - 1);
}

/**
 * Make words of a column's residuals, in their place.
 *
 * @param numbers residuals, one per row
 * @param reference the column's, as an unsigned word
 * @param clock source times, for a stamp that refers to them
 */
export function undo(
  numbers: Wide, head: Head, reference: bigint, width: number, kind: Kind, lag: number, clock: BigInt64Array | null,
): void {
  const decimal = head.scale >= DIVIDED;
  const isFloat = kind === 'f' && !decimal;
  const signed = kind === 'i' || decimal;
  const shift = decimal ? 0 : head.scale;
  const bits = 8 * width;
  let kept = signed ? BigInt.asUintN(64, BigInt.asIntN(bits, reference)) : reference;
  if (head.predictor === RAW) {
    if (head.rows) repeatLast(numbers, head.rows);
    if (isFloat) {
      addReference(numbers, kept, 0);
      joinSign(numbers, shift, width);
    } else {
      addReference(numbers, kept, shift);
    }
  } else {
    if (isFloat) {
      const sign = 1n << BigInt(bits - 1);
      kept = kept & sign ? BigInt.asUintN(bits, ~kept) : kept | sign;
    }
    addUp(numbers, head, kept, shift, lag);
    if (isFloat) unorder(numbers, width);
  }
  if (decimal) toFloats(numbers, head.scale, width);
  if (head.flags & CLOCK && clock) {
    const values = new BigInt64Array(numbers.buffer);
    for (let row = 0; row < values.length; row++) values[row] = clock[row]! - values[row]!;
  }
  head.exceptions?.rows.forEach((row, index) => {
    numbers[2 * row] = head.exceptions!.words[2 * index]!;
    numbers[2 * row + 1] = head.exceptions!.words[2 * index + 1]!;
  });
}

function repeatLast(numbers: Wide, rows: Uint8Array): void {
  for (let row = 1; row < rows.length; row++) {
    if (rows[row]) continue;
    numbers[2 * row] = numbers[2 * row - 2]!;
    numbers[2 * row + 1] = numbers[2 * row - 1]!;
  }
}

const UINT32 = 0x100000000;

function addReference(numbers: Wide, reference: bigint, shift: number): void {
  const keptLow = Number(reference & 0xffffffffn);
  const keptHigh = Number(reference >> 32n);
  for (let at = 0; at < numbers.length; at += 2) {
    const low = keptLow + shiftedLow(numbers[at]!, shift);
    const high = keptHigh + shiftedHigh(numbers[at]!, numbers[at + 1]!, shift);
    numbers[at] = low;
    numbers[at + 1] = high + (low >= UINT32 ? 1 : 0);
  }
}

function shiftedLow(low: number, shift: number): number {
  return shift >= 32 ? 0 : (low << shift) >>> 0;
}

function shiftedHigh(low: number, high: number, shift: number): number {
  if (!shift) return high >>> 0;
  if (shift >= 32) return (low << (shift - 32)) >>> 0;
  return ((high << shift) | (low >>> (32 - shift))) >>> 0;
}

function joinSign(numbers: Wide, shift: number, width: number): void {
  for (let at = 0; at < numbers.length; at += 2) {
    const sign = numbers[at]! & 1;
    const low = ((numbers[at]! >>> 1) | (numbers[at + 1]! << 31)) >>> 0;
    const high = numbers[at + 1]! >>> 1;
    numbers[at] = shiftedLow(low, shift) | (width === 4 ? sign << 31 : 0);
    numbers[at + 1] = shiftedHigh(low, high, shift) | (width === 8 ? sign << 31 : 0);
  }
}

function addUp(numbers: Wide, head: Head, first: bigint, shift: number, lag: number): void {
  const folded = head.predictor !== STEP;
  const base = BigInt.asUintN(64, head.base);
  const baseLow = Number(base & 0xffffffffn);
  const baseHigh = Number(base >> 32n);
  numbers[0] = Number(first & 0xffffffffn);
  numbers[1] = Number(first >> 32n);
  for (let at = 2; at < numbers.length; at += 2) {
    let low = numbers[at]!;
    let high = numbers[at + 1]!;
    if (folded) {
      const negative = -(low & 1);
      low = ((low >>> 1) | (high << 31)) ^ negative;
      high = (high >>> 1) ^ negative;
    }
    const before = head.predictor === LAG && at >= 2 * lag ? at - 2 * lag : at - 2;
    const sum = shiftedLow(low, shift) + numbers[before]! + baseLow;
    numbers[at] = sum;
    numbers[at + 1] = shiftedHigh(low, high, shift) + numbers[before + 1]! + baseHigh + Math.floor(sum / UINT32);
  }
}

/** Undo the order of floats: a word with its sign bit set had it set, any other was inverted. */
function unorder(numbers: Wide, width: number): void {
  const top = width === 4 ? 0 : 1;
  for (let at = 0; at < numbers.length; at += 2) {
    if (numbers[at + top]! >>> 31) {
      numbers[at + top] = numbers[at + top]! ^ 0x80000000;
    } else {
      numbers[at] = ~numbers[at]!;
      numbers[at + 1] = ~numbers[at + 1]!;
    }
  }
}

function toFloats(numbers: Wide, scale: number, width: number): void {
  const divides = scale < MULTIPLIED;
  const factor = divides ? POWERS[scale % 32]! : INVERSES[scale % 32]!;
  const singles = new Float32Array(numbers.buffer);
  const doubles = new Float64Array(numbers.buffer);
  for (let row = 0; row < doubles.length; row++) {
    const integer = (numbers[2 * row + 1]! | 0) * UINT32 + numbers[2 * row]!;
    const value = divides ? integer / factor : integer * factor;
    if (width === 4) singles[2 * row] = value;
    else doubles[row] = value;
  }
}

/**
 * Read a table.
 *
 * @returns its words, little-endian, row after row
 */
export function decodeTable(
  reader: BlockReader, count: number, columns: number, width: number, kind: Kind, budget: Budget,
  lag = 0, clock: BigInt64Array | null = null,
): Uint8Array<ArrayBuffer> {
  const varying = maskPlaces(reader.take((columns + 7) >> 3), columns);
  const kept = reader.take(columns * width);
  const rowBytes = columns * width;
  const table = new Uint8Array(count * rowBytes);
  fillRows(table, kept);
  if (!varying.length) return table;
  budget.steps(varying.length * COLUMN_STEPS);
  if (count * columns > (width === 1 ? MAX_CODED_BYTES : MAX_CODED)) {
    for (const column of varying) {
      const at = column * width;
      if (reader.byte() !== PLANES || reader.byte() !== width || kept.subarray(at, at + width).some(Boolean)) {
        throw new ProtocolError('a large table has byte planes alone');
      }
      const planes = reader.take(count * width);
      for (let byte = 0; byte < width; byte++) {
        const plane = byte * count;
        for (let row = 0, to = at + byte; row < count; row++, to += rowBytes) table[to] = planes[plane + row]!;
      }
    }
    return table;
  }
  const heads = varying.map(() => readHead(reader, count, width, kind, lag, clock !== null, budget));
  const numbers = readNumbers(reader, heads, count);
  varying.forEach((column, index) => {
    const words = numbers[index]!;
    undo(words, heads[index]!, wordAt(kept, column * width, width), width, kind, lag, clock);
    putColumn(table, column * width, rowBytes, width, words);
  });
  return table;
}

export function fillRows(table: Uint8Array, row: Uint8Array): void {
  if (!table.length) return;
  table.set(row);
  for (let filled = row.length; filled < table.length; filled *= 2) {
    table.copyWithin(filled, 0, Math.min(filled, table.length - filled));
  }
}

/** Give a little-endian word. */
export function wordAt(bytes: Uint8Array, at: number, width: number): bigint {
  let word = 0n;
  for (let byte = width - 1; byte >= 0; byte--) word = (word << 8n) | BigInt(bytes[at + byte]!);
  return word;
}

/** Write the lowest bytes of words, one every `stride` bytes. */
export function putColumn(table: Uint8Array, at: number, stride: number, width: number, words: Wide): void {
  let to = at;
  for (let from = 0; from < words.length; from += 2, to += stride) {
    const low = words[from]!;
    table[to] = low;
    if (width === 1) continue;
    table[to + 1] = low >>> 8;
    if (width === 2) continue;
    table[to + 2] = low >>> 16;
    table[to + 3] = low >>> 24;
    if (width === 4) continue;
    const high = words[from + 1]!;
    table[to + 4] = high;
    table[to + 5] = high >>> 8;
    table[to + 6] = high >>> 16;
    table[to + 7] = high >>> 24;
  }
}

/** Swap the bytes of each word, in their place. */
export function swapWords(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) {
    for (let low = at, high = at + width - 1; low < high; low++, high--) {
      const byte = bytes[low]!;
      bytes[low] = bytes[high]!;
      bytes[high] = byte;
    }
  }
}

const NS = 1_000_000_000;

/** Make pairs (seconds, nanoseconds) of stamps in nanoseconds, in their place. */
export function splitStamps(stamps: Wide): void {
  for (let at = 0; at < stamps.length; at += 2) {
    const low = stamps[at]!;
    let seconds = Math.floor(((stamps[at + 1]! | 0) * UINT32 + low) / NS);
    // The quotient may be off by one, the rest modulo 2^32 is exact.
    let rest = (low - Math.imul(seconds, NS)) >>> 0;
    if (rest >= UINT32 - NS) {
      seconds -= 1;
      rest = (rest + NS) >>> 0;
    } else if (rest >= NS) {
      seconds += 1;
      rest -= NS;
    }
    if (seconds !== (seconds | 0)) throw new ProtocolError('a stamp is out of range');
    stamps[at] = seconds;
    stamps[at + 1] = rest;
  }
}
