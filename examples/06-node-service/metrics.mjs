// Counters and gauges in Prometheus' text format.
// SPDX-License-Identifier: MIT

const BUCKETS = [0.1, 0.3, 1, 3, 10, 30];

export class Metrics {
  #requests = new Map();
  #compilations = new Map();
  #buckets = BUCKETS.map(() => 0);
  #seconds = 0;
  #count = 0;
  #uploaded = 0;

  answered(status) {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
  }

  uploaded(bytes) {
    this.#uploaded += bytes;
  }

  /** @param outcome "ok", or the code of the error */
  compiled(outcome, seconds) {
    this.#compilations.set(outcome, (this.#compilations.get(outcome) ?? 0) + 1);
    this.#seconds += seconds;
    this.#count++;
    for (const [i, most] of BUCKETS.entries()) if (seconds <= most) this.#buckets[i]++;
  }

  /** @param gauges values of this moment: name -> [help, number] */
  text(gauges) {
    const lines = [];
    const family = (name, type, help, samples) =>
      lines.push(
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(([suffix, value]) => `${name}${suffix} ${value}`),
      );
    const labelled = (counts, label) =>
      [...counts].map(([value, count]) => [`{${label}="${value}"}`, count]);
    const requests = labelled(this.#requests, "status");
    family("tilewright_requests_total", "counter", "Answered requests.", requests);
    const compilations = labelled(this.#compilations, "outcome");
    family("tilewright_compilations_total", "counter", "Ended compilations.", compilations);
    family("tilewright_compile_seconds", "histogram", "Duration of compilations.", [
      ...BUCKETS.map((most, i) => [`_bucket{le="${most}"}`, this.#buckets[i]]),
      ['_bucket{le="+Inf"}', this.#count],
      ["_sum", this.#seconds],
      ["_count", this.#count],
    ]);
    const bytes = [["", this.#uploaded]];
    family("tilewright_upload_bytes_total", "counter", "Bytes of uploaded models.", bytes);
    for (const [name, [help, value]] of Object.entries(gauges))
      family(`tilewright_${name}`, "gauge", help, [["", value]]);
    return `${lines.join("\n")}\n`;
  }
}
