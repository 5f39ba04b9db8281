// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Pictures, raw and compressed, into bitmaps that a canvas takes. */

import type { Message } from '../protocol';
import { array, numberOf, textOf } from './values';
import type { ImageView } from './views';

const MOST_PIXELS = 40_000_000;
const MOST_BYTES = 256 << 20;

interface Encoding {
  readonly bytes: number;
  /** Where red, green and blue stand within a pixel; of one value for grey. */
  readonly channels: readonly number[];
  readonly alpha?: number;
  readonly deep?: 'u16' | 'f32';
}

/** Of sensor_msgs/image_encodings; Bayer patterns are shown as they are, grey. */
const ENCODINGS: Readonly<Record<string, Encoding>> = {
  rgb8: { bytes: 3, channels: [0, 1, 2] },
  bgr8: { bytes: 3, channels: [2, 1, 0] },
  rgba8: { bytes: 4, channels: [0, 1, 2], alpha: 3 },
  bgra8: { bytes: 4, channels: [2, 1, 0], alpha: 3 },
  mono8: { bytes: 1, channels: [0] },
  '8UC1': { bytes: 1, channels: [0] },
  '8UC3': { bytes: 3, channels: [2, 1, 0] },
  bayer_rggb8: { bytes: 1, channels: [0] },
  bayer_bggr8: { bytes: 1, channels: [0] },
  bayer_gbrg8: { bytes: 1, channels: [0] },
  bayer_grbg8: { bytes: 1, channels: [0] },
  mono16: { bytes: 2, channels: [0], deep: 'u16' },
  '16UC1': { bytes: 2, channels: [0], deep: 'u16' },
  '32FC1': { bytes: 4, channels: [0], deep: 'f32' },
};

export async function rawImage(message: Message): Promise<ImageView | null> {
  const width = numberOf(message['width']);
  const height = numberOf(message['height']);
  const step = numberOf(message['step']);
  const name = textOf(message['encoding'], 32);
  const encoding = Object.hasOwn(ENCODINGS, name) ? ENCODINGS[name] : undefined;
  const data = array(message['data'], MOST_BYTES);
  if (encoding === undefined || !(width > 0 && height > 0) || width * height > MOST_PIXELS) return null;
  if (step < width * encoding.bytes || data.length < step * height) return null;
  if (!(data instanceof Uint8Array)) return null;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const place = { data, width, height, step };
  if (encoding.deep === undefined) shallow(place, encoding, pixels);
  else deep(place, encoding, numberOf(message['is_bigendian']) !== 1, pixels);
  const bitmap = await createImageBitmap(new ImageData(pixels, width, height));
  return { kind: 'image', bitmap, width, height, encoding: name };
}

export async function compressedImage(message: Message): Promise<ImageView | null> {
  const data = array(message['data'], MOST_BYTES);
  if (!(data instanceof Uint8Array) || data.length === 0) return null;
  // The browser sniffs JPEG, PNG and WebP itself; a copy, since the view may be of shared memory.
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(data)]));
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    bitmap.close();
    return null;
  }
  const { width, height } = bitmap;
  return { kind: 'image', bitmap, width, height, encoding: textOf(message['format'], 64) };
}

interface Place {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly step: number;
}

function shallow(place: Place, encoding: Encoding, pixels: Uint8ClampedArray): void {
  const { data, width, height, step } = place;
  const [red = 0, green = red, blue = red] = encoding.channels;
  const { alpha, bytes } = encoding;
  let to = 0;
  for (let row = 0; row < height; row++) {
    let from = row * step;
    for (let column = 0; column < width; column++) {
      pixels[to] = data[from + red]!;
      pixels[to + 1] = data[from + green]!;
      pixels[to + 2] = data[from + blue]!;
      pixels[to + 3] = alpha === undefined ? 255 : data[from + alpha]!;
      to += 4;
      from += bytes;
    }
  }
}

/** Depth and the like: what is in the picture, from its least to its greatest value. */
function deep(place: Place, encoding: Encoding, little: boolean, pixels: Uint8ClampedArray): void {
  const { data, width, height, step } = place;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float32Array(width * height);
  let least = Infinity;
  let most = -Infinity;
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to++) {
      const at = row * step + column * encoding.bytes;
      const value = encoding.deep === 'f32' ? view.getFloat32(at, little) : view.getUint16(at, little);
      values[to] = value;
      // 0 and NaN stand for no measurement.
      if (Number.isFinite(value) && value > 0) {
        if (value < least) least = value;
        if (value > most) most = value;
      }
    }
  }
  const scale = most > least ? 235 / (most - least) : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const grey = Number.isFinite(value) && value > 0 ? 20 + (value - least) * scale : 0;
    pixels[4 * i] = pixels[4 * i + 1] = pixels[4 * i + 2] = grey;
    pixels[4 * i + 3] = 255;
  }
}
