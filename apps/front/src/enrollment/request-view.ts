import { dispositionOf, DISPOSITIONS, toHex, type ErrorCode } from '@app/core'
import { formatHresult, hresultOf } from '@app/cmc'
import type { CaRow, RequestOutcome } from '@app/storage'
import type { RequestView } from './enrollment.schemas.js'

/** The state that a request is in, and the one that its full response tells of. */
export type Answered = Pick<RequestOutcome, 'state' | 'respondedState'>

/** Whether a client that waits has what it waits for: a decision or "pending", with its signed full response. */
export function isSettled(row: Answered): boolean {
  if (row.state === 'revoked') return true
  return !isUnderWay(row) && row.respondedState === row.state
}

/** Whether a request is in a state whose signed full response is still to be made. */
export function isAnswerDue(row: Answered): boolean {
  return !isUnderWay(row) && !isSettled(row)
}

/** Whether a request has all it will get: an answer other than "pending", with its signed full response. */
export function isResolved(row: Answered): boolean {
  return row.state !== 'pending' && isSettled(row)
}

/** What Submit and RetrievePending tell of a request (MS-WCCE 3.2.1.4.2.1.3). */
export function requestView(row: RequestOutcome, ca: CaRow): RequestView {
  const dispositionName = dispositionOf(row.state, row.outOfBand)
  const status = statusOf(row)
  const self = `/api/v1/cas/${encodeURIComponent(ca.name)}/requests/${row.id}`
  return {
    requestId: row.id,
    disposition: DISPOSITIONS[dispositionName],
    dispositionName,
    dispositionMessage: row.dispositionMessage,
    lastStatus: formatHresult(status.value),
    statusSymbol: status.symbol,
    ca: ca.name,
    ...(row.templateName === null ? {} : { template: row.templateName }),
    archivedKey: row.archival === true && (row.state === 'issued' || row.state === 'revoked' || row.state === 'sealed'),
    ...(row.serialNumber === null ? {} : { serialNumber: toHex(row.serialNumber) }),
    submittedAt: row.submittedAt.toISOString(),
    ...(row.resolvedAt === null ? {} : { resolvedAt: row.resolvedAt.toISOString() }),
    links: {
      self,
      ...(row.respondedState === null ? {} : { fullResponse: `${self}/full-response` }),
      ...(row.serialNumber === null ? {} : { certificate: `${self}/certificate` })
    }
  }
}

/** The HRESULT of a request: that of its refusal, else success (GetLastStatus). */
function statusOf(row: RequestOutcome): { readonly symbol: string; readonly value: number } {
  const refused = row.state === 'denied' || row.state === 'failed'
  return refused && row.failureCode !== null ? hresultOf(row.failureCode as ErrorCode) : { symbol: 'S_OK', value: 0 }
}

function isUnderWay({ state }: Answered): boolean {
  return state === 'received' || state === 'approved' || state === 'sealed'
}
