/** The part of sql.js (1.16) that is used: SQLite compiled to WebAssembly, on a copy of the file in memory. */
declare module 'sql.js/dist/sql-wasm-inline.js' {
  /** A prepared query; `step` moves to the next row. */
  export interface Statement {
    step(): boolean
    getAsObject(
      parameters: null,
      options: { readonly useBigInt: true },
    ): Record<string, string | number | bigint | Uint8Array | null>
    free(): void
  }
  /** A database in memory. */
  export interface Database {
    prepare(sql: string): Statement
    run(sql: string, parameters?: readonly (string | number | bigint | Uint8Array | null)[]): void
    export(): Uint8Array
    close(): void
  }
  export default function initialize(): Promise<{
    readonly Database: new (bytes?: Uint8Array) => Database
  }>
}
