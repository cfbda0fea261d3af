/** The package's own workflows as one script, which the build of this package puts here. */
const script: string = undefined as never;

export default script;
