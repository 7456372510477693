import type { DerCursor } from './der-reader.ts'
import { derTag } from './der-writer.ts'
import { X509Error } from './x509-error.ts'

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/**
 * Takes a certificate's time: UTCTime or GeneralizedTime, in UTC, with seconds, without fractions [RFC 5280 4.1.2.5].
 *
 * @throws {X509Error} `ERR_CERTIFICATE_MALFORMED`, also for a date that no calendar has
 */
export function parseValidityTime(cursor: DerCursor): Date {
  const span = cursor.takeAny()
  const text = cursor.content(span).toString('latin1')
  const isUtc = span.tag === derTag.utcTime
  if (!isUtc && span.tag !== derTag.generalizedTime) throw malformed()
  const parts = (isUtc ? utcTime : generalizedTime).exec(text)?.slice(1).map(Number)
  if (!parts) throw malformed()
  const [written = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  // Two digits: 50 to 99 are 1950 to 1999 [RFC 5280 4.1.2.5.1].
  const year = isUtc ? written + (written < 50 ? 2000 : 1900) : written
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  const isReal =
    time.getUTCFullYear() === year &&
    time.getUTCMonth() === month - 1 &&
    time.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  if (!isReal) throw malformed()
  return time
}

function malformed(): X509Error {
  return new X509Error('ERR_CERTIFICATE_MALFORMED', 'x509: malformed validity')
}
