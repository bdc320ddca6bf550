// Reads from an ELF file what tells where it will load: machine, needed libraries, symbol versions.
// SPDX-License-Identifier: MIT

const SECTION_DYNAMIC = 6;
const SECTION_VERSION_NEEDS = 0x6ffffffe;
const SECTION_DYNAMIC_SYMBOLS = 11;
const TAG_NEEDED = 1;

const MACHINES: Readonly<Record<number, string>> = { 62: "x64", 183: "arm64" };

export interface ElfNeeds {
  machine: string;
  libraries: string[];
  /** e.g. "GLIBC_2.17" */
  versions: string[];
  /** Names of symbols that other libraries have to define. */
  imports: string[];
}

interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
}

/** @throws Error for anything but a 64-bit little-endian ELF file */
export function readElfNeeds(file: Buffer): ElfNeeds {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error("not a 64-bit little-endian ELF file");
  const sections = readSections(file);
  const text = (table: Section, at: number): string => {
    const start = table.offset + at;
    return file.toString("latin1", start, file.indexOf(0, start));
  };
  const of = (type: number): Section[] => sections.filter((section) => section.type === type);
  return {
    machine: MACHINES[file.readUInt16LE(18)] ?? `machine ${file.readUInt16LE(18)}`,
    libraries: of(SECTION_DYNAMIC).flatMap((section) =>
      entries(section, 16)
        .filter(({ at }) => Number(file.readBigUInt64LE(at)) === TAG_NEEDED)
        .map(({ at }) => text(sections[section.link]!, Number(file.readBigUInt64LE(at + 8)))),
    ),
    versions: of(SECTION_VERSION_NEEDS).flatMap((section) =>
      versionNames(file, section).map((at) => text(sections[section.link]!, at)),
    ),
    imports: of(SECTION_DYNAMIC_SYMBOLS).flatMap((section) =>
      entries(section, 24)
        .filter(({ at }) => file.readUInt16LE(at + 6) === 0)
        .map(({ at }) => text(sections[section.link]!, file.readUInt32LE(at)))
        .filter((name) => name !== ""),
    ),
  };
}

function readSections(file: Buffer): Section[] {
  const start = Number(file.readBigUInt64LE(40));
  const bytes = file.readUInt16LE(58);
  const count = file.readUInt16LE(60);
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * bytes;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
    };
  });
}

function entries({ offset, size }: Section, bytes: number): { at: number }[] {
  return Array.from({ length: Math.floor(size / bytes) }, (_, i) => ({ at: offset + i * bytes }));
}

/** Offsets of the names of all versions that all libraries have to have. */
function versionNames(file: Buffer, { offset }: Section): number[] {
  const names: number[] = [];
  for (let need = offset; ; need += file.readUInt32LE(need + 12)) {
    let version = need + file.readUInt32LE(need + 8);
    for (let i = file.readUInt16LE(need + 2); i > 0; i--) {
      names.push(file.readUInt32LE(version + 8));
      version += file.readUInt32LE(version + 12);
    }
    if (file.readUInt32LE(need + 12) === 0) return names;
  }
}
