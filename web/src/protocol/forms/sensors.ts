// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Laser scans, depth images and grids from their forms (docs/reducers_sensors.md). */

import { blake2s } from '@noble/hashes/blake2.js';

import { hex } from '../batch';
import { ProtocolError } from '../errors';
import { MAX_BATCH_RAW } from '../limits';
import { ByteReader } from '../reader';
import { AboutReader, writeMessage } from './about';
import { bytesOf, FormReader, maskOf, type Words } from './columns';

/** Scans whose ranges are steps, and others. */
export function restoreScan(form: Uint8Array): Uint8Array {
  return scanOf(form, readRanges);
}

/** The form before it: both arrays are columns of floats. */
export function restoreEarlierScan(form: Uint8Array): Uint8Array {
  return scanOf(form, (reader, count) => reader.floats(count, 4));
}

function scanOf(form: Uint8Array, read: (reader: FormReader, count: number) => ArrayBufferView): Uint8Array {
  const reader = new FormReader(form);
  const about = new AboutReader(reader.head(reader.uint32()));
  about.header();
  about.skip(7, 4);
  about.end();
  const ranges = reader.uint32();
  const intensities = reader.uint32();
  if (4 * (ranges + intensities) > MAX_BATCH_RAW) throw new ProtocolError(`a scan of ${ranges} ranges`);
  const sequences = [
    { count: ranges, bytes: bytesOf(read(reader, ranges)) },
    { count: intensities, bytes: bytesOf(reader.floats(intensities, 4)) },
  ];
  return reader.end(writeMessage(about.bytes, sequences));
}

const LARGE = 255;

function readRanges(reader: FormReader, count: number): Float32Array {
  const divisor = reader.divisor();
  const width = reader.byte();
  if (width > 8) throw new ProtocolError('ranges of more than 64 bits');
  const body = new ByteReader(reader.body());
  const steps = readRuns(body, count);
  const small = body.take(steps.reduce((sum, bit) => sum + bit, 0));
  const larges = small.reduce((sum, byte) => sum + Number(byte === LARGE), 0);
  const beyond = body.take(width * larges);
  if (body.left) throw new ProtocolError('ranges are too long');
  const words = new Uint32Array(reader.words(count - small.length, 4).buffer);
  const ranges = new Float32Array(count);
  const bits = new Uint32Array(ranges.buffer);
  let at = 0;
  let large = 0;
  let other = 0;
  let sum = 0;
  for (let index = 0; index < count; index++) {
    if (!steps[index]) {
      bits[index] = words[other++]!;
      continue;
    }
    let folded = small[at++]!;
    if (folded === LARGE) {
      for (let plane = 0; plane < width; plane++) folded += beyond[plane * larges + large]! * 256 ** plane;
      large += 1;
    }
    sum += folded % 2 ? -(folded + 1) / 2 : folded / 2;
    ranges[index] = sum / divisor;
  }
  return ranges;
}

/** Which ranges are steps: runs of these and of others in turns. */
function readRuns(body: ByteReader, count: number): Uint8Array {
  const steps = new Uint8Array(count);
  for (let first = 0, isStep = 1; first < count; isStep ^= 1) {
    let run = 0;
    let byte: number;
    do run += byte = body.byte();
    while (byte === LARGE && run <= count);
    if (first + run > count) throw new ProtocolError('the runs of a scan are longer than it');
    steps.fill(isStep, first, first + run);
    first += run;
  }
  return steps;
}

/** Bytes of a pixel by encoding; and whether it is a float, or signed. */
const DEPTHS: Readonly<Record<string, readonly ['f' | 'i' | 'u', 2 | 4 | 8]>> = {
  '16UC1': ['u', 2], mono16: ['u', 2], '16SC1': ['i', 2], '32SC1': ['i', 4], '32FC1': ['f', 4], '64FC1': ['f', 8],
};
const MAX_STEP = 40_000;

export function restoreDepth(form: Uint8Array): Uint8Array {
  const reader = new FormReader(form);
  const about = new AboutReader(reader.head(reader.uint32()));
  about.header();
  const height = about.uint32();
  const width = about.uint32();
  const encoding = about.text();
  const big = about.uint8();
  const step = about.uint32();
  const data = about.uint32();
  about.end();
  const depth = Object.hasOwn(DEPTHS, encoding) ? DEPTHS[encoding]! : null;
  if (!depth || big || data || step !== width * depth[1]) throw new ProtocolError('a form of another image than it says');
  if (!height || !width || height * step > MAX_BATCH_RAW) throw new ProtocolError(`an image of ${width} x ${height} pixels`);
  const [kind, size] = depth;
  const bytes = kind === 'f'
    ? bytesOf(reader.floats(height * width, size as 4 | 8, width))
    : wholePixels(reader, height * width, size as 2 | 4, width, kind === 'i');
  return reader.end(writeMessage(about.bytes.subarray(0, -4), [{ count: bytes.length, bytes }]));
}

function wholePixels(reader: FormReader, count: number, size: 2 | 4, width: number, signed: boolean): Uint8Array {
  const step = reader.uint32();
  if (step < 1 || step > MAX_STEP) throw new ProtocolError('a resolution out of bounds');
  const known = reader.byte() ? maskOf(bytesOf(reader.words((count + 7) >> 3, 1)), count) : null;
  const words = reader.words(count, size, width);
  const pixels = size === 4 ? new Int32Array(words.buffer) : signed ? new Int16Array(words.buffer) : new Uint16Array(words.buffer);
  if (step > 1) toMiddles(pixels, step, size, signed);
  known?.forEach((bit, index) => {
    if (!bit) pixels[index] = 0;
  });
  return bytesOf(pixels);
}

/** Make the middle of each step, in place. */
function toMiddles(pixels: Int32Array | Int16Array | Uint16Array, step: number, size: number, signed: boolean): void {
  const most = signed ? 2 ** (8 * size - 1) - 1 : 2 ** (8 * size) - 1;
  const least = signed ? -most - 1 : 0;
  for (let index = 0; index < pixels.length; index++) {
    const number = pixels[index]!;
    if (!number) continue;
    const middle = (Math.abs(number) - 1) * step + 1 + (step >> 1);
    pixels[index] = Math.max(least, Math.min(most, number < 0 ? -middle : middle));
  }
}

const FULL = 0;
const DIFFERENCE = 1;
const KEPT_GRIDS = 4;
const KEPT_BYTES = 64 * 1024 * 1024;
const UNKNOWN = 255;

interface Grid {
  readonly width: number;
  readonly height: number;
  readonly cells: Uint8Array;
}

/** Restores the grids of one route; keeps its last full ones. */
export class GridRestorer {
  private readonly full = new Map<string, Grid>();

  restore(form: Uint8Array): Uint8Array {
    const reader = new FormReader(form);
    const kind = reader.byte();
    const about = new AboutReader(reader.head(reader.uint32()));
    about.header();
    about.skip(3, 4); // when it was loaded, its resolution
    const width = about.uint32();
    const height = about.uint32();
    about.skip(7, 8);
    about.end();
    if (width * height > MAX_BATCH_RAW) throw new ProtocolError(`a grid of ${width} x ${height} cells`);
    if (kind === FULL) {
      const cells = bytesOf(reader.words(width * height, 1, width));
      const message = reader.end(writeMessage(about.bytes, [{ count: cells.length, bytes: cells }]));
      this.keep(hex(blake2s(message, { dkLen: 8 })), { width, height, cells });
      return message;
    }
    if (kind !== DIFFERENCE) throw new ProtocolError(`unknown kind of grid ${kind}`);
    const name = hex(reader.head(8));
    const right = reader.int32();
    const up = reader.int32();
    const key = this.full.get(name);
    if (!key) throw new ProtocolError('a difference from a full grid that is not here');
    const cells = addTo(reader.words(width * height, 1), { width, height, right, up }, key);
    return reader.end(writeMessage(about.bytes, [{ count: cells.length, bytes: cells }]));
  }

  private keep(name: string, grid: Grid): void {
    this.full.delete(name);
    this.full.set(name, grid);
    let bytes = 0;
    for (const { cells } of this.full.values()) bytes += cells.length;
    for (const [oldest, { cells }] of this.full) {
      if (this.full.size <= KEPT_GRIDS && bytes <= KEPT_BYTES) break;
      bytes -= cells.length;
      this.full.delete(oldest);
    }
  }
}

function addTo(
  added: Words, place: { width: number; height: number; right: number; up: number }, key: Grid,
): Uint8Array {
  const cells = bytesOf(added);
  const { width, height, right, up } = place;
  for (let y = 0, at = 0; y < height; y++) {
    const row = y - up;
    const inside = row >= 0 && row < key.height;
    for (let x = 0; x < width; x++, at++) {
      const column = x - right;
      const known = inside && column >= 0 && column < key.width ? key.cells[row * key.width + column]! : UNKNOWN;
      cells[at] = cells[at]! + known;
    }
  }
  return cells;
}
