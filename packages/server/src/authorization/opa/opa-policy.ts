import { readFile } from 'node:fs/promises'
import { messageOf } from '@mini-spire/sdk/errors'
import type { LoadedPolicy } from '@open-policy-agent/opa-wasm'
import { AuthorizationError } from '../authorization-error.ts'
import type { Grant } from '../policy.ts'
import type { PolicyEngine, PolicyQuestion } from '../policy-engine.ts'
import { readCompiledPolicy } from './policy-file.ts'
import { requestInput } from './policy-input.ts'
import { sampleQuestions } from './sample-questions.ts'

/** Where a policy is. */
export interface OpaPolicyFiles {
  /** `rego_path`: what `opa build -t wasm` wrote. */
  readonly policyPath: string
  /** `policy_data_path`: a JSON object that policies see as `data`; empty: what the bundle holds. */
  readonly dataPath: string
}

const entrypoint = 'spire/result'

/** Pages of 64 KiB: what a policy begins with, and what it may grow to. */
const memoryPages = { initial: 8, maximum: 1024 } as const

/** What anybody may make a policy read without having shown who they are; values and characters together. */
const maxAnonymousInput = 16 * 1024

/** The keys of a result, all of which have to be there, and whom each lets in. */
const resultKeys: readonly (readonly [string, Grant])[] = [
  ['allow', 'any'],
  ['allow_if_admin', 'admin'],
  ['allow_if_local', 'local'],
  ['allow_if_downstream', 'downstream'],
  ['allow_if_agent', 'agent'],
]

/**
 * An operator's own policy in Rego, compiled to WebAssembly: it replaces the built-in one as a whole and is asked for each call.
 *
 * It runs in this process: memory is bounded, time is not. Rego always ends, but a slow policy makes every call slow.
 */
export class OpaPolicy implements PolicyEngine {
  readonly #policy: LoadedPolicy

  private constructor(policy: LoadedPolicy) {
    this.#policy = policy
  }

  /**
   * Loads a policy and asks it some questions, so that one that cannot decide keeps the server from starting.
   *
   * @throws {AuthorizationError} `ERR_POLICY_UNUSABLE`
   */
  static async load(files: OpaPolicyFiles): Promise<OpaPolicy> {
    const compiled = await readCompiledPolicy(files.policyPath)
    const data = files.dataPath === '' ? compiled.data : await readData(files.dataPath)
    const { loadPolicy } = await import('@open-policy-agent/opa-wasm')
    try {
      const policy = await loadPolicy(new Uint8Array(compiled.wasm), memoryPages)
      if (!Object.hasOwn(policy.entrypoints, entrypoint)) {
        const found = Object.keys(policy.entrypoints).join(', ')
        throw unusable(`the policy has no entrypoint ${entrypoint}, only ${found}`)
      }
      if (data !== undefined) policy.setData(parseData(data))
      const engine = new OpaPolicy(policy)
      for (const question of sampleQuestions) engine.grantsOf(question)
      return engine
    } catch (cause) {
      if (cause instanceof AuthorizationError && cause.code === 'ERR_POLICY_UNUSABLE') throw cause
      const text = `authpolicy engine failed to validate on sample test inputs: policy is misconfigured: ${reasonOf(cause)}`
      throw unusable(text, cause)
    }
  }

  /** @throws {AuthorizationError} `ERR_POLICY_EVALUATION` */
  grantsOf(question: PolicyQuestion): ReadonlySet<Grant> | undefined {
    const { caller, isLocal, method, request } = question
    const isAnonymous = caller === '' && !isLocal
    const req = requestInput(request, isAnonymous ? maxAnonymousInput : Number.POSITIVE_INFINITY)
    if (req === undefined) return undefined
    const caller_file_path = caller === '' && isLocal ? question.callerPath() : ''
    return readResult(this.#evaluate({ caller, caller_file_path, full_method: method, req }))
  }

  #evaluate(input: object): unknown {
    try {
      return this.#policy.evaluate(input, entrypoint)
    } catch (cause) {
      throw failed(`policy: ${reasonOf(cause)}`, cause)
    }
  }
}

async function readData(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw unusable(`unable to read the policy data: ${messageOf(cause)}`, cause)
  }
}

function readResult(results: unknown): ReadonlySet<Grant> {
  const [first]: readonly unknown[] = Array.isArray(results) ? results : []
  if (first === undefined) throw failed('policy: no matching policies found')
  const result: unknown = isObject(first) ? first['result'] : undefined
  if (!isObject(result)) throw failed('unexpected type in evaluating policy result expression')
  const grants = new Set<Grant>()
  for (const [key, grant] of resultKeys) {
    const value = Object.hasOwn(result, key) ? result[key] : undefined
    if (typeof value !== 'boolean') {
      throw failed(`policy: result did not contain "${key}" bool value`)
    }
    if (value) grants.add(grant)
  }
  return grants
}

function parseData(text: string): object {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    throw unusable(`error decoding JSON databindings: ${messageOf(cause)}`, cause)
  }
  if (isObject(data)) return data
  throw unusable('error decoding JSON databindings: not an object')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The evaluator throws texts and plain objects too. */
function reasonOf(thrown: unknown): string {
  const isPlain = !(thrown instanceof Error) && isObject(thrown)
  return isPlain && 'message' in thrown ? String(thrown['message']) : messageOf(thrown)
}

function unusable(message: string, cause?: unknown): AuthorizationError {
  return new AuthorizationError('ERR_POLICY_UNUSABLE', message, { cause })
}

function failed(message: string, cause?: unknown): AuthorizationError {
  return new AuthorizationError('ERR_POLICY_EVALUATION', message, { cause })
}
