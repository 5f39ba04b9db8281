// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Layout programs (docs/protocol.md#layout-programs). */

import { ProtocolError } from './errors';
import { ByteReader } from './reader';

export const HEADER = 4;
const MAX_PROGRAM = 4096;
const MAX_DEPTH = 8;
const MAX_REPEATS = 1 << 20;

export const enum Op {
  End = 0,
  Text = 1,
  Stamp = 2,
  Loop = 3,
  Array = 4,
  Words = 0x10,
  Sequence = 0x20,
}

export type Kind = 'u' | 'i' | 'f';

export interface Step {
  readonly op: Op;
  /** Number of its first leaf; lengths and counts have a leaf before their values. */
  readonly leaf: number;
  /** Bytes of a word. */
  readonly width: number;
  readonly kind: Kind;
  /** How many, of words and arrays. */
  readonly count: number;
  readonly body: readonly Step[];
}

export interface Program {
  readonly code: Uint8Array;
  readonly steps: readonly Step[];
  readonly leaves: number;
}

/** Whether words behind this encapsulation header are little-endian. */
export function isLittle(header: Uint8Array): boolean {
  return (header[1]! & 1) === 1;
}

/** Most that a word behind this encapsulation header is aligned to: 4 in XCDR2. */
export function alignmentOf(header: Uint8Array): number {
  return header[1]! >= 6 ? 4 : 8;
}

export function parseProgram(code: Uint8Array): Program {
  if (code.length > MAX_PROGRAM) throw new ProtocolError(`a layout program has at most ${MAX_PROGRAM} bytes`);
  const reader = new ByteReader(code);
  const bodies: Step[][] = [[]];
  const open: { op: Op; leaf: number; count: number }[] = [];
  let leaf = 0;
  while (reader.left) {
    const byte = reader.byte();
    let op: Op;
    let kind: Kind = 'u';
    if ((byte & 0xf0) === Op.Words || (byte & 0xf0) === Op.Sequence) {
      op = byte & 0xf0;
      const word = byte & 12;
      if (word === 12 || (word === 8 && (byte & 3) < 2)) throw new ProtocolError(`no such word in a program: ${byte}`);
      kind = word === 0 ? 'u' : word === 4 ? 'i' : 'f';
    } else if (byte <= Op.Array) {
      op = byte;
    } else {
      throw new ProtocolError(`no such operation in a program: ${byte}`);
    }
    const count = op === Op.Words || op === Op.Array ? reader.varint() : 1;
    if (count < 1 || count > MAX_REPEATS) throw new ProtocolError('a program repeats nothing that often');
    const width = op === Op.Words || op === Op.Sequence ? 1 << (byte & 3) : 1;
    if (op === Op.End) {
      const begun = open.pop();
      const body = bodies.length > 1 ? bodies.pop()! : [];
      if (!begun || !body.length) throw new ProtocolError('a program ends a loop that has not begun, or is empty');
      bodies.at(-1)!.push({ ...begun, width: 1, kind: 'u', body });
    } else if (op === Op.Loop || op === Op.Array) {
      open.push({ op, leaf, count });
      bodies.push([]);
      if (op === Op.Loop) leaf += 1;
      if (open.length > MAX_DEPTH) throw new ProtocolError(`a program nests at most ${MAX_DEPTH} loops`);
    } else {
      bodies.at(-1)!.push({ op, leaf, width, kind, count, body: [] });
      leaf += op === Op.Text || op === Op.Sequence ? 2 : 1;
    }
  }
  if (open.length || !bodies[0]!.length) throw new ProtocolError('a program is empty, or ends within a loop');
  return { code, steps: bodies[0]!, leaves: leaf };
}
