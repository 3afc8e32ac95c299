/** The form of a client's identifier: `GUID:` and a GUID in upper case. */
export const SMSID_PATTERN = /^GUID:[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/

/** Whether a text is a client's identifier. */
export function isSmsid(text: string): boolean {
  return SMSID_PATTERN.test(text)
}

/** The identifier made of a UUID. */
export function smsidOf(uuid: string): string {
  return `GUID:${uuid.toUpperCase()}`
}
