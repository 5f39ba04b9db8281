// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { ProtocolError } from '../errors';

const MAX_STRING = 1024;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a form's *about*: little-endian CDR up to where a message's large arrays begin. */
export class AboutReader {
  private readonly view: DataView;
  private position = 4;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 1) throw new ProtocolError('not a little-endian message in plain CDR');
  }

  uint8(): number {
    return this.view.getUint8(this.next(1));
  }

  uint32(): number {
    return this.view.getUint32(this.next(4), true);
  }

  /** Pass over numbers of a size. */
  skip(count: number, size: number): void {
    for (let index = 0; index < count; index++) this.next(size);
  }

  text(): string {
    const length = this.uint32();
    if (length > MAX_STRING) throw new ProtocolError(`a string of ${length} bytes`);
    const from = this.position;
    this.position += length;
    if (this.position > this.bytes.length) throw new ProtocolError('the message ends too early');
    const raw = this.bytes.subarray(from, this.position);
    try {
      return UTF8.decode(raw.at(-1) === 0 ? raw.subarray(0, -1) : raw);
    } catch {
      throw new ProtocolError('a string that is no UTF-8');
    }
  }

  /** std_msgs/msg/Header. */
  header(): void {
    this.skip(2, 4);
    this.text();
  }

  end(): void {
    if (this.position !== this.bytes.length) throw new ProtocolError('bytes follow what a form tells about its message');
  }

  private next(size: number): number {
    const at = this.position + ((size - ((this.position - 4) % size)) % size);
    this.position = at + size;
    if (this.position > this.bytes.length) throw new ProtocolError('the message ends too early');
    return at;
  }
}

/** Put a message together: about, sequences of elements of up to 4 bytes, and what stands behind. */
export function writeMessage(about: Uint8Array, sequences: readonly Sequence[], behind?: Uint8Array): Uint8Array {
  let size = about.length;
  for (const { bytes } of sequences) size = aligned(size) + 4 + bytes.length;
  const message = new Uint8Array(size + (behind?.length ?? 0));
  const view = new DataView(message.buffer);
  message.set(about);
  let at = about.length;
  for (const { count, bytes } of sequences) {
    at = aligned(at);
    view.setUint32(at, count, true);
    message.set(bytes, at + 4);
    at += 4 + bytes.length;
  }
  if (behind) message.set(behind, at);
  return message;
}

export interface Sequence {
  readonly count: number;
  readonly bytes: Uint8Array;
}

function aligned(size: number): number {
  return (size + 3) & ~3;
}
