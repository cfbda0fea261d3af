import { docsScript } from "./script.ts";
import { docsStyle } from "./style.ts";

/** What differs between the documents that are shown. */
export interface DocsPageOptions {
  /** Shown until the document has been loaded, whose own title comes in its place. */
  title: string;
  /** Allows the page's own style and script, and nothing else; a new one for each answer. */
  nonce: string;
  /** The path by which the document knows the folder that the page and `spec.json` are in. */
  mount: string;
  /** Id of the operation whose form stands on top. */
  featured: string;
  /** What is worth knowing at first sight, by name. */
  facts?: Record<string, string>;
}

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%234338ca'/%3E%3Cpath d='M6 4.5l5 3.5-5 3.5z' fill='white'/%3E%3C/svg%3E";

/**
 * The HTML of a `docs` route: it fetches the OpenAPI document `spec.json` beside it, renders that,
 * and sends requests. Style and script are inline and carry the nonce; nothing comes from another host.
 */
export function docsPage({ title, nonce, ...page }: DocsPageOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
<link rel="icon" href="${icon}">
<style nonce="${escape(nonce)}">${docsStyle}</style>
</head>
<body>
<div id="app" class="page" data-page="${escape(JSON.stringify(page))}"><p class="state">Loading the specification…</p></div>
<noscript><p class="state">This page needs JavaScript. The specification itself is <a href="./spec.json">spec.json</a>.</p></noscript>
<script nonce="${escape(nonce)}">${docsScript}</script>
</body>
</html>
`;
}

/** The headers of an answer with such a page: it may load nothing, and talk to its own server only. */
export function docsHeaders(nonce: string): Record<string, string> {
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; img-src data:; connect-src 'self'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
}

/** Text as it may stand in an element or a quoted attribute. */
function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
