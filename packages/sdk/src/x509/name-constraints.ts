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
    checkUris(names.uris, permitted.uris, excluded.uris) ??
    check(names.dnsNames, permitted.dnsNames, excluded.dnsNames, {
      isPermitted: isDnsNameBelow,
      isExcluded: touchesDnsSubtree,
    }) ??
    check(names.emailAddresses, permitted.emailAddresses, excluded.emailAddresses, {
      isPermitted: isEmailBelow,
    }) ??
    check(names.ipAddresses, permitted.addresses, excluded.addresses, { isPermitted: isAddressIn })
  )
}

type IsIn<N, S> = (name: N, subtree: S) => boolean

function check<N, S>(
  names: readonly N[],
  permitted: readonly S[],
  excluded: readonly S[],
  rules: { readonly isPermitted: IsIn<N, S>; readonly isExcluded?: IsIn<N, S> },
): string | undefined {
  const { isPermitted, isExcluded = isPermitted } = rules
  for (const name of names) {
    if (excluded.some((subtree) => isExcluded(name, subtree))) return `${quote(name)} is excluded`
    if (permitted.length > 0 && !permitted.some((subtree) => isPermitted(name, subtree)))
      return `${quote(name)} is not permitted`
  }
  return undefined
}

/** A URI that has no host's name is outside of whatever is said of hosts: nobody can tell where it belongs. */
function checkUris(
  uris: readonly string[],
  permitted: readonly string[],
  excluded: readonly string[],
): string | undefined {
  if (permitted.length === 0 && excluded.length === 0) return undefined
  const nameless = uris.find((uri) => hostOf(uri) === undefined)
  if (nameless !== undefined) return `${quote(nameless)} has no host that could be compared`
  return check(uris, permitted, excluded, { isPermitted: isUriBelow })
}

function quote(name: unknown): string {
  return JSON.stringify(String(name).slice(0, 256))
}

/** The host of a URI, without user and port; undefined for none, and for an IP address. */
function hostOf(uri: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1] ?? ''
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
  return host === '' || /[:[\]%]|^[\d.]+$/.test(host) ? undefined : normalized(host)
}

/** Names are the same in capitals, and with the root's dot at their end. */
function normalized(dnsName: string): string {
  return dnsName.toLowerCase().replace(/\.$/, '')
}

/** The host of a URI: itself, or below a subtree that begins with a dot. */
function isUriBelow(uri: string, subtree: string): boolean {
  const name = hostOf(uri)
  const base = subtree.toLowerCase()
  if (name === undefined) return false
  return base.startsWith('.') ? name.endsWith(base) && name !== base : name === base
}

/** The name itself and every name below it, with a leading dot only those; an empty subtree is every name. */
function isDnsNameBelow(dnsName: string, subtree: string): boolean {
  const name = normalized(dnsName)
  const base = subtree.toLowerCase()
  if (base.startsWith('.')) return name.endsWith(base) && name !== base
  return base === '' || name === base || name.endsWith(`.${base}`)
}

/** Whether any host that the name stands for is in the subtree or at its top: `*.a.b` stands for `x.a.b`, too. */
function touchesDnsSubtree(dnsName: string, subtree: string): boolean {
  const base = subtree.replace(/^\./, '')
  if (isDnsNameBelow(dnsName, base)) return true
  const [label, ...parent] = base.toLowerCase().split('.')
  return label !== '' && normalized(dnsName) === ['*', ...parent].join('.')
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
