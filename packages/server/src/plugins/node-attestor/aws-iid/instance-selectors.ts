import { failed } from '../attestor-errors.ts'
import type { Ec2Instance } from './aws-api.ts'
import type { IdentityDocument } from './identity-document.ts'

/** What the document says, as selector values. */
export function documentSelectors(document: IdentityDocument): readonly string[] {
  return [
    `account_id:${document.accountId}`,
    `az:${document.availabilityZone}`,
    `image:id:${document.imageId}`,
    `instance:id:${document.instanceId}`,
    `region:${document.region}`,
  ]
}

/** What EC2 says of an instance, as selector values. */
export function instanceSelectors({ tags, securityGroups }: Ec2Instance): readonly string[] {
  return [
    ...tags.map(({ key, value }) => `tag:${key}:${value}`),
    ...securityGroups.flatMap(({ id, name }) => [`sg:id:${id}`, `sg:name:${name}`]),
  ]
}

/**
 * The name in the ARN of an instance profile: what follows its path.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_FAILED`, as SPIRE words it
 */
export function instanceProfileName(arn: string): string {
  if (!arn.startsWith('arn:')) throw failed('failed to parse arn: invalid prefix')
  const resource = arn.split(':').slice(5).join(':')
  if (arn.split(':').length < 6) throw failed('failed to parse arn: not enough sections')
  const match = /instance-profile[/:](.+)/.exec(resource)
  if (!match) throw failed('arn is not for an instance profile')
  return match[1]?.split('/').at(-1) ?? ''
}
