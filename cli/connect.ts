// Opens what --on names, and finds the chip that a model is to be compiled for.
// SPDX-License-Identifier: MIT
import type { Command } from "commander";
import {
  chipByIdentity,
  createNullTransport,
  createReplayTransport,
  createSimTransport,
  ExecutableError,
  parseExecutable,
  targetChip,
  type Chip,
  type ChipIdentity,
  type Evidence,
  type Executable,
  type Transport,
} from "../core-as/index.ts";
import { compileModel, isExecutable, readBytes } from "./files.ts";
import { compileFlags, type CompileFlags, type TransportFlags } from "./flags.ts";
import { openFileSink } from "./record-file.ts";
import type { Place } from "./on.ts";
import { openRemote } from "./remote.ts";

/** A transport and what is known about it. */
export interface Connection {
  place: Place;
  transport: Transport;
  /** Of a replay: the transport that was recorded. */
  recorded?: string;
  /** Of a board: sim, or the path of its device. */
  device?: string;
  /** What results will be worth, where that is known before the first one. */
  evidence?: Evidence;
  close(): Promise<void>;
}

/** An executable and where it runs. */
export interface Prepared {
  executable: Executable;
  connection: Connection;
}

/**
 * Opens a transport.
 * @param chip of simulators and of the null transport; devices and boards have their own
 * @param only boards of a pool that are to be used: those with this chip; undefined: any
 * @throws TransportError TW_IO_ codes; exit code 3 but for files
 */
export async function openPlace(
  place: Place,
  flags: TransportFlags,
  chip: Chip,
  only?: ChipIdentity,
): Promise<Connection> {
  const of = (transport: Transport, more: Partial<Connection> = {}): Connection => ({
    place,
    transport,
    close: () => transport.close(),
    ...more,
  });
  switch (place.kind) {
    case "sim":
      return of(await simulatorOf(chip, flags.threads), { evidence: "simulated" });
    case "null":
      return of(createNullTransport(chip), { evidence: "none" });
    case "replay": {
      const replay = await createReplayTransport(readBytes(place.file));
      return of(replay, { recorded: replay.recordedTransport });
    }
    case "drm": {
      // Only now: the other verbs do without the addon.
      const { openDrm } = await import("../transport-node/index.ts");
      const drm = await openDrm({
        ...(place.path !== undefined && { path: place.path }),
        overlap: flags.overlap === true,
      });
      return { ...of(drm, { evidence: drm.evidence }), place: { ...place, path: drm.path } };
    }
    case "board":
    case "pool": {
      const { transport, ...about } = await openRemote(place, flags, only);
      return of(transport, about);
    }
  }
}

async function simulatorOf(chip: Chip, threads = 1): Promise<Transport> {
  if (threads === 1) return createSimTransport(chip);
  const { nodeSimThreads } = await import("../transport-node/index.ts");
  return createSimTransport(chip, { threads: nodeSimThreads(threads) });
}

/**
 * Reads an executable, or compiles a model for the chip of the place where it is to run.
 * @param command the verb: tells whether --target was given
 * @throws ExecutableError TW_EXE_CHIP when --target contradicts the place
 */
export async function prepare(
  path: string,
  flags: CompileFlags & TransportFlags,
  command: Command,
): Promise<Prepared> {
  const bytes = readBytes(path);
  const given = isExecutable(path, bytes) ? parseExecutable(bytes) : null;
  const chip = given === null ? targetChip(flags.target) : knownChip(given.chip);
  const isGiven = given !== null || isTargetGiven(command);
  const connection = await openPlace(flags.on, flags, chip, isGiven ? chip : undefined);
  try {
    const executable = given ?? (await compileFor(connection, bytes, flags, command));
    return { executable, connection: await recording(connection, flags.record) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** What TW_CHIP says is a default, not a demand. */
const isTargetGiven = (command: Command): boolean =>
  command.getOptionValueSource("target") === "cli";

function knownChip(identity: Executable["chip"]): Chip {
  const chip = chipByIdentity(identity);
  if (chip === undefined)
    throw new ExecutableError("TW_EXE_CHIP", `the chip ${identity.name} is not known here`);
  return chip;
}

async function compileFor(
  connection: Connection,
  bytes: Uint8Array,
  flags: CompileFlags,
  command: Command,
): Promise<Executable> {
  const target = targetOf(connection, flags, command);
  const { executable } = await compileModel(bytes, { ...compileFlags(flags), target }, true);
  return executable;
}

/**
 * The target to compile for: the chip of the place.
 * @throws ExecutableError TW_EXE_CHIP when --target was given and is another one
 */
function targetOf({ transport, place }: Connection, flags: CompileFlags, command: Command): string {
  const target = chipOf(transport.chip, place);
  if (isTargetGiven(command) && targetChip(flags.target).name !== target.name)
    throw new ExecutableError(
      "TW_EXE_CHIP",
      `--target ${flags.target}, but ${placeText(place)} has the chip ${target.name}; leave --target away, or run elsewhere`,
    );
  return target.name;
}

/** Opens the place where models are to run, and tells what they have to be compiled for. */
export async function openForModels(
  flags: CompileFlags & TransportFlags,
  command: Command,
): Promise<{ connection: Connection; target: string }> {
  const chip = targetChip(flags.target);
  const only = isTargetGiven(command) ? chip : undefined;
  const connection = await openPlace(flags.on, flags, chip, only);
  try {
    return { connection, target: targetOf(connection, flags, command) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function chipOf(identity: ChipIdentity, place: Place): Chip {
  const chip = chipByIdentity(identity);
  if (chip === undefined)
    throw new ExecutableError(
      "TW_EXE_CHIP",
      `the chip of ${placeText(place)} is in no table of this version, so nothing can be compiled for it`,
    );
  return chip;
}

export function placeText(place: Place): string {
  switch (place.kind) {
    case "sim":
      return "the simulator";
    case "null":
      return "the null transport";
    case "drm":
      return `the device${place.path === undefined ? "" : ` ${place.path}`}`;
    case "replay":
      return `the recording ${place.file}`;
    case "board":
      return `the board at ${place.url}`;
    case "pool":
      return `the pool ${place.url}`;
  }
}

/** The same connection, written down into a file. */
async function recording(connection: Connection, path: string | undefined): Promise<Connection> {
  if (path === undefined) return connection;
  const { transport, close } = await openFileSink(connection.transport, path);
  return { ...connection, transport, close };
}
