import { X509Certificate } from 'node:crypto'

/** The subject of a certificate as Go prints a name: most specific part first, comma between, `+` for several of one kind. */
export function subjectText(certificate: Uint8Array): string {
  const lines = new X509Certificate(certificate).subject?.split('\n') ?? []
  return lines
    .filter((line) => line !== '')
    .map((line) => line.replace(/^serialNumber=/, 'SERIALNUMBER='))
    .reverse()
    .join(',')
}
