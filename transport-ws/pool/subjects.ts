// The subjects of a pool, all below "tilewright.<group>", so that one line of NATS permissions covers it.
// SPDX-License-Identifier: MIT
import { UsageError } from "../../core-as/errors.ts";
import { hexOf } from "../../core-as/executable/bytes.ts";
import type { ChipIdentity } from "../../core-as/hw/chips.ts";

/** Name of the pool where nothing else is said. */
export const DEFAULT_GROUP = "boards";

/** Queue group of the boards on their common subjects. */
export const QUEUE = "tilewright-boards";

const TOKEN_BYTES = 16;

/** @throws UsageError for a name that cannot be part of a subject */
export function checkGroup(group: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(group))
    throw new UsageError(
      `pool name ${JSON.stringify(group)}: 1 to 64 letters, digits, "_" or "-" are possible`,
      "group",
    );
  return group;
}

/** Identity of a chip as part of a subject; steppings that take the same executables have the same (check-chip.ts). */
export function chipKey({ model, revision, productId, ecoId, customerId }: ChipIdentity): string {
  return [model, revision & 0xfff0, productId, ecoId, customerId]
    .map((value) => (value >>> 0).toString(16))
    .join("-");
}

/** What nobody can guess: the name of a channel or a board. 32 hexadecimal digits. */
export function newToken(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)));
}

export const isToken = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9a-f]{32}$/.test(value);

export interface Subjects {
  /** Every board answers with its health. */
  health: string;
  /** Boards say here that they come, are full, have room again, or leave. */
  news: string;
  /** One board of the queue group answers a request for a channel. */
  open(chip: ChipIdentity): string;
  /** The same, to one board. */
  openBoard(board: string): string;
  /** The two directions of a channel. */
  toBoard(channel: string): string;
  toClient(channel: string): string;
  /** Prefix of subjects for answers. */
  inbox: string;
}

export function subjectsOf(group: string): Subjects {
  const root = `tilewright.${checkGroup(group)}`;
  return {
    health: `${root}.health`,
    news: `${root}.news`,
    open: (chip) => `${root}.open.${chipKey(chip)}`,
    openBoard: (board) => `${root}.board.${board}.open`,
    toBoard: (channel) => `${root}.channel.${channel}.board`,
    toClient: (channel) => `${root}.channel.${channel}.client`,
    inbox: `${root}.inbox`,
  };
}
