// docs/protocol.md: tables from the declared frames, prose about what they mean together.
// SPDX-License-Identifier: MIT
import type { Field } from "../transport-ws/protocol/fields.ts";
import { FRAMES, HELLO_BYTES, VERSIONS } from "../transport-ws/protocol.ts";
import { CHUNK_BYTES, UPLOAD_WINDOW } from "../transport-ws/agent/upload.ts";
import { DEFAULT_LIMITS } from "../transport-ws/agent/limits.ts";

const SENDERS = { client: "client → agent", agent: "agent → client", both: "both ways" } as const;

const hex = (type: number): string => `0x${type.toString(16).padStart(2, "0")}`;

function rows(fields: Readonly<Record<string, Field<unknown>>>, indent = ""): string[] {
  return Object.entries(fields).flatMap(([name, field]) => [
    `| ${indent}\`${name}\` | ${field.kind} | ${field.doc} |`,
    ...("entry" in field
      ? rows(field.entry as Readonly<Record<string, Field<unknown>>>, `${indent}↳ `)
      : []),
  ]);
}

function frameSections(): string {
  return FRAMES.map(({ name, type, from, doc, fields }) => {
    const table = rows(fields);
    const body =
      table.length === 0
        ? "No fields.\n"
        : `| field | form | meaning |\n|---|---|---|\n${table.join("\n")}\n`;
    return `### ${name}, ${hex(type)}\n\n${SENDERS[from]}. ${doc}\n\n${body}`;
  }).join("\n");
}

function limitRows(): string {
  return Object.entries(DEFAULT_LIMITS)
    .map(([name, value]) => `| \`${name}\` | ${value} |`)
    .join("\n");
}

export function protocolPage(notice: string): string {
  return `${notice}
# The board protocol, version ${VERSIONS.max}

What \`tilewright serve\` and its clients say to each other. It runs on anything that carries whole frames in order: one frame is one
binary WebSocket message (\`transport-ws/channel.ts\` names what else a carrier has to do). Frames are declared in
\`transport-ws/protocol/frames.ts\`; encoder, decoder, the tables below and the mutation tests follow from those declarations.

1. [Forms](#forms)
2. [From hello to the end](#from-hello-to-the-end)
3. [Executables](#executables)
4. [Runs and credits](#runs-and-credits)
5. [Exactly once](#exactly-once)
6. [Silence](#silence)
7. [Errors and close codes](#errors-and-close-codes)
8. [Limits](#limits)
9. [Security](#security)
10. [Frames](#frames)

## Forms

A frame is one byte of type and its fields in order, without gaps. Numbers are little endian and unsigned: \`u8\`, \`u16\`, \`u32\`, and \`u53\`, which
is 64 bits wide and below 2^53. \`f32\` and \`f64\` are finite. Texts are UTF-8 behind their length (\`u16\`), lists are entries behind
their number (\`u16\`). A decoder checks every length against its limit and against what is left of the frame before it allocates anything;
bytes behind the last field are an error, and so is an unknown type.

## From hello to the end

| state | the agent takes | the client takes |
|---|---|---|
| greeting | hello, nothing else, within \`helloMs\`, at most ${HELLO_BYTES} bytes | welcome, failed |
| open | load, chunk, abandon, unload, run, cancel, ping, pong, goodbye; resume before the first run | everything but welcome |
| ended | nothing | nothing |

Whatever comes in another state, or from the wrong side, ends the connection with TW_IO_PROTOCOL.

* The client sends **hello** with the versions that it speaks. \`magic\`, \`minVersion\` and \`maxVersion\` stand at the same place in every version, and
  so does the whole of **failed**: sides of different versions understand each other well enough to say so. The agent takes the highest version that both speak.
* The agent answers **welcome**: its chip, device and evidence, and what this connection may use. Limits do not change while it lasts.
* **shutdown** announces the agent's end: it answers the runs that it has, refuses new loads and runs with TW_IO_CLOSED, and closes with 1001.
* **goodbye** is the client's end: nothing of it is kept.

## Executables

An executable is a .twx file ([formats.md](formats.md)), named by the SHA-256 of its bytes. \`load\` asks for it; an agent that has it in its cache answers
\`loaded\` at once. Otherwise it answers \`wanted\`, and the client sends the file in \`chunk\` frames of at most ${CHUNK_BYTES} bytes, up to ${UPLOAD_WINDOW} bytes ahead
of the last \`progress\`; an agent that holds uploads to a rate holds \`progress\` back. Then the agent checks the digest, keeps the file, parses it,
checks its chip, proves its submits ([submit-check.md](submit-check.md)), loads it on its transport and answers \`loaded\` with a session handle and the sizes of all
inputs and outputs. Every load has exactly one answer, \`loaded\` or \`failed\`. Sessions of one executable share its memory on the board, whoever opened them.

## Runs and credits

A run is one frame there and one frame back: all inputs, then all outputs, in the sizes that \`loaded\` gave. With WebSocket's own headers that
is at most 52 bytes beside inputs and outputs: 12 + 16 of the frames, 14 + 10 of WebSocket.

\`welcome\` grants credits: \`runs\` runs may be unanswered at a time, with \`runBytes\` bytes of inputs and outputs together (one run alone is always allowed). A run takes
one, its answer gives it back; no other frame is needed. A run without a credit ends the connection with TW_IO_LIMIT. The agent serves connections in turns,
the runs of one connection in their order. Several runs may be with the transport at a time, so answers may change places.

\`cancel\` takes a run back. If it waits, it is answered by failed with TW_IO_ABORTED; if it runs, the transport is asked to stop and the answer
comes when it has. With \`profile\` a run is answered by \`profiled\`, which holds times of steps and, where the transport can tell, of jobs.

## Exactly once

Every run that an agent accepts is answered, or its client learns what became of it. Nothing is executed twice.

* A client names itself by 16 random bytes in \`hello\` and keeps them over reconnects. Its run ids rise over all its connections.
* When a connection ends, the agent throws its waiting runs away and notes their ids, asks running ones to stop, and remembers the highest id that it received. It keeps
  that for \`clientMs\` after the client left, for at most \`clients\` clients.
* When the client comes again, the agent first ends what may be left of the connection before, so that nothing of it can be read later. If \`boot\` is still the
  same and \`known\` is set, the client asks with \`resume\` for the runs that have no answer. The agent says of each: **unknown**, it was never received;
  **waiting**, it was received and thrown away unstarted; **started**, it was given to the transport.
* Unknown and waiting runs are sent again, with new ids; each is decided once. Started ones are reported with TW_IO_LOST. If the agent was started anew or has
  forgotten the client, all runs that were sent are reported with TW_IO_LOST. Runs that were never sent are sent on the new connection.
* Sessions are loaded again before that, by digest; the file is uploaded only if the board does not have it any more.

## Silence

Both sides send \`ping\` when they have heard nothing for a while, as frames, because browsers cannot send WebSocket pings. An agent drops a connection that
is silent for \`idleMs\`; a client one that is silent for three times its keep-alive time and \`patienceMs\`. The latter is how long an agent may be silent
because its transport computes in the event loop, as the simulator does. Time in which a side's own event loop was blocked does not count: nobody
could be heard during it.

## Errors and close codes

\`failed\` carries the code ([errors.md](errors.md)), the message and the place of an error of the board; it arrives as an error of the same class. About a load or a run it is
their answer. About the connection it is the agent's last frame.

| close code | meaning |
|---|---|
| 1000 | goodbye |
| 1001 | the agent was shut down |
| 1002 | a frame broke the protocol (TW_IO_PROTOCOL), or no common version (TW_IO_VERSION) |
| 1003 | a text message |
| 1008 | wrong token (TW_IO_AUTH), a limit (TW_IO_LIMIT), a time limit (TW_IO_TIMEOUT) |
| 1009 | a message larger than \`frameBytes\` |
| 1011 | the board's device failed |
| 1013 | too many connections; try later |

Scripts in browsers may close with 1000 and 3000 to 4999 only: there the client adds 3000 to all but 1000.

## Limits

Bytes and milliseconds. A peer that takes less than \`slowReaderBytes\` of what waits for it within \`slowReaderMs\` is dropped. Uploads are
held to a rate when one is set (0 = none).

| limit | default |
|---|---|
${limitRows()}

## Security

* An agent that listens on anything but loopback demands a token. It travels in the first frame, never in an address, and is compared in constant time; wrong ones are answered
  late, and an address that sends many has to wait. Clients refuse to send a token unencrypted to another machine unless they are told to.
* Requests with an \`Origin\` are those of web pages and are refused unless the origin was allowed. On loopback the \`Host\` has to be a
  loopback name, so that no foreign name can be pointed there (DNS rebinding).
* Executables come from the network: they are parsed with all bounds checked, and their command streams are the business of the transport's check before a submit.

## Frames

${frameSections()}`;
}
