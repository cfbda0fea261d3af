// `[...path]` does not match the path `/checks` itself.
export { default } from "./[...path].ts";
