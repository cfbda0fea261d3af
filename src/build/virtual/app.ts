/** `#orchestrator/virtual/app`: the app's one context, for handlers that the app makes itself. */
export function appTemplate(file: string): string {
  return `export { useContext } from ${JSON.stringify(file)};\n`;
}
