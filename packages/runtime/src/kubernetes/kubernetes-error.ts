import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type KubernetesErrorCode = 'ERR_KUBERNETES_CONFIG' | 'ERR_KUBERNETES_REFUSED'

const kinds: Record<KubernetesErrorCode, ErrorKind> = {
  ERR_KUBERNETES_CONFIG: 'invalid-argument',
  ERR_KUBERNETES_REFUSED: 'internal',
}

/** A cluster that cannot be reached as configured, or that refused a request. */
export class KubernetesError extends SpiffeError<KubernetesErrorCode> {
  /** The HTTP status of a refusal; 0: none. */
  readonly status: number

  override get kind(): ErrorKind {
    return kinds[this.code]
  }

  constructor(
    code: KubernetesErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly status?: number },
  ) {
    super(code, message, options)
    this.status = options?.status ?? 0
  }
}
