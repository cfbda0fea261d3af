import { once } from "node:events";
import { createServer } from "node:http";
import { installPackages } from "../packages.mjs";
import { durability, startPostgres } from "../postgres.mjs";
import { startHost } from "../scratch.mjs";

const application = { name: "bench", queue: "runs", version: "1" };

let installing;

/** DBOS is a library inside an app: its client is either a request to that app, or `DBOSClient`. */
function peer({ title, about, connect }) {
  return {
    title,
    async prepare() {
      installing ??= installPackages("dbos", ["@dbos-inc/dbos-sdk@^5"]);
      const { versions } = await installing;
      return { about: () => `${durability}; ${about}`, versions };
    },
    async open() {
      const { dir, load } = await installing;
      const postgres = await startPostgres();
      const app = await startHost(import.meta.url, {
        packages: dir,
        env: { DBOS_SYSTEM_DATABASE_URL: postgres },
        endWith: "SIGKILL",
      });
      return connect({ app, postgres, load });
    },
  };
}

export const dbos = peer({
  title: "DBOS",
  about:
    "one request over HTTP to the app, whose handler starts the workflow and awaits its result",
  connect: ({ app }) => ({
    async run(name) {
      const response = await fetch(`${app}/${name}`, { method: "POST" });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      return response.json();
    },
  }),
});

export const dbosClient = peer({
  title: "DBOS, by DBOSClient",
  about: "`DBOSClient.enqueue` and `getResult`, both polled at their default of once a second",
  async connect({ postgres, load }) {
    const { DBOSClient } = await load("@dbos-inc/dbos-sdk");
    const client = await DBOSClient.create({
      systemDatabaseUrl: postgres,
      applicationName: application.name,
    });
    return {
      async run(workflowName) {
        const handle = await client.enqueue({ workflowName, queueName: application.queue });
        return handle.getResult();
      },
      close: () => client.destroy(),
    };
  },
});

/** The app, in a process of its own. */
export async function host(load) {
  const { DBOS } = await load("@dbos-inc/dbos-sdk");
  const step = async (n) => n;
  const workflows = {
    two: DBOS.registerWorkflow(
      async () => {
        const first = await DBOS.runStep(() => step(1), { name: "one" });
        return first + (await DBOS.runStep(() => step(2), { name: "two" }));
      },
      { name: "two" },
    ),
    fan: DBOS.registerWorkflow(
      async () => {
        const all = await Promise.all(
          Array.from({ length: 100 }, (_, n) => DBOS.runStep(() => step(n), { name: `step ${n}` })),
        );
        return all.reduce((sum, n) => sum + n, 0);
      },
      { name: "fan" },
    ),
  };
  DBOS.setConfig({
    name: application.name,
    systemDatabaseUrl: process.env.DBOS_SYSTEM_DATABASE_URL,
    logLevel: "error",
  });
  await DBOS.launch();
  await DBOS.registerQueue(application.queue);
  const server = createServer((request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    DBOS.startWorkflow(workflows[request.url.slice(1)])()
      .then((handle) => handle.getResult())
      .then(
        (result) => answer(200, result),
        (error) => answer(500, String(error)),
      );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log(`Listening on http://127.0.0.1:${server.address().port}`);
}
