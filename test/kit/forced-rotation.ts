import { setTimeout as pause } from 'node:timers/promises'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import type { AgentDeployment, ServerDeployment } from './deployment.ts'

/** The families of authorities, as the command line names them. */
export type AuthorityFamily = 'x509' | 'jwt'

const audience = 'forced-rotation'
const timeoutMs = 60_000
const pollMs = 100

/**
 * Replaces authorities by hand with a server's command line, as an operator does it who wants nobody to notice: after each
 * step it waits until agents and workloads have followed. Every agent must serve an identity to the user that runs this.
 */
export class ForcedRotation implements AsyncDisposable {
  readonly #server: ServerDeployment
  readonly #agents: readonly { readonly id: string; readonly client: WorkloadApiClient }[]

  constructor(
    server: ServerDeployment,
    agents: readonly { readonly id: string; readonly agent: AgentDeployment }[],
  ) {
    this.#server = server
    this.#agents = agents.map(({ id, agent }) => ({
      id,
      client: new WorkloadApiClient({ address: agent.address }),
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#agents) client.close()
  }

  /**
   * Prepares, activates, taints and revokes; returns the IDs of the authority that went and of the one that came.
   *
   * @param beforeRevoking called with the former authority's ID when nothing that it signed is handed out any more
   */
  async replace(
    family: AuthorityFamily,
    beforeRevoking: (former: string) => Promise<void> = async () => {},
  ): Promise<{ readonly former: string; readonly current: string }> {
    const former = await this.active(family)
    const current = await this.prepare(family)
    await this.#everyAgent('knows the prepared authority', (agent) =>
      this.#knows(agent, family, current),
    )
    await this.change(family, 'activate', current)
    const serials = new Map<string, string>()
    for (const { id } of this.#agents) serials.set(id, await this.serialOf(id))
    await this.change(family, 'taint', former)
    if (family === 'x509')
      await this.#everyAgent(
        'has a new SVID',
        async ({ id }) => (await this.serialOf(id)) !== serials.get(id),
      )
    await this.#everyAgent('serves what the new authority signed', (agent) =>
      this.#serves(agent, family, current),
    )
    await beforeRevoking(former)
    await this.change(family, 'revoke', former)
    await this.#everyAgent(
      'has forgotten the revoked authority',
      async (agent) => !(await this.#knows(agent, family, former)),
    )
    return { former, current }
  }

  /** The authority that signs now. */
  async active(family: AuthorityFamily): Promise<string> {
    return (await this.#run(family, 'show')).active.authority_id
  }

  /** Prepares an authority and returns its ID. */
  async prepare(family: AuthorityFamily): Promise<string> {
    return (await this.#run(family, 'prepare')).prepared_authority.authority_id
  }

  /** Activates, taints or revokes an authority. */
  async change(
    family: AuthorityFamily,
    verb: 'activate' | 'taint' | 'revoke',
    id: string,
  ): Promise<void> {
    await this.#run(family, verb, '-authorityID', id)
  }

  /** Serial number of the SVID with which an agent last called. */
  async serialOf(agentId: string): Promise<string> {
    const shown = await this.#server.ask('agent', 'show', '-spiffeID', agentId, '-output', 'json')
    return JSON.parse(shown).x509svid_serial_number
  }

  async #run(family: AuthorityFamily, ...args: readonly string[]) {
    return JSON.parse(await this.#server.ask('localauthority', family, ...args, '-output', 'json'))
  }

  async #everyAgent(
    what: string,
    isSo: (agent: { readonly id: string; readonly client: WorkloadApiClient }) => Promise<boolean>,
  ): Promise<void> {
    const endMs = Date.now() + timeoutMs
    for (const agent of this.#agents) {
      while (!(await isSo(agent))) {
        if (Date.now() > endMs) throw new Error(`never happened: ${agent.id} ${what}`)
        await pause(pollMs)
      }
    }
  }

  /** Whether an agent gives an authority to its workloads to verify with. */
  async #knows(
    { client }: { readonly client: WorkloadApiClient },
    family: AuthorityFamily,
    id: string,
  ): Promise<boolean> {
    const domain = TrustDomain.parse(this.#server.trustDomain)
    if (family === 'jwt')
      return (await client.fetchJwtBundles()).findJwtBundle(domain)?.findAuthority(id) !== undefined
    const roots = (await client.fetchX509Bundles()).findX509Bundle(domain)?.authorities ?? []
    return roots.some(({ subjectKeyId }) => hex(subjectKeyId) === id)
  }

  /** Whether all that an agent serves has been signed by an authority. */
  async #serves(
    { client }: { readonly client: WorkloadApiClient },
    family: AuthorityFamily,
    id: string,
  ): Promise<boolean> {
    if (family === 'jwt') {
      const tokens = await client.fetchJwtSvids({ audience: [audience] })
      return tokens.every(({ token }) => keyIdOf(token) === id)
    }
    const { svids } = await client.fetchX509Context()
    return svids.every(({ chain }) => {
      const top = chain.at(-1)
      return top !== undefined && hex(top.authorityKeyId) === id
    })
  }
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex')
}

function keyIdOf(token: string): string {
  const [header = ''] = token.split('.')
  return JSON.parse(Buffer.from(header, 'base64url').toString()).kid
}
