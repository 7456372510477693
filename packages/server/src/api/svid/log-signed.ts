import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { instantText } from '../../ca/validity.ts'
import type {
  IssuedDownstreamCa,
  IssuedJwtSvid,
  IssuedX509Svid,
} from '../../issuance/issued-svid.ts'

/** Says, to who wants to know everything, that an X509-SVID was signed. */
export function logSigned(log: Logger, svid: IssuedX509Svid, fields: LogFields = {}): void {
  if (!log.isEnabled('debug')) return
  const { expiresAtSeconds, serialNumber } = svid
  const expiration = instantText(expiresAtSeconds)
  log.debug('Signed X509 SVID', { ...fields, expiration, serial_num: serialNumber })
}

/** Says, to who wants to know everything, that a JWT-SVID was signed; never the token. */
export function logSignedJwt(
  log: Logger,
  audience: readonly string[],
  { expiresAtSeconds }: IssuedJwtSvid,
): void {
  if (!log.isEnabled('debug')) return
  const fields = { audience: `[${audience.join(' ')}]`, expiration: instantText(expiresAtSeconds) }
  log.debug('Server CA successfully signed JWT SVID', fields)
}

/** Says, to who wants to know everything, that a CA certificate was signed for a downstream server. */
export function logSignedCa(log: Logger, spiffe_id: string, ca: IssuedDownstreamCa): void {
  log.debug('Signed X509 CA SVID', { spiffe_id, expiration: instantText(ca.expiresAtSeconds) })
}
