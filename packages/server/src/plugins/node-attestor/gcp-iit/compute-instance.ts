import { listIn, objectIn, stringIn, stringMap, stringsIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import { fetchGoogleToken, type GoogleCredentialOptions } from './google-credentials.ts'

const computeEndpoint = 'https://compute.googleapis.com'
const timeoutMs = 10_000

/** What the Compute Engine API says of an instance, as far as selectors are made of it. */
export interface ComputeInstance {
  readonly tags: readonly string[]
  readonly labels: ReadonlyMap<string, string>
  /** In the order of the instance. */
  readonly metadata: readonly { readonly key: string; readonly value: string }[]
}

/** Which instance is looked up. */
export interface InstanceName {
  readonly projectId: string
  readonly zone: string
  readonly instanceName: string
}

/**
 * Looks an instance up (`compute.instances.get`).
 *
 * @throws {Error} when there is no access token, or no such instance for its holder
 */
export async function fetchInstance(
  { projectId, zone, instanceName }: InstanceName,
  options: GoogleCredentialOptions,
): Promise<ComputeInstance> {
  const token = await credentialed(options)
  const [project, place, name] = [projectId, zone, instanceName].map(encodeURIComponent)
  const { status, body } = await options.http.request({
    url: `${computeEndpoint}/compute/v1/projects/${project}/zones/${place}/instances/${name}`,
    headers: { authorization: `Bearer ${token}` },
    timeoutMs,
    signal: options.signal,
  })
  const answer = parse(body)
  if (status === 200) return readInstance(answer)
  const why = stringIn(objectIn(answer, 'error'), 'message')
  throw new Error(`failed to fetch instance metadata: googleapi: Error ${status}: ${why}`)
}

async function credentialed(options: GoogleCredentialOptions): Promise<string> {
  try {
    return await fetchGoogleToken(options)
  } catch (cause) {
    const message = `failed to create compute service client: ${messageOf(cause)}`
    throw new Error(message, { cause })
  }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}

function readInstance(answer: unknown): ComputeInstance {
  return {
    tags: stringsIn(objectIn(answer, 'tags'), 'items'),
    labels: stringMap(objectIn(answer, 'labels')),
    metadata: listIn(objectIn(answer, 'metadata'), 'items').map((item) => ({
      key: stringIn(item, 'key'),
      value: stringIn(item, 'value'),
    })),
  }
}
