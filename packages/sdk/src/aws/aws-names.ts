import { badOption, checkOption, parseEndpoint } from '../exchange/index.ts'
import type { SpiffeId } from '../spiffe-id/index.ts'

const regionPattern = /^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/
const sessionNamePattern = /^[\w+=,.@-]{2,64}$/
const longestSessionName = 64

/** Where a service of AWS answers, over HTTPS. */
export interface AwsEndpointOptions {
  readonly region: string
  /** Another address of the service: a VPC endpoint, FIPS, a test. @default the region's public one */
  readonly endpoint?: string | undefined
}

/** The service's address in a region. @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
export function awsEndpoint(service: string, { region, endpoint }: AwsEndpointOptions): URL {
  checkOption('region', region, regionPattern)
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return parseEndpoint(endpoint ?? `https://${service}.${region}.${domain}/`, 'endpoint')
}

/** An ARN of the kind that an option names. @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
export function checkArn(option: string, arn: string, service: string, kind: string): string {
  const pattern = new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]*:\\d{12}:${kind}/[\\w+=,.@/-]+$`)
  return checkOption(option, arn, pattern)
}

/** How long a session lives, in AWS's bounds. @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
export function checkDuration(seconds: number): number {
  if (!Number.isInteger(seconds) || seconds < 900 || seconds > 43_200)
    throw badOption('durationSeconds', 'a whole number from 900 to 43200 is expected')
  return seconds
}

/** The name a session has in CloudTrail: the one given, or the path of the identity as far as AWS can write it. */
export function sessionName(given: string | undefined, id: SpiffeId): string {
  if (given !== undefined) return checkOption('sessionName', given, sessionNamePattern)
  const path = id.path.slice(1).replaceAll(/[^\w+=,.@-]/g, '-')
  return path.length < 2 ? 'spiffe' : path.slice(-longestSessionName)
}
