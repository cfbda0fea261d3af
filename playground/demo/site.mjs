import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const banner = `<div role="dialog" aria-label="Cookie consent">We use cookies. <button>Accept</button></div>`;

/** What the site serves: every expectation of the demo is computed from this table. */
export const pages = {
  "/with-banner": { status: 200, title: "Bakery", banner: true },
  "/without-banner": { status: 200, title: "Library", banner: false },
  "/broken": { status: 503, title: "Out of order", banner: false },
  "/hangs-up": { hangsUp: true },
  "/slow": { status: 200, title: "Slow food", banner: false, delay: 400 },
};

/** Serves the pages on a free port. Slow ones answer only once `release` was called, and 400 ms after they were asked for. */
export async function startSite() {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const server = createServer(async (request, response) => {
    const page = pages[new URL(request.url, "http://site").pathname];
    if (!page) return response.writeHead(404).end("Not found");
    if (page.hangsUp) return request.socket.destroy();
    if (page.delay) await Promise.all([sleep(page.delay), released]);
    response.writeHead(page.status, { "content-type": "text/html; charset=utf-8" });
    response.end(html(page));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    release,
    close() {
      release();
      server.close();
      server.closeAllConnections();
    },
  };
}

function html({ title, banner: hasBanner }) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"><h1>${title}</h1>${hasBanner ? banner : ""}</html>`;
}
