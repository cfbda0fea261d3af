import type { LoadBalancerType } from "../types/config.ts";
import type { BalancerContext, LoadBalancer, ServerStatus } from "../types/server.ts";
import { OrchestratorError } from "./errors.ts";

/** Servers a balancer remembers at most, so that those that come and go do not pile up. */
const remembered = 10_000;

type Candidates = readonly ServerStatus[];

/** The server with the fewest jobs for its weight, in flight and reported; equal ones take turns. */
export class LeastLoadLoadBalancer implements LoadBalancer {
  readonly name = "least-load";
  readonly #turns: Turns = new Turns();

  select(candidates: Candidates): ServerStatus | undefined {
    const least = Math.min(...candidates.map(relativeLoad));
    return this.#turns.next(candidates.filter((server) => relativeLoad(server) === least));
  }
}

/** One server after the other. */
export class RoundRobinLoadBalancer implements LoadBalancer {
  readonly name = "round-robin";
  readonly #turns: Turns = new Turns();

  select(candidates: Candidates): ServerStatus | undefined {
    return this.#turns.next(candidates);
  }
}

/** Any server, each as likely as the others. */
export class RandomLoadBalancer implements LoadBalancer {
  readonly name = "random";

  select(candidates: Candidates, { random }: BalancerContext): ServerStatus | undefined {
    return candidates[randomIndex(candidates.length, random)];
  }
}

/** Turns in proportion to the weights, evenly mixed (smooth weighted round robin). */
export class WeightedLoadBalancer implements LoadBalancer {
  readonly name = "weighted";
  readonly #credit: Map<string, number> = new Map();

  select(candidates: Candidates): ServerStatus | undefined {
    if (this.#credit.size > remembered) this.#credit.clear();
    let picked: ServerStatus | undefined;
    let total = 0;
    for (const server of candidates) {
      total += weightOf(server);
      this.#credit.set(server.id, this.#creditOf(server) + weightOf(server));
      if (!picked || this.#creditOf(server) > this.#creditOf(picked)) picked = server;
    }
    if (picked) this.#credit.set(picked.id, this.#creditOf(picked) - total);
    return picked;
  }

  #creditOf(server: ServerStatus): number {
    return this.#credit.get(server.id) ?? 0;
  }
}

/** The less loaded of two random servers: nearly as good as the least loaded of all, without herds. */
export class PowerOfTwoLoadBalancer implements LoadBalancer {
  readonly name = "power-of-two";

  select(candidates: Candidates, { random }: BalancerContext): ServerStatus | undefined {
    const first = randomIndex(candidates.length, random);
    const step = 1 + randomIndex(candidates.length - 1, random);
    const one = candidates[first];
    const other = candidates[(first + step) % candidates.length];
    return one && other && relativeLoad(other) < relativeLoad(one) ? other : one;
  }
}

/**
 * The same server for the same key, as long as it is a candidate (rendezvous hashing): when a
 * server leaves, only its own keys move. Without a key, any server.
 */
export class StickyLoadBalancer implements LoadBalancer {
  readonly name = "sticky";

  select(candidates: Candidates, { key, random }: BalancerContext): ServerStatus | undefined {
    if (key === undefined) return candidates[randomIndex(candidates.length, random)];
    let picked: ServerStatus | undefined;
    let best = -1;
    for (const server of candidates) {
      const score = hash(`${key}\n${server.id}`);
      if (score > best) [picked, best] = [server, score];
    }
    return picked;
  }
}

/**
 * A balancer by its type (`least-load`) or its class's name (`LeastLoadLoadBalancer`).
 *
 * @throws OrchestratorError `CONFIG_INVALID` for any other name, listing the known ones
 */
export function createLoadBalancer(name: string): LoadBalancer {
  const known: Record<LoadBalancerType, new () => LoadBalancer> = {
    "least-load": LeastLoadLoadBalancer,
    "round-robin": RoundRobinLoadBalancer,
    random: RandomLoadBalancer,
    weighted: WeightedLoadBalancer,
    "power-of-two": PowerOfTwoLoadBalancer,
    sticky: StickyLoadBalancer,
  };
  for (const [type, Balancer] of Object.entries(known)) {
    if (name === type || name === className(type)) return new Balancer();
  }
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `Unknown load balancer ${JSON.stringify(name)}. Known: ${Object.keys(known).join(", ")}, or the class name of one, such as LeastLoadLoadBalancer`,
  );
}

/** `least-load` → `LeastLoadLoadBalancer`; written out, since a bundler may rename the classes. */
function className(type: string): string {
  return `${type.replaceAll(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase())}LoadBalancer`;
}

/** Picks the server whose last turn was longest ago; of those that had none, the first. */
class Turns {
  readonly #last: Map<string, number> = new Map();
  #turn = 0;

  next(candidates: Candidates): ServerStatus | undefined {
    if (this.#last.size > remembered) this.#last.clear();
    let picked: ServerStatus | undefined;
    for (const server of candidates) {
      if (!picked || this.#lastOf(server) < this.#lastOf(picked)) picked = server;
    }
    if (picked) this.#last.set(picked.id, (this.#turn += 1));
    return picked;
  }

  #lastOf(server: ServerStatus): number {
    return this.#last.get(server.id) ?? 0;
  }
}

function weightOf({ weight = 1 }: ServerStatus): number {
  return weight > 0 ? weight : 1;
}

/** Jobs for each unit of weight. A reported load that is no number counts as none. */
function relativeLoad(server: ServerStatus): number {
  const reported = server.load !== undefined && server.load > 0 ? server.load : 0;
  return (server.inFlight + reported) / weightOf(server);
}

function randomIndex(length: number, random: () => number): number {
  return Math.min(Math.floor(random() * length), Math.max(length - 1, 0));
}

/** A 32-bit FNV-1a hash, mixed at the end because keys that differ little would else rank alike. */
function hash(text: string): number {
  let value = 0x81_1c_9d_c5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01_00_01_93);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85_eb_ca_6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2_b2_ae_35);
  return (value ^ (value >>> 16)) >>> 0;
}
