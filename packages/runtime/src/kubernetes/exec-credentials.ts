import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import type { Clock } from '../clock.ts'
import { quoteGo } from '../go-quote.ts'
import type { HttpClientCertificate } from '../http/http-client.ts'
import type { Environment } from '../http/system-roots.ts'
import { isTrueIn, listIn, objectIn, stringIn, stringsIn } from '../json-fields.ts'
import { KubernetesError } from './kubernetes-error.ts'

const versions: readonly string[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
]
const timeoutMs = 30_000
const maxAnswerBytes = 1024 * 1024
/** How long a credential counts that does not say until when. */
const keptMs = 60_000
/** How long a failure counts: strangers can make a server ask for a cluster. */
const failedMs = 5_000

/** What a program says that this process is to the cluster. */
export interface ExecCredential {
  /** Empty: none. */
  readonly token: string
  readonly clientCertificate: HttpClientCertificate | undefined
}

/** What a kubeconfig says of the program that it names. */
export interface ExecProgram {
  /** `user.exec` of the kubeconfig. */
  readonly exec: object
  /** Where the kubeconfig is: relative paths are relative to it. */
  readonly folder: string
  /** For programs that want to know: server and authority. */
  readonly cluster: object
}

interface Kept {
  readonly credential: Promise<ExecCredential>
  untilMs: number
}

/** Options of {@link ExecCredentials}. */
export interface ExecCredentialsOptions {
  readonly clock: Clock
  /** Programs inherit it. */
  readonly environment: Environment
}

/**
 * Credentials from the programs that kubeconfigs of clouds name (client-go's credential plugins): run when they are needed,
 * kept for as long as they are valid. Programs have nobody to ask: they get no input.
 */
export class ExecCredentials {
  readonly #options: ExecCredentialsOptions
  readonly #kept: Map<string, Kept> = new Map()

  constructor(options: ExecCredentialsOptions) {
    this.#options = options
  }

  /** @throws {KubernetesError} `ERR_KUBERNETES_CONFIG`, which repeats nothing of what the program said */
  async get(program: ExecProgram): Promise<ExecCredential> {
    const { clock } = this.#options
    const key = JSON.stringify([program.folder, program.exec, program.cluster])
    const known = this.#kept.get(key)
    if (known && clock.nowMs() < known.untilMs) return await known.credential
    const running = this.#run(program)
    const kept: Kept = {
      credential: running.then(({ credential }) => credential),
      untilMs: Infinity,
    }
    this.#kept.set(key, kept)
    running.then(
      ({ untilMs }) => {
        kept.untilMs = untilMs
      },
      () => {
        kept.untilMs = clock.nowMs() + failedMs
      },
    )
    return await kept.credential
  }

  async #run(
    program: ExecProgram,
  ): Promise<{ readonly credential: ExecCredential; readonly untilMs: number }> {
    const { exec, folder, cluster } = program
    const apiVersion = stringIn(exec, 'apiVersion')
    if (!versions.includes(apiVersion))
      throw refused(`exec plugin: invalid apiVersion ${quoteGo(apiVersion)}`)
    const command = stringIn(exec, 'command')
    if (command === '') throw refused('exec plugin: command must be specified')
    if (stringIn(exec, 'interactiveMode') === 'Always')
      throw refused('exec plugin cannot support interactive mode: nobody is there to ask')
    const spec = { interactive: false, ...(isTrueIn(exec, 'provideClusterInfo') && { cluster }) }
    const own = listIn(exec, 'env').map((one) => [stringIn(one, 'name'), stringIn(one, 'value')])
    const env = {
      ...this.#options.environment,
      ...Object.fromEntries(own),
      KUBERNETES_EXEC_INFO: JSON.stringify({ kind: 'ExecCredential', apiVersion, spec }),
    }
    const text = await ask(command.includes('/') ? resolve(folder, command) : command, exec, env)
    return readAnswer(text, apiVersion, this.#options.clock.nowMs())
  }
}

async function ask(file: string, exec: object, env: NodeJS.ProcessEnv): Promise<string> {
  const limits = { timeout: timeoutMs, maxBuffer: maxAnswerBytes, encoding: 'utf8' } as const
  return await new Promise((done, fail) => {
    const child = execFile(file, stringsIn(exec, 'args'), { ...limits, env }, (error, stdout) => {
      if (!error) done(stdout)
      else fail(refused(whyItFailed(stringIn(exec, 'command'), error)))
    })
    child.stdin?.on('error', () => undefined).end()
  })
}

/** As client-go words it; what the program wrote may hold secrets. */
function whyItFailed(
  command: string,
  { code, killed }: { readonly code?: unknown; readonly killed?: boolean },
): string {
  if (code === 'ENOENT') return `exec: executable ${command} not found`
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return `exec: executable ${command} said too much`
  if (typeof code === 'number') return `exec: executable ${command} failed with exit code ${code}`
  const why = killed ? 'it took too long' : String(code ?? 'it was ended by a signal')
  return `exec: executable ${command} failed: ${why}`
}

function readAnswer(
  text: string,
  apiVersion: string,
  nowMs: number,
): { readonly credential: ExecCredential; readonly untilMs: number } {
  const what = 'exec plugin: decoding stdout'
  const answer = parse(text)
  if (stringIn(answer, 'kind') !== 'ExecCredential') throw refused(`${what}: no ExecCredential`)
  if (stringIn(answer, 'apiVersion') !== apiVersion)
    throw refused(
      `exec plugin is configured to use API version ${apiVersion}, plugin returned another`,
    )
  const status = objectIn(answer, 'status')
  const token = stringIn(status, 'token')
  const chain = stringIn(status, 'clientCertificateData')
  const key = stringIn(status, 'clientKeyData')
  if ((chain === '') !== (key === ''))
    throw refused('exec plugin returned only certificate or key, not both')
  if (token === '' && chain === '')
    throw refused("exec plugin didn't return a token or cert/key pair")
  const expiration = stringIn(status, 'expirationTimestamp')
  const expiresAtMs = Date.parse(expiration)
  if (expiration !== '' && Number.isNaN(expiresAtMs)) throw refused(`${what}: expirationTimestamp`)
  return {
    credential: { token, clientCertificate: chain === '' ? undefined : { chain, key } },
    untilMs: expiration === '' ? nowMs + keptMs : expiresAtMs,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(message: string): KubernetesError {
  return new KubernetesError('ERR_KUBERNETES_CONFIG', message)
}
