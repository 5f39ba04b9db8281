// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Message definitions: `ros2msg` text, and the RIHS01 hash that proves it (REP-2016). */

import { sha256 } from '@noble/hashes/sha2.js';

import { checkVersion, hex } from './batch';
import { asArray, asBytes, asCount, asText, loads } from './cbor';
import { ProtocolError } from './errors';
import { MAX_SCHEMA_TEXT } from './limits';
import { decompress } from './zstd';

const MAX_MEMBERS = 4096;
const MAX_DEPTH = 32;
const MAX_ARRAY = 1 << 20;
const RIHS01 = /^RIHS01_[0-9a-f]{64}$/;
const SEPARATOR = /^={80}\n/m;
const TYPE_NAME = /^[a-z][a-z0-9_]*\/msg\/[A-Za-z][A-Za-z0-9_]*$/;
const CONSTANT = /^[A-Za-z][\w/]*(?:<=\d+)?\s+\w+\s*=/;
const FIELD = /^([A-Za-z][\w/]*)(?:<=(\d+))?(?:\[(<=)?(\d*)\])?\s+([A-Za-z]\w*)(?:\s+\S.*)?$/;
const EMPTY_MEMBER = 'structure_needs_at_least_one_member';

/** Ids of type_description_interfaces/msg/FieldType; `.msg` calls a uint8 char, and an octet byte. */
const TYPE_IDS: Readonly<Record<string, number>> = {
  int8: 2, uint8: 3, char: 3, int16: 4, uint16: 5, int32: 6, uint32: 7, int64: 8, uint64: 9, float32: 10, float64: 11,
  bool: 15, byte: 16, string: 17, wstring: 18,
};
const BOUNDED_TEXT = 4;
const NESTED = 1;
const ARRAY = 48;
const BOUNDED_SEQUENCE = 96;
const SEQUENCE = 144;

export type Shape = 'single' | 'array' | 'sequence';

export interface Member {
  readonly name: string;
  /** A primitive of `.msg`, or a full name as std_msgs/msg/Header. */
  readonly type: string;
  readonly shape: Shape;
  /** Length of an array, bound of a sequence, or 0. */
  readonly size: number;
  readonly textBound: number;
}

/** All types that a message needs, by full name. */
export interface Definition {
  readonly root: string;
  readonly types: ReadonlyMap<string, readonly Member[]>;
}

/** A definition as it was announced, proven by its hash. */
export interface Schema {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly definition: Definition;
  /** Bytes that its text takes. */
  readonly size: number;
}

export function decodeSchema(payload: Uint8Array): Schema {
  const fields = asArray(loads(payload), 'a schema');
  if (fields.length !== 6) throw new ProtocolError('a schema has six fields');
  checkVersion(fields[0]);
  const root = asText(fields[1], 'a type');
  const rihs01 = asText(fields[3], 'a hash');
  if (asText(fields[2], 'an encoding') !== 'ros2msg') throw new ProtocolError('the encoding of a schema is not ros2msg');
  if (!RIHS01.test(rihs01)) throw new ProtocolError('not a RIHS01 hash');
  const length = asCount(fields[4], 'the length of a schema', MAX_SCHEMA_TEXT);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(decompress(asBytes(fields[5], 'a text'), length));
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError('schema text is not UTF-8');
  }
  const definition = parseDefinition(text, root);
  if (hashOf(definition) !== rihs01) throw new ProtocolError(`schema of ${root} does not hash to its id`);
  return { id: rihs01.slice(7, 23), definition, size: length + root.length };
}

export function parseDefinition(text: string, root: string): Definition {
  const [first, ...rest] = text.split(SEPARATOR);
  const types = new Map([[checkedName(root), members(first!, root)]]);
  for (const part of rest) {
    const end = part.indexOf('\n') < 0 ? part.length : part.indexOf('\n');
    const line = part.slice(0, end);
    if (!line.startsWith('MSG: ')) throw new ProtocolError('a further type in a schema begins with "MSG: package/Name"');
    const name = fullName(line.slice(5).trim(), '');
    types.set(checkedName(name), members(part.slice(end + 1), name));
  }
  const definition = { root, types };
  check(definition);
  return definition;
}

function members(text: string, owner: string): Member[] {
  const found: Member[] = [];
  for (const line of text.split('\n')) {
    const content = line.split('#')[0]!.trim();
    if (!content || CONSTANT.test(content)) continue;
    const match = FIELD.exec(content);
    if (!match) throw new ProtocolError(`not a line of a message definition: ${content.slice(0, 80)}`);
    const [, type, textBound, bounded, size, name] = match;
    const shape: Shape = size === undefined ? 'single' : size && !bounded ? 'array' : 'sequence';
    found.push({
      name: name!,
      type: Object.hasOwn(TYPE_IDS, type!) ? type! : fullName(type!, owner),
      shape,
      size: Number(size ?? 0),
      textBound: Number(textBound ?? 0),
    });
    if (found.length > MAX_MEMBERS) throw new ProtocolError('a definition with too many members');
  }
  return found;
}

function fullName(name: string, owner: string): string {
  const parts = name.split('/');
  if (parts.length === 1) return `${owner.split('/')[0]!}/msg/${name}`;
  return parts.length === 2 ? `${parts[0]}/msg/${parts[1]}` : name;
}

function checkedName(name: string): string {
  if (!TYPE_NAME.test(name)) throw new ProtocolError(`not a message type: ${name.slice(0, 80)}`);
  return name;
}

/** Refuse types that contain themselves, lack something, or have more than any message has. */
function check({ root, types }: Definition): void {
  let total = 0;
  for (const type of types.values()) total += type.length;
  if (total > MAX_MEMBERS) throw new ProtocolError(`${root} has more than ${MAX_MEMBERS} members`);
  const finished = new Set<string>();
  const path = new Set<string>();
  const visit = (name: string): void => {
    if (path.has(name) || path.size > MAX_DEPTH) throw new ProtocolError(`${name} contains itself or is nested too deeply`);
    if (finished.has(name)) return;
    const type = types.get(name);
    if (!type) throw new ProtocolError(`no definition of ${name}`);
    path.add(name);
    for (const member of type) {
      if (member.shape === 'array' && member.size > MAX_ARRAY) throw new ProtocolError(`${name} has an array of ${member.size} elements`);
      if (!Object.hasOwn(TYPE_IDS, member.type)) visit(member.type);
    }
    path.delete(name);
    finished.add(name);
  };
  visit(root);
}

/** Compute a type's hash: SHA-256 over its description as JSON, written as libyaml's flow style is. */
export function hashOf({ root, types }: Definition): string {
  const needed = new Set([root]);
  for (const name of needed) {
    for (const member of types.get(name)!) if (!Object.hasOwn(TYPE_IDS, member.type)) needed.add(member.type);
  }
  needed.delete(root);
  const describe = (name: string): string => {
    const fields = types.get(name)!;
    const empty: Member = { name: EMPTY_MEMBER, type: 'uint8', shape: 'single', size: 0, textBound: 0 };
    return `{"type_name": "${name}", "fields": [${(fields.length ? fields : [empty]).map(describeField).join(', ')}]}`;
  };
  const others = [...needed].sort().map(describe).join(', ');
  const text = `{"type_description": ${describe(root)}, "referenced_type_descriptions": [${others}]}`;
  return `RIHS01_${hex(sha256(new TextEncoder().encode(text)))}`;
}

function describeField({ name, type, shape, size, textBound }: Member): string {
  const nested = !Object.hasOwn(TYPE_IDS, type);
  let id = nested ? NESTED : TYPE_IDS[type]! + (textBound ? BOUNDED_TEXT : 0);
  if (shape === 'array') id += ARRAY;
  if (shape === 'sequence') id += size ? BOUNDED_SEQUENCE : SEQUENCE;
  return (
    `{"name": "${name}", "type": {"type_id": ${id}, "capacity": ${size}, ` +
    `"string_capacity": ${textBound}, "nested_type_name": "${nested ? type : ''}"}}`
  );
}
