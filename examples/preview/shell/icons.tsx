// Icons of the shell. All are decoration: what they stand for is said in words beside them.
// SPDX-License-Identifier: MIT
import type { ComponentChildren, JSX } from "preact";

function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Logo = (): JSX.Element => (
  <svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
    <rect class="logo-back" width="32" height="32" rx="7" />
    <rect x="7" y="7" width="8" height="8" rx="1.5" />
    <rect x="17" y="7" width="8" height="8" rx="1.5" opacity=".55" />
    <rect x="7" y="17" width="8" height="8" rx="1.5" opacity=".55" />
    <rect x="17" y="17" width="8" height="8" rx="1.5" />
  </svg>
);

export const OpenIcon = (): JSX.Element => (
  <Icon>
    <path d="M8 10.5V2.5M4.8 5.4 8 2.2l3.2 3.2M2.5 10v2.2c0 .7.6 1.3 1.3 1.3h8.4c.7 0 1.3-.6 1.3-1.3V10" />
  </Icon>
);

export const LinkIcon = (): JSX.Element => (
  <Icon>
    <path d="M6.6 9.4a2.6 2.6 0 0 0 3.7 0l2.4-2.4a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.4 6.6a2.6 2.6 0 0 0-3.7 0L3.3 9A2.6 2.6 0 0 0 7 12.7l.9-.9" />
  </Icon>
);

export const CloseIcon = (): JSX.Element => (
  <Icon>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Icon>
);

export const SunIcon = (): JSX.Element => (
  <Icon>
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1" />
  </Icon>
);

export const MoonIcon = (): JSX.Element => (
  <Icon>
    <path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z" />
  </Icon>
);

export const AutoIcon = (): JSX.Element => (
  <Icon>
    <circle cx="8" cy="8" r="5.6" />
    <path class="fill" d="M8 2.4a5.6 5.6 0 0 1 0 11.2Z" />
  </Icon>
);

export const SlidersIcon = (): JSX.Element => (
  <Icon>
    <path d="M2 4.5h6.2M11.8 4.5H14M2 11.5h2.2M7.8 11.5H14" />
    <circle cx="10" cy="4.5" r="1.8" />
    <circle cx="6" cy="11.5" r="1.8" />
  </Icon>
);
