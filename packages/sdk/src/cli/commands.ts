import type { AwsCredentialSource } from '../aws/index.ts'
import { systemClock } from '../clock.ts'
import { fetchSubjectToken } from '../exchange/index.ts'
import { SpiffeId } from '../spiffe-id/index.ts'
import { WorkloadApiClient } from '../workload-api/index.ts'
import { type Flags, type Given, readSeconds } from './arguments.ts'

/** What a command works with. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Ends the command. */
  readonly signal: AbortSignal
  /** Says on the error output what was survived. */
  readonly report: (message: string) => void
}

/** A command: what it prints is what the program that called it reads. */
export interface Command {
  readonly text: string
  readonly flags: Flags
  run(given: Given, context: CommandContext): Promise<string>
}

const common: Flags = {
  socket: { text: 'Workload API, unix:///…; else SPIFFE_ENDPOINT_SOCKET' },
  'spiffe-id': { text: "which of the workload's identities; else the agent's first" },
}
const aws: Flags = {
  'role-arn': { text: 'role to assume', needed: true },
  region: { text: 'region of the service', needed: true },
  'session-name': { text: 'name of the session in CloudTrail' },
  duration: { text: 'seconds that the credentials live; else 3600' },
  endpoint: { text: 'another address of the service' },
}

const awsWebIdentity: Command = {
  text: 'credential_process of AWS: AssumeRoleWithWebIdentity with a JWT-SVID',
  flags: { ...aws, audience: { text: 'else sts.amazonaws.com' }, ...common },
  async run(given, context) {
    const { WebIdentityCredentials } = await import('../aws/index.ts')
    using svids = clientFor(given)
    const options = { svids, subject: subjectOf(given), audience: given['audience'] }
    using source = new WebIdentityCredentials({ ...options, ...awsOptions(given, context) })
    return await credentialProcess(source, context)
  },
}

const awsRolesAnywhere: Command = {
  text: 'credential_process of AWS: IAM Roles Anywhere with an X509-SVID',
  flags: {
    'trust-anchor-arn': { text: 'trust anchor with the roots of the trust domain', needed: true },
    'profile-arn': { text: 'profile that names the role', needed: true },
    ...aws,
    ...common,
  },
  async run(given, context) {
    const { RolesAnywhereCredentials } = await import('../aws/index.ts')
    const svid = await fetchX509Svid(given, context.signal)
    using source = new RolesAnywhereCredentials({
      svids: { getX509Svid: () => svid },
      trustAnchorArn: given['trust-anchor-arn'] ?? '',
      profileArn: given['profile-arn'] ?? '',
      ...awsOptions(given, context),
    })
    return await credentialProcess(source, context)
  },
}

const google: Command = {
  text: 'executable of a Google external account, with a JWT-SVID',
  flags: {
    provider: { text: '//iam.googleapis.com/projects/…/providers/…', needed: true },
    audience: { text: 'allowed audience of the provider; else https: and the provider' },
    ...common,
  },
  async run(given, { signal }) {
    const { formatGoogleExecutable, GoogleSubjectTokens } = await import('../gcp/index.ts')
    using svids = clientFor(given)
    const options = { svids, subject: subjectOf(given), audience: given['audience'] }
    using tokens = new GoogleSubjectTokens({ ...options, provider: given['provider'] ?? '' })
    return formatGoogleExecutable(await tokens.getJwtSvid({ signal }))
  },
}

const kubernetesToken: Command = {
  text: 'exec of a kubeconfig, with a JWT-SVID',
  flags: { audience: { text: 'audience that the cluster expects', needed: true }, ...common },
  async run(given, { signal, environment }) {
    const { tokenExecCredential } = await import('../kubernetes/index.ts')
    using client = clientFor(given)
    const options = { svids: client, subject: subjectOf(given) }
    const waiting = { signal, clock: systemClock }
    const svid = await fetchSubjectToken(options, given['audience'] ?? '', waiting)
    return tokenExecCredential(svid, environment)
  },
}

const kubernetesCertificate: Command = {
  text: 'exec of a kubeconfig, with an X509-SVID',
  flags: common,
  async run(given, { signal, environment }) {
    const { certificateExecCredential } = await import('../kubernetes/index.ts')
    return certificateExecCredential(await fetchX509Svid(given, signal), environment)
  },
}

const tokenFile: Command = {
  text: 'keeps a JWT-SVID in a file until it is stopped',
  flags: {
    audience: { text: 'audience of the token', needed: true },
    path: { text: 'the file', needed: true },
    ...common,
  },
  async run(given, { signal, report }) {
    const { TokenFile } = await import('../token-file/index.ts')
    using svids = clientFor(given)
    try {
      using _file = await TokenFile.start({
        svids,
        subject: subjectOf(given),
        audience: given['audience'] ?? '',
        path: given['path'] ?? '',
        signal,
        onError: (error) => report(String((error as Error).message)),
      })
      await untilAborted(signal)
    } catch (error) {
      // Told to stop before the first token was there, or before this program knew: that is no failure.
      if (!signal.aborted) throw error
    }
    return ''
  },
}

/** Every command, by the name it is called with. */
export const commands: Readonly<Record<string, Command>> = {
  'aws-web-identity': awsWebIdentity,
  'aws-roles-anywhere': awsRolesAnywhere,
  google,
  'kubernetes-token': kubernetesToken,
  'kubernetes-certificate': kubernetesCertificate,
  'token-file': tokenFile,
}

function clientFor(given: Given): WorkloadApiClient {
  return new WorkloadApiClient({ address: given['socket'] })
}

function subjectOf(given: Given): SpiffeId | undefined {
  const id = given['spiffe-id']
  return id === undefined ? undefined : SpiffeId.parse(id)
}

async function fetchX509Svid(given: Given, signal: AbortSignal) {
  using client = clientFor(given)
  const subject = subjectOf(given)
  const { svids } = await client.fetchX509Context({ signal })
  const svid = subject ? svids.find(({ spiffeId }) => spiffeId.equals(subject)) : svids[0]
  if (!svid) throw new Error('the agent has no such identity for this program')
  return svid
}

function awsOptions(given: Given, { environment }: CommandContext) {
  return {
    roleArn: given['role-arn'] ?? '',
    region: given['region'] ?? '',
    sessionName: given['session-name'],
    durationSeconds: readSeconds(given, 'duration'),
    endpoint: given['endpoint'],
    environment,
  }
}

async function credentialProcess(
  source: AwsCredentialSource,
  { signal }: CommandContext,
): Promise<string> {
  const { formatCredentialProcess } = await import('../aws/index.ts')
  return formatCredentialProcess(await source.getCredentials({ signal }))
}

/** Nothing else may keep the process alive, so this does. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 2 ** 30)
    const onAbort = (): void => {
      clearInterval(alive)
      resolve()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
