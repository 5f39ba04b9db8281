// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** COSE_Sign1 (RFC 9052) as commands and answers use it: bound to robot and MQTT topic. */

import { hex } from '../protocol/batch';
import { asArray, asBytes, dumps, loads } from '../protocol/cbor';
import { ProtocolError } from '../protocol/errors';
import { kidOf, verify } from './ed25519';

const EDDSA = -8;
const ED25519 = -19;
const ALG = 1;
const KID = 4;
const LIMITS = { maxDepth: 2, maxItems: 16 };

export type Context = 'rcb/1 command' | 'rcb/1 answer';

/** A message is not by the key that it should be by. */
export class BadSignature extends ProtocolError {
  override readonly name = 'BadSignature';

  constructor(readonly reason: 'unknown_key' | 'bad_signature', message: string) {
    super(message);
  }
}

export interface Purpose {
  readonly context: Context;
  readonly robotId: string;
  /** The MQTT topic. */
  readonly topic: string;
}

export function protectedHeader(publicKey: Uint8Array): Uint8Array {
  return dumps(new Map<number, unknown>([[ALG, EDDSA], [KID, kidOf(publicKey)]]));
}

export function toBeSigned(header: Uint8Array, { context, robotId, topic }: Purpose, payload: Uint8Array): Uint8Array {
  return dumps(['Signature1', header, dumps([context, robotId, topic]), payload]);
}

export function encodeSigned(header: Uint8Array, payload: Uint8Array, signature: Uint8Array): Uint8Array {
  return dumps([header, new Map(), payload, signature]);
}

/**
 * Take out what a message holds.
 *
 * @throws BadSignature when it is not by that key for that purpose
 * @throws ProtocolError when it is no COSE_Sign1 that this protocol uses
 */
export function openSigned(publicKey: Uint8Array, purpose: Purpose, message: Uint8Array, maxBytes: number): Uint8Array {
  const fields = asArray(loads(message, { maxBytes, ...LIMITS }), 'a signed message');
  if (fields.length !== 4) throw new ProtocolError('not a COSE_Sign1 of four fields');
  const header = asBytes(fields[0], 'a protected header');
  if (!(fields[1] instanceof Map) || fields[1].size) throw new ProtocolError('COSE_Sign1 with an unprotected header');
  const payload = asBytes(fields[2], 'a payload');
  const signature = asBytes(fields[3], 'a signature', 64);
  const kid = kidIn(header);
  if (kid !== hex(kidOf(publicKey))) throw new BadSignature('unknown_key', `signed with the key ${kid}`);
  if (!verify(publicKey, signature, toBeSigned(header, purpose, payload))) {
    throw new BadSignature('bad_signature', `the signature with the key ${kid} is wrong`);
  }
  return payload;
}

function kidIn(header: Uint8Array): string {
  const fields = loads(header, { maxBytes: 64, ...LIMITS });
  if (!(fields instanceof Map) || fields.size !== 2) throw new ProtocolError('a protected header has alg and kid, and nothing else');
  const algorithm: unknown = fields.get(ALG);
  if (algorithm !== EDDSA && algorithm !== ED25519) throw new ProtocolError('alg is none of EdDSA (-8) and Ed25519 (-19)');
  return hex(asBytes(fields.get(KID), 'kid', 8));
}
