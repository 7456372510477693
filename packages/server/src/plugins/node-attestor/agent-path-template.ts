import { messageOf } from '@mini-spire/sdk/errors'
import { checkPath, SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { templateFunctions } from './agent-path-template/template-functions.ts'
import {
  type Command,
  type Operand,
  type Pipeline,
  parseTemplate,
  type TemplateNode,
} from './agent-path-template/template-syntax.ts'
import {
  printValue,
  TemplateStruct,
  type TemplateValue,
} from './agent-path-template/template-value.ts'

/**
 * A template for the path of an agent's ID, in the language of Go's `text/template`: literal text, fields, literals,
 * pipelines, and the functions of `templateFunctions`. A field or key that is missing is an error, never an empty string.
 *
 * @example
 * AgentPathTemplate.parse('/{{ .PluginName }}/{{ .Fingerprint }}').agentId(trustDomain, data)
 */
export class AgentPathTemplate {
  readonly #source: string
  readonly #nodes: readonly TemplateNode[]

  private constructor(source: string, nodes: readonly TemplateNode[]) {
    this.#source = source
    this.#nodes = nodes
  }

  /** @throws {Error} for text that is not a template, or that uses what is not supported */
  static parse(source: string): AgentPathTemplate {
    return new AgentPathTemplate(source, parseTemplate(source))
  }

  /** Fills the template in. */
  execute(data: TemplateStruct): string {
    return this.#nodes
      .map((node) => (typeof node === 'string' ? node : printValue(this.#run(node, data))))
      .join('')
  }

  /**
   * The agent ID `spiffe://<trust domain>/spire/agent<filled-in template>`.
   *
   * @throws {Error} when the result is not a path by the rules of SPIFFE IDs
   */
  agentId(trustDomain: TrustDomain, data: TemplateStruct): SpiffeId {
    const suffix = this.execute(data)
    try {
      checkPath(suffix)
    } catch (cause) {
      throw new Error(`invalid agent path suffix ${JSON.stringify(suffix)}: ${messageOf(cause)}`, {
        cause,
      })
    }
    return SpiffeId.fromPath(trustDomain, `/spire/agent${suffix}`)
  }

  #run(pipeline: Pipeline, data: TemplateStruct): TemplateValue {
    let value: TemplateValue | undefined
    for (const command of pipeline) value = this.#call(command, value, data)
    return value ?? ''
  }

  #call(command: Command, last: TemplateValue | undefined, data: TemplateStruct): TemplateValue {
    const args = command.operands.map((operand) => this.#value(operand, data))
    if (last !== undefined) args.push(last)
    const { call } = command
    if (!call) return args[0] ?? ''
    const body = templateFunctions.get(call.name)
    if (!body) throw new Error(`function "${call.name}" not defined`)
    try {
      return body(args)
    } catch (cause) {
      throw this.#error(call.offset, call.name, `error calling ${call.name}: ${messageOf(cause)}`)
    }
  }

  #value(operand: Operand, data: TemplateStruct): TemplateValue {
    switch (operand.kind) {
      case 'literal':
        return operand.value
      case 'pipeline':
        return this.#run(operand.pipeline, data)
      case 'fields': {
        let value: TemplateValue = operand.base ? this.#run(operand.base, data) : data
        for (const name of operand.names) value = this.#field(value, name, operand)
        return value
      }
    }
  }

  #field(
    value: TemplateValue,
    name: string,
    operand: { readonly offset: number; readonly text: string },
  ): TemplateValue {
    if (value instanceof TemplateStruct) {
      const field = value.fields.get(name)
      if (field !== undefined) return field
      const text = `can't evaluate field ${name} in type ${value.typeName}`
      throw this.#error(operand.offset, operand.text, text)
    }
    if (value instanceof Map) {
      const found = value.get(name)
      if (found !== undefined) return found
      throw this.#error(operand.offset, operand.text, `map has no entry for key "${name}"`)
    }
    const type = Array.isArray(value) ? '[]string' : typeof value
    throw this.#error(operand.offset, operand.text, `can't evaluate field ${name} in type ${type}`)
  }

  #error(offset: number, where: string, what: string): Error {
    const before = this.#source.slice(0, offset).split('\n')
    const column = before.at(-1)?.length ?? 0
    const short = where.length > 20 ? `${where.slice(0, 20)}...` : where
    return new Error(
      `template: agent-path:${before.length}:${column}: executing "agent-path" at <${short}>: ${what}`,
    )
  }
}
