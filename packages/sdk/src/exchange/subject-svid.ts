import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { X509Svid, X509SvidSource } from '../x509-svid/index.ts'
import { ExchangeError } from './exchange-error.ts'

/** The X509-SVID of the moment. @throws {ExchangeError} `ERR_EXCHANGE_SUBJECT` when there is none, or it has ended */
export function getSubjectSvid(svids: X509SvidSource, clock: Clock): X509Svid {
  let svid: X509Svid
  try {
    svid = svids.getX509Svid()
  } catch (cause) {
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', `no X509-SVID: ${messageOf(cause)}`, { cause })
  }
  if (svid.expiresAt.getTime() <= clock.nowMs())
    throw new ExchangeError('ERR_EXCHANGE_SUBJECT', 'the X509-SVID has ended')
  return svid
}
