import type { ApiScope } from "../../types/handler.ts";
import { HttpProblem } from "../errors.ts";

/** The 401 of a request that no known key came with. */
export function unauthorized(): HttpProblem {
  return new HttpProblem(401, "unauthorized", {}, { "www-authenticate": "Bearer" });
}

/** The 403 of a key that lacks a scope. */
export function forbidden(required: ApiScope): HttpProblem {
  return new HttpProblem(403, "forbidden", { required });
}

/** The 403 of what a browser sent for a page of another site. */
export function otherSite(): HttpProblem {
  return new HttpProblem(403, "Forbidden: a page of another site sent this request");
}

/** The 429 of a caller who may send more after so many seconds. */
export function rateLimited(seconds: number): HttpProblem {
  return new HttpProblem(429, "rate_limited", {}, { "retry-after": String(seconds) });
}
