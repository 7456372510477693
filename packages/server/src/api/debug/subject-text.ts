import {
  type DistinguishedName,
  type NamedAttribute,
  parseName,
} from '@mini-spire/runtime/x509/name'

/** Names of attributes in a printed subject, in the order of printing: the reverse of the order in certificates. */
const printed: readonly (readonly [string, NamedAttribute])[] = [
  ['SERIALNUMBER', 'serialNumber'],
  ['CN', 'commonName'],
  ['POSTALCODE', 'postalCode'],
  ['STREET', 'streetAddress'],
  ['ST', 'province'],
  ['L', 'locality'],
  ['OU', 'organizationalUnit'],
  ['O', 'organization'],
  ['C', 'country'],
]

/**
 * Prints a name as Go does, in the style of RFC 2253: last part first, several values of one attribute joined by `+`.
 * Attributes that no certificate of a SPIFFE authority carries are left out.
 *
 * @example
 * subjectText(certificate.subjectRaw) // 'O=SPIRE,C=US'
 */
export function subjectText(raw: Uint8Array): string {
  return nameText(parseName(raw).name)
}

/** As {@link subjectText}, of a name that has been read. */
export function nameText(name: DistinguishedName): string {
  const parts = printed.flatMap(([label, attribute]) => {
    const value = name[attribute]
    const values = typeof value === 'string' ? [value] : (value ?? [])
    if (values.length === 0) return []
    return [values.map((text) => `${label}=${escaped(text)}`).join('+')]
  })
  return parts.join(',')
}

function escaped(text: string): string {
  return text
    .replaceAll(/[,+"\\<>;]/g, (character) => `\\${character}`)
    .replace(/^[ #]/, (character) => `\\${character}`)
    .replace(/(?<!^) $/, '\\ ')
}
