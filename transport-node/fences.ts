// Waits for fences: one waiting call at a time on another thread, however many submits are in flight.
// SPDX-License-Identifier: MIT
import { ERRNO, kernelError, type DeviceFile } from "./device-file.ts";
import type { Progress } from "./progress.ts";
import { delay, monotonicIn } from "./time.ts";
import { WAIT_FENCE } from "./uapi.ts";

interface Waiting {
  fence: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Answers that mean "not yet". */
const NOT_YET: readonly number[] = [ERRNO.ETIMEDOUT, ERRNO.EBUSY, ERRNO.EAGAIN, ERRNO.EINTR];

/** A call waits at most this long, so that closing and the end of the process never wait longer for it. */
const SLICE_MS = 200;
/** Pause when the kernel answers "not yet" at once instead of waiting. */
const PAUSE_MS = 2;

/** The fences of one core; submits of one file and core end in their order. */
export class FenceQueue {
  private readonly queue: Waiting[] = [];
  private running = false;
  private loop: Promise<void> = Promise.resolve();
  private ended: Error | null = null;

  /** @param onFailure called with the error of a wait that failed, before the waiting ones get it */
  constructor(
    private readonly file: DeviceFile,
    private readonly core: number,
    private readonly progress: Progress,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** Resolves when no call of the queue is on its way any more. */
  get finished(): Promise<void> {
    return this.loop;
  }

  /**
   * Resolves when the fence has signalled. The kernel's watchdog signals fences of hung jobs, too.
   * @throws TransportError when the device is gone, and whatever `end` was called with
   */
  signalled(fence: number): Promise<void> {
    if (this.ended !== null) return Promise.reject(this.ended);
    this.progress.begin();
    const promise = new Promise<void>((resolve, reject) => {
      this.queue.push({ fence, resolve, reject });
    });
    if (!this.running) this.loop = this.run();
    return promise.finally(() => this.progress.end());
  }

  /** Nobody gets an answer any more; all waiting ones get the error. */
  end(error: Error): void {
    this.ended ??= error;
    for (const { reject } of this.queue.splice(0)) reject(error);
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.queue.length > 0) await this.waitForFirst();
    } catch (cause) {
      // Misuse of the file, such as a close meanwhile.
      this.end(cause instanceof Error ? cause : new Error(String(cause)));
    } finally {
      this.running = false;
    }
  }

  private async waitForFirst(): Promise<void> {
    const first = this.queue[0]!;
    const { name, request, layout } = WAIT_FENCE;
    const argument = layout.create({
      pipe: this.core,
      fence: first.fence,
      ...monotonicIn(SLICE_MS),
    });
    const start = performance.now();
    const result = await this.file.ioctlAsync(request, argument);
    if (this.queue[0] !== first) return;
    if (result >= 0) {
      this.queue.shift();
      first.resolve();
    } else if (NOT_YET.includes(-result)) {
      if (performance.now() - start < SLICE_MS / 2) await delay(PAUSE_MS);
    } else {
      const error = kernelError(this.file.path, name, -result, `fence ${first.fence}`);
      this.onFailure(error);
      this.queue.shift();
      first.reject(error);
    }
  }
}
