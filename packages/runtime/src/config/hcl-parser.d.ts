/** The original HCL 1 library, compiled to JavaScript: what tests compare with. */
declare module 'hcl-parser' {
  export function parse(text: string): readonly [Record<string, unknown> | null, unknown]
}
