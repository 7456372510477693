import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'
import type { CallOptions, JwtSvidRequest } from '../workload-api/index.ts'
import { ExchangeError } from './exchange-error.ts'

/** Where JWT-SVIDs come from: a `JwtSource`, a `WorkloadApiClient`, or anything that does as they do. */
export interface JwtSvidSource {
  /** A JWT-SVID of the moment. */
  fetchJwtSvid(request: JwtSvidRequest, options?: CallOptions): Promise<JwtSvid>
}

/** Which JWT-SVID is exchanged. */
export interface SubjectOptions {
  readonly svids: JwtSvidSource
  /** One of the workload's identities. @default the agent's first */
  readonly subject?: SpiffeId | undefined
}

/**
 * Fetches a JWT-SVID for exactly one audience, so that who gets it cannot use it elsewhere.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_SUBJECT`, also for one that is for others or has ended
 */
export async function fetchSubjectToken(
  { svids, subject }: SubjectOptions,
  audience: string,
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<JwtSvid> {
  let svid: JwtSvid
  try {
    svid = await svids.fetchJwtSvid({ audience: [audience], subject }, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', `no JWT-SVID: ${messageOf(cause)}`, { cause })
  }
  const [only, ...others] = svid.audience
  if (only !== audience || others.length > 0)
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', 'the JWT-SVID is for another audience')
  if (subject && !svid.spiffeId.equals(subject))
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', 'the JWT-SVID is for another identity')
  if (svid.expiresAt.getTime() <= clock.nowMs())
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', 'the JWT-SVID has ended')
  return svid
}
