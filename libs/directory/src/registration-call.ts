import { AppError, isAppError } from '@app/core'
import { decodeCertificate, type Certificate } from '@app/x509'
import { domainOfSid } from './security-identifier.js'

/** When a certificate is registered (MQRegisterCertificate, dwFlags; MC-MQAC 2.2.2.9 names the values). */
export const MQCERT_REGISTER = { ALWAYS: 1, IF_NOT_EXIST: 2 } as const

/** A flag by its name, as callers write it. */
export type RegisterFlag = 'MQCERT_REGISTER_ALWAYS' | 'MQCERT_REGISTER_IF_NOT_EXIST'

/** A call of RegisterCertificate as it came in. */
export interface RegistrationCall {
  /** A name or number; ALWAYS when absent, as for the COM method (MC-MQAC 3.2.4.2.1). */
  readonly flags?: string | number | undefined
  /** An external certificate, DER; absent for an internal one. */
  readonly certificate?: Uint8Array | undefined
}

/** A call whose parameters fit together. */
export type CheckedCall =
  | { readonly kind: 'internal'; readonly flag: RegisterFlag }
  | { readonly kind: 'external'; readonly certificate: Certificate }

/**
 * The first check of a registration: flags that exist, an external certificate that is DER, and ALWAYS with it. Throws
 * `MQ_ERROR_INVALID_PARAMETER`.
 */
export function checkRegistrationCall({ flags, certificate }: RegistrationCall): CheckedCall {
  const flag = parseRegisterFlag(flags ?? MQCERT_REGISTER.ALWAYS)
  if (certificate === undefined) return { kind: 'internal', flag }
  if (flag === 'MQCERT_REGISTER_IF_NOT_EXIST') {
    throw invalidParameter('An external certificate is registered with MQCERT_REGISTER_ALWAYS only.')
  }
  if (certificate.length === 0) throw invalidParameter('The certificate is empty.')
  try {
    return { kind: 'external', certificate: decodeCertificate(certificate) }
  } catch (cause) {
    if (!isAppError(cause)) throw cause
    throw invalidParameter('The certificate is not one X.509 certificate in DER.', cause)
  }
}

/** The flag of a name or number. Throws `MQ_ERROR_INVALID_PARAMETER`. */
export function parseRegisterFlag(flags: string | number): RegisterFlag {
  if (flags === MQCERT_REGISTER.ALWAYS || flags === 'MQCERT_REGISTER_ALWAYS') return 'MQCERT_REGISTER_ALWAYS'
  if (flags === MQCERT_REGISTER.IF_NOT_EXIST || flags === 'MQCERT_REGISTER_IF_NOT_EXIST') {
    return 'MQCERT_REGISTER_IF_NOT_EXIST'
  }
  throw invalidParameter('flags must be MQCERT_REGISTER_ALWAYS (1) or MQCERT_REGISTER_IF_NOT_EXIST (2).')
}

/** Who calls, and what the server is. */
export interface RegistrationCaller {
  readonly account: string
  readonly sid: string
  readonly kind: string
  /** Whether the server has no domain, only local accounts. */
  readonly workgroup: boolean
}

/**
 * The second and third check: there is a directory to register in, and the caller is an account of a domain. Throws
 * `MQ_ERROR_UNSUPPORTED_OPERATION`, then `MQ_ERROR_ILLEGAL_USER`.
 */
export function requireDomainAccount({ account, sid, kind, workgroup }: RegistrationCaller): void {
  if (workgroup) {
    throw new AppError('MQ_ERROR_UNSUPPORTED_OPERATION', 'This server is in workgroup mode and has no directory.')
  }
  if ((kind === 'user' || kind === 'computer') && domainOfSid(sid) !== undefined) return
  throw new AppError('MQ_ERROR_ILLEGAL_USER', `${account} is not an account of a domain (${sid}).`, { account })
}

function invalidParameter(message: string, cause?: unknown): AppError {
  return new AppError('MQ_ERROR_INVALID_PARAMETER', message, {}, { cause })
}
