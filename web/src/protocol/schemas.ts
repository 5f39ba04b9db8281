// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { MessageReader } from './cdr';
import { ProtocolError, UnknownSchema } from './errors';
import type { Schema } from './schema';
import type { Message } from './values';

const MAX_TEXTS = 4 * 1024 * 1024;

/** Definitions of all robots by id; the oldest are forgotten beyond a bound. */
export class Schemas {
  private readonly known = new Map<string, { readonly root: string; readonly reader: MessageReader; readonly size: number }>();
  private size = 0;

  has(id: string): boolean {
    return this.known.has(id);
  }

  add({ id, definition, size }: Schema): void {
    if (this.known.has(id)) return;
    this.known.set(id, { root: definition.root, reader: new MessageReader(definition), size });
    this.size += size;
    for (const [oldest, entry] of this.known) {
      if (this.size <= MAX_TEXTS) break;
      this.known.delete(oldest);
      this.size -= entry.size;
    }
  }

  decode(id: string, typeName: string, cdr: Uint8Array): Message {
    const schema = this.known.get(id);
    if (!schema) throw new UnknownSchema(`no definition of ${typeName} has come yet`);
    if (schema.root !== typeName) throw new ProtocolError(`schema ${id} is not that of ${typeName}`);
    return schema.reader.decode(cdr);
  }
}
