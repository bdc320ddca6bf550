// A TCP relay that fails as a network does: cut after so many bytes, or silent without an end.
// SPDX-License-Identifier: MIT
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export type ProxyDirection = "to server" | "to client";

export class TcpProxy {
  /** Bytes of all connections, by direction. */
  readonly bytes: Record<ProxyDirection, number> = { "to server": 0, "to client": 0 };
  /** Places, in bytes of a direction, at which what arrived together ended: as a rule the end of a frame. */
  readonly ends: Record<ProxyDirection, number[]> = { "to server": [], "to client": [] };
  /** Cut the connection when this many bytes of a direction have passed; null = never. */
  cutAt: { direction: ProxyDirection; bytes: number } | null = null;
  /** Swallow everything, both ways, without ending anything. */
  silent = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private target: number,
  ) {}

  /** A relay on a free port of loopback to another one. */
  static async start(target: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, target);
    server.on("connection", (socket) => proxy.relay(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends all connections without a word. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private relay(client: Socket): void {
    const server = connect(this.target, "127.0.0.1");
    this.pump(client, server, "to server");
    this.pump(server, client, "to client");
  }

  private pump(from: Socket, to: Socket, direction: ProxyDirection): void {
    this.sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      if (this.silent) return;
      const { cutAt } = this;
      const before = this.bytes[direction];
      this.bytes[direction] += chunk.length;
      this.ends[direction].push(this.bytes[direction]);
      if (cutAt?.direction !== direction || before + chunk.length < cutAt.bytes) {
        if (!to.destroyed) to.write(chunk);
        return;
      }
      this.cutAt = null;
      // The bytes before the cut arrive, the rest does not.
      to.write(chunk.subarray(0, cutAt.bytes - before), () => this.cut());
      if (cutAt.bytes === before) this.cut();
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.sockets.delete(from);
      if (!this.silent) to.destroy();
    });
  }
}
