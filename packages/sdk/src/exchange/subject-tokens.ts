import { systemClock } from '../clock.ts'
import type { JwtSvid } from '../jwt-svid/index.ts'
import { type RenewalOptions, RenewedCredential } from './renewed-credential.ts'
import { fetchSubjectToken, type SubjectOptions } from './subject-token.ts'

/** JWT-SVIDs for one audience, renewed as other credentials are: what a cloud's own client exchanges. */
export function subjectTokens(
  options: SubjectOptions & RenewalOptions,
  audience: string,
): RenewedCredential<JwtSvid> {
  const { clock = systemClock } = options
  return new RenewedCredential(
    ({ signal }) => fetchSubjectToken(options, audience, { signal, clock }),
    options,
  )
}
