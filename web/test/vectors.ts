// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** The golden vectors of test/vectors, as the implementations share them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface VectorMessage {
  readonly topic: string;
  readonly payload: string;
}

export interface VectorCase {
  readonly name: string;
  readonly about: string;
  readonly messages: readonly VectorMessage[];
  readonly [key: string]: unknown;
}

export function load<Case = VectorCase>(name: string): Case[] {
  const file = join(import.meta.dirname, '..', '..', 'test', 'vectors', name);
  return (JSON.parse(readFileSync(file, 'utf-8')) as { cases: Case[] }).cases;
}

export function bytes(hexadecimal: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hexadecimal, 'hex'));
}

export function hexadecimal(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}
