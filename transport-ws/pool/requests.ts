// Asking on the queue server: one answer, or all that come within a time.
// SPDX-License-Identifier: MIT
import type { Bus, BusMessage } from "./bus.ts";
import { newToken } from "./subjects.ts";

/** nobody: the server knows no listener; silent: no answer in time, or the connection was lost. */
export type Answer = { kind: "answer"; data: Uint8Array } | { kind: "nobody" } | { kind: "silent" };

/** Sends a request and waits for the first answer. Never rejects. */
export async function ask(
  bus: Bus,
  subject: string,
  data: Uint8Array,
  timeoutMs: number,
): Promise<Answer> {
  let answer: Answer = { kind: "silent" };
  await gather(bus, subject, data, timeoutMs, (message) => {
    answer = message.nobody ? { kind: "nobody" } : { kind: "answer", data: message.data };
    return true;
  });
  return answer;
}

/**
 * Sends a request and hands over every answer until `take` returns true, the time is over or the connection is lost. Never rejects.
 */
export async function gather(
  bus: Bus,
  subject: string,
  data: Uint8Array,
  timeoutMs: number,
  take: (message: BusMessage) => boolean,
): Promise<void> {
  if (!bus.connected) return;
  const reply = `${bus.inbox()}.${newToken()}`;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      answers.unsubscribe();
      states.unsubscribe();
      resolve();
    };
    const timer = setTimeout(finish, timeoutMs);
    const states = bus.onState((state) => {
      if (state !== "back") finish();
    });
    const answers = bus.subscribe(reply, (message) => {
      if (take(message)) finish();
    });
    bus.publish(subject, data, reply);
  });
}
