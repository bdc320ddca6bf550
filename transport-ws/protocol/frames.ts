// Every frame of the board protocol. Encoders, decoders, docs/protocol.md and the mutation tests follow from these declarations.
// SPDX-License-Identifier: MIT
import {
  choice,
  f32,
  f64,
  fixedBytes,
  flag,
  list,
  maybe,
  rest,
  text,
  u16,
  u32,
  u53,
} from "./fields.ts";
import { frame } from "./frame.ts";

/** "TWBP" in a frame's bytes. */
export const MAGIC = 0x50425754;
/** Versions of the protocol that this build speaks. */
export const VERSIONS = { min: 1, max: 1 } as const;
/** Largest frame before the two sides know each other. */
export const HELLO_BYTES = 1024;
/** Most inputs, outputs or steps of an executable that a frame describes. */
export const MAX_TENSORS = 1024;
/** Most runs that a client may ask about after a reconnect. */
export const MAX_RESUMED = 4096;

/** How hello and welcome begin in every version. */
export const VERSION_FIELDS = {
  magic: u32("`TWBP` = 0x50425754"),
  minVersion: u16("lowest version of the protocol that the sender speaks"),
  maxVersion: u16("highest version that the sender speaks"),
};

const request = u32("the load that this belongs to: chosen by the client, rising on a connection");
const session = u16("handle of a loaded executable, given by the agent, valid on this connection");
const run = u53("the run: chosen by the client, rising over all its connections");
/** By their number in frames. */
export const EVIDENCES = ["none", "simulated", "measured"] as const;
const evidence = choice(EVIDENCES, "what outputs and times are worth");

export const HELLO = frame(
  "hello",
  0x01,
  "client",
  "First frame of a client, at most 1024 bytes. The fields up to `maxVersion` are the same in every version.",
  {
    ...VERSION_FIELDS,
    client: fixedBytes(16, "random; names the client over its reconnects"),
    frameBytes: u32("largest frame that the client takes"),
    software: text(64, "the client in texts for people"),
    token: text(512, "empty = none; never logged"),
  },
);

export const WELCOME = frame(
  "welcome",
  0x02,
  "agent",
  "Answer to hello: who the board is and what this connection may use.",
  {
    ...VERSION_FIELDS,
    version: u16("the version that both speak from here on"),
    boot: fixedBytes(16, "random; another one = the agent was started anew and remembers nothing"),
    known: flag("the agent remembers this client: resume is answered from its record"),
    software: text(64, "version of the agent"),
    transport: text(32, "name of the transport behind the agent, e.g. sim"),
    device: text(256, "sim, or the path of the device node"),
    evidence,
    model: u32("chip, as the kernel reports it"),
    revision: u32("chip"),
    productId: u32("chip"),
    ecoId: u32("chip"),
    customerId: u32("chip"),
    chip: text(64, "name of the chip; empty when it is in no table"),
    frameBytes: u32("largest frame that the agent takes"),
    executableBytes: u53("largest executable"),
    sessions: u16("loaded executables that this connection may hold"),
    runs: u16("credits: runs that may be unanswered at a time"),
    runBytes: u53(
      "credits: inputs and outputs of unanswered runs; one run alone is always allowed",
    ),
    chunkBytes: u32("largest piece of an upload"),
    uploadWindow: u32("bytes of an upload that may be ahead of its progress"),
    uploadBytesPerSecond: u53("rate to which uploads are held; 0 = none"),
    idleMs: u32("a connection that is silent for longer is dropped"),
    patienceMs: u32("how long the agent itself may be silent because it computes"),
  },
);

export const FAILED = frame(
  "failed",
  0x03,
  "agent",
  "An error. About the connection: the agent closes it. About a load or a run: its answer. The same in every version.",
  {
    about: choice(["connection", "load", "run"], "what failed"),
    id: u53("request or run; 0 for the connection"),
    code: text(40, "error code, docs/errors.md"),
    stage: text(32, "stage that failed; empty when unknown"),
    op: maybe("where: operator"),
    tensor: maybe("where: tensor"),
    job: maybe("where: job"),
    byteOffset: maybe("where: byte"),
    wordIndex: maybe("where: word"),
    addrGpu: maybe("where: GPU address"),
    field: text(128, "where: field; empty when unknown"),
    message: text(4096, "for people"),
  },
);

export const PING = frame("ping", 0x04, "both", "Asks for a pong with the same stamp.", {
  stamp: u32("any"),
});

export const PONG = frame("pong", 0x05, "both", "Answer to a ping; an agent adds its load.", {
  stamp: u32("of the ping"),
  runs: u32("runs that wait or run on the board, of all its clients; 0 from a client"),
  sessions: u32("loaded executables of all its clients; 0 from a client"),
});

export const SHUTDOWN = frame(
  "shutdown",
  0x06,
  "agent",
  "The agent ends: it answers the runs that it has, refuses new loads and runs with TW_IO_CLOSED, then closes with 1001.",
  { graceMs: u32("longest time until then") },
);

export const GOODBYE = frame(
  "goodbye",
  0x07,
  "client",
  "The client ends for good: the agent drops its runs, executables and record.",
  {},
);

export const LOAD = frame(
  "load",
  0x10,
  "client",
  "Asks for an executable by digest. Answered by loaded, by wanted (upload it, loaded follows), or by failed.",
  {
    request,
    digest: fixedBytes(32, "SHA-256 of the executable's bytes"),
    bytes: u53("their number"),
  },
);

export const WANTED = frame("wanted", 0x11, "agent", "The board does not have the executable.", {
  request,
});

export const CHUNK = frame(
  "chunk",
  0x12,
  "client",
  "The next piece of an upload, in order, without gaps; not further ahead of progress than the window.",
  { request, bytes: rest("at most `chunkBytes`, at least 1") },
);

export const PROGRESS = frame(
  "progress",
  0x13,
  "agent",
  "Moves the upload's window; held back to keep the rate.",
  { request, received: u53("bytes that the agent has taken") },
);

export const ABANDON = frame(
  "abandon",
  0x14,
  "client",
  "Gives a load up. It is answered all the same: by failed with TW_IO_ABORTED, or by loaded when it was too late.",
  { request },
);

const tensors = { bytes: u32("size of the tensor") };

export const LOADED = frame("loaded", 0x15, "agent", "The executable is ready to run.", {
  request,
  session,
  inputs: list(tensors, MAX_TENSORS, "inputs in the graph's order"),
  outputs: list(tensors, MAX_TENSORS, "outputs in the graph's order"),
});

export const UNLOAD = frame(
  "unload",
  0x16,
  "client",
  "Frees a session after the runs that were sent before. Answered by unloaded.",
  { session },
);

export const UNLOADED = frame("unloaded", 0x17, "agent", "The handle may be given anew.", {
  session,
});

export const RUN = frame(
  "run",
  0x20,
  "client",
  "One inference. Takes a credit, which comes back with its one answer: result, profiled or failed.",
  {
    profile: flag("answer with profiled: times of steps and jobs"),
    session,
    run,
    inputs: rest("all inputs, one behind the other, in the sizes that loaded gave"),
  },
);

export const RESULT = frame("result", 0x21, "agent", "Answer to a run.", {
  evidence,
  run,
  milliseconds: f32("wall clock of the whole run on the board"),
  outputs: rest("all outputs, one behind the other"),
});

export const PROFILED = frame("profiled", 0x22, "agent", "Answer to a run with profile.", {
  evidence,
  run,
  milliseconds: f32("wall clock of the whole run on the board"),
  steps: list(
    {
      step: u32("index of the step"),
      kind: choice(["npu", "cpu"], "where it ran"),
      milliseconds: f64("wall clock"),
    },
    0xffff,
    "one entry a step",
  ),
  hasJobs: flag("the transport can profile jobs"),
  jobs: list(
    {
      partition: u32("index of the partition"),
      job: u32("index of the job"),
      milliseconds: f64("submit to fence"),
      counters: list(
        { name: text(96, "DOMAIN.SIGNAL"), value: f64("difference over the job") },
        512,
        "performance counters",
      ),
    },
    0xffff,
    "one entry a job",
  ),
  outputs: rest("all outputs, one behind the other"),
});

export const CANCEL = frame(
  "cancel",
  0x23,
  "client",
  "Takes a run back. One that waits is answered by failed with TW_IO_ABORTED; one that runs is asked to stop and answered when it ends.",
  { run },
);

export const RESUME = frame(
  "resume",
  0x24,
  "client",
  "First frame after welcome when `boot` is the one from before and `known` is set: the runs without an answer.",
  { runs: list({ run }, MAX_RESUMED, "rising") },
);

export const RESUMED = frame("resumed", 0x25, "agent", "What became of them, in the same order.", {
  states: list(
    {
      state: choice(
        ["unknown", "waiting", "started"],
        "never received; received and dropped before its start; started",
      ),
    },
    MAX_RESUMED,
    "one a run",
  ),
});

/** In the order of the page. */
export const FRAMES = [
  HELLO,
  WELCOME,
  FAILED,
  PING,
  PONG,
  SHUTDOWN,
  GOODBYE,
  LOAD,
  WANTED,
  CHUNK,
  PROGRESS,
  ABANDON,
  LOADED,
  UNLOAD,
  UNLOADED,
  RUN,
  RESULT,
  PROFILED,
  CANCEL,
  RESUME,
  RESUMED,
] as const;
