declare const brand: unique symbol

type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** The number a client knows its request by: 1 to 2^31-1, one sequence for all CAs. */
export type RequestId = Branded<number, 'RequestId'>
/** A certificate authority's row id. */
export type CaId = Branded<number, 'CaId'>
/** A template version's row id: one immutable version of one template. */
export type TemplateId = Branded<number, 'TemplateId'>
/** A user's or computer's row id (UUID, also its objectGUID). */
export type PrincipalId = Branded<string, 'PrincipalId'>
/** A recovery agent's row id. */
export type AgentId = Branded<number, 'AgentId'>
/** A recovery's number. */
export type RecoveryId = Branded<number, 'RecoveryId'>
/** An exchange key's row id. */
export type ExchangeKeyId = Branded<number, 'ExchangeKeyId'>

/** Marks a plain value as the given id; the caller vouches that it is one. */
export function asId<Id extends RequestId | CaId | TemplateId | AgentId | RecoveryId | ExchangeKeyId>(
  value: number
): Id {
  return value as Id
}

/** Marks text as a principal's id; the caller vouches that it is one. */
export function asPrincipalId(value: string): PrincipalId {
  return value as PrincipalId
}

/** The account under which the installation makes requests for itself. Nobody can sign in as it. */
export const SYSTEM_PRINCIPAL: PrincipalId = asPrincipalId('00000000-0000-4000-8000-000000000001')
/** The name of {@link SYSTEM_PRINCIPAL} in requests and the audit log. */
export const SYSTEM_ACCOUNT = 'CERTKEEP\\SYSTEM'
