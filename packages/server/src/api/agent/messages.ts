/** Texts of the Agent service that callers and scripts match on. Those of attestation itself come from there. */
export const messages: {
  readonly attestRateLimit: string
  readonly renewRateLimit: string
  readonly postStatusRateLimit: string
  readonly receiveFailed: string
  readonly malformedParam: string
  readonly challengeFailed: string
  readonly invalidAgentId: string
  readonly agentNotFound: string
  readonly paramsNil: string
  readonly missingCsr: string
  readonly selectorsRefused: string
  readonly emptySelectors: string
} = {
  attestRateLimit: 'rejecting request due to attest agent rate limiting',
  renewRateLimit: 'rejecting request due to renew agent rate limiting',
  postStatusRateLimit: 'rejecting request due to post status rate limiting',
  receiveFailed: 'failed to receive request from stream',
  malformedParam: 'malformed param',
  challengeFailed: 'failed to receive challenge from agent',
  invalidAgentId: 'invalid agent ID',
  agentNotFound: 'agent not found',
  paramsNil: 'params cannot be nil',
  missingCsr: 'missing CSR',
  selectorsRefused: 'failed to parse selectors',
  emptySelectors: 'cannot list by empty selectors set',
}
