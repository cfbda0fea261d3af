import type { Executor } from "../types/executor.ts";
export interface RedisOptions {
  url: string | undefined;
  named: string;
  prefix?: string;
}
export declare function createRedisExecutor(options: RedisOptions): Promise<Executor>;
