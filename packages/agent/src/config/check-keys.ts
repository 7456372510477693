import {
  type CheckedSection,
  checkUnknownKeys,
} from '@mini-spire/runtime/config/check-unknown-keys'
import { telemetryUnknownKeys } from '@mini-spire/runtime/config/daemon-unknown-keys'
import type { SectionSchema } from '@mini-spire/runtime/config/schema'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type AgentFile, agentFileKeys } from './agent-file.ts'
import { agentSchema } from './schema.ts'

const experimentalFields = agentSchema.experimental.fields
const brokerFields = experimentalFields.broker.fields
const brokersFields = brokerFields.brokers.fields

/** Judges the unknown keys of every block. @throws {ConfigError} `ERR_CONFIG_UNKNOWN_KEY` */
export function checkAgentKeys(file: AgentFile, log: Logger, isStrict: boolean): void {
  const { agent } = file
  const { experimental } = agent
  const topLevel: SectionSchema = Object.fromEntries(
    agentFileKeys.map((key) => [key, { type: 'node' }] as const),
  )
  checkUnknownKeys(
    [
      section('top-level', file, topLevel),
      section('agent', agent, agentSchema),
      section('experimental.broker', experimental.broker, brokerFields),
      ...brokerSections(experimental.broker?.brokers ?? []),
      ...telemetryUnknownKeys(file.telemetry, file.healthChecks),
      section('ratelimit', experimental.ratelimit, experimentalFields.ratelimit.fields),
      section('sds', agent.sds, agentSchema.sds.fields, false),
      section('experimental', experimental, experimentalFields, false),
    ],
    log,
    isStrict,
  )
}

function brokerSections(
  brokers: NonNullable<AgentFile['agent']['experimental']['broker']>['brokers'],
): readonly CheckedSection[] {
  return brokers.flatMap((broker, index) => {
    const name = `experimental.broker.brokers[${index}]`
    const types = broker.allowed_reference_types.map((type, at) =>
      section(
        `${name}.allowed_reference_types[${at}]`,
        type,
        brokersFields.allowed_reference_types.fields,
      ),
    )
    return [section(name, broker, brokersFields), ...types]
  })
}

function section(
  name: string,
  decoded: CheckedSection['decoded'],
  schema: SectionSchema,
  isChecked = true,
): CheckedSection {
  return { name, decoded, schema, isChecked }
}

/** Warns when any experimental key is set. */
export function warnAboutExperimental(keys: AgentFile['agent']['experimental'], log: Logger): void {
  const limits = Object.values(keys.ratelimit).some((limit) => limit !== undefined)
  const { ratelimit: _, ...others } = keys
  const isSet = (value: unknown): boolean =>
    Array.isArray(value) ? value.length > 0 : value === false || Boolean(value)
  const { require_pq_kem: needsPqKem, ...texts } = others
  if (!limits && !needsPqKem && !Object.values(texts).some(isSet)) return
  log.warn(
    'Experimental features have been enabled. Please see doc/upgrading.md for upgrade and compatibility considerations for experimental features.',
  )
}
