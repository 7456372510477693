import { messageOf } from '@mini-spire/sdk/errors'
import { checkPath, SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { loadFunctions, templateFunctionNames } from './agent-path-template/template-functions.ts'
import { runTemplate } from './agent-path-template/template-run.ts'
import { type ParsedTemplate, parseTemplate } from './agent-path-template/template-syntax.ts'
import type { TemplateStruct } from './agent-path-template/template-value.ts'

/**
 * A template for the path of an agent's ID, in the language of Go's `text/template` with the functions of sprig that SPIRE
 * allows. A field or key that is missing is an error, never an empty string. Methods of Go's types are not known.
 *
 * @example
 * await AgentPathTemplate.parse('/{{ .PluginName }}/{{ .Fingerprint }}').agentId(trustDomain, data)
 */
export class AgentPathTemplate {
  readonly #source: string
  readonly #parsed: ParsedTemplate

  private constructor(source: string, parsed: ParsedTemplate) {
    this.#source = source
    this.#parsed = parsed
  }

  /** @throws {Error} for text that is not a template, or that uses what is not there */
  static parse(source: string): AgentPathTemplate {
    return new AgentPathTemplate(source, parseTemplate(source, templateFunctionNames))
  }

  /**
   * Fills the template in.
   *
   * @throws {Error} where something is missing or of the wrong type, or the result grows without end
   */
  async execute(data: TemplateStruct): Promise<string> {
    const functions = await loadFunctions(this.#source)
    return runTemplate({ source: this.#source, parsed: this.#parsed, functions }, data)
  }

  /**
   * The agent ID `spiffe://<trust domain>/spire/agent<filled-in template>`.
   *
   * @throws {Error} when the result is not a path by the rules of SPIFFE IDs
   */
  async agentId(trustDomain: TrustDomain, data: TemplateStruct): Promise<SpiffeId> {
    const suffix = await this.execute(data)
    try {
      checkPath(suffix)
    } catch (cause) {
      throw new Error(`invalid agent path suffix ${JSON.stringify(suffix)}: ${messageOf(cause)}`, {
        cause,
      })
    }
    return SpiffeId.fromPath(trustDomain, `/spire/agent${suffix}`)
  }
}
