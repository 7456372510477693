import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { type Program, Scene } from '../kit/processes.ts'

/** The program, which cannot be had from the module proxy: built elsewhere, named by a variable. */
const path = process.env['SPIRE_CONTROLLER_MANAGER'] ?? ''
if (path === '') {
  process.stderr.write('\n  SKIPPED ALOUD: SPIRE_CONTROLLER_MANAGER does not name its program\n')
}

const header = 'apiVersion: spire.spiffe.io/v1alpha1\nkind: '

function manifest(hint: string): string {
  return `${header}ClusterStaticEntry
metadata: { name: one }
spec:
  parentID: spiffe://example.org/spire/agent/x
  spiffeID: spiffe://example.org/static/one
  selectors: ["unix:uid:1", "unix:gid:2"]
  x509SVIDTTL: 10m
  hint: ${hint}
`
}

describe.skipIf(path === '')('spire-controller-manager with static manifests', () => {
  it('creates and updates entries and federation relationships on our server', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene)
    const manifests = scene.makeFolder('manifests')
    const config = scene.path('manager.yaml')
    writeFileSync(
      config,
      `${header}ControllerManagerConfig
trustDomain: example.org
clusterName: test
clusterDomain: cluster.local
spireServerSocketPath: ${server.socket}
staticManifestPath: ${manifests}
metrics: { bindAddress: "0" }
health: { healthProbeBindAddress: "127.0.0.1:0" }
reconcile: { clusterSPIFFEIDs: false, clusterFederatedTrustDomains: true, clusterStaticEntries: true }
`,
    )
    writeFileSync(`${manifests}/entry.yaml`, manifest('first'))
    writeFileSync(
      `${manifests}/domain.yaml`,
      `${header}ClusterFederatedTrustDomain
metadata: { name: web }
spec:
  trustDomain: web.test
  bundleEndpointURL: https://web.test/bundle
  bundleEndpointProfile: { type: https_web }
`,
    )
    const program: Program = { command: path, args: [] }
    const manager = scene.start(program, ['-config', config], { env: { ENABLE_WEBHOOKS: 'false' } })
    await manager.waitFor('Created federation relationship')
    await manager.waitFor('Created entry')
    expect(server.must('entry', 'show')).toMatch(/Hint +: first/)
    expect(server.must('federation', 'list')).toContain('web.test')
    writeFileSync(`${manifests}/entry.yaml`, manifest('second'))
    await manager.waitFor('Updated entry')
    expect(server.must('entry', 'show')).toMatch(/Hint +: second/)
  })
})
