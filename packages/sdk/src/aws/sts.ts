import type { JsonObject } from '../bundle/strict-json.ts'
import { unreadable } from '../exchange/index.ts'
import { type HeldCredentials, heldCredentials } from './aws-credentials.ts'

const who = 'AWS STS'

/** Errors that say what to look at; anything else of a refusal stays unread. */
const knownCodes: readonly string[] = [
  'AccessDenied',
  'ExpiredTokenException',
  'IDPCommunicationError',
  'IDPRejectedClaim',
  'InvalidIdentityToken',
  'MalformedPolicyDocument',
  'PackedPolicyTooLarge',
  'RegionDisabledException',
  'Throttling',
  'ValidationError',
]

const names = {
  accessKeyId: 'AccessKeyId',
  secretAccessKey: 'SecretAccessKey',
  sessionToken: 'SessionToken',
  expiration: 'Expiration',
}

/** The code of an error that STS is known to answer. */
export function stsErrorCode(text: string): string | undefined {
  const code = /<Code>(\w{1,64})<\/Code>/.exec(text)?.[1]
  return knownCodes.find((known) => known === code)
}

/**
 * Reads the XML that STS answers: its `Credentials` element, which must be there once and hold each value once.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_ANSWER`
 */
export function readStsCredentials(text: string): HeldCredentials {
  const credentials = onlyElement(text, 'Credentials')
  const answer: JsonObject = Object.fromEntries(
    Object.values(names).map((name) => [name, onlyElement(credentials, name).trim()]),
  )
  return heldCredentials(who, answer, names)
}

/** The content of an element that comes once and has no attributes. No value of STS's needs an entity. */
function onlyElement(text: string, name: string): string {
  const [open, close] = [`<${name}>`, `</${name}>`]
  const start = text.indexOf(open)
  const end = text.indexOf(close, start)
  const isOnly = start >= 0 && end >= 0 && text.indexOf(open, start + 1) < 0
  if (!isOnly) throw unreadable(who)
  const content = text.slice(start + open.length, end)
  if (/[&\0]/.test(content)) throw unreadable(who)
  return content
}
