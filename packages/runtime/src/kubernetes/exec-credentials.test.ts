import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { ExecCredentials } from './exec-credentials.ts'
import { kubeconfigAccess } from './kubeconfig.ts'

const apiVersion = 'client.authentication.k8s.io/v1'
const folder = mkdtempSync(join(tmpdir(), 'exec-credentials-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let clock: FakeClock
let programs: ExecCredentials
beforeEach(() => {
  clock = new FakeClock()
  const environment = { PATH: process.env['PATH'], INHERITED: 'yes' }
  programs = new ExecCredentials({ clock, environment })
  rmSync(join(folder, 'runs'), { force: true })
})

const answer = (status: object, more: object = {}): string =>
  JSON.stringify({ kind: 'ExecCredential', apiVersion, status, ...more })

/** A program that notes that it ran, and what it was told, and then does what the script says. */
function program(script: string): void {
  const path = join(folder, 'login')
  const noting = 'echo "$@|$OWN|$INHERITED|$KUBERNETES_EXEC_INFO" >> "$(dirname "$0")/runs"'
  writeFileSync(path, `#!/bin/sh\n${noting}\n${script}\n`)
  chmodSync(path, 0o755)
}

const saying = (text: string): void => program(`cat << 'END'\n${text}\nEND`)
const runs = (): readonly string[] => readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n')

type Access = Awaited<ReturnType<typeof kubeconfigAccess>>

async function access(exec: object = {}, user: object = {}): Promise<Access> {
  const path = join(folder, 'kubeconfig')
  const server = 'https://cluster.test'
  const usual = { apiVersion, command: './login', ...exec }
  const config = {
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': 'Y2E=' } }],
    users: [{ name: 'u', user: { exec: usual, ...user } }],
  }
  writeFileSync(path, JSON.stringify(config))
  return await kubeconfigAccess(path, programs)
}

const authorization = async (exec: object = {}): Promise<string | undefined> =>
  await (await access(exec)).authorization()

describe('a program that a kubeconfig names', () => {
  it('says what the token is, and is told what it asks for', async () => {
    saying(answer({ token: 'from-program' }))
    const exec = { args: ['get-token', '--x'], env: [{ name: 'OWN', value: 'own' }] }
    expect(await authorization(exec)).toBe('Bearer from-program')
    const [args, own, inherited, info] = runs()[0]?.split('|') ?? []
    expect([args, own, inherited]).toEqual(['get-token --x', 'own', 'yes'])
    expect(JSON.parse(info ?? '')).toEqual({
      kind: 'ExecCredential',
      apiVersion,
      spec: { interactive: false },
    })
    await authorization({ ...exec, provideClusterInfo: true })
    expect(JSON.parse(runs()[1]?.split('|')[3] ?? '').spec.cluster).toEqual({
      server: 'https://cluster.test',
      'certificate-authority-data': 'Y2E=',
    })
  })

  it('says what the certificate is, beside which other credentials stand', async () => {
    saying(answer({ clientCertificateData: 'CHAIN', clientKeyData: 'KEY' }))
    const found = await access({}, { token: 'fixed' })
    expect(found.clientCertificate).toEqual({ chain: 'CHAIN', key: 'KEY' })
    expect(await found.authorization()).toBe('Bearer fixed')
  })

  it('runs once for all who ask while its credential is valid', async () => {
    const expirationTimestamp = new Date(clock.nowMs() + 600_000).toISOString()
    saying(answer({ token: 'a', expirationTimestamp }))
    await Promise.all(Array.from({ length: 20 }, () => authorization()))
    clock.advance(599_999)
    expect(await authorization()).toBe('Bearer a')
    expect(runs()).toHaveLength(1)
    clock.advance(1)
    await authorization()
    expect(runs()).toHaveLength(2)
  })

  it('runs every minute when it does not say how long that is', async () => {
    saying(answer({ token: 'a' }))
    await authorization()
    clock.advance(59_999)
    await authorization()
    expect(runs()).toHaveLength(1)
    clock.advance(1)
    await authorization()
    expect(runs()).toHaveLength(2)
  })

  it('that failed is not run again for five seconds', async () => {
    program('exit 3')
    for (let n = 0; n < 5; n++)
      await expect(access()).rejects.toThrow('exec: executable ./login failed with exit code 3')
    expect(runs()).toHaveLength(1)
    clock.advance(5_000)
    saying(answer({ token: 'a' }))
    expect(await authorization()).toBe('Bearer a')
  })

  const canary = 'canary-of-the-program'
  it.each([
    ['nothing', '', 'no ExecCredential'],
    ['rubbish', canary, 'no ExecCredential'],
    ['another kind', JSON.stringify({ kind: canary, apiVersion }), 'no ExecCredential'],
    [
      'another version',
      answer({ token: canary }, { apiVersion: canary }),
      `exec plugin is configured to use API version ${apiVersion}, plugin returned another`,
    ],
    ['no credential', answer({ other: canary }), "didn't return a token or cert/key pair"],
    ['half a pair', answer({ clientKeyData: canary }), 'only certificate or key, not both'],
    [
      'no time',
      answer({ token: canary, expirationTimestamp: canary }),
      'exec plugin: decoding stdout: expirationTimestamp',
    ],
    ['two megabytes', 'x'.repeat(2_000_000), 'exec: executable ./login said too much'],
  ])('that says %s is refused, and not repeated', async (_, text, message) => {
    saying(text)
    const attempt = access()
    await expect(attempt).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_KUBERNETES_CONFIG',
        message: expect.stringContaining(message),
      }),
    )
    await expect(attempt).rejects.not.toThrow(canary)
  })

  it.each([
    [{ apiVersion: 'v1' }, 'exec plugin: invalid apiVersion "v1"'],
    [{ command: '' }, 'exec plugin: command must be specified'],
    [{ command: 'there-is-none' }, 'exec: executable there-is-none not found'],
    [{ command: './kubeconfig' }, 'exec: executable ./kubeconfig failed: EACCES'],
    [{ interactiveMode: 'Always' }, 'cannot support interactive mode'],
  ])('%j is refused', async (exec, message) => {
    await expect(access(exec)).rejects.toThrow(message)
  })

  it('gets no input', async () => {
    program(`cat > /dev/null; echo '${answer({ token: 'after-input' })}'`)
    expect(await authorization()).toBe('Bearer after-input')
  })
})
