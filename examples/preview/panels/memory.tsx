// Where tensors lie in memory while jobs run, how much is alive, and what each job keeps on the chip.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { PanelProps } from "../panel-types.ts";
import { bytesText, percentText, plural } from "../shell/format.ts";
import { LiveChart } from "./live-chart.tsx";
import type { MemoryData, PartitionMemory } from "./memory-data.ts";
import { MapChart, momentText } from "./memory-map.tsx";
import { currentJob, Facts, Shown, useView } from "./parts.tsx";
import { SramChart } from "./sram.tsx";

export function MemoryPanel(props: PanelProps): JSX.Element {
  const view = useView<MemoryData>(props, "memory", {});
  return (
    <div class="hw-panel">
      <Shown view={view}>{(data) => <Partitions {...props} data={data} />}</Shown>
    </div>
  );
}

function Partitions(props: PanelProps & { data: MemoryData }): JSX.Element {
  const { data, compiled, selection } = props;
  const selected = currentJob(compiled.report, selection);
  const [chosen, setChosen] = useState<number>();
  const index = Math.min(chosen ?? selected?.partition ?? 0, data.partitions.length - 1);
  const memory = data.partitions[index];
  if (!memory || memory.jobs === 0)
    return <p class="notice">No operator runs on the NPU, so nothing lies in its memory.</p>;
  return (
    <>
      {data.partitions.length > 1 && (
        <label class="field">
          <span>Submit</span>
          <select value={index} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
            {data.partitions.map(({ partition, jobs }) => (
              <option value={partition} key={partition}>
                {partition}: {plural(jobs, "job")}
              </option>
            ))}
          </select>
        </label>
      )}
      <Facts facts={factsOf(memory, data)} />
      <Maps
        key={index}
        {...props}
        memory={memory}
        selectedJob={selected?.partition === index ? selected.job : undefined}
      />
    </>
  );
}

function factsOf({ bytes, peak, jobs, rows }: PartitionMemory, { sramBytes }: MemoryData) {
  const whole = rows.reduce((sum, row) => sum + row.bytes, 0);
  return [
    { name: "Tensor memory", value: bytesText(bytes), note: "all tensor buffers of the submit" },
    {
      name: "Most alive",
      value: bytesText(peak.bytes),
      note: momentText(peak.moment - 1, jobs),
    },
    {
      name: "Without sharing",
      value: bytesText(whole),
      note: `${plural(rows.length, "place")}; ${percentText(bytes / Math.max(whole, 1))} is taken`,
    },
    {
      name: "On-chip SRAM",
      value: sramBytes === 0 ? "not known" : bytesText(sramBytes),
      note: "for tiles of images and for coefficients",
    },
  ];
}

/** Map, live bytes and on-chip memory share the axis of jobs, and the job that is pointed at. */
function Maps({
  memory,
  data,
  selectedJob,
  select,
}: PanelProps & {
  memory: PartitionMemory;
  data: MemoryData;
  selectedJob: number | undefined;
}): JSX.Element {
  const [pointed, setPointed] = useState<number>();
  const job = Math.min(pointed ?? selectedJob ?? 0, memory.jobs - 1);
  const choose = (number: number): void => {
    const row = memory.sram[number];
    if (row) select({ op: row.sourceOp, partition: memory.partition, job: number });
  };
  return (
    <>
      <section class="card">
        <h2>Tensors in memory</h2>
        <p class="muted">
          Jobs from left to right, addresses from bottom to top. A box is a tensor or a part of one,
          from the job that writes it to the last one that reads it.
        </p>
        <MapChart memory={memory} job={job} setJob={setPointed} />
        <LiveChart memory={memory} job={job} />
      </section>
      <section class="card">
        <h2>On-chip SRAM</h2>
        <p class="muted">
          How each NN job splits the chip's memory into a cache of coefficients and one of image
          tiles.
        </p>
        <SramChart
          memory={memory}
          sramBytes={data.sramBytes}
          job={job}
          setJob={setPointed}
          choose={choose}
        />
      </section>
    </>
  );
}
