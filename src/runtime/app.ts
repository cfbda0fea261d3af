import { createContext, type OrchestratorContext } from "./context.ts";

let context: OrchestratorContext | undefined;

/** The context of the app this bundle is. A bundle is one app, so the module may hold it. */
export function useContext(): OrchestratorContext {
  context ??= createContext();
  return context;
}
