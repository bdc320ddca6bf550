// A bounded queue: what is taken in will be done, and what would be too much is refused at once, with a time to come again.
// SPDX-License-Identifier: MIT

/** An HTTP answer instead of work. */
export class Refusal extends Error {
  constructor(status, code, message, headers = {}) {
    super(message);
    Object.assign(this, { status, code, headers });
  }
}

export class Queue {
  /** Requests that were taken in and not answered: those that upload, wait and compile. */
  accepted = 0;
  draining = false;
  #byClient = new Map();
  #tail = Promise.resolve();
  #limits;
  /** Seconds that work takes, a moving average. */
  #average = 1;
  #onEmpty = [];

  /** @param limits most requests at a time: `queue` of all clients, `perClient` of one */
  constructor(limits) {
    this.#limits = limits;
  }

  get isFull() {
    return this.accepted >= this.#limits.queue;
  }

  /**
   * Takes a request in, before anything of its body is read.
   * @returns what has to be called once when it is answered or its client is gone
   * @throws Refusal 429 for one client's too many, 503 for all clients' or while the service ends
   */
  admit(client) {
    const mine = this.#byClient.get(client) ?? 0;
    const later = { "Retry-After": String(Math.ceil(this.#average * Math.max(1, this.accepted))) };
    if (this.draining) throw new Refusal(503, "CLOSING", "the service is ending", later);
    if (mine >= this.#limits.perClient)
      throw new Refusal(429, "BUSY", `${mine} requests of this client are not done yet`, later);
    if (this.isFull)
      throw new Refusal(503, "BUSY", `${this.accepted} requests are not done yet`, later);
    this.accepted++;
    this.#byClient.set(client, mine + 1);
    return () => this.#leave(client);
  }

  /** Runs work when all before it is done; work whose client is gone by then is left out. */
  run(work, signal) {
    const result = this.#tail.then(async () => {
      signal.throwIfAborted();
      const start = performance.now();
      try {
        return await work();
      } finally {
        this.#average += ((performance.now() - start) / 1000 - this.#average) / 8;
      }
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Refuses new requests; resolves when all that were taken in are answered. */
  drain() {
    this.draining = true;
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
      this.#settle();
    });
  }

  #leave(client) {
    this.accepted--;
    const left = this.#byClient.get(client) - 1;
    if (left === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, left);
    this.#settle();
  }

  #settle() {
    if (this.draining && this.accepted === 0) for (const resolve of this.#onEmpty) resolve();
  }
}
