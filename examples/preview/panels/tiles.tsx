// How a job cuts its output into tiles, what a tile reads, and how kernels are dealt to cores. Drawn to scale.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import type { JobReport } from "../../../core-as/index.ts";
import type { PanelProps } from "../panel-types.ts";
import { bytesText, percentText, plural } from "../shell/format.ts";
import { PlainTable } from "../shell/plain-table.tsx";
import type { JobArgs } from "./job-fields.ts";
import { currentJob, Facts, JobChoice, jobName, Shown, useView, type Fact } from "./parts.tsx";
import { TileDrawing } from "./tile-drawing.tsx";
import type { NnTiles, TilesData, TpTiles } from "./tiles-data.ts";

export function TilesPanel(props: PanelProps): JSX.Element {
  const { compiled, selection, select } = props;
  // Without a choice a job that has tiles comes first.
  const fits = ({ kind }: JobReport): boolean => selection.job !== undefined || kind === "NN";
  const job = currentJob(compiled.report, selection, fits) ?? compiled.report.jobs[0];
  const view = useView<TilesData>(
    props,
    "tiles",
    job ? { partition: job.partition, job: job.job } : null,
  );
  if (!job) return <p class="notice">No operator runs on the NPU, so nothing is cut into tiles.</p>;
  return (
    <div class="hw-panel">
      <JobChoice compiled={compiled} current={job} select={select} />
      <Shown view={view}>
        {(data) => (data.kind === "NN" ? <NnJob tiles={data} /> : <TpJob tiles={data} />)}
      </Shown>
    </div>
  );
}

const sizes = ({ x, y, z }: { x: number; y: number; z: number }): string => `${x}×${y}×${z}`;

function nnFacts(tiles: NnTiles): Fact[] {
  const { shape, columns, rows, pooled, written, dealing, depthwise } = tiles;
  const count = columns * rows;
  const superblocks = dealing?.[0]?.length ?? 0;
  return [
    {
      name: "Output",
      value: sizes(shape.output),
      note: pooled
        ? `every second column and row is written: ${written.x}×${written.y}`
        : "columns × rows × channels",
    },
    {
      name: "Input",
      value: sizes(shape.input),
      note: depthwise ? "a channel for each output channel" : `kernel ${sizes(shape.kernel)}`,
    },
    {
      name: "Tiles",
      value: `${columns}×${rows}`,
      note: `${plural(count, "tile")} of ${shape.tile.x}×${shape.tile.y} pixels`,
    },
    {
      name: "A tile reads",
      value: bytesText(tiles.tileInputBytes),
      note: `all tiles read ${percentText(tiles.overlap)} of the image`,
    },
    {
      name: "Superblocks",
      value: superblocks === 0 ? "not known" : String(superblocks),
      note: `at most ${plural(tiles.kernelsPerSuperblock, "kernel")} a core at a time`,
    },
  ];
}

function NnJob({ tiles }: { tiles: NnTiles & JobArgs }): JSX.Element {
  return (
    <>
      <Facts facts={nnFacts(tiles)} />
      <TileDrawing key={jobName(tiles)} tiles={tiles} />
      <Dealing tiles={tiles} />
    </>
  );
}

/** Kernels by core and superblock; the blocks are as wide as their number of kernels. */
function Dealing({ tiles }: { tiles: NnTiles }): JSX.Element {
  const { dealing, kernelsPerSuperblock } = tiles;
  if (dealing === null)
    return <p class="notice">The format of the coefficients is not known for this chip.</p>;
  const superblocks = dealing[0]?.length ?? 0;
  return (
    <section class="card">
      <h2>Kernels by core and superblock</h2>
      <p class="muted">
        Every tile is computed superblock by superblock: each core takes its kernels of one
        superblock at a time
        {superblocks > 1
          ? ", and the tile is read again for the next one unless the image cache holds it."
          : "; here that is all of them."}
      </p>
      <PlainTable
        caption="Kernels by core and superblock"
        kind="dealing"
        region="fitting"
        head={[
          "Core, superblock",
          ...Array.from({ length: superblocks }, (_, i) => `>${i}`),
          ">All",
        ]}
      >
        {dealing.map((counts, core) => (
          <tr key={core}>
            <th scope="row">{core}</th>
            {counts.map((count, i) => (
              <td class="number" key={i}>
                <span class="share-bar" aria-hidden="true">
                  <span
                    style={{
                      transform: `scaleX(${count / Math.max(kernelsPerSuperblock, 1)})`,
                    }}
                  />
                </span>{" "}
                {count}
              </td>
            ))}
            <td class="number strong">{counts.reduce((a, b) => a + b, 0)}</td>
          </tr>
        ))}
      </PlainTable>
    </section>
  );
}

/** TP cores have no tiles of an output image: each walks a part of the input and writes by loops. */
function TpJob({ tiles }: { tiles: TpTiles }): JSX.Element {
  const place = (at: { buffer: number; offset: number } | null): string =>
    at === null ? "not relocated" : `buffer ${at.buffer} + ${at.offset}`;
  return (
    <section class="card">
      <h2>{plural(tiles.cores.length, "TP core")}</h2>
      <p class="muted">
        A TP job moves values: each core walks a window of its part of the input and writes where
        its output loops lead.
      </p>
      <PlainTable
        caption="TP cores of the job"
        label="TP cores"
        head={[
          "Core",
          "Input",
          "Window",
          "Reads from",
          "Writes to",
          "Output loops, innermost first",
        ]}
      >
        {tiles.cores.map(({ core, input, window, inputAt, outputAt, loops }) => (
          <tr key={core}>
            <th scope="row">{core}</th>
            <td>{sizes(input)}</td>
            <td>
              {window.width}×{window.height} at {window.x}, {window.y}
            </td>
            <td>{place(inputAt)}</td>
            <td>{place(outputAt)}</td>
            <td>
              {loops
                .map(({ count, step }) => `${count === null ? "rest" : `${count}×`} ${step} B`)
                .join(", ")}
            </td>
          </tr>
        ))}
      </PlainTable>
    </section>
  );
}
