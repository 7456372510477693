/** A one-time secret for an agent's first attestation. Stored as its SHA-256 only; an unused token is never readable. */
export interface JoinToken {
  /** Lower-case hex SHA-256 of the token's UTF-8 bytes. */
  readonly tokenHash: string
  readonly expiresAtSeconds: number
}
