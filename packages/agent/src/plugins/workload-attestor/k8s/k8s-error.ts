import {
  WorkloadAttestorError,
  type WorkloadAttestorErrorCode,
} from '../workload-attestor-error.ts'

/** The attestor's name, which is the type of its selectors. */
export const k8sName = 'k8s'

/** A failure of the k8s attestor. */
export function k8sError(
  code: WorkloadAttestorErrorCode,
  message: string,
  cause?: unknown,
): WorkloadAttestorError {
  return new WorkloadAttestorError(k8sName, code, message, { cause })
}
