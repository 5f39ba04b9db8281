// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';

import { BadSignature, encodeSigned, openSigned, protectedHeader, toBeSigned } from '../src/operator/cose';
import { fromSeed, sign } from '../src/operator/ed25519';
import { decodeAnswer, encodeCommand, fromCbor } from '../src/operator/messages';
import { ProtocolError } from '../src/protocol';
import { asArray, asBytes, asNatural, asText, loads } from '../src/protocol/cbor';
import { checkVersion } from '../src/protocol/batch';
import { MAX_ANSWER, MAX_COMMAND } from '../src/protocol/limits';
import { bytes, hexadecimal, load, type VectorCase } from './vectors';

interface CommandCase extends VectorCase {
  readonly kind: 'command' | 'answer';
  readonly robot: string;
  readonly public_key?: string;
  readonly kid?: string;
  readonly private_key?: string;
  readonly protected?: string;
  readonly to_be_signed?: string;
  readonly encoded?: string;
  readonly fields?: Record<string, string>;
  readonly expect?: string;
  readonly reason?: string;
}

const CASES = load<CommandCase>('commands.json');

function purposeOf(vector: CommandCase) {
  const context = vector.kind === 'command' ? ('rcb/1 command' as const) : ('rcb/1 answer' as const);
  return { context, robotId: vector.robot, topic: vector.messages[0]!.topic };
}

/** Read a command as a robot does; the page only writes them. */
function decodeCommand(payload: Uint8Array) {
  const fields = asArray(loads(payload, { maxBytes: MAX_COMMAND, maxDepth: 24, maxItems: 16384 }), 'a command');
  if (fields.length !== 9) throw new ProtocolError('a command has nine fields');
  checkVersion(fields[0]);
  const type = asText(fields[1], 'a type', 32);
  if (!type) throw new ProtocolError('a command has a type');
  const epoch = asBytes(fields[4], 'an epoch');
  if (epoch.length !== 0 && epoch.length !== 8) throw new ProtocolError('an epoch has 8 bytes');
  const [sequence, sentMs, deadlineMs] = fields.slice(5, 8).map((value) => Number(asNatural(value, 'a number')));
  return {
    type,
    id: asBytes(fields[2], 'id', 16),
    instance: asBytes(fields[3], 'instance', 8),
    epoch,
    sequence: sequence!,
    sentMs: sentMs!,
    deadlineMs: deadlineMs!,
    arguments: plain(fields[8]),
  };
}

/** Refuse what no field can be, and keep what is a float on the wire. */
function plain(value: unknown): unknown {
  fromCbor(value);
  return value;
}

function open(vector: CommandCase): Uint8Array {
  const payload = bytes(vector.messages[0]!.payload);
  const most = vector.kind === 'command' ? MAX_COMMAND : MAX_ANSWER;
  return vector.public_key ? openSigned(bytes(vector.public_key), purposeOf(vector), payload, most) : payload;
}

function read(vector: CommandCase): unknown {
  const payload = open(vector);
  return vector.kind === 'command' ? decodeCommand(payload) : decodeAnswer(payload);
}

describe('good commands and answers', () => {
  it.each(CASES.filter((vector) => !vector.expect).map((vector) => [vector.name, vector] as const))('%s', async (_, vector) => {
    expect(hexadecimal(open(vector))).toBe(vector.encoded);
    const fields = vector.fields!;
    if (vector.kind === 'answer') {
      const answer = decodeAnswer(open(vector));
      expect([answer.id, answer.epoch, answer.reason]).toEqual([fields.id, fields.epoch, fields.reason]);
      expect([String(answer.robotMs), String(answer.number)]).toEqual([fields.robot_ms, fields.number]);
      return;
    }
    const command = decodeCommand(open(vector));
    expect([command.type, hexadecimal(command.id), hexadecimal(command.epoch)]).toEqual([fields.type, fields.id, fields.epoch]);
    if (vector.name !== 'extremes') expect(hexadecimal(encodeCommand(command))).toBe(vector.encoded);
    if (!vector.private_key) return;
    const { privateKey, publicKey } = await fromSeed(Uint8Array.from(bytes(vector.private_key)));
    expect(hexadecimal(publicKey)).toBe(vector.public_key);
    const header = bytes(vector.protected!);
    const signed = toBeSigned(header, purposeOf(vector), bytes(vector.encoded!));
    expect(hexadecimal(signed)).toBe(vector.to_be_signed);
    const message = encodeSigned(header, bytes(vector.encoded!), await sign(privateKey, signed));
    expect(hexadecimal(message)).toBe(vector.messages[0]!.payload);
    if (vector.name === 'publish') expect(hexadecimal(protectedHeader(publicKey))).toBe(vector.protected);
  });
});

describe('bad commands and answers', () => {
  it.each(CASES.filter((vector) => vector.expect).map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    let refused: unknown;
    try {
      read(vector);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(ProtocolError);
    const reason = refused instanceof BadSignature ? refused.reason : 'malformed';
    if (vector.kind === 'command') expect(reason).toBe(vector.reason);
    else expect(reason === 'malformed').toBe(vector.reason === 'malformed');
  });
});
