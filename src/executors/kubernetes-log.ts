import { createFrameReader, longestFrame } from "../core/order-frames.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";

/** Characters of a line without an end that are kept: there may be one of ours at the end of it. */
const TAIL = 2 * longestFrame;

/** Milliseconds of silence after which a log is asked for again: a connection may have been forgotten in between. */
const SILENCE_MS = 240_000;

/** The log of a container, as far as its messages go. */
export interface MessageLog {
  /**
   * Reads it from its start, or while it grows to its end, and passes on each message once, however often it
   * is read.
   *
   * @throws ApiError
   * @throws BodyTooLargeError for a message over the limit
   */
  read(options: { follow: boolean; signal: AbortSignal }): Promise<void>;
}

/** The log of a pod's container, whose messages carry that nonce. */
export function createMessageLog(options: {
  api: KubernetesApi;
  namespace: string;
  pod: string;
  container: string;
  nonce: string;
  /** Characters of a message at most. */
  limit: number;
  onMessage: (message: unknown) => void;
}): MessageLog {
  const { api, namespace, pod, container, nonce, limit, onMessage } = options;
  const frames = createFrameReader(nonce, limit, onMessage);
  const path = `/api/v1/namespaces/${namespace}/pods/${encodeURIComponent(pod)}/log`;
  return {
    async read({ follow, signal }) {
      frames.restart();
      let rest = "";
      await api.follow({
        path,
        query: { container, follow },
        signal,
        idle: SILENCE_MS,
        onText(text) {
          const lines = (rest + text).split("\n");
          rest = lines.pop()!.slice(-TAIL);
          for (const line of lines) frames.take(line);
        },
      });
      if (rest !== "") frames.take(rest);
    },
  };
}
