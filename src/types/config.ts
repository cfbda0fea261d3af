import type { KubernetesConfig, KubernetesOptions } from "./kubernetes.ts";
import type {
  LoadBalancerConfig,
  RegistryConfig,
  ResolvedLoadBalancer,
  ResolvedRegistry,
} from "./registry-config.ts";

export type * from "./registry-config.ts";

/** Discovered runners, served by this app itself. */
export interface RunnersConfig {
  /**
   * Globs from the app's root.
   * @default ["runners/**\/*.ts", "src/runners/**\/*.ts"]
   */
  pattern?: string | string[];
  /** Region this app answers for. Without it `ORCHESTRATOR_REGION` is read at start. */
  region?: string;
  /**
   * Where the runner API is mounted.
   * @default "/api/runner"
   */
  route?: string;
  /**
   * Milliseconds one runner may take.
   * @default 30000
   */
  timeout?: number;
}

/** How servers are probed. */
export interface HealthCheckConfig {
  /**
   * Milliseconds between two `GET {url}/info`.
   * @default 10000
   */
  interval?: number;
  /**
   * Milliseconds until a probe is given up.
   * @default 2000
   */
  timeout?: number;
}

/** When a server's circuit opens, and for how long. */
export interface CircuitConfig {
  /**
   * Failures in a row that open it.
   * @default 3
   */
  failures?: number;
  /**
   * Milliseconds until one probe is let through.
   * @default 10000
   */
  cooldown?: number;
}

/** How a job is tried. */
export interface ExecutionConfig {
  /**
   * Attempts a job gets, each on another server where there is one.
   * @default 3
   */
  attempts?: number;
  /**
   * Milliseconds one attempt may take.
   * @default 300000
   */
  timeout?: number;
  /**
   * Milliseconds a job waits for a server with room before it fails.
   * @default 60000
   */
  wait?: number;
}

/** The queue on Redis, for runs in `redis` mode. */
export interface RedisExecutorConfig {
  /** Without it `ORCHESTRATOR_REDIS_URL` is read at start. */
  url?: string;
  /**
   * What all its keys start with; for Redis Cluster in braces, as `{orchestrator}`.
   * @default "orchestrator"
   */
  prefix?: string;
}

/** The queue on Postgres, for runs in `postgres` mode. */
export interface PostgresExecutorConfig {
  /** Without it `ORCHESTRATOR_POSTGRES_URL` is read at start. */
  url?: string;
}

/** Executors from which workers pull; without one, the environment says. */
export interface ExecutorsConfig {
  redis?: RedisExecutorConfig;
  postgres?: PostgresExecutorConfig;
  /** Without it `ORCHESTRATOR_KUBERNETES` is read at start. */
  kubernetes?: KubernetesConfig;
}

/** Who may be told of a run's end. */
export interface CallbacksConfig {
  /**
   * Hosts such as `hooks.example.com`, `*.example.com`, `127.0.0.1:8080` or `10.0.0.0/8`, and no others.
   * Without it `ORCHESTRATOR_CALLBACK_HOSTS` is read at start; without either, every public address.
   */
  allow?: string[];
}

/** How the process ends. */
export interface ShutdownConfig {
  /**
   * Milliseconds that attempts in flight may take to end; the next start takes up the rest.
   * @default 5000
   */
  timeout?: number;
}

/** What is kept of runs that have ended. */
export interface RetentionConfig {
  /**
   * Milliseconds after a run's end.
   * @default 2592000000
   */
  age?: number;
  /**
   * Number of ended runs, the newest.
   * @default 10000
   */
  count?: number;
}

/** The embedded World. */
export interface EmbeddedWorldConfig {
  type: "embedded";
  retention?: RetentionConfig;
}

/** `@workflow/world-postgres`, on the database of `WORKFLOW_POSTGRES_URL`. */
export interface PostgresWorldConfig {
  type: "postgres";
  /** Without it `ORCHESTRATOR_RETENTION` is read at start; without either, ended runs are kept for ever. */
  retention?: RetentionConfig;
}

/** Where runs are kept: the embedded World, Postgres, the engine's `local` one, or a package or path of another. */
export type WorldConfig =
  | EmbeddedWorldConfig
  | PostgresWorldConfig
  | "embedded"
  | "local"
  | (string & {});

/** Pages of which other sites may use the API. */
export interface CorsConfig {
  /** Origins such as `https://app.example.com`; `*` is any. */
  origins: string[];
}

/** How many requests a caller may send. */
export interface RateLimitConfig {
  /** Milliseconds of a window. Without it `RATE_LIMIT_WINDOW_MS` is read at start. */
  window?: number;
  /** Requests in a window. Without it `RATE_LIMIT_MAX` is read at start. */
  max?: number;
  /**
   * Proxies in front, which each add an address to `X-Forwarded-For`; the one that the outermost of them
   * added is the caller's. Without it `RATE_LIMIT_TRUST_PROXY` is read at start.
   */
  trustProxy?: number;
}

/** The `orchestrator` key of `nitro.config.ts`. */
export interface OrchestratorConfig {
  /**
   * Globs of workflow files from the app's root.
   * @default ["workflows/**\/*.ts", "src/workflows/**\/*.ts"]
   */
  pattern?: string | string[];
  /**
   * Where the API is mounted.
   * @default "/api/orchestrator"
   */
  route?: string;
  /** The runner servers. Without it `ORCHESTRATOR_REGISTRY`, then `PLAYWRIGHT_RUNNERS`, is read at start. */
  registry?: RegistryConfig;
  /**
   * Without it `ORCHESTRATOR_LOAD_BALANCER` is read at start.
   * @default "least-load"
   */
  loadBalancer?: LoadBalancerConfig;
  /**
   * Serves the `'use runner'` functions of this app. Without it they are found, for runs in `local`
   * mode, and not served; with `false` they are not even looked for. An object of URLs by region is
   * short for a `registry` of these servers.
   */
  runners?: Record<string, string | string[]> | RunnersConfig | false;
  /** Probes of the servers; `false` leaves only what attempts show. */
  healthCheck?: HealthCheckConfig | false;
  circuit?: CircuitConfig;
  execution?: ExecutionConfig;
  /** Executors from which workers pull. */
  executors?: ExecutorsConfig;
  /** Pages of which other sites may use the API. Without it `CORS_ORIGINS` is read at start. */
  cors?: CorsConfig;
  /**
   * How many requests a caller may send; `false` is without limit. Without it there is a limit with
   * `service`, and where `RATE_LIMIT_MAX` or `RATE_LIMIT_WINDOW_MS` is set.
   */
  rateLimit?: RateLimitConfig | false;
  /**
   * Where runs are kept. `WORKFLOW_TARGET_WORLD` goes before it.
   * @default "embedded"
   */
  world?: WorldConfig;
  /**
   * Serves the run service at the root too: `/runs`, `/health`, `/ready` and `/metrics`.
   * @default false
   */
  service?: boolean;
  shutdown?: ShutdownConfig;
  callbacks?: CallbacksConfig;
}

/** A World as resolved: ours, or what the engine's `WORKFLOW_TARGET_WORLD` would name. */
export type ResolvedWorld =
  | { type: "embedded"; retention: Required<RetentionConfig> }
  | { type: "target"; name: string; retention?: RetentionConfig };

/** Executors as resolved; one whose place the options leave out is where the environment says, if it does. */
export interface ResolvedExecutors {
  redis: RedisExecutorConfig & { prefix: string };
  postgres: PostgresExecutorConfig;
  kubernetes?: KubernetesOptions;
}

/** The configuration as resolved: defaults filled in, checked, plain JSON. Runtime code sees only this. */
export interface OrchestratorOptions {
  pattern: string[];
  route: string;
  registry: ResolvedRegistry;
  loadBalancer: ResolvedLoadBalancer;
  runners:
    | (Required<Omit<RunnersConfig, "pattern" | "region">> & {
        /** Whether they are served; else they are there for runs in `local` mode alone. */
        serve: boolean;
        pattern: string[];
        region?: string;
      })
    | false;
  healthCheck: Required<HealthCheckConfig> | false;
  circuit: Required<CircuitConfig>;
  execution: Required<ExecutionConfig>;
  executors: ResolvedExecutors;
  /** Without it the environment says. */
  cors?: CorsConfig;
  /** What it does not say, the environment does. */
  rateLimit?: RateLimitConfig | false;
  world: ResolvedWorld;
  /** The path below which the run service stands too; `""` for the root. */
  service: string | false;
  shutdown: Required<ShutdownConfig>;
  callbacks: CallbacksConfig;
}
