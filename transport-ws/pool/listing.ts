// Who is in a pool: a health request to all boards.
// SPDX-License-Identifier: MIT
import { NpuError } from "../../core-as/errors.ts";
import { chipKey, type Subjects } from "./subjects.ts";
import type { Bus } from "./bus.ts";
import { parseHealth, type BoardHealth } from "./messages.ts";
import { gather } from "./requests.ts";

/** Boards that a listing holds. */
const MAX_LISTED = 4096;

const NOTHING = new Uint8Array(0);

/**
 * Asks all boards how they are and collects answers for `timeoutMs`; ends at once when the server knows no board. What is no
 * valid answer is left out. Sorted by name.
 * @param saw called with each board as soon as it has answered
 */
export async function collectHealth(
  bus: Bus,
  subjects: Subjects,
  timeoutMs: number,
  saw: (board: BoardHealth) => void = () => {},
): Promise<BoardHealth[]> {
  const boards = new Map<string, BoardHealth>();
  const asked = performance.now();
  await gather(bus, subjects.health, NOTHING, timeoutMs, ({ data, nobody }) => {
    if (nobody) return true;
    try {
      const health = { ...parseHealth(data), roundTripMs: performance.now() - asked };
      if (!boards.has(health.id)) saw(health);
      boards.set(health.id, health);
    } catch (error) {
      if (!(error instanceof NpuError)) throw error;
    }
    return boards.size >= MAX_LISTED;
  });
  const key = ({ name, chip, id }: BoardHealth): string => `${name} ${chipKey(chip)} ${id}`;
  return [...boards.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
