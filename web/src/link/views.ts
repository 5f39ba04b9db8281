// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Messages of well-known types, made into what the page draws. Sizes are checked before use. */

import type { FieldValue, Message, Sample } from '../protocol';
import { cloudView } from './clouds';
import { isPlace, Places, type Pose2 } from './frames';
import { compressedImage, rawImage } from './images';
import { array, numberOf, record, textOf } from './values';

export interface ImageView {
  readonly kind: 'image';
  readonly bitmap: ImageBitmap;
  readonly width: number;
  readonly height: number;
  readonly encoding: string;
}

export interface ScanView {
  readonly kind: 'scan';
  readonly frame: string;
  /** x and y in metres, in the scanner's frame, pair after pair. */
  readonly points: Float32Array;
  readonly rangeMax: number;
  /** Where the scanner is on the map, if its frames are known. */
  readonly pose: Pose2 | null;
}

export interface CloudView {
  readonly kind: 'cloud';
  readonly frame: string;
  readonly points: Float32Array;
  /** Per point, or empty. */
  readonly intensity: Float32Array;
  /** How many points the message has, also those not shown. */
  readonly total: number;
}

export interface GridView {
  readonly kind: 'grid';
  readonly bitmap: ImageBitmap;
  readonly width: number;
  readonly height: number;
  readonly resolution: number;
  readonly origin: Pose2;
}

export interface PlaceView {
  readonly kind: 'place';
  readonly frame: string;
  readonly pose: Pose2;
  readonly onMap: boolean;
}

export interface FixView {
  readonly kind: 'fix';
  readonly latitude: number;
  readonly longitude: number;
  readonly altitude: number;
  readonly status: number;
  readonly sigmaM: number;
}

export interface Status {
  readonly level: number;
  readonly name: string;
  readonly message: string;
  readonly hardwareId: string;
  readonly values: readonly (readonly [string, string])[];
}

export interface DiagnosticsView {
  readonly kind: 'diagnostics';
  readonly statuses: readonly Status[];
}

export interface BatteryView {
  readonly kind: 'battery';
  /** 0 to 1, or NaN. */
  readonly share: number;
  readonly volts: number;
  readonly amperes: number;
  readonly charging: boolean;
}

export interface TextView {
  readonly kind: 'text';
  readonly text: string;
  readonly level: number;
  readonly name: string;
}

export type View = (
  | ImageView
  | ScanView
  | CloudView
  | GridView
  | PlaceView
  | FixView
  | DiagnosticsView
  | BatteryView
  | TextView
) & { readonly timeMs?: number };

type Maker = (message: Message, places: Places) => View | null | Promise<View | null>;

/** Types that are drawn, by their names. */
const MAKERS: Readonly<Record<string, Maker>> = {
  'sensor_msgs/msg/Image': rawImage,
  'sensor_msgs/msg/CompressedImage': compressedImage,
  'sensor_msgs/msg/LaserScan': scan,
  'sensor_msgs/msg/PointCloud2': cloudView,
  'nav_msgs/msg/OccupancyGrid': grid,
  'sensor_msgs/msg/NavSatFix': fix,
  'sensor_msgs/msg/BatteryState': battery,
  'diagnostic_msgs/msg/DiagnosticArray': diagnostics,
  'std_msgs/msg/String': plainText,
  'rcl_interfaces/msg/Log': logLine,
};

export function isDrawn(type: string): boolean {
  return type in MAKERS || isPlace(type);
}

/** @returns null for what cannot be drawn */
export async function viewOf(sample: Sample, places: Places): Promise<View | null> {
  const maker = MAKERS[sample.typeName];
  if (maker !== undefined) return maker(sample.message(), places);
  return places.view(sample);
}

const MOST_RAYS = 100_000;

function scan(message: Message, places: Places): ScanView | null {
  const ranges = array(message['ranges'], MOST_RAYS);
  const least = numberOf(message['range_min']);
  const most = numberOf(message['range_max']);
  const first = numberOf(message['angle_min']);
  const step = numberOf(message['angle_increment']);
  const points = new Float32Array(2 * ranges.length);
  let used = 0;
  for (let i = 0; i < ranges.length; i++) {
    const range = Number(ranges[i]);
    // REP-117: beyond is inf, and nothing is NaN.
    if (!(range >= least && range <= most)) continue;
    const angle = first + i * step;
    points[used++] = range * Math.cos(angle);
    points[used++] = range * Math.sin(angle);
  }
  const frame = textOf(record(message['header'])['frame_id']);
  return {
    kind: 'scan',
    frame,
    points: points.slice(0, used),
    rangeMax: Number.isFinite(most) ? Math.min(most, 1000) : 10,
    pose: places.onMap(frame),
  };
}

const MOST_CELLS = 64_000_000;

async function grid(message: Message): Promise<GridView | null> {
  const info = record(message['info']);
  const width = numberOf(info['width']);
  const height = numberOf(info['height']);
  const cells = array(message['data'], MOST_CELLS);
  if (!(width > 0 && height > 0) || width * height !== cells.length) return null;
  const origin = record(info['origin']);
  const pixels = new Uint8ClampedArray(4 * cells.length);
  for (let row = 0; row < height; row++) {
    // The grid begins below, a picture above.
    const to = (height - 1 - row) * width;
    for (let column = 0; column < width; column++) {
      const cell = Number(cells[row * width + column]);
      const at = 4 * (to + column);
      if (cell < 0) continue; // unknown: nothing is drawn, in both themes
      // Free space is faint, walls are dense; the page colours both by its theme.
      pixels[at + 3] = cell === 0 ? 26 : 60 + Math.min(cell, 100) * 1.9;
    }
  }
  const bitmap = await createImageBitmap(new ImageData(pixels, width, height));
  return {
    kind: 'grid',
    bitmap,
    width,
    height,
    resolution: numberOf(info['resolution']),
    origin: Places.flat(record(origin['position']), record(origin['orientation'])),
  };
}

function fix(message: Message): FixView {
  const covariance = array(message['position_covariance'], 9);
  return {
    kind: 'fix',
    latitude: numberOf(message['latitude']),
    longitude: numberOf(message['longitude']),
    altitude: numberOf(message['altitude']),
    status: numberOf(record(message['status'])['status']),
    sigmaM: Math.sqrt(Math.max(Number(covariance[0] ?? 0), Number(covariance[4] ?? 0))),
  };
}

function battery(message: Message): BatteryView {
  return {
    kind: 'battery',
    share: numberOf(message['percentage']),
    volts: numberOf(message['voltage']),
    amperes: numberOf(message['current']),
    // power_supply_status of sensor_msgs/BatteryState
    charging: numberOf(message['power_supply_status']) === 1,
  };
}

const MOST_STATUSES = 512;
const MOST_VALUES = 64;

function diagnostics(message: Message): DiagnosticsView {
  const statuses = list(message['status'], MOST_STATUSES).map((status) => ({
    level: numberOf(status['level']),
    name: textOf(status['name']),
    message: textOf(status['message']),
    hardwareId: textOf(status['hardware_id']),
    values: list(status['values'], MOST_VALUES).map(
      (pair) => [textOf(pair['key']), textOf(pair['value'])] as const,
    ),
  }));
  return { kind: 'diagnostics', statuses };
}

function plainText(message: Message): TextView {
  return { kind: 'text', text: textOf(message['data'], 65536), level: 0, name: '' };
}

function logLine(message: Message): TextView {
  return {
    kind: 'text',
    text: textOf(message['msg'], 4096),
    level: numberOf(message['level']),
    name: textOf(message['name']),
  };
}

function list(value: FieldValue | undefined, most: number): Message[] {
  return Array.isArray(value) ? value.slice(0, most).map((entry) => record(entry as FieldValue)) : [];
}

/** What of a view can be handed over instead of copied. */
export function transferred(view: View): Transferable[] {
  switch (view.kind) {
    case 'image':
    case 'grid':
      return [view.bitmap];
    case 'scan':
      return [view.points.buffer as ArrayBuffer];
    case 'cloud':
      return [view.points.buffer as ArrayBuffer, view.intensity.buffer as ArrayBuffer];
    default:
      return [];
  }
}
