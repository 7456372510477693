import { writeFileSync } from 'node:fs'
import { type Program, runProgram } from './processes.ts'

/** Makes a certificate authority and a node certificate below it with openssl, for x509pop. */
export function makeNodeCertificate(
  folder: string,
  name: string,
): { readonly ca: string; readonly certificate: string; readonly key: string } {
  const openssl: Program = { command: 'openssl', args: [] }
  const at = (file: string): string => `${folder}/${name}-${file}`
  const must = (...args: readonly string[]): void => {
    const done = runProgram(openssl, args)
    if (done.status !== 0) throw new Error(done.stderr)
  }
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  must(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=pop-ca',
  )
  must('req', ...curve, '-keyout', at('node.key'), '-out', at('node.csr'), '-subj', `/CN=${name}`)
  writeFileSync(
    at('ext'),
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n',
  )
  must(
    'x509',
    '-req',
    '-in',
    at('node.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    at('ext'),
    '-out',
    at('node.pem'),
  )
  return { ca: at('ca.pem'), certificate: at('node.pem'), key: at('node.key') }
}
