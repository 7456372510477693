import { writeFileSync } from 'node:fs'
import { systemClock } from '@mini-spire/runtime/clock'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { startLocalDns } from './local-dns.ts'
import { goInstall } from './peers.ts'
import { freePort, type Scene } from './processes.ts'
import { untilListening } from './until-listening.ts'

const version = 'v2.8.0'

/** An ACME authority for tests: Let's Encrypt's Pebble. */
export interface Pebble {
  readonly directoryUrl: string
  /** The root (PEM) of the certificate that its own API shows. */
  readonly apiRoot: string
  /** The root (PEM) of the certificates that it issues. */
  readonly issuingRoot: string
}

/** Starts Pebble, built from its published module; it asks for TLS-ALPN-01 proofs at the port given. */
export async function startPebble(scene: Scene, tlsPort: number): Promise<Pebble> {
  const program = await goInstall('github.com/letsencrypt/pebble/v2/cmd/pebble', version)
  const { cert, key, root: apiRoot } = await issue('localhost')
  const [apiPort, managementPort] = [await freePort(), await freePort()]
  writeFileSync(scene.path('pebble.pem'), cert)
  writeFileSync(scene.path('pebble.key'), key)
  const pebble = {
    listenAddress: `127.0.0.1:${apiPort}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: scene.path('pebble.pem'),
    privateKey: scene.path('pebble.key'),
    httpPort: 9,
    tlsPort,
    profiles: { default: { description: 'a day', validityPeriod: 86_400 } },
  }
  writeFileSync(scene.path('pebble.json'), JSON.stringify({ pebble }))
  const daemon = scene.start(
    { command: program, args: [] },
    ['-config', scene.path('pebble.json'), '-strict', '-dnsserver', await startLocalDns(scene)],
    { env: { ...process.env, PEBBLE_VA_NOSLEEP: '1' } },
  )
  await daemon.waitFor('ACME directory available')
  await untilListening(managementPort)
  await untilListening(apiPort)
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const url = `https://localhost:${managementPort}/roots/0`
  const { body } = await http.request({ url, roots: [apiRoot] })
  return {
    directoryUrl: `https://localhost:${apiPort}/dir`,
    apiRoot,
    issuingRoot: Buffer.from(body).toString(),
  }
}
