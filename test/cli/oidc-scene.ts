import { chmodSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { type AllPrograms, freePort, type Scene } from '../kit/processes.ts'

/** A bundle whose keys every run has. */
const bundle = {
  keys: [
    {
      use: 'jwt-svid',
      kid: 'key-1',
      kty: 'EC',
      crv: 'P-256',
      x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
      y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    },
  ],
}

/** `ask <line>…`: sends a request and prints the answer: names of headers in small letters and sorted, without the date. */
const ask = String.raw`#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/$OIDC_PORT"
{ printf '%b\r\n' "$@"; printf 'Connection: close\r\n\r\n'; } >&3
cat <&3 | tr -d '\r' | awk '
  NR == 1 || body { print; next }
  $0 == "" { close("LC_ALL=C sort"); body = 1; print; next }
  { at = index($0, ":"); name = tolower(substr($0, 1, at - 1))
    if (name != "date") print name substr($0, at) | "LC_ALL=C sort" }'
`

/** What a scene with a running provider adds. */
export interface OidcScene {
  readonly environment: Readonly<Record<string, string>>
  readonly names: Readonly<Record<string, string>>
}

/** Starts a provider that has its keys from a file, with more lines of its configuration. */
export async function openOidcScene(
  scene: Scene,
  programs: AllPrograms,
  settings: string,
): Promise<OidcScene> {
  const [port, healthPort] = [await freePort(), await freePort()]
  writeFileSync(scene.path('bin', 'ask'), ask)
  chmodSync(scene.path('bin', 'ask'), 0o755)
  writeFileSync(scene.path('bundle.json'), JSON.stringify(bundle))
  writeFileSync(
    scene.path('oidc.conf'),
    `log_level = "debug"
domains = ["example.test", "xn--bcher-kva.test"]
insecure_addr = "127.0.0.1:${port}"
file { path = "${scene.path('bundle.json')}" }
health_checks { bind_port = ${healthPort} }
${settings}
`,
  )
  const daemon = scene.start(programs.oidcProvider, ['-config', scene.path('oidc.conf')])
  await daemon.waitFor('Serving HTTP (insecure)')
  while ((await statusOf(healthPort, '/ready')) !== 200) {
    if (daemon.hasEnded) throw new Error(daemon.lastWords)
  }
  return {
    environment: { OIDC_PORT: `${port}`, OIDC_HEALTH_PORT: `${healthPort}` },
    names: { port: `${port}`, 'health port': `${healthPort}` },
  }
}

/** Undefined when nobody answers. */
function statusOf(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    })
    asked.once('error', () => resolve(undefined))
  })
}
