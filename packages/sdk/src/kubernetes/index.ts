export { ExchangeError, type ExchangeErrorCode } from '../exchange/index.ts'
export {
  certificateExecCredential,
  type ExecCredential,
  tokenExecCredential,
} from './exec-credential.ts'
