import { z } from 'zod'

/** A handle in a path or body: 128 bits in base64url. */
export const handleSchema = z.string().regex(/^[A-Za-z0-9_-]{22}$/, 'is no handle of a security context')

/** The id of a key or delegation in a path. */
export const idParameter = z.uuid()

/** A key to make. */
export const keyBody = z.strictObject({
  kind: z.enum(['internal', 'external']).default('internal').describe('What its certificate is to be.')
})

const key = {
  id: z.string(),
  kind: z.enum(['internal', 'external']),
  publicKey: z.string().describe('SubjectPublicKeyInfo, DER in base64.'),
  createdAt: z.string()
}

/** A key that the server holds. */
const keyView = z.object(key)

/** A key that was made, and what its certificate is asked for with. */
export const newKeyView = z.object({
  ...key,
  csr: z.string().describe('PKCS#10, DER in base64: register it, or have it certified elsewhere.'),
  machineId: z.string().optional().describe('Of the server, to register an internal certificate with.')
})

/** The caller's keys. */
export const keyListView = z.object({ items: z.array(keyView) })

/** A security context to obtain. */
export const contextBody = z.strictObject({
  certificate: z
    .string()
    .optional()
    .describe('A registered external certificate whose key the server holds, DER in base64; absent for the internal.')
})

/** A security context. */
export const contextView = z.object({
  handle: z.string().optional().describe('Given to its owner once.'),
  sid: z.string().describe('Whose messages it signs.'),
  kind: z.enum(['internal', 'external']),
  digest: z.string().describe('MD5 of the certificate.'),
  expiresAt: z.string()
})

/** An account that is to act for the caller. */
export const delegationBody = z.strictObject({
  actor: z
    .string()
    .regex(/^S-1(-\d{1,15}){2,16}$/, 'is no security identifier')
    .describe('SID.'),
  expiresAt: z.iso.datetime().describe('At most 30 days from now.')
})

const delegation = {
  id: z.string(),
  subject: z.string().describe('SID of who is acted for.'),
  actor: z.string().describe('SID of who acts.'),
  createdAt: z.string(),
  expiresAt: z.string()
}

/** That an account may act for another. */
const delegationView = z.object(delegation)

/** A delegation that was given. */
export const newDelegationView = z.object({
  ...delegation,
  subjectToken: z.string().describe('For the actor, to be exchanged (RFC 8693). It is good for nothing else.')
})

/** The delegations that the caller gave and has. */
export const delegationListView = z.object({ items: z.array(delegationView) })

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/** What a token exchange asks for (RFC 8693, 2.1); what it does not know is ignored (RFC 6749, 3.2). */
export const exchangeForm = z.object({
  grant_type: z.literal('urn:ietf:params:oauth:grant-type:token-exchange'),
  subject_token: z.string().min(1),
  subject_token_type: z.literal(ACCESS_TOKEN),
  requested_token_type: z.literal(ACCESS_TOKEN).optional(),
  actor_token: z.never('The caller acts: it proves who it is by its credential.').optional()
})

/** What a token exchange gives (RFC 8693, 2.2.1). */
export const exchangedView = z.object({
  access_token: z.string(),
  issued_token_type: z.literal(ACCESS_TOKEN),
  token_type: z.literal('Bearer'),
  expires_in: z.number(),
  scope: z.literal('security-context')
})

export type KeyBody = z.infer<typeof keyBody>
export type KeyView = z.infer<typeof keyView>
export type NewKeyView = z.infer<typeof newKeyView>
export type ContextBody = z.infer<typeof contextBody>
export type ContextView = z.infer<typeof contextView>
export type DelegationBody = z.infer<typeof delegationBody>
export type DelegationView = z.infer<typeof delegationView>
export type NewDelegationView = z.infer<typeof newDelegationView>
export type ExchangedView = z.infer<typeof exchangedView>
