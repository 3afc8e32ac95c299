/** CMCStatus (RFC 10002 (RFC 5272), 6.1.3). The value 1 is reserved. */
export const CMC_STATUS = {
  success: 0,
  failed: 2,
  pending: 3,
  noSupport: 4,
  confirmRequired: 5,
  popRequired: 6,
  partial: 7
} as const

/** A name of {@link CMC_STATUS}. */
export type CmcStatusName = keyof typeof CMC_STATUS

/** CMCFailInfo (RFC 10002 (RFC 5272), 6.1.4). */
export const CMC_FAIL_INFO = {
  badAlg: 0,
  badMessageCheck: 1,
  badRequest: 2,
  badTime: 3,
  badCertId: 4,
  unsupportedExt: 5,
  mustArchiveKeys: 6,
  badIdentity: 7,
  popRequired: 8,
  popFailed: 9,
  noKeyReuse: 10,
  internalCAError: 11,
  tryLater: 12,
  authDataFail: 13
} as const

/** A name of {@link CMC_FAIL_INFO}. */
export type CmcFailInfoName = keyof typeof CMC_FAIL_INFO

/** The name of a CMCStatus value; undefined for reserved and unknown values. */
export function findCmcStatusName(value: number): CmcStatusName | undefined {
  return (Object.keys(CMC_STATUS) as CmcStatusName[]).find(name => CMC_STATUS[name] === value)
}

/** The name of a CMCFailInfo value; undefined for unknown values, which closed environments may define. */
export function findCmcFailInfoName(value: number): CmcFailInfoName | undefined {
  return (Object.keys(CMC_FAIL_INFO) as CmcFailInfoName[]).find(name => CMC_FAIL_INFO[name] === value)
}
