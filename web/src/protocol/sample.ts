// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { ProtocolError } from './errors';
import type { RouteRestorer } from './forms';
import type { Schemas } from './schemas';
import type { Descriptor, Message, Sample } from './values';

/** What all samples of a section have in common. */
export interface Origin {
  readonly robotId: string;
  readonly bootId: string;
  readonly route: bigint;
  readonly descriptor: Descriptor;
  readonly sentTimeNs: bigint;
  readonly latched: boolean;
  readonly historical: boolean;
  /** Null for plain CDR. */
  readonly restorer: RouteRestorer | null;
  readonly schemas: Schemas;
}

/** A sample that is restored and decoded when somebody asks. */
export class LazySample implements Sample {
  private restored: Uint8Array | ProtocolError | null = null;
  private decoded: Message | null = null;

  constructor(
    private readonly origin: Origin,
    readonly data: Uint8Array,
    readonly sequence: bigint,
    readonly sourceTimeNs: bigint,
    readonly receiveTimeNs: bigint,
  ) {}

  get robotId(): string {
    return this.origin.robotId;
  }

  get bootId(): string {
    return this.origin.bootId;
  }

  get route(): bigint {
    return this.origin.route;
  }

  get stream(): string {
    return this.origin.descriptor.stream;
  }

  get topic(): string {
    return this.origin.descriptor.topic;
  }

  get typeName(): string {
    return this.origin.descriptor.typeName;
  }

  get schemaId(): string {
    return this.origin.descriptor.schemaId;
  }

  get form(): string {
    return this.origin.descriptor.form;
  }

  get sentTimeNs(): bigint {
    return this.origin.sentTimeNs;
  }

  get latched(): boolean {
    return this.origin.latched;
  }

  get historical(): boolean {
    return this.origin.historical;
  }

  get error(): string {
    const restored = this.restore();
    return restored instanceof ProtocolError ? restored.message : '';
  }

  get cdr(): Uint8Array {
    const restored = this.restore();
    if (restored instanceof ProtocolError) throw restored;
    return restored;
  }

  message(): Message {
    this.decoded ??= this.origin.schemas.decode(this.schemaId, this.typeName, this.cdr);
    return this.decoded;
  }

  private restore(): Uint8Array | ProtocolError {
    const { restorer } = this.origin;
    if (!restorer) return this.data;
    if (this.restored) return this.restored;
    try {
      this.restored = restorer.restore(this.data);
    } catch (error) {
      // What a difference needs may still come: that alone is worth another attempt.
      if (!(error instanceof ProtocolError)) throw error;
      return error;
    }
    return this.restored;
  }
}
