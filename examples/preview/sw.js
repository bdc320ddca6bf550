// Service worker: the page opens without a network once it was opened with one. The network goes first, so nothing is ever stale.
// SPDX-License-Identifier: MIT

const CACHE = "tilewright-preview-%VERSION%";
/** All files of this build; the build puts them in. */
const FILES = "%FILES%";

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("tilewright-preview-") && name !== CACHE;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  const cached = async () => {
    const cache = await caches.open(CACHE);
    const page = request.mode === "navigate" ? await cache.match("index.html") : undefined;
    return page ?? (await cache.match(request)) ?? Response.error();
  };
  event.respondWith(fetch(request).catch(cached));
});
