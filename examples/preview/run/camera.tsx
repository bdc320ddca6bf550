// A picture from the camera. Every state of the permission is said in words; the camera is on only while its picture is shown.
// SPDX-License-Identifier: MIT
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

type CameraState =
  { is: "asking" } | { is: "live"; stream: MediaStream } | { is: "failed"; why: string };

/** Why there is no camera, for people. */
function reasonOf(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "The camera is not allowed for this page. Allow it in the browser's settings for this site, then try again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "This device has no camera.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is used by another program, or cannot be started.";
    default:
      return `The camera cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const INSECURE =
  "Browsers open the camera for https pages and for this computer's own (localhost) only.";

export function Camera({
  take,
  close,
}: {
  take(frame: ImageBitmap): void;
  close(): void;
}): JSX.Element {
  const [state, setState] = useState<CameraState>({ is: "asking" });
  const [attempt, setAttempt] = useState(0);
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    let stream: MediaStream | null = null;
    let gone = false;
    const stop = (): void => stream?.getTracks().forEach((track) => track.stop());
    setState({ is: "asking" });
    openCamera().then(
      (opened) => {
        stream = opened;
        if (gone) stop();
        else setState({ is: "live", stream: opened });
      },
      (error: unknown) => !gone && setState({ is: "failed", why: reasonOf(error) }),
    );
    return () => {
      gone = true;
      stop();
    };
  }, [attempt]);
  useEffect(() => {
    if (video.current && state.is === "live") video.current.srcObject = state.stream;
  }, [state]);
  const shoot = async (): Promise<void> => {
    if (!video.current || video.current.videoWidth === 0) return;
    take(await createImageBitmap(video.current, { colorSpaceConversion: "none" }));
  };
  return (
    <div class="camera">
      <div class="camera-view">
        {state.is === "live" ? (
          <video ref={video} autoplay muted playsInline aria-label="Picture of the camera" />
        ) : (
          <p role={state.is === "failed" ? "alert" : "status"}>
            {state.is === "asking" ? "Waiting for your permission to use the camera …" : state.why}
          </p>
        )}
      </div>
      <div class="row">
        {state.is === "failed" ? (
          <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>
            Try again
          </button>
        ) : (
          <button
            type="button"
            class="button primary"
            disabled={state.is !== "live"}
            onClick={() => void shoot()}
          >
            Take picture
          </button>
        )}
        <button type="button" class="button" onClick={close}>
          Close camera
        </button>
      </div>
    </div>
  );
}

function openCamera(): Promise<MediaStream> {
  if (!navigator.mediaDevices?.getUserMedia) return Promise.reject(new Error(INSECURE));
  return navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1280 } },
    audio: false,
  });
}
