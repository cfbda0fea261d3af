import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app.mjs";

const workflow = (name, note) => `/** ${note} */
export async function ${name}() {
  "use workflow";
  return 1;
}
`;

/** How long after a workflow file was saved in dev the list shows it, and a start of it succeeds. */
export async function dev({ quick }) {
  const rounds = quick ? 2 : 7;
  const app = await createApp({ "workflows/first.ts": workflow("first", "the first") });
  const server = await app.dev();
  const api = `${server.url}/api/orchestrator`;
  const list = async () => (await (await fetch(api)).json()).workflows ?? [];
  const timed = async (change, shows) => {
    const began = performance.now();
    await change();
    while (!(await shows())) {
      if (performance.now() - began > 30_000) throw new Error("not shown within 30 s");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return performance.now() - began;
  };
  const has = (name, note) => async () =>
    (await list()).some((w) => w.name === name && w.description === note);
  const hasNot = (name) => async () => (await list()).every((w) => w.name !== name);
  const path = (name) => join(app.dir, `workflows/${name}.ts`);
  const samples = { added: [], startable: [], changed: [], renamed: [], removed: [] };
  try {
    await timed(async () => {}, has("first", "the first"));
    for (let i = 0; i < rounds; i++) {
      const [name, other] = [`added${i}`, `renamed${i}`];
      samples.added.push(
        await timed(() => writeFile(path(name), workflow(name, "new")), has(name, "new")),
      );
      const listed = performance.now();
      await timed(
        async () => {},
        async () => (await fetch(`${api}/${name}`, { method: "POST" })).ok,
      );
      samples.startable.push(samples.added.at(-1) + performance.now() - listed);
      samples.changed.push(
        await timed(() => writeFile(path(name), workflow(name, "changed")), has(name, "changed")),
      );
      samples.renamed.push(
        await timed(
          async () => {
            await rename(path(name), path(other));
            await writeFile(path(other), workflow(other, "changed"));
          },
          async () => (await has(other, "changed")()) && (await hasNot(name)()),
        ),
      );
      samples.removed.push(await timed(() => rm(path(other)), hasNot(other)));
    }
    return Object.entries(samples).map(([change, values]) => ({
      what: `dev: workflow file ${change === "startable" ? "added, until it starts" : `${change}, until listed`}`,
      unit: "ms",
      samples: values,
    }));
  } finally {
    await server.stop();
  }
}
