// The mock kernel's control file, as tests use it: faults to inject, counters, what every process holds.
// SPDX-License-Identifier: MIT
import { closeSync, existsSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { constants } from "node:os";

// Layout and numbers of control.c and mock.h.
const BYTES = 8192;
const MAGIC = 0x4b4d5754;
const LOST_AT = 8;
const COUNTERS_AT = 64;
const FAULTS_AT = 1024;
const FAULT_BYTES = 32;
const FAULTS = 32;
const SLOTS_AT = 2048;
const SLOT_BYTES = 64;
const SLOTS = 64;
const FOR_EVER = 0xffffffff;

const OPERATIONS = {
  getParam: 0x00,
  gemNew: 0x02,
  gemInfo: 0x03,
  cpuPrep: 0x04,
  cpuFini: 0x05,
  submit: 0x06,
  waitFence: 0x07,
  gemUserptr: 0x08,
  gemWait: 0x09,
  queryDomain: 0x0a,
  querySignal: 0x0b,
  mmap: 0x40,
  version: 0x41,
  gemClose: 0x42,
  open: 0x43,
} as const;

const KINDS = { errno: 1, hang: 2, late: 3, lost: 4 } as const;

const COUNTERS = {
  opens: 0,
  releases: 1,
  buffersNew: 2,
  buffersFreed: 3,
  maps: 4,
  unmaps: 5,
  submits: 6,
  jobsDone: 7,
  jobsHung: 8,
  simFaults: 9,
  injected: 10,
  ioctls: 11,
} as const;

const IOCTL_COUNTERS: Record<string, number> = {
  ...Object.fromEntries(
    Object.entries(OPERATIONS)
      .filter(([, op]) => op < 0x40)
      .map(([name, op]) => [name, 16 + op]),
  ),
  version: 32,
  gemClose: 33,
  other: 34,
};

const LEVELS = ["files", "buffers", "bytes", "mappings", "mappedBytes", "jobs"] as const;

export interface MockFault {
  /** The operation whose calls fail. */
  on: keyof typeof OPERATIONS;
  /**
   * A name of an errno: the call fails with it. "hang": the job writes nothing, its fence comes with the watchdog;
   * "late": its fence comes `milliseconds` later. "lost": from this call on all fail with ENODEV.
   */
  fault: keyof typeof constants.errno | "hang" | "late" | "lost";
  /** Calls that go well before; default 0. A call that an earlier fault takes does not count. */
  skip?: number;
  /** Calls that fail in a row; default 1. */
  times?: number | "always";
  milliseconds?: number;
}

export type MockLevels = Record<(typeof LEVELS)[number], number>;

export type MockStats = Record<keyof typeof COUNTERS, number> & {
  /** Calls of each ioctl by its name in MockFault.on; `other`: unknown ones. */
  calls: Record<string, number>;
  /** What living processes hold at this moment. */
  live: MockLevels & { processes: number };
};

export interface MockLogLine {
  /** refused, fault, hang, warning, error, exit */
  event: string;
  pid: number;
  text: string;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** An empty control file. */
export function emptyControl(): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, 1, true);
  return bytes;
}

/** In the process that started the mock, or in one that runs under it (`fromEnvironment`). */
export class MockControl {
  constructor(
    private readonly path: string,
    private readonly logPath: string,
  ) {}

  /** The control of the mock kernel that this very process runs under. */
  static fromEnvironment(): MockControl {
    const path = process.env["TW_MOCK_CONTROL"];
    const log = process.env["TW_MOCK_LOG"];
    if (path === undefined || log === undefined)
      throw new Error("this process does not run under a mock kernel");
    return new MockControl(path, log);
  }

  /** Adds a fault; several are tried in the order in which they came. */
  inject({ on, fault, skip = 0, times = 1, milliseconds = 100 }: MockFault): void {
    const bytes = this.read();
    const index = Array.from({ length: FAULTS }, (_, i) => FAULTS_AT + i * FAULT_BYTES).find(
      (at) => bytes.readUInt32LE(at) === 0,
    );
    if (index === undefined) throw new Error(`more than ${FAULTS} faults`);
    const rule = Buffer.alloc(FAULT_BYTES);
    const isKind = (name: string): name is "hang" | "late" | "lost" => name in KINDS;
    rule.writeUInt32LE(OPERATIONS[on], 4);
    rule.writeUInt32LE(isKind(fault) ? KINDS[fault] : KINDS.errno, 8);
    rule.writeInt32LE(isKind(fault) ? milliseconds : constants.errno[fault], 12);
    rule.writeUInt32LE(skip, 16);
    rule.writeUInt32LE(times === "always" ? FOR_EVER : times, 20);
    this.write(rule, index);
    // Last: the mock looks at a fault only once it is active.
    this.write(Uint8Array.of(1, 0, 0, 0), index);
  }

  /** Takes back all faults and the loss of the device. */
  clear(): void {
    this.write(new Uint8Array(FAULTS * FAULT_BYTES), FAULTS_AT);
    this.setLost(false);
  }

  /** From now on everything fails with ENODEV, or no longer. */
  setLost(lost: boolean): void {
    this.write(Uint8Array.of(lost ? 1 : 0, 0, 0, 0), LOST_AT);
  }

  stats(): MockStats {
    const bytes = this.read();
    const counter = (index: number): number =>
      Number(bytes.readBigUInt64LE(COUNTERS_AT + index * 8));
    const counters = (names: Readonly<Record<string, number>>): Record<string, number> =>
      Object.fromEntries(Object.entries(names).map(([name, index]) => [name, counter(index)]));
    const live = { files: 0, buffers: 0, bytes: 0, mappings: 0, mappedBytes: 0, jobs: 0 };
    let processes = 0;
    for (let at = SLOTS_AT; at < SLOTS_AT + SLOTS * SLOT_BYTES; at += SLOT_BYTES) {
      const pid = bytes.readUInt32LE(at);
      if (pid === 0 || !alive(pid)) continue;
      processes++;
      for (const [i, name] of LEVELS.entries())
        live[name] += Number(bytes.readBigInt64LE(at + 8 + i * 8));
    }
    return {
      ...(counters(COUNTERS) as Record<keyof typeof COUNTERS, number>),
      calls: counters(IOCTL_COUNTERS),
      live: { ...live, processes },
    };
  }

  /** Everything that was logged, oldest first. */
  log(event?: string): MockLogLine[] {
    if (!existsSync(this.logPath)) return [];
    return readFileSync(this.logPath, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as MockLogLine)
      .filter((line) => event === undefined || line.event === event);
  }

  private read(): Buffer {
    const bytes = Buffer.alloc(BYTES);
    const file = openSync(this.path, "r");
    readSync(file, bytes, 0, BYTES, 0);
    closeSync(file);
    return bytes;
  }

  private write(bytes: Uint8Array, position: number): void {
    const file = openSync(this.path, "r+");
    writeSync(file, bytes, 0, bytes.length, position);
    closeSync(file);
  }
}
