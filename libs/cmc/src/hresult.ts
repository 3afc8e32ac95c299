/** One HRESULT: its unsigned value and what it tells a person. */
export interface HresultEntry {
  readonly value: number
  readonly text: string
}

/**
 * Every HRESULT this program can answer or an enrollment client can meet, by symbol (MS-ERREF 2.1; MS-WCCE 3.2).
 * The values are Microsoft's; the texts are this program's own.
 */
export const HRESULTS = {
  S_OK: { value: 0x00000000, text: 'The operation succeeded.' },

  CERTSRV_E_BAD_REQUESTSUBJECT: {
    value: 0x80094001,
    text: 'The request has no usable subject: neither a subject name nor a subject alternative name.'
  },
  CERTSRV_E_NO_REQUEST: { value: 0x80094002, text: 'There is no such request.' },
  CERTSRV_E_BAD_REQUESTSTATUS: { value: 0x80094003, text: 'The request is not in a state that allows this operation.' },
  CERTSRV_E_PROPERTY_EMPTY: { value: 0x80094004, text: 'The property has no value, or the request is unknown.' },
  CERTSRV_E_INVALID_CA_CERTIFICATE: { value: 0x80094005, text: 'The CA certificate is not usable.' },
  CERTSRV_E_SERVER_SUSPENDED: { value: 0x80094006, text: 'The server takes no requests at present.' },
  CERTSRV_E_ENCODING_LENGTH: { value: 0x80094007, text: 'A name component is longer than its limit.' },
  CERTSRV_E_ROLECONFLICT: {
    value: 0x80094008,
    text: 'The caller holds conflicting roles while role separation is enforced.'
  },
  CERTSRV_E_RESTRICTEDOFFICER: {
    value: 0x80094009,
    text: 'The officer or enrollment agent may not act for this subject or template.'
  },
  CERTSRV_E_KEY_ARCHIVAL_NOT_CONFIGURED: { value: 0x8009400a, text: 'Key archival is not set up on this CA.' },
  CERTSRV_E_NO_VALID_KRA: {
    value: 0x8009400b,
    text: 'The key cannot be archived: no recovery agent certificate is usable.'
  },
  CERTSRV_E_BAD_REQUEST_KEY_ARCHIVAL: {
    value: 0x8009400c,
    text: 'The archived key is not an unauthenticated attribute of the outermost signature, or is not bound to the request.'
  },
  CERTSRV_E_NO_CAADMIN_DEFINED: { value: 0x8009400d, text: 'No CA administrator is defined.' },
  CERTSRV_E_BAD_RENEWAL_CERT_ATTRIBUTE: {
    value: 0x8009400e,
    text: 'The renewal request does not carry the certificate that it renews.'
  },
  CERTSRV_E_NO_DB_SESSIONS: { value: 0x8009400f, text: 'No database session is free.' },
  CERTSRV_E_ALIGNMENT_FAULT: { value: 0x80094010, text: 'A memory alignment fault occurred.' },
  CERTSRV_E_ENROLL_DENIED: { value: 0x80094011, text: 'The requester may not enroll at this CA.' },
  CERTSRV_E_TEMPLATE_DENIED: { value: 0x80094012, text: 'The requester may not enroll for this template.' },
  CERTSRV_E_DOWNLEVEL_DC_SSL_OR_UPGRADE: {
    value: 0x80094013,
    text: 'The directory server is too old or does not offer a protected connection.'
  },
  CERTSRV_E_ADMIN_DENIED_REQUEST: { value: 0x80094014, text: 'An officer denied the request.' },

  CERTSRV_E_UNSUPPORTED_CERT_TYPE: { value: 0x80094800, text: 'The template is unknown or not offered by this CA.' },
  CERTSRV_E_NO_CERT_TYPE: { value: 0x80094801, text: 'The request names no template.' },
  CERTSRV_E_TEMPLATE_CONFLICT: { value: 0x80094802, text: 'The request names different templates.' },
  CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED: {
    value: 0x80094803,
    text: 'The template demands a subject alternative name and the request has none.'
  },
  CERTSRV_E_ARCHIVED_KEY_REQUIRED: {
    value: 0x80094804,
    text: 'The template demands that the private key be archived and the request does not carry it.'
  },
  CERTSRV_E_SMIME_REQUIRED: { value: 0x80094805, text: 'The request has no S/MIME capabilities.' },
  CERTSRV_E_BAD_RENEWAL_SUBJECT: {
    value: 0x80094806,
    text: 'The renewal is for another subject than the old certificate.'
  },
  CERTSRV_E_BAD_TEMPLATE_VERSION: {
    value: 0x80094807,
    text: 'The request wants a newer version of the template than this CA has.'
  },
  CERTSRV_E_TEMPLATE_POLICY_REQUIRED: { value: 0x80094808, text: 'The template lacks a policy that it must name.' },
  CERTSRV_E_SIGNATURE_POLICY_REQUIRED: {
    value: 0x80094809,
    text: 'The template demands registration authority signatures and the request has none.'
  },
  CERTSRV_E_SIGNATURE_COUNT: { value: 0x8009480a, text: 'The request has fewer signatures than the template demands.' },
  CERTSRV_E_SIGNATURE_REJECTED: {
    value: 0x8009480b,
    text: 'A signature of the request lacks a policy the template demands.'
  },
  CERTSRV_E_ISSUANCE_POLICY_REQUIRED: { value: 0x8009480c, text: 'The request lacks a valid issuance policy.' },
  CERTSRV_E_SUBJECT_UPN_REQUIRED: { value: 0x8009480d, text: 'The principal has no user principal name.' },
  CERTSRV_E_SUBJECT_DIRECTORY_GUID_REQUIRED: { value: 0x8009480e, text: 'The principal has no directory GUID.' },
  CERTSRV_E_SUBJECT_DNS_REQUIRED: { value: 0x8009480f, text: 'The principal has no DNS name.' },
  CERTSRV_E_ARCHIVED_KEY_UNEXPECTED: {
    value: 0x80094810,
    text: 'The request carries a private key and the template does not ask for it.'
  },
  CERTSRV_E_KEY_LENGTH: { value: 0x80094811, text: 'The key is smaller than the template demands.' },
  CERTSRV_E_SUBJECT_EMAIL_REQUIRED: { value: 0x80094812, text: 'The principal has no mail address.' },
  CERTSRV_E_UNKNOWN_CERT_TYPE: { value: 0x80094813, text: 'The template is not known to this CA.' },
  CERTSRV_E_CERT_TYPE_OVERLAP: { value: 0x80094814, text: 'The validity of two templates overlaps.' },
  CERTSRV_E_TOO_MANY_SIGNATURES: { value: 0x80094815, text: 'The request has more signatures than allowed.' },
  CERTSRV_E_RENEWAL_BAD_PUBLIC_KEY: {
    value: 0x80094816,
    text: 'The renewal must use the key of the old certificate and uses another.'
  },
  CERTSRV_E_INVALID_EK: { value: 0x80094817, text: 'The endorsement key of the request is not valid.' },
  CERTSRV_E_KEY_ATTESTATION: {
    value: 0x8009481a,
    text: 'The template demands key attestation and the request has none.'
  },

  CRYPT_E_INVALID_MSG_TYPE: { value: 0x80091004, text: 'The message is not of the announced or of an accepted type.' },
  CRYPT_E_HASH_VALUE: { value: 0x80091007, text: 'A hash in the message is not the hash of what it covers.' },
  CRYPT_E_RECIPIENT_NOT_FOUND: {
    value: 0x8009100b,
    text: 'The archived key is wrapped to a certificate that is not an exchange certificate of this CA.'
  },
  CRYPT_E_BAD_ENCODE: { value: 0x80092002, text: 'The message breaks its encoding rules.' },
  CRYPT_E_NOT_FOUND: { value: 0x80092004, text: 'The object was not found.' },
  CRYPT_E_NO_DECRYPT_CERT: { value: 0x8009200c, text: 'The exchange certificate has expired or its key is gone.' },
  CRYPT_E_NO_SIGNER: { value: 0x8009200e, text: 'The message has no signer that can be verified.' },
  CRYPT_E_REVOKED: { value: 0x80092010, text: 'The certificate is revoked.' },
  CRYPT_E_NO_REVOCATION_CHECK: { value: 0x80092012, text: 'The revocation state could not be checked.' },
  CRYPT_E_REVOCATION_OFFLINE: { value: 0x80092013, text: 'The source of revocation information does not answer.' },

  NTE_BAD_KEY: { value: 0x80090003, text: 'The key is damaged, too weak or not the one expected.' },
  NTE_BAD_DATA: { value: 0x80090005, text: 'The data could not be decrypted.' },
  NTE_BAD_SIGNATURE: { value: 0x80090006, text: 'A signature or proof of possession does not verify.' },
  NTE_PERM: { value: 0x80090010, text: 'The key may not be used for this.' },
  NTE_BAD_PUBLIC_KEY: { value: 0x80090015, text: 'The public key is not of an accepted algorithm or form.' },
  NTE_FAIL: { value: 0x80090020, text: 'The server failed internally.' },
  NTE_INVALID_PARAMETER: { value: 0x80090027, text: 'A parameter of a cryptographic operation is not valid.' },
  NTE_NOT_SUPPORTED: { value: 0x80090029, text: 'The algorithm or operation is not supported.' },

  ERROR_FILE_NOT_FOUND: { value: 0x80070002, text: 'The file was not found.' },
  E_ACCESSDENIED: { value: 0x80070005, text: 'Access is denied.' },
  ERROR_INVALID_DATA: { value: 0x8007000d, text: 'The data is not valid.' },
  E_INVALIDARG: { value: 0x80070057, text: 'A parameter is missing, unknown or out of range.' },
  // Configuration Manager SDK, management point interface
  SMS_ERR_INVALID_SCHEMA: { value: 0x80040605, text: 'The message does not fit its schema.' },
  SMS_ERR_NO_REPLY: { value: 0x80040607, text: 'The management point gave no reply.' },
  RPC_S_SERVER_UNAVAILABLE: { value: 0x800706ba, text: 'The server does not answer.' },
  // Queued calls (MS-ERREF 2.2, as HRESULTs)
  RPC_S_WRONG_KIND_OF_BINDING: { value: 0x800706a5, text: 'The binding handle is not the correct type.' },
  RPC_S_INVALID_BINDING: { value: 0x800706a6, text: 'The binding handle is invalid.' },
  RPC_S_PROTSEQ_NOT_SUPPORTED: { value: 0x800706a7, text: 'The protocol sequence is not supported.' },
  RPC_S_ALREADY_REGISTERED: { value: 0x800706af, text: 'The interface is registered already.' },
  RPC_S_ALREADY_LISTENING: { value: 0x800706b1, text: 'The server is listening already.' },
  RPC_S_NO_PROTSEQS_REGISTERED: { value: 0x800706b2, text: 'No protocol sequence has been registered.' },
  RPC_S_UNKNOWN_IF: { value: 0x800706b5, text: 'The interface is unknown.' },
  RPC_S_DUPLICATE_ENDPOINT: { value: 0x800706cc, text: 'The endpoint is a duplicate.' },
  RPC_S_PROCNUM_OUT_OF_RANGE: { value: 0x800706d1, text: 'The procedure number is out of range.' },
  RPC_S_BINDING_HAS_NO_AUTH: {
    value: 0x800706d2,
    text: 'The binding does not contain any authentication information.'
  },
  RPC_S_UNKNOWN_AUTHN_SERVICE: { value: 0x800706d3, text: 'The authentication service is unknown.' },
  RPC_S_UNKNOWN_AUTHN_LEVEL: { value: 0x800706d4, text: 'The authentication level is unknown.' },
  RPC_S_INVALID_AUTH_IDENTITY: { value: 0x800706d5, text: 'The security context is invalid.' },
  RPC_S_CANNOT_SUPPORT: { value: 0x800706e4, text: 'The requested operation is not supported.' },
  RPC_X_BAD_STUB_DATA: { value: 0x800706f7, text: 'The stub received bad data.' },

  MQ_INFORMATION_PROPERTY: { value: 0x400e0001, text: 'Some of the properties were ignored.' },
  MQ_INFORMATION_PROPERTY_IGNORED: {
    value: 0x400e0003,
    text: 'The property was ignored: a receiver cannot ask for it.'
  },
  MQ_INFORMATION_INTERNAL_USER_CERT_EXIST: {
    value: 0x400e000a,
    text: 'The machine has an internal certificate of the user already.'
  },
  MQ_ERROR_INVALID_PARAMETER: { value: 0xc00e0006, text: 'A supplied parameter is not set to a valid value.' },
  MQ_ERROR_ILLEGAL_USER: { value: 0xc00e0011, text: 'The caller has no account of a domain.' },
  MQ_ERROR_NO_DS: { value: 0xc00e0013, text: 'The directory does not answer.' },
  MQ_ERROR_INTERNAL_USER_CERT_EXIST: { value: 0xc00e002e, text: 'The certificate is registered for the user already.' },
  MQ_ERROR_DS_IS_FULL: { value: 0xc00e0042, text: 'The directory takes no more of the user.' },
  MQ_ERROR_DS_ERROR: { value: 0xc00e0043, text: 'The directory answers with an error.' },
  MQ_ERROR_UNSUPPORTED_OPERATION: { value: 0xc00e006a, text: 'The operation is not supported in workgroup mode.' },
  MQ_ERROR_CANNOT_CREATE_CERT_STORE: { value: 0xc00e006f, text: 'The certificate store of the user cannot be made.' },
  MQ_ERROR_CANNOT_OPEN_CERT_STORE: { value: 0xc00e0070, text: 'The certificate store of the user cannot be opened.' },
  MQ_ERROR_INVALID_CERTIFICATE: {
    value: 0xc00e002c,
    text: 'The certificate is not correctly placed in the personal certificate store.'
  },
  MQ_ERROR_CORRUPTED_SECURITY_DATA: { value: 0xc00e0030, text: 'A cryptographic function has failed.' },
  MQ_ERROR_PUBLIC_KEY_NOT_FOUND: { value: 0xc00e0079, text: 'The public key of the destination was not found.' },
  MQ_ERROR_QUEUE_NOT_FOUND: { value: 0xc00e0003, text: 'The queue does not exist.' },
  MQ_ERROR_QUEUE_EXISTS: { value: 0xc00e0005, text: 'A queue of this name exists already.' },
  MQ_ERROR_ACCESS_DENIED: { value: 0xc00e0025, text: 'Access is denied.' },
  MQ_ERROR_INSUFFICIENT_RESOURCES: {
    value: 0xc00e0027,
    text: 'There are not enough resources to complete the operation.'
  },
  MQ_ERROR_COULD_NOT_GET_USER_SID: { value: 0xc00e0036, text: "The user's SID could not be retrieved." },
  MQ_ERROR_NO_INTERNAL_USER_CERT: {
    value: 0xc00e002f,
    text: 'No internal certificate is registered, or the registered one is corrupted.'
  },
  MQ_ERROR_BAD_SECURITY_CONTEXT: { value: 0xc00e0035, text: 'The security context is not valid.' },
  MQ_ERROR_CANNOT_IMPERSONATE_CLIENT: { value: 0xc00e0024, text: 'The server cannot act for the client.' },
  MQ_ERROR_CERTIFICATE_NOT_PROVIDED: { value: 0xc00e006d, text: 'A certificate is needed and was not provided.' },
  MQ_ERROR_MISSING_CONNECTOR_TYPE: { value: 0xc00e0055, text: 'A property is set that needs a connector type.' },
  MQ_ERROR_FAIL_VERIFY_SIGNATURE_EX: { value: 0xc00e0082, text: 'The signature of the message does not verify.' },

  CERT_E_EXPIRED: { value: 0x800b0101, text: 'The certificate is outside its validity period.' },
  CERT_E_UNTRUSTEDROOT: { value: 0x800b0109, text: 'The certificate chains to a root that is not trusted.' },
  CERT_E_CHAINING: { value: 0x800b010a, text: 'No chain to a trusted root could be built.' },
  CERT_E_REVOKED: { value: 0x800b010c, text: 'A certificate of the chain is revoked.' },
  CERT_E_WRONG_USAGE: { value: 0x800b0110, text: 'The certificate is not valid for this usage.' }
} as const satisfies Record<string, HresultEntry>

/** A symbol of {@link HRESULTS}. */
export type HresultSymbol = keyof typeof HRESULTS

const symbolsByValue = new Map<number, HresultSymbol>(
  (Object.keys(HRESULTS) as HresultSymbol[]).map(symbol => [HRESULTS[symbol].value, symbol])
)

/** The symbol of an HRESULT given as unsigned or signed 32-bit number; undefined when the table lacks it. */
export function findHresultSymbol(hresult: number): HresultSymbol | undefined {
  return symbolsByValue.get(hresult >>> 0)
}

/** An HRESULT as eight hexadecimal digits, `0x8009400b`; signed and unsigned input give the same text. */
export function formatHresult(hresult: number): string {
  return `0x${(hresult >>> 0).toString(16).padStart(8, '0')}`
}

/** The value as the signed 32-bit number that `xs:int` and LONG carry. */
export function toSignedHresult(hresult: number): number {
  return hresult | 0
}

/** Reads `0x8009400b`, `8009400b`, a decimal of either sign or a symbol; undefined when the text is none of these. */
export function parseHresult(text: string): number | undefined {
  const trimmed = text.trim()
  if (Object.hasOwn(HRESULTS, trimmed)) return HRESULTS[trimmed as HresultSymbol].value
  if (/^(0x)?[0-9a-f]{8}$/i.test(trimmed)) return Number.parseInt(trimmed.replace(/^0x/i, ''), 16)
  if (!/^-?\d{1,10}$/.test(trimmed)) return undefined
  const value = Number(trimmed)
  return value >= -0x80000000 && value <= 0xffffffff ? value >>> 0 : undefined
}

/**
 * The sentence for an HRESULT, as ICertRequest2::GetErrorMessageText gives it. `withCode` (CR_GEMT_HRESULT_STRING)
 * appends the code in hexadecimal. An HRESULT without a text always shows its code.
 */
export function errorMessageText(hresult: number, options: { readonly withCode?: boolean } = {}): string {
  const symbol = findHresultSymbol(hresult)
  if (symbol === undefined) return `No text is known for error ${formatHresult(hresult)}.`
  const { text } = HRESULTS[symbol]
  return options.withCode === true ? `${text} ${formatHresult(hresult)} (${symbol})` : text
}
