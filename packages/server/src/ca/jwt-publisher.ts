import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { JwtAuthority } from '../model/trust-bundle.ts'
import type { Cause } from '../store/store.ts'

/**
 * Makes a JWT authority known to whoever verifies tokens of this trust domain, and answers with all there are then. Afterwards
 * it is in the own bundle.
 */
export type PublishJwtAuthority = (
  authority: Omit<JwtAuthority, 'tainted'>,
  cause: Cause,
) => Promise<readonly JwtAuthority[]>

/** Publishes in the own bundle only: there is nobody above. */
export function publishLocally(bundle: OwnBundle): PublishJwtAuthority {
  return async (authority, cause) =>
    (await bundle.append({ jwt: [authority] }, cause)).jwtAuthorities
}
