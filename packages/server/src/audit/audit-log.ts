import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { GrpcStatus, grpcStatusName } from '@mini-spire/sdk/grpc-status'
import type { AuditStatus, GatheredAudit } from './audit-event.ts'

const message = 'API accessed'

/**
 * Writes the audit lines of one finished call at level info.
 *
 * @param log logger that already has the call's own fields: method, service, request ID, caller
 * @param outcome status of the call itself; a failed call has one line whatever its items
 */
export function writeAudit(log: Logger, audit: GatheredAudit, outcome: AuditStatus): void {
  if (outcome.code !== GrpcStatus.OK || audit.items.length === 0) {
    log.info(message, { ...audit.fields, ...statusFields(outcome) })
    return
  }
  for (const item of audit.items) {
    log.info(message, { ...item.fields, ...statusFields(item.status) })
  }
}

function statusFields(status: AuditStatus): LogFields {
  if (status.code === GrpcStatus.OK) return { type: 'audit', status: 'success' }
  return {
    type: 'audit',
    status: 'error',
    status_code: grpcStatusName(status.code),
    status_message: status.message,
  }
}
