// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { Component, type ComponentChildren } from 'preact';

/** Keeps what fails while it is drawn from taking everything else with it. */
export class Guard extends Component<{ children?: ComponentChildren }, { failed: string }> {
  override state = { failed: '' };

  static override getDerivedStateFromError(error: unknown): { failed: string } {
    return { failed: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    if (this.state.failed === '') return this.props.children;
    return (
      <section class="card" role="alert">
        <h2>This view failed</h2>
        <p class="dim">{this.state.failed.slice(0, 400)}</p>
        <div class="row">
          <button onClick={() => this.setState({ failed: '' })}>Try again</button>
        </div>
      </section>
    );
  }
}
