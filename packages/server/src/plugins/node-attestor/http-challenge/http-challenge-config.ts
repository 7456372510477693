import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { messageOf } from '@mini-spire/sdk/errors'
import { misconfigured } from '../attestor-errors.ts'
import { GoRegExp } from '../go-regexp.ts'
import type { HttpChallengeOptions } from './http-challenge.ts'

const schema = {
  allowed_dns_patterns: { type: 'strings' },
  required_port: { type: 'int', optional: true },
  allow_non_root_ports: { type: 'bool', optional: true },
  tofu: { type: 'bool', optional: true },
} as const

const firstUnprivilegedPort = 1024

/**
 * Reads the `plugin_data` of http_challenge.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readHttpChallengeConfig(
  data: Node | undefined,
): Pick<
  HttpChallengeOptions,
  'allowedDnsPatterns' | 'requiredPort' | 'allowsNonRootPorts' | 'isTrustedOnFirstUse'
> {
  const config = decodeSection(schema, data)
  const { required_port: requiredPort, allow_non_root_ports: nonRoot, tofu } = config
  const allowedDnsPatterns = config.allowed_dns_patterns.map(compile)
  const isPortOpen = requiredPort === undefined && nonRoot !== false
  const isPortUnprivileged = requiredPort !== undefined && requiredPort >= firstUnprivilegedPort
  if (tofu === false && (isPortOpen || isPortUnprivileged)) {
    throw misconfigured(
      'you can not turn off trust on first use (TOFU) when non-root ports are allowed',
    )
  }
  return {
    allowedDnsPatterns,
    requiredPort,
    allowsNonRootPorts: nonRoot ?? true,
    isTrustedOnFirstUse: tofu ?? true,
  }
}

function compile(pattern: string): GoRegExp {
  try {
    return GoRegExp.compile(pattern)
  } catch (cause) {
    const message = `cannot compile allowed_dns_pattern: ${JSON.stringify(pattern)}, ${messageOf(cause)}`
    throw misconfigured(message, cause)
  }
}
