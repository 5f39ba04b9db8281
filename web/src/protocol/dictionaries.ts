// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Dictionaries of one robot, and the batches that wait for one (docs/protocol.md#dictionaries). */

import { sha256 } from '@noble/hashes/sha2.js';

import { checkVersion, hex, type Message } from './batch';
import { asArray, asBytes, asCount, loads } from './cbor';
import { ProtocolError } from './errors';
import { MAX_DICTIONARY } from './limits';
import { decompress } from './zstd';

const MOST = 16;
const MOST_WANTED = 16;
/** About what is held of a message beside its bytes. */
const OVERHEAD = 512;

export interface Dictionary {
  /** 8 hexadecimal digits. */
  readonly name: string;
  readonly content: Uint8Array;
}

export function decodeDictionary(payload: Uint8Array): Dictionary {
  const fields = asArray(loads(payload, { maxBytes: 2 * MAX_DICTIONARY }), 'a dictionary');
  if (fields.length !== 4) throw new ProtocolError('a dictionary has four fields');
  checkVersion(fields[0]);
  const length = asCount(fields[2], 'the length of a dictionary', MAX_DICTIONARY);
  if (length < 8) throw new ProtocolError('a dictionary has at least 8 bytes');
  const content = decompress(asBytes(fields[3], 'a dictionary'), length);
  const name = hex(sha256(content).subarray(0, 4));
  if (name !== hex(asBytes(fields[1], 'a name', 4))) throw new ProtocolError('a dictionary has another name than its content');
  return { name, content };
}

/** A batch that waits, and where it came. */
export interface Held {
  readonly kind: string;
  readonly historical: boolean;
  readonly message: Message;
}

export class Dictionaries {
  /** Batches whose dictionary did not come while there was room for them. */
  givenUp = 0;
  private readonly known = new Map<string, Uint8Array>();
  private readonly waiting = new Map<string, Held[]>();
  private heldBytes = 0;

  constructor(private readonly quota: number) {}

  get wanted(): string[] {
    return [...this.waiting.keys()];
  }

  use(name: string): Uint8Array | null {
    const content = this.known.get(name);
    if (!content) return null;
    this.known.delete(name);
    this.known.set(name, content);
    return content;
  }

  /** Keep a batch until its dictionary comes; the longest waiting go beyond the bounds. */
  hold(name: string, held: Held): void {
    for (const field of held.message.fields) {
      if (typeof field !== 'number' && typeof field !== 'bigint' && !(field instanceof Uint8Array)) {
        throw new ProtocolError('a batch has integers and byte strings');
      }
    }
    const waiting = this.waiting.get(name) ?? [];
    this.waiting.set(name, waiting);
    waiting.push(held);
    this.heldBytes += sizeOf(held);
    while (this.heldBytes > this.quota || this.waiting.size > MOST_WANTED) {
      const [oldest, batches] = this.waiting.entries().next().value!;
      this.heldBytes -= sizeOf(batches.shift()!);
      this.givenUp += 1;
      if (!batches.length) this.waiting.delete(oldest);
    }
  }

  /** Take a dictionary in; gives the batches that have waited for it, in the order of their arrival. */
  add({ name, content }: Dictionary): Held[] {
    this.known.delete(name);
    this.known.set(name, content);
    if (this.known.size > MOST) this.known.delete(this.known.keys().next().value!);
    const held = this.waiting.get(name) ?? [];
    this.waiting.delete(name);
    for (const batch of held) this.heldBytes -= sizeOf(batch);
    return held;
  }
}

function sizeOf({ message }: Held): number {
  return message.fields.reduce<number>((sum, field) => sum + (field instanceof Uint8Array ? field.length : 0), OVERHEAD);
}
