/** A token of another issuer that was exchanged, and is not exchanged a second time. The token itself is never stored. */
export interface UsedToken {
  /** Lower-case hex SHA-256 of what tells the token from others: see `exchange/used-tokens.ts`. */
  readonly tokenHash: string
  /** From when on the token is refused anyway, so that nobody has to remember it. */
  readonly expiresAtSeconds: number
}
