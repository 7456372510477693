import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { HttpScene, issue } from '@mini-spire/runtime/http/http.test-kit'
import { WebIdentityCredentials } from '@mini-spire/sdk/aws'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeSts } from '../kit/fake-sts.ts'
import { TokenScene } from '../kit/token-scene.ts'

const roleArn = 'arn:aws:iam::123456789012:role/web'
const host = 'sts.eu-central-1.amazonaws.com'

/** Sends what comes over one socket to a port of this machine, and back. */
function relay(from: NodeJS.ReadWriteStream & { destroy(): unknown }, port: number): Socket {
  const to = connect(port, '127.0.0.1')
  from.pipe(to).pipe(from)
  to.on('error', () => from.destroy())
  from.on('error', () => to.destroy())
  return to
}

describe("the region's public address of STS", () => {
  const scene = new HttpScene()
  afterEach(() => scene.close())

  it.each([
    { named: host, outcome: 'granted' },
    { named: 'sts.eu-central-1.example.com', outcome: 'ERR_EXCHANGE_UNAVAILABLE' },
  ])(
    'is asked through the proxy of the machine, where it is $named by the roots of the machine',
    async (row) => {
      await using tokens = await TokenScene.start()
      await using sts = await FakeSts.start({ roleArn, policy: tokens.policy('sts.amazonaws.com') })
      const tls = await issue(row.named)
      const behind = Number(new URL(sts.endpoint).port)
      const front = await scene.listen(createTlsServer(tls, (socket) => void relay(socket, behind)))
      const asked: (string | undefined)[] = []
      const proxy = createHttpServer().on('connect', ({ url }, client: Socket) => {
        asked.push(url)
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        relay(client, front)
      })
      const roots = join(scene.folder(), 'roots.pem')
      writeFileSync(roots, tls.root)
      const environment = {
        HTTPS_PROXY: `http://127.0.0.1:${await scene.listen(proxy)}`,
        SSL_CERT_FILE: roots,
      }
      using aws = new WebIdentityCredentials({
        svids: tokens.svids,
        roleArn,
        region: 'eu-central-1',
        environment,
      })
      const outcome = await aws.provider().then(
        () => 'granted',
        ({ code }: { code: string }) => code,
      )
      expect({ outcome, asked }).toEqual({ outcome: row.outcome, asked: [`${host}:443`] })
      expect(sts.seen).toHaveLength(row.outcome === 'granted' ? 1 : 0)
    },
  )
})
