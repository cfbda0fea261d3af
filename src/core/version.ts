/** This package's version. A test compares it with package.json, which a bundle has no way to read. */
export const version: string = "0.1.0";
