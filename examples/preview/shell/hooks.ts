// What several components of the shell do with the browser.
// SPDX-License-Identifier: MIT
import { useEffect, useState } from "preact/hooks";
import type { Controller, State } from "./controller.ts";

/** The page's state; draws again when it changes. */
export function useController(controller: Controller): State {
  const [state, setState] = useState(controller.state);
  useEffect(() => {
    setState(controller.state);
    return controller.subscribe(() => setState(controller.state));
  }, [controller]);
  return state;
}

/** True while a media query holds. */
export function useMedia(query: string): boolean {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const update = (): void => setHolds(list.matches);
    update();
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [query]);
  return holds;
}

/** Calls a listener of the document for as long as the component is there. */
export function useDocumentEvent<K extends keyof DocumentEventMap>(
  name: K,
  listener: (event: DocumentEventMap[K]) => void,
): void {
  useEffect(() => {
    document.addEventListener(name, listener);
    return () => document.removeEventListener(name, listener);
  });
}
