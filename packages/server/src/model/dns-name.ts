import { domainToASCII, domainToUnicode } from 'node:url'
import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'

export type DnsNameErrorCode = 'ERR_DNS_NAME_REFUSED' | 'ERR_DNS_NAMES_OVERLAP'

/** A DNS name that no certificate gets. */
export class DnsNameError extends SpiffeError<DnsNameErrorCode> {
  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}

const maxNameLength = 253
const maxLabelLength = 63
const acePrefix = 'xn--'

/**
 * Checks a DNS name of an entry or of a minted certificate, by SPIRE's rules and with its texts.
 *
 * Lenient where SPIRE is: characters inside a label are not looked at (`_`, blanks, upper case pass), and white space around
 * the name is ignored and kept.
 *
 * @throws {DnsNameError} `ERR_DNS_NAME_REFUSED`
 */
export function checkDnsName(name: string): void {
  if (!isAscii(name)) throw refused('name must be ascii')
  const stars = name.split('*').length - 1
  if (stars > 1) throw refused('too many wildcards')
  if (stars === 1 && !name.startsWith('*.')) throw refused('wildcard must be first label')
  checkLabels((stars === 1 ? name.slice(2) : name).trim())
}

/**
 * Refuses a list in which a wildcard covers another of its names.
 *
 * @throws {DnsNameError} `ERR_DNS_NAMES_OVERLAP`
 */
export function checkWildcardOverlap(names: readonly string[]): void {
  const all = new Set(names)
  for (const name of names) {
    if (name.startsWith('*')) continue
    const [, ...rest] = name.split('.')
    if (all.has(['*', ...rest].join('.')))
      throw new DnsNameError(
        'ERR_DNS_NAMES_OVERLAP',
        `name ${JSON.stringify(name)} overlaps with an existing wildcard name in the list: wildcard overlap`,
      )
  }
}

function checkLabels(domain: string): void {
  if (domain === '') throw refused('empty or only whitespace')
  if (domain.endsWith('.')) throw refused('domain ends with dot')
  const labels = domain.split('.')
  for (const label of labels) checkLabel(label, domain)
  const long = labels.find((label) => label.length > maxLabelLength)
  if (long !== undefined) throw invalidLabel(long)
  if (domain.length > maxNameLength) throw invalidLabel(domain)
  const output = labels.map(encodeAgain).join('.')
  if (output !== domain)
    throw refused(
      `input domain name ${JSON.stringify(domain)} does not match idna output ${JSON.stringify(output)}: label mismatch after idna`,
    )
}

function checkLabel(label: string, domain: string): void {
  if (label === '') throw invalidLabel(domain)
  if (label.startsWith(acePrefix)) {
    if (decode(label) === undefined) throw invalidLabel(label.slice(acePrefix.length))
    return
  }
  const hasReservedHyphens = label[2] === '-' && label[3] === '-'
  if (hasReservedHyphens || label.startsWith('-') || label.endsWith('-')) throw invalidLabel(label)
}

/** What a label that claims to be punycode stands for; undefined when it is none, or stands for itself. */
function decode(label: string): string | undefined {
  const text = domainToUnicode(label)
  return text === '' || isAscii(text) ? undefined : text
}

function encodeAgain(label: string): string {
  return label.startsWith(acePrefix) ? domainToASCII(decode(label) ?? '') : label
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

function invalidLabel(label: string): DnsNameError {
  return refused(`idna error\nidna: invalid label ${JSON.stringify(label)}`)
}

function refused(message: string): DnsNameError {
  return new DnsNameError('ERR_DNS_NAME_REFUSED', message)
}
