import { writeFileSync } from 'node:fs'
import { systemClock } from '@mini-spire/runtime/clock'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { freePort, Scene } from '../kit/processes.ts'

const scale = Number(process.env['SOAK_SCALE'] ?? '1')
/** More starts than a cloud takes keys. */
const starts = Math.max(Math.ceil(130 * scale), 3)

it(`a server that loses its keys at each of ${starts} starts shows fewer than 100 of them, its own among them`, async () => {
  await using scene = new Scene()
  const { cert, key, root } = await issue('localhost')
  writeFileSync(scene.path('cert.pem'), cert)
  writeFileSync(scene.path('cert.key'), key)
  const port = await freePort()
  const issuer = `https://localhost:${port}`
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const server = await ServerDeployment.prepare(scene, {
    plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "x" } }
    KeyManager "memory" { plugin_data {} }
    NodeAttestor "join_token" { plugin_data {} }`,
    settings: `jwt_issuer = "${issuer}"
    oidc_discovery { address = "127.0.0.1" port = ${port}
      serving_cert_file { cert_file_path = "${scene.path('cert.pem')}" key_file_path = "${scene.path('cert.key')}" }
    }`,
  })
  const made: string[] = []
  for (let start = 0; start < starts; start++) {
    await server.restart()
    const shown = JSON.parse(server.must('localauthority', 'jwt', 'show', '-output', 'json'))
    made.push(shown.active.authority_id)
    const { body } = await http.request({ url: `${issuer}/keys`, roots: [root] })
    const { keys } = JSON.parse(Buffer.from(body).toString())
    const kids: readonly string[] = keys.map(({ kid }: { kid: string }) => kid)
    // All that were made, oldest first; and of more the newest.
    expect(kids).toEqual(made.slice(-99))
    await server.daemon.stop('SIGKILL')
  }
})
