import { createHash, randomUUID } from 'node:crypto'
import { asPrincipalId, type CaId, type Entropy } from '@app/core'
import type { HeldRole } from '@app/policy'
import { roleColumnsOf, type NewCredential, type NewInvitation, type NewPrincipal } from '@app/storage'

/** What operators' certificates are made from, and the domain that their accounts are in. */
export const OPERATOR_TEMPLATE = { name: 'Operator', domain: 'CERTKEEP' } as const

const hour = 3_600_000

/** A link that is about to be made. */
export interface InvitationParts {
  readonly role: HeldRole
  readonly invitedBy: string
  readonly hours: number
  readonly now: Date
  readonly entropy: Entropy
}

/** The link of an invitation. Its secret stands in the fragment, which browsers send to nobody: it gets into no log. */
export function invitationLink(publicUrl: string, secret: string): string {
  return `${publicUrl}/enrol#${secret}`
}

/** An invitation with its secret, of which only the hash is stored. */
export function newInvitation(parts: InvitationParts): { readonly row: NewInvitation; readonly secret: string } {
  const { role, invitedBy, hours, now, entropy } = parts
  const secret = secretOf(entropy)
  const row = {
    ...roleColumnsOf(role),
    id: randomUUID(),
    secretHash: sha256(secret),
    invitedBy,
    createdAt: now,
    expiresAt: new Date(now.getTime() + hours * hour)
  }
  return { row, secret }
}

/** An account that is about to be made for the redeemer of a link. */
export interface OperatorParts {
  readonly account: string
  readonly displayName: string
  readonly sid: string
  readonly caId: CaId | null
  readonly now: Date
  readonly entropy: Entropy
}

/**
 * The account of a new operator with a token that is good to enroll with for one hour. It has no UPN and no mail
 * address: whoever redeems a link does not choose names that other systems trust.
 */
export function newOperator(parts: OperatorParts): {
  readonly principal: NewPrincipal
  readonly credential: NewCredential
  readonly token: string
} {
  const { account, displayName, sid, caId, now, entropy } = parts
  const id = asPrincipalId(randomUUID())
  const token = `ckt_${secretOf(entropy)}`
  const names = { distinguishedName: null, upn: null, mail: null, dnsName: null }
  const { domain } = OPERATOR_TEMPLATE
  return {
    principal: {
      id,
      kind: 'user',
      sid,
      accountName: account,
      domain,
      displayName,
      ...names,
      groupNames: [],
      createdAt: now
    },
    credential: {
      id: randomUUID(),
      principalId: id,
      label: 'first certificate of an operator',
      tokenHash: sha256(token),
      scopes: ['enroll'],
      caId,
      expiresAt: new Date(now.getTime() + hour),
      createdAt: now
    },
    token
  }
}

function secretOf(entropy: Entropy): string {
  return Buffer.from(entropy.bytes(32)).toString('base64url')
}

function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
