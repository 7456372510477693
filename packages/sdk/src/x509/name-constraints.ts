import { DerCursor } from './der-reader.ts'
import { derTag } from './der-writer.ts'
import { ia5, type SubjectAltNames } from './extensions.ts'
import { X509Error } from './x509-error.ts'

/** Subtrees of one kind of name; addresses are an address and a mask of the same length. */
export interface NameSubtrees {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly emailAddresses: readonly string[]
  readonly addresses: readonly Uint8Array[]
}

/** The names that certificates below a CA may have [RFC 5280 4.2.1.10]. */
export interface NameConstraints {
  readonly permitted: NameSubtrees
  readonly excluded: NameSubtrees
  /** Whether there are subtrees of kinds that are not checked here: nothing below may then be trusted. */
  readonly hasUnhandled: boolean
}

const maxSubtrees = 1000

/** Reads the value of a name constraints extension. */
export function parseNameConstraints(value: Buffer): NameConstraints {
  const outer = DerCursor.over(value)
  const fields = outer.enter(derTag.sequence)
  outer.finish()
  const permitted = fields.peekTag() === 0xa0 ? readSubtrees(fields.enter(0xa0)) : none
  const excluded = fields.peekTag() === 0xa1 ? readSubtrees(fields.enter(0xa1)) : none
  fields.finish()
  return { permitted, excluded, hasUnhandled: permitted.hasUnhandled || excluded.hasUnhandled }
}

type ReadSubtrees = NameSubtrees & { readonly hasUnhandled: boolean }

const none: ReadSubtrees = {
  uris: [],
  dnsNames: [],
  emailAddresses: [],
  addresses: [],
  hasUnhandled: false,
}

function readSubtrees(list: DerCursor): ReadSubtrees {
  const uris: string[] = []
  const dnsNames: string[] = []
  const emailAddresses: string[] = []
  const addresses: Uint8Array[] = []
  let hasUnhandled = false
  for (let count = 0; !list.isAtEnd; count++) {
    if (count === maxSubtrees) throw malformed()
    const subtree = list.enter(derTag.sequence)
    const base = subtree.takeAny()
    // minimum and maximum have one allowed value each, which DER leaves out.
    subtree.finish()
    if (base.tag === 0x86) uris.push(ia5(subtree, base))
    else if (base.tag === 0x82) dnsNames.push(ia5(subtree, base))
    else if (base.tag === 0x81) emailAddresses.push(ia5(subtree, base))
    else if (base.tag === 0x87) {
      const range = subtree.content(base)
      if (range.length !== 8 && range.length !== 32) throw malformed()
      addresses.push(range)
    } else hasUnhandled = true
  }
  return { uris, dnsNames, emailAddresses, addresses, hasUnhandled }
}

/** Says why these names are outside the constraints; undefined when they are inside. */
export function findNameViolation(
  constraints: NameConstraints,
  names: SubjectAltNames,
): string | undefined {
  if (constraints.hasUnhandled) return 'a constraint is of a kind that is not supported'
  const { permitted, excluded } = constraints
  return (
    check(names.uris, permitted.uris, excluded.uris, isUriBelow) ??
    check(names.dnsNames, permitted.dnsNames, excluded.dnsNames, isDnsNameBelow) ??
    check(names.emailAddresses, permitted.emailAddresses, excluded.emailAddresses, isEmailBelow) ??
    check(names.ipAddresses, permitted.addresses, excluded.addresses, isAddressIn)
  )
}

function check<N, S>(
  names: readonly N[],
  permitted: readonly S[],
  excluded: readonly S[],
  isBelow: (name: N, subtree: S) => boolean,
): string | undefined {
  for (const name of names) {
    const text = JSON.stringify(String(name).slice(0, 256))
    if (excluded.some((subtree) => isBelow(name, subtree))) return `${text} is excluded`
    if (permitted.length > 0 && !permitted.some((subtree) => isBelow(name, subtree)))
      return `${text} is not permitted`
  }
  return undefined
}

/** The host of a URI: itself, or below a subtree that begins with a dot. */
function isUriBelow(uri: string, subtree: string): boolean {
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  if (host === undefined || host === '' || /[@:[\]%]/.test(host)) return false
  const name = host.toLowerCase()
  const base = subtree.toLowerCase()
  return base.startsWith('.') ? name.endsWith(base) && name !== base : name === base
}

/** The name itself and every name below it; an empty subtree is every name. */
function isDnsNameBelow(dnsName: string, subtree: string): boolean {
  const name = dnsName.toLowerCase()
  const base = subtree.toLowerCase().replace(/^\./, '')
  return base === '' || name === base || name.endsWith(`.${base}`)
}

/** One mailbox, all mailboxes of a host, or, with a leading dot, of the hosts below it. */
function isEmailBelow(email: string, subtree: string): boolean {
  const host = email.slice(email.lastIndexOf('@') + 1).toLowerCase()
  const base = subtree.toLowerCase()
  if (subtree.includes('@'))
    return email.slice(0, email.lastIndexOf('@')) === subtree.slice(0, subtree.lastIndexOf('@'))
      ? host === base.slice(base.lastIndexOf('@') + 1)
      : false
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

function isAddressIn(address: Uint8Array, range: Uint8Array): boolean {
  if (range.length !== address.length * 2) return false
  return address.every((byte, i) => {
    const mask = range[address.length + i] ?? 0
    return (byte & mask) === ((range[i] ?? 0) & mask)
  })
}

function malformed(): X509Error {
  return new X509Error('ERR_CERTIFICATE_MALFORMED', 'x509: malformed name constraints')
}
