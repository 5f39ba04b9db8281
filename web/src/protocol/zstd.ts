// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** One zstd frame (RFC 8878) of a length that is known beforehand. */

import { decompress as decompressFrame } from 'fzstd';

import { ProtocolError } from './errors';

const MAGIC = 0xfd2fb528;
const MAX_BLOCK = 128 * 1024;

interface FrameHeader {
  /** Where its first block begins. */
  readonly blocks: number;
  readonly checksum: boolean;
  readonly contentSize: number | null;
}

function readHeader(frame: Uint8Array): FrameHeader {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 6 || view.getUint32(0, true) !== MAGIC) throw new ProtocolError('not a zstd frame');
  const flags = frame[4]!;
  const single = (flags >> 5) & 1;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const sizeBytes = [single, 2, 4, 8][flags >> 6]!;
  const at = 6 - single + dictionaryBytes;
  if (at + sizeBytes > frame.length) throw new ProtocolError('zstd frame is cut off');
  let contentSize: number | null = null;
  if (sizeBytes === 1) contentSize = frame[at]!;
  else if (sizeBytes === 2) contentSize = view.getUint16(at, true) + 256;
  else if (sizeBytes === 4) contentSize = view.getUint32(at, true);
  else if (sizeBytes === 8) contentSize = Number(view.getBigUint64(at, true));
  return { blocks: at + sizeBytes, checksum: (flags & 4) !== 0, contentSize };
}

/**
 * Decompress.
 *
 * @param expected announced length; the frame must itself state exactly this, so that a bomb is
 *   refused before a byte is allocated for it
 * @param dictionary raw content that the frame was compressed against
 * @throws ProtocolError when the frame is broken, or states or holds anything else
 */
export function decompress(frame: Uint8Array, expected: number, dictionary?: Uint8Array): Uint8Array {
  const header = readHeader(frame);
  if (header.contentSize !== expected) throw new ProtocolError('compressed length differs from the announced one');
  try {
    if (dictionary === undefined) return decompressFrame(frame, new Uint8Array(expected));
    const whole = behind(dictionary, frame.subarray(header.blocks), expected, header.checksum);
    return decompressFrame(whole, new Uint8Array(dictionary.length + expected)).slice(dictionary.length);
  } catch (error) {
    throw new ProtocolError(`broken zstd data: ${String(error)}`);
  }
}

/**
 * A frame that begins with the dictionary in a raw block: what a raw-content dictionary is to the
 * blocks behind it, for it brings neither tables nor offsets.
 */
function behind(dictionary: Uint8Array, blocks: Uint8Array, expected: number, checksum: boolean): Uint8Array {
  if (dictionary.length > MAX_BLOCK) throw new ProtocolError('dictionary is too long');
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  head[4] = 0xa0 | (checksum ? 4 : 0); // a single segment, its size in 4 bytes
  view.setUint32(5, dictionary.length + expected, true);
  const block = dictionary.length << 3; // raw, not the last
  head.set([block & 255, (block >> 8) & 255, block >> 16], 9);
  const frame = new Uint8Array(head.length + dictionary.length + blocks.length);
  frame.set(head);
  frame.set(dictionary, head.length);
  frame.set(blocks, head.length + dictionary.length);
  return frame;
}
