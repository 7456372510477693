/** How the fetching of one bundle goes. */
export interface RelationshipHealth {
  /** Whether the relationship stands in the configuration, rather than having been made at run time. */
  readonly isStatic: boolean
  /** When the bundle was last seen at its endpoint, changed or not; undefined since the server started: never. */
  readonly lastSuccess: Date | undefined
  readonly lastFailure: { readonly at: Date; readonly message: string } | undefined
  /** Failures since the last success. */
  readonly failures: number
  /** When it is tried next; undefined while it is being tried. */
  readonly nextTry: Date | undefined
}
