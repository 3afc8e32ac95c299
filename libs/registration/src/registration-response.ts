import { formatTimeStamp } from './request-builder.js'
import {
  APPROVAL_STATES,
  REGISTRATION_STATUS,
  type ApprovalState,
  type RegistrationStatus
} from './registration-state.js'
import { isSmsid } from './smsid.js'
import { RequestFields } from './request-fields.js'
import { escapeXml, invalid, parseXmlDocument } from './xml-document.js'

/** An answer of the management point. */
export interface RegistrationResponse {
  readonly type: 'Registration' | 'Confirmation'
  readonly timeStamp: Date
  readonly status: RegistrationStatus
  /** Only with the statuses 0 and 1. */
  readonly smsid?: string
  /** Only with an SMSID. */
  readonly approval?: ApprovalState
}

/** `ApprovalStatus` of a reply: Unknown 0, NotApplicable 1, Pending 2, Approved 3. A blocked client is not told. */
const APPROVAL_STATUS: Readonly<Record<ApprovalState, number>> = {
  blocked: 0,
  not_applicable: 1,
  not_approved: 2,
  approved: 3
}

/** A `ClientRegistrationResponse`. */
export function encodeRegistrationResponse(response: RegistrationResponse): string {
  const { type, timeStamp, status, smsid, approval } = response
  const attributes = [
    `ResponseType="${type}"`,
    `TimeStamp="${formatTimeStamp(timeStamp)}"`,
    `Status="${status}"`,
    ...(smsid === undefined ? [] : [`SMSID="${escapeXml(smsid)}"`]),
    ...(approval === undefined ? [] : [`ApprovalStatus="${APPROVAL_STATUS[approval]}"`])
  ]
  return `<ClientRegistrationResponse ${attributes.join(' ')}/>`
}

/** Reads a `ClientRegistrationResponse`; attributes that are not known are left aside. Throws `registration_schema_invalid`. */
export function decodeRegistrationResponse(text: string): RegistrationResponse {
  const root = parseXmlDocument(text)
  if (root.name !== 'ClientRegistrationResponse') {
    throw invalid(`The reply is a "${root.name.slice(0, 64)}" and not a ClientRegistrationResponse.`, [root.name])
  }
  const fields = new RequestFields()
  const type = fields.oneOf(root, 'ResponseType', '@ResponseType', ['Registration', 'Confirmation'])
  const timeStamp = fields.time(root, 'TimeStamp', '@TimeStamp')
  const statuses = Object.values(REGISTRATION_STATUS).map(String)
  const status = fields.oneOf(root, 'Status', '@Status', statuses)
  const { SMSID: smsid, ApprovalStatus: approval } = root.attributes
  const needsSmsid = status === '0' || status === '1'
  if (needsSmsid && (smsid === undefined || !isSmsid(smsid))) fields.wrong('@SMSID', 'is no GUID: identifier')
  fields.finish()
  if (type === undefined || timeStamp === undefined) throw invalid('The reply is incomplete.')
  const told = APPROVAL_STATES.find(state => String(APPROVAL_STATUS[state]) === approval)
  return {
    type,
    timeStamp,
    status: Number(status) as RegistrationStatus,
    ...(needsSmsid && smsid !== undefined ? { smsid } : {}),
    ...(needsSmsid && told !== undefined ? { approval: told } : {})
  }
}
