// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Fields of serialized messages (XCDR1, or plain XCDR2) by their definition. */

import { ProtocolError } from './errors';
import { alignmentOf, HEADER, isLittle } from './program';
import type { Definition, Member } from './schema';
import type { FieldValue, Message, NumberArray } from './values';

const UTF8 = new TextDecoder();

interface Primitive {
  readonly size: number;
  readonly get: (view: DataView, at: number, little: boolean) => number | bigint | boolean;
  readonly array: (new (buffer: ArrayBuffer) => NumberArray) | null;
}

const PRIMITIVES: Readonly<Record<string, Primitive>> = {
  bool: { size: 1, get: (view, at) => view.getUint8(at) !== 0, array: null },
  byte: { size: 1, get: (view, at) => view.getUint8(at), array: Uint8Array },
  char: { size: 1, get: (view, at) => view.getUint8(at), array: Uint8Array },
  uint8: { size: 1, get: (view, at) => view.getUint8(at), array: Uint8Array },
  int8: { size: 1, get: (view, at) => view.getInt8(at), array: Int8Array },
  uint16: { size: 2, get: (view, at, little) => view.getUint16(at, little), array: Uint16Array },
  int16: { size: 2, get: (view, at, little) => view.getInt16(at, little), array: Int16Array },
  uint32: { size: 4, get: (view, at, little) => view.getUint32(at, little), array: Uint32Array },
  int32: { size: 4, get: (view, at, little) => view.getInt32(at, little), array: Int32Array },
  uint64: { size: 8, get: (view, at, little) => view.getBigUint64(at, little), array: BigUint64Array },
  int64: { size: 8, get: (view, at, little) => view.getBigInt64(at, little), array: BigInt64Array },
  float32: { size: 4, get: (view, at, little) => view.getFloat32(at, little), array: Float32Array },
  float64: { size: 8, get: (view, at, little) => view.getFloat64(at, little), array: Float64Array },
};

class Cursor {
  readonly view: DataView;
  readonly little: boolean;
  position = HEADER;
  private readonly alignment: number;

  constructor(readonly cdr: Uint8Array) {
    if (cdr.length < HEADER) throw new ProtocolError('a message without its encapsulation header');
    this.view = new DataView(cdr.buffer, cdr.byteOffset, cdr.length);
    this.little = isLittle(cdr);
    this.alignment = alignmentOf(cdr);
  }

  get left(): number {
    return this.cdr.length - this.position;
  }

  align(size: number): void {
    const unit = Math.min(size, this.alignment);
    this.position += (unit - ((this.position - HEADER) % unit)) % unit;
  }

  /** Pass over bytes; gives where they begin. */
  pass(size: number): number {
    if (size > this.left) throw new ProtocolError('the message ends too early');
    this.position += size;
    return this.position - size;
  }

  count(): number {
    this.align(4);
    return this.view.getUint32(this.pass(4), this.little);
  }
}

type Reader = (cursor: Cursor) => FieldValue;

/** Decodes messages of one type. */
export class MessageReader {
  private readonly read: (cursor: Cursor) => Message;

  constructor(definition: Definition) {
    this.read = new Compiler(definition).message(definition.root);
  }

  /** @throws ProtocolError when the bytes do not fit the definition */
  decode(cdr: Uint8Array): Message {
    const cursor = new Cursor(cdr);
    const message = this.read(cursor);
    // Serializers fill a message up to a word.
    if (cursor.left > 3) throw new ProtocolError(`${cursor.left} bytes follow the message`);
    return message;
  }
}

/** Makes functions of a definition: what it says is looked up once, not for each message. */
class Compiler {
  private readonly made = new Map<string, (cursor: Cursor) => Message>();

  constructor(private readonly definition: Definition) {}

  message(name: string): (cursor: Cursor) => Message {
    const known = this.made.get(name);
    if (known) return known;
    const members = this.definition.types.get(name)!.map((member) => ({ name: member.name, read: this.member(member) }));
    const read = (cursor: Cursor): Message => {
      // An empty message has a member of one byte on the wire.
      if (!members.length) cursor.pass(1);
      const message: Message = {};
      for (const member of members) message[member.name] = member.read(cursor);
      return message;
    };
    this.made.set(name, read);
    return read;
  }

  private member(member: Member): Reader {
    const primitive = PRIMITIVES[member.type];
    if (primitive) return member.shape === 'single' ? single(primitive) : numbers(primitive, fixedCount(member));
    const one: Reader = member.type === 'string' ? text : member.type === 'wstring' ? wideText : this.message(member.type);
    if (member.shape === 'single') return one;
    const fixed = fixedCount(member);
    return (cursor) => {
      const count = fixed ?? cursor.count();
      // Whatever it is takes a byte at least: nothing is allocated for what is not there.
      if (count > cursor.left) throw new ProtocolError('the message ends too early');
      const values: FieldValue[] = [];
      for (let index = 0; index < count; index++) values.push(one(cursor));
      return values as string[] | Message[];
    };
  }
}

function fixedCount(member: Member): number | null {
  return member.shape === 'array' ? member.size : null;
}

function single({ size, get }: Primitive): Reader {
  return (cursor) => {
    cursor.align(size);
    return get(cursor.view, cursor.pass(size), cursor.little);
  };
}

function numbers({ size, get, array }: Primitive, fixed: number | null): Reader {
  return (cursor) => {
    const count = fixed ?? cursor.count();
    if (count) cursor.align(size);
    const from = cursor.pass(count * size);
    if (array === Uint8Array) return cursor.cdr.subarray(from, from + count);
    if (!array) return Array.from({ length: count }, (_, index) => get(cursor.view, from + index, true) as boolean);
    const bytes = cursor.cdr.slice(from, from + count * size);
    const values = new array(bytes.buffer as ArrayBuffer);
    if (!cursor.little) {
      for (let index = 0; index < count; index++) {
        values[index] = get(cursor.view, from + index * size, false) as never;
      }
    }
    return values;
  };
}

function text(cursor: Cursor): string {
  const length = cursor.count();
  const from = cursor.pass(length);
  const end = length && cursor.cdr[from + length - 1] === 0 ? from + length - 1 : from + length;
  return UTF8.decode(cursor.cdr.subarray(from, end));
}

function wideText(cursor: Cursor): string {
  const length = cursor.count();
  const from = cursor.pass(2 * length);
  let value = '';
  for (let index = 0; index < length; index++) {
    value += String.fromCharCode(cursor.view.getUint16(from + 2 * index, cursor.little));
  }
  return value;
}
