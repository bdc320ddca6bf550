// What the page may load and where it may connect: its own files, and boards that the user names. Nothing inline, no eval.
// SPDX-License-Identifier: MIT

export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  // WASM modules are compiled, which 'wasm-unsafe-eval' allows; eval of text stays forbidden.
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src blob:",
  // ws: and wss: for boards. A page of https: reaches wss: only.
  "connect-src 'self' ws: wss:",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** What the server that comes with the preview sends besides; frame-ancestors works in a header only. */
export const SECURITY_HEADERS = {
  "Content-Security-Policy": `${CONTENT_SECURITY_POLICY}; frame-ancestors 'none'`,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
};
