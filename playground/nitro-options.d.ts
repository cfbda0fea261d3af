// The engine declares this too, in a file that its own imports do not reach under NodeNext.
declare module "nitro/types" {
  interface NitroOptions {
    workflow?: { dirs?: string[] };
  }
}

export type { NitroOptions } from "nitro/types";
