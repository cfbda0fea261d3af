import { type AppContext, createContext } from "./context.ts";

let context: AppContext | undefined;

/** The context of the app this bundle is. A bundle is one app, so the module may hold it. */
export function useContext(): AppContext {
  context ??= createContext();
  return context;
}
