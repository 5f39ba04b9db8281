// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** An operator's Ed25519 key pair; the private half stays a non-extractable CryptoKey if it can. */
export declare class OperatorKey {
  /** Draw a new pair. */
  static generate(name: string): Promise<OperatorKey>;
  /** Read what `ros-cloud-bridge keys new` wrote (the text of NAME.key). */
  static import(text: string, name: string): Promise<OperatorKey>;
  readonly name: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** What stands in NAME.pub (PEM), for `ros-cloud-bridge keys grant NAME --pub FILE` on the robot. */
  readonly publicPem: string;
  /** As `ros-cloud-bridge keys show` says it. */
  readonly fingerprint: string;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** The key kept in this browser's IndexedDB, or null. */
export declare function storedKey(): Promise<OperatorKey | null>;
export declare function storeKey(key: OperatorKey): Promise<void>;
export declare function forgetKey(): Promise<void>;
