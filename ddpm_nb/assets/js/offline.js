// The site's service worker: keeps what was loaded, so that it works without a network afterwards.
//
// Pages come from the network where it is there. What lies in live/, model and runtimes, belongs
// to one build of the site, whose mark is in the cache's name, and is loaded once.

const CACHE = "ddpm_nb-VERSION";
const LIVE = new URL("live/", self.registration.scope).href;

/** Keep an answer, and hand it on. */
async function keep(request, response) {
  if (response.ok && response.status === 200) {
    const cache = await caches.open(CACHE);
    await cache.put(request, response.clone());
  }
  return response;
}

async function fromCacheFirst(request) {
  return (await caches.match(request)) ?? keep(request, await fetch(request));
}

async function fromNetworkFirst(request) {
  try {
    return await keep(request, await fetch(request));
  } catch (error) {
    const kept = await caches.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("install", () => self.skipWaiting());

/** Drop what earlier builds kept, take over the open pages, and keep what they had loaded. */
async function takeOver() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("ddpm_nb-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
  const cache = await caches.open(CACHE);
  for (const client of await self.clients.matchAll({ type: "window" })) {
    client.postMessage("what did you load?");
    await cache.add(client.url).catch((error) => console.info(String(error)));
  }
}

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

self.addEventListener("message", ({ data }) => {
  const isOurs = (url) => url.startsWith(self.registration.scope);
  caches.open(CACHE).then((cache) => cache.addAll([...new Set(data.filter(isOurs))]));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  const isLive = request.url.startsWith(LIVE);
  event.respondWith(isLive ? fromCacheFirst(request) : fromNetworkFirst(request));
});
