// Loads on one connection: the question by digest, the upload when the board wants it, the answer.
// SPDX-License-Identifier: MIT
import type { NpuError } from "../../core-as/errors.ts";
import {
  ABANDON,
  CHUNK,
  decodeFrame,
  encodeFrame,
  LOAD,
  LOADED,
  PROGRESS,
  protocolError,
  UNLOAD,
  UNLOADED,
  WANTED,
} from "../protocol.ts";
import type { Link } from "./link.ts";
import type { BoardSession } from "./sessions.ts";

interface Load {
  session: BoardSession;
  /** The file and how much of it was sent, once the board wants it. */
  upload: { bytes: Uint8Array; sent: number } | null;
  /** Nobody waits any more: nothing is uploaded. A session may come all the same. */
  abandoned: boolean;
  resolve(): void;
  reject(error: Error): void;
}

export class Loads {
  private readonly loads = new Map<number, Load>();
  private readonly unloads = new Map<number, () => void>();
  private lastRequest = 0;
  private ended: Error | null = null;

  constructor(
    private readonly link: Link,
    private readonly progress: (sent: number, total: number) => void,
  ) {}

  /**
   * Loads a session's executable on this connection. When the signal fires, the board is told; whether it has loaded by then, only its
   * answer says.
   * @throws NpuError what the board reports, or what the connection ended with
   */
  load(session: BoardSession, signal: AbortSignal | null = null): Promise<void> {
    if (this.ended !== null) return Promise.reject(this.ended);
    const request = ++this.lastRequest;
    const { digest, size } = session;
    let onAbort: () => void;
    return new Promise<void>((resolve, reject) => {
      const load: Load = { session, upload: null, abandoned: false, resolve, reject };
      onAbort = () => this.abandon(request, load);
      this.loads.set(request, load);
      signal?.addEventListener("abort", onAbort);
      this.link.send(encodeFrame(LOAD, { request, digest, bytes: size }));
    }).finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Frees a session's handle; resolves when the board has, or when the connection ends. */
  unload(handle: number): Promise<void> {
    if (this.ended !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.unloads.set(handle, resolve);
      this.link.send(encodeFrame(UNLOAD, { session: handle }));
    });
  }

  /** Handles a frame about loads; false when it is about something else. */
  frame(bytes: Uint8Array): boolean {
    switch (bytes[0]) {
      case LOADED.type:
        this.loaded(bytes);
        return true;
      case WANTED.type:
        this.wanted(decodeFrame(WANTED, bytes).request);
        return true;
      case PROGRESS.type: {
        const { request, received } = decodeFrame(PROGRESS, bytes);
        this.progressed(request, received);
        return true;
      }
      case UNLOADED.type: {
        const { session } = decodeFrame(UNLOADED, bytes);
        const resolve = this.unloads.get(session);
        if (resolve === undefined) throw protocolError(`session ${session} was not unloaded`, 1);
        this.unloads.delete(session);
        resolve();
        return true;
      }
      default:
        return false;
    }
  }

  /** @throws TransportError TW_IO_PROTOCOL when no load waits for it */
  failed(request: number, error: NpuError): void {
    const load = this.find(request);
    this.loads.delete(request);
    load.reject(error);
  }

  /** The connection ended. */
  end(error: Error): void {
    this.ended = error;
    for (const { reject } of this.loads.values()) reject(error);
    for (const resolve of this.unloads.values()) resolve();
    this.loads.clear();
    this.unloads.clear();
  }

  private find(request: number): Load {
    const load = this.loads.get(request);
    if (load === undefined) throw protocolError(`load ${request} was not asked for`, 1);
    return load;
  }

  private loaded(bytes: Uint8Array): void {
    const values = decodeFrame(LOADED, bytes);
    const load = this.find(values.request);
    load.session.opened(values);
    this.loads.delete(values.request);
    load.resolve();
  }

  private wanted(request: number): void {
    const load = this.find(request);
    if (load.upload !== null) throw protocolError(`load ${request} is uploaded already`, 1);
    if (load.abandoned) return;
    load.upload = { bytes: load.session.bytes(), sent: 0 };
    this.progress(0, load.upload.bytes.length);
    this.fill(request, load, 0);
  }

  private progressed(request: number, received: number): void {
    const load = this.loads.get(request);
    // The last ones may come when the load has failed.
    if (load === undefined && request <= this.lastRequest) return;
    const upload = load?.upload;
    if (upload === null || upload === undefined || received > upload.sent)
      throw protocolError(`${received} bytes of load ${request} were never sent`, 1);
    if (load!.abandoned) return;
    this.progress(received, upload.bytes.length);
    this.fill(request, load!, received);
  }

  /** Sends pieces up to the window's end. */
  private fill(request: number, { upload }: Load, received: number): void {
    const { chunkBytes, uploadWindow } = this.link.welcome;
    const { bytes } = upload!;
    const end = Math.min(bytes.length, received + uploadWindow);
    while (upload!.sent < end) {
      const next = Math.min(end, upload!.sent + chunkBytes);
      this.link.send(encodeFrame(CHUNK, { request, bytes: [bytes.subarray(upload!.sent, next)] }));
      upload!.sent = next;
    }
  }

  private abandon(request: number, load: Load): void {
    if (this.loads.get(request) !== load) return;
    load.abandoned = true;
    this.link.send(encodeFrame(ABANDON, { request }));
  }
}
