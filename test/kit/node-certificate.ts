import { writeFileSync } from 'node:fs'
import { type Program, runProgram } from './processes.ts'

/** The certificate of a node, and what signed it: paths of PEM files. */
export interface NodeCertificate {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** The plugins of an agent that attests with a certificate; its own key is kept in a folder, or in memory. */
export function x509PopPlugins(node: NodeCertificate, keyFolder?: string): string {
  const keys =
    keyFolder === undefined
      ? 'KeyManager "memory" { plugin_data {} }'
      : `KeyManager "disk" { plugin_data { directory = "${keyFolder}" } }`
  return `
    NodeAttestor "x509pop" { plugin_data { private_key_path = "${node.key}" certificate_path = "${node.certificate}" } }
    ${keys}
    WorkloadAttestor "unix" { plugin_data {} }`
}

/** Makes a certificate authority and a node certificate below it with openssl, for x509pop; perhaps for one IP address. */
export function makeNodeCertificate(
  folder: string,
  name: string,
  address?: string,
): NodeCertificate {
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
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' +
      (address === undefined ? '' : `subjectAltName=IP:${address}\n`),
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
