/** A private key and its certificate chain, PEM; leaf first. A changed certificate is another object. */
export interface KeyPair {
  readonly key: string
  readonly cert: string
}

/** What an HTTPS listener shows. It is asked anew for each connection, and must answer from memory. */
export interface ServingCertificate {
  /** Undefined while there is none yet: connections are cut then. */
  current(): KeyPair | undefined
  /** The one for a host name, where there are several and no connection without a name. @default {@link current}, for all */
  find?(serverName: string): KeyPair | undefined
  /** Whether a certificate authority may be about to ask for a proof [RFC 8737]. */
  readonly isChallenged?: boolean
  /** The proof for a host name that a certificate authority asks for, if there is one [RFC 8737]. */
  findChallenge?(serverName: string): KeyPair | undefined
}
