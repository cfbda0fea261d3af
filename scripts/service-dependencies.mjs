/**
 * Makes development dependencies ordinary ones, in the working directory's package.json, so that
 * `npm prune --omit=dev` leaves them, in the versions of the lock file. For the Dockerfile.
 */
import { readFile, writeFile } from "node:fs/promises";

const manifest = JSON.parse(await readFile("package.json", "utf8"));
for (const name of process.argv.slice(2)) {
  const range = manifest.devDependencies[name];
  if (range === undefined) throw new Error(`${name} is no development dependency`);
  manifest.dependencies[name] = range;
  delete manifest.devDependencies[name];
}
await writeFile("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
