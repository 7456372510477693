import { readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { startPebble } from '../kit/pebble.ts'
import { isGoMissing } from '../kit/peers.ts'
import { ours, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

/** SPIRE's provider listens nowhere else. */
const port = 443

describe.skipIf(isSpireMissing() || isGoMissing() || process.getuid?.() !== 0)('ACME', () => {
  it("what SPIRE's provider ordered is shown by ours, and not ordered again", async () => {
    await using scene = new Scene()
    const pebble = await startPebble(scene, port)
    const cache = scene.path('cache')
    writeFileSync(scene.path('roots.pem'), pebble.apiRoot)
    writeFileSync(
      scene.path('oidc.conf'),
      `domains = ["oidc.localhost"] file { path = "/nowhere" }
      acme { directory_url = "${pebble.directoryUrl}" email = "ops@example.org" tos_accepted = true
        cache_dir = "${cache}" }`,
    )
    const env = { ...process.env, SSL_CERT_FILE: scene.path('roots.pem'), SSL_CERT_DIR: '/nowhere' }
    const serials: string[] = []
    for (const program of [spire?.oidcProvider ?? ours.oidcProvider, ours.oidcProvider]) {
      const provider = scene.start(program, ['-config', scene.path('oidc.conf')], { env })
      await provider.waitFor('Serving HTTPS via ACME')
      serials.push(await serialOf('oidc.localhost', pebble.issuingRoot))
      await provider.stop()
      expect(provider.output).not.toContain('Certificate obtained')
      expect(readdirSync(cache).sort()).toEqual(['acme_account+key', 'oidc.localhost'])
    }
    expect(serials[1]).toBe(serials[0])
  })
})

/** The serial number of the certificate that is shown for a name, and verified. */
function serialOf(servername: string, root: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: [root] })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
      socket.destroy()
    })
  })
}
