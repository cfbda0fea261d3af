/** What stands for all that is not told apart. */
export const otherLabel = "other";

/**
 * Lets through as many texts as there may be values of a label, and one word for those that come later:
 * each value is a series that is kept for as long as the process lives.
 */
export function boundedLabel(limit: number): (text: string) => string {
  const known = new Set<string>();
  return (text) => {
    if (known.has(text)) return text;
    if (known.size >= limit) return otherLabel;
    known.add(text);
    return text;
  };
}
