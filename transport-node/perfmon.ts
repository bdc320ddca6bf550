// The kernel's performance counters: which there are, and readings before and after a submit (spec/uapi.md 1 and 2).
// SPDX-License-Identifier: MIT
import type { DeviceFile } from "./device-file.ts";
import {
  PM,
  PM_DOMAIN_END,
  PM_QUERY_DOM,
  PM_QUERY_SIG,
  PM_REQUEST,
  PM_REQUEST_LIMIT,
  PM_SIGNAL_END,
} from "./uapi.ts";

/** A group of counters, e.g. "HI". */
export interface PerfDomain {
  /** Number by which the kernel knows it. */
  id: number;
  /** Name that the kernel gives it. */
  name: string;
  /** Its counters. */
  signals: { id: number; name: string }[];
}

/** Domains that say something about NPU work: host interface and memory controller. Nothing counts inside the NN and TP cores. */
const PROFILED: readonly string[] = ["HI", "MC"];

/** A kernel that never ends an enumeration must not keep us. */
const MAX_SIGNALS = 1024;

/**
 * All counters of a core. The queries name the core by its index, where the reference driver passes a pipe id (Q48).
 * Empty when the kernel offers none.
 */
export function queryDomains(file: DeviceFile, core: number): PerfDomain[] {
  const { request, layout } = PM_QUERY_DOM;
  const domains: PerfDomain[] = [];
  for (let iter = 0; iter !== PM_DOMAIN_END && domains.length < PM_DOMAIN_END;) {
    const argument = layout.create({ pipe: core, iter });
    if (file.ioctl(request, argument) < 0) break;
    const domain = layout.read(argument);
    iter = domain.iter;
    const signals = domain.signals > 0 ? querySignals(file, core, domain.id) : [];
    domains.push({ id: domain.id, name: domain.name, signals });
  }
  return domains;
}

function querySignals(file: DeviceFile, core: number, domain: number): PerfDomain["signals"] {
  const { request, layout } = PM_QUERY_SIG;
  const signals: PerfDomain["signals"] = [];
  for (let iter = 0; iter !== PM_SIGNAL_END && signals.length < MAX_SIGNALS;) {
    const argument = layout.create({ pipe: core, domain, iter });
    if (file.ioctl(request, argument) < 0) break;
    const signal = layout.read(argument);
    iter = signal.iter;
    signals.push({ id: signal.id, name: signal.name });
  }
  return signals;
}

interface Counter {
  /** "DOMAIN.SIGNAL" */
  name: string;
  domain: number;
  signal: number;
}

/** Readings of the profiled counters around one submit, and the differences afterwards. */
export class CounterSet {
  private readonly counters: readonly Counter[];

  constructor(domains: readonly PerfDomain[]) {
    this.counters = domains
      .filter(({ name }) => PROFILED.includes(name))
      .flatMap((domain) =>
        domain.signals.map(({ id, name }) => ({
          name: `${domain.name}.${name}`,
          domain: domain.id,
          signal: id,
        })),
      )
      .slice(0, PM_REQUEST_LIMIT / 2);
  }

  get count(): number {
    return this.counters.length;
  }

  /** Bytes of the buffer that takes the readings: word 0 is the kernel's sequence number. */
  get bytes(): number {
    return 4 * (1 + 2 * this.count);
  }

  /**
   * The list of a submit: each counter before and after the stream.
   * @param readIndex index of the buffer in the submit's list
   * @param sequence any number, which the kernel stores when all are read
   */
  requests(readIndex: number, sequence: number): Uint8Array {
    const request = ({ domain, signal }: Counter, flags: number, readOffset: number) => ({
      flags,
      domain,
      signal,
      sequence,
      readOffset,
      readIndex,
    });
    return PM_REQUEST.createList(
      this.counters.flatMap((counter, i) => [
        request(counter, PM.PRE, 1 + 2 * i),
        request(counter, PM.POST, 2 + 2 * i),
      ]),
    );
  }

  /** How much each counter grew; counters have 32 bits and wrap. */
  differences(buffer: Uint8Array): Record<string, number> {
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const word = (index: number): number => view.getUint32(4 * index, true);
    return Object.fromEntries(
      this.counters.map(({ name }, i) => [name, (word(2 + 2 * i) - word(1 + 2 * i)) >>> 0]),
    );
  }
}
