import { join } from "node:path";

/** The runner servers; the first is the one to be killed. */
export const servers = [
  { id: "eu-1", region: "eu-west-1" },
  { id: "eu-2", region: "eu-west-1" },
  { id: "us-1", region: "us-east-1" },
];

/** Id of the server that is killed half-way. */
export const victim = "eu-1";

/** Starts the runner servers, then the orchestrator that knows them; `onCheck` hears of every check they begin. */
export async function startFleet({ processes, entry, tempDir, onCheck }) {
  const serve = (name, env, onLine) =>
    processes.serve(name, entry, {
      cwd: tempDir,
      env: { ...env, ORCHESTRATOR_DATA_DIR: join(tempDir, name) },
      onLine,
    });
  const runnerServers = await Promise.all(
    servers.map(async ({ id, region }) => {
      const server = await serve(id, { ORCHESTRATOR_REGION: region }, (line) => {
        const check = readCheck(line);
        if (check) onCheck({ server: id, region, ...check });
      });
      await assertRegion(server, region);
      return server;
    }),
  );
  const registry = {
    type: "in-memory",
    servers: servers.map((server, index) => ({
      ...server,
      url: `${runnerServers[index].origin}/api/runner`,
    })),
  };
  const orchestrator = await serve("orchestrator", {
    ORCHESTRATOR_REGISTRY: JSON.stringify(registry),
  });
  return {
    api: `${orchestrator.origin}/api/orchestrator`,
    kill: (id) => runnerServers.find(({ name }) => name === id).child.kill("SIGKILL"),
  };
}

/** The check a runner server's log line tells of; other lines are passed over. */
function readCheck(line) {
  try {
    const { message, runner, url } = JSON.parse(line);
    return message === "checking" ? { runner, url: new URL(url) } : undefined;
  } catch {
    return undefined;
  }
}

async function assertRegion({ name, origin }, region) {
  const response = await fetch(`${origin}/api/runner/info`);
  const info = await response.json();
  if (info.region === region) return;
  throw new Error(`${name} answers for region ${info.region}, not ${region}`);
}
