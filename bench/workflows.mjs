/** The workflow "two", as a file of an app: two steps one after the other, which answer 3 together. */
export const twoSteps = {
  "workflows/two.ts": `export async function two() {
  "use workflow";
  const first = await one(1);
  return first + (await one(2));
}
async function one(n: number) {
  "use step";
  return n;
}
`,
};
