// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** sensor_msgs/PointCloud2 into coordinates and intensities. */

import type { Message } from '../protocol';
import { array, numberOf, record, textOf } from './values';
import type { CloudView } from './views';

const MOST_BYTES = 256 << 20;
/** Of more, every n-th is shown. */
const MOST_SHOWN = 400_000;

type Reader = (view: DataView, at: number, little: boolean) => number;

/** Datatypes of sensor_msgs/PointField, with their sizes. */
const DATATYPES: Readonly<Record<number, readonly [number, Reader]>> = {
  1: [1, (view, at) => view.getInt8(at)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at, little) => view.getInt16(at, little)],
  4: [2, (view, at, little) => view.getUint16(at, little)],
  5: [4, (view, at, little) => view.getInt32(at, little)],
  6: [4, (view, at, little) => view.getUint32(at, little)],
  7: [4, (view, at, little) => view.getFloat32(at, little)],
  8: [8, (view, at, little) => view.getFloat64(at, little)],
};

interface Field {
  readonly offset: number;
  readonly read: Reader;
}

function fieldsOf(message: Message, pointStep: number): Map<string, Field> {
  const found = new Map<string, Field>();
  const fields = message['fields'];
  for (const entry of Array.isArray(fields) ? fields.slice(0, 64) : []) {
    const field = record(entry as Message);
    const datatype = DATATYPES[numberOf(field['datatype'])];
    const offset = numberOf(field['offset']);
    if (datatype === undefined || !(offset >= 0) || offset + datatype[0] > pointStep) continue;
    found.set(textOf(field['name'], 64), { offset, read: datatype[1] });
  }
  return found;
}

export function cloudView(message: Message): CloudView | null {
  const data = array(message['data'], MOST_BYTES);
  const pointStep = numberOf(message['point_step']);
  const rowStep = numberOf(message['row_step']);
  const width = numberOf(message['width']);
  const height = numberOf(message['height']);
  if (!(data instanceof Uint8Array) || !(pointStep > 0)) return null;
  if (height > 1 && rowStep < width * pointStep) return null;
  if (height * (height > 1 ? rowStep : width * pointStep) > data.length) return null;
  const fields = fieldsOf(message, pointStep);
  const [x, y, z] = [fields.get('x'), fields.get('y'), fields.get('z')];
  if (x === undefined || y === undefined || z === undefined) return null;
  const shade = fields.get('intensity') ?? fields.get('reflectivity') ?? fields.get('intensities');
  const total = width * height;
  const every = Math.max(1, Math.ceil(total / MOST_SHOWN));
  const room = Math.ceil(total / every);
  const points = new Float32Array(3 * room);
  const intensity = new Float32Array(shade === undefined ? 0 : room);
  const little = numberOf(message['is_bigendian']) !== 1;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let used = 0;
  for (let i = 0; i < total; i += every) {
    const row = Math.floor(i / width);
    const at = (height > 1 ? row * rowStep : 0) + (i - (height > 1 ? row * width : 0)) * pointStep;
    const px = x.read(view, at + x.offset, little);
    const py = y.read(view, at + y.offset, little);
    const pz = z.read(view, at + z.offset, little);
    if (!Number.isFinite(px + py + pz)) continue;
    points[3 * used] = px;
    points[3 * used + 1] = py;
    points[3 * used + 2] = pz;
    if (shade !== undefined) intensity[used] = shade.read(view, at + shade.offset, little);
    used += 1;
  }
  return {
    kind: 'cloud',
    frame: textOf(record(message['header'])['frame_id']),
    points: points.slice(0, 3 * used),
    intensity: intensity.slice(0, shade === undefined ? 0 : used),
    total,
  };
}
