import { once } from "node:events";
import { createServer } from "node:http2";
import { join } from "node:path";
import { installPackages } from "../packages.mjs";
import { folder, freePort, start, startHost } from "../scratch.mjs";

let installed;

/** A single Restate node and a service on its SDK, called through the ingress with its own client. */
export const restate = {
  title: "Restate",
  async prepare() {
    installed = await installPackages("restate", [
      "@restatedev/restate-server@^1",
      "@restatedev/restate-sdk@^1",
      "@restatedev/restate-sdk-clients@^1",
    ]);
    return {
      about: () =>
        "one node at its defaults (replicated log of one copy, write-ahead log with fsync on); one ingress call a run with `@restatedev/restate-sdk-clients`",
      versions: installed.versions,
    };
  },
  async open() {
    const base = await folder("restate-data");
    const [fabric, ingress, admin] = [await freePort(), await freePort(), await freePort()];
    const service = await startHost(import.meta.url, {
      packages: installed.dir,
      // Its default logger writes two lines a run.
      env: { RESTATE_LOGGING: "ERROR" },
      endWith: "SIGKILL",
    });
    // The binary itself rather than its launcher, so that a signal reaches it.
    const binary = `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`;
    await start(
      join(installed.dir, "node_modules", binary),
      ["--base-dir", base, "--node-name", "bench", "--no-logo"],
      {
        cwd: base,
        env: {
          RESTATE_LISTEN_MODE: "tcp",
          RESTATE_BIND_IP: "127.0.0.1",
          RESTATE_BIND_PORT: String(fabric),
          RESTATE_INGRESS__BIND_PORT: String(ingress),
          RESTATE_ADMIN__BIND_PORT: String(admin),
          RESTATE_DISABLE_TELEMETRY: "true",
          DO_NOT_TRACK: "1",
        },
        ready:
          /Restate Server is ready|Partition .* started|Cluster .* provisioned|Server is running/i,
      },
    );
    await register(`http://127.0.0.1:${admin}`, service);
    const { connect } = await installed.load("@restatedev/restate-sdk-clients");
    const client = connect({ url: `http://127.0.0.1:${ingress}` }).serviceClient({ name: "bench" });
    await reachable(client);
    return { run: (name) => client[name]() };
  },
};

/** Tells Restate where the service is, as soon as its admin API answers. */
async function register(admin, uri) {
  await eventually(async () => {
    const response = await fetch(`${admin}/deployments`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ uri }),
    });
    if (!response.ok) throw new Error(`registration: ${response.status} ${await response.text()}`);
  });
}

/** The ingress learns of a service a moment after its registration. */
async function reachable(client) {
  await eventually(() => client.two());
}

async function eventually(attempt) {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** The service, in a process of its own. */
export async function host(load) {
  // Of Node 22; the SDK names no engines but calls it.
  Promise.withResolvers ??= function () {
    const parts = {};
    parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
    return parts;
  };
  const sdk = await load("@restatedev/restate-sdk");
  const bench = sdk.service({
    name: "bench",
    handlers: {
      two: async (ctx) => {
        const first = await ctx.run("one", () => 1);
        return first + (await ctx.run("two", () => 2));
      },
      fan: async (ctx) => {
        const all = await sdk.RestatePromise.all(
          Array.from({ length: 100 }, (_, n) => ctx.run(`step ${n}`, () => n)),
        );
        return all.reduce((sum, n) => sum + n, 0);
      },
    },
  });
  // Not `serve`, which listens to the world.
  const server = createServer(sdk.createEndpointHandler({ services: [bench] }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log(`Listening on http://127.0.0.1:${server.address().port}`);
}
