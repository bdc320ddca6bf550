// Tells a device that hangs from one that has much to do: when did anything last end while something was going on?
// SPDX-License-Identifier: MIT

export class Progress {
  private going = 0;
  private last = 0;

  /** Milliseconds for which nothing has ended although something is going on; 0 while nothing is. */
  get stalledMs(): number {
    return this.going === 0 ? 0 : performance.now() - this.last;
  }

  /** Something begins; call `end` for it once. */
  begin(): void {
    if (this.going++ === 0) this.last = performance.now();
  }

  end(): void {
    this.going--;
    this.last = performance.now();
  }

  /** Counts a piece of work from its beginning to its end, good or bad. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }
}
