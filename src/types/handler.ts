import type {
  CallbacksConfig,
  CircuitConfig,
  CorsConfig,
  ExecutionConfig,
  ExecutorsConfig,
  HealthCheckConfig,
  LoadBalancerConfig,
  LoadBalancerModule,
  RateLimitConfig,
  RegistryConfig,
  RegistryModule,
  ShutdownConfig,
  WorldConfig,
} from "./config.ts";

/** What a key may be used for: to read; to start, cancel and add to runs; for everything. */
export type ApiScope = "admin" | "read" | "run";

/** A key that requests carry. */
export interface ApiKey {
  /** What logs and rate limits call it. */
  name: string;
  /** 1 to 512 visible ASCII characters. */
  key: string;
  /** `admin` is all of them; otherwise those that are listed, and no others. */
  scopes: ApiScope[];
}

/** Options of `createOrchestratorHandler`: those of `nitro.config.ts`, and what only code can say. */
export interface OrchestratorHandlerOptions {
  /**
   * The path that requests carry; `""` for a server that does nothing else.
   * @default "/api/orchestrator"
   */
  route?: string;
  /** The runner servers, or a registry of your own. Without it `ORCHESTRATOR_REGISTRY`, then `PLAYWRIGHT_RUNNERS`, is read at start. */
  registry?: RegistryConfig | RegistryModule;
  /**
   * By name, or a balancer of your own. Without it `ORCHESTRATOR_LOAD_BALANCER` is read at start.
   * @default "least-load"
   */
  loadBalancer?: LoadBalancerConfig | LoadBalancerModule;
  /**
   * Runner functions by name, and their `<name>InputSchema`s, for runs in `local` mode. Or URLs by
   * region, which is short for a `registry` of these servers.
   */
  runners?: Record<string, unknown>;
  /**
   * Milliseconds one of `runners` may take.
   * @default 30000
   */
  runnerTimeout?: number;
  /** Probes of the servers; `false` leaves only what attempts show. */
  healthCheck?: HealthCheckConfig | false;
  circuit?: CircuitConfig;
  execution?: ExecutionConfig;
  /** Executors from which workers pull. */
  executors?: ExecutorsConfig;
  /** The keys that requests must carry. Without it `ORCHESTRATOR_API_KEYS` and `ORCHESTRATOR_API_KEY` are read at start; where neither is set, requests need none. */
  apiKeys?: ApiKey[];
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
  /** Folder of the store. Without it `ORCHESTRATOR_DATA_DIR`, then `.orchestrator` in the working directory. */
  dataDir?: string;
}

/**
 * A request as frameworks hand it over: by itself, or as an event's or a context's. `ip` is the address of
 * whoever sent it, where the request itself does not have it.
 */
export type HandlerInput = Request | { req: Request } | { request: Request; ip?: string };

/** The HTTP API as a function, and its life. */
export interface OrchestratorHandler {
  /** Answers a request; never rejects. */
  (input: HandlerInput): Promise<Response>;
  /** Resolves when runs are taken up; rejects if the first attempt to start failed. Nobody has to look at it. */
  readonly ready: Promise<void>;
  /**
   * Ends long polls and event streams, lets attempts in flight end within `shutdown.timeout`, and stops.
   * What has not ended goes on at the next start.
   */
  close(): Promise<void>;
}
