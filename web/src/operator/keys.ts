// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { fingerprint, fromSeed, generate, PKCS8_HEAD, type PrivateKey, sign, SPKI_HEAD, toBase64 } from './ed25519';

/** An operator's Ed25519 key pair; the private half stays a non-extractable CryptoKey if it can. */
export class OperatorKey {
  private constructor(
    readonly name: string,
    /** 32 bytes. */
    readonly publicKey: Uint8Array,
    private readonly privateKey: PrivateKey,
  ) {}

  /** Draw a new pair. */
  static async generate(name: string): Promise<OperatorKey> {
    const { privateKey, publicKey } = await generate();
    return new OperatorKey(name, publicKey, privateKey);
  }

  /**
   * Read what `ros-cloud-bridge keys new` wrote.
   * @param text of NAME.key, PKCS#8 in PEM
   * @throws Error that says what it is instead
   */
  static async import(text: string, name: string): Promise<OperatorKey> {
    const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(text)?.[1];
    if (!body) {
      if (text.includes('PUBLIC KEY')) throw new Error('this is a public key, and a private one is needed');
      if (text.includes('ENCRYPTED')) throw new Error('this key is encrypted; write it unencrypted (openssl pkey)');
      throw new Error("no private key in PEM; make one with 'ros-cloud-bridge keys new'");
    }
    const pkcs8 = Uint8Array.from(atob(body.replace(/\s/g, '')), (letter) => letter.charCodeAt(0));
    if (pkcs8.length !== PKCS8_HEAD.length + 32 || !PKCS8_HEAD.every((byte, index) => pkcs8[index] === byte)) {
      throw new Error('a private key, but not an Ed25519 one');
    }
    const { privateKey, publicKey } = await fromSeed(pkcs8.slice(PKCS8_HEAD.length));
    return new OperatorKey(name, publicKey, privateKey);
  }

  /** From what {@link toStored} gave. */
  static fromStored({ name, publicKey, privateKey }: StoredKey): OperatorKey {
    return new OperatorKey(name, publicKey, privateKey);
  }

  /** What stands in NAME.pub (PEM), for `ros-cloud-bridge keys grant NAME --pub FILE` on the robot. */
  get publicPem(): string {
    const spki = toBase64(Uint8Array.of(...SPKI_HEAD, ...this.publicKey));
    return `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`;
  }

  /** As `ros-cloud-bridge keys show` says it. */
  get fingerprint(): string {
    return fingerprint(this.publicKey);
  }

  /** Whether no script can read the private half, this page's included. */
  get guarded(): boolean {
    return !(this.privateKey instanceof Uint8Array);
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return sign(this.privateKey, message);
  }

  /** What IndexedDB can keep. */
  toStored(): StoredKey {
    return { name: this.name, publicKey: this.publicKey, privateKey: this.privateKey };
  }
}

interface StoredKey {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly privateKey: PrivateKey;
}

const DATABASE = 'ros_cloud_bridge';
const STORE = 'operator';
const PLACE = 'key';

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser keeps no keys'));
  });
}

async function withStore<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(use(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** The key kept in this browser's IndexedDB, or null. */
export async function storedKey(): Promise<OperatorKey | null> {
  const stored = await withStore('readonly', (store) => store.get(PLACE) as IDBRequest<StoredKey | undefined>);
  return stored ? OperatorKey.fromStored(stored) : null;
}

export async function storeKey(key: OperatorKey): Promise<void> {
  await withStore('readwrite', (store) => store.put(key.toStored(), PLACE));
}

export async function forgetKey(): Promise<void> {
  await withStore('readwrite', (store) => store.delete(PLACE));
}
