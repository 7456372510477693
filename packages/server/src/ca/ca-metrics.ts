/** Kinds of authorities, as metrics name them. */
export type AuthorityKindName = 'x509_ca' | 'jwt_key' | 'wit_key'

/** What is counted of authorities; the composition root maps it to `ca.manager.…` and `manager.…`. */
export interface CaMetrics {
  /** A preparation ended; `error` is undefined when it succeeded. */
  prepared(
    kind: AuthorityKindName,
    outcome: { readonly durationMs: number; readonly error: unknown },
  ): void
  /** An authority signs from now on. */
  activated(kind: AuthorityKindName, life: { readonly notAfterSeconds: number }): void
}

/** Counts nothing. */
export const noCaMetrics: CaMetrics = { prepared: () => {}, activated: () => {} }
