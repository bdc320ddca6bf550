// The bar at the top: name, file, theme, and the settings that the compiler is told.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { ACCURACIES, CHIPS } from "../../../core-as/index.ts";
import type { Controller, State } from "./controller.ts";
import { useDocumentEvent } from "./hooks.ts";
import { AutoIcon, LinkIcon, Logo, MoonIcon, OpenIcon, SlidersIcon, SunIcon } from "./icons.tsx";
import { DEFAULTS, type Settings, type Theme } from "./settings.ts";

interface Props {
  controller: Controller;
  state: State;
}

export function Header({ controller, state }: Props): JSX.Element {
  return (
    <header class="top">
      <div class="top-row">
        <a class="brand" href="#" onClick={(event) => (event.preventDefault(), controller.close())}>
          <Logo />
          <span>
            Tilewright <span class="brand-what">preview</span>
          </span>
        </a>
        <div class="top-actions">
          <FileButton controller={controller} />
          <CopyLink controller={controller} />
          <ThemeButton
            theme={state.settings.theme}
            choose={(theme) => controller.change({ theme })}
          />
        </div>
      </div>
      <Choices controller={controller} state={state} />
    </header>
  );
}

/** A button that opens the browser's choice of files. */
export function FileButton({
  controller,
  primary = false,
}: {
  controller: Controller;
  primary?: boolean;
}): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const choose = (event: JSX.TargetedEvent<HTMLInputElement>): void => {
    const file = event.currentTarget.files?.[0];
    // The same file can be chosen again once it was changed.
    event.currentTarget.value = "";
    if (file) void controller.openFile(file);
  };
  return (
    <>
      <button
        type="button"
        class={primary ? "button primary" : "button"}
        onClick={() => input.current?.click()}
      >
        <OpenIcon /> {primary ? "Choose a file" : <span class="wide-only">Open file</span>}
        {!primary && <span class="narrow-only">Open</span>}
      </button>
      <input
        ref={input}
        type="file"
        accept=".tflite,.twx"
        hidden
        aria-label="Model or executable"
        onChange={choose}
      />
    </>
  );
}

/** The address holds all settings; the model never. */
function CopyLink({ controller }: { controller: Controller }): JSX.Element {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(location.href);
      controller.announce("Link to these settings copied; the model is not part of it.");
    } catch {
      controller.announce("The browser does not allow copying; the address bar holds the link.");
    }
  };
  return (
    <button
      type="button"
      class="button icon-only"
      title="Copy a link to these settings (not to the model)"
      onClick={() => void copy()}
    >
      <LinkIcon />
      <span class="hidden">Copy link to these settings</span>
    </button>
  );
}

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };
const THEME_ICONS = { auto: AutoIcon, light: SunIcon, dark: MoonIcon };

function ThemeButton({ theme, choose }: { theme: Theme; choose(theme: Theme): void }): JSX.Element {
  const ThemeIcon = THEME_ICONS[theme];
  const next = NEXT_THEME[theme];
  return (
    <button
      type="button"
      class="button icon-only"
      title={`Colours: ${theme}. Switch to ${next}.`}
      onClick={() => choose(next)}
    >
      <ThemeIcon />
      <span class="hidden">{`Colours: ${theme}; switch to ${next}`}</span>
    </button>
  );
}

function Choices({ controller, state }: Props): JSX.Element {
  const { settings, source, shown } = state;
  // An executable is what it was compiled as.
  const fixed = source?.kind === "twx";
  const chip = fixed ? (shown?.chip ?? settings.chip) : settings.chip;
  const mode = fixed ? (shown?.mode ?? settings.mode) : settings.mode;
  const known = CHIPS.some(({ name }) => name === chip);
  return (
    <form class="choices" aria-label="Compiler settings" onSubmit={(e) => e.preventDefault()}>
      <label class="field">
        <span>Chip</span>
        <select
          value={chip}
          disabled={fixed}
          onChange={(event) => controller.change({ chip: event.currentTarget.value })}
        >
          {!known && <option value={chip}>{chip}</option>}
          {CHIPS.map(({ name, nnCoreVersion, evidence }) => (
            <option key={name} value={name}>
              {`${name} (v${nnCoreVersion}${evidence === "captured" ? "" : ", never captured"})`}
            </option>
          ))}
        </select>
      </label>
      <fieldset class="segments" disabled={fixed}>
        <legend>Mode</legend>
        {(["optimised", "compatible"] as const).map((name) => (
          <label key={name}>
            <input
              type="radio"
              name="mode"
              value={name}
              checked={mode === name}
              onChange={() => controller.change({ mode: name })}
            />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <Options settings={settings} fixed={fixed} change={(patch) => controller.change(patch)} />
    </form>
  );
}

type Switch = "exactRounding" | "capturedOnly" | "allowQuirks";

const SWITCHES: readonly [name: Switch, mode: Settings["mode"], title: string, help: string][] = [
  [
    "exactRounding",
    "optimised",
    "Exact rounding",
    "Convolutions equal to TFLite's in every byte, in several jobs where one cannot; slower.",
  ],
  [
    "capturedOnly",
    "optimised",
    "Captured mechanisms only",
    "Leave operators on the CPU whose NPU form no capture of a driver shows.",
  ],
  [
    "allowQuirks",
    "compatible",
    "Allow quirks",
    "Emit the reference driver's bytes even where they compute wrong results.",
  ],
];

/** Switches of the mode that is chosen, in a box that opens under its button. */
function Options({
  settings,
  fixed,
  change,
}: {
  settings: Settings;
  fixed: boolean;
  change(patch: Partial<Settings>): void;
}): JSX.Element {
  const box = useRef<HTMLDetailsElement>(null);
  const own = SWITCHES.filter(([, mode]) => mode === settings.mode);
  const hasAccuracy = settings.mode === "optimised";
  const changed = hasAccuracy && settings.accuracy !== DEFAULTS.accuracy;
  const on = own.filter(([name]) => settings[name]).length + Number(changed);
  useDocumentEvent("pointerdown", ({ target }) => {
    if (box.current?.open && !box.current.contains(target as Node)) box.current.open = false;
  });
  const close = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !box.current?.open) return;
    box.current.open = false;
    box.current.querySelector("summary")?.focus();
    event.stopPropagation();
  };
  return (
    <details class="options" ref={box} onKeyDown={close}>
      <summary class="button">
        <SlidersIcon /> Options{on > 0 && <span class="count">{on}</span>}
      </summary>
      <div class="options-box">
        {hasAccuracy && (
          <label class="switch">
            <span>
              <b>Accuracy</b>
              <small>Error budget of layers with a scale for each channel; exact costs jobs.</small>
            </span>
            <select
              value={settings.accuracy}
              disabled={fixed}
              onChange={(event) =>
                change({ accuracy: event.currentTarget.value as Settings["accuracy"] })
              }
            >
              {ACCURACIES.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {own.map(([name, , title, help]) => (
          <label class="switch" key={name}>
            <input
              type="checkbox"
              checked={settings[name]}
              disabled={fixed}
              onChange={(event) => change({ [name]: event.currentTarget.checked })}
            />
            <span>
              <b>{title}</b>
              <small>{help}</small>
            </span>
          </label>
        ))}
      </div>
    </details>
  );
}
