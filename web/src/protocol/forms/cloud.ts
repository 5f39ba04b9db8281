// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Point clouds from their form (docs/reducers_sensors.md). */

import { ProtocolError } from '../errors';
import { MAX_BATCH_RAW } from '../limits';
import { AboutReader, writeMessage } from './about';
import { bytesOf, FormReader, maskOf, type WordSize } from './columns';

const MAX_FIELDS = 64;
const MAX_COUNT = 4096;
/** By sensor_msgs/msg/PointField's constants. */
const SIZES: readonly WordSize[] = [1, 1, 1, 2, 2, 4, 4, 4, 8];
const FLOAT32 = 7;

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: WordSize;
  readonly float: boolean;
  readonly count: number;
}

interface Cloud {
  readonly height: number;
  readonly width: number;
  readonly step: number;
  readonly fields: readonly Field[];
}

export function restoreCloud(form: Uint8Array): Uint8Array {
  const reader = new FormReader(form);
  const told = reader.head(reader.uint32());
  if (!told.length) throw new ProtocolError('a form without a cloud');
  const about = new AboutReader(told.subarray(0, -1));
  const cloud = readCloud(about);
  const points = cloud.height * cloud.width;
  const width = cloud.height > 1 ? cloud.width : 0;
  const data = new Uint8Array(points * cloud.step);
  const turned = readTurned(reader, cloud, points, data);
  for (const field of cloud.fields) {
    if (turned.includes(field.name)) continue;
    for (let place = 0; place < field.count; place++) {
      const column = field.float ? reader.floats(points, field.size as 4 | 8, width) : reader.words(points, field.size, width);
      putColumn(data, field.offset + place * field.size, cloud.step, field.size, column);
    }
  }
  const dense = Uint8Array.of(told.at(-1) ? 1 : 0);
  return reader.end(writeMessage(about.bytes, [{ count: data.length, bytes: data }], dense));
}

function readCloud(about: AboutReader): Cloud {
  about.header();
  const height = about.uint32();
  const width = about.uint32();
  const count = about.uint32();
  if (count > MAX_FIELDS) throw new ProtocolError(`a cloud of ${count} fields`);
  const fields = Array.from({ length: count }, (): Field => {
    const name = about.text();
    const offset = about.uint32();
    const datatype = about.uint8();
    const size = datatype ? SIZES[datatype] : undefined;
    if (size === undefined) throw new ProtocolError(`unknown datatype ${datatype} of a field`);
    return { name, offset, size, float: datatype >= FLOAT32, count: about.uint32() };
  });
  const big = about.uint8();
  const step = about.uint32();
  about.uint32();
  about.end();
  if (big) throw new ProtocolError('a form of big endian points');
  const points = height * width;
  if (points * Math.max(1, step) > MAX_BATCH_RAW || (!step && points)) throw new ProtocolError('a cloud that is too large');
  // Fields may overlap, as rgb and rgba do, but each of them takes work.
  if (points * fields.reduce((sum, field) => sum + field.size * field.count, 0) > MAX_BATCH_RAW) {
    throw new ProtocolError('the fields of a cloud overlap too often');
  }
  for (const field of fields) {
    if (!field.count || field.count > MAX_COUNT || field.offset + field.size * field.count > step) {
      throw new ProtocolError('a field ends behind its point');
    }
  }
  return { height, width, step, fields };
}

/** Write one number for each point. */
function putColumn(data: Uint8Array, offset: number, step: number, size: number, column: ArrayBufferView): void {
  const bytes = bytesOf(column);
  for (let from = 0, to = offset; from < bytes.length; from += size, to += step) {
    for (let byte = 0; byte < size; byte++) data[to + byte] = bytes[from + byte]!;
  }
}

/** Read x, y and z where they come as turned steps; gives the names of what was read. */
function readTurned(reader: FormReader, cloud: Cloud, points: number, data: Uint8Array): string[] {
  const flag = reader.byte();
  if (!flag) return [];
  const fields = ['x', 'y', 'z'].map((name) => cloud.fields.filter((field) => field.name === name));
  if (flag !== 1 || fields.some((found) => found.length !== 1 || !found[0]!.float || found[0]!.count !== 1)) {
    throw new ProtocolError('a form of points that are none');
  }
  const divisor = reader.divisor();
  const fits = maskOf(bytesOf(reader.words((points + 7) >> 3, 1)), points);
  const kept = fits.reduce((sum, bit) => sum + bit, 0);
  const blocks = Math.ceil(kept / 16);
  const directions = bytesOf(reader.words(blocks, 1));
  const rises = new Int8Array(reader.words(blocks, 1).buffer);
  const columns = [0, 1, 2].map(() => new Int32Array(reader.words(kept, 4).buffer));
  turnBack(directions, rises, columns);
  fields.forEach((found, axis) => {
    const { size, offset } = found[0]!;
    const others = bytesOf(reader.words(points - kept, size));
    const values = size === 4 ? new Float32Array(points) : new Float64Array(points);
    const bytes = bytesOf(values);
    let at = 0;
    let other = 0;
    for (let point = 0; point < points; point++) {
      if (fits[point]) values[point] = columns[axis]![at++]! / divisor;
      else bytes.set(others.subarray(size * other, size * ++other), size * point);
    }
    putColumn(data, offset, cloud.step, size, values);
  });
  return ['x', 'y', 'z'];
}

const SCALE = 65_536;
const PLACES = Array.from({ length: 64 }, (_, index) => index - 32);
const TANGENTS = PLACES.map((place) => Math.round(SCALE * Math.tan((place * Math.PI) / 256)));
const SINES = PLACES.map((place) => Math.round(SCALE * Math.sin((place * Math.PI) / 128)));

function times(factor: number, step: number): number {
  return Math.floor((factor * step + SCALE / 2) / SCALE);
}

/** Undo the turning of steps, in place: columns of sums become columns of sums. */
function turnBack(directions: Uint8Array, rises: Int8Array, columns: readonly Int32Array[]): void {
  const before = [0, 0, 0];
  const sums = [0, 0, 0];
  const [first, second, third] = columns as [Int32Array, Int32Array, Int32Array];
  for (let point = 0; point < first.length; point++) {
    const direction = directions[point >> 4]! + 32;
    const quarter = (direction >> 6) & 3;
    const tangent = TANGENTS[direction & 63]!;
    const sine = SINES[direction & 63]!;
    // Steps are what 32 bits say; what is made of them is exact in a double.
    let a = (first[point]! - before[0]!) | 0;
    let b = (second[point]! - before[1]!) | 0;
    const along = (third[point]! - before[2]!) | 0;
    before[0] = first[point]!;
    before[1] = second[point]!;
    before[2] = third[point]!;
    const c = along + Math.floor((rises[point >> 4]! * a + 64) / 128);
    a -= times(tangent, b);
    b += times(sine, a);
    a -= times(tangent, b);
    if (quarter === 2 || quarter === 3) a = -a;
    if (quarter === 1 || quarter === 2) b = -b;
    const odd = quarter & 1;
    sums[0] = (sums[0]! + (odd ? b : a)) | 0;
    sums[1] = (sums[1]! + (odd ? a : b)) | 0;
    sums[2] = (sums[2]! + c) | 0;
    first[point] = sums[0];
    second[point] = sums[1];
    third[point] = sums[2];
  }
}
