import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "pathe";

/** Which run an idempotency key started, and with what. */
export interface Claim {
  runId: string;
  /** Digest of the request; another one under the same key is a conflict. */
  fingerprint: string;
}

/** Idempotency keys, kept in files beside the runs they started. */
export interface Claims {
  read(key: string): Promise<Claim | undefined>;
  /** Stores a claim if the key is free, and answers with the claim that stands. */
  claim(key: string, claim: Claim): Promise<Claim>;
  /** Replaces a claim whose run was never stored. */
  replace(key: string, claim: Claim): Promise<void>;
}

/** Claims in `<dataDir>/claims`, one file a key. */
export function createClaims(dataDir: string): Claims {
  const dir = join(dataDir, "claims");
  const pathOf = (key: string): string =>
    join(dir, `${createHash("sha256").update(key).digest("hex")}.json`);

  async function read(key: string): Promise<Claim | undefined> {
    const text = await readFile(pathOf(key), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    return text === undefined ? undefined : (JSON.parse(text) as Claim);
  }

  async function stage(claim: Claim): Promise<string> {
    await mkdir(dir, { recursive: true });
    const path = join(dir, `${randomUUID()}.tmp`);
    await writeFile(path, JSON.stringify(claim), { flush: true });
    return path;
  }

  return {
    read,
    async claim(key, claim) {
      const staged = await stage(claim);
      try {
        // A link is made whole or not at all, and only where there is none: two processes cannot both win.
        await link(staged, pathOf(key));
        return claim;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        return (await read(key)) ?? claim;
      } finally {
        await unlink(staged);
      }
    },
    async replace(key, claim) {
      await rename(await stage(claim), pathOf(key));
    },
  };
}
