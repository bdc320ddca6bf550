// One connection of an agent: from hello to the end, every frame checked against the state that it may come in.
// SPDX-License-Identifier: MIT
import { NpuError, TransportError } from "../../core-as/errors.ts";
import type { ChannelEnd, FrameChannel } from "../channel.ts";
import {
  ABANDON,
  CANCEL,
  CHUNK,
  decodeFrame,
  decodeRun,
  encodeFailure,
  encodeFrame,
  GOODBYE,
  HELLO,
  HELLO_BYTES,
  LOAD,
  PING,
  PONG,
  protocolError,
  RESUME,
  RESUMED,
  RUN,
  RUN_PLACES,
  SHUTDOWN,
  UNLOAD,
  WELCOME,
} from "../protocol.ts";
import type { ClientRecord } from "./clients.ts";
import type { AgentContext } from "./context.ts";
import { CLOSE, closeCodeOf, shortReason } from "./close-codes.ts";
import { checkVersions, welcomeOf } from "./handshake.ts";
import { ConnectionHealth } from "./health.ts";
import { Throttle } from "./limits.ts";
import { encodeOutcome } from "./outcome.ts";
import { Lane, type RunOutcome, type WaitingRun } from "./scheduler.ts";
import { Sessions } from "./sessions.ts";

/** What a connection was granted when it was welcomed. */
interface Grant {
  runs: number;
  frameBytes: number;
}

export class Connection {
  private state: "hello" | "checking" | "open" | "ended" = "hello";
  private readonly lane = new Lane((run, outcome) => this.answer(run, outcome));
  private readonly sessions: Sessions;
  private readonly health: ConnectionHealth;
  private client = "";
  private record: ClientRecord | null = null;
  private grant: Grant = { runs: 0, frameBytes: 0 };
  /** Inputs and outputs of the runs without an answer. */
  private runBytes = 0;
  private mayResume = true;

  constructor(
    private readonly context: AgentContext,
    private readonly channel: FrameChannel,
    readonly peer: string,
  ) {
    const { limits, clock, library, memory, log } = context;
    this.health = new ConnectionHealth(limits, channel);
    this.sessions = new Sessions({
      library,
      limits,
      clock,
      memory,
      throttles: [new Throttle(limits.uploadBytesPerSecondPerConnection), context.throttle],
      refusal: context.refusal,
      send: (frame) => this.send(frame),
      log,
    });
    channel.listen({
      frame: (bytes) => this.frame(bytes),
      closed: (end) => this.closed(end),
    });
  }

  get stats(): { sessions: number; uploads: number; unsent: number } {
    const { size, uploads } = this.sessions;
    return { sessions: size, uploads, unsent: this.channel.bufferedBytes };
  }

  /** Tells the client that the agent ends. */
  announceEnd(graceMs: number): void {
    if (this.state === "open") this.send(encodeFrame(SHUTDOWN, { graceMs }));
  }

  /** Answers what waits with an error, e.g. when the time for a shutdown is over; what runs is asked to stop. */
  refuseRuns(error: NpuError): void {
    for (const run of this.context.scheduler.abandon(this.lane)) this.answer(run, { error });
  }

  /** Ends the connection after what is queued, with an error in front if there is one. */
  close(end: ChannelEnd, error: NpuError | null = null): void {
    if (this.state === "ended") return;
    if (error !== null) this.send(encodeFailure("connection", 0, error));
    this.channel.close(end);
    this.end(`closed: ${end.reason}`);
  }

  /** Ends it at once: nothing of it is read or written any more. */
  destroy(reason: string): void {
    if (this.state === "ended") return;
    this.channel.destroy();
    this.end(reason);
  }

  /** Called regularly with the time since; drops what is too slow. */
  tick(milliseconds: number): void {
    if (this.state === "ended") return;
    const { limits } = this.context;
    const dead = this.health.tick(milliseconds, this.state === "open");
    if (dead !== null) return this.destroy(dead);
    if (this.sessions.tick(milliseconds) > limits.uploadStallMs)
      return this.fail(
        new TransportError(
          "TW_IO_TIMEOUT",
          `nothing of an upload came for ${limits.uploadStallMs} ms`,
        ),
      );
    if (this.state === "open" && this.health.wantsPing())
      this.send(encodeFrame(PING, { stamp: 0 }));
  }

  private frame(bytes: Uint8Array): void {
    if (this.state === "ended") return;
    this.health.heard();
    try {
      if (this.state === "open") this.handle(bytes);
      else if (this.state === "hello") this.hello(bytes);
      else throw protocolError(`frame ${bytes[0]} came before the welcome`, 0);
    } catch (error) {
      this.fail(error);
    }
  }

  private handle(bytes: Uint8Array): void {
    if (bytes.length > this.context.limits.frameBytes)
      throw new TransportError(
        "TW_IO_LIMIT",
        `a frame has ${bytes.length} bytes, the board takes ${this.context.limits.frameBytes}`,
      );
    switch (bytes[0]) {
      case RUN.type:
        return this.run(bytes);
      case LOAD.type: {
        const { request, digest, bytes: size } = decodeFrame(LOAD, bytes);
        return this.sessions.load(request, digest, size);
      }
      case CHUNK.type: {
        const { request, bytes: piece } = decodeFrame(CHUNK, bytes);
        return this.sessions.chunk(request, piece);
      }
      case ABANDON.type:
        return this.sessions.abandon(decodeFrame(ABANDON, bytes).request);
      case UNLOAD.type:
        return this.sessions.unload(decodeFrame(UNLOAD, bytes).session);
      case CANCEL.type:
        return this.cancel(decodeFrame(CANCEL, bytes).run);
      case PING.type:
        return this.send(
          encodeFrame(PONG, { ...decodeFrame(PING, bytes), ...this.context.load() }),
        );
      case PONG.type:
        return void decodeFrame(PONG, bytes);
      case RESUME.type:
        return this.resume(decodeFrame(RESUME, bytes).runs.map(({ run }) => run));
      case GOODBYE.type:
        return this.goodbye(bytes);
      default:
        throw protocolError(`a client sends no frame of type ${bytes[0] ?? "none"}`, 0);
    }
  }

  private hello(bytes: Uint8Array): void {
    if (bytes.length > HELLO_BYTES)
      throw new TransportError(
        "TW_IO_LIMIT",
        `the first frame has ${bytes.length} bytes, hello has at most ${HELLO_BYTES}`,
      );
    const version = checkVersions(bytes);
    const hello = decodeFrame(HELLO, bytes);
    const welcome = (): void => this.welcome(hello.client, hello.frameBytes, version);
    const { authenticate } = this.context;
    if (authenticate === null) return welcome();
    this.state = "checking";
    Promise.resolve(authenticate(hello.token, this.peer))
      .then((allowed) => {
        if (this.state !== "checking") return;
        if (allowed) return welcome();
        const what = hello.token === "" ? "wants a token" : "refuses the token";
        this.fail(new TransportError("TW_IO_AUTH", `the board ${what}`));
      })
      .catch((error: unknown) => this.fail(error));
  }

  private welcome(id: Uint8Array, clientFrameBytes: number, version: number): void {
    const { context } = this;
    const refused = context.refusal();
    if (refused !== null) return this.fail(refused);
    this.client = [...id].join(",");
    const { record, known, previous } = context.records.open(this.client, this);
    // From here on nothing of the connection before is read, so what it did is decided.
    if (previous instanceof Connection) previous.destroy("the client came again");
    this.record = record;
    this.mayResume = known;
    this.grant = {
      runs: context.grantRuns(),
      frameBytes: Math.min(clientFrameBytes, context.limits.frameBytes),
    };
    this.state = "open";
    context.log(`${this.peer}: connected`);
    this.send(encodeFrame(WELCOME, welcomeOf(context, version, known, this.grant.runs)));
  }

  private run(bytes: Uint8Array): void {
    const { profile, session: handle, run: id, inputs } = decodeRun(bytes);
    const record = this.record!;
    if (id <= record.highest)
      throw protocolError(`run ${id} came after run ${record.highest}`, RUN_PLACES.run);
    record.highest = id;
    this.mayResume = false;
    const session = this.sessions.get(handle);
    if (session === null) throw protocolError(`session ${handle} is not open`, RUN_PLACES.session);
    const { shared } = session;
    if (inputs.length !== shared.inputBytes)
      throw protocolError(
        `run ${id} has ${inputs.length} bytes of inputs, the executable has ${shared.inputBytes}`,
        RUN_PLACES.inputs,
      );
    const cost = shared.inputBytes + shared.outputBytes;
    const { runBytesPerConnection } = this.context.limits;
    if (
      this.lane.size >= this.grant.runs ||
      (this.lane.size > 0 && this.runBytes + cost > runBytesPerConnection)
    )
      throw new TransportError(
        "TW_IO_LIMIT",
        `run ${id} was sent without a credit: ${this.lane.size} of ${this.grant.runs} runs and ` +
          `${this.runBytes} of ${runBytesPerConnection} bytes are unanswered`,
      );
    const refused = this.context.refusal();
    if (refused !== null) return this.send(encodeFailure("run", id, refused));
    session.runs++;
    this.runBytes += cost;
    this.context.counts.accepted++;
    this.context.scheduler.add(this.lane, {
      id,
      session,
      profile,
      inputs: split(inputs, shared.inputs),
    });
  }

  private cancel(id: number): void {
    const error = new TransportError("TW_IO_ABORTED", "the run was cancelled");
    const waiting = this.context.scheduler.remove(this.lane, id);
    if (waiting !== null) return this.answer(waiting, { error });
    // Nothing to do when its answer is on the way.
    this.lane.running.get(id)?.abort(error);
  }

  private count(outcome: RunOutcome): void {
    const { counts, runLog, clock } = this.context;
    if ("error" in outcome) {
      counts.failed++;
      const { error } = outcome;
      runLog.failed(error instanceof NpuError ? error.code : "TW_BUG", clock.now());
    } else {
      counts.finished++;
      runLog.finished(outcome.milliseconds);
    }
  }

  private answer(run: WaitingRun, outcome: RunOutcome): void {
    const { shared } = run.session;
    this.runBytes -= shared.inputBytes + shared.outputBytes;
    this.count(outcome);
    if (this.state !== "ended") this.send(encodeOutcome(run, outcome, this.grant.frameBytes));
    this.sessions.runEnded(run.session);
  }

  private resume(runs: readonly number[]): void {
    if (!this.mayResume) throw protocolError("resume comes first, and only from a known client", 0);
    this.mayResume = false;
    if (runs.some((run, i) => i > 0 && run <= runs[i - 1]!))
      throw protocolError("the runs of resume do not rise", 1);
    const states = this.record!.resume(runs).map((state) => ({ state }));
    this.send(encodeFrame(RESUMED, { states }));
  }

  private goodbye(bytes: Uint8Array): void {
    decodeFrame(GOODBYE, bytes);
    const { client } = this;
    this.close({ code: CLOSE.normal, reason: "goodbye" });
    this.context.records.forget(client);
  }

  private send(frame: Uint8Array): void {
    if (this.state === "ended") return;
    this.health.sent(frame.length);
    this.channel.send(frame);
    // A client that keeps to its credits cannot get there.
    const { runBytesPerConnection, frameBytes } = this.context.limits;
    if (this.channel.bufferedBytes > runBytesPerConnection + 2 * frameBytes)
      this.destroy("the peer does not read");
  }

  /** Whatever went wrong with this connection ends it; the agent goes on. */
  private fail(error: unknown): void {
    const known =
      error instanceof NpuError
        ? error
        : new TransportError("TW_IO_PROTOCOL", `the frame could not be handled: ${String(error)}`);
    this.close({ code: closeCodeOf(known), reason: shortReason(known) }, known);
  }

  private closed(end: ChannelEnd): void {
    if (this.state !== "ended") this.end(`${end.code} ${end.reason}`);
  }

  private end(why: string): void {
    const wasOpen = this.state === "open";
    this.state = "ended";
    const { context, lane, record } = this;
    const dropped = context.scheduler.abandon(lane);
    record?.drop(dropped.map(({ id }) => id));
    for (const run of dropped) {
      context.counts.dropped++;
      run.session.runs--;
    }
    this.sessions.end();
    if (record !== null && record.connection === this) {
      record.connection = null;
      record.left = context.clock.now();
    }
    if (wasOpen) context.returnRuns(this.grant.runs);
    context.ended(this);
    context.log(`${this.peer}: ended, ${why}`);
  }
}

/** Views of one block of bytes. */
function split(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let at = 0;
  return sizes.map((size) => bytes.subarray(at, (at += size)));
}
