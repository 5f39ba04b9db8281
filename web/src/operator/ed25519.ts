// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Ed25519 (RFC 8032) by the browser, or by @noble/curves where that cannot (or may not, without TLS). */

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';

const NAME = 'Ed25519';
export const PUBLIC_BYTES = 32;

/** A private key: the browser's, which gives it to nobody, or its 32 secret bytes. */
export type PrivateKey = CryptoKey | Uint8Array<ArrayBuffer>;

let supported: Promise<boolean> | null = null;

/** Whether the browser itself knows Ed25519. */
export function browserSigns(): Promise<boolean> {
  supported ??= (async () => {
    try {
      await crypto.subtle.generateKey(NAME, false, ['sign', 'verify']);
      return true;
    } catch {
      return false;
    }
  })();
  return supported;
}

export async function generate(): Promise<{ privateKey: PrivateKey; publicKey: Uint8Array }> {
  if (await browserSigns()) {
    const pair = (await crypto.subtle.generateKey(NAME, false, ['sign', 'verify'])) as CryptoKeyPair;
    return { privateKey: pair.privateKey, publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)) };
  }
  const seed = Uint8Array.from(ed25519.utils.randomSecretKey());
  return { privateKey: seed, publicKey: ed25519.getPublicKey(seed) };
}

/** @param seed the 32 secret bytes */
export async function fromSeed(seed: Uint8Array<ArrayBuffer>): Promise<{ privateKey: PrivateKey; publicKey: Uint8Array }> {
  const publicKey = ed25519.getPublicKey(seed);
  if (!(await browserSigns())) return { privateKey: seed, publicKey };
  const pkcs8 = new Uint8Array(PKCS8_HEAD.length + seed.length);
  pkcs8.set(PKCS8_HEAD);
  pkcs8.set(seed, PKCS8_HEAD.length);
  return { privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, NAME, false, ['sign']), publicKey };
}

/** What stands before the seed in PKCS#8, and before the public key in SubjectPublicKeyInfo (RFC 8410). */
export const PKCS8_HEAD = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20);
export const SPKI_HEAD = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

export async function sign(key: PrivateKey, message: Uint8Array): Promise<Uint8Array> {
  if (key instanceof Uint8Array) return ed25519.sign(message, key);
  return new Uint8Array(await crypto.subtle.sign(NAME, key, Uint8Array.from(message)));
}

/**
 * Check a signature, strictly as RFC 8032 has it; a public key of small order has no signatures, for
 * anybody could make them.
 */
export function verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  // By the library in any case: browsers differ in what they let pass.
  try {
    return !ed25519.Point.fromBytes(publicKey).isSmallOrder() && ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

/** A key's id: the first 8 bytes of its SHA-256. */
export function kidOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, 8);
}

/** A key as people compare it, in the manner of ssh. */
export function fingerprint(publicKey: Uint8Array): string {
  return `SHA256:${toBase64(sha256(publicKey)).replace(/=+$/, '')}`;
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

