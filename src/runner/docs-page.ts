import { docsScript } from "./docs-script.ts";
import { docsStyle } from "./docs-style.ts";

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%234338ca'/%3E%3Cpath d='M6 4.5l5 3.5-5 3.5z' fill='white'/%3E%3C/svg%3E";

/**
 * The HTML of `GET {base}/docs`: it fetches `spec.json` beside it, renders that, and sends execute
 * requests. Style and script are inline and carry `nonce`; nothing comes from another host.
 */
export function docsPage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Runners HTTP API</title>
<link rel="icon" href="${icon}">
<style nonce="${nonce}">${docsStyle}</style>
</head>
<body>
<div id="app" class="page"><p class="state">Loading the specification…</p></div>
<noscript><p class="state">This page needs JavaScript. The specification itself is <a href="./spec.json">spec.json</a>.</p></noscript>
<script nonce="${nonce}">${docsScript}</script>
</body>
</html>
`;
}
