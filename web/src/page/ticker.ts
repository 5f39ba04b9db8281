// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Draws what is visible, in turns: as much of it in each frame as leaves the page smooth. With many
 * plots on a slow machine each is drawn less often, and scrolling, clicks and the joystick do not wait.
 */

type Draw = (now: number) => void;

/** Of a frame of 16.7 ms; the rest is the browser's, which paints what was drawn. */
const MOST_MS = 7;
const LEAST_MS = 1.5;
const LATE_MS = 22;

class Ticker {
  private readonly draws: Draw[] = [];
  private next = 0;
  private budgetMs = 4;
  private before = 0;
  private running = false;

  add(draw: Draw): () => void {
    this.draws.push(draw);
    if (!this.running) {
      this.running = true;
      requestAnimationFrame(this.frame);
    }
    return () => {
      const at = this.draws.indexOf(draw);
      if (at < 0) return;
      this.draws.splice(at, 1);
      if (at < this.next) this.next -= 1;
    };
  }

  private readonly frame = (now: number): void => {
    if (this.draws.length === 0) {
      this.running = false;
      return;
    }
    // A late frame says that painting takes more than is left for it.
    const took = now - this.before;
    this.before = now;
    if (took > LATE_MS) this.budgetMs = Math.max(LEAST_MS, this.budgetMs * 0.7);
    else this.budgetMs = Math.min(MOST_MS, this.budgetMs + 0.1);
    const until = performance.now() + this.budgetMs;
    for (let drawn = 0; drawn < this.draws.length; drawn++) {
      if (this.next >= this.draws.length) this.next = 0;
      const draw = this.draws[this.next]!;
      this.next += 1;
      draw(now);
      if (performance.now() >= until) break;
    }
    requestAnimationFrame(this.frame);
  };
}

export const ticker = new Ticker();
