// What outlives a panel: panels come and go with their tabs, a chosen picture and its results stay with the model.
// SPDX-License-Identifier: MIT
import { useEffect, useState } from "preact/hooks";

/** A value that components draw and anybody may change. */
export class Store<T> {
  readonly #listeners = new Set<() => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(patch: Partial<T>): void {
    this.current = { ...this.current, ...patch };
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves at the next change. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      const leave = this.subscribe(() => {
        leave();
        resolve();
      });
    });
  }
}

/** The value of a store; draws again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, setValue] = useState(store.value);
  useEffect(() => {
    const update = (): void => setValue(store.value);
    update();
    return store.subscribe(update);
  }, [store]);
  // Not the state: a store that was exchanged must not show the other one's value for a moment.
  return store.value;
}
