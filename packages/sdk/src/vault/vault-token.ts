/** A token of Vault's, and how long it is good for. */
export interface VaultToken {
  /** The token itself: a secret. Not enumerable, so that printing this never prints it. */
  readonly token: string
  readonly expiresAt: Date
  readonly isRenewable: boolean
}
