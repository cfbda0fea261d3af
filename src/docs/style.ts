/** Style sheet of the docs page, in a light and a dark scheme. */
export const docsStyle: string = `
:root {
  color-scheme: light dark;
  --bg: #fbfbfa; --surface: #ffffff; --sunken: #f4f4f2; --line: #e4e4e0; --line-strong: #cfcfc9;
  --text: #1b1b1f; --muted: #62626b; --faint: #74747d;
  --accent: #4338ca; --accent-soft: #ecebfb; --on-accent: #ffffff;
  --pass: #157347; --pass-soft: #e3f3ea; --fail: #b42318; --fail-soft: #fdebe9; --warn: #8a5a00; --warn-soft: #fbf0d9;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Open Sans", Arial, sans-serif;
  --mono: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #111114; --surface: #18181c; --sunken: #1f1f24; --line: #2b2b32; --line-strong: #3d3d46;
    --text: #ececf1; --muted: #a6a6b2; --faint: #8e8e9a;
    --accent: #a5a0ff; --accent-soft: #26244a; --on-accent: #14132b;
    --pass: #5fd39a; --pass-soft: #14301f; --fail: #ff8f84; --fail-soft: #3a1815; --warn: #f0c268; --warn-soft: #35280d;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 24px; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--bg); color: var(--text); font: 16px/1.6 var(--sans); -webkit-font-smoothing: antialiased; text-rendering: optimizeLegibility; }
a { color: var(--accent); text-underline-offset: 3px; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; letter-spacing: -0.015em; margin: 0; font-weight: 650; }
h1 { font-size: clamp(28px, 4.2vw, 38px); letter-spacing: -0.025em; }
h2 { font-size: 22px; }
h3 { font-size: 16px; letter-spacing: 0; }
p { margin: 0; text-wrap: pretty; }
code, pre, textarea, .param input, .param select { font-family: var(--mono); font-size: 13px; font-variant-ligatures: none; }
.page { max-width: 1160px; margin: 0 auto; padding: 0 28px 96px; display: grid; grid-template-columns: 188px minmax(0, 1fr); gap: 0 56px; }
.state { grid-column: 1 / -1; padding: 96px 0; color: var(--muted); text-align: center; }
.state.broken { color: var(--fail); }
.ask { grid-column: 1 / -1; justify-self: center; width: min(100%, 420px); padding-top: 15vh; }
.ask form { display: grid; gap: 12px; padding: 26px 28px 28px; } .ask h1 { font-size: 22px; margin-bottom: 6px; } .ask label { font-weight: 600; font-size: 14px; }
.ask input { padding: 9px 12px; color: var(--text); background: var(--bg); border: 1px solid var(--line-strong); border-radius: 8px; font: 14px/1.5 var(--mono); }
.ask .refused { color: var(--fail); font-size: 14px; } .ask .refused:empty { display: none; } .ask .send { justify-self: start; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 64px 0 24px; font-size: 14px; scrollbar-width: thin; }
nav ul { list-style: none; margin: 0 0 24px; padding: 0; }
nav a { display: block; padding: 4px 0; color: var(--muted); text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { color: var(--text); }
.label { font-size: 12px; font-weight: 600; letter-spacing: 0.06em; text-transform: uppercase; color: var(--faint); }
nav .label { margin: 0 0 6px; } nav .label a { color: inherit; padding: 0; }
.contents, .contents[open] { border: 0; margin: 0; background: none; border-radius: 0; } .contents > summary { display: none; }
main { padding-top: 60px; min-width: 0; }
header .lede { margin-top: 14px; color: var(--muted); font-size: 18px; max-width: 62ch; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 26px 0 0; padding: 16px 0; border-block: 1px solid var(--line); font-size: 14px; }
.facts div { display: flex; gap: 8px; align-items: baseline; }
.facts dt { color: var(--faint); } .facts dd { margin: 0; overflow-wrap: anywhere; }
section { margin-top: 60px; }
section > p { color: var(--muted); margin-top: 6px; max-width: 68ch; }
.panel { margin-top: 20px; background: var(--surface); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; } .block > .panel { margin-top: 0; }
.console { display: grid; grid-template-columns: 1fr 1fr; }
.console > div { padding: 18px 20px; min-width: 0; display: flex; flex-direction: column; gap: 12px; }
.console > div + div { border-left: 1px solid var(--line); background: var(--sunken); }
.bar { display: flex; align-items: center; justify-content: space-between; gap: 12px; min-height: 30px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; }
.chip { border: 1px solid var(--line-strong); background: transparent; color: var(--muted); border-radius: 999px; padding: 3px 11px; font: 13px/1.5 var(--mono); cursor: pointer; }
.chip:hover { color: var(--text); border-color: var(--faint); }
.chip[aria-pressed="true"] { background: var(--accent-soft); border-color: var(--accent); color: var(--accent); }
select, .param input { min-width: 0; padding: 5px 10px; color: var(--text); background: var(--bg); border: 1px solid var(--line-strong); border-radius: 8px; font: 13px/1.5 var(--sans); }
.bar select { margin-left: auto; max-width: 60%; }
.params { display: grid; gap: 8px; }
.param { display: grid; grid-template-columns: minmax(0, 130px) 48px minmax(0, 1fr); gap: 10px; align-items: center; }
.param .name { font: 600 13px/1.6 var(--mono); overflow-wrap: anywhere; }
.in { color: var(--faint); font-size: 12px; }
textarea { flex: 1; width: 100%; min-height: 220px; resize: vertical; padding: 12px 14px; line-height: 1.6; color: var(--text); background: var(--bg); border: 1px solid var(--line); border-radius: 8px; tab-size: 2; }
button.send { border: 0; border-radius: 8px; padding: 7px 16px; background: var(--accent); color: var(--on-accent); font: 600 14px/1.5 var(--sans); cursor: pointer; }
button.send:hover { filter: brightness(1.08); }
button.plain { border: 0; padding: 0; background: none; color: var(--accent); font: inherit; cursor: pointer; text-decoration: underline; text-decoration-thickness: 1px; text-underline-offset: 3px; }
.hint { font-size: 13px; color: var(--faint); }
kbd { font: 12px var(--mono); border: 1px solid var(--line-strong); border-radius: 4px; padding: 0 5px; }
pre { margin: 0; padding: 14px 16px; overflow: auto; max-height: 420px; line-height: 1.6; background: var(--sunken); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere; }
.console pre { background: var(--bg); border: 1px solid var(--line); flex: 1; min-height: 120px; }
.k { color: var(--accent); } .s { color: var(--pass); } .n { color: var(--warn); }
.badge { display: inline-block; padding: 1px 9px; border-radius: 999px; font: 600 12px/1.7 var(--mono); background: var(--sunken); color: var(--muted); white-space: nowrap; }
.badge.good { background: var(--pass-soft); color: var(--pass); } .badge.bad { background: var(--fail-soft); color: var(--fail); } .badge.warn { background: var(--warn-soft); color: var(--warn); }
.badge.delete { background: var(--fail-soft); color: var(--fail); } .badge.put, .badge.patch { background: var(--warn-soft); color: var(--warn); }
.badge.get { background: var(--pass-soft); color: var(--pass); } .badge.post { background: var(--accent-soft); color: var(--accent); }
.results { list-style: none; margin: 0; padding: 0; display: grid; gap: 6px; font-size: 14px; }
.results li { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; } .results .why { flex-basis: 100%; color: var(--muted); font-size: 13px; overflow-wrap: anywhere; }
.headers { margin: 0; display: grid; gap: 2px; font: 13px/1.6 var(--mono); } .headers div { display: flex; gap: 10px; } .headers dt { flex: none; color: var(--faint); } .headers dd { margin: 0; overflow-wrap: anywhere; }
.asked { font-family: var(--mono); overflow-wrap: anywhere; }
.time { color: var(--faint); font-size: 13px; font-variant-numeric: tabular-nums; }
article { border-top: 1px solid var(--line); padding: 22px 0 26px; }
article:first-of-type { margin-top: 20px; }
.operations { margin-top: 20px; display: grid; gap: 8px; }
.operations article { border: 0; padding: 0; margin: 0; }
details.operation { margin: 0; border-radius: 10px; }
.operation > summary { flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 11px 16px; } .operation > summary h3 { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; font: 600 14px/1.5 var(--mono); overflow-wrap: anywhere; color: var(--text); }
.operation > summary .badge { min-width: 52px; text-align: center; }
.operation > summary { position: relative; padding-right: 40px; } .operation > summary::after { position: absolute; right: 17px; top: 19px; }
.operation > .body { padding: 4px 16px 20px; gap: 20px; }
.about { color: var(--muted); font-size: 15px; max-width: 70ch; white-space: pre-line; }
article > h3 { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; font: 600 15px/1.5 var(--mono); overflow-wrap: anywhere; }
article > p { margin-top: 8px; color: var(--muted); max-width: 70ch; }
article > .fields { margin-top: 12px; }
.block > .label { margin-bottom: 8px; }
details { border: 1px solid var(--line); border-radius: 8px; margin-top: 8px; background: var(--surface); }
summary { cursor: pointer; padding: 9px 14px; display: flex; gap: 12px; align-items: baseline; list-style: none; font-size: 14px; color: var(--muted); }
summary::-webkit-details-marker { display: none; }
summary::after { content: ""; margin-left: auto; flex: none; width: 7px; height: 7px; border-right: 1.5px solid var(--faint); border-bottom: 1.5px solid var(--faint); transform: translateY(-2px) rotate(45deg); }
[hidden] { display: none !important; }
details[open] > summary::after { transform: translateY(2px) rotate(225deg); }
details > .body { padding: 4px 14px 16px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
.deeper { border: 0; background: none; margin: 4px 0 0; } .deeper > summary { display: inline-flex; padding: 2px 0; gap: 10px; font-size: 13px; color: var(--accent); } .deeper > .body { padding: 0; }
.option { margin-top: 8px; } .as { font: 600 13px/1.6 var(--mono); color: var(--muted); } .option > .fields { margin: 4px 0 0 4px; padding-left: 16px; border-left: 2px solid var(--line); }
figure { margin: 0; } figcaption { font-size: 13px; color: var(--faint); margin-bottom: 4px; }
.fields { list-style: none; margin: 0; padding: 0; font-size: 14px; }
.fields > li { padding: 9px 0; border-top: 1px solid var(--line); } .fields > li:first-child { border-top: 0; }
.fields .fields { margin: 8px 0 0 4px; padding-left: 16px; border-left: 2px solid var(--line); }
.field { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; }
.field .name { font: 600 13px/1.6 var(--mono); overflow-wrap: anywhere; } .field .type { color: var(--muted); font: 13px/1.6 var(--mono); overflow-wrap: anywhere; } .field .must { color: var(--warn); font-size: 12px; }
.note { color: var(--muted); margin-top: 2px; max-width: 68ch; }
.empty { color: var(--faint); font-size: 14px; }
@media (max-width: 860px) {
  .page { grid-template-columns: minmax(0, 1fr); padding: 0 18px 64px; } main { padding-top: 28px; }
  nav { position: static; max-height: none; padding: 18px 0 0; } .contents > summary { display: flex; border: 1px solid var(--line); border-radius: 8px; } .contents[open] > summary { margin-bottom: 14px; }
  .console { grid-template-columns: minmax(0, 1fr); } .console > div + div { border-left: 0; border-top: 1px solid var(--line); }
}
@media (max-width: 480px) { .param { grid-template-columns: auto 1fr; gap: 2px 10px; } .param input, .param select { grid-column: 1 / -1; } }
`;
