/** A workload's X509-SVID with its key, as it is handed to the workload. */
export interface WorkloadX509Svid {
  /** DER, leaf first, root excluded. */
  readonly chain: readonly Uint8Array[]
  /** PKCS #8, DER. Never logged. */
  readonly privateKey: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Of the entry, when it was signed: a newer entry asks for a new SVID. */
  readonly revisionNumber: number
}

/** A workload's JWT-SVID. The token is never logged. */
export interface WorkloadJwtSvid {
  readonly token: string
  /** `kid` of the token's header. */
  readonly keyId: string
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}
